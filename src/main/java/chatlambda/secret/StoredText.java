package chatlambda.secret;

import chatlambda.aws.AwsCall;
import chatlambda.json.JsonOut;
import chatlambda.secret.Secret.Unavailable;
import java.io.IOException;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;

/**
 * A setting's text as AWS Secrets Manager or Systems Manager's Parameter Store holds it.
 *
 * @param setting its name, for messages
 * @param arn of the secret or the parameter
 * @param environment Lambda's: credentials, and variables that name other endpoints than AWS's own
 */
record StoredText(String setting, String arn, Map<String, String> environment, Duration connectTimeout) {

    /** @return empty where it holds no text */
    String read(Duration timeout) throws Unavailable {
        if (!AwsCall.hasCredentials(environment)) {
            throw unavailable("there are no credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY): "
                    + "run on Lambda, or give " + variable() + " the text itself");
        }
        String[] parts = arn.split(":");
        boolean isParameter = parts[2].equals("ssm");
        byte[] request = new JsonOut(256).raw(isParameter ? "{\"WithDecryption\":true,\"Name\":" : "{\"SecretId\":").string(arn).raw("}")
                .toBytes();
        var call = isParameter ? new AwsCall("ssm", parts[3], "AWS_ENDPOINT_URL_SSM", "AmazonSSM.GetParameter", request)
                : new AwsCall("secretsmanager", parts[3], "AWS_ENDPOINT_URL_SECRETS_MANAGER", "secretsmanager.GetSecretValue", request);
        AwsCall.Answer answer;
        try {
            answer = call.send(environment, connectTimeout, timeout);
        } catch (IOException e) {
            throw unavailable(e.getMessage());
        }
        if (answer.status() != 200) {
            throw unavailable(answer.host() + " answered " + answer.status() + " " + answer.errorType()
                    + ": check the ARN, and that the function's role may "
                    + (isParameter ? "ssm:GetParameter" : "secretsmanager:GetSecretValue"));
        }
        try {
            String text = answer.member(isParameter ? "Value" : "SecretString");
            return text == null ? "" : text;
        } catch (IOException e) {
            throw unavailable(answer.host() + " gave an answer that is not JSON: try again");
        }
    }

    private String variable() {
        return "CHAT_" + setting.replace('-', '_').toUpperCase(Locale.ROOT);
    }

    Unavailable unavailable(String why) {
        return new Unavailable("chat." + setting + " (environment variable " + variable() + ") names " + arn
                + ", which cannot be read: " + why);
    }
}
