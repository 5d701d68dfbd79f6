package chatlambda;

import static chatlambda.ScriptedUpstream.LAST_CHUNK;
import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.await;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.streaming;
import static chatlambda.ScriptedUpstream.write;
import static chatlambda.ScriptedUpstream.writeChunk;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.Outcome;
import com.fasterxml.jackson.databind.JsonNode;
import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.errors.OpenAIException;
import com.openai.errors.RateLimitException;
import com.openai.helpers.ChatCompletionAccumulator;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The packaged function in response mode stream, behind a Function URL that streams. */
class StreamIT {

    private static final String CHAT = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
    private static final String STREAM = "{\"stream\":true," + CHAT.substring(1);
    private static final String DONE = "data: [DONE]\n\n";

    private static ScriptedUpstream upstream;
    private static Deployed function;
    private static Deployed buffered;

    @BeforeAll
    static void start() {
        upstream = ScriptedUpstream.start(answering(200, "application/json", "{}"));
        function = Deployed.against(upstream.url(), Map.of("CHAT_RESPONSE_MODE", "stream", "CHAT_STREAM_IDLE_TIMEOUT", "1s", "CHAT_TIMEOUT",
                "10s"), InvokeMode.RESPONSE_STREAM);
        buffered = Deployed.against(upstream.url(), Map.of());
    }

    @AfterAll
    static void stop() {
        buffered.close();
        function.close();
        upstream.close();
    }

    @AfterEach
    void theNextInvocationWorks() throws Exception {
        upstream.script(answering(200, "application/json", "{\"next\":1}"));
        assertEquals("{\"next\":1}", function.post(CHAT).body());
        assertFalse(function.process.output().contains(Deployed.KEY), function.process.output());
    }

    /** The event of an answer that has ended. */
    private static String event(int n) {
        return "data: {\"n\":" + n + ",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\n\n";
    }

    /** The event of an answer that goes on. */
    private static String begun(int n) {
        return event(n).replace("\"stop\"", "null");
    }

