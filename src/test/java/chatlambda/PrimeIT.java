package chatlambda;

import static chatlambda.ScriptedUpstream.answering;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.local.LocalLambda.InvokeMode;
import io.quarkus.runtime.configuration.DurationConverter;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What happens before the first event. */
class PrimeIT {

    private static final String CHAT = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    @ParameterizedTest
    @ValueSource(strings = { "buffered", "stream" })
    void theUpstreamIsConnectedAndSentNothingBeforeTheFirstEvent(String mode) throws Exception {
        List<Integer> ports = new CopyOnWriteArrayList<>();
        try (var upstream = ScriptedUpstream.start((request, connection) -> {
            ports.add(connection.getPort());
            answering(200, "application/json", "{\"a\":1}").answer(request, connection);
        });
                var function = Deployed.against(upstream.url(), Map.of("CHAT_RESPONSE_MODE", mode, "CHAT_PRIME_TIMEOUT", "20s"))) {
            function.lambda.awaitPoll();
            long start = System.nanoTime();
            while (upstream.connections.isEmpty()) { // it is connected, but this side may not have accepted it yet
                if (System.nanoTime() - start > TimeUnit.SECONDS.toNanos(30)) {
                    throw new AssertionError("the upstream is not connected; the function printed: " + function.process.output());
                }
                Thread.onSpinWait();
            }
            assertEquals(1, upstream.connections.size());
            assertTrue(upstream.requests.isEmpty());
            assertEquals("{\"a\":1}", function.invoke(CHAT).text());
            assertEquals("{\"a\":1}", function.invoke(CHAT).text());
            assertEquals(List.of(upstream.connections.get(0).getPort(), upstream.connections.get(0).getPort()), ports);
            assertEquals(List.of(), function.process.messages());
        }
    }

    @Test
    void withoutPrimingTheFirstRequestConnects() throws Exception {
        try (var upstream = ScriptedUpstream.start(answering(200, "application/json", "{}"));
                var function = Deployed.against(upstream.url(), Map.of("CHAT_PRIME_TIMEOUT", "0s"))) {
            function.lambda.awaitPoll();
            assertEquals(0, upstream.connections.size());
            assertEquals("{}", function.invoke(CHAT).text());
        }
    }

    @Test
    void anUpstreamThatIsNotThereIsALogLineAndNoFailedStart() throws Exception {
        try (var closed = new Socket();
                var function = Deployed.against(refusing(closed), Map.of())) {
            function.lambda.awaitPoll();
            assertEquals(1, function.process.messages().size());
            assertTrue(function.process.output().contains("the first request will try again"), function.process.output());
            assertEquals(502, function.reply(Events.post(CHAT)).getInt("statusCode"));
        }
    }

    /** An address that nobody listens on, and that nobody else can get. */
    private static URI refusing(Socket bound) throws IOException {
        bound.bind(new InetSocketAddress("127.0.0.1", 0));
        return URI.create("http://127.0.0.1:" + bound.getLocalPort());
    }

    @Test
    void aHandshakeWithoutEndDoesNotHoldTheStartUp() throws IOException, InterruptedException {
        try (var silent = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
                var function = Deployed.against(URI.create("https://127.0.0.1:" + silent.getLocalPort()),
                        Map.of("CHAT_PRIME_TIMEOUT", "300ms", "CHAT_CONNECT_TIMEOUT", "60s"))) {
            function.lambda.awaitPoll();
            assertTrue(function.process.output().contains("not connected within 300 ms"), function.process.output());
        }
    }

    /** Lambda freezes the process between two invocations; the upstream drops its side meanwhile. */
    @Test
    void afterAFreezeTheFirstRequestWorks() throws Exception {
        try (var upstream = ScriptedUpstream.start(answering(200, "application/json", "{}"));
                var function = Deployed.against(upstream.url(), Map.of("CHAT_KEEP_ALIVE", FREEZE.toMillis() / 2 + "ms"))) {
            for (int i = 0; i < 5; i++) {
                assertEquals("{}", function.invoke(CHAT).text());
                function.lambda.awaitPoll();
                freeze(function, upstream);
            }
            assertEquals("{}", function.invoke(CHAT).text());
        }
    }

    @Test
    void aRequestThatAFreezeCutsOffHasItsErrorAndTheNextOneWorks() throws Exception {
        var answers = new ArrayBlockingQueue<ScriptedUpstream.Script>(10);
        var asked = new Semaphore(0);
        try (var upstream = ScriptedUpstream.start((request, connection) -> {
            asked.release();
            answers.remove().answer(request, connection);
        });
                var function = Deployed.against(upstream.url(), Map.of("CHAT_RETRIES", "0", "CHAT_TIMEOUT", "10m"), InvokeMode.BUFFERED,
                        FREEZE.plusSeconds(30))) {
            for (int i = 0; i < 3; i++) {
                answers.add((request, connection) -> {
                });
                var cutOff = CompletableFuture.supplyAsync(() -> function.invoke(Events.post(CHAT)));
                assertTrue(asked.tryAcquire(30, TimeUnit.SECONDS));
                freeze(function, upstream);
                assertEquals(502, Events.json(cutOff.get(30, TimeUnit.SECONDS).text()).getInt("statusCode"));
                answers.add(answering(200, "application/json", "{}"));
                assertEquals("{}", function.invoke(CHAT).text());
                assertTrue(asked.tryAcquire(30, TimeUnit.SECONDS));
            }
        }
    }

    /** {@code -Dfreeze=90s} for a long one. */
    private static final Duration FREEZE = DurationConverter.parseDuration(System.getProperty("freeze", "700ms"));

    private static void freeze(Deployed function, ScriptedUpstream upstream) throws IOException, InterruptedException {
        function.process.signal("STOP");
        for (var connection : upstream.connections) {
            connection.close();
        }
        LockSupport.parkNanos(FREEZE.toNanos());
        function.process.signal("CONT");
    }

    @Test
    void aConnectionThatWasIdleTooLongIsNotUsedAgain() {
        try (var upstream = ScriptedUpstream.start(answering(200, "application/json", "{}"));
                var function = Deployed.against(upstream.url(), Map.of("CHAT_KEEP_ALIVE", "0s"))) {
            function.invoke(CHAT);
            int before = upstream.connections.size();
            long start = System.currentTimeMillis();
            while (System.currentTimeMillis() <= start + 1) {
                Thread.onSpinWait(); // the clock must tick: 0s is "not in an earlier millisecond"
            }
            assertEquals("{}", function.invoke(CHAT).text());
            assertEquals(before + 1, upstream.connections.size());
        }
    }
}
