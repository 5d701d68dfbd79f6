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
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.local.Outcome;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What an upstream streams goes on, byte for byte and as soon as it is here, with the head that its door wants. */
class StreamIT extends StreamingFunction {

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
    void oneChunkOfManyEventsIsOneWrite() {
        byte[] many = (begun(1) + event(2) + ": ping\r\n\r\n").getBytes(StandardCharsets.UTF_8);
        upstream.script(streaming(new String(many, StandardCharsets.UTF_8)));
        var chunks = new ArrayList<byte[]>();
        function.invoke(STREAM, chunks::add);
        assertEquals(2, chunks.size());
        assertArrayEquals(many, chunks.get(0));
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
}
