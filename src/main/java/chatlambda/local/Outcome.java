package chatlambda.local;

import jakarta.json.Json;
import java.nio.charset.StandardCharsets;

/**
 * How an invocation ended.
 *
 * @param payload the answer; of a function error {@code {"errorMessage","errorType"}}; of a long streamed answer
 *        its first bytes, at most 6 MB
 * @param functionError whether it ended as a function error
 * @param contentType as the function posted it; may be null
 * @param streamed whether it came in chunks
 * @param trailer the error that a streamed answer ended with, {@code errorType: body}; null: it ended well, or was not streamed
 */
public record Outcome(byte[] payload, boolean functionError, String contentType, boolean streamed, String trailer) {

    static Outcome error(String type, String message) {
        return new Outcome(Json.createObjectBuilder().add("errorType", type).add("errorMessage", message).build()
                .toString().getBytes(StandardCharsets.UTF_8), true, "application/json", false, null);
    }

    /** The payload as text. */
    public String text() {
        return new String(payload, StandardCharsets.UTF_8);
    }
}
