package chatlambda.runtime;

import java.time.Instant;

/** One invocation from its event to what follows its outcome; made for it, used by one thread, and thrown away. */
public interface Turn {

    /** What became of the outcome. */
    enum Delivery {
        /** Lambda has it, or refused it. */
        HANDED_OVER,
        /** A stream broke off before its end. */
        LOST,
        /** Lambda had not taken it all by {@link #end}. */
        STALLED
    }

    /** When the outcome must have been taken, so that there is time left to tell of it where it was not. */
    Instant end();

    /**
     * The answer; called once.
     *
     * @throws FunctionError the invocation fails
     */
    Response respond() throws FunctionError;

    /** Called once, after the outcome was handed over or lost. Work here delays the next poll, not the caller. */
    void close(Delivery delivery);
}
