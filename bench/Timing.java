import chatlambda.access.Access;
import chatlambda.access.Client;
import chatlambda.chat.ChatError;
import chatlambda.chat.Limits;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/**
 * Whether the time that a wrong key takes tells how much of it is right: whoever could tell could guess a key byte by byte. Welch's t of
 * the times of 20,000 wrong keys, half of which share all but the end with the right one; beyond 4.5 either way there is a difference. As
 * in dudect, what took longest, which was the machine, is left out; and of five rounds the median counts, since a leak shows in each.
 *
 * <p>What guarantees it is that hashes are compared, and in constant time. This is a statistic: it says what it finds on this machine, and
 * fails nothing. A careless comparison is measured beside it, to show that a difference would be found.
 */
public final class Timing {

    private static final String KEY = "sk-test-0123456789abcdef0123456789abcdef";

    public static void main(String[] args) throws Exception {
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(KEY.getBytes(StandardCharsets.UTF_8));
        var client = new Client("app", () -> "not used", Limits.NONE);
        var access = new Access(Access.Mode.KEYS, List.of(new Access.Key(client, hash)), client, client);
        report("keys as the function finds them", key -> {
            try {
                access.admit(Map.of("x-api-key", key));
                return true;
            } catch (ChatError e) {
                return false;
            }
        });
        byte[] right = KEY.getBytes(StandardCharsets.US_ASCII);
        report("a comparison that ends at the first difference", key -> {
            byte[] wrong = key.getBytes(StandardCharsets.US_ASCII);
            int at = 0;
            while (at < right.length && right[at] == wrong[at]) {
                at++;
            }
            return at == right.length;
        });
    }

    private static void report(String what, Predicate<String> admits) {
        double[] t = IntStream.range(0, 5).mapToDouble(i -> welch(admits)).sorted().toArray();
        System.out.printf("Welch's t, %s: median %.2f of %s: %s%n", what, t[2], Arrays.toString(t),
                Math.abs(t[2]) < 4.5 ? "no difference found" : "a difference");
    }

    private static double welch(Predicate<String> admits) {
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
                boolean admitted = admits.test(key);
                long took = System.nanoTime() - start;
                if (admitted) {
                    throw new IllegalStateException("a wrong key was let in");
                }
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
