package chatlambda.upstream;

import chatlambda.chat.ChatError;
import chatlambda.chat.Usage;

/**
 * Why the upstream gave no answer: what the caller reads, what may be done about it, and what the log may say, since the caller's
 * message may quote a prompt. That of an invocation tells also how often and for which model the upstream was asked.
 */
public final class Failure extends Exception {

    private static final long serialVersionUID = 1;

    /** What may be done about it without paying twice. */
    enum Retryability {
        /** Nothing: something may have been generated, or the same would come again. */
        NEVER,
        /** Not a byte of the request went out, since its connection closed in that moment. It is sent over another one, and counts once. */
        UNSENT,
        /** The request was not read: its connection had been closed before. */
        AT_ONCE,
        /** There was no connection. */
        CONNECT,
        /** The upstream has no room now. */
        LATER,
        /** This model is not to be had now. */
        ANOTHER_MODEL,
        /** The upstream no longer has this model, or never had. */
        MODEL_GONE,
        /** The key was refused, before anything was generated. */
        ANOTHER_KEY;

        /** An upstream that cannot be reached for one model cannot be for another. */
        boolean allowsAnotherModel() {
            return this == LATER || this == ANOTHER_MODEL || this == MODEL_GONE;
        }
    }

    /** What the requests have cost that came to it, from the least to the most. */
    public enum Cost {
        /** No upstream has read any of them. */
        NOTHING,
        /** The upstream has answered with an error, which is a request and no more. */
        REQUEST,
        /** Nobody knows: something may have been generated. */
        UNKNOWN
    }

    private final transient ChatError error;
    private final Retryability retryability;
    private final int requests;
    private final String model;
    private final Cost cost;
    private final transient Usage usage;

    /** @param outline what happened, in words of ours */
    Failure(ChatError error, Retryability retryability, Cost cost, String outline) {
        this(error, retryability, outline, 0, null, cost, Usage.NONE);
    }

    /** One about which nothing can be done, and which may have cost money. */
    Failure(ChatError error) {
        this(error, Retryability.NEVER, Cost.UNKNOWN, error.getMessage());
    }

    private Failure(ChatError error, Retryability retryability, String outline, int requests, String model, Cost cost, Usage usage) {
        super(outline, null, false, false);
        this.error = error;
        this.retryability = retryability;
        this.requests = requests;
        this.model = model;
        this.cost = cost;
        this.usage = usage;
    }

    /** The same that has cost so much. */
    Failure withCost(Cost its) {
        return new Failure(error, retryability, getMessage(), requests, model, its, usage);
    }

    /** The same after an answer that told so much of what it took. */
    Failure withUsage(Usage told) {
        return new Failure(error, retryability, getMessage(), requests, model, cost, told);
    }

    /**
     * The same as the end of an invocation's requests.
     *
     * @param inVain whether asking again has been tried, and did not help
     * @param itsCost of all of them
     */
    Failure after(int itsRequests, String itsModel, boolean inVain, Cost itsCost) {
        return new Failure(inVain ? error.notRetryable() : error, retryability, getMessage(), itsRequests, itsModel, itsCost, usage);
    }

    /** What its request cost; at the end of an invocation's requests what they all did. */
    public Cost cost() {
        return cost;
    }

    /** What the answer told of what it took before it failed. */
    public Usage usage() {
        return usage;
    }

    /** Whether the upstream has told by its status that it has no room now. */
    boolean hasNoRoom() {
        return error.kind() == ChatError.Kind.UpstreamError && (error.status() == 429 || error.status() == 503 || error.status() == 529);
    }

    /** What the caller reads. */
    public ChatError error() {
        return error;
    }

    /** How many requests were made, those that could not connect included. */
    public int requests() {
        return requests;
    }

    /** The model that was asked last; null: none was. */
    public String model() {
        return model;
    }

    /** Whether the upstream no longer has the model that was asked last, or never had. */
    public boolean isModelGone() {
        return retryability == Retryability.MODEL_GONE;
    }

    Retryability retryability() {
        return retryability;
    }

    /** What happened, in words of ours. */
    String outline() {
        return getMessage();
    }
}
