package chatlambda.chat;

import chatlambda.json.Json;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * What a request may take, estimated before it is sent, for the budgets of its caller.
 *
 * @param promptTokens a quarter of the caller's bytes, rounded up; a file among them counts {@link #MEDIA_BYTES} bytes
 * @param completionTokens the most that the request allows, over all its answers; 0: it sets no limit
 * @param hidesUsage whether only the function asked for the event of a stream that tells the usage: it does not go to the caller
 */
public record Metering(long promptTokens, long completionTokens, boolean hidesUsage) {

    /** What a picture, a sound or a document counts, however long it is in Base64: models charge by its size in pixels or pages. */
    static final int MEDIA_BYTES = 4_000;

    private static final int BYTES_OF_TOKEN = 4;
    private static final double MAX_TOKENS = 1e15;
    private static final byte[] DATA_URL = "data:".getBytes(StandardCharsets.US_ASCII);

    /** @param body the caller's, a JSON object that was read before */
    static Metering of(byte[] body, double completionTokens, boolean hidesUsage) {
        return new Metering(tokens(bytes(body)), (long) Math.min(MAX_TOKENS, Math.ceil(completionTokens)), hidesUsage);
    }

    /** How many tokens a text of so many bytes is taken for. */
    public static long tokens(long bytes) {
        return (bytes + BYTES_OF_TOKEN - 1) / BYTES_OF_TOKEN;
    }

    private static long bytes(byte[] body) {
        long bytes = body.length;
        try (JsonParser parser = Json.parser(body)) {
            int media = -1; // where the text of a file begins that the parser has just met
            for (JsonToken token; (token = parser.nextToken()) != null;) {
                int at = Json.offset(parser);
                if (media >= 0) { // between a text's last quote and the next token there are no quotes
                    bytes += MEDIA_BYTES - (lastQuote(body, at) - media);
                    media = -1;
                }
                if (token == JsonToken.VALUE_STRING && isMedia(parser.currentName(), body, at + 1)) {
                    media = at + 1;
                }
            }
            return bytes;
        } catch (IOException e) {
            throw new UncheckedIOException(e); // cannot happen: it was read before
        }
    }

    private static boolean isMedia(String name, byte[] body, int from) {
        int to = Math.min(body.length, from + DATA_URL.length);
        return "data".equals(name) || "file_data".equals(name) || Arrays.equals(body, from, to, DATA_URL, 0, DATA_URL.length);
    }

    private static int lastQuote(byte[] body, int before) {
        int at = before - 1;
        while (body[at] != '"') {
            at--;
        }
        return at;
    }
}
