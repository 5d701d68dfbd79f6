package chatlambda.completion;

import java.util.Map;

/**
 * The upstream's answer: its whole body, byte for byte.
 *
 * @param status the upstream's 2xx, where 201, which AI/ML API once documented, has become 200
 * @param headers by lower-case name: the content type, the request id, and what the upstream says of limits and cost
 */
public record Completion(int status, Map<String, String> headers, byte[] body) {
}
