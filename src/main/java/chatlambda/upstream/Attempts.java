package chatlambda.upstream;

import chatlambda.chat.ChatError;
import chatlambda.chat.ChatRequest;
import org.jboss.logging.Logger;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/**
 * Asks until there is an answer or asking again cannot help: once more where nothing can have been generated, or where the upstream
 * itself says so; another model where one is not to be had. Nothing is asked again after a byte of an answer, a 500 or a 504: that may
 * have cost money.
 *
 * @see ChatError.Recourse what may be done about which failure
 */
public final class Attempts {

    private static final Logger LOG = Logger.getLogger("chatlambda.completion.Attempts");

    /** As the OpenAI SDKs wait: half a second, doubled each time, at most eight; a random share of it. */
    private static final Duration FIRST_WAIT = Duration.ofMillis(500);
    private static final Duration LONGEST_WAIT = Duration.ofSeconds(8);

    /** One request to the upstream. */
    public interface Call {

        /** @param left until the caller must have an answer; more than nothing */
        Answer ask(ChatRequest request, Duration left) throws ChatError;
    }

    private final String requestId;
    private final int retries;
    private final List<String> fallbackModels;
    private final Supplier<Duration> left;
    private final BooleanSupplier newKey;
    private int count;
    private String model;

    /**
     * @param retries how often one model is asked again
     * @param left the time until the caller must have an answer
     * @param newKey looks for another key after one was refused, and tells whether there is one; not for ever
     */
    public Attempts(String requestId, int retries, List<String> fallbackModels, Supplier<Duration> left, BooleanSupplier newKey) {
        this.requestId = requestId;
        this.retries = retries;
        this.fallbackModels = fallbackModels;
        this.left = left;
        this.newKey = newKey;
    }

    /** How many requests went to the upstream, those that could not connect included. */
    public int count() {
        return count;
    }

    /** The model that was asked last, or null. */
    public String model() {
        return model;
    }

    public Answer make(ChatRequest request, Call call) throws ChatError {
        var models = new LinkedHashSet<String>();
        models.add(request.model());
        models.addAll(fallbackModels);
        ChatError failure = null;
        for (String next : models) {
            ChatRequest asked = failure == null ? request : request.withModel(next);
            for (int again = 0;;) {
                Duration now = left.get();
                if (now.compareTo(Duration.ZERO) <= 0) {
                    throw failure != null ? failure
                            : ChatError.timeout("no time left to ask the upstream: raise the function's timeout (Timeout in template.yaml)");
                }
                if (failure != null) {
                    LOG.infof("request %s: attempt %d, after %s", requestId, count + 1, failure.outline()
                            + (next.equals(model) ? "" : ": another model, " + next));
                }
                try {
                    count++;
                    model = next;
                    return call.ask(asked, now);
                } catch (ChatError e) {
                    failure = e;
                }
                if (failure.recourse() == ChatError.Recourse.UNSENT) {
                    count--;
                    continue; // no request has been made yet; the connections from before are closed, so this cannot go on
                }
                if (failure.recourse() == ChatError.Recourse.ANOTHER_KEY && newKey.getAsBoolean()) {
                    continue; // another key is no retry
                }
                Optional<Duration> wait = again < retries ? wait(failure, again, Instant.now(), ThreadLocalRandom.current().nextDouble())
                        : Optional.empty();
                if (wait.isEmpty() || wait.get().compareTo(left.get()) >= 0) {
                    break;
                }
                sleep(wait.get());
                again++;
            }
            if (!failure.recourse().anotherModel()) {
                break;
            }
        }
        throw failure;
    }

    /**
     * How long to wait before the same model is asked again, if that can help.
     *
     * @param again how often that was done already
     * @param share of the back-off, 0 to 1
     */
    static Optional<Duration> wait(ChatError failure, int again, Instant now, double share) {
        return switch (failure.recourse()) {
            case AT_ONCE -> Optional.of(Duration.ZERO);
            case CONNECT, LATER -> Optional.of(retryAfter(failure.headers(), now).orElseGet(() -> backOff(again, share)));
            case NONE, UNSENT, ANOTHER_MODEL, ANOTHER_KEY -> Optional.empty();
        };
    }

    private static Duration backOff(int again, double share) {
        long millis = Math.min(LONGEST_WAIT.toMillis(), FIRST_WAIT.toMillis() << Math.min(again, 10));
        return Duration.ofNanos((long) (TimeUnit.MILLISECONDS.toNanos(millis) * share));
    }

    /** What the upstream asks for: {@code retry-after-ms}, or {@code Retry-After} in seconds or as a date (RFC 9110, 10.2.3). */
    private static Optional<Duration> retryAfter(Map<String, String> headers, Instant now) {
        return millis(headers.get("retry-after-ms"), 1)
                .or(() -> millis(headers.get("retry-after"), 1000))
                .or(() -> date(headers.get("retry-after"), now))
                .map(wait -> wait.isNegative() ? Duration.ZERO : wait);
    }

    private static Optional<Duration> millis(String number, int unit) {
        try {
            double millis = number == null ? Double.NaN : Double.parseDouble(number.strip()) * unit;
            return millis >= 0 && millis < Long.MAX_VALUE ? Optional.of(Duration.ofMillis((long) Math.ceil(millis))) : Optional.empty();
        } catch (NumberFormatException e) {
            return Optional.empty();
        }
    }

    private static Optional<Duration> date(String text, Instant now) {
        try {
            return text == null ? Optional.empty()
                    : Optional.of(Duration.between(now, DateTimeFormatter.RFC_1123_DATE_TIME.parse(text.strip(), Instant::from)));
        } catch (DateTimeException e) {
            return Optional.empty(); // not a date either
        }
    }

    private static void sleep(Duration wait) {
        try {
            TimeUnit.NANOSECONDS.sleep(wait.toNanos());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
