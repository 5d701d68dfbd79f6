package chatlambda;

import static chatlambda.ScriptedUpstream.LAST_CHUNK;
import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.local.LocalLambda.InvokeMode;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * How long a chunk takes through the function, beside a straight copy from socket to socket, in turns. A statistic of time, which depends
 * on the machine, and so no part of {@code verify}: {@code bench/run latency} runs it.
 */
@EnabledIfSystemProperty(named = "latency", matches = "true")
class StreamLatencyIT {

    private static final int ROUNDS = 10;
    private static final int CHUNKS = 1_000;
    private static final long PACE_NANOS = 500_000;
    private static final String DONE = "data: [DONE]\n\n";
    private static final String STREAM = Events.post("{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}");

    private volatile long firstEventSent;

    @Test
    void aChunkIsThroughWithinAMillisecond() throws Exception {
        long[] relayed = new long[ROUNDS * CHUNKS];
        long[] copied = new long[ROUNDS * CHUNKS];
        long[] preludes = new long[1_000];
        try (var upstream = ScriptedUpstream.start((request, connection) -> {
            write(connection, STREAM_HEAD);
            chunks(connection, true);
            write(connection, chunk(DONE) + LAST_CHUNK);
        });
                var function = Deployed.against(upstream.url(), Map.of("CHAT_RESPONSE_MODE", "stream"), InvokeMode.RESPONSE_STREAM,
                        Duration.ofSeconds(60))) {
            relay(function, new long[CHUNKS], 0); // both warm
            copy(new long[CHUNKS], 0);
            for (int round = 0; round < ROUNDS; round++) {
                relay(function, relayed, round * CHUNKS);
                copy(copied, round * CHUNKS);
            }
            upstream.script((request, connection) -> {
                write(connection, STREAM_HEAD);
                firstEventSent = System.nanoTime();
                write(connection, chunk(DONE) + LAST_CHUNK);
            });
            for (int i = 0; i < preludes.length; i++) {
                int at = i;
                function.lambda.invoke(STREAM.getBytes(StandardCharsets.UTF_8), chunk -> {
                    if (preludes[at] == 0) {
                        preludes[at] = System.nanoTime() - firstEventSent;
                    }
                });
            }
        }
        System.out.printf("a chunk through the function: p50 %d, p99 %d us; through a straight copy: p50 %d, p99 %d us;"
                + " from the first event to the prelude: p50 %d, p99 %d us%n", at(relayed, 50), at(relayed, 99), at(copied, 50), at(copied, 99),
                at(preludes, 50), at(preludes, 99));
        assertTrue(LongStream.of(relayed).allMatch(nanos -> nanos > 0) && LongStream.of(copied).allMatch(nanos -> nanos > 0));
        assertTrue(at(relayed, 50) < at(copied, 50) + 1_000, "median latency");
        assertTrue(at(preludes, 50) < 1_000, "prelude");
    }

    private static long at(long[] nanos, int percent) {
        long[] sorted = nanos.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length * percent / 100] / 1_000;
    }

    /** Each chunk tells when it was written. */
    private static void chunks(Socket connection, boolean framed) throws IOException {
        for (int i = 0; i < CHUNKS; i++) {
            LockSupport.parkNanos(PACE_NANOS);
            String event = "data: {\"at\":\"%020d\"}\n\n".formatted(System.nanoTime());
            write(connection, framed ? chunk(event) : event);
        }
    }

    /** Takes the times out of what arrives, wherever it is cut. */
    private static final class Arrivals {

        private static final String BEFORE = "data: {\"at\":\"";
        private static final int EVENT = BEFORE.length() + 24;
        private final StringBuilder text = new StringBuilder();
        private final long[] nanos;
        private int count;

        Arrivals(long[] nanos, int from) {
            this.nanos = nanos;
            this.count = from;
        }

        void add(byte[] bytes, int length) {
            long now = System.nanoTime();
            text.append(new String(bytes, 0, length, StandardCharsets.US_ASCII));
            int done = 0;
            for (int at; (at = text.indexOf(BEFORE, done)) >= 0 && at + EVENT <= text.length(); done = at + EVENT) {
                nanos[count++] = now - Long.parseLong(text.substring(at + BEFORE.length(), at + BEFORE.length() + 20));
            }
            text.delete(0, done);
        }
    }

    private static void relay(Deployed function, long[] nanos, int from) {
        var arrivals = new Arrivals(nanos, from);
        function.lambda.invoke(STREAM.getBytes(StandardCharsets.UTF_8), chunk -> arrivals.add(chunk, chunk.length));
        assertEquals(from + CHUNKS, arrivals.count);
    }

    private static void copy(long[] nanos, int from) throws Exception {
        try (var first = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                var second = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            var writer = new Thread(() -> {
                try (var connection = first.accept()) {
                    connection.setTcpNoDelay(true);
                    chunks(connection, false);
                } catch (IOException e) {
                    throw new IllegalStateException(e);
                }
            });
            var copier = new Thread(() -> {
                try (var in = new Socket(first.getInetAddress(), first.getLocalPort());
                        var out = new Socket(second.getInetAddress(), second.getLocalPort())) {
                    out.setTcpNoDelay(true);
                    in.getInputStream().transferTo(out.getOutputStream());
                } catch (IOException e) {
                    throw new IllegalStateException(e);
                }
            });
            writer.start();
            copier.start();
            var arrivals = new Arrivals(nanos, from);
            try (var connection = second.accept()) {
                InputStream in = connection.getInputStream();
                byte[] buffer = new byte[8192];
                for (int read; (read = in.read(buffer)) > 0;) {
                    arrivals.add(buffer, read);
                }
            }
            writer.join();
            copier.join();
            assertEquals(from + CHUNKS, arrivals.count);
        }
    }
}
