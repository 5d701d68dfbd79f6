package chatlambda.upstream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.OtherJson;
import chatlambda.chat.ChatError;
import chatlambda.chat.Redaction;
import chatlambda.chat.Route;
import chatlambda.json.JsonString;
import com.code_intelligence.jazzer.junit.FuzzTest;
import jakarta.json.JsonValue;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

class UpstreamAnswerFuzzTest {

    /** No error may come near what a front door refuses as too large. */
    private static final int SANE_ERROR = 500_000;
    private static final Set<String> CORE = Set.of("message", "type", "param", "code");

    /** @param response a status, header lines, an empty line and the body, all line ends LF */
    @FuzzTest(maxDuration = "10m")
    void anyResponseIsACompletionOrAnErrorAsTheSdksParseIt(byte[] response) {
        String text = new String(response, StandardCharsets.ISO_8859_1);
        int empty = text.indexOf("\n\n");
        String[] head = (empty < 0 ? text : text.substring(0, empty)).split("\n", -1);
        var headers = new HashMap<String, String>();
        for (String line : head) {
            int colon = line.indexOf(':');
            if (colon > 0) {
                headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).strip());
            }
        }
        int status = head[0].matches("[1-9][0-9]{2}") ? Integer.parseInt(head[0]) : 500;
        byte[] body = empty < 0 ? new byte[0] : Arrays.copyOfRange(response, empty + 2, response.length);
        var answer = new UpstreamAnswer(Route.CHAT, status, headers, body, new Redaction("sk-test-key"), () -> "sk-test-key");
        try {
            assertComplete(answer.completion(true), answer);
        } catch (Failure failure) {
            assertSound(failure.error(), answer);
        }
    }

    private static void assertComplete(Completion completion, UpstreamAnswer answer) {
        assertEquals(answer.status() == 201 ? 200 : answer.status(), completion.status());
        assertHeadersAreTheUpstreams(completion.headers(), answer.headers());
        assertEquals("application/json", completion.headers().get("content-type"));
        assertSame(answer.body(), completion.body());
        if (JsonString.isUtf8(answer.body())) {
            assertTrue(isCompletion(answer.body()));
        }
    }

    private static void assertSound(ChatError error, UpstreamAnswer answer) {
        assertTrue(error.status() >= 400 && error.status() <= 599, () -> "status " + error.status());
        assertEquals(ChatError.Kind.UpstreamError, error.kind());
        assertHeadersAreTheUpstreams(error.headers(), answer.headers());
        assertTrue(error.json().length < SANE_ERROR);
        Map<String, Object> sent = OtherJson.objectWithoutDuplicates(answer.body());
        Map<String, Object> document = sent == null ? OtherJson.object(error.json()) : OtherJson.objectWithoutDuplicates(error.json());
        assertNotNull(document, () -> "not JSON, or with a name twice: " + new String(error.json(), StandardCharsets.UTF_8));
        assertEquals(Set.of("error"), document.keySet());
        Map<String, Object> said = OtherJson.object(document, "error");
        assertTrue(said.keySet().containsAll(CORE));
        assertInstanceOf(String.class, said.get("message"));
        assertInstanceOf(String.class, said.get("type"));
        assertTrue(said.get("param") == JsonValue.NULL || said.get("param") instanceof String);
        assertEquals(said.get("code") == JsonValue.NULL ? null : said.get("code"), error.code());
        if (answer.status() == 401) {
            assertEquals("upstream_key_rejected", error.code());
            assertEquals(CORE, said.keySet(), "the body of a 401 may quote the key");
        } else if (answer.status() >= 200 && answer.status() <= 299) {
            assertTrue(!isCompletion(answer.body()) || answer.isEvents(answer.body(), answer.body().length));
        } else if (answer.body().length < 4_000) {
            assertNothingElseIsLost(said, sent);
        }
    }

    /** An error without an object inside keeps all its other members as they are. */
    private static void assertNothingElseIsLost(Map<String, Object> said, Map<String, Object> sent) {
        if (sent != null && !(sent.get("error") instanceof Map)) {
            sent.forEach((name, value) -> {
                if (!CORE.contains(name) && !name.equals("error")) {
                    assertEquals(value, said.get(name));
                }
            });
        }
    }

    private static boolean isCompletion(byte[] body) {
        Map<String, Object> object = OtherJson.object(body);
        return object != null && object.getOrDefault("error", JsonValue.NULL) == JsonValue.NULL;
    }

    /** So that there is a line end in one only if the upstream's HTTP parser let it through. */
    private static void assertHeadersAreTheUpstreams(Map<String, String> passed, Map<String, String> given) {
        passed.forEach((name, value) -> {
            switch (name) {
                case "x-request-id" -> assertTrue(!given.containsKey(name) && !given.containsKey("x-inference-id")
                        || given.getOrDefault(name, given.get("x-inference-id")).equals(value), value);
                case "content-type" -> assertTrue(value.equals("application/json") || value.equals("text/event-stream")
                        || value.equals(given.get(name)), value);
                case "cache-control" -> assertEquals("no-cache", value);
                case "x-should-retry" -> assertTrue(value.equals("false") || value.equals(given.get(name)), value);
                default -> assertEquals(given.get(name), value);
            }
        });
        assertNull(passed.get("set-cookie"));
    }
}
