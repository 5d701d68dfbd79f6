package chatlambda.upstream;

import chatlambda.chat.UpstreamKey;

/**
 * On whose behalf the upstream is asked.
 *
 * @param requestId of the invocation, for the log
 * @param key goes upstream as a bearer key
 * @param traceparent W3C's header, or null
 * @param traceId X-Ray's header, or null
 * @param maxAnswer bytes of a whole answer that its front door takes: no more of one are read
 * @param held what the invocation holds, to which the bytes of a whole answer are added
 */
public record Sender(String requestId, UpstreamKey key, String traceparent, String traceId, int maxAnswer, BytesInFlight.Share held) {
}
