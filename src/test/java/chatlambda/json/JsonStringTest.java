package chatlambda.json;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonStringTest {

    @Test
    void everyCharacterComesBackAsItWas() {
        var all = new StringBuilder();
        for (int point = 0; point <= 0x10ffff; point++) {
            if (point < 0xd800 || point > 0xdfff) {
                all.appendCodePoint(point);
            }
        }
        byte[] text = all.toString().getBytes(StandardCharsets.UTF_8);
        byte[] json = new JsonOut(16).string(text, 0).toBytes();
        assertArrayEquals(text, JsonString.decode(json, 0));
        assertTrue(JsonString.isUtf8(text));
    }

    @Test
    void everyEscapedCharacterIsDecoded() {
        for (int point = 0; point <= 0x10ffff; point++) {
            if (point < 0xd800 || point > 0xdfff) {
                var json = new StringBuilder("\"");
                for (char unit : Character.toChars(point)) {
                    json.append("\\u").append((point % 2 == 0 ? HexFormat.of() : HexFormat.of().withUpperCase()).toHexDigits(unit));
                }
                byte[] decoded = JsonString.decode(json.append('"').toString().getBytes(StandardCharsets.US_ASCII), 0);
                assertEquals(Character.toString(point), new String(decoded, StandardCharsets.UTF_8));
            }
        }
    }

    @Test
    void escapedCharactersOfEveryLengthFollowOneAnother() {
        byte[] json = "\"\\u0041\\u00e9\\u4e2d\\ud83d\\ude00\\uffffx\"".getBytes(StandardCharsets.US_ASCII);
        assertEquals("Aé中😀\uffffx", new String(JsonString.decode(json, 0), StandardCharsets.UTF_8));
    }

    @Test
    void theLengthIsKnownBeforehand() {
        for (int c = 0; c < 0x80; c++) {
            byte[] text = { 'a', (byte) c, 'b' };
            assertEquals(JsonString.encodedLength(text), JsonString.encode(text, new byte[20], 0));
        }
    }

    @Test
    void shortEscapesAreDecoded() {
        byte[] json = "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]".getBytes(StandardCharsets.US_ASCII);
        assertEquals("\"\\/\b\f\n\r\t", new String(JsonString.decode(json, 1), StandardCharsets.UTF_8));
    }

    @Test
    void whatWeWriteJacksonReads() throws IOException {
        var random = new Random(7);
        for (int round = 0; round < 2_000; round++) {
            var text = new StringBuilder();
            random.ints(random.nextInt(40), 0, 300).forEach(text::appendCodePoint);
            random.ints(random.nextInt(40), 0, 0xd800).forEach(text::appendCodePoint);
            random.ints(random.nextInt(5), 0x10000, 0x110000).forEach(text::appendCodePoint);
            byte[] json = new JsonOut(1).string(text.toString()).toBytes();
            try (var parser = Json.parser(json)) {
                parser.nextToken();
                assertEquals(text.toString(), parser.getText());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = { "\"\\ud800\"", "\"\\udc00\"", "\"\\udfff\"", "\"\\ud800x\"", "\"\\ud800\\n\"", "\"\\ud800\\ud800\"" })
    void halfASurrogatePairIsRefused(String json) {
        byte[] bytes = json.getBytes(StandardCharsets.US_ASCII);
        assertThrows(IllegalArgumentException.class, () -> JsonString.decode(bytes, 0));
    }

    /** Eight bytes are looked at in one step: each special one at each place among plain ones. */
    @ParameterizedTest
    @ValueSource(strings = { "\"", "\\", "\n", "\u0001", "\u001f", " ", "\u007f", "!", "#", "[", "]", "é", "\uD83D\uDE00", "\u00a2" })
    void aCharacterIsSeenWhereverItStands(String special) {
        for (int length = 0; length < 20; length++) {
            for (int at = 0; at <= length; at++) {
                String text = "x".repeat(at) + special + "y".repeat(length - at) + special;
                byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
                byte[] json = new JsonOut(0).string(bytes, 0).toBytes();
                assertEquals(jakarta.json.Json.createValue(text).toString().replace("\u007f", "\\u007f"),
                        new String(json, StandardCharsets.UTF_8).replace("\u007f", "\\u007f"));
                assertArrayEquals(bytes, JsonString.decode(json, 0));
                assertTrue(JsonString.isUtf8(bytes));
                bytes[bytes.length - 1] = (byte) 0xff;
                assertFalse(JsonString.isUtf8(bytes));
            }
        }
    }

    /** Escapes one behind the other, across the borders of eight bytes, and with no room behind the last. */
    @Test
    void escapesAreWrittenWhereverTheyStand() {
        String[] pieces = { "\"", "\\", "\n", "\u0000", "\u001f", "x", " ", "\u007f", "é", "中", "\uD83D\uDE00", "plain" };
        var random = new Random(13);
        for (int round = 0; round < 20_000; round++) {
            var text = new StringBuilder();
            var expected = new StringBuilder();
            for (int i = random.nextInt(12); i > 0; i--) {
                String piece = pieces[random.nextInt(pieces.length)].repeat(1 + random.nextInt(9));
                text.append(piece);
                expected.append(piece.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\0", "\\u0000")
                        .replace("\u001f", "\\u001f"));
            }
            byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
            byte[] json = new byte[JsonString.encodedLength(bytes)];
            assertEquals(json.length, JsonString.encode(bytes, json, 0));
            assertEquals(expected.toString(), new String(json, StandardCharsets.UTF_8));
            assertArrayEquals(bytes, JsonString.decode(('"' + expected.toString() + '"').getBytes(StandardCharsets.UTF_8), 0));
        }
    }

    /** Each first byte with each second one, and each third and fourth that is a border. */
    @Test
    void utf8IsWhatTheJdkDecodes() {
        byte[] borders = {'a', 0x7f, (byte) 0x80, (byte) 0x8f, (byte) 0x90, (byte) 0x9f, (byte) 0xa0, (byte) 0xbf, (byte) 0xff };
        for (int first = 0x80; first <= 0xff; first++) {
            for (int second = 0; second <= 0xff; second++) {
                for (byte third : borders) {
                    for (byte fourth : borders) {
                        byte[] bytes = { (byte) first, (byte) second, third, fourth };
                        for (int length = 1; length <= 4; length++) {
                            byte[] begun = Arrays.copyOf(bytes, length);
                            String read = new String(begun, StandardCharsets.UTF_8); // with U+FFFD where it is none
                            boolean isUtf8 = Arrays.equals(read.getBytes(StandardCharsets.UTF_8), begun);
                            assertEquals(isUtf8, JsonString.isUtf8(begun), () -> HexFormat.of().formatHex(begun));
                        }
                    }
                }
            }
        }
    }

    @Test
    void utf8IsToldFromWhatIsNot() {
        var random = new Random(11);
        for (int round = 0; round < 200_000; round++) {
            byte[] bytes = new byte[random.nextInt(6)];
            random.nextBytes(bytes);
            boolean decodes = true;
            try {
                StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes));
            } catch (CharacterCodingException e) {
                decodes = false;
            }
            assertEquals(decodes, JsonString.isUtf8(bytes));
        }
        assertTrue(JsonString.isUtf8("aé€😀".getBytes(StandardCharsets.UTF_8)));
        assertFalse(JsonString.isUtf8(new byte[] { 'a', (byte) 0xf0, (byte) 0x9f, (byte) 0x98 }));
    }
}
