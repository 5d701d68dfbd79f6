package chatlambda.access;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.access.Access.Mode;
import chatlambda.chat.ChatError;
import chatlambda.chat.Limits;
import chatlambda.chat.UpstreamKey;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AccessTest {

    private static final String KEY = "sk-test-0123456789abcdef0123456789abcdef";
    private static final UpstreamKey OURS = () -> "sk-test-ours";
    private static final Access KEYS = access(Mode.KEYS, "app", KEY, "batch", "sk-test-2", "app", "sk-test-3");

    private static Access access(Mode mode, String... clientsAndKeys) {
        var keys = new Access.Key[clientsAndKeys.length / 2];
        Arrays.setAll(keys, i -> new Access.Key(client(clientsAndKeys[2 * i]), sha256(clientsAndKeys[2 * i + 1])));
        return new Access(mode, List.of(keys), client("direct"), client("iam"));
    }

    private static Client client(String name) {
        return new Client(name, OURS, new Limits(List.of(), name.length(), 0, "max_tokens"));
    }

    private static byte[] sha256(String text) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    @ParameterizedTest
    @CsvSource({ "authorization, Bearer " + KEY + ", app", "authorization, bearer   " + KEY + " , app", "x-api-key, sk-test-2, batch",
            "x-api-key, sk-test-3, app", "api-key, sk-test-2, batch" })
    void aClientIsKnownByItsKey(String header, String value, String client) throws ChatError {
        assertEquals(client(client), KEYS.admit(Map.of(header, value)));
    }

    @Test
    void theOtherHeaderCountsWhereTheFrontDoorOwnsAuthorization() throws ChatError {
        assertEquals(client("batch"), KEYS.admit(Map.of("authorization", "AWS4-HMAC-SHA256 Credential=x", "x-api-key", "sk-test-2")));
        assertEquals(client("batch"), KEYS.admit(Map.of("authorization", "Bearer wrong", "x-api-key", "sk-test-2")));
        assertEquals(client("batch"), KEYS.admit(Map.of("authorization", "Bearer ", "x-api-key", "sk-test-2")));
        assertEquals(client("batch"), KEYS.admit(Map.of("authorization", "Bearer a", "x-api-key", "b", "api-key", "sk-test-2")));
        assertEquals(client("app"), KEYS.admit(Map.of("authorization", "Bearer " + KEY, "x-api-key", "sk-test-2")), "the first of two");
        assertThrows(ChatError.class, () -> KEYS.admit(Map.of("authorization", "Bearer wrong", "x-api-key", "wrong", "api-key", "wrong")));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            -             | -               | no API key: send it as
            authorization | Bearer          | no API key: send it as
            authorization | 'Bearer  '      | no API key: send it as
            authorization | Basic sk-test-2 | no API key: send it as
            x-api-key     | ''              | no API key: send it as
            authorization | sk-test-2       | no API key: send it as
            authorization | Bearer sk-test- | incorrect API key: use one that
            x-api-key     | sk-test-22      | incorrect API key: use one that
            x-api-key     | SK-TEST-2       | incorrect API key: use one that
            api-key       | sk-test-22      | incorrect API key: use one that
            """)
    void nobodyElseIsLetIn(String header, String value, String message) {
        var error = assertThrows(ChatError.class, () -> KEYS.admit(header == null ? Map.of() : Map.of(header, value)));
        assertEquals(401, error.status());
        assertEquals("invalid_api_key", error.code());
        assertTrue(error.getMessage().startsWith(message), error.getMessage());
        assertFalse(error.getMessage().contains("sk-test"), error.getMessage());
    }

    @Test
    void withoutKeysNobodyIsLetIn() {
        assertThrows(ChatError.class, () -> access(Mode.KEYS).admit(Map.of("authorization", "Bearer x")));
    }

    @Test
    void whomTheFrontDoorLetInIsIn() throws ChatError {
        assertEquals(client("iam"), access(Mode.IAM).admit(Map.of("authorization", "AWS4-HMAC-SHA256 ...")));
    }

    @Test
    void anotherLambdaIsIn() throws ChatError {
        assertEquals(client("direct"), KEYS.admitDirect());
        assertEquals(client("direct"), access(Mode.IAM).admitDirect());
    }

    @Test
    void aKeyThatIsPassedOnIsTheCallers() throws ChatError {
        var access = access(Mode.PASSTHROUGH);
        var caller = access.admit(Map.of("authorization", "Bearer sk-test-~!"));
        assertEquals("passthrough", caller.name());
        assertEquals("sk-test-~!", caller.key().value());
        assertFalse(caller.key().renew(caller.key().value(), Duration.ofSeconds(1)));
        assertEquals(client("iam").limits(), caller.limits());
        assertSame(OURS, KEYS.admit(Map.of("authorization", "Bearer " + KEY)).key());
        for (var headers : List.of(Map.<String, String>of(), Map.of("x-api-key", "a b"), Map.of("x-api-key", "a\r\nx: y"),
                Map.of("x-api-key", "ü"))) {
            assertEquals(401, assertThrows(ChatError.class, () -> access.admit(headers)).status());
        }
        assertEquals(401, assertThrows(ChatError.class, access::admitDirect).status(), "another Lambda brings no key");
    }

    /** The last of several that match tells that the comparison goes on behind a match. */
    @Test
    void everyKeyIsComparedWhetherOrNotOneMatchedBefore() {
        assertEquals("last", access(Mode.KEYS, "first", KEY, "other", "sk-test-2", "last", KEY).find(KEY).name());
    }

    @Test
    void aRejectedKeyIsTheFaultOfWhoseItIs() throws ChatError {
        var ours = OURS.rejection(Map.of("x-request-id", "r", "x-should-retry", "true"));
        assertEquals(500, ours.status());
        assertEquals(ChatError.KEY_REJECTED, ours.code());
        assertEquals("the upstream rejected this function's own key: set CHAT_API_KEY to a valid one", ours.getMessage());
        assertEquals(Map.of("x-request-id", "r", "x-should-retry", "false"), ours.headers());
        var theirs = access(Mode.PASSTHROUGH).admit(Map.of("x-api-key", "sk-test-theirs")).key().rejection(Map.of("x-request-id", "r"));
        assertEquals(401, theirs.status());
        assertEquals("invalid_api_key", theirs.code());
        assertEquals("the upstream rejected this API key: use one of the upstream's", theirs.getMessage());
        assertEquals(Map.of(), theirs.headers());
    }

    /** One digest for all threads, or one that two use at once, gives hashes of neither's key. */
    @Test
    void severalThreadsMayAskAtOnce() {
        IntStream.range(0, 20_000).parallel().forEach(i -> {
            assertEquals("batch", KEYS.find("sk-test-2").name());
            assertNull(KEYS.find("sk-test-" + i + "x"));
        });
    }
}
