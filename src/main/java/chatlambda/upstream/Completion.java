package chatlambda.upstream;

import chatlambda.chat.ChatError;
import chatlambda.chat.Metering;
import chatlambda.chat.Usage;
import java.util.Map;

/**
 * A completion whose body is here, byte for byte as the upstream sent it.
 *
 * @param status of the answer to the caller
 * @param headers by lower-case name
 * @param told the error that the upstream has told in an event after the first one; null: none
 * @param textTokens how many tokens its text is taken for
 */
public record Completion(int status, Map<String, String> headers, byte[] body, Usage usage, ChatError told, long textTokens)
        implements Answer {

    public Completion(int status, Map<String, String> headers, byte[] body, Usage usage, ChatError told) {
        this(status, headers, body, usage, told, Metering.tokens(body.length));
    }
}
