package chatlambda.runtime;

import java.time.Instant;

/**
 * One invocation of the function.
 *
 * @param requestId {@code Lambda-Runtime-Aws-Request-Id}
 * @param invocationId {@code Lambda-Runtime-Invocation-Id}, to be echoed with the answer, or null where Lambda sends none
 * @param traceId {@code Lambda-Runtime-Trace-Id}, X-Ray's header, or null
 * @param deadline when Lambda gives up
 * @param arrived {@link System#nanoTime} when the event had been read
 * @param event the JSON document that Lambda delivers, in UTF-8, at most 6 MB
 */
public record Invocation(String requestId, String invocationId, String traceId, Instant deadline, long arrived, byte[] event) {
}
