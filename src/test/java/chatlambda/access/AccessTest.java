package chatlambda.access;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.access.Access.Mode;
import chatlambda.completion.ChatError;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
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

    /**
     * Welch's t of the time that 20,000 wrong keys take: half of them share all but the end with the right one. Whoever could tell
     * them apart could guess a key byte by byte. As in dudect, what took longest, which was the machine, is left out; and of five
     * rounds the median counts, since a leak shows in each.
     */
    @Test
    void theTimeAWrongKeyTakesDoesNotTellHowMuchOfItIsRight() {
        double[] t = IntStream.range(0, 5).mapToDouble(i -> welch(KEYS::find)).sorted().toArray();
        System.out.println("Welch's t between nearly right and quite wrong keys: " + Arrays.toString(t));
        assertTrue(Math.abs(t[2]) < 4.5, Arrays.toString(t));
    }

    @Test
    void aComparisonThatEndsAtTheFirstDifferenceWouldShow() {
        byte[] right = KEY.getBytes(StandardCharsets.US_ASCII);
        double[] t = IntStream.range(0, 5).mapToDouble(i -> welch(key -> {
            byte[] wrong = key.getBytes(StandardCharsets.US_ASCII);
            int at = 0;
            while (at < right.length && right[at] == wrong[at]) {
                at++;
            }
            return at == right.length ? "app" : null;
        })).sorted().toArray();
        System.out.println("Welch's t of a careless comparison: " + Arrays.toString(t));
        assertTrue(Math.abs(t[2]) > 4.5, Arrays.toString(t));
    }

    private static double welch(UnaryOperator<String> find) {
        int count = 10_000;
        var random = new Random();
        String[][] wrong = new String[2][2 * count];
        for (int i = 0; i < 2 * count; i++) { // made alike, since where they lie in memory would show too
            wrong[0][i] = wrongKey(random, KEY.length() - 4);
            wrong[1][i] = wrongKey(random, 0);
        }
        double[][] times = new double[2][count];
        for (int i = 0; i < 2 * count; i++) {
            int first = random.nextInt(2); // in pairs, so that what else changes meanwhile changes for both
            for (int which : new int[] { first, 1 - first }) {
                String key = wrong[which][i];
                long start = System.nanoTime();
                String found = find.apply(key);
                long took = System.nanoTime() - start;
                assertNull(found);
                if (i >= count) { // warm
                    times[which][i - count] = took;
                }
            }
        }
        return welch(trimmed(times[0]), trimmed(times[1]));
    }

    private static String wrongKey(Random random, int right) {
        byte[] key = new byte[KEY.length()];
        for (int i = 0; i < key.length; i++) {
            byte other = (byte) ('!' + random.nextInt(90));
            key[i] = i < right ? (byte) KEY.charAt(i) : other;
        }
        return new String(key, StandardCharsets.US_ASCII);
    }

    private static double[] trimmed(double[] times) {
        Arrays.sort(times);
        return Arrays.copyOf(times, times.length * 9 / 10);
    }

    private static double welch(double[] a, double[] b) {
        double meanA = Arrays.stream(a).average().orElseThrow();
        double meanB = Arrays.stream(b).average().orElseThrow();
        double varianceA = Arrays.stream(a).map(x -> (x - meanA) * (x - meanA)).sum() / (a.length - 1);
        double varianceB = Arrays.stream(b).map(x -> (x - meanB) * (x - meanB)).sum() / (b.length - 1);
        return (meanA - meanB) / Math.sqrt(varianceA / a.length + varianceB / b.length);
    }
}
