package chatlambda;

import static chatlambda.ScriptedUpstream.answering;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.ScriptedUpstream.Request;
import chatlambda.ScriptedUpstream.Script;
import chatlambda.local.LocalLambda;
import chatlambda.local.LocalLambda.InvokeMode;
import jakarta.json.Json;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.auth.signer.Aws4Signer;
import software.amazon.awssdk.auth.signer.params.Aws4SignerParams;
import software.amazon.awssdk.http.SdkHttpFullRequest;
import software.amazon.awssdk.http.SdkHttpMethod;
import software.amazon.awssdk.regions.Region;

/** The upstream's key out of AWS Secrets Manager or the Parameter Store, of which the ends on the wire are here. */
class SecretIT {

    private static final String ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:chat/key-AbCdEf";
    private static final String PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter/chat/key";
    private static final String OLD = "sk-test-old";
    private static final String NEW = "sk-test-new";
    private static final String SECRET_KEY = "sk-test-aws/secret+key";
    private static final String CHAT = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
    private static final String TYPE = "application/x-amz-json-1.1";

    private static Map<String, String> environment(String arn, ScriptedUpstream aws) {
        var environment = new HashMap<>(Map.of("CHAT_API_KEY", arn, "AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY", SECRET_KEY,
                "AWS_SESSION_TOKEN", "sk-test-session", "AWS_REGION", "us-east-1"));
        environment.put(arn.equals(ARN) ? "AWS_ENDPOINT_URL_SECRETS_MANAGER" : "AWS_ENDPOINT_URL_SSM", aws.url().toString());
        return environment;
    }

    private static Script secret(String value) {
        return answering(200, TYPE, "{'ARN':'%s','Name':'chat/key','SecretString':'%s','VersionStages':['AWSCURRENT']}"
                .replace('\'', '"').formatted(ARN, value));
    }

    private static Script parameter(String value) {
        return answering(200, TYPE, "{\"Parameter\":{\"ARN\":\"" + PARAMETER + "\",\"Type\":\"SecureString\",\"Value\":\"" + value + "\"}}");
    }

    /** An upstream that knows one key. */
    private static Script knowing(String key) {
        return (request, connection) -> (("Bearer " + key).equals(request.head().field("authorization"))
                ? answering(200, "application/json", "{\"choices\":[]}") : answering(401, "application/json", "{\"error\":{\"message\":\"no\"}}"))
                        .answer(request, connection);
    }

    @ParameterizedTest
    @CsvSource({ ARN + ", secretsmanager.GetSecretValue, secretsmanager, eu-central-1", PARAMETER + ", AmazonSSM.GetParameter, ssm, eu-west-1" })
    void theServiceIsAskedOnceWithASignedRequest(String arn, String target, String service, String region) throws Exception {
        try (var aws = ScriptedUpstream.start(arn.equals(ARN) ? secret(OLD + "\\n") : parameter(OLD));
                var upstream = ScriptedUpstream.start(knowing(OLD));
                var function = Deployed.against(upstream.url(), environment(arn, aws))) {
            assertEquals("{\"choices\":[]}", function.invoke(CHAT).text());
            assertEquals("{\"choices\":[]}", function.invoke(CHAT).text());
            Request request = aws.request();
            assertEquals("POST / HTTP/1.1", request.head().startLine());
            assertEquals(target, request.head().field("x-amz-target"));
            assertEquals(TYPE, request.head().field("content-type"));
            assertEquals("sk-test-session", request.head().field("x-amz-security-token"));
            var body = Events.json(request.text());
            assertEquals(arn, body.getString(arn.equals(ARN) ? "SecretId" : "Name"));
            assertEquals(!arn.equals(ARN), body.getBoolean("WithDecryption", false));
            assertEquals(authorizationOfTheSdk(request, aws.url(), service, region), request.head().field("authorization"));
        }
    }