    @Test
    void eachChunkIsPassedOnBeforeTheNextOneIsWritten() {
        int chunks = 20;
        var arrived = new ArrayList<CountDownLatch>();
        for (int i = 0; i <= chunks; i++) {
            arrived.add(new CountDownLatch(1));
        }
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD.replace("\r\n\r\n", "\r\nx-inference-id: i1\r\n\r\n"));
            for (int i = 0; i < chunks; i++) {
                if (i > 0) {
                    await(arrived.get(i)); // the prelude with the first one, then each chunk before the next
                }
                write(connection, chunk(event(i)));
            }
            await(arrived.get(chunks));
            write(connection, LAST_CHUNK);
        });
        var got = new StringBuilder();
        var count = new AtomicLong();
        var outcome = function.invoke(Events.post(STREAM), chunk -> {
            got.append(new String(chunk, StandardCharsets.UTF_8));
            int n = (int) count.getAndIncrement();
            if (n <= chunks) {
                arrived.get(n).countDown();
            }
        });
        var expected = new StringBuilder();
        for (int i = 0; i < chunks; i++) {
            expected.append(event(i));
        }
        assertEquals("application/vnd.awslambda.http-integration-response", outcome.contentType());
        String[] parts = got.toString().split("\0{8}", -1);
        assertEquals(2, parts.length);
        var prelude = Events.json(parts[0]);
        assertEquals(200, prelude.getInt("statusCode"));
        assertEquals("text/event-stream", prelude.getJsonObject("headers").getString("content-type"));
        assertEquals("no-cache", prelude.getJsonObject("headers").getString("cache-control"));
        assertEquals("i1", prelude.getJsonObject("headers").getString("x-request-id"));
        assertEquals(expected + DONE, parts[1]);
        assertEquals(chunks + 2, count.get(), "one write for each read, the prelude and the marker");
        assertNull(outcome.trailer());
    }

    @ParameterizedTest
    @MethodSource("chatlambda.Events#streams")
    void aRecordedStreamComesOutByteForByteWhereverItIsCut(Path file) throws Exception {
        byte[] stream = Files.readAllBytes(file);
        String text = Events.read(file);
        String expected = text + (text.endsWith("\n\n") ? "" : text.endsWith("\n") ? "\n" : "\n\n") + DONE;
        for (int cut = 1; cut < stream.length; cut += 1 + stream.length / 150) {
            int at = cut;
            upstream.script((request, connection) -> {
                write(connection, STREAM_HEAD);
                writeChunk(connection, Arrays.copyOf(stream, at));
                writeChunk(connection, Arrays.copyOfRange(stream, at, stream.length));
                write(connection, LAST_CHUNK);
            });
            assertEquals(expected, function.post(STREAM).body(), "cut at " + cut);
        }
        upstream.script(answering(200, "text/event-stream", stream));
        assertEquals(expected, buffered.post(STREAM).body(), "in one piece, in response mode buffered");
    }

    @Test
    void theMarkerIsNotDoubledAndItsAbsenceIsMadeGood() throws Exception {
        upstream.script(streaming(event(1), DONE));
        assertEquals(event(1) + DONE, function.post(STREAM).body());
        upstream.script(streaming(event(1)));
        assertEquals(event(1) + DONE, function.post(STREAM).body());
    }

    @Test
    void anUpstreamThatDoesNotEndAfterTheMarkerIsCalledOff() throws Exception {
        int streams = 60; // more than the client has connections
        var calledOff = new CountDownLatch(streams);
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            write(connection, chunk(event(1) + DONE));
            if (connection.getInputStream().read() < 0) {
                calledOff.countDown();
            }
        });
        for (int i = 0; i < streams; i++) {
            assertEquals(event(1) + DONE, function.post(STREAM).body());
        }
        assertTrue(calledOff.await(30, TimeUnit.SECONDS));
    }

    @Test
    void manyChunksOfOneReadAreFewWrites() {
        var many = new StringBuilder(STREAM_HEAD);
        var events = new StringBuilder();
        for (int i = 0; i < 50; i++) {
            many.append(chunk(event(i)));
            events.append(event(i));
        }
        upstream.script((request, connection) -> write(connection, many + LAST_CHUNK));
        var writes = new AtomicLong();
        var outcome = function.invoke(STREAM, chunk -> writes.incrementAndGet());
        assertEquals(events + DONE, outcome.text());
        assertTrue(writes.get() <= 10, writes + " writes"); // 50 chunks, of which 8 at a time may wait, and the marker
    }

    @Test
    void aContentTypeInAnyCaseIsAStream() throws Exception {
        upstream.script(answering(200, "Text/Event-Stream; charset=UTF-8", event(1)));
        assertEquals(event(1) + DONE, function.post(STREAM).body());
        assertEquals(event(1) + DONE, buffered.post(STREAM).body());
    }

    @Test
    void anOpenConnectionIsUsedForTheNextStream() throws Exception {
        upstream.retire(); // what other tests have left open
        var connections = new ArrayList<Integer>();
        upstream.script((request, connection) -> {
            connections.add(connection.getPort());
            streaming(event(1), DONE).answer(request, connection);
        });
        function.post(STREAM);
        function.post(STREAM);
        function.post(CHAT.replace("\"m\"", "\"sse though none was asked for\""));
        assertEquals(1, connections.stream().distinct().count(), connections.toString());
    }

    @Test
    void aHundredThousandTinyEventsArriveInOrder() throws Exception {
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            var batch = new StringBuilder();
            for (int i = 0; i < 100_000; i++) {
                batch.append(chunk(event(i)));
                if (i % 97 == 0) {
                    write(connection, batch.toString());
                    batch.setLength(0);
                }
            }
            write(connection, batch + LAST_CHUNK);
        });
        String body = function.post(STREAM).body();
        var expected = new StringBuilder();
        for (int i = 0; i < 100_000; i++) {
            expected.append(event(i));
        }
        assertEquals(expected + DONE, body);
    }

    @Test
    void whatIsNoStreamIsStreamedTooWithItsOwnStatus() throws Exception {
        upstream.script(answering(200, "application/json", "{\"ü\":1.10}"));
        assertEquals("{\"ü\":1.10}", function.post(CHAT).body());
        var response = function.post(STREAM);
        assertEquals("{\"ü\":1.10}", response.body());
        assertEquals("application/json", response.headers().firstValue("content-type").orElseThrow());
        upstream.script(answering(429, "application/json", "{\"message\":\"Too Many Requests\"}", "Retry-After: 3"));
        for (String body : new String[] { CHAT, STREAM }) {
            response = function.post(body);
            assertEquals(429, response.statusCode());
            assertEquals("3", response.headers().firstValue("retry-after").orElseThrow());
            assertEquals("rate_limit_error", Events.json(response.body()).getJsonObject("error").getString("type"));
        }
        upstream.script(answering(200, "application/json", "{\"error\":{\"message\":\"no\"}}"));
        assertEquals(502, function.post(STREAM).statusCode());
        assertEquals(400, function.post("{\"stream\":true}").statusCode());
        for (String event : new String[] { Events.file("alb-health-check"), Events.http("GET", "/v1/chat/completions", null, "") }) {
            Outcome outcome = function.invoke(event);
            assertTrue(outcome.streamed());
            assertTrue(outcome.text().matches("\\{\"statusCode\":(200|405),\"headers\":\\{[^\0]*\\}\\}\0{8}[^\0]*"), outcome.text());
        }
    }

    @Test
    void aCallingLambdaGetsEventsWithoutPreludeAndFailuresAsFunctionErrors() {
        upstream.script(streaming(event(1)));
        Outcome outcome = function.invoke(STREAM);
        assertEquals(event(1) + DONE, outcome.text());
        assertEquals("text/event-stream", outcome.contentType());
        upstream.script(answering(429, "application/json", "{\"message\":\"no\"}"));
        outcome = function.invoke(STREAM);
        assertTrue(outcome.functionError() && outcome.text().contains("Chat.UpstreamError"), outcome.text());
        upstream.script(answering(200, "application/json", "{\"a\":1}"));
        assertEquals("{\"a\":1}", function.invoke(CHAT).text());
    }

    @Test
    void inResponseModeBufferedTheWholeTextIsOneBody() throws Exception {
        upstream.script(streaming(event(1), event(2)));
        var response = buffered.post(STREAM);
        assertEquals(event(1) + event(2) + DONE, response.body());
        assertEquals("text/event-stream", response.headers().firstValue("content-type").orElseThrow());
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            write(connection, chunk(begun(1)));
            connection.close();
        });
        assertEquals(502, buffered.post(STREAM).statusCode());
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD + chunk("data: {\"x\":\"" + "x".repeat(40_000) + "\"}\n\n").repeat(200));
            connection.getInputStream().read(); // until it hangs up
        });
        assertEquals("response_too_large", Events.json(buffered.post(STREAM).body()).getJsonObject("error").getString("code"));
    }

    @Test
    void aStreamingFunctionBehindABufferedDoorDeliversPreludeAndAll() throws Exception {
        upstream.script(streaming(event(1)));
        try (var misconfigured = Deployed.against(upstream.url(), Map.of("CHAT_RESPONSE_MODE", "stream"))) {
            var response = misconfigured.post(STREAM);
            assertEquals(200, response.statusCode());
            assertTrue(response.body().contains("\0\0\0\0\0\0\0\0" + event(1)), response.body());
        }
    }

    /** Each: what the upstream does in mid-stream, and what the trailer says. */
    enum Break {
        CLOSES_MID_EVENT("Chat.UpstreamUnreachable", "closed the connection") {
            @Override
            void happen(Socket connection) throws IOException {
                write(connection, chunk("data: {\"n\":"));
                connection.close();
            }
        },
        CLOSES_BETWEEN_EVENTS("Chat.UpstreamUnreachable", "closed the connection") {
            @Override
            void happen(Socket connection) throws IOException {
                connection.close();
            }
        },
        RESETS("Chat.UpstreamUnreachable", "onnection") {
            @Override
            void happen(Socket connection) throws IOException {
                connection.setSoLinger(true, 0);
                connection.close();
            }
        },
        STALLS("Chat.UpstreamTimeout", "silent for 1.0 s: raise chat.stream-idle-timeout") {
            @Override
            void happen(Socket connection) throws IOException {
                connection.getInputStream().read(); // until it hangs up
            }
        },
        ENDS_AS_IF_IT_WERE_WHOLE("Chat.UpstreamError", "ended before its answer did") {
            @Override
            void happen(Socket connection) throws IOException {
                write(connection, LAST_CHUNK);
            }
        },
        ENDS_IN_MID_EVENT("Chat.UpstreamError", "ended before its answer did") {
            @Override
            void happen(Socket connection) throws IOException {
                write(connection, chunk("data: {\"id\":1,\"choices\":[") + LAST_CHUNK);
            }
        },
        ENDS_WITH_ONE_CHOICE_OPEN("Chat.UpstreamError", "ended before its answer did") {
            @Override
            void happen(Socket connection) throws IOException {
                write(connection, chunk("data: {\"choices\":[{\"index\":1,\"finish_reason\":\"stop\"}]}\n\n") + LAST_CHUNK);
            }
        },
        BREAKS_THE_PROTOCOL("Chat.UpstreamUnreachable", "cannot reach the upstream") {
            @Override
            void happen(Socket connection) throws IOException {
                write(connection, "no chunk\r\n");
                connection.close();
            }
        };

        final String type;
        final String message;

        Break(String type, String message) {
            this.type = type;
            this.message = message;
        }

        abstract void happen(Socket connection) throws IOException;
    }

    @ParameterizedTest
    @EnumSource(Break.class)
    void aStreamThatBreaksOffTellsClientAndOperator(Break how) throws InterruptedException {
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            write(connection, chunk(begun(1)));
            how.happen(connection);
        });
        Outcome outcome = function.invoke(Events.post(STREAM));
        String body = outcome.text().split("\0{8}")[1];
        assertTrue(body.startsWith(begun(1)), body);
        assertEquals(2, body.split("data: \\{\"(?!n)", -1).length - (how == Break.ENDS_WITH_ONE_CHOICE_OPEN ? 1 : 0), "only sound events: " + body);
        assertTrue(body.endsWith("}}\n\n" + DONE), body);
        String error = body.substring(body.indexOf("data: {\"error\""), body.length() - DONE.length() - 2).substring("data: ".length());
        assertTrue(Events.json(error).getJsonObject("error").getString("message").contains(how.message), error);
        assertTrue(outcome.trailer().startsWith(how.type + ": {\"errorMessage\":\"{"), outcome.trailer());
        requireLine(function, 200, Events.json(error).getJsonObject("error").getString("code"));
    }

    /** What the operator sees of the last invocation. */
    private static void requireLine(Deployed of, int status, String code) throws InterruptedException {
        JsonNode line = of.accessLine();
        assertEquals(status + " " + code + (code == null && status < 500 ? " INFO 0" : " ERROR 1"), line.path("status").asInt() + " "
                + line.path("code").asText(null) + " " + line.path("level").asText() + " " + line.path("Errors").asInt(), line.toString());
    }

    @Test
    void whatArrivedBeforeTheConnectionWasLostIsPassedOn() {
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            write(connection, chunk(begun(1)));
            write(connection, chunk(begun(2)));
            connection.close();
        });
        for (int i = 0; i < 300; i++) {
            String text = function.invoke(STREAM).text();
            assertTrue(text.startsWith(begun(1) + begun(2) + "data: {\"error\""), text);
        }
    }

    @Test
    void theDeadlineEndsAStreamThatGoesOn() {
        try (var endless = ScriptedUpstream.start((request, connection) -> {
            write(connection, STREAM_HEAD);
            while (connection.getInputStream().available() == 0) {
                write(connection, chunk(begun(1)));
                LockSupport.parkNanos(20_000_000);
            }
        });
                var hurried = Deployed.against(endless.url(), Map.of("CHAT_RESPONSE_MODE", "stream", "CHAT_RESERVE", "5s"),
                        InvokeMode.RESPONSE_STREAM, Duration.ofSeconds(10))) {
            hurried.invoke(Events.http("GET", "/v1/chat/completions", null, "")); // the start takes time of its own
            Outcome outcome = hurried.invoke(Events.post(STREAM));
            assertTrue(outcome.text().contains("the stream had no end in time: raise the function's timeout"), outcome.text());
            assertTrue(outcome.trailer().startsWith("Chat.UpstreamTimeout"), outcome.trailer());
        }
    }

    @Test
    void anUpstreamThatDoesNotBeginInTimeIs504() throws Exception {
        var calledOff = new CountDownLatch(1);
        try (var silent = ScriptedUpstream.start((request, connection) -> {
            if (connection.getInputStream().read() < 0) {
                calledOff.countDown();
            }
        });
                var hurried = Deployed.against(silent.url(), Map.of("CHAT_RESPONSE_MODE", "stream", "CHAT_TIMEOUT", "1s"),
                        InvokeMode.RESPONSE_STREAM)) {
            assertEquals(504, hurried.post(STREAM).statusCode());
            assertTrue(calledOff.await(30, TimeUnit.SECONDS));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = { "", "HTTP/1.1 200 OK\r\nContent-Type: text/event-str" })
    void aConnectionLostBeforeTheFirstByteIs502AndNot200(String before) throws Exception {
        upstream.script((request, connection) -> {
            write(connection, before);
            connection.close();
        });
        var response = function.post(STREAM);
        assertEquals(502, response.statusCode());
        assertEquals("upstream_unreachable", Events.json(response.body()).getJsonObject("error").getString("code"));
    }

    @ParameterizedTest
    @ValueSource(strings = { "", ": ping\n\n", "retry: 5\n\n", "\n", "data:\n\n", "data: {\"half\":" })
    void aStreamWithoutAnEventIsNoAnswer(String text) throws Exception {
        for (Deployed each : new Deployed[] { function, buffered }) {
            upstream.script(text.isEmpty() ? streaming() : streaming(text));
            var response = each.post(STREAM);
            assertEquals(502, response.statusCode());
            assertEquals("upstream_incomplete", Events.json(response.body()).getJsonObject("error").getString("code"));
            requireLine(each, 502, "upstream_incomplete");
        }
    }

    /** In mode buffered nothing has gone out when a stream turns out to be cut. */
    @ParameterizedTest
    @EnumSource(value = Break.class, names = "ENDS_.*", mode = EnumSource.Mode.MATCH_ALL)
    void whatIsCutIs502WhereNothingHasGoneOut(Break how) throws Exception {
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD + chunk(begun(1)));
            how.happen(connection);
        });
        var response = buffered.post(STREAM);
        assertEquals(502, response.statusCode());
        assertEquals("upstream_incomplete", Events.json(response.body()).getJsonObject("error").getString("code"));
        assertEquals("false", response.headers().firstValue("x-should-retry").orElseThrow());
        requireLine(buffered, 502, "upstream_incomplete");
    }

    /** What the client needs has come: an error would make it throw the answer away, and ask and pay again. */
    @Test
    void anAnswerThatHasEndedIsWholeWhateverBecomesOfTheConnection() throws Exception {
        for (Deployed each : new Deployed[] { function, buffered }) {
            for (boolean reset : new boolean[] { false, true }) {
                upstream.script((request, connection) -> {
                    write(connection, STREAM_HEAD + chunk(begun(1)) + chunk(event(2)));
                    connection.setSoLinger(reset, 0);
                    connection.close();
                });
                assertEquals(begun(1) + event(2) + DONE, each.post(STREAM).body());
                requireLine(each, 200, null);
            }
        }
    }

    /** Nobody waits for the upstream to close what has ended, or failed. */
    @Test
    void whatHasEndedIsAnsweredThoughTheUpstreamStaysOpen() throws Exception {
        for (Deployed each : new Deployed[] { function, buffered }) {
            var calledOff = new CountDownLatch(2);
            upstream.script((request, connection) -> {
                write(connection, STREAM_HEAD + chunk(begun(1) + "data: [DONE]\r\r"));
                if (connection.getInputStream().read() < 0) {
                    calledOff.countDown();
                }
            });
            assertEquals(begun(1) + "data: [DONE]\r\r", each.post(STREAM).body());
            upstream.script((request, connection) -> {
                write(connection, STREAM_HEAD + chunk("data: {\"error\":{\"message\":\"no\",\"code\":400}}\n\n"));
                if (connection.getInputStream().read() < 0) {
                    calledOff.countDown();
                }
            });
            assertEquals(400, each.post(STREAM).statusCode());
            requireCode(each, "400");
            assertTrue(calledOff.await(30, TimeUnit.SECONDS), "long before the function's own time is over");
        }
    }

    private static void requireCode(Deployed of, String code) throws InterruptedException {
        assertEquals(code, of.accessLine().path("code").asText());
    }

    @Test
    void anErrorEventOfTheUpstreamsOwnIsPassedOnAndIsAFailure() throws Exception {
        String error = "data: {\"error\":{\"message\":\"overloaded\",\"code\":\"busy_now\"}}\n\n";
        for (Deployed each : new Deployed[] { function, buffered }) {
            upstream.script(streaming(begun(1), error));
            assertEquals(begun(1) + error + DONE, each.post(STREAM).body());
            requireLine(each, 200, "busy_now");
            upstream.script(streaming(begun(1), "data: {\"error\":\"no\"}\n\n" + DONE));
            assertTrue(each.post(STREAM).body().endsWith("data: {\"error\":\"no\"}\n\n" + DONE));
            requireLine(each, 200, "api_error");
        }
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD + chunk(begun(1) + error));
            connection.close();
        });
        assertEquals(begun(1) + error + DONE, function.post(STREAM).body(), "no second error");
        requireLine(function, 200, "busy_now");
    }

    /** Each: the first event's data, and the status and code that come of it. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            {"error":{"message":"overloaded","code":503}}    | 503 | 503 | 503
            {"error":{"message":"no","status":"400"}}        | 400 | -   | invalid_request_error
            {"error":{"message":"no","code":"bad"}}          | 502 | bad | bad
            {"error":{"message":"no","code":200}}            | 502 | 200 | 200
            {"error":"no"}                                   | 502 | -   | api_error
            {"error":{"message":"no","code":401}}            | 500 | upstream_key_rejected | upstream_key_rejected
            {"error":{"message":"no","code":529}}            | 529 | 529 | 529
            """)
    void anErrorInTheFirstEventIsAnErrorWithItsStatus(String data, int status, String code, String logged) throws Exception {
        for (Deployed each : new Deployed[] { function, buffered }) {
            upstream.script(streaming(": ping\n\ndata: " + data + "\n\n", DONE));
            var response = each.post(STREAM);
            assertEquals(status, response.statusCode());
            assertEquals("application/json", response.headers().firstValue("content-type").orElseThrow());
            var error = Events.json(response.body()).getJsonObject("error");
            assertEquals(code, error.isNull("code") ? null : error.getString("code"));
            JsonNode line = each.accessLine();
            assertEquals(status + " " + logged + " " + (status >= 500 ? "ERROR 1" : "INFO 0"), line.path("status").asText() + " "
                    + line.path("code").asText() + " " + line.path("level").asText() + " " + line.path("Errors").asInt());
        }
    }

    @Test
    void anErrorInTheFirstEventIsAskedAgainLikeItsStatus() throws Exception {
        for (Deployed each : new Deployed[] { function, buffered }) {
            var count = new AtomicInteger();
            upstream.script((request, connection) -> streaming(count.getAndIncrement() == 0
                    ? "data: {\"error\":{\"message\":\"overloaded\",\"code\":503}}\n\n" : event(1)).answer(request, connection));
            assertEquals(event(1) + DONE, each.post(STREAM).body());
            assertEquals(2, upstream.requests.size());
            assertEquals(2, each.accessLine().path("attempts").asInt());
        }
    }

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

    /** One event of megabytes flows as it comes. */
    @ParameterizedTest
    @ValueSource(strings = { "}]}\n\n", "}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":8}}\n\n" })
    void aPictureFlowsAsItComesAndItsEndIsNotCalledCut(String end) throws Exception {
        var arrived = new CountDownLatch(1);
        String part = "x".repeat(500_000);
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD + chunk(begun(1)) + chunk("data: {\"choices\":[{\"index\":0,\"image\":\"" + part));
            await(arrived);
            write(connection, chunk(part + "\"" + end) + LAST_CHUNK);
        });
        var received = new AtomicLong();
        Outcome outcome = function.invoke(STREAM, chunk -> {
            if (received.addAndGet(chunk.length) > 400_000) {
                arrived.countDown();
            }
        });
        assertEquals(begun(1) + "data: {\"choices\":[{\"index\":0,\"image\":\"" + part + part + "\"" + end + DONE, outcome.text());
        requireLine(function, 200, null);
        assertEquals(end.contains("usage") ? 7 : 0, function.accessLine().path("promptTokens").asInt());
    }

    @Test
    void theLabelMayLie() throws Exception {
        for (Deployed each : new Deployed[] { function, buffered }) {
            for (String begin : new String[] { "", "\n\r\n", ": ping\n\n", "\ufeff", "event: message\n", "id: 1\n" }) {
                upstream.script(answering(200, "application/json", begin + event(1)));
                var response = each.post(STREAM);
                assertEquals("200 text/event-stream " + begin + event(1) + DONE, response.statusCode() + " "
                        + response.headers().firstValue("content-type").orElseThrow() + " " + response.body());
            }
            upstream.script(answering(200, "text/event-stream", "{\"choices\":[]}"));
            var response = each.post(STREAM);
            assertEquals("application/json {\"choices\":[]}", response.headers().firstValue("content-type").orElseThrow() + " "
                    + response.body());
            upstream.script(answering(200, "text/event-stream", event(1)));
            response = each.post(CHAT);
            assertEquals("502 false", response.statusCode() + " " + response.headers().firstValue("x-should-retry").orElseThrow());
            requireLine(each, 502, "unexpected_stream");
            Outcome outcome = each.invoke(CHAT);
            assertTrue(outcome.functionError() && outcome.text().contains("unexpected_stream"), outcome.text());
        }
    }

    @Test
    void aStreamWithACodingIs502() throws Exception {
        upstream.script(answering(200, "text/event-stream", event(1), "Content-Encoding: gzip"));
        for (Deployed each : new Deployed[] { function, buffered }) {
            var response = each.post(STREAM);
            assertEquals("502 false", response.statusCode() + " " + response.headers().firstValue("x-should-retry").orElseThrow());
        }
        requireLine(function, 502, "unsupported_encoding");
        assertEquals("identity", upstream.requests.get(0).head().field("accept-encoding"));
    }

    @Test
    void usageIsFoundWhereverItStands() throws Exception {
        String early = "data: {\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":8},\"choices\":[{\"index\":0,\"finish_reason\":\"stop\","
                + "\"delta\":{\"content\":\"" + "x".repeat(20_000) + "\"}}]}\n\n";
        for (Deployed each : new Deployed[] { function, buffered }) {
            upstream.script(streaming(begun(1), early, begun(2).replace("\"index\":0", "\"index\":0,\"x\":1")));
            assertEquals(200, each.post(STREAM).statusCode());
            JsonNode line = each.accessLine();
            assertEquals("7 8 7 8", line.path("promptTokens").asText() + " " + line.path("completionTokens").asText() + " "
                    + line.path("PromptTokens").asText() + " " + line.path("CompletionTokens").asText());
        }
    }

    @Test
    void ofTheUpstreamsHeadersThePreludeTakesWhatFits() throws Exception {
        var head = new StringBuilder("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nx-request-id: r1\r\nRetry-After: 3\r\n");
        for (int i = 0; i < 30; i++) {
            head.append("x-ratelimit-").append(i).append(": ").append("\"".repeat(450)).append("\r\n");
        }
        head.append("anthropic-ratelimit-a: 1\r\nx-aimlapi-long: ").append("l".repeat(1_100)).append("\r\n");
        String body = event(1);
        upstream.script((request, connection) -> write(connection, head + "Content-Length: " + body.length() + "\r\n\r\n" + body));
        Outcome outcome = function.invoke(Events.post(STREAM));
        String prelude = outcome.text().split("\0{8}")[0];
        assertTrue(prelude.length() < 16 * 1024 - 8, prelude.length() + " bytes");
        var headers = Events.json(prelude).getJsonObject("headers");
        assertEquals("r1 3 1", headers.getString("x-request-id") + " " + headers.getString("retry-after") + " "
                + headers.getString("anthropic-ratelimit-a"));
        assertFalse(headers.containsKey("x-aimlapi-long"));
        assertTrue(headers.keySet().stream().filter(name -> name.startsWith("x-ratelimit-")).count() == 8, headers.keySet().toString());
    }

    @Test
    void aRuntimeApiThatGoesAwayInMidStreamCancelsTheUpstream() throws Exception {
        var called = new CountDownLatch(1);
        var cancelled = new CountDownLatch(1);
        try (var expensive = ScriptedUpstream.start((request, connection) -> {
            write(connection, STREAM_HEAD);
            write(connection, chunk(event(1)));
            called.countDown();
            if (connection.getInputStream().read() < 0) {
                cancelled.countDown();
            }
        });
                var runtimeApi = new FakeRuntimeApi(Events.post(STREAM), Events.post(STREAM));
                var process = Deployed.FunctionProcess.start(Map.of("AWS_LAMBDA_RUNTIME_API", runtimeApi.address(),
                        "CHAT_API_KEY", Deployed.KEY, "CHAT_AUTH", "iam", "CHAT_URL", expensive.url().toString(), "CHAT_RESPONSE_MODE", "stream"))) {
            runtimeApi.closeStreamsAfterTheirFirstChunk();
            assertTrue(called.await(20, TimeUnit.SECONDS));
            assertTrue(cancelled.await(30, TimeUnit.SECONDS), "at once: whatever else could end it takes a minute");
            assertTrue(runtimeApi.secondEventTaken.await(30, TimeUnit.SECONDS), "the loop goes on");
            assertTrue(process.isAlive());
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

    private static OpenAIClient client(Deployed function) {
        return OpenAIOkHttpClient.builder().baseUrl(function.lambda.url() + "/v1").apiKey("sk-test-callers-own").maxRetries(0)
                .timeout(Duration.ofSeconds(20)).build();
    }

    private static final String TOOLS = """
            data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Grüß "},"finish_reason":null}]}

            data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Gott"},"finish_reason":null}]}

            data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t1","type":"function","function":{"name":"weather","arguments":"{\\"ci"}}]},"finish_reason":null}]}

            data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"ty\\":\\"Graz\\"}"}}]},"finish_reason":null}]}

            data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

            """;

    @ParameterizedTest
    @ValueSource(booleans = { true, false })
    void openAisClientStreamsInBothModesWithAndWithoutTheMarker(boolean streams) {
        var client = client(streams ? function : buffered);
        var request = ChatCompletionCreateParams.builder().model("m").addUserMessage("Hi").build();
        for (String end : new String[] { "", DONE }) {
            upstream.script(streaming(TOOLS.substring(0, 200), TOOLS.substring(200) + end));
            var whole = ChatCompletionAccumulator.create();
            try (var stream = client.chat().completions().createStreaming(request)) {
                stream.stream().forEach(whole::accumulate);
            }
            Deployed.assertKeyless(whole.chatCompletion().toString());
            var message = whole.chatCompletion().choices().get(0).message();
            assertEquals("Grüß Gott", message.content().orElseThrow());
            assertEquals("{\"city\":\"Graz\"}", message.toolCalls().orElseThrow().get(0).asFunction().function().arguments());
        }
        upstream.script(answering(429, "application/json", "{\"message\":\"Too Many Requests\"}"));
        assertThrows(RateLimitException.class, () -> client.chat().completions().createStreaming(request));
        client.close();
    }

    @Test
    void openAisClientSeesAStreamBreakOff() {
        var client = client(function);
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            write(connection, chunk(TOOLS.substring(0, TOOLS.indexOf("\n\n") + 2)));
            connection.close();
        });
        var request = ChatCompletionCreateParams.builder().model("m").addUserMessage("Hi").build();
        try (var stream = client.chat().completions().createStreaming(request)) {
            var error = assertThrows(OpenAIException.class, () -> stream.stream().forEach(chunk -> {
            }));
            assertTrue(error.toString().contains("closed the connection"), error.toString());
            Deployed.assertKeyless(error.toString());
        }
        client.close();
    }

    @Test
    void alternatingStreamedAndWholeAnswersLeaveNothingBehind() throws Exception {
        upstream.script((request, connection) -> {
            if (request.text().contains("\"stream\":true")) {
                streaming(event(1), event(2)).answer(request, connection);
            } else {
                answering(200, "application/json", "{\"a\":1}").answer(request, connection);
            }
        });
        int files = 0;
        for (int i = 0; i < 1_000; i++) {
            assertEquals(i % 2 == 0 ? event(1) + event(2) + DONE : "{\"a\":1}", function.post(i % 2 == 0 ? STREAM : CHAT).body());
            files = i == 100 ? function.process.openFiles() : files;
        }
        assertEquals(files, function.process.openFiles(), 2, "open files");
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

    @Test
    void oneChunkOfManyEventsIsOneWrite() {
        byte[] many = (begun(1) + event(2) + ": ping\r\n\r\n").getBytes(StandardCharsets.UTF_8);
        upstream.script(streaming(new String(many, StandardCharsets.UTF_8)));
        var chunks = new ArrayList<byte[]>();
        function.invoke(STREAM, chunks::add);
        assertEquals(2, chunks.size());
        assertArrayEquals(many, chunks.get(0));
    }
}
