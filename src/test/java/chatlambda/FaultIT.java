package chatlambda;

import static chatlambda.ScriptedUpstream.LAST_CHUNK;
import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.ScriptedUpstream.Script;
import chatlambda.http.HttpReader;
import chatlambda.local.Caller;
import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.Outcome;
import com.fasterxml.jackson.databind.JsonNode;
import jakarta.json.JsonObject;
import jakarta.json.JsonString;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.Socket;
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
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What is done to the packaged function by its upstream, and what its caller gets: each with the number of requests that may go
 * upstream, and the time it may take. After each, on the same instance, two named callers ask, the second in the moment in which the
 * first is answered, whole and streamed: each must get the answer with its own name in it. The table, with the rule that each case
 * belongs to, goes to {@code target/faults-*.md}.
 */
class FaultIT {

    private static final String CHAT = "{\"model\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
    private static final String STREAM = "{\"stream\":true," + CHAT.substring(1);
    private static final String FINE = "{\"choices\":[]}";
    private static final String JSON_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    private static final String DATA = chunk("data: {\"n\":1}\n\n");
    private static final Duration TIMEOUT = Duration.ofSeconds(3);
    /** What any fault may take, with all that is tried again. */
    private static final Duration MOST = Duration.ofSeconds(20);
    private static final Script ANSWER = answering(200, "application/json", FINE);
    private static final String WELL = whole("Content-Type: application/json\r\n", FINE);
    private static final String ENDED = chunk("data: {\"n\":1}\n\ndata: [DONE]\n\n");
    private static final String WELL_STREAMED = STREAM_HEAD + ENDED + LAST_CHUNK;
    /** What is left behind an answer, and would make the next one a 429, the rest of whose head is the real answer's. */
    private static final String SWALLOWING = "HTTP/1.1 429 Slow\r\nRetry-After: 86400\r\nX-Request-Id: of-an-earlier-caller\r\nX-Swallow: ";
    /** The core of an error, or all of one that an upstream has sent in an event. */
    private static final Pattern ERROR = Pattern.compile("\\{(\"error\":\\{\"message\":\"(?:[^\"\\\\]|\\\\.)*+\"(?:,\"type\":\"[^\"]*\","
            + "\"param\":[^,]*,\"code\":[^,}]*)?)");
    private static final Pattern NAME = Pattern.compile("I am (\\w+)");

    private static final String KEY_SPELLED = Deployed.KEY.replace("-", "\\u002D");

    private static final List<String> TABLE = new ArrayList<>();
    private static final ExecutorService CALLERS = Executors.newCachedThreadPool();

    private static ScriptedUpstream upstream;
    private static Deployed buffered;
    private static Deployed fallback;
    private static Deployed streaming;
    private static Deployed insistent;

    @BeforeAll
    static void start() {
        upstream = ScriptedUpstream.start(ANSWER);
        var settings = Map.of("CHAT_TIMEOUT", TIMEOUT.toMillis() + "ms", "CHAT_STREAM_IDLE_TIMEOUT", "2s");
        buffered = Deployed.against(upstream.url(), settings);
        fallback = Deployed.against(upstream.url(), with(settings, "CHAT_FALLBACK_MODELS", "b, c"));
        insistent = Deployed.against(upstream.url(), with(with(settings, "CHAT_RETRIES", "3"), "CHAT_RETRY_AFTER_MAX", "1500ms"));
        streaming = Deployed.against(upstream.url(), with(settings, "CHAT_RESPONSE_MODE", "stream"), InvokeMode.RESPONSE_STREAM);
    }

    private static Map<String, String> with(Map<String, String> settings, String name, String value) {
        var more = new HashMap<>(settings);
        more.put(name, value);
        return more;
    }

    @AfterAll
    static void stop() throws IOException {
        CALLERS.shutdown();
        buffered.close();
        fallback.close();
        streaming.close();
        insistent.close();
        upstream.close();
        TABLE.add(0, "| rule | fault | the caller sees | upstream requests | ms |\n|---|---|---|---:|---:|");
        Files.write(Path.of("target", "faults-" + (Deployed.isNative() ? "native" : "jvm") + ".md"), TABLE);
        System.out.println(TABLE.size() - 1 + " faults, see target/faults-*.md");
    }

    /** What the caller must see: a status, and of an error the code or a part of the message; of a stream, what it must contain. */
    record Fault(String rule, Deployed function, String name, String body, boolean fresh, Script script, int status, String says, int requests) {

        /** Whether it is the caller who is at fault: its body is the whole case. */
        boolean isCallers() {
            return rule.equals("callers");
        }

        boolean freezes() {
            return name.contains("freeze");
        }

        boolean streams() {
            return body.startsWith("{\"stream\":true");
        }
    }

    private static Fault fault(String name, Script script, int status, String says, int requests) {
        return new Fault("", buffered, name, CHAT, false, script, status, says, requests);
    }

