package chatlambda.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.OtherJson;
import chatlambda.json.Json;
import com.code_intelligence.jazzer.junit.FuzzTest;
import jakarta.json.JsonValue;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

class ApiRequestFuzzTest {

    private static final String MODEL = "default/\"mödel\"";
    private static final String MEMBER = "\"model\":\"default/\\\"mödel\\\"\",";
    private static final Pattern PLACE = Pattern.compile("at line (\\d+), column (\\d+)");

    @FuzzTest(maxDuration = "10m")
    void aBodyIsAChatRequestExactlyWhenAnotherParserFindsOne(byte[] body) {
        ApiRequest request;
        try {
            request = ApiRequest.of(Route.CHAT, body, Models.only(MODEL), Limits.NONE);
        } catch (ChatError refused) {
            assertRightlyRefused(refused, body);
            return;
        }
        Map<String, Object> sent = OtherJson.object(body);
        assertNotNull(sent);
        assertTrue(isChat(sent));
        assertEquals(sent.get("stream") == JsonValue.TRUE, request.stream());
        if (sent.containsKey("model")) {
            assertSame(body, request.body());
            assertEquals(sent.get("model"), request.model());
        } else {
            String upstream = text(request.body());
            int at = upstream.indexOf('{') + 1;
            assertTrue(upstream.startsWith(MEMBER, at), upstream);
            assertEquals(text(body), upstream.substring(0, at) + upstream.substring(at + MEMBER.length()));
            assertEquals(MODEL, request.model());
            assertEquals(MODEL, OtherJson.object(request.body()).get("model"));
        }
    }

    private static void assertRightlyRefused(ChatError refused, byte[] body) {
        String message = refused.getMessage();
        assertEquals(400, refused.status());
        assertEquals(ChatError.Kind.InvalidRequest, refused.kind());
        assertFalse(message.contains("secret"), "a prompt may not be quoted");
        assertEquals("invalid_request_error", OtherJson.object(OtherJson.objectWithoutDuplicates(refused.json()), "error").get("type"));

        Matcher place = PLACE.matcher(message);
        if (place.find()) {
            String[] lines = new String(body, StandardCharsets.ISO_8859_1).split("\r\n|\r|\n", -1); // columns are bytes
            int line = Integer.parseInt(place.group(1));
            assertTrue(line >= 1 && line <= lines.length, message);
            int column = Integer.parseInt(place.group(2));
            assertTrue(column >= 1 && column <= lines[line - 1].length() + 1, message);
        }
        if (message.contains("it nests deeper than")) {
            long opened = text(body).chars().filter(c -> c == '[' || c == '{').count();
            assertTrue(opened > Json.MAX_NESTING, message);
        } else if (message.contains("half of a surrogate pair")) { // which RFC 8259, 8.2, leaves to the parser
            assertTrue(text(body).toLowerCase(Locale.ROOT).contains("\\ud"), message);
        } else if (message.contains("is not JSON") || message.contains("goes on after")) {
            assertNull(OtherJson.object(body), message);
        } else { // of a repeated member every value must be right, not only the last one
            Map<String, Object> sent = OtherJson.objectWithoutDuplicates(body);
            assertFalse(sent != null && isChat(sent), message);
        }
    }

    private static boolean isChat(Map<String, Object> request) {
        return request.getOrDefault("model", "") instanceof String
                && request.get("messages") instanceof List<?> messages && !messages.isEmpty()
                && messages.stream().allMatch(message -> message instanceof Map<?, ?> object && object.get("role") instanceof String);
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
