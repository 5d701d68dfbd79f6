package chatlambda;

import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.local.LocalLambda.InvokeMode;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** SIGTERM, after which Lambda waits 300 ms and kills. */
class ShutdownIT {

    private static final String CHAT = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    private static void endsPromptly(Deployed function) throws Exception {
        long start = System.nanoTime();
        function.process.signal("TERM");
        assertEquals(0, function.process.exitCode(), "an end of its own; who is killed ends with another code");
        System.out.println("SIGTERM to the end: " + (System.nanoTime() - start) / 1_000_000 + " ms");
        assertEquals(List.of(), function.process.messages());
    }

    @Test
    void endsAnIdleFunction() throws Exception {
        try (var upstream = ScriptedUpstream.start(answering(200, "application/json", "{}"));
                var function = Deployed.against(upstream.url(), Map.of("CHAT_PRIME_TIMEOUT", "20s"))) {
            function.lambda.awaitPoll();
            endsPromptly(function);
        }
    }

    @Test
    void endsAFunctionThatWaitsForItsUpstream() throws Exception {
        var asked = new CountDownLatch(1);
        try (var upstream = ScriptedUpstream.start((request, connection) -> asked.countDown());
                var function = Deployed.against(upstream.url(), Map.of("CHAT_PRIME_TIMEOUT", "20s"))) {
            CompletableFuture.runAsync(() -> function.invoke(CHAT));
            assertTrue(asked.await(30, TimeUnit.SECONDS));
            endsPromptly(function);
        }
    }

    @Test
    void endsAFunctionInMidStream() throws Exception {
        var begun = new CountDownLatch(2);
        try (var upstream = ScriptedUpstream.start((request, connection) -> {
            write(connection, STREAM_HEAD + chunk(": a\n\n"));
            begun.countDown();
        });
                var function = Deployed.against(upstream.url(), Map.of("CHAT_RESPONSE_MODE", "stream", "CHAT_PRIME_TIMEOUT", "20s"),
                        InvokeMode.RESPONSE_STREAM)) {
            CompletableFuture.runAsync(() -> function.invoke("{\"stream\":true,%s".formatted(CHAT.substring(1)),
                    chunk -> begun.countDown()));
            assertTrue(begun.await(30, TimeUnit.SECONDS));
            endsPromptly(function);
        }
    }

    @Test
    void endsAFunctionThatWaitsToAskAgain() throws Exception {
        var asked = new CountDownLatch(1);
        try (var upstream = ScriptedUpstream.start((request, connection) -> {
            answering(503, "application/json", "{}", "Retry-After: 20").answer(request, connection);
            asked.countDown();
        });
                var function = Deployed.against(upstream.url(), Map.of("CHAT_PRIME_TIMEOUT", "20s"))) {
            CompletableFuture.runAsync(() -> function.invoke(CHAT));
            assertTrue(asked.await(30, TimeUnit.SECONDS));
            endsPromptly(function);
        }
    }

    @Test
    void endsAFunctionThatStarts() throws Exception {
        try (var silent = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
                var function = Deployed.against(URI.create("https://127.0.0.1:" + silent.getLocalPort()),
                        Map.of("CHAT_PRIME_TIMEOUT", "60s", "CHAT_CONNECT_TIMEOUT", "60s"))) {
            silent.setSoTimeout(30_000);
            silent.accept(); // it is connected, and waits for a handshake
            endsPromptly(function);
        }
    }
}