    /** As the AWS SDK for Java would have sent what has arrived. */
    @SuppressWarnings("deprecation") // its successor signs one more header, x-amz-content-sha256, which these services do not ask for
    private static String authorizationOfTheSdk(Request request, URI url, String service, String region) {
        var unsigned = SdkHttpFullRequest.builder().method(SdkHttpMethod.POST).uri(url.resolve("/"))
                .putHeader("content-type", request.head().field("content-type"))
                .putHeader("x-amz-target", request.head().field("x-amz-target"))
                .contentStreamProvider(() -> new ByteArrayInputStream(request.body())).build();
        var then = LocalDateTime.parse(request.head().field("x-amz-date"), DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'"));
        return Aws4Signer.create().sign(unsigned, Aws4SignerParams.builder()
                .awsCredentials(AwsSessionCredentials.create("AKIDEXAMPLE", SECRET_KEY, "sk-test-session"))
                .signingName(service).signingRegion(Region.of(region))
                .signingClockOverride(Clock.fixed(then.toInstant(ZoneOffset.UTC), ZoneOffset.UTC)).build())
                .firstMatchingHeader("Authorization").orElseThrow();
    }

    static boolean botocoreIsThere() {
        return RecipesIT.works("python3", "-c", "import botocore");
    }

    @ParameterizedTest
    @EnabledIf(value = "botocoreIsThere", disabledReason = "no python3 with botocore here")
    @CsvSource({ ARN + ", secretsmanager, eu-central-1", PARAMETER + ", ssm, eu-west-1" })
    void botocoreFindsTheSameSignature(String arn, String service, String region) throws Exception {
        try (var aws = ScriptedUpstream.start(arn.equals(ARN) ? secret(OLD) : parameter(OLD));
                var upstream = ScriptedUpstream.start(knowing(OLD));
                var function = Deployed.against(upstream.url(), environment(arn, aws))) {
            function.invoke(CHAT);
            String authorization = aws.request().head().field("authorization");
            String signature = signatureOfBotocore(aws.request(), aws.url().toString(), service, region);
            assertTrue(authorization.endsWith("Signature=" + signature), authorization + " is not " + signature);
        }
    }

    private static String signatureOfBotocore(Request request, String url, String service, String region) throws Exception {
        String authorization = request.head().field("authorization");
        var signed = Json.createObjectBuilder();
        for (String name : authorization.replaceAll(".*SignedHeaders=([^,]*),.*", "$1").split(";")) {
            assertNotNull(request.head().field(name), name);
            signed.add(name, request.head().field(name));
        }
        var given = Json.createObjectBuilder().add("url", url + "/").add("headers", signed).add("body", request.text())
                .add("date", request.head().field("x-amz-date")).add("service", service).add("region", region)
                .add("secret", SECRET_KEY).build().toString();
        var python = new ProcessBuilder("python3", "-c", """
                import datetime, json, sys
                from botocore import auth, awsrequest, credentials
                given = json.load(sys.stdin)
                request = awsrequest.AWSRequest("POST", given["url"], headers=given["headers"], data=given["body"].encode())
                request.context["timestamp"] = given["date"]
                signer = auth.SigV4Auth(credentials.Credentials("AKIDEXAMPLE", given["secret"]), given["service"], given["region"])
                print(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))
                """).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        try (var in = python.getOutputStream()) {
            in.write(given.getBytes(StandardCharsets.UTF_8));
        }
        String signature = new String(python.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        assertTrue(python.waitFor(30, TimeUnit.SECONDS));
        assertEquals(0, python.exitValue());
        return signature;
    }

    @ParameterizedTest
    @CsvSource({ "buffered, BUFFERED", "stream, RESPONSE_STREAM" })
    void aKeyThatWasRotatedIsReadAgainOnceAMinute(String responseMode, InvokeMode mode) throws IOException {
        try (var aws = ScriptedUpstream.start(secret(OLD));
                var upstream = ScriptedUpstream.start(knowing(OLD))) {
            var environment = environment(ARN, aws);
            environment.put("CHAT_RESPONSE_MODE", responseMode);
            environment.put("CHAT_RETRIES", "0");
            String streamed = CHAT.replace("\"model\"", "\"stream\":true,\"model\"");
            try (var function = Deployed.against(upstream.url(), environment, mode)) {
                assertEquals("{\"choices\":[]}", function.invoke(streamed).text());
                assertEquals(1, aws.requests.size());
                aws.script(secret(NEW));
                upstream.script(knowing(NEW));
                assertEquals("{\"choices\":[]}", function.invoke(streamed).text());
                assertEquals(2, upstream.requests.size());
                assertEquals(1, aws.requests.size());
                upstream.script(knowing("sk-test-yet-another"));
                var outcome = function.invoke(streamed);
                assertTrue(outcome.functionError() && outcome.text().contains("upstream_key_rejected"), outcome.text());
                assertEquals(1, upstream.requests.size());
                assertEquals(1, aws.requests.size(), "not within the same minute");
            }
        }
    }

    @Test
    void aSecretThatIsTheSameStillIsNotTriedAgain() throws IOException {
        try (var aws = ScriptedUpstream.start(secret(OLD));
                var upstream = ScriptedUpstream.start(knowing(NEW));
                var function = Deployed.against(upstream.url(), environment(ARN, aws))) {
            String said = function.invoke(CHAT).text();
            assertTrue(said.contains("upstream_key_rejected"), said);
            assertEquals(1, upstream.requests.size());
            assertEquals(2, aws.requests.size());
            assertTrue(function.process.messages().get(0).contains("the secret holds the same one still"), function.process.output());
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            400 | {"__type":"com.amazonaws#ResourceNotFoundException","Message":"sk-test-x"} | answered 400 ResourceNotFoundException: check the ARN, and that the function's role may secretsmanager:GetSecretValue
            400 | {"__type":"AccessDeniedException"}  | answered 400 AccessDeniedException: check
            503 | <html>                              | answered 503 : check
            200 | <html>                              | gave an answer that is not JSON: try again
            200 | {"SecretBinary":"c2s="}             | it holds no text: store the key alone, as plain text
            200 | {"SecretString":" "}                | it holds no text: store the key alone, as plain text
            200 | {"SecretString":"{\\"sk-test-a\\":1}"} | it holds a JSON object: store the key alone, as plain text
            200 | {"SecretString":"sk-test-a b"}      | it holds a character that no HTTP header can carry: store the key alone
            """)
    void aSecretThatCannotBeReadStopsTheStartAndLambdaIsToldWhy(int status, String answer, String said) throws Exception {
        try (var aws = ScriptedUpstream.start(answering(status, TYPE, answer));
                var lambda = LocalLambda.start(0, InvokeMode.BUFFERED, Duration.ofSeconds(30))) {
            var environment = environment(ARN, aws);
            environment.putAll(Map.of("AWS_LAMBDA_RUNTIME_API", lambda.runtimeApi(), "CHAT_URL", "http://127.0.0.1:1", "CHAT_AUTH", "iam",
                    "CHAT_PRIME_TIMEOUT", "0s"));
            try (var process = Deployed.FunctionProcess.start(environment)) {
                String error = lambda.initError(Duration.ofSeconds(30));
                assertTrue(error.startsWith("Runtime.SecretUnavailable: chat.api-key (environment variable CHAT_API_KEY) names " + ARN
                        + ", which cannot be read: "), error);
                assertTrue(error.contains(said), error);
                assertFalse(error.contains(LogLines.KEY_PREFIX), error);
                assertEquals(1, process.exitCode());
                assertEquals(1, process.messages().size(), process.output());
            }
        }
    }

    @Test
    void withoutCredentialsOrNetworkOrAddressTheStartSaysSo() throws Exception {
        for (String without : new String[] { "AWS_ACCESS_KEY_ID", "network", "address" }) {
            try (var aws = ScriptedUpstream.start(secret(OLD)); var lambda = LocalLambda.start(0, InvokeMode.BUFFERED, Duration.ofSeconds(30))) {
                var environment = environment(ARN, aws);
                environment.putAll(Map.of("AWS_LAMBDA_RUNTIME_API", lambda.runtimeApi(), "CHAT_AUTH", "iam", "CHAT_PRIME_TIMEOUT", "0s"));
                environment.remove(without);
                environment.computeIfPresent("AWS_ENDPOINT_URL_SECRETS_MANAGER",
                        (name, url) -> without.equals("network") ? "http://127.0.0.1:1" : without.equals("address") ? "localhost:4566" : url);
                try (var process = Deployed.FunctionProcess.start(environment)) {
                    String error = lambda.initError(Duration.ofSeconds(30));
                    assertTrue(error.contains(switch (without) {
                        case "network" -> "127.0.0.1 did not answer (";
                        case "address" -> "the endpoint in AWS_ENDPOINT_URL (or that of this service) is no address";
                        default -> "there are no credentials";
                    }), error);
                    assertEquals(1, process.exitCode());
                }
            }
        }
    }
}
