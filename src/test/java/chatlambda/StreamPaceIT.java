package chatlambda;

import static chatlambda.ScriptedUpstream.LAST_CHUNK;
import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.await;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.local.LocalLambda.InvokeMode;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;

/** Slow upstreams, slow readers and long streams: what a caller sees meanwhile, and what the function holds. */
class StreamPaceIT extends StreamingFunction {

    /** What arrives between the prelude and the first event, or in their place, within the time that the prelude waits. */
    @Test
    void thePreludeWaitsForTheFirstEventAndNoLongerThanForAHeartbeat() throws Exception {
        var released = new CountDownLatch(1);
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD + chunk(": ping\n\n"));
            await(released);
            write(connection, chunk("data: {\"error\":{\"message\":\"late\",\"code\":\"too_late\"}}\n\n") + LAST_CHUNK);
        });
        try (var beating = Deployed.against(upstream.url(), Map.of("CHAT_RESPONSE_MODE", "stream", "CHAT_STREAM_HEARTBEAT", "300ms"),
                InvokeMode.RESPONSE_STREAM)) {
            var got = new StringBuilder();
            var outcome = beating.invoke(Events.post(STREAM), chunk -> {
                got.append(new String(chunk, StandardCharsets.UTF_8));
                if (got.toString().contains(": waiting\n\n: waiting\n\n")) {
                    released.countDown();
                }
            });
            String body = got.toString().split("\0{8}")[1];
            assertTrue(body.matches(": ping\n\n(: waiting\n\n){2,}data: \\{\"error\":\\{\"message\":\"late\",\"code\":\"too_late\"}}\n\n"
                    + "data: \\[DONE]\n\n"), body);
            assertNull(outcome.trailer());
            requireLine(beating, 200, "too_late");
        }
    }

    /** Between whole events, also while half of one is here; its bytes alone count for the idle timeout. */
    @Test
    void aHeartbeatGoesOutWhileTheUpstreamIsSilentAndBetweenWholeEvents() throws Exception {
        var released = new CountDownLatch(1);
        String large = "data: {\"x\":\"" + "y".repeat(70_000);
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD + chunk(begun(1)) + chunk("data: {\"n\":2,"));
            await(released);
            write(connection, chunk("\"choices\":[]}\n\n") + chunk(large));
            LockSupport.parkNanos(700_000_000);
            write(connection, chunk("\"}\n\n") + chunk(event(3)) + LAST_CHUNK);
        });
        try (var beating = Deployed.against(upstream.url(), Map.of("CHAT_RESPONSE_MODE", "stream", "CHAT_STREAM_HEARTBEAT", "200ms"),
                InvokeMode.RESPONSE_STREAM)) {
            var got = new StringBuilder();
            beating.invoke(Events.post(STREAM), chunk -> {
                got.append(new String(chunk, StandardCharsets.UTF_8));
                if (got.toString().contains(": waiting\n\n: waiting\n\n")) {
                    released.countDown();
                }
            });
            String body = got.toString().split("\0{8}")[1];
            assertEquals(begun(1) + "data: {\"n\":2,\"choices\":[]}\n\n" + large + "\"}\n\n" + event(3) + DONE,
                    body.replace(": waiting\n\n", ""));
            assertTrue(body.contains(large + "\"}"), "nothing in the middle of an event");
            requireLine(beating, 200, null);
        }
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD + chunk(begun(1)));
            connection.getInputStream().read();
        });
        try (var beating = Deployed.against(upstream.url(), Map.of("CHAT_RESPONSE_MODE", "stream", "CHAT_STREAM_HEARTBEAT", "200ms",
                "CHAT_STREAM_IDLE_TIMEOUT", "1s"), InvokeMode.RESPONSE_STREAM)) {
            String text = beating.invoke(STREAM).text();
            assertTrue(text.startsWith(begun(1) + ": waiting\n\n: waiting\n\n") && text.contains("silent for 1.0 s"), text);
            requireLine(beating, 200, "upstream_timeout");
        }
    }

    @Test
    void withAHeartbeatOfZeroThereIsNone() {
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD + chunk(begun(1)));
            LockSupport.parkNanos(500_000_000);
            write(connection, chunk(event(2)) + LAST_CHUNK);
        });
        try (var silent = Deployed.against(upstream.url(), Map.of("CHAT_RESPONSE_MODE", "stream", "CHAT_STREAM_HEARTBEAT", "0s"),
                InvokeMode.RESPONSE_STREAM)) {
            assertEquals(begun(1) + event(2) + DONE, silent.invoke(STREAM).text());
        }
    }

    @Test
    void aSlowReaderSlowsTheUpstreamAndNothingIsDropped() {
        long size = 40L * 1024 * 1024;
        String block = "data: " + "x".repeat(64 * 1024 - 8) + "\n\n";
        var sent = new AtomicLong();
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            for (long at = 0; at < size; at += block.length()) {
                write(connection, chunk(block));
                sent.addAndGet(block.length());
            }
            write(connection, chunk(DONE) + LAST_CHUNK);
        });
        var received = new AtomicLong();
        var ahead = new AtomicLong();
        var paused = new AtomicBoolean();
        var outcome = function.invoke(Events.post(STREAM), chunk -> {
            received.addAndGet(chunk.length);
            if (received.get() > 1_000_000 && paused.compareAndSet(false, true)) {
                long before;
                do { // until the upstream cannot write any more
                    before = sent.get();
                    LockSupport.parkNanos(300_000_000);
                } while (sent.get() != before);
                ahead.set(before - received.get());
            }
        });
        assertNull(outcome.trailer());
        assertEquals(640 * block.length() + DONE.length(), received.get() - outcome.text().split("\0{8}")[0].length() - 8);
        assertTrue(ahead.get() < size / 2, "the upstream was " + ahead.get() + " bytes ahead");
    }

    @Test
    void twoHundredMegabytesPassThroughFlatMemory() throws Exception {
        long size = 200L * 1024 * 1024;
        String block = chunk("data: " + "y".repeat(16 * 1024 - 8) + "\n\n");
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            for (long at = 0; at < size; at += 16 * 1024) {
                write(connection, block);
            }
            write(connection, chunk(DONE) + LAST_CHUNK);
        });
        long before = function.process.memory("VmRSS");
        var received = new AtomicLong();
        var atHalf = new AtomicLong();
        function.invoke(Events.post(STREAM), chunk -> {
            if (received.addAndGet(chunk.length) > size / 2 && atHalf.get() == 0) {
                atHalf.set(function.process.memory("VmRSS"));
            }
        });
        long after = function.process.memory("VmRSS");
        System.out.printf("resident memory before, amid and after a stream of 200 MB: %d, %d, %d kB%n", before, atHalf.get(), after);
        assertTrue(received.get() > size);
        if (Deployed.isNative()) {
            assertTrue(after < before + 16 * 1024, "resident memory grows: " + before + " to " + after + " kB");
        }
    }
}
