package chatlambda.local;

/** Hands an event to the function, and waits for what becomes of it. */
interface Invoker {

    Outcome invoke(String requestId, byte[] event, Caller caller);
}
