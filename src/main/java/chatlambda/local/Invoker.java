package chatlambda.local;

/** Invokes the function. */
interface Invoker {

    /**
     * Hands an event to the function and waits for the outcome. May be called by many threads.
     *
     * @param requestId of the invocation
     * @param caller is handed the answer as it comes, on another thread, before this method returns
     */
    Outcome invoke(String requestId, byte[] event, Caller caller);
}
