package chatlambda.upstream;

import chatlambda.chat.ApiRequest;
import chatlambda.chat.ChatError;
import chatlambda.upstream.Failure.Retryability;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.jboss.logging.Logger;

/**
 * The requests of one invocation: the model is asked again where nothing can have been generated, or where the upstream says that it
 * has no room; another model is asked where one is not to be had. What may have cost money is not asked again: once an answer has begun,
 * and after a 500, a 504, or a 502 that does not ask for it.
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
    /** Where another model is left, one that wants a longer wait is not waited for. */
    private static final Duration MAX_WAIT_BEFORE_ANOTHER_MODEL = Duration.ofSeconds(1);

    /** One request to the upstream: {@link Upstream#ask}. */
    interface Ask {
        Answer ask(ApiRequest request, Sender sender, Deadline deadline) throws Failure;
    }

    /**
     * How often is asked.
     *
     * @param retries how often a model is asked again, in all
     * @param maxWait all waits together
     * @param fallbackModels to be asked in this order where the request's own is not to be had
     * @param successor to be asked only where the request's own is gone; null: none
     */
    public record Policy(int retries, Duration maxWait, List<String> fallbackModels, String successor) {
    }

    /**
     * What came of them.
     *
     * @param model that answered; null: none was asked for
     * @param requests how many were made, those that could not connect included
     */
    public record Made(Answer answer, String model, int requests) {
    }

    private final Ask upstream;
    private final Policy policy;
    private final Sender sender;
    private final Deadline deadline;
    private int requests;
    private int retries;
    private Duration waited = Duration.ZERO;
    private boolean keyRenewed;
    /** Whether a model for which there was no room has been asked again. */
    private boolean insisted;
    private String asked;
    private Failure failure;
    private Failure.Cost cost = Failure.Cost.NOTHING;

    private Attempts(Ask upstream, Policy policy, Sender sender, Deadline deadline) {
        this.upstream = upstream;
        this.policy = policy;
        this.sender = sender;
        this.deadline = deadline;
    }

    /**
     * Asks until there is an answer, or asking again cannot help; sleeps in between.
     *
     * @param deadline when the caller must have an answer
     * @throws Failure the last one; where a model without room was asked again in vain, it tells the SDKs not to do the same
     */
    public static Made make(Upstream upstream, ApiRequest request, Policy policy, Sender sender, Deadline deadline) throws Failure {
        return make(upstream::ask, request, policy, sender, deadline);
    }

    static Made make(Ask upstream, ApiRequest request, Policy policy, Sender sender, Deadline deadline) throws Failure {
        return new Attempts(upstream, policy, sender, deadline).make(request);
    }

    private Made make(ApiRequest request) throws Failure {
        var others = new LinkedHashSet<>(policy.fallbackModels);
        others.remove(request.model());
        int left = others.size();
        Answer answer = ask(request, left > 0);
        if (answer == null && policy.successor != null && failure.retryability() == Retryability.MODEL_GONE) {
            others.add(policy.successor);
        }
        String model = request.model();
        for (String other : others) {
            if (answer != null || !failure.retryability().allowsAnotherModel()) {
                break;
            }
            left--;
            model = other;
            answer = ask(request.withModel(other), left > 0);
        }
        if (answer != null) {
            return new Made(answer, model, requests);
        }
        throw last(failure);
    }

    /** A connection that could not be had costs nothing: the SDKs may try it again, whatever was before. */
    private Failure last(Failure last) {
        return last.after(requests, asked, insisted && last.retryability() != Retryability.CONNECT, cost);
    }

    /**
     * Asks one model, again where that can help; null: in vain, for {@link #failure}.
     *
     * @param anotherLeft whether there is another model to be asked
     */
    private Answer ask(ApiRequest request, boolean anotherLeft) throws Failure {
        while (true) {
            requireTime();
            if (failure != null) {
                insisted |= failure.hasNoRoom() && Objects.equals(request.model(), asked);
                LOG.infof("request %s: attempt %d, after %s%s", sender.requestId(), requests + 1, failure.outline(),
                        Objects.equals(request.model(), asked) ? "" : ": another model, " + request.model());
            }
            asked = request.model();
            requests++;
            String key = sender.key().value();
            try {
                return upstream.ask(request, sender, deadline);
            } catch (Failure e) {
                failure = e;
                cost = e.cost().compareTo(cost) > 0 ? e.cost() : cost;
            }
            if (failure.retryability() == Retryability.UNSENT) {
                requests--;
                continue; // the connections from before are closed by now, so this cannot go on
            }
            if (failure.retryability() == Retryability.ANOTHER_KEY && !keyRenewed && sender.key().renew(key, deadline.left())) {
                keyRenewed = true;
                continue; // another key is no retry
            }
            if (retries == policy.retries || !waits(anotherLeft)) {
                return null;
            }
            retries++;
        }
    }

    private void requireTime() throws Failure {
        if (deadline.isOver()) {
            var none = new Failure(ChatError.timeout("no time left to ask the upstream: raise the function's timeout"
                    + " (Timeout in template.yaml)")).withCost(Failure.Cost.NOTHING);
            throw last(failure != null ? failure : none);
        }
    }

    /** Sleeps as long as must be waited before the same model is asked again; false, at once: that cannot help, or takes too long. */
    private boolean waits(boolean anotherLeft) {
        Duration left = policy.maxWait.minus(waited);
        Optional<Duration> wait = wait(failure, retries, left, Instant.now(), ThreadLocalRandom.current().nextDouble());
        boolean movesOn = anotherLeft && failure.retryability().allowsAnotherModel();
        Duration most = movesOn && left.compareTo(MAX_WAIT_BEFORE_ANOTHER_MODEL) > 0 ? MAX_WAIT_BEFORE_ANOTHER_MODEL : left;
        if (wait.isEmpty() || wait.get().compareTo(most) > 0 || wait.get().compareTo(deadline.left()) >= 0) {
            return false;
        }
        waited = waited.plus(wait.get());
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
     * @param left bounds our own back-off, and not what the upstream asks for
     * @param share of the back-off, 0 to 1
     */
    static Optional<Duration> wait(Failure failure, int again, Duration left, Instant now, double share) {
        return switch (failure.retryability()) {
            case AT_ONCE -> Optional.of(Duration.ZERO);
            case CONNECT, LATER -> RetryAfter.of(failure.error().headers(), now).or(() -> {
                Duration backOff = backOff(again, share);
                return Optional.of(backOff.compareTo(left) > 0 ? left : backOff);
            });
            case NEVER, UNSENT, ANOTHER_MODEL, MODEL_GONE, ANOTHER_KEY -> Optional.empty();
        };
    }

    private static Duration backOff(int again, double share) {
        long millis = Math.min(MAX_WAIT.toMillis(), FIRST_WAIT.toMillis() << Math.min(again, 10));
        return Duration.ofNanos((long) (TimeUnit.MILLISECONDS.toNanos(millis) * share));
    }
}
