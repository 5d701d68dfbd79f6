package chatlambda.access;

import chatlambda.chat.Limits;
import chatlambda.chat.UpstreamKey;

/**
 * Who asks.
 *
 * @param name of the client, or for callers without a key of ours {@code iam}, {@code passthrough} or {@code direct}
 * @param key goes upstream with the client's requests: the function's, or the caller's own
 * @param limits the client's own, or everybody's
 */
public record Client(String name, UpstreamKey key, Limits limits) {
}
