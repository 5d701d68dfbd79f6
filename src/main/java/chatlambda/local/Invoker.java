package chatlambda.local;

/** Passes an event to the function, and waits for the outcome. */
interface Invoker {

    Outcome invoke(String requestId, byte[] event, Caller caller);
}
