package chatlambda.json;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Our parser skips strings in steps of its own, and is to see, and say, what Jackson's does. */
class JsonTest {

    private static final JsonFactory JACKSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(Json.MAX_NESTING).build()).build();

    private static final String[] PIECES = { "x", " ", "plain text", "\\n", "\\\"", "\\\\", "\\u00e9", "\\ud83d", "é", "中文",
            "\uD83D\uDE00", "\ud7ff", "\\", "\"", "\\u12", "\\x", "\n", "\u0000", "\u007f", ",", ":", "[", "]" };
    /** How many of those a well-formed string may hold. */
    private static final int SOUND = 12;
    /** No characters, or parts of such; some of them Jackson takes. */
    private static final String[] BROKEN = { "80", "bf", "c0", "c2", "c080", "e0", "e08080", "e4b8", "ed", "eda080", "f0", "f09f98",
            "f0808080", "f48fbfbf", "f4908080", "f5808080", "f8", "f888808080", "fe", "ff" };

    @Test
    void stringsAreSkippedAsJacksonSkipsThem() throws IOException {
        var random = new Random(17);
        for (int round = 0; round < 200_000; round++) {
            var json = new ByteArrayOutputStream();
            json.writeBytes((round % 5 == 0 ? "\uFEFF[\"" : "[1,\"").getBytes(StandardCharsets.UTF_8));
            boolean breaks = random.nextInt(3) == 0;
            for (int i = random.nextInt(10); i > 0; i--) {
                if (breaks && random.nextInt(5) == 0) {
                    json.writeBytes(HexFormat.of().parseHex(BROKEN[random.nextInt(BROKEN.length)]));
                }
                json.writeBytes(PIECES[random.nextInt(breaks ? PIECES.length : SOUND)].getBytes(StandardCharsets.UTF_8));
            }
            json.writeBytes("\",{\"a\":\"b\"}]".repeat(random.nextInt(2)).getBytes(StandardCharsets.UTF_8));
            byte[] bytes = json.toByteArray();
            byte[] inner = new byte[bytes.length + 9]; // what is around a document is none of it
            System.arraycopy(bytes, 0, inner, 4, bytes.length);
            String expected = tokens(JACKSON.createParser(bytes));
            assertEquals(expected, tokens(Json.parser(bytes)), () -> HexFormat.of().formatHex(bytes));
            assertEquals(expected, tokens(Json.parser(inner, 4, bytes.length)), () -> HexFormat.of().formatHex(bytes));
        }
    }

    /** All tokens with their places, and the error at which they end. */
    private static String tokens(JsonParser parser) throws IOException {
        var seen = new StringBuilder();
        try (parser) {
            while (parser.nextToken() != null) {
                seen.append(parser.currentToken()).append(Json.offset(parser)).append(' ');
            }
            return seen.append(Json.end(parser)).toString();
        } catch (JsonProcessingException e) {
            return seen.append(e.getOriginalMessage()).append(e.getLocation().getByteOffset()).append(' ')
                    .append(e.getLocation().getColumnNr()).toString();
        }
    }
}
