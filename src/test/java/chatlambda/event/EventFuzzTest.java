package chatlambda.event;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.Events;
import chatlambda.OtherJson;
import chatlambda.json.Json;
import chatlambda.json.JsonString;
import com.code_intelligence.jazzer.junit.FuzzTest;
import jakarta.json.JsonValue;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.MethodSource;

class EventFuzzTest {

    /** Inputs beside those of its folder. */
    static Stream<byte[]> events() {
        return Events.all().stream().map(file -> Events.read(file).getBytes(StandardCharsets.UTF_8));
    }

    @MethodSource("events")
    @FuzzTest(maxDuration = "10m") // Jazzer wants it to be the last annotation
    void anEventIsWhatAnotherParserFindsInItAndItsReplyReadsBack(byte[] bytes) {
        Event event;
        try {
            event = Event.read(bytes);
        } catch (UnsupportedEvent e) {
            assertTrue(e.getMessage().contains(" is not a chat request: send "), e.getMessage());
            if (e.getMessage().startsWith("an event that is not JSON") && !isBeyondUs(bytes)) {
                assertNull(OtherJson.object(bytes), e.getMessage());
            }
            return;
        }
        if (JsonString.isUtf8(bytes)) {
            assertNotNull(OtherJson.object(bytes));
        }
        if (event instanceof Event.Http http) {
            Map<String, Object> sent = OtherJson.objectWithoutDuplicates(bytes);
            if (sent != null) {
                assertEverythingIsTheCallers(http, sent);
            }
            var headers = new TreeMap<>(http.headers());
            headers.entrySet().removeIf(header -> !isUnicode(header.getKey() + header.getValue()));
            assertReplyReadsBack(http, 200 + bytes.length % 400, headers, bytes);
        } else if (!(event instanceof Warmup)) {
            assertSame(bytes, event.body());
            assertSame(bytes, event.reply(200 + bytes.length % 400, Map.of(), bytes));
        }
    }

    /** Nests too deep, or has half of a surrogate pair in a name, which RFC 8259, 8.2, leaves to the parser. */
    private static boolean isBeyondUs(byte[] json) {
        String text = new String(json, StandardCharsets.UTF_8);
        return text.chars().filter(c -> c == '[' || c == '{').count() > Json.MAX_NESTING || text.toLowerCase(Locale.ROOT).contains("\\ud");
    }

    private static void assertEverythingIsTheCallers(Event.Http event, Map<String, Object> sent) {
        event.headers().forEach((name, value) -> assertTrue(has(sent, "headers", name, value)
                || has(sent, "multiValueHeaders", name, value)));
        assertEquals(event.method().toUpperCase(Locale.ROOT), event.method());
        assertTrue(paths(sent).contains(event.path()), event.path());
        byte[] body;
        try {
            body = event.body();
        } catch (IllegalArgumentException e) {
            assertNull(body(sent), e.getMessage());
            return;
        }
        assertArrayEquals(body(sent), body);
    }

    /** Every place an event may have its path in, and the root. */
    private static List<Object> paths(Map<String, Object> event) {
        var paths = new ArrayList<Object>(List.of("/"));
        paths.add(event.get("path"));
        paths.add(event.get("rawPath"));
        if (event.get("requestContext") instanceof Map<?, ?> context) {
            paths.add(context.get("path"));
            paths.add(context.get("http") instanceof Map<?, ?> http ? http.get("path") : null);
        }
        return paths;
    }

    private static boolean has(Map<String, Object> event, String member, String lowerCaseName, String value) {
        return event.get(member) instanceof Map<?, ?> headers && headers.entrySet().stream()
                .anyMatch(header -> header.getKey().toString().toLowerCase(Locale.ROOT).equals(lowerCaseName)
                        && (header.getValue().equals(value) || header.getValue() instanceof List<?> values && value.equals(
                                values.stream().filter(String.class::isInstance).map(Object::toString).collect(Collectors.joining(",")))));
    }

    /** Null when it cannot be decoded. */
    private static byte[] body(Map<String, Object> event) {
        if (!(event.get("body") instanceof String string)) {
            return event.getOrDefault("body", JsonValue.NULL) == JsonValue.NULL ? new byte[0] : null;
        }
        if (!isUnicode(string)) {
            return null;
        }
        byte[] text = string.getBytes(StandardCharsets.UTF_8);
        try {
            return event.get("isBase64Encoded") == JsonValue.TRUE ? Base64.getDecoder().decode(text) : text;
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    private static void assertReplyReadsBack(Event.Http event, int status, Map<String, String> headers, byte[] body) {
        Map<String, Object> reply = OtherJson.objectWithoutDuplicates(event.reply(status, headers, body));
        assertNotNull(reply);
        assertEquals(new OtherJson.Number(Integer.toString(status)), reply.get("statusCode"));
        assertHeaders(headers, reply);
        byte[] text = reply.get("body").toString().getBytes(StandardCharsets.UTF_8);
        assertArrayEquals(body, reply.get("isBase64Encoded") == JsonValue.TRUE ? Base64.getDecoder().decode(text) : text);

        byte[] prelude = event.prelude(status, headers);
        int end = prelude.length - 8;
        assertArrayEquals(new byte[8], Arrays.copyOfRange(prelude, end, prelude.length));
        byte[] json = Arrays.copyOf(prelude, end);
        assertFalse(new String(json, StandardCharsets.UTF_8).chars().anyMatch(c -> c < ' '), "a control character ahead of the NULs");
        Map<String, Object> head = OtherJson.objectWithoutDuplicates(json);
        assertEquals(new OtherJson.Number(Integer.toString(status)), head.get("statusCode"));
        assertHeaders(headers, head);
    }

    private static void assertHeaders(Map<String, String> headers, Map<String, Object> reply) {
        var read = new TreeMap<String, String>();
        for (String member : new String[] { "headers", "multiValueHeaders" }) {
            if (reply.containsKey(member)) {
                OtherJson.object(reply, member).forEach((name, value) -> read.put(name,
                        (value instanceof List<?> values ? values.get(0) : value).toString()));
            }
        }
        assertEquals(headers, read);
    }

    /** Not with half of a surrogate pair, which becomes a question mark. */
    private static boolean isUnicode(String text) {
        return text.equals(new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8));
    }
}
