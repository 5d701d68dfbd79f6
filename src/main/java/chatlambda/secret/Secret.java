package chatlambda.secret;

import chatlambda.chat.UpstreamKey;
import chatlambda.json.JsonOut;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;
import org.jboss.logging.Logger;

/**
 * The upstream's key as AWS Secrets Manager or Systems Manager's Parameter Store holds it, kept in memory. It is read when the
 * function starts, and again when the upstream refuses it, at most once a minute.
 */
public class Secret implements UpstreamKey {

    private static final Logger LOG = Logger.getLogger(Secret.class);

    /** {@code arn:partition:service:region:account:...} */
    private static final Pattern ARN = Pattern.compile(
            "arn:(?:aws|aws-cn|aws-us-gov):(?:secretsmanager:[a-z0-9-]+:\\d{12}:secret:.+|ssm:[a-z0-9-]+:\\d{12}:parameter/.+)");
    private static final Duration MIN_REFRESH_INTERVAL = Duration.ofMinutes(1);
    /** Well below the 10 s that Lambda gives a start. */
    private static final Duration READ_TIMEOUT = Duration.ofSeconds(5);

    private final String arn;
    private final Map<String, String> environment;
    private final Duration connectTimeout;
    private volatile String value;
    private Instant renewed = Instant.EPOCH;
    private FutureTask<Void> renewal;

    /** Why there is no key. */
    public static final class Unavailable extends Exception {

        private static final long serialVersionUID = 1;

        Unavailable(String message) {
            super(message, null, false, false);
        }
    }

    Secret(String arn, Map<String, String> environment, Duration connectTimeout) {
        this.arn = arn;
        this.environment = environment;
        this.connectTimeout = connectTimeout;
    }

    /** Whether a setting is meant as the name of a key, rather than as one. */
    public static boolean looksLikeArn(String setting) {
        return setting.startsWith("arn:");
    }

    /** Whether a setting names a secret of Secrets Manager or a parameter of the Parameter Store. */
    public static boolean isArn(String setting) {
        return ARN.matcher(setting).matches();
    }

    /**
     * Begins to read the key on a thread of its own, while the function starts.
     *
     * @param arn one that {@link #isArn}
     * @param environment Lambda's: credentials, and variables that name other endpoints than AWS's own
     * @return for {@link #await}
     */
    public static Future<Secret> startReading(String arn, Map<String, String> environment, Duration connectTimeout) {
        var reading = new FutureTask<>(new Secret(arn, environment, connectTimeout)::withValue);
        start(reading);
        return reading;
    }

    private static void start(Runnable reading) {
        var thread = new Thread(reading, "secret");
        thread.setDaemon(true);
        thread.start();
    }

    /**
     * Waits for the key, at most 5 s from {@link #startReading}.
     *
     * @throws Unavailable it could not be read: names the ARN, what was met, and what to do
     */
    public static Secret await(Future<Secret> reading) throws Unavailable {
        try {
            return reading.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Unavailable unavailable) {
                throw unavailable;
            }
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Unavailable("interrupted");
        }
    }

    /** Never null after {@link #await}. */
    @Override
    public String value() {
        return value;
    }

    /**
     * Reads the key again, on a thread of its own, in at most 5 s, at most once a minute. Whoever calls while it is read waits for that, no
     * longer than its own limit; who has no time begins nothing.
     */
    @Override
    public boolean renew(String refused, Duration limit) {
        boolean hasTime = !limit.isNegative() && !limit.isZero();
        FutureTask<Void> reading = hasTime && value.equals(refused) ? renewal() : null;
        if (reading != null) {
            try {
                reading.get(limit.toNanos(), TimeUnit.NANOSECONDS);
            } catch (ExecutionException | TimeoutException e) {
                LOG.debug("the key was not read in time"); // the thread that reads goes on, and says what it finds
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        return !value.equals(refused);
    }

    /** The reading that goes on, or one that begins; null: the last one began less than a minute ago, and has ended. */
    private synchronized FutureTask<Void> renewal() {
        if (renewal != null && !renewal.isDone()) {
            return renewal;
        }
        Instant now = Instant.now();
        if (!isDue(renewed, now)) {
            return null;
        }
        renewed = now;
        var reading = new FutureTask<Void>(this::readAgain, null);
        start(reading);
        renewal = reading;
        return renewal;
    }

    private void readAgain() {
        String before = value;
        try {
            value = read(READ_TIMEOUT);
        } catch (Unavailable e) {
            LOG.errorf("the upstream refused the key, and %s", e.getMessage());
            return;
        } catch (RuntimeException e) { // never its message, which may quote anything
            LOG.errorf("the upstream refused the key, and it cannot be read again: %s", e.getClass().getName());
            return;
        }
        LOG.warnf("the upstream refused the key, and the secret holds %s", value.equals(before) ? "the same one still" : "another one now");
    }

    static boolean isDue(Instant renewed, Instant now) {
        return Duration.between(renewed, now).compareTo(MIN_REFRESH_INTERVAL) >= 0;
    }

    Secret withValue() throws Unavailable {
        value = read(READ_TIMEOUT);
        return this;
    }

    String read(Duration timeout) throws Unavailable {
        if (!AwsCall.hasCredentials(environment)) {
            throw unavailable("there are no credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY): "
                    + "run on Lambda, or give CHAT_API_KEY the key itself");
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
            return valid(answer.member(isParameter ? "Value" : "SecretString"));
        } catch (IOException e) {
            throw unavailable(answer.host() + " gave an answer that is not JSON: try again");
        }
    }

    /** Validates and trims. */
    private String valid(String text) throws Unavailable {
        String key = text == null ? "" : text.strip(); // often stored with a line end
        String fault = null;
        if (key.isEmpty()) {
            fault = "it holds no text";
        } else if (key.startsWith("{")) {
            fault = "it holds a JSON object";
        } else if (!UpstreamKey.fitsHeader(key)) {
            fault = "it holds a character that no HTTP header can carry";
        }
        if (fault != null) {
            throw unavailable(fault + ": store the key alone, as plain text");
        }
        return key;
    }

    private Unavailable unavailable(String why) {
        return new Unavailable("chat.api-key (environment variable CHAT_API_KEY) names " + arn + ", which cannot be read: " + why);
    }
}
