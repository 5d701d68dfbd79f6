package chatlambda;

import static chatlambda.ScriptedUpstream.LAST_CHUNK;
import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.ScriptedUpstream.Script;
import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.Outcome;
import jakarta.json.JsonObject;
import jakarta.json.JsonString;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * What is done to the packaged function by its upstream, and what its caller gets: each with the number of requests that may go
 * upstream, the time it may take, and an invocation after it that must work. The table goes to {@code target/faults-*.md}.
 */
class FaultIT {

    private static final String CHAT = "{\"model\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
    private static final String STREAM = "{\"stream\":true," + CHAT.substring(1);
    private static final String FINE = "{\"choices\":[]}";
    private static final String JSON_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    private static final String DATA = chunk("data: {\"n\":1}\n\n");
    private static final Duration TIMEOUT = Duration.ofSeconds(2);
    /** What any fault may take, with all that is tried again. */
    private static final Duration MOST = Duration.ofSeconds(20);
    private static final Script ANSWER = answering(200, "application/json", FINE);

    private static final List<String> TABLE = new ArrayList<>();

    private static ScriptedUpstream upstream;
    private static Deployed buffered;
    private static Deployed fallback;
    private static Deployed streaming;

    @BeforeAll
    static void start() {
        upstream = ScriptedUpstream.start(ANSWER);
        var settings = Map.of("CHAT_TIMEOUT", TIMEOUT.toMillis() + "ms", "CHAT_STREAM_IDLE_TIMEOUT", "1s");
        buffered = Deployed.against(upstream.url(), settings);
        fallback = Deployed.against(upstream.url(), with(settings, "CHAT_FALLBACK_MODELS", "b, c"));
        streaming = Deployed.against(upstream.url(), with(settings, "CHAT_RESPONSE_MODE", "stream"), InvokeMode.RESPONSE_STREAM);
    }

    private static Map<String, String> with(Map<String, String> settings, String name, String value) {
        var more = new HashMap<>(settings);
        more.put(name, value);
        return more;
    }

    @AfterAll
    static void stop() throws IOException {
        buffered.close();
        fallback.close();
        streaming.close();
        upstream.close();
        TABLE.add(0, "| fault | the caller sees | upstream requests | ms |\n|---|---|---:|---:|");
        Files.write(Path.of("target", "faults-" + (Deployed.isNative() ? "native" : "jvm") + ".md"), TABLE);
        System.out.println(TABLE.size() - 1 + " faults, see target/faults-*.md");
    }

    /** What the caller must see: a status, and of an error the code or a part of the message; of a stream, what it must contain. */
    private record Fault(Deployed function, String name, String body, boolean fresh, Script script, int status, String says, int requests) {
    }

    private static Fault fault(String name, Script script, int status, String says, int requests) {
        return new Fault(buffered, name, CHAT, false, script, status, says, requests);
    }

    private static Fault fresh(String name, Script script, int status, String says, int requests) {
        return new Fault(buffered, name, CHAT, true, script, status, says, requests);
    }

    private static Fault model(String name, Script script, int status, String says, int requests) {
        return new Fault(fallback, name, CHAT, false, script, status, says, requests);
    }

    private static Fault stream(String name, Script script, int status, String says, int requests) {
        return new Fault(streaming, name, STREAM, false, script, status, says, requests);
    }

    private static Fault caller(String name, String body, int status, String says) {
        return new Fault(buffered, name, body, false, ANSWER, status, says, 0);
    }

    private static Script raw(String... bytes) {
        return (request, connection) -> {
            for (String part : bytes) {
                write(connection, part);
            }
        };
    }

    private static Script rawThenClose(String... bytes) {
        return (request, connection) -> {
            raw(bytes).answer(request, connection);
            connection.close();
        };
    }

    private static Script rawThenReset(String... bytes) {
        return (request, connection) -> {
            raw(bytes).answer(request, connection);
            connection.setSoLinger(true, 0);
            connection.close();
        };
    }

    /** The first request meets the fault, the others are answered. */
    private static Script once(Script fault, Script then) {
        var count = new AtomicInteger();
        return (request, connection) -> (count.getAndIncrement() == 0 ? fault : then).answer(request, connection);
    }

    private static Script error(int status, String... fields) {
        return answering(status, "application/json", "{\"message\":\"no\",\"statusCode\":" + status + "}", fields);
    }

