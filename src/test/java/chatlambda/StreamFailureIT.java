package chatlambda;

import static chatlambda.ScriptedUpstream.LAST_CHUNK;
import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.streaming;
import static chatlambda.ScriptedUpstream.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.Outcome;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.Socket;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A stream that breaks off, tells an error or never begins: caller and operator learn it, and it never looks like an answer. */
class StreamFailureIT extends StreamingFunction {

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
}
