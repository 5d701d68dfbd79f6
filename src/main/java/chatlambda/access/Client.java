package chatlambda.access;

import chatlambda.chat.Limits;

/**
 * Who asks.
 *
 * @param name of the client key, or where there is none {@code iam}, {@code passthrough} or {@code direct}
 * @param upstreamKey the caller's own, to go upstream with the request, or null
 */
public record Client(String name, String upstreamKey, Limits limits) {
}
