package chatlambda.upstream;

import chatlambda.chat.Usage;
import java.util.Map;

/** A completion whose body is here, byte for byte as the upstream sent it. */
public record Completion(int status, Map<String, String> headers, byte[] body, Usage usage) implements Answer {
}
