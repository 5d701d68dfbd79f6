package chatlambda.upstream;

import chatlambda.chat.UpstreamKey;
import java.util.Map;

/**
 * On whose behalf the upstream is asked.
 *
 * @param requestId of the invocation, for the log
 * @param key goes upstream as a bearer key
 * @param headers of the caller's that go upstream, by lower-case name
 * @param maxAnswer bytes of a whole answer that its front door takes: no more of one are read
 * @param held what the invocation holds, to which the bytes of a whole answer are added
 */
public record Sender(String requestId, UpstreamKey key, Map<String, String> headers, int maxAnswer, BytesInFlight.Share held) {
}
