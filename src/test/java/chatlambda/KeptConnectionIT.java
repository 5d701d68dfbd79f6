package chatlambda;

import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.streaming;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.ScriptedUpstream.Script;
import chatlambda.local.LocalLambda.InvokeMode;
import java.io.IOException;
import java.net.Socket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A kept connection that fails: the request is sent again where the upstream cannot have worked on it, which is told by how soon after
 * its last byte the connection ends. Connections to this upstream take two seconds to open, so that "soon" is two seconds, and no
 * machine too slow for it.
 */
class KeptConnectionIT {

    private static final String CHAT = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
    private static final String STREAM = "{\"stream\":true," + CHAT.substring(1);
    private static final Duration OPENING = Duration.ofSeconds(2);

    @TempDir
    static Path keys;

    private static SSLContext identity;
    private static Map<String, String> settings;
    private static ScriptedUpstream upstream;
    private static Deployed buffered;
    private static Deployed streaming;

    @BeforeAll
    static void start() throws Exception {
        var authority = new TestAuthority(keys);
        identity = authority.certified("localhost");
        upstream = ScriptedUpstream.startTls(identity, KeptConnectionIT::well);
        upstream.handshakeAfter(OPENING);
        settings = new HashMap<>(authority.trusted());
        settings.putAll(Map.of("CHAT_PRIME_TIMEOUT", "20s", "CHAT_CONNECT_TIMEOUT", "20s", "CHAT_KEEP_ALIVE", "10m"));
        buffered = Deployed.against(upstream.url(), settings);
        var streams = new HashMap<>(settings);
        streams.put("CHAT_RESPONSE_MODE", "stream");
        streaming = Deployed.against(upstream.url(), streams, InvokeMode.RESPONSE_STREAM);
    }

    @AfterAll
    static void stop() {
        streaming.close();
        buffered.close();
        upstream.close();
    }

    private static void well(ScriptedUpstream.Request request, Socket connection) throws IOException {
        (request.text().contains("\"stream\":true") ? streaming("data: [DONE]\n\n") : answering(200, "application/json", "{\"a\":1}"))
                .answer(request, connection);
    }

    /** Ends the connection in place of an answer, the first time or always. */
    private static Script ending(long workMillis, boolean reset, boolean always) {
        var count = new AtomicInteger();
        return (request, connection) -> {
            if (!always && count.getAndIncrement() > 0) {
                well(request, connection);
                return;
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(workMillis));
            if (reset) {
                connection.setSoLinger(true, 0);
            }
            connection.close();
        };
    }

    @ParameterizedTest
    @CsvSource({ // mode, work, reset, always; requests, status
            "buffered,    0, false, false, 2, 200",
            "buffered,    0,  true, false, 2, 200",
            "buffered,    0, false,  true, 2, 502",
            "buffered, 3000, false, false, 1, 502",
            "buffered, 3000,  true, false, 1, 502",
            "stream,      0, false, false, 2, 200",
            "stream,      0,  true, false, 2, 200",
            "stream,      0,  true,  true, 2, 502",
            "stream,   3000, false, false, 1, 502" })
    void whatCannotHaveBeenWorkedOnIsAskedAgain(String mode, long work, boolean reset, boolean always, int requests, int status) {
        Deployed function = mode.equals("stream") ? streaming : buffered;
        String chat = mode.equals("stream") ? STREAM : CHAT;
        upstream.script(KeptConnectionIT::well);
        assertTrue(function.invoke(Events.post(chat)).text().contains("\"statusCode\":200"), "a connection from before");
        upstream.script(ending(work, reset, always));
        String said = function.invoke(Events.post(chat)).text();
        assertTrue(said.contains("\"statusCode\":" + status), said);
        assertEquals(requests, upstream.requests.size(), said);
        assertTrue(status == 200 || said.contains("upstream_unreachable"), said);
    }

    /** Its opening counts from the start's own, whatever else went on meanwhile. */
    @ParameterizedTest
    @CsvSource({ "0, 2, 200", "12000, 1, 502" })
    void thePrimedConnectionIsOneFromBeforeToo(long work, int requests, int status) throws Exception {
        try (var primed = ScriptedUpstream.startTls(identity, ending(work, false, false))) {
            primed.handshakeAfter(OPENING);
            try (var function = Deployed.against(primed.url(), settings)) {
                function.lambda.awaitPoll();
                String said = function.invoke(Events.post(CHAT)).text();
                assertTrue(said.contains("\"statusCode\":" + status), said);
                assertEquals(requests, primed.requests.size(), said);
            }
        }
    }

    /** With no retries at all: a connection that ended before the request went out is not the caller's trouble. */
    @Test
    void aConnectionThatEndedDuringAFreezeCostsNoRetry() throws Exception {
        try (var plain = ScriptedUpstream.start(KeptConnectionIT::well);
                var function = Deployed.against(plain.url(), Map.of("CHAT_RETRIES", "0", "CHAT_KEEP_ALIVE", "10m"))) {
            function.lambda.awaitPoll(); // the start takes time of its own
            for (int i = 0; i < 20; i++) {
                plain.script(KeptConnectionIT::well);
                int turn = i;
                String before = function.invoke(Events.post(CHAT)).text();
                assertTrue(before.contains("\"statusCode\":200"), () -> turn + ": " + before + function.process.output());
                function.lambda.awaitPoll();
                function.process.signal("STOP");
                for (var connection : plain.connections) {
                    if (i % 2 == 0) {
                        ScriptedUpstream.write(connection, "HTTP/1.1 408 Idle\r\nContent-Length: 0\r\n\r\n");
                    }
                    connection.close();
                }
                plain.connections.clear();
                var waiting = CompletableFuture.supplyAsync(() -> function.invoke(Events.post(CHAT)).text());
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20)); // for the event to be there too; if it is late, nothing is lost
                plain.script(KeptConnectionIT::well);
                function.process.signal("CONT");
                String said = waiting.get(30, TimeUnit.SECONDS);
                assertTrue(said.contains("\"statusCode\":200") && said.contains("\"x-chat-attempts\":\"1\""), said);
                assertEquals(1, plain.requests.size());
            }
        }
    }
}
