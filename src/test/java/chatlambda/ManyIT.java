package chatlambda;

import static chatlambda.ScriptedUpstream.LAST_CHUNK;
import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import chatlambda.ScriptedUpstream.Script;
import chatlambda.http.HttpReader;
import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.Outcome;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** One environment that serves several invocations at a time, as Lambda Managed Instances have it. */
@Timeout(value = 3, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ManyIT {

    private static final int WORKERS = 8;
    private static final Pattern NAME = Pattern.compile("I am (\\w+)");
    private static final ExecutorService CALLERS = Executors.newCachedThreadPool();

    private static Map<String, String> many(int workers, String... settings) {
        var all = new HashMap<>(Map.of("AWS_LAMBDA_MAX_CONCURRENCY", Integer.toString(workers)));
        for (int i = 0; i < settings.length; i += 2) {
            all.put(settings[i], settings[i + 1]);
        }
        return all;
    }

    private static String chat(String name) {
        return "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"I am " + name + "\"}]}";
    }

    private static String stream(String name) {
        return "{\"stream\":true," + chat(name).substring(1);
    }

    private static String answer(String name) {
        return "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}],\"name\":\"" + name + "\"}";
    }

    private static void named(ScriptedUpstream.Request request, Socket connection) throws IOException {
        Matcher name = NAME.matcher(request.text());
        assertTrue(name.find(), request.text());
        write(connection, FaultIT.isStream(request) ? STREAM_HEAD + chunk("data: " + answer(name.group(1)) + "\n\n") + LAST_CHUNK
                : FaultIT.whole("Content-Type: application/json\r\n", answer(name.group(1))));
    }

    /** Each holds its answer back until so many have asked. */
    private static Script together(int count, Script then) {
        var barrier = new CyclicBarrier(count);
        return (request, connection) -> {
            try {
                barrier.await(60, TimeUnit.SECONDS);
            } catch (Exception e) {
                throw new IOException("fewer than " + count + " asked at a time", e);
            }
            then.answer(request, connection);
        };
    }

    /** Answers by name, once the test says so. */
    private static Script heldBack(CountDownLatch asked, CountDownLatch goOn) {
        return (request, connection) -> {
            asked.countDown();
            ScriptedUpstream.await(goOn);
            named(request, connection);
        };
    }

    private static CompletableFuture<String> ask(Deployed function, String body) {
        return CompletableFuture.supplyAsync(() -> FaultIT.told(function.invoke(Events.post(body))), CALLERS);
    }

    /** As many callers as workers, all in one moment: each gets its own. */
    private static void everybodyGetsTheirOwn(Deployed function, ScriptedUpstream upstream, int count) {
        for (boolean streams : new boolean[] { false, true }) {
            upstream.script(together(count, ManyIT::named));
            var answers = IntStream.range(0, count).mapToObj(i -> ask(function, streams ? stream("caller" + i) : chat("caller" + i))).toList();
            for (int i = 0; i < count; i++) {
                String said = answers.get(i).join();
                assertTrue(said.startsWith("200 ") && said.contains("\"name\":\"caller" + i + "\""), said);
            }
        }
    }

    private static List<JsonNode> accessLines(Deployed function) {
        return function.process.output().lines().filter(line -> line.contains("\"totalMs\":")).map(LogLines::check).toList();
    }

    @ParameterizedTest
    @EnumSource(InvokeMode.class)
    void asManyAreAnsweredAtATimeAsLambdaAllows(InvokeMode mode) throws Exception {
        try (var upstream = ScriptedUpstream.start(ManyIT::named);
                var function = Deployed.against(upstream.url(),
                        many(64, "CHAT_RESPONSE_MODE", mode == InvokeMode.BUFFERED ? "buffered" : "stream"), mode)) {
            function.lambda.awaitPolls(64);
            everybodyGetsTheirOwn(function, upstream, 64);
            function.lambda.awaitPolls(64);
            assertEquals(64, upstream.connections.stream().filter(connection -> !connection.isClosed()).count(), "each worker keeps one");
            assertEquals(List.of(), function.process.messages());
        }
    }

    @Test
    @EnabledIf("chatlambda.Deployed#isNative")
    void theHeapFollowsTheMemoryWhereThereAreMany() throws Exception {
        try (var upstream = ScriptedUpstream.start(ManyIT::named)) {
            for (var settings : List.of(many(1, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "2048"), many(2), many(2, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
                    many(2, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "2048"))) {
                try (var function = Deployed.against(upstream.url(), settings)) {
                    everybodyGetsTheirOwn(function, upstream, 1);
                    String command = Files.readString(Path.of("/proc/" + function.process.pid() + "/cmdline"));
                    assertEquals(settings.equals(many(2, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "2048")), command.contains("\0-Xmn32m\0"), command);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(InvokeMode.class)
    void afterAFreezeEverybodyGetsTheirOwn(InvokeMode mode) throws Exception {
        try (var upstream = ScriptedUpstream.start(ManyIT::named);
                var function = Deployed.against(upstream.url(),
                        many(WORKERS, "CHAT_RESPONSE_MODE", mode == InvokeMode.BUFFERED ? "buffered" : "stream"), mode)) {
            everybodyGetsTheirOwn(function, upstream, WORKERS);
            function.lambda.awaitPolls(WORKERS);
            function.process.signal("STOP");
            for (Socket connection : upstream.connections) {
                connection.shutdownOutput(); // the upstream gives up connections that were idle for too long
            }
            function.process.signal("CONT");
            everybodyGetsTheirOwn(function, upstream, WORKERS);
        }
    }

    @Test
    void afterAFreezeInMidAnswerEverybodyGetsTheirOwn() throws Exception {
        var asked = new CountDownLatch(WORKERS);
        var goOn = new CountDownLatch(1);
        try (var upstream = ScriptedUpstream.start(heldBack(asked, goOn));
                var function = Deployed.against(upstream.url(), many(WORKERS))) {
            var answers = IntStream.range(0, WORKERS).mapToObj(i -> ask(function, chat("caller" + i))).toList();
            assertTrue(asked.await(60, TimeUnit.SECONDS));
            function.process.signal("STOP");
            goOn.countDown();
            function.process.signal("CONT");
            for (int i = 0; i < WORKERS; i++) {
                String said = answers.get(i).join();
                assertTrue(said.contains("\"name\":\"caller" + i + "\""), said);
            }
        }
    }

    @Test
    void sigtermEndsAllOfThemAtOnce() throws Exception {
        var asked = new CountDownLatch(WORKERS);
        try (var upstream = ScriptedUpstream.start((request, connection) -> asked.countDown());
                var function = Deployed.against(upstream.url(), many(WORKERS + 1))) {
            for (int i = 0; i < WORKERS; i++) {
                ask(function, chat("caller" + i));
            }
            assertTrue(asked.await(60, TimeUnit.SECONDS));
            long start = System.nanoTime();
            function.process.signal("TERM");
            assertEquals(0, function.process.exitCode());
            System.out.println("SIGTERM to the end of " + WORKERS + ": " + (System.nanoTime() - start) / 1_000_000 + " ms");
            assertEquals(List.of(), function.process.messages());
        }
    }

    /** Lambda's own clock went on while the process stood still: it answers each of them with 410. */
    @Test
    void answersThatAreTooLateAreLostAndNothingElseIs() throws Exception {
        var asked = new CountDownLatch(WORKERS);
        var goOn = new CountDownLatch(1);
        try (var upstream = ScriptedUpstream.start(heldBack(asked, goOn));
                var function = Deployed.against(upstream.url(), many(WORKERS), InvokeMode.BUFFERED, Duration.ofSeconds(5))) {
            function.lambda.awaitPolls(WORKERS);
            var outcomes = new ArrayList<CompletableFuture<Outcome>>();
            for (int i = 0; i < WORKERS; i++) {
                String event = Events.post(chat("caller" + i));
                outcomes.add(CompletableFuture.supplyAsync(() -> function.invoke(event), CALLERS));
            }
            assertTrue(asked.await(60, TimeUnit.SECONDS));
            function.process.signal("STOP");
            for (var outcome : outcomes) {
                assertTrue(outcome.join().text().contains("Task timed out"), outcome.join().text());
            }
            goOn.countDown();
            function.process.signal("CONT");
            function.lambda.awaitPolls(WORKERS);
            var messages = function.process.messages().stream().map(LogLines::check).toList();
            assertEquals(WORKERS, messages.size(), function.process.output());
            for (JsonNode line : messages) {
                assertTrue(line.path("message").asText().contains("/" + line.path("requestId").asText() + "/"), line.toString());
                assertTrue(line.path("message").asText().contains("with 410"), line.toString());
            }
            everybodyGetsTheirOwn(function, upstream, WORKERS);
        }
    }

    /** Its neighbours, of which each stops somewhere; nobody kills the function, as on managed instances. */
    @ParameterizedTest
    @ValueSource(strings = { "buffered", "stream" })
    void aStuckWorkerIsFreeAgainAtItsDeadline(String mode) throws Exception {
        String large = chat("large").replace("I am", "I am " + "x".repeat(4_000_000));
        var kinds = new AtomicInteger();
        Script stuck = new Script() {
            @Override
            public boolean answersEarly(HttpReader.Head head, Socket connection) throws IOException {
                if (Long.parseLong(head.field("content-length")) < 1_000_000) {
                    return false;
                }
                ScriptedUpstream.await(new CountDownLatch(1)); // and reads no more of the request
                return true;
            }

            @Override
            public void answer(ScriptedUpstream.Request request, Socket connection) throws IOException {
                String[] begun = { "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 102 Processing\r\n\r\n",
                        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", STREAM_HEAD, STREAM_HEAD + chunk("data: {\"n\":1}\n\n") };
                write(connection, begun[kinds.getAndIncrement() % begun.length]);
            }
        };
        try (var silent = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
                var upstream = ScriptedUpstream.start(stuck);
                var function = Deployed.against(upstream.url(), many(WORKERS, "CHAT_RESPONSE_MODE", mode),
                        mode.equals("stream") ? InvokeMode.RESPONSE_STREAM : InvokeMode.BUFFERED, Duration.ofSeconds(5));
                var deaf = Deployed.against(URI.create("https://127.0.0.1:" + silent.getLocalPort()),
                        many(2, "CHAT_PRIME_TIMEOUT", "0s", "CHAT_CONNECT_TIMEOUT", "1m"), InvokeMode.BUFFERED, Duration.ofSeconds(3))) {
            function.lambda.awaitPolls(WORKERS);
            var answers = new ArrayList<CompletableFuture<Outcome>>();
            for (int i = 0; i < WORKERS; i++) {
                String body = i < 2 ? large : i % 2 == 0 ? chat("a") : stream("a");
                answers.add(CompletableFuture.supplyAsync(() -> function.invoke(Events.post(body)), CALLERS));
            }
            var shaken = CompletableFuture.supplyAsync(() -> deaf.invoke(Events.post(chat("a"))), CALLERS);
            CompletableFuture.allOf(answers.toArray(new CompletableFuture<?>[0])).join();
            shaken.join();
            function.lambda.awaitPolls(WORKERS);
            deaf.lambda.awaitPolls(2);
            assertEquals("504 upstream_timeout", deaf.accessLine().path("status").asText() + " " + deaf.accessLine().path("code").asText());
            var lines = accessLines(function);
            assertEquals(WORKERS, lines.stream().filter(line -> line.path("level").asText().equals("ERROR")).count());
            assertTrue(lines.stream().allMatch(line -> line.path("remainingMs").asLong() > -5_000), lines.toString());
            everybodyGetsTheirOwn(function, upstream, WORKERS);
        }
    }

    /** Where nobody takes what is posted, the worker is free again, too. */
    @Test
    void aWorkerWhoseOutcomeNobodyTakesIsFreeAgain() throws Exception {
        String large = "x".repeat(5_000_000);
        try (var upstream = ScriptedUpstream.start(answering(200, "application/json", "{\"choices\":[],\"a\":\"" + large + "\"}"));
                var api = new FakeRuntimeApi(Duration.ofSeconds(3), Events.post(chat("first")), Events.post(chat("second")))) {
            api.stopReading();
            var environment = many(1, "AWS_LAMBDA_RUNTIME_API", api.address(), "CHAT_API_KEY", Deployed.KEY, "CHAT_AUTH", "iam", "CHAT_URL",
                    upstream.url().toString());
            try (var process = Deployed.FunctionProcess.start(environment)) {
                assertTrue(api.secondEventTaken.await(60, TimeUnit.SECONDS), process.output());
            }
        }
    }

    private static String post(String status) {
        return "HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n\r\n";
    }

    /** Hands an event to each of the first pollers, and says of every other poll that it is broken, once all of those have asked upstream. */
    private static final class BreakingRuntimeApi implements AutoCloseable {

        private final ServerSocket server = new ServerSocket(0, 100, InetAddress.getByName("127.0.0.1"));
        private final Semaphore events;
        private final CountDownLatch mayBreak = new CountDownLatch(1);
        private final AtomicInteger outcomes = new AtomicInteger();
        private final AtomicInteger ids = new AtomicInteger();
        private final AtomicInteger broken = new AtomicInteger();
        private final CountDownLatch calledOff = new CountDownLatch(2);

        BreakingRuntimeApi(int events) throws IOException {
            this.events = new Semaphore(events);
            CALLERS.execute(() -> {
                while (!server.isClosed()) {
                    try {
                        Socket connection = server.accept();
                        CALLERS.execute(() -> serve(connection));
                    } catch (IOException e) {
                        return;
                    }
                }
            });
        }

        private void serve(Socket connection) {
            try (connection) {
                var reader = new HttpReader(connection.getInputStream());
                for (HttpReader.Head head; (head = reader.head()) != null;) {
                    if (head.startLine().startsWith("POST")) {
                        reader.body(head);
                        outcomes.incrementAndGet();
                        write(connection, post("202 Accepted"));
                    } else if (events.tryAcquire()) {
                        String event = Events.post(chat("caller" + ids.incrementAndGet()));
                        write(connection, "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r" + ids + "\r\nLambda-Runtime-Deadline-Ms: "
                                + (System.currentTimeMillis() + 60_000) + "\r\nContent-Length: " + event.length() + "\r\n\r\n" + event);
                    } else {
                        mayBreak.await();
                        if (broken.getAndIncrement() == 0) {
                            write(connection, post("500 Container error"));
                        } else {
                            assertTrue(connection.getInputStream().read() < 0); // the others wait, until they are called off
                            calledOff.countDown();
                        }
                    }
                }
            } catch (IOException | InterruptedException e) {
                // the function went away
            }
        }

        @Override
        public void close() throws IOException {
            server.close();
        }
    }

    @Test
    void whenThePollOfOneBreaksTheOthersFinishAndTheProcessEndsWithOneLine() throws Exception {
        int running = WORKERS - 3;
        var asked = new CountDownLatch(running);
        var goOn = new CountDownLatch(1);
        try (var api = new BreakingRuntimeApi(running); var upstream = ScriptedUpstream.start(heldBack(asked, goOn))) {
            var environment = many(WORKERS, "AWS_LAMBDA_RUNTIME_API", "127.0.0.1:" + api.server.getLocalPort(), "CHAT_API_KEY", Deployed.KEY,
                    "CHAT_AUTH", "iam", "CHAT_URL", upstream.url().toString());
            try (var process = Deployed.FunctionProcess.start(environment)) {
                assertTrue(asked.await(60, TimeUnit.SECONDS));
                api.mayBreak.countDown();
                assertTrue(api.calledOff.await(60, TimeUnit.SECONDS), "the other polls are closed");
                assertTrue(process.isAlive(), "it finishes what it has begun");
                goOn.countDown();
                assertEquals(1, process.exitCode());
                assertEquals(running, api.outcomes.get());
                assertEquals(1, process.messages().size(), process.output());
                assertTrue(process.messages().get(0).contains("the function ends: the Runtime API answered /next with 500"), process.output());
            }
        }
    }

    @Test
    void whenLambdaGoesAwayAllOfThemEndWithOneLine() throws Exception {
        try (var upstream = ScriptedUpstream.start(ManyIT::named)) {
            var function = Deployed.against(upstream.url(), many(WORKERS));
            try (var process = function.process) {
                everybodyGetsTheirOwn(function, upstream, WORKERS);
                function.lambda.awaitPolls(WORKERS);
                function.lambda.close();
                assertEquals(1, process.exitCode());
                assertEquals(1, process.messages().size(), process.output());
            }
        }
    }

    @Test
    void aKeyThatWasReplacedIsReadOnceForAll() throws Exception {
        String arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/chat/key";
        var reads = new AtomicInteger();
        Script parameter = (request, connection) -> answering(200, "application/x-amz-json-1.1",
                "{\"Parameter\":{\"Value\":\"sk-test-number-" + reads.incrementAndGet() + "\"}}").answer(request, connection);
        try (var aws = ScriptedUpstream.start(parameter);
                var upstream = ScriptedUpstream.start(together(WORKERS, (request, connection) -> {
                    if ("Bearer sk-test-number-2".equals(request.head().field("authorization"))) {
                        named(request, connection);
                    } else {
                        answering(401, "application/json", "{}").answer(request, connection);
                    }
                }));
                var function = Deployed.against(upstream.url(), many(WORKERS, "CHAT_API_KEY", arn, "AWS_ENDPOINT_URL_SSM", aws.url().toString(),
                        "AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY", "sk-test-secret"))) {
            var answers = IntStream.range(0, WORKERS).mapToObj(i -> ask(function, chat("caller" + i))).toList();
            for (int i = 0; i < WORKERS; i++) {
                String said = answers.get(i).join();
                assertTrue(said.startsWith("200 ") && said.contains("\"name\":\"caller" + i + "\""), said);
            }
            assertEquals(2, reads.get(), "one at the start, and one for all that were refused");
        }
    }

    /** A request beyond what all together may hold is refused before the upstream is asked, unless nobody else holds any. */
    @Test
    void aRequestForWhichThereIsNoRoomIsRefused() throws Exception {
        var asked = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        try (var upstream = ScriptedUpstream.start(heldBack(asked, goOn));
                var function = Deployed.against(upstream.url(), many(WORKERS, "CHAT_MAX_BYTES_IN_FLIGHT", "1000000"))) {
            String padding = "x".repeat(900_000);
            var first = ask(function, chat("first").replace("\"m\"", "\"m\",\"a\":\"" + padding + padding + "\"")); // alone: as much as it likes
            assertTrue(asked.await(60, TimeUnit.SECONDS));
            String refused = ask(function, chat("second")).join();
            assertTrue(refused.startsWith("503 ") && refused.contains("retry-after: 1 ") && refused.contains("\"type\":\"server_error\"")
                    && refused.contains("\"code\":\"overloaded\"") && refused.contains("CHAT_MAX_BYTES_IN_FLIGHT")
                    && !refused.contains("x-should-retry"), refused);
            Outcome direct = function.invoke(chat("third"));
            assertTrue(direct.functionError() && direct.text().contains("\"Chat.Overloaded\""), direct.text());
            assertEquals(1, upstream.requests.size(), "nobody else asks");
            goOn.countDown();
            assertTrue(first.join().contains("\"name\":\"first\""), first.join());
            function.lambda.awaitPolls(WORKERS);
            assertTrue(ask(function, chat("fourth")).join().contains("\"name\":\"fourth\""), "there is room again");
            var lines = accessLines(function).stream().filter(line -> line.path("code").asText().equals("overloaded")).toList();
            assertEquals(2, lines.size());
            assertTrue(lines.stream().allMatch(line -> line.path("status").asInt() == 503 && line.path("level").asText().equals("ERROR")
                    && line.path("attempts").asInt() == 0 && line.path("Errors").asInt() == 1), lines.toString());
        }
    }

    /** One whose answer does not fit is told so, and that asking again would cost again; whichever way the answer comes. */
    @ParameterizedTest
    @CsvSource({ "buffered, chat, json", "buffered, stream, json", "buffered, stream, events", "buffered, chat, gzip", "buffered, stream, gzip",
            "stream, chat, json", "stream, stream, json", "stream, stream, gzip" })
    void anAnswerForWhichThereIsNoRoomIsGivenUp(String mode, String asked, String comes) throws Exception {
        var taken = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        int held = mode.equals("stream") ? 20_000_000 : 900_000; // more than the system takes off the function
        String json = "{\"choices\":[],\"a\":\"" + "x".repeat(500_000) + "\"}";
        Script second = switch (comes) {
            case "events" -> ScriptedUpstream.streaming("data: " + json + "\n\ndata: [DONE]\n\n");
            case "gzip" -> answering(200, "application/json", FaultIT.compressed(json, true), "Content-Encoding: gzip");
            default -> answering(200, "application/json", json);
        };
        try (var upstream = ScriptedUpstream.start(answering(200, "application/json", "{\"choices\":[],\"a\":\"" + "x".repeat(held) + "\"}"));
                var function = Deployed.against(upstream.url(),
                        many(WORKERS, "CHAT_MAX_BYTES_IN_FLIGHT", Integer.toString(held + 100_000), "CHAT_RESPONSE_MODE", mode, "CHAT_RETRIES",
                                "2"),
                        mode.equals("stream") ? InvokeMode.RESPONSE_STREAM : InvokeMode.BUFFERED)) {
            var first = CompletableFuture.supplyAsync(() -> function.invoke(Events.post(chat("first")), chunk -> {
                taken.countDown();
                ScriptedUpstream.await(goOn); // the function holds its answer until Lambda has taken it
            }), CALLERS);
            assertTrue(taken.await(60, TimeUnit.SECONDS));
            upstream.script(second);
            String body = asked.equals("stream") ? stream("second") : chat("second");
            String refused = ask(function, body).join();
            assertTrue(refused.startsWith("503 ") && refused.contains("x-should-retry: false") && !refused.contains("retry-after")
                    && refused.contains("\"code\":\"overloaded\"") && refused.contains("x-chat-attempts: 1 "), refused);
            assertEquals(1, upstream.requests.size(), "it is paid for, and not asked for again");
            upstream.script(answering(200, "application/json", answer("small")));
            assertTrue(ask(function, chat("small")).join().contains("\"name\":\"small\""), "what fits is answered");
            upstream.script(answering(500, "application/json", "{\"message\":\"no\",\"a\":\"" + "x".repeat(200_000) + "\"}"));
            assertTrue(ask(function, body).join().startsWith("500 "), "an error is never refused");
            goOn.countDown();
            assertTrue(FaultIT.told(first.join()).startsWith("200 "), "the first one has its answer");
            function.lambda.awaitPolls(WORKERS);
            upstream.script(second);
            assertTrue(ask(function, body).join().startsWith("200 "), "there is room again");
        }
    }

    /** What goes on as it comes is not held. */
    @Test
    void aStreamNeedsNoRoom() throws Exception {
        var taken = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        try (var upstream = ScriptedUpstream.start(heldBack(taken, goOn));
                var function = Deployed.against(upstream.url(),
                        many(WORKERS, "CHAT_MAX_BYTES_IN_FLIGHT", "1000000", "CHAT_RESPONSE_MODE", "stream"), InvokeMode.RESPONSE_STREAM)) {
            var first = ask(function, chat("first").replace("\"m\"", "\"m\",\"a\":\"" + "x".repeat(999_000) + "\""));
            assertTrue(taken.await(60, TimeUnit.SECONDS));
            String event = "data: {\"a\":\"" + "x".repeat(50_000) + "\"}\n\n";
            upstream.script(ScriptedUpstream.streaming(event.repeat(10), event.repeat(10), "data: [DONE]\n\n"));
            String said = ask(function, stream("second")).join();
            assertTrue(said.startsWith("200 ") && said.length() > 1_000_000 && said.endsWith("data: [DONE]\n\n"), said);
            goOn.countDown();
            assertTrue(first.join().contains("\"name\":\"first\""), first.join());
        }
    }

    @Test
    void aCallerWhoHangsUpEndsItsOwnTurnOnly() throws Exception {
        var begun = new CountDownLatch(2);
        var goOn = new CountDownLatch(1);
        try (var upstream = ScriptedUpstream.start((request, connection) -> {
            write(connection, STREAM_HEAD + chunk("data: {\"n\":1}\n\n"));
            begun.countDown();
            if (request.text().contains("hangs-up")) {
                while (true) { // until the function calls it off
                    write(connection, chunk("data: {\"n\":2}\n\n"));
                }
            }
            ScriptedUpstream.await(goOn);
            write(connection, chunk("data: " + answer("stays") + "\n\n") + LAST_CHUNK);
        });
                var function = Deployed.against(upstream.url(), many(2, "CHAT_RESPONSE_MODE", "stream"), InvokeMode.RESPONSE_STREAM)) {
            function.lambda.awaitPolls(2);
            var stays = CompletableFuture.supplyAsync(() -> {
                try {
                    return function.post(stream("stays")).body();
                } catch (IOException | InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            }, CALLERS);
            byte[] body = stream("hangs-up").getBytes(StandardCharsets.UTF_8);
            try (var caller = new Socket(InetAddress.getByName("localhost"), function.lambda.url().getPort())) {
                write(caller, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:" + function.lambda.url().getPort()
                        + "\r\nContent-Type: application/json\r\nContent-Length: " + body.length + "\r\n\r\n" + stream("hangs-up"));
                assertTrue(begun.await(60, TimeUnit.SECONDS));
                caller.getInputStream().read();
                caller.setSoLinger(true, 0);
            }
            function.lambda.awaitPolls(1); // that worker is free again
            assertFalse(stays.isDone());
            goOn.countDown();
            assertTrue(stays.join().contains("\"name\":\"stays\""), stays.join());
        }
    }

    private static final Pattern ROOM = Pattern.compile("for (\\d+) of 64 invocations at a time \\(AWS_LAMBDA_MAX_CONCURRENCY\\)");

    /** A process that may open few files; and one of a user who may have few threads. */
    @ParameterizedTest
    @ValueSource(strings = { "files", "threads" })
    void whereThereIsRoomForFewerOnlySoManyRun(String few) throws Exception {
        boolean files = few.equals("files");
        assumeTrue(files || Deployed.isNative() && Files.isExecutable(Path.of("/usr/bin/setpriv"))
                && System.getProperty("user.name").equals("root"), "takes root, and a binary that another user can execute");
        var command = files ? List.of("/bin/bash", "-c", "ulimit -n " + (Deployed.isNative() ? 200 : 400) + "; exec \"$0\" \"$@\"")
                : List.of("/usr/bin/setpriv", "--reuid=54321", "--clear-groups", "/bin/bash", "-c", "ulimit -u 60; exec \"$0\" \"$@\"");
        try (var upstream = ScriptedUpstream.start(ManyIT::named);
                var function = Deployed.against(upstream.url(), many(64), InvokeMode.BUFFERED, Duration.ofSeconds(60), command)) {
            function.lambda.awaitPoll();
            Matcher room = ROOM.matcher("");
            while (!room.reset(function.process.output()).find()) {
                Thread.onSpinWait();
            }
            int workers = Integer.parseInt(room.group(1));
            assertTrue(1 < workers && workers < 64, function.process.output());
            function.lambda.awaitPolls(workers);
            everybodyGetsTheirOwn(function, upstream, workers);
            everybodyGetsTheirOwn(function, upstream, workers);
            assertEquals(1, function.process.messages().size(), function.process.output());
        }
    }
}
