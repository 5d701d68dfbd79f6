package chatlambda.access;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.access.Access.Mode;
import chatlambda.chat.ChatError;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AccessTest {

    private static final String KEY = "sk-test-0123456789abcdef0123456789abcdef";
    private static final Access KEYS = access(Mode.KEYS, "app", KEY, "batch", "sk-test-2", "app", "sk-test-3");

    private static Access access(Mode mode, String... clientsAndKeys) {
        var keys = new Access.Key[clientsAndKeys.length / 2];
        Arrays.setAll(keys, i -> new Access.Key(clientsAndKeys[2 * i], sha256(clientsAndKeys[2 * i + 1])));
        return new Access(mode, List.of(keys), Map.of());
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
            "x-api-key, sk-test-3, app" })
    void aClientIsKnownByItsKey(String header, String value, String client) throws ChatError {
        assertEquals(client, KEYS.admit(Map.of(header, value)).name());
    }

    @Test
    void theOtherHeaderCountsWhereTheFrontDoorOwnsAuthorization() throws ChatError {
        assertEquals("batch", KEYS.admit(Map.of("authorization", "AWS4-HMAC-SHA256 Credential=x", "x-api-key", "sk-test-2")).name());
        assertThrows(ChatError.class, () -> KEYS.admit(Map.of("authorization", "Bearer wrong", "x-api-key", "sk-test-2")));
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
        assertEquals("iam", access(Mode.IAM).admit(Map.of("authorization", "AWS4-HMAC-SHA256 ...")).name());
    }

    @Test
    void aKeyThatIsPassedOnIsTheCallers() throws ChatError {
        var access = access(Mode.PASSTHROUGH);
        assertEquals("sk-test-~!", access.admit(Map.of("authorization", "Bearer sk-test-~!")).upstreamKey());
        assertNull(KEYS.admit(Map.of("authorization", "Bearer " + KEY)).upstreamKey());
        for (var headers : List.of(Map.<String, String>of(), Map.of("x-api-key", "a b"), Map.of("x-api-key", "a\r\nx: y"),
                Map.of("x-api-key", "ü"))) {
            assertEquals(401, assertThrows(ChatError.class, () -> access.admit(headers)).status());
        }
        assertEquals(401, assertThrows(ChatError.class, access::direct).status(), "another Lambda brings no key");
    }

    /** The last of several that match tells that the comparison goes on behind a match. */
    @Test
    void everyKeyIsComparedWhetherOrNotOneMatchedBefore() {
        assertEquals("last", access(Mode.KEYS, "first", KEY, "other", "sk-test-2", "last", KEY).find(KEY));
    }
}
