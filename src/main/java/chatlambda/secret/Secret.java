package chatlambda.secret;

import chatlambda.chat.UpstreamKey;
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
    private static final String PARAMETER = "ssm:[a-z0-9-]+:\\d{12}:parameter/.+";
    private static final Pattern ARN = Pattern.compile(
            "arn:(?:aws|aws-cn|aws-us-gov):(?:secretsmanager:[a-z0-9-]+:\\d{12}:secret:.+|" + PARAMETER + ")");
    private static final Pattern PARAMETER_ARN = Pattern.compile("arn:(?:aws|aws-cn|aws-us-gov):" + PARAMETER);
    private static final Duration MIN_REFRESH_INTERVAL = Duration.ofMinutes(1);
    /** Well below the 10 s that Lambda gives a start. */
    private static final Duration READ_TIMEOUT = Duration.ofSeconds(5);

    private final StoredText stored;
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
        this.stored = new StoredText("api-key", arn, environment, connectTimeout);
    }

    /** Whether a setting is meant as the name of a key, rather than as one. */
    public static boolean looksLikeArn(String setting) {
        return setting.startsWith("arn:");
    }

    /** Whether a setting names a secret of Secrets Manager or a parameter of the Parameter Store. */
    public static boolean isArn(String setting) {
        return ARN.matcher(setting).matches();
    }

    /** Whether a setting names a parameter of the Parameter Store. */
    public static boolean isParameterArn(String setting) {
        return PARAMETER_ARN.matcher(setting).matches();
    }

    /**
     * Reads a setting's text, in at most 5 s.
     *
     * @param setting its name, for messages, for example {@code budgets}
     * @param arn one that {@link #isParameterArn}
     * @param environment Lambda's
     */
    public static String readParameter(String setting, String arn, Map<String, String> environment, Duration connectTimeout)
            throws Unavailable {
        var stored = new StoredText(setting, arn, environment, connectTimeout);
        String text = stored.read(READ_TIMEOUT);
        if (text.isBlank()) {
            throw stored.unavailable("it holds no text: store the setting's in it");
        }
        return text;
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
     * Waits for the key, or for what else was read, at most 5 s from {@link #startReading}.
     *
     * @throws Unavailable it could not be read: names the ARN, what was met, and what to do
     */
    public static <T> T await(Future<T> reading) throws Unavailable {
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
        return valid(stored.read(timeout));
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
            throw stored.unavailable(fault + ": store the key alone, as plain text");
        }
        return key;
    }
}
