package chatlambda.secret;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SecretTest {

    private static final Duration LIMIT = Duration.ofSeconds(30);

    @ParameterizedTest
    @CsvSource({ "PT59S, false", "PT60S, true", "PT24H, true", "PT-5S, false" })
    void aSecretIsReadAgainAtMostOnceAMinute(Duration since, boolean due) {
        Instant renewed = Instant.parse("2026-11-22T00:00:00Z");
        assertEquals(due, Secret.isDue(renewed, renewed.plus(since)));
    }

    @ParameterizedTest
    @CsvSource({ "sk-test-new, true", "sk-test-old, false" })
    @Timeout(60)
    void whoIsRefusedAtTheSameMomentSharesOneRead(String found, boolean another) throws Exception {
        var reads = new AtomicInteger();
        var mayEnd = new CountDownLatch(1);
        var secret = new Secret("arn", Map.of(), Duration.ZERO) {
            @Override
            String read(Duration timeout) {
                if (reads.getAndIncrement() == 0) {
                    return "sk-test-old";
                }
                try {
                    assertTrue(mayEnd.await(30, TimeUnit.SECONDS));
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
                return found;
            }
        };
        secret.withValue();
        List<FutureTask<Boolean>> renewals = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            var renewal = new FutureTask<>(() -> secret.renew("sk-test-old", LIMIT));
            renewals.add(renewal);
            threads.add(new Thread(renewal));
            threads.get(i).start();
        }
        while (!threads.stream().allMatch(thread -> thread.getState() == Thread.State.TIMED_WAITING)) {
            Thread.onSpinWait(); // until all wait for the one that reads
        }
        assertFalse(secret.renew("sk-test-old", Duration.ofMillis(1)), "no longer than its own limit");
        assertEquals("sk-test-old", secret.value(), "which nobody has to wait for");
        mayEnd.countDown();
        for (var renewal : renewals) {
            assertEquals(another, renewal.get());
        }
        assertEquals(found, secret.value());
        assertEquals(another, secret.renew("sk-test-old", LIMIT), "whose refusal comes late finds what was read");
        assertFalse(secret.renew(found, LIMIT), "not within the same minute");
        assertEquals(2, reads.get());
    }

    @Test
    void withoutTimeNothingIsRead() throws Exception {
        var reads = new AtomicInteger();
        var secret = new Secret("arn", Map.of(), Duration.ZERO) {
            @Override
            String read(Duration timeout) {
                return "sk-test-" + reads.getAndIncrement();
            }
        };
        secret.withValue();
        assertFalse(secret.renew("sk-test-0", Duration.ZERO));
        assertFalse(secret.renew("sk-test-0", Duration.ofMillis(-1)));
        assertEquals("sk-test-0", secret.value());
        assertTrue(secret.renew("sk-test-0", LIMIT), "no minute was used up");
    }
}
