package chatlambda.upstream;

import chatlambda.chat.ChatError;
import chatlambda.chat.ChatRequest;
import chatlambda.upstream.Failure.Retryability;
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
import org.jboss.logging.Logger;

/**
 * The requests of one invocation: the model is asked again where nothing can have been generated, or where the upstream says that it
 * has no room; another model is asked where one is not to be had. Nothing is asked again after a byte of an answer, a 500 or a 504:
 * that may have cost money.
 *
 * <p>One object for one invocation.
 *
 * @see Failure.Retryability what may be done about which failure
 */
public final class Attempts {

    /** By this name operators filter the log; the class once lay there. */
    private static final Logger LOG = Logger.getLogger("chatlambda.completion.Attempts");

    /** As the OpenAI SDKs wait: half a second, doubled each time, at most eight; a random share of it. */
    private static final Duration FIRST_WAIT = Duration.ofMillis(500);
    private static final Duration MAX_WAIT = Duration.ofSeconds(8);

    /** One request to the upstream: {@link Upstream#ask}. */
    interface Ask {
        Answer ask(ChatRequest request, Sender sender, Deadline deadline) throws Failure;
    }

    /**
     * What came of them.
     *
     * @param model that answered
     * @param requests how many were made, those that could not connect included
     */
    public record Made(Answer answer, String model, int requests) {
    }

    private final Ask upstream;
    private final int retries;
    private final Sender sender;
    private final Deadline deadline;
    private int requests;
    private String asked;
    private Failure failure;

    private Attempts(Ask upstream, int retries, Sender sender, Deadline deadline) {
        this.upstream = upstream;
        this.retries = retries;
        this.sender = sender;
        this.deadline = deadline;
    }

    /**
     * Asks until there is an answer, or asking again cannot help; sleeps in between.
     *
     * @param retries how often one model is asked again
     * @param fallbackModels to be asked in this order where the request's own is not to be had
     * @param deadline when the caller must have an answer
     * @throws Failure the last one
     */
    public static Made make(Upstream upstream, ChatRequest request, int retries, List<String> fallbackModels, Sender sender,
            Deadline deadline) throws Failure {
        return make(upstream::ask, request, retries, fallbackModels, sender, deadline);
    }

    static Made make(Ask upstream, ChatRequest request, int retries, List<String> fallbackModels, Sender sender, Deadline deadline)
            throws Failure {
        return new Attempts(upstream, retries, sender, deadline).make(request, fallbackModels);
    }

    private Made make(ChatRequest request, List<String> fallbackModels) throws Failure {
        var models = new LinkedHashSet<String>();
        models.add(request.model());
        models.addAll(fallbackModels);
        for (String model : models) {
            Answer answer = ask(failure == null ? request : request.withModel(model));
            if (answer != null) {
                return new Made(answer, model, requests);
            }
            if (!failure.retryability().allowsAnotherModel()) {
                break;
            }
        }
        throw failure.after(requests, asked);
    }

    /** Asks one model, again where that can help; null: in vain, for {@link #failure}. */
    private Answer ask(ChatRequest request) throws Failure {
        int again = 0;
        while (true) {
            requireTime();
            if (failure != null) {
                LOG.infof("request %s: attempt %d, after %s%s", sender.requestId(), requests + 1, failure.outline(),
                        request.model().equals(asked) ? "" : ": another model, " + request.model());
            }
            asked = request.model();
            requests++;
            try {
                return upstream.ask(request, sender, deadline);
            } catch (Failure e) {
                failure = e;
            }
            if (failure.retryability() == Retryability.UNSENT) {
                requests--;
                continue; // the connections from before are closed by now, so this cannot go on
            }
            if (failure.retryability() == Retryability.ANOTHER_KEY && sender.key().renew(deadline.left())) {
                continue; // another key is no retry
            }
            if (again == retries || !waits(again)) {
                return null;
            }
            again++;
        }
    }

    private void requireTime() throws Failure {
        if (deadline.isOver()) {
            var none = new Failure(ChatError.timeout("no time left to ask the upstream: raise the function's timeout"
                    + " (Timeout in template.yaml)"));
            throw (failure != null ? failure : none).after(requests, asked);
        }
    }

    /** Sleeps as long as must be waited before the same model is asked again; false, at once: that cannot help, or would end too late. */
    private boolean waits(int again) {
        Optional<Duration> wait = wait(failure, again, Instant.now(), ThreadLocalRandom.current().nextDouble());
        if (wait.isEmpty() || wait.get().compareTo(deadline.left()) >= 0) {
            return false;
        }
        try {
            TimeUnit.NANOSECONDS.sleep(wait.get().toNanos());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return true;
    }

    /**
     * How long to wait before the same model is asked again; empty: it is not.
     *
     * @param again how often that was done already
     * @param share of the back-off, 0 to 1
     */
    static Optional<Duration> wait(Failure failure, int again, Instant now, double share) {
        return switch (failure.retryability()) {
            case AT_ONCE -> Optional.of(Duration.ZERO);
            case CONNECT, LATER -> Optional.of(retryAfter(failure.error().headers(), now).orElseGet(() -> backOff(again, share)));
            case NEVER, UNSENT, ANOTHER_MODEL, ANOTHER_KEY -> Optional.empty();
        };
    }

    private static Duration backOff(int again, double share) {
        long millis = Math.min(MAX_WAIT.toMillis(), FIRST_WAIT.toMillis() << Math.min(again, 10));
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
}
