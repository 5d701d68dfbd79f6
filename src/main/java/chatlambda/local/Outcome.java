package chatlambda.local;

import jakarta.json.Json;
import java.nio.charset.StandardCharsets;

/**
 * How an invocation ended.
 *
 * @param payload the answer, or of a function error {@code {"errorMessage","errorType"}}
 * @param functionError whether it ended as a function error
 * @param contentType as the function posted it
 * @param streamed whether it came in chunks
 * @param trailer the error of a streamed answer that broke off, as {@code type: body}; else null
 */
public record Outcome(byte[] payload, boolean functionError, String contentType, boolean streamed, String trailer) {

    static Outcome error(String type, String message) {
        return new Outcome(Json.createObjectBuilder().add("errorType", type).add("errorMessage", message).build()
                .toString().getBytes(StandardCharsets.UTF_8), true, "application/json", false, null);
    }

    public String text() {
        return new String(payload, StandardCharsets.UTF_8);
    }
}