    private static Script drip(String head, String part) {
        return (request, connection) -> {
            write(connection, head);
            while (!connection.isClosed()) {
                write(connection, part);
                pause(20);
            }
        };
    }

    private static void pause(int millis) {
        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(millis));
    }

    private static String whole(String fields, String body) {
        return "HTTP/1.1 200 OK\r\n" + fields + "Content-Length: " + body.length() + "\r\n\r\n" + body;
    }

    private static String inHttpDate(Duration ahead) {
        return DateTimeFormatter.RFC_1123_DATE_TIME.format(ZonedDateTime.now(ZoneOffset.UTC).plus(ahead));
    }

    private static Stream<Fault> upstreamStatuses() {
        var never = Stream.of(400, 402, 403, 404, 408, 409, 413, 422, 500, 501, 504, 507)
                .map(status -> fault("answers " + status, error(status), status, "\"message\":\"no\"", 1));
        var said = Stream.of(
                fault("answers 401", error(401), 500, "upstream_key_rejected", 1),
                fault("answers 500 that hides a 400", answering(500, "application/json", "{\"message\":\"400 Bad schema\"}"), 500,
                        "x-should-retry: false", 1),
                fault("answers 301", error(301, "Location: http://elsewhere.example/"), 502, "a redirect, which is not followed", 1),
                fault("answers 429 always", error(429, "Retry-After: 0"), 429, "rate_limit_error", 2),
                fault("answers 429, then well", once(error(429), ANSWER), 200, FINE, 2),
                fault("answers 429 with Retry-After in seconds, then well", once(error(429, "Retry-After: 1"), ANSWER), 200, FINE, 2),
                fault("answers 429 with Retry-After as a date, then well",
                        once(error(429, "Retry-After: " + inHttpDate(Duration.ofSeconds(-5))), ANSWER), 200, FINE, 2),
                fault("answers 429 with retry-after-ms, then well", once(error(429, "retry-after-ms: 5"), ANSWER), 200, FINE, 2),
                fault("answers 429 with a Retry-After beyond the deadline", error(429, "Retry-After: 3600"), 429, "retry-after: 3600", 1),
                fault("answers 429 with a date beyond the deadline", error(429, "Retry-After: " + inHttpDate(Duration.ofHours(1))), 429,
                        "rate_limit_error", 1),
                fault("answers 429 with a Retry-After that is none", once(error(429, "Retry-After: soon"), ANSWER), 200, FINE, 2),
                fault("answers 502, then well", once(error(502), ANSWER), 200, FINE, 2),
                fault("answers 502 always", error(502, "Retry-After: 0"), 502, "api_error", 2),
                fault("answers 503, then well", once(error(503), ANSWER), 200, FINE, 2),
                fault("answers 503 always", error(503, "Retry-After: 0"), 503, "server_error", 2),
                fault("answers 503, then 500", once(error(503), error(500)), 500, "server_error", 2),
                fault("answers 201", answering(201, "application/json", FINE), 200, FINE, 1),
                fault("answers 204 without a body", raw("HTTP/1.1 204 No Content\r\n\r\n"), 502, "is not", 1),
                fault("answers 100, then well", raw("HTTP/1.1 100 Continue\r\n\r\n", whole("Content-Type: application/json\r\n", FINE)), 200,
                        FINE, 1),
                fault("answers 103, then well", raw("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
                        whole("Content-Type: application/json\r\n", FINE)), 200, FINE, 1),
                fault("answers an error under a 200", answering(200, "application/json", "{\"error\":{\"message\":\"no\"}}"), 502, "no", 1),
                fault("answers HTML", answering(200, "text/html", "<html>Maintenance</html>"), 502, "is not", 1),
                fault("answers HTML with a 503", once(answering(503, "text/html", "<html>"), ANSWER), 200, FINE, 2),
                fault("answers an empty body", answering(200, "application/json", ""), 502, "is not", 1),
                fault("answers JSON cut short", answering(200, "application/json", "{\"choices\":["), 502, "is not", 1));
        return Stream.concat(never, said);
    }

    private static Stream<Fault> connections() {
        return Stream.of(
                fault("closes a kept connection before a byte", once(rawThenClose(), ANSWER), 200, FINE, 2),
                fault("resets a kept connection before a byte", once(rawThenReset(), ANSWER), 200, FINE, 2),
                fault("closes kept connections before a byte, again and again", rawThenClose(), 502, "upstream_unreachable", 2),
                fresh("closes a new connection before a byte", rawThenClose(), 502, "closed the connection before its answer", 1),
                fresh("resets a new connection before a byte", rawThenReset(), 502, "upstream_unreachable", 1),
                fault("closes a kept connection in the status line", rawThenClose("HTTP/1.1 2"), 502, "upstream_unreachable", 1),
                fault("closes a kept connection in the headers", rawThenClose(JSON_HEAD), 502, "upstream_unreachable", 1),
                fault("resets a kept connection in the headers", rawThenReset(JSON_HEAD), 502, "upstream_unreachable", 1),
                fault("closes in the body", rawThenClose(JSON_HEAD + "Content-Length: 100\r\n\r\n{"), 502, "upstream_unreachable", 1),
                fault("resets in the body", rawThenReset(JSON_HEAD + "Content-Length: 100\r\n\r\n{"), 502, "upstream_unreachable", 1),
                fault("closes in a chunked body", rawThenClose(JSON_HEAD + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"), 502,
                        "upstream_unreachable", 1),
                fault("closes after a whole answer", rawThenClose(whole("Content-Type: application/json\r\n", FINE)), 200, FINE, 1),
                fault("ends its answer by closing", rawThenClose("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + FINE), 200,
                        FINE, 1),
                fault("says nothing", raw(), 504, "raise chat.timeout", 1),
                fault("stops in the headers", raw(JSON_HEAD), 504, "raise chat.timeout", 1),
                fault("stops in the body", raw(JSON_HEAD + "Content-Length: 100\r\n\r\n{"), 504, "raise chat.timeout", 1),
                fault("drips a header for ever", drip(JSON_HEAD + "X-Slow: ", "a"), 504, "raise chat.timeout", 1),
                fault("drips a body for ever", drip(JSON_HEAD + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"), 504,
                        "raise chat.timeout", 1));
    }

    private static Stream<Fault> hostileBytes() {
        String deep = "[".repeat(1001) + "]".repeat(1001);
        return Stream.of(
                fault("puts words where HTTP has a version",
                        rawThenClose("HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n" + FINE + "SECRET words\r\n"), 200, FINE, 1),
                fault("puts words where HTTP has a length", rawThenClose("HTTP/1.1 200 OK\r\nContent-Length: SECRET\r\n\r\n" + FINE), 502,
                        "its answer is not HTTP", 1),
                fault("puts words where HTTP has a status", rawThenClose("HTTP/1.1 SECRET words\r\n\r\n"), 502, "its answer is not HTTP", 1),
                fault("speaks another protocol", rawThenClose("SSH-2.0-OpenSSH_9.2\r\n"), 502, "upstream_unreachable", 1),
                fault("sends a header of 70 KB", raw(whole("X-Long: " + "a".repeat(70_000) + "\r\n", FINE)), 502, "larger than 65536 bytes", 1),
                fault("sends headers of 70 KB in sum", raw(whole(("X-Long: " + "a".repeat(700) + "\r\n").repeat(100), FINE)), 502,
                        "larger than 65536 bytes", 1),
                fault("sends a status line of 70 KB", raw("HTTP/1.1 200 " + "a".repeat(70_000) + "\r\n\r\n"), 502, "larger than 65536 bytes", 1),
                fault("sends a header of 60 KB", raw(whole("Content-Type: application/json\r\nX-Long: " + "a".repeat(60_000) + "\r\n", FINE)),
                        200, FINE, 1),
                fault("sends 300 headers", raw(whole("X-Many: 1\r\n".repeat(300), FINE)), 502, "header fields", 1),
                fault("sends two lengths", raw(JSON_HEAD + "Content-Length: 14\r\nContent-Length: 15\r\n\r\n" + FINE + " "), 502,
                        "upstream_unreachable", 1),
                fault("sends a negative length", raw(JSON_HEAD + "Content-Length: -1\r\n\r\n" + FINE), 502, "upstream_unreachable", 1),
                fault("sends a length that is no number", raw(JSON_HEAD + "Content-Length: many\r\n\r\n" + FINE), 502,
                        "upstream_unreachable", 1),
                fault("sends a chunk size that is none", rawThenClose(JSON_HEAD + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{\r\n"), 502,
                        "upstream_unreachable", 1),
                fault("sends a NUL in a header", raw(whole("X-Request-Id: a\0b\r\n", FINE)), 502, "upstream_unreachable", 1),
                fault("sends a CR in a header", raw(whole("X-Request-Id: a\rX-Evil: b\r\n", FINE)), 0, "", 1),
                fault("sends a header without a name", raw(whole(": b\r\n", FINE)), 0, "", 1),
                fault("sends a folded header", raw(whole("Content-Type: application/json\r\nX-Request-Id: a\r\n b\r\n", FINE)), 200, FINE, 1),
                fault("sends a second answer unasked", raw(whole("Content-Type: application/json\r\n", FINE)
                        + whole("Content-Type: application/json\r\n", "{\"evil\":1}")), 200, FINE, 1),
                fault("sends invalid UTF-8", answering(200, "application/json", new byte[] { '{', '"', (byte) 0xC3, '"', ':', '1', '}' }),
                        502, "is not", 1),
                fault("sends NULs", answering(200, "application/json", "\0\0\0\0"), 502, "is not", 1),
                fault("nests 1,001 deep", answering(200, "application/json", "{\"a\":" + deep + "}"), 502, "is not", 1),
                fault("sends a string of 20 MB", answering(200, "application/json", "{\"a\":\"" + "x".repeat(20_000_000) + "\"}"), 502,
                        "response_too_large", 1),
                fault("sends 40 MB", answering(200, "application/json", "{\"a\":\"" + "x".repeat(40_000_000) + "\"}"), 502,
                        "response_too_large", 1),
                fault("sends an error of 5 MB", answering(400, "application/json", "{\"message\":\"no\",\"a\":\"" + "x".repeat(5_000_000) + "\"}"),
                        400, "\"message\":\"no\"", 1));
    }

    private static Stream<Fault> models() {
        return Stream.of(
                model("has no such model, then well", once(error(404), ANSWER), 200, "x-chat-model: b", 2),
                model("has none of the models", error(404), 404, "x-chat-model: c", 3),
                model("says the model is no longer available", once(answering(400, "application/json",
                        "{\"message\":\"This model is no longer available for API calls\"}"), ANSWER), 200, "x-chat-model: b", 2),
                model("says model_not_found", once(answering(403, "application/json",
                        "{\"error\":{\"message\":\"no\",\"code\":\"model_not_found\"}}"), ANSWER), 200, "x-chat-model: b", 2),
                model("has no room for the first model", (request, connection) -> (request.text().contains("\"model\":\"a\"")
                        ? error(429, "Retry-After: 0") : ANSWER).answer(request, connection), 200, "x-chat-model: b", 3),
                model("has no room for any model", error(503, "Retry-After: 0"), 503, "x-chat-attempts: 6", 6),
                model("rejects the request", error(400), 400, "x-chat-model: a", 1),
                model("fails with a model", error(500), 500, "x-chat-model: a", 1));
    }

    private static Stream<Fault> streams() {
        return Stream.of(
                stream("closes a kept connection before a byte (stream)", once(rawThenClose(), raw(STREAM_HEAD, DATA, LAST_CHUNK)), 200, "{\"n\":1}",
                        2),
                stream("answers 503, then well (stream)", once(error(503), raw(STREAM_HEAD, DATA, LAST_CHUNK)), 200, "{\"n\":1}", 2),
                stream("answers 503 after 1.2 s, then a stream of 1.2 s", once((request, connection) -> {
                    pause(1200);
                    error(503, "Retry-After: 0").answer(request, connection);
                }, (request, connection) -> {
                    write(connection, STREAM_HEAD + DATA);
                    pause(800);
                    write(connection, DATA);
                    pause(400);
                    write(connection, LAST_CHUNK);
                }), 200, "{\"n\":1}\n\ndata: {\"n\":1}\n\ndata: [DONE]", 2),
                stream("answers 429 always (stream)", error(429, "Retry-After: 0"), 429, "rate_limit_error", 2),
                stream("answers 500 (stream)", error(500), 500, "server_error", 1),
                stream("answers a completion (stream)", ANSWER, 200, FINE, 1),
                stream("says nothing (stream)", raw(), 504, "upstream_timeout", 1),
                stream("closes after its first chunk", rawThenClose(STREAM_HEAD, DATA), 200, "upstream_unreachable", 1),
                stream("resets after its first chunk", rawThenReset(STREAM_HEAD, DATA), 200, "upstream_unreachable", 1),
                stream("closes before its first chunk", rawThenClose(STREAM_HEAD), 200, "upstream_unreachable", 1),
                stream("falls silent in mid-stream", raw(STREAM_HEAD, DATA), 200, "raise chat.stream-idle-timeout", 1),
                stream("streams without end", drip(STREAM_HEAD, DATA), 200, "raise chat.timeout", 1),
                stream("ends without [DONE]", raw(STREAM_HEAD, DATA, LAST_CHUNK), 200, "data: [DONE]", 1),
                stream("sends a chunk size that is none (stream)", raw(STREAM_HEAD, DATA, "zz\r\n"), 200, "\"error\"", 1),
                stream("ends without an event", raw(STREAM_HEAD, LAST_CHUNK), 200, "data: [DONE]", 1),
                stream("sends a header of 70 KB (stream)", raw(whole("X-Long: " + "a".repeat(70_000) + "\r\n", FINE)), 502, "larger than 65536 bytes",
                        1),
                stream("sends 300 headers (stream)", raw(whole("X-Many: 1\r\n".repeat(300), FINE)), 502, "header fields", 1));
    }

    private static Stream<Fault> callers() {
        return Stream.of(
                caller("caller sends NULs", "\0\0\0\0", 400, "not UTF-8"),
                caller("caller sends half a surrogate", "{\"messages\":[{\"role\":\"user\",\"content\":\"\uD800\"}]}", 0, ""),
                caller("caller nests 1,001 deep", "{\"a\":" + "[".repeat(1001) + "]".repeat(1001) + "}", 400, "deeper than 1000"),
                caller("caller sends JSON cut short", CHAT.substring(0, 20), 400, "ends too early"),
                caller("caller sends two objects", CHAT + CHAT, 400, "goes on after its JSON object"));
    }

    @TestFactory
    Stream<DynamicTest> everyFaultHasItsAnswer() {
        return Stream.of(upstreamStatuses(), connections(), hostileBytes(), models(), streams(), callers()).flatMap(faults -> faults)
                .map(fault -> DynamicTest.dynamicTest(fault.name, () -> meet(fault)));
    }

    private static void meet(Fault fault) throws IOException {
        upstream.script(ANSWER);
        answered(fault.function); // so that there is a connection from before
        if (fault.fresh) {
            upstream.retire();
        }
        upstream.script(fault.script);
        long start = System.nanoTime();
        Outcome outcome = fault.function.invoke(Events.post(fault.body));
        long took = (System.nanoTime() - start) / 1_000_000;
        String said = told(outcome);
        int status = Integer.parseInt(said.substring(0, 3));
        int requests = upstream.requests.size();
        TABLE.add("| " + fault.name + " | " + status + " " + said.substring(4, Math.min(said.length(), 160)).replaceAll("[\r\n|]+", " ") + " | "
                + requests + " | " + took + " |");
        if (fault.status != 0) {
            assertEquals(fault.status, status, said);
        } else {
            assertTrue(status == 200 || status == 502 || status == 400, said); // either is safe; that it is one of them is the point
        }
        assertTrue(said.contains(fault.says), said);
        assertTrue(fault.status == 0 || requests == fault.requests, requests + " requests");
        assertTrue(took < MOST.toMillis(), took + " ms");
        assertTrue(!said.contains("X-Evil:") && !said.contains("SECRET") && !said.contains(Deployed.KEY), said);
        upstream.script(ANSWER);
        answered(fault.function);
        String log = fault.function.process.output();
        assertTrue(!log.contains("SECRET"), log);
        assertTrue(fault.function.process.messages().stream().noneMatch(line -> line.contains("ERROR")), log);
    }

    private static void answered(Deployed function) {
        String said = told(function.invoke(Events.post(CHAT)));
        assertTrue(said.startsWith("200") && said.endsWith(FINE), said);
    }

    /** Status, headers and body, as text, whether the reply is whole or streamed. */
    private static String told(Outcome outcome) {
        JsonObject reply;
        String body;
        if (outcome.streamed()) {
            String[] parts = outcome.text().split("\0{8}", 2);
            reply = Events.json(parts[0]);
            body = parts[1];
        } else {
            reply = Events.json(outcome.text());
            body = reply.getBoolean("isBase64Encoded", false)
                    ? new String(Base64.getDecoder().decode(reply.getString("body")), StandardCharsets.UTF_8)
                    : reply.getString("body");
        }
        var said = new StringBuilder().append(reply.getInt("statusCode"));
        reply.getJsonObject("headers").forEach((name, value) -> said.append(' ').append(name).append(": ")
                .append(value instanceof JsonString string ? string.getString() : value));
        return said.append(' ').append(body).toString();
    }
}