    private static Fault fresh(String name, Script script, int status, String says, int requests) {
        return new Fault("", buffered, name, CHAT, true, script, status, says, requests);
    }

    private static Fault model(String name, Script script, int status, String says, int requests) {
        return new Fault("", fallback, name, CHAT, false, script, status, says, requests);
    }

    private static Fault stream(String name, Script script, int status, String says, int requests) {
        return new Fault("", streaming, name, STREAM, false, script, status, says, requests);
    }

    private static Fault insistent(String name, Script script, int status, String says, int requests) {
        return new Fault("", insistent, name, CHAT, false, script, status, says, requests);
    }

    private static Fault caller(String name, String body, int status, String says) {
        return new Fault("", buffered, name, body, false, ANSWER, status, says, 0);
    }

    private static Stream<Fault> rule(String rule, Stream<Fault> faults) {
        return faults.map(fault -> new Fault(rule, fault.function, fault.name, fault.body, fault.fresh, fault.script, fault.status, fault.says,
                fault.requests));
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

    /** The first request meets the fault, the next one is answered, and so on. */
    private static Script once(Script fault, Script then) {
        var count = new AtomicInteger();
        return (request, connection) -> (count.getAndIncrement() % 2 == 0 ? fault : then).answer(request, connection);
    }

    private static Script slow(int millis, Script then) {
        return (request, connection) -> {
            pause(millis);
            then.answer(request, connection);
        };
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

    static String whole(String fields, String body) {
        return "HTTP/1.1 200 OK\r\n" + fields + "Content-Length: " + body.length() + "\r\n\r\n" + body;
    }

    private static String inHttpDate(Duration ahead) {
        return DateTimeFormatter.RFC_1123_DATE_TIME.format(ZonedDateTime.now(ZoneOffset.UTC).plus(ahead));
    }

    private static Stream<Fault> upstreamStatuses() {
        var never = Stream.of(400, 402, 403, 404, 408, 409, 410, 413, 422, 500, 501, 502, 504, 507)
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
                fault("answers 502 with Retry-After, then well", once(error(502, "Retry-After: 0"), ANSWER), 200, FINE, 2),
                fault("answers 502 with a Retry-After that is none", once(error(502, "Retry-After: soon"), ANSWER), 502, "api_error", 1),
                fault("answers 529, then well", once(error(529), ANSWER), 200, FINE, 2),
                fault("answers 529 always", error(529, "Retry-After: 0"), 529, "x-should-retry: false", 2),
                fault("answers 502 always", error(502, "Retry-After: 0"), 502, "api_error", 2),
                fault("answers 503, then well", once(error(503), ANSWER), 200, FINE, 2),
                fault("answers 503 always", error(503, "Retry-After: 0"), 503, "server_error", 2),
                fault("answers 503, then 500", once(error(503), error(500, "x-should-retry: true")), 500, "x-should-retry: false", 2),
                fault("answers 429 always, and that it should be asked again", error(429, "Retry-After: 0", "x-should-retry: true"), 429,
                        "x-should-retry: false", 2),
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
                fault("works for two seconds on a kept connection, then closes", slow(2_000, rawThenClose()), 502,
                        "closed the connection before its answer", 1),
                fault("works for two seconds on a kept connection, then resets", slow(2_000, rawThenReset()), 502, "upstream_unreachable", 1),
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

    /** RFC 9110, 15.2: any number of them may come before the answer. Each case twice: for a whole answer, and for a stream. */
    private static Stream<Fault> interimAnswers() {
        String early = interim(103, "Link: </a>");
        var few = Stream.of(102, 104, 110, 150, 199).flatMap(status -> Stream.of(
                skipped(status + ", then well", interim(status)),
                skipped(status + " twice, then well", interim(status), interim(status)),
                skipped("103, " + status + ", 100, 103 in one packet, then well", early + interim(status) + interim(100) + early),
                skipped(status + " with a header, then well", interim(status, "Content-Length: 5", "Transfer-Encoding: chunked",
                        "Connection: close", "X-Request-Id: of-an-earlier-caller", "Content-Length: many")),
                frozen(status + " before a freeze", interim(status), ""),
                frozen(status + " during a freeze", "", interim(status)))).flatMap(faults -> faults);
        String large = interim(102, "X-Long: " + "a".repeat(30_000));
        return Stream.concat(few, Stream.of(
                both("answers 102 in every third byte's packet, then well", (request, connection) -> {
                    for (int i = 0; i < 5; i++) {
                        for (String part : interim(102 + i % 3).split("(?<=\\G...)")) {
                            write(connection, part);
                        }
                    }
                    well(request, connection);
                }, 200, null, 1),
                both("answers 102, then well, in one packet", (request, connection) ->
                        write(connection, interim(102) + (isStream(request) ? WELL_STREAMED : WELL)), 200, null, 1),
                both("answers 102 and nothing else", raw(interim(102)), 504, "raise chat.timeout", 1),
                both("answers 102 for ever", drip("", interim(102)), 504, "raise chat.timeout", 1),
                both("answers 102, then closes a kept connection", rawThenClose(interim(102)), 502, "closed the connection before its answer", 1),
                both("answers 102, then resets a kept connection", rawThenReset(interim(102)), 502, "upstream_unreachable", 1),
                Stream.of(fault("answers 102, then 503, then well", once(after102(error(503, "Retry-After: 0")), ANSWER), 200, FINE, 2),
                        stream("answers 102, then 503, then well (stream)", once(after102(error(503, "Retry-After: 0")), FaultIT::well), 200,
                                "{\"n\":1}", 2)),
                both("answers 101", raw(interim(101, "Upgrade: h2c", "Connection: Upgrade")), 502, "it answered with 101", 1),
                both("answers 101 to a web socket", raw(interim(101, "Upgrade: websocket", "Connection: Upgrade") + "12345678" + WELL), 502,
                        "it answered with 101", 1),
                both("answers 102, then 101", raw(interim(102), interim(101)), 502, "it answered with 101", 1),
                both("answers 60 KB of 102, then well", wellAfter(large, large), 200, null, 1),
                both("answers 90 KB of 102, then well", wellAfter(large, large, large), 502, "interim answers (1xx) are larger than 65536 bytes", 1),
                both("answers 2,000 times 102, then well", wellAfter(interim(102, "X: " + "a".repeat(20)).repeat(2_000)), 502,
                        "interim answers (1xx) are larger than 65536 bytes", 1),
                both("answers 102 with a header of 70 KB", raw(interim(102, "X-Long: " + "a".repeat(70_000))), 502, "larger than 65536 bytes", 1),
                both("answers 99", raw("HTTP/1.1 099 X\r\n\r\n", WELL), 502, "its answer is not HTTP", 1),
                both("answers 1020", raw("HTTP/1.1 1020 X\r\n\r\n", WELL), 502, "its answer is not HTTP", 1),
                both("answers -20", raw("HTTP/1.1 -20 X\r\n\r\n", WELL), 502, "its answer is not HTTP", 1)).flatMap(faults -> faults));
    }

    /** What is left on a connection must not become the next caller's answer. */
    private static Stream<Fault> leftovers() {
        return Stream.of(
                behind("an answer that would swallow the next", SWALLOWING),
                behind("a whole second answer", WELL),
                behind("two bytes", "XX"),
                behind("one byte", "\0"),
                behind("an empty line", "\r\n"),
                behind("an interim answer", interim(102)),
                behind("half a status line", "HTTP/1."),
                behind("a chunk", DATA),
                behind("200 KB", "x".repeat(200_000)),
                both("closes behind a whole answer with words", (request, connection) -> {
                    write(connection, (isStream(request) ? WELL_STREAMED : WELL) + "words");
                    connection.close();
                }, 200, null, 1),
                both("answers HTTP/1.0 that is kept alive, and more", raw("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"
                        + "Content-Type: application/json\r\nContent-Length: " + FINE.length() + "\r\n\r\n" + FINE + SWALLOWING), 200, FINE, 1),
                both("answers with Connection: keep-alive, close", raw(whole("Content-Type: application/json\r\nConnection: keep-alive, close\r\n",
                        FINE)), 200, FINE, 1),
                both("answers 204 and a body", raw("HTTP/1.1 204 No Content\r\nContent-Length: 14\r\n\r\n" + FINE), 502, "api_error", 1),
                both("answers 304 and a body", raw("HTTP/1.1 304 Not Modified\r\nContent-Length: 14\r\n\r\n" + FINE), 502, "", 1),
                both("sends a body that is longer than it said", raw(whole("Content-Type: application/json\r\n", FINE) + FINE), 200, FINE, 1),
                both("sends an error and more", raw("HTTP/1.1 400 No\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" + SWALLOWING),
                        400, "", 1)).flatMap(faults -> faults);
    }

    /** An answer before the request was out: its connection holds the rest of a request that nobody reads. */
    private static Stream<Fault> earlyAnswers() {
        String long4MB = "{\"model\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"" + "x".repeat(4_000_000) + "\"}]}";
        var refused = new Script() {
            @Override
            public boolean answersEarly(HttpReader.Head head, Socket connection) throws IOException {
                if (Long.parseLong(head.field("content-length")) < 1_000_000) {
                    return false;
                }
                write(connection, "HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"message\":\"no\"}");
                return true;
            }

            @Override
            public void answer(ScriptedUpstream.Request request, Socket connection) throws IOException {
                ANSWER.answer(request, connection);
            }
        };
        return Stream.of(
                new Fault("", buffered, "answers 413 to the head of 4 MB, and reads no more", long4MB, false, refused, 413, "\"message\":\"no\"", 0),
                new Fault("", streaming, "answers 413 to the head of 4 MB, and reads no more (stream)", "{\"stream\":true," + long4MB.substring(1),
                        false, refused, 413, "\"message\":\"no\"", 0));
    }

    /** Advisories of Netty's, and their kin. */
    private static Stream<Fault> malformed() {
        String chunked = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: %s\r\n\r\ne\r\n" + FINE + "\r\n0\r\n\r\n";
        var codings = Stream.of("chunked, xchunked", "xchunked", "chunked, chunked", "chunked\r\nTransfer-Encoding: chunked", "identity, chunked",
                "gzip, chunked", "chunked;q=1", "chunked, identity").flatMap(coding -> both("has the transfer coding "
                        + coding.replace("\r\n", ", "), rawThenClose(chunked.formatted(coding)), 502, "upstream_unreachable", 1));
        var controls = Stream.of("\0", "\1", "\t", "\13", "\33", "\177").flatMap(control -> both("sends the control character "
                + (int) control.charAt(0) + " ahead of the status line", raw(control + WELL), 502, "its answer is not HTTP", 1));
        String extended = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\ne%s\r\n" + FINE + "\r\n0%s\r\n\r\n";
        var extensions = Stream.of(";a=\"\r\n\"", ";a=\"x\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\"", ";a=\"\n\"", ";\n", "\n")
                .flatMap(extension -> both("has the chunk extension " + extension.replaceAll("[\r\n]", "?"),
                        raw(extended.formatted(extension, "")), 502, "upstream_unreachable", 1));
        return Stream.of(codings, controls, extensions,
                both("has a sound chunk extension", raw(extended.formatted(";a=\"b c\";d=e", ";last")), 200, FINE, 1),
                both("has a length beside chunks", raw(JSON_HEAD + "Content-Length: 14\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n" + FINE
                        + "\r\n0\r\n\r\n"), 502, "upstream_unreachable", 1),
                both("has chunks in HTTP/1.0", raw("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n"
                        + FINE + "\r\n0\r\n\r\n"), 502, "upstream_unreachable", 1),
                both("sends empty lines ahead of the status line", raw("\r\n\r\n" + WELL), 200, FINE, 1)).flatMap(faults -> faults);
    }

    /** The same done to a whole answer and to a stream; {@code says} null: what a sound answer says. */
    private static Stream<Fault> both(String name, Script script, int status, String says, int requests) {
        return Stream.of(fault(name, script, status, says == null ? FINE : says, requests),
                stream(name + " (stream)", script, status, says == null ? "{\"n\":1}" : says, requests));
    }

    private static Stream<Fault> skipped(String name, String... before) {
        return both("answers " + name, wellAfter(before), 200, null, 1);
    }

    private static Script after102(Script then) {
        return (request, connection) -> {
            write(connection, interim(102));
            then.answer(request, connection);
        };
    }

    private static Script wellAfter(String... before) {
        return (request, connection) -> {
            for (String part : before) {
                write(connection, part);
                pause(1);
            }
            well(request, connection);
        };
    }

    private static Stream<Fault> behind(String what, String bytes) {
        return both("sends " + what + " behind a whole answer, in the same packet", (request, connection) ->
                write(connection, (isStream(request) ? WELL_STREAMED : WELL) + bytes), 200, null, 1);
    }

    /** The function is stopped as Lambda stops it, between what comes before and the answer. */
    private static Stream<Fault> frozen(String name, String before, String meanwhile) {
        return Stream.of(buffered, streaming).map(function -> {
            boolean streams = function == streaming;
            Script script = (request, connection) -> {
                write(connection, before);
                pause(5);
                signal(function, "STOP");
                write(connection, meanwhile);
                pause(100);
                signal(function, "CONT");
                well(request, connection);
            };
            return new Fault("", function, "answers " + name + (streams ? " (stream)" : ""), streams ? STREAM : CHAT, false, script, 200,
                    streams ? "{\"n\":1}" : FINE, 1);
        });
    }

    private static void signal(Deployed function, String name) throws IOException {
        try {
            function.process.signal(name);
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    private static String interim(int status, String... fields) {
        return "HTTP/1.1 " + status + " Interim\r\n" + Stream.of(fields).map(field -> field + "\r\n").collect(Collectors.joining()) + "\r\n";
    }

    static boolean isStream(ScriptedUpstream.Request request) {
        return request.text().contains("\"stream\":true");
    }

    private static void well(ScriptedUpstream.Request request, Socket connection) throws IOException {
        write(connection, isStream(request) ? WELL_STREAMED : WELL);
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
                model("has no room for any model", error(503, "Retry-After: 0"), 503, "x-chat-attempts: 4", 4),
                model("has no room for any model, and says 529", error(529, "Retry-After: 0"), 529, "x-should-retry: false", 4),
                model("wants 2 s for the first model", once(error(429, "Retry-After: 2"), ANSWER), 200, "x-chat-model: b", 2),
                model("wants 2 s for each model, and gets them from the last", error(503, "Retry-After: 2"), 503, "x-chat-attempts: 4", 4),
                model("answers 502", error(502), 502, "x-chat-model: a", 1),
                model("has a model that is gone (410)", once(error(410), ANSWER), 200, "x-chat-model: b", 2),
                model("quotes a prompt that says what is said of a model that is gone", said(400, "{\"message\":\"" + "this prompt is quoted ".repeat(5)
                        + "no longer available, unable to access model\"}"), 400, "x-chat-model: a", 1),
                model("says 500 for a model that is gone", once(said(500, "{\"message\":\"400 Unable to access model a.\"}"), ANSWER), 200,
                        "x-chat-model: b", 2),
                model("says 500 of a model that is no longer available", said(500, "{\"message\":\"It is no longer available\"}"), 500,
                        "x-chat-model: a", 1),
                model("has an account without credit", said(429, "{\"error\":{\"message\":\"pay\",\"code\":\"insufficient_quota\"}}"), 429,
                        "x-should-retry: false", 1),
                model("has an account without credit, and says so in the type", said(429,
                        "{\"error\":{\"message\":\"pay\",\"type\":\"billing_hard_limit_reached\"}}"), 429, "x-should-retry: false", 1),
                model("has an account that is not active", said(429, "{\"message\":\"pay\",\"code\":\"billing_not_active\"}"), 429,
                        "x-should-retry: false", 1),
                model("rejects the request", error(400), 400, "x-chat-model: a", 1),
                model("fails with a model", error(500), 500, "x-chat-model: a", 1));
    }

    private static Script said(int status, String body, String... fields) {
        return answering(status, "application/json", body, fields);
    }

    /** All waits of one invocation together have a bound, and what it does to be answered is not multiplied by the SDKs. */
    private static Stream<Fault> waits() {
        return Stream.of(
                insistent("wants 10 ms each time", error(429, "retry-after-ms: 10"), 429, "x-should-retry: false", 4),
                insistent("wants a second each time, and gets one", error(503, "Retry-After: 1"), 503, "retry-after: 1", 2),
                insistent("wants more than may be waited", error(503, "Retry-After: 2"), 503, "retry-after: 2", 1),
                insistent("wants more than may be waited, and that it is asked again", error(429, "Retry-After: 2", "x-should-retry: true"), 429,
                        "x-should-retry: true", 1));
    }

    private static Script coded(int status, String coding, byte[] body) {
        return answering(status, "application/json", body, "Content-Encoding: " + coding);
    }

    static byte[] compressed(String text, boolean gzip) {
        var bytes = new ByteArrayOutputStream();
        try (OutputStream out = gzip ? new GZIPOutputStream(bytes) : new DeflaterOutputStream(bytes)) {
            out.write(text.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    private static Stream<Fault> encodings() {
        String bomb = "{\"a\":\"" + "x".repeat(40_000_000) + "\"}";
        return Stream.of(
                both("compresses a completion with gzip", coded(200, "gzip", compressed(FINE, true)), 200, FINE, 1),
                both("compresses a completion with deflate", coded(200, "deflate", compressed(FINE, false)), 200, FINE, 1),
                both("compresses an error with gzip", coded(400, "gzip", compressed("{\"message\":\"no\"}", true)), 400, "\"message\":\"no\"", 1),
                both("compresses a completion with brotli", coded(200, "br", new byte[] { 1, 2 }), 502, "content coding br,", 1),
                both("compresses a 401 with brotli", coded(401, "br", new byte[] { 1, 2 }), 500, "upstream_key_rejected", 1),
                both("compresses an error with zstd", coded(500, "zstd", new byte[] { 1, 2 }), 502, "unsupported_encoding", 1),
                both("compresses twice", coded(200, "gzip, br", new byte[] { 1, 2 }), 502, "x-should-retry: false", 1),
                both("says gzip, and it is plain", coded(200, "gzip", FINE.getBytes(StandardCharsets.UTF_8)), 200, FINE, 1),
                both("says gzip, and it is something else", coded(200, "gzip", "no".getBytes(StandardCharsets.UTF_8)), 502,
                        "cannot be decoded as gzip", 1),
                both("compresses 40 MB to 40 KB", coded(200, "gzip", compressed(bomb, true)), 502, "response_too_large", 1),
                both("compresses an error of 40 MB to 40 KB", coded(500, "gzip", compressed(bomb.replace("\"a\"", "\"message\""), true)), 500,
                        "\"message\":\"xxx", 1)).flatMap(faults -> faults);
    }

    private static Stream<Fault> reasons() {
        String spelled = Deployed.KEY.replace("-", "\\u002D");
        return Stream.of(
                fault("tells its error as a text", said(400, "{\"error\":\"no such thing\"}"), 400, "\"message\":\"no such thing\"", 1),
                fault("tells its error as a detail", said(404, "{\"detail\":\"Not here\"}"), 404, "\"message\":\"Not here\"", 1),
                fault("tells its error as FastAPI does", said(422, "{\"detail\":[{\"loc\":[\"body\",\"model\"],\"msg\":\"Field required\"}]}"), 422,
                        "\"message\":\"body.model: Field required\"", 1),
                fault("tells its error as msg", said(400, "{\"code\":1001,\"msg\":\"bad\"}"), 400, "\"message\":\"bad\",\"type\":"
                        + "\"invalid_request_error\",\"param\":null,\"code\":\"1001\"", 1),
                fault("tells its error in a list", said(400, "{\"errors\":[{\"message\":\"bad\"}]}"), 400, "\"message\":\"bad\"", 1),
                fault("has an id and no code", said(400, "{\"message\":\"no\",\"requestId\":\"r1\"}"), 400, "\"code\":null,\"requestId\":\"r1\","
                        + "\"request_id\":\"r1\"", 1),
                fault("quotes the key in another spelling", said(400, "{\"message\":\"no access for " + spelled + "\",\"code\":\"" + spelled
                        + "\",\"more\":\"" + spelled + "\"}"), 400, "{\"error\":{\"message\":\"no access for [key]\",\"type\":"
                        + "\"invalid_request_error\",\"param\":null,\"code\":\"[key]\"}}", 1),
                fault("names a header by the key", said(200, FINE, "x-ratelimit-" + Deployed.KEY + ": 1", "x-request-id: " + Deployed.KEY), 200,
                        "x-request-id: [key]", 1),
                fault("sends an error of 31 MB", said(500, "{\"message\":\"" + "x".repeat(31_000_000) + "\"}"), 500, "xxx...", 1));
    }

    private static Stream<Fault> streams() {
        return Stream.of(
                stream("works for two seconds on a kept connection, then closes (stream)", slow(2_000, rawThenClose()), 502,
                        "closed the connection before its answer", 1),
                stream("answers 503, then well (stream)", once(error(503), raw(STREAM_HEAD, ENDED, LAST_CHUNK)), 200, "{\"n\":1}", 2),
                stream("answers 503 after 1.7 s, then a stream of 1.7 s", once((request, connection) -> {
                    pause(1700);
                    error(503, "Retry-After: 0").answer(request, connection);
                }, (request, connection) -> {
                    write(connection, STREAM_HEAD + DATA);
                    pause(850);
                    write(connection, ENDED);
                    pause(850);
                    write(connection, LAST_CHUNK);
                }), 200, "{\"n\":1}\n\ndata: {\"n\":1}\n\ndata: [DONE]", 2),
                stream("answers 429 always (stream)", error(429, "Retry-After: 0"), 429, "rate_limit_error", 2),
                stream("answers 500 (stream)", error(500), 500, "server_error", 1),
                stream("answers a completion (stream)", ANSWER, 200, FINE, 1),
                stream("says nothing (stream)", raw(), 504, "upstream_timeout", 1),
                stream("closes after its first chunk", rawThenClose(STREAM_HEAD, DATA), 200, "upstream_unreachable", 1),
                stream("resets after its first chunk", rawThenReset(STREAM_HEAD, DATA), 200, "upstream_unreachable", 1),
                stream("closes before its first chunk", rawThenClose(STREAM_HEAD), 502, "upstream_unreachable", 1),
                stream("closes in its first event", rawThenClose(STREAM_HEAD, chunk("data: {")), 502, "upstream_unreachable", 1),
                stream("falls silent in mid-stream", raw(STREAM_HEAD, DATA), 200, "raise chat.stream-idle-timeout", 1),
                stream("streams without end", drip(STREAM_HEAD, DATA), 200, "raise chat.timeout", 1),
                stream("ends without [DONE]", raw(STREAM_HEAD, DATA, LAST_CHUNK), 200, "upstream_incomplete", 1),
                stream("has an error in a later event", raw(STREAM_HEAD, DATA, chunk("data: {\"error\":{\"message\":\"no\"}}\n\n"), LAST_CHUNK), 200,
                        "{\"n\":1}\n\ndata: {\"error\":{\"message\":\"no\"}}\n\ndata: [DONE]", 1),
                stream("has an error in its first event", raw(STREAM_HEAD, chunk("data: {\"error\":{\"message\":\"no\",\"code\":503}}\n\n"), LAST_CHUNK),
                        503, "x-should-retry: false", 2),
                stream("has an error in its first event, once", once(raw(STREAM_HEAD, chunk("data: {\"error\":{\"message\":\"no\",\"code\":429}}\n\n"),
                        LAST_CHUNK), FaultIT::well), 200, "{\"n\":1}", 2),
                new Fault("", buffered, "has an error in its first event (buffered)", STREAM, false, raw(STREAM_HEAD,
                        chunk("data: {\"error\":{\"message\":\"no\",\"code\":\"529\"}}\n\n"), LAST_CHUNK), 529, "\"message\":\"no\"", 2),
                new Fault("", buffered, "ends without [DONE] (buffered)", STREAM, false, raw(STREAM_HEAD, DATA, LAST_CHUNK), 502,
                        "upstream_incomplete", 1),
                new Fault("", buffered, "streams unasked", CHAT, false, raw(WELL_STREAMED), 502, "unexpected_stream", 1),
                new Fault("", streaming, "streams unasked (stream)", CHAT, false, raw(WELL_STREAMED), 502, "unexpected_stream", 1),
                stream("sends a chunk size that is none (stream)", raw(STREAM_HEAD, DATA, "zz\r\n"), 200, "\"error\"", 1),
                stream("ends without an event", raw(STREAM_HEAD, LAST_CHUNK), 502, "upstream_incomplete", 1),
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
        return faults().map(fault -> DynamicTest.dynamicTest(fault.name, () -> meet(fault)));
    }

    static Stream<Fault> faults() {
        return Stream.of(rule("statuses", upstreamStatuses()), rule("connections", connections()), rule("hostile bytes", hostileBytes()),
                rule("interim answers are skipped", interimAnswers()), rule("a connection is used again only when it is clean", leftovers()),
                rule("a connection is used again only when it is clean", earlyAnswers()), rule("malformed answers are refused", malformed()),
                rule("models", models()), rule("streams", streams()), rule("waits", waits()), rule("encodings", encodings()),
                rule("reasons", reasons()), rule("callers", callers())).flatMap(faults -> faults);
    }

    /** The operator sees what the caller sees: a fault of the upstream's, or a stream that broke off, is no success. */
    private static void requireLine(JsonNode line, int status, String said) {
        Matcher told = ERROR.matcher(said);
        boolean isError = told.find();
        assertEquals(status, line.path("status").asInt(), line.toString());
        boolean isFailure = status >= 500 || status < 400 && isError;
        assertEquals(isFailure ? "ERROR 1" : "INFO 0", line.path("level").asText() + " " + line.path("Errors").asInt(), line.toString());
        assertEquals(isError, line.has("code"), line.toString());
        if (isError && !told.group(1).contains("[")) {
            JsonObject error = Events.json("{" + told.group(1) + "}}").getJsonObject("error");
            String code = error.get("code") instanceof JsonString text ? text.getString() : error.getString("type", "api_error");
            assertEquals(code, line.path("code").asText(), line.toString());
        }
    }

    private static void meet(Fault fault) throws IOException, InterruptedException {
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
        TABLE.add("| " + fault.rule + " | " + fault.name.replaceAll("[\\p{Cntrl}|]+", " ") + " | " + status + " " + said.substring(4, Math.min(said.length(), 160)).replaceAll("[\r\n|]+", " ") + " | "
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
        requireLine(fault.function.accessLine(), status, said);
        everybodyGetsTheirOwn(fault.function, fault.name);
        String log = fault.function.process.output();
        assertTrue(!log.contains("SECRET"), log);
        assertTrue(fault.function.process.messages().stream().noneMatch(line -> line.contains("ERROR")), log);
    }

    /** Two callers at a time, both waiting: the function takes the second one's event as soon as the first one's answer is handed over. */
    private static void everybodyGetsTheirOwn(Deployed function, String after) {
        upstream.script((request, connection) -> named(request, connection, ""));
        for (boolean stream : new boolean[] { false, true }) {
            var first = CompletableFuture.supplyAsync(() -> ask(function, "first", stream), CALLERS);
            String second = ask(function, "second", stream);
            requireOwn("first", first.join(), after);
            requireOwn("second", second, after);
        }
    }

    private static String ask(Deployed function, String name, boolean stream) {
        String chat = "{\"messages\":[{\"role\":\"user\",\"content\":\"I am " + name + "\"}]}";
        return told(function.invoke(Events.post(stream ? "{\"stream\":true," + chat.substring(1) : chat)));
    }

    private static void requireOwn(String name, String said, String after) {
        assertTrue(said.startsWith("200 ") && said.contains("\"name\":\"" + name + "\"") && said.contains("x-chat-attempts: 1 "),
                () -> "after \"" + after + "\" the caller " + name + " gets " + said);
    }

    /** An answer with the caller's own name in it. */
    private static void named(ScriptedUpstream.Request request, Socket connection, String behind) throws IOException {
        Matcher name = NAME.matcher(request.text());
        assertTrue(name.find(), request.text());
        String answer = "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}],\"name\":\"" + name.group(1) + "\"}";
        write(connection, (isStream(request) ? STREAM_HEAD + chunk("data: " + answer + "\n\n") + LAST_CHUNK
                : whole("Content-Type: application/json\r\n", answer)) + behind);
    }

    /** As it was found: of 3,000 named calls, of which some meet what others' answers could come from, nobody gets another's. */
    @ParameterizedTest
    @ValueSource(booleans = { false, true })
    void ofManyNamedCallersNobodyGetsAnothersAnswer(boolean streams) throws Exception {
        var function = streams ? streaming : buffered;
        var random = new Random(42);
        upstream.script((request, connection) -> {
            int what;
            synchronized (random) {
                what = random.nextInt(100);
            }
            if (what < 4) {
                write(connection, interim(new int[] { 102, 104, 110, 150, 199 }[what % 5]));
                pause(what);
            }
            named(request, connection, what < 8 && what % 2 == 0 ? SWALLOWING : "");
        });
        var count = new AtomicInteger();
        var callers = new ArrayList<CompletableFuture<Void>>();
        for (int i = 0; i < 4; i++) {
            callers.add(CompletableFuture.runAsync(() -> {
                for (int n; (n = count.getAndIncrement()) < 3_000;) {
                    String said = ask(function, "caller" + n, streams || n % 3 == 0);
                    assertTrue(said.startsWith("200 ") && said.contains("\"name\":\"caller" + n + "\""), "caller" + n + " gets " + said);
                }
            }, CALLERS));
        }
        CompletableFuture.allOf(callers.toArray(new CompletableFuture<?>[0])).get(5, TimeUnit.MINUTES);
    }

    @ParameterizedTest
    @ValueSource(strings = { "\0", "XX", "\r\n", SWALLOWING, "HTTP/1.1 102 Interim\r\n\r\n", "HTTP/1.1 408 Idle\r\nContent-Length: 0\r\n\r\n" })
    void bytesThatNobodyAskedForCloseAnIdleConnection(String bytes) throws IOException {
        for (Deployed function : List.of(buffered, streaming)) {
            upstream.retire();
            upstream.script(ANSWER);
            answered(function);
            for (Socket connection : upstream.connections) {
                write(connection, bytes);
            }
            upstream.awaitClosed();
            everybodyGetsTheirOwn(function, bytes);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = { false, true })
    void soundAnswersNeedOneConnection(boolean streams) throws IOException {
        var function = streams ? streaming : buffered;
        upstream.retire();
        upstream.script((request, connection) -> named(request, connection, ""));
        for (int i = 0; i < 2_000; i++) {
            requireOwn("caller" + i, ask(function, "caller" + i, i % 2 == 0), "nothing");
        }
        assertEquals(1, upstream.connections.size());
    }

    /** Another Lambda has no header to learn it from. */
    @Test
    void aCallingLambdaLearnsWhichModelFailedLast() throws InterruptedException {
        upstream.script(error(404));
        Outcome outcome = fallback.invoke(CHAT);
        assertTrue(outcome.functionError(), outcome.text());
        JsonObject told = Events.json(Events.json(outcome.text()).getString("errorMessage")).getJsonObject("error");
        assertEquals("no c", told.getString("message") + " " + told.getString("model"));
        JsonNode line = fallback.accessLine();
        assertEquals("404 invalid_request_error INFO 0 3", line.path("status").asText() + " " + line.path("code").asText() + " "
                + line.path("level").asText() + " " + line.path("Errors").asText() + " " + line.path("attempts").asText());
        assertEquals(3, upstream.requests.size());
    }

    @Test
    void aShortKeyIsToldAtTheStartAndNotLookedFor() {
        upstream.script(answering(404, "application/json", "{\"message\":\"upstream says 404\"}"));
        try (var function = Deployed.against(upstream.url(), Map.of("CHAT_API_KEY", "up"))) {
            assertTrue(told(function.invoke(Events.post(CHAT))).contains("\"message\":\"upstream says 404\""));
            assertTrue(function.process.messages().stream().anyMatch(line -> line.contains("\"WARN\"") && line.contains("CHAT_API_KEY")
                    && line.contains("fewer than 8 characters")), function.process.output());
        }
    }

    /** As upstreams do that log what they answer: the key in what goes into the log. */
    @Test
    void noKeyGoesIntoTheLog() throws InterruptedException {
        upstream.script(answering(200, "application/json", "{\"model\":\"m\",\"choices\":[]}".replace("\"m\"", "\"" + KEY_SPELLED + "\"")));
        assertTrue(fallback.lambda.invoke(CHAT.getBytes(StandardCharsets.UTF_8), Caller.NONE).text().contains(KEY_SPELLED), "it passes as it is");
        assertEquals("[key]", fallback.accessLine().path("answeredModel").asText());
        upstream.script(answering(500, "application/json", "{\"message\":\"no\",\"code\":\"" + KEY_SPELLED + "\"}"));
        fallback.invoke(CHAT);
        assertEquals("server_error", fallback.accessLine().path("code").asText());
    }

    private static void answered(Deployed function) {
        String said = told(function.invoke(Events.post(CHAT)));
        assertTrue(said.startsWith("200") && said.endsWith(FINE), said);
    }

    /** Status, headers and body, as text, whether the reply is whole or streamed. */
    static String told(Outcome outcome) {
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
