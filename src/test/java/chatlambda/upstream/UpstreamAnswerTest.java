package chatlambda.upstream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.Events;
import chatlambda.chat.ChatError;
import chatlambda.chat.Redaction;
import chatlambda.chat.Route;
import chatlambda.chat.Usage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class UpstreamAnswerTest {

    /** Alone, there is always enough of it. */
    private static final BytesInFlight.Share ROOM = new BytesInFlight(0).begin();

    private static UpstreamAnswer answer(int status, String body) {
        return answer(status, Map.of("content-type", "application/json"), body.getBytes(StandardCharsets.UTF_8));
    }

    private static UpstreamAnswer answer(int status, Map<String, String> headers, byte[] body) {
        return answer(status, headers, body, "sk-test-key");
    }

    private static UpstreamAnswer answer(int status, Map<String, String> headers, byte[] body, String key) {
        return new UpstreamAnswer(Route.CHAT, status, headers, body, new Redaction(key), () -> key);
    }

    private static ChatError error(UpstreamAnswer answer) {
        return assertThrows(Failure.class, () -> answer.completion(true)).error();
    }

    private static ChatError error(int status, String body) {
        return error(answer(status, body));
    }

    @Test
    void aCompletionIsTheUpstreamsOwnBytes() throws Failure {
        var answer = answer(201, " {\"choices\":[],\"error\":null,\"n\":1.10,\"x\":{\"error\":1}} ");
        assertSame(answer.body(), answer.completion(true).body());
        assertEquals(200, answer.completion(true).status());
    }

    @Test
    void onlyWhatCallersNeedOfTheHeadersIsPassedOn() throws Failure {
        var headers = Map.of("content-type", "application/json; charset=utf-8", "x-inference-id", "i1", "x-ratelimit-remaining-requests",
                "9", "retry-after", "3", "x-aimlapi-usd-spent", "0.1", "set-cookie", "a=b", "server", "nginx", "content-length", "2");
        assertEquals(Map.of("content-type", "application/json", "x-request-id", "i1", "x-ratelimit-remaining-requests", "9", "retry-after",
                "3", "x-aimlapi-usd-spent", "0.1"), answer(200, headers, "{}".getBytes()).completion(true).headers());
    }

    @ParameterizedTest
    @CsvSource({ "200, 200", "201, 200", "299, 299" })
    void every2xxWithAnObjectIsACompletion(int status, int passedOn) throws Failure {
        assertEquals(passedOn, answer(status, "{}").completion(true).status());
    }

    @ParameterizedTest
    @CsvSource({ "199, 502", "300, 502", "399, 502", "400, 400", "599, 599", "600, 502" })
    void everyOtherStatusIsAnErrorThatACallerCanTake(int status, int passedOn) {
        assertEquals(passedOn, error(status, "{}").status());
    }

    @ParameterizedTest
    @CsvSource({ "300, true", "399, true", "400, false", "299, false" })
    void aRedirectAloneIsToldAsOne(int status, boolean redirect) {
        assertEquals(redirect, error(status, "{\"error\":\"e\"}").getMessage().contains("a redirect"));
    }

    @ParameterizedTest
    @CsvSource({ "199, false", "200, true", "299, true", "300, false" })
    void onlyA2xxIsAStream(int status, boolean stream) {
        var answer = answer(status, Map.of("content-type", "text/event-stream"), new byte[0]);
        assertEquals(stream, answer.isLabelledAsEvents());
        assertEquals(false, answer(status, "").isLabelledAsEvents());
    }

    /** What is asked for counts, and of an answer its first bytes more than its label. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            application/json  | data: 1~~         | unexpected_stream
            text/event-stream | data: 1~~         | unexpected_stream
            text/event-stream | x: 1~~            | unexpected_stream
            text/event-stream | ``                | unexpected_stream
            text/plain        | : x~~             | unexpected_stream
            text/event-stream | {"choices":[]}    | application/json
            text/event-stream | \ufeff {"choices":[]} | application/json
            """)
    void theLabelMayLie(String label, String body, String outcome) {
        byte[] bytes = (body == null ? "" : body.replace('~', '\n').replace("\\ufeff", "\ufeff")).getBytes(StandardCharsets.UTF_8);
        var answer = answer(200, Map.of("content-type", label), bytes);
        String came;
        try {
            came = answer.completion(false).headers().get("content-type");
        } catch (Failure e) {
            assertEquals("502 false", e.error().status() + " " + e.error().headers().get("x-should-retry"));
            came = e.error().code();
        }
        assertEquals(outcome, came);
    }

    @ParameterizedTest
    @ValueSource(strings = { "", "\n\n", "\ufeff", "dat" })
    void whereAStreamWasAskedForNothingIsNoAnswer(String body) {
        assertEquals("upstream_incomplete", error(answer(200, body)).code());
    }

    private static byte[] coded(String coding, String text) throws IOException {
        var coded = new ByteArrayOutputStream();
        try (OutputStream out = switch (coding) {
            case "gzip", "x-gzip", "identity, GZIP" -> new GZIPOutputStream(coded);
            case "deflate" -> new DeflaterOutputStream(coded);
            case "raw" -> new DeflaterOutputStream(coded, new Deflater(9, true));
            default -> coded;
        }) {
            out.write(text.getBytes(StandardCharsets.UTF_8));
        }
        return coded.toByteArray();
    }

    private static UpstreamAnswer encoded(int status, String coding, String text) throws IOException {
        return answer(status, Map.of("content-encoding", coding.equals("raw") ? "deflate" : coding), coded(coding, text));
    }

    @ParameterizedTest
    @ValueSource(strings = { "gzip", "x-gzip", "identity, GZIP", "deflate", "raw", "identity", "" })
    void aKnownCodingIsTakenOffAndBoundsThePlainText(String coding) throws Exception {
        String text = "{\"a\":\"" + "x".repeat(1_000) + "\"}";
        var plain = encoded(200, coding, text).decoded(text.length(), ROOM);
        assertEquals(text, new String(plain.completion(false).body(), StandardCharsets.UTF_8));
        assertEquals("no", error(encoded(429, coding, "{\"message\":\"no\"}").decoded(1_000, ROOM)).getMessage());
        if (plain.body() != coded(coding, text) && !coding.isEmpty() && !coding.equals("identity")) {
            var tooLong = encoded(200, coding, text);
            assertEquals("response_too_large", assertThrows(Failure.class, () -> tooLong.decoded(text.length() - 1, ROOM)).error().code());
            var error = encoded(500, coding, "{\"message\":\"no\",\"a\":\"" + "x".repeat(UpstreamError.MAX_BODY) + "\"}")
                    .decoded(UpstreamError.MAX_BODY, ROOM);
            assertEquals("no", error(error).getMessage());
            var events = encoded(200, coding, "data: 1\n\n");
            assertEquals("unsupported_encoding", assertThrows(Failure.class, () -> events.decoded(1_000, ROOM)).error().code());
        }
    }

    @ParameterizedTest
    @CsvSource({ "200, br", "429, zstd", "500, 'gzip, gzip'", "200, compress" })
    void anUnknownCodingIsNamed(int status, String coding) {
        var answer = answer(status, Map.of("content-encoding", coding, "x-should-retry", "true"), new byte[] { 1 });
        var error = assertThrows(Failure.class, () -> answer.decoded(1_000, ROOM)).error();
        assertEquals("502 unsupported_encoding false", error.status() + " " + error.code() + " " + error.headers().get("x-should-retry"));
        assertTrue(error.getMessage().contains("content coding " + coding + ","), error.getMessage());
    }

    @Test
    void aCodingThatTheBodyDoesNotHaveIsToldOrPassedOver() throws Failure {
        for (String coding : new String[] { "gzip", "deflate" }) {
            var whole = answer(200, Map.of("content-encoding", coding), "no {}".getBytes(StandardCharsets.UTF_8));
            String said = assertThrows(Failure.class, () -> whole.decoded(1_000, ROOM)).error().getMessage();
            assertTrue(said.contains("cannot be decoded as " + coding), said);
            var plain = answer(200, Map.of("content-encoding", coding), " {\"a\":1}".getBytes(StandardCharsets.UTF_8)).decoded(1_000, ROOM);
            assertEquals(" {\"a\":1}", new String(plain.completion(false).body(), StandardCharsets.UTF_8));
            var cut = answer(200, Map.of("content-encoding", coding, "content-type", "text/event-stream"), new byte[] { 31 });
            assertEquals("unsupported_encoding", assertThrows(Failure.class, () -> cut.decoded(1_000, ROOM)).error().code());
        }
        var error = answer(503, Map.of("content-encoding", "gzip"), "no {}".getBytes(StandardCharsets.UTF_8)).decoded(1_000, ROOM);
        assertEquals("503 the upstream answered 503 with an empty body", error(error).status() + " " + error(error).getMessage());
        assertEquals(0, answer(200, Map.of("content-encoding", "br"), new byte[0]).decoded(1_000, ROOM).body().length);
    }

    /** API Gateway takes 10 KB of headers: what is longer than 1 KB is left out, and what comes after 8 KB. */
    @Test
    void ofTheHeadersGoesOnWhatTheFrontDoorsTake() throws Failure {
        var headers = new HashMap<String, String>();
        for (int i = 10; i < 30; i++) {
            headers.put("x-ratelimit-" + i, "v".repeat(600));
        }
        headers.putAll(Map.of("retry-after", "3", "x-request-id", "r1", "x-ratelimit-00", "v".repeat(1_011),
                "anthropic-ratelimit-x", "1", "x-ratelimit-01", "\"".repeat(506)));
        var passed = answer(200, headers, "{}".getBytes(StandardCharsets.UTF_8)).completion(false).headers();
        assertEquals("r1 3 1", passed.get("x-request-id") + " " + passed.get("retry-after") + " " + passed.get("anthropic-ratelimit-x"));
        assertFalse(passed.containsKey("x-ratelimit-00"), "1,025 bytes");
        assertFalse(passed.containsKey("x-ratelimit-01"), "1,026 bytes in JSON");
        assertTrue(passed.containsKey("x-ratelimit-22") && !passed.containsKey("x-ratelimit-23"), passed.keySet().toString());
        headers.put("x-ratelimit-00", "v".repeat(1_010));
        passed = answer(200, headers, "{}".getBytes(StandardCharsets.UTF_8)).completion(false).headers();
        assertTrue(passed.containsKey("x-ratelimit-00"));
        assertFalse(answer(200, Map.of("x-request-id", "v".repeat(1_013)), "{}".getBytes(StandardCharsets.UTF_8)).completion(false)
                .headers().containsKey("x-request-id"));
    }

    @Test
    void anErrorComesWithTheUpstreamsHeaders() {
        var answer = answer(429, Map.of("retry-after", "3", "set-cookie", "a=b", "x-request-id", "r1"), new byte[0]);
        assertEquals(Map.of("retry-after", "3", "x-request-id", "r1"), error(answer).headers());
    }

    @Test
    void anErrorIsNeverTooLargeToBePassedOn() {
        assertEquals("m".repeat(4_000), error(400, "{\"message\":\"" + "m".repeat(4_000) + "\"}").getMessage());
        assertEquals("m".repeat(4_000) + "...", error(400, "{\"message\":\"" + "m".repeat(4_001) + "\"}").getMessage());
        for (int length : new int[] { 63_994, 63_995 }) { // with ,"x":"" around it 64,000 and 64,001
            String member = ",\"x\":\"" + "m".repeat(length - 1) + "\"";
            String json = new String(error(400, "{\"message\":\"m\"" + member + "}").json(), StandardCharsets.UTF_8);
            assertEquals(length == 63_994, json.contains(member), () -> "of " + member.length());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = { "", "OK", "[]", "\"x\"", "{\"choices\":[", "{}{}", "<html>" })
    void a2xxThatIsNoJsonObjectIs502(String body) {
        assertEquals(502, error(200, body).status());
    }

    @Test
    void a2xxWithAnErrorIs502() {
        var error = error(200, "{\"error\":{\"message\":\"overloaded\",\"code\":529}}");
        assertEquals("{\"error\":{\"message\":\"overloaded\",\"type\":\"api_error\",\"param\":null,\"code\":\"529\"}}",
                new String(error.json(), StandardCharsets.UTF_8));
        assertEquals(502, error.status());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            429 | {"message":"Too Many Requests","path":"/v1/x","requestId":"r1","statusCode":"429","timestamp":"t"} | {"error":{"message":"Too Many Requests","type":"rate_limit_error","param":null,"code":null,"path":"/v1/x","requestId":"r1","statusCode":"429","timestamp":"t","request_id":"r1"}}
            400 | {"error":{"message":"bad","type":"invalid_request_error","param":"top_p","code":"out_of_range","hint":{"max":1.0}}} | {"error":{"message":"bad","type":"invalid_request_error","param":"top_p","code":"out_of_range","hint":{"max":1.0}}}
            429 | {"error":{"message":"pay","type":"insufficient_quota","code":"insufficient_quota"},"request_id":"q"} | {"error":{"message":"pay","type":"rate_limit_error","param":null,"code":"insufficient_quota","request_id":"q","upstream_type":"insufficient_quota"}}
            429 | {"message":"outer","error":{"message":"inner"},"code":1} | {"error":{"message":"inner","type":"rate_limit_error","param":null,"code":"1"}}
            429 | {"code":1,"type":"t","error":{"message":"inner","code":"c","type":"u"},"message":"outer"} | {"error":{"message":"inner","type":"rate_limit_error","param":null,"code":"c","upstream_type":"u"}}
            403 | {"message":"out of credits","statusCode":403} | {"error":{"message":"out of credits","type":"permission_error","param":null,"code":null,"statusCode":403}}
            400 | {"message":["a must be 1","b must be 2"]} | {"error":{"message":"[\\"a must be 1\\",\\"b must be 2\\"]","type":"invalid_request_error","param":null,"code":null}}
            404 | {"error":"no such model"} | {"error":{"message":"no such model","type":"invalid_request_error","param":null,"code":null}}
            404 | {"message":"Cannot POST /v9","error":"Not Found","statusCode":404} | {"error":{"message":"Cannot POST /v9","type":"invalid_request_error","param":null,"code":null,"statusCode":404,"error":"Not Found"}}
            400 | [{"error":{"message":"API key not valid","statusCode":1},"statusCode":2}] | {"error":{"message":"API key not valid","type":"invalid_request_error","param":null,"code":null,"statusCode":1}}
            500 | {"message":"m","type":"t","upstream_type":"u"} | {"error":{"message":"m","type":"server_error","param":null,"code":null,"upstream_type":"u"}}
            500 | {"message":"m","error":["e"],"error":"f"} | {"error":{"message":"m","type":"server_error","param":null,"code":null,"error":["e"]}}
            503 | {"detail":"x"} | {"error":{"message":"x","type":"server_error","param":null,"code":null,"detail":"x"}}
            422 | {"detail":[{"msg":"Field required","loc":["body","model"],"type":"missing"},{"msg":"b","loc":["c",0]},"d"]} | {"error":{"message":"body.model: Field required; c.0: b; d","type":"invalid_request_error","param":null,"code":null,"detail":[{"msg":"Field required","loc":["body","model"],"type":"missing"},{"msg":"b","loc":["c",0]},"d"]}}
            400 | {"msg":"m","errors":[{"message":"e"}],"detail":null} | {"error":{"message":"m","type":"invalid_request_error","param":null,"code":null,"msg":"m","errors":[{"message":"e"}],"detail":null}}
            400 | {"errors":[{"message":"e"},{"message":"f"}]} | {"error":{"message":"e","type":"invalid_request_error","param":null,"code":null,"errors":[{"message":"e"},{"message":"f"}]}}
            400 | {"detail":"d","error":"e","code":7} | {"error":{"message":"e","type":"invalid_request_error","param":null,"code":"7","detail":"d"}}
            400 | {"error":{"code":"c","message":null},"message":"outer"} | {"error":{"message":"outer","type":"invalid_request_error","param":null,"code":"c"}}
            400 | {"error":{"detail":[{"msg":"m"}]}} | {"error":{"message":"m","type":"invalid_request_error","param":null,"code":null,"detail":[{"msg":"m"}]}}
            400 | {"message":" ","detail":{"msg":"m"}} | {"error":{"message":"m","type":"invalid_request_error","param":null,"code":null,"detail":{"msg":"m"}}}
            504 | <html>Gateway Timeout</html> | {"error":{"message":"the upstream answered 504 with no error message (28 bytes, content type application/json)","type":"timeout_error","param":null,"code":null}}
            500 | `` | {"error":{"message":"the upstream answered 500 with an empty body","type":"server_error","param":null,"code":null}}
            500 | {"message":"cut | {"error":{"message":"the upstream answered 500 with no error message (15 bytes, content type application/json)","type":"server_error","param":null,"code":null}}
            """)
    void everyErrorTakesTheFormTheSdksParse(int status, String body, String expected) {
        var error = error(status, body == null ? "" : body);
        String json = new String(error.json(), StandardCharsets.UTF_8);
        Events.json(json);
        assertEquals(expected, json);
        assertEquals(status, error.status());
    }

    @Test
    void aMessageOfAnyLengthInAnyScriptComesWithTheOtherMembers() {
        for (int length = 1; length < 300; length++) {
            String members = "\"message\":\"" + "错".repeat(length) + "\",\"hint\":\"" + "x".repeat(100) + "\"";
            assertEquals("{\"error\":{" + members.replace(",", ",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null,") + "}}",
                    new String(error(400, "{" + members + "}").json(), StandardCharsets.UTF_8));
        }
    }

    @Test
    void anErrorInUtf16IsASoundErrorToo() {
        for (String charset : new String[] { "UTF-16BE", "UTF-16LE", "UTF-16", "x-UTF-16LE-BOM", "X-UTF-32BE-BOM", "X-UTF-32LE-BOM" }) {
            byte[] body = "{\"message\":\"x\",\"y\":1}".getBytes(Charset.forName(charset));
            var answer = answer(500, Map.of(), body);
            assertTrue(error(answer).getMessage().contains("no error message"));
            assertEquals(502, error(answer(200, Map.of(), body)).status());
        }
    }

    @Test
    void aRejectedKeyIsOurFaultNotTheCallers() {
        var error = error(401, "{\"error\":{\"message\":\"Incorrect API key provided: sk-abc\"}}");
        assertEquals(500, error.status());
        assertEquals("upstream_key_rejected", error.code());
        assertTrue(!new String(error.json(), StandardCharsets.UTF_8).contains("sk-abc"));
    }

    @Test
    void aRedirectIsAnErrorThatSaysWhatToDo() {
        var error = error(302, "");
        assertEquals(502, error.status());
        assertTrue(error.getMessage().contains("CHAT_URL"), error.getMessage());
    }

    @Test
    void theKeyIsTakenOutOfErrorsAndHeadersWhereverAndHoweverItIsWritten() {
        String said = "{\"error\":{\"message\":\"a/b-a-key a\\/b-a-key ü\",\"type\":\"a/b-a-key\",\"param\":\"a/b-a-key\","
                + "\"code\":\"a/b-a-key\","
                + "\"more\":[\"Bearer a\\/b-a-key\"]}}";
        for (int status : new int[] { 200, 400, 500 }) {
            var answer = answer(status, Map.of("x-request-id", "i-a/b-a-key", "x-ratelimit-x", "1"),
                    said.getBytes(StandardCharsets.UTF_8), "a/b-a-key");
            var error = error(answer);
            assertEquals("[key] [key] ü", error.getMessage());
            assertEquals(Map.of("x-request-id", "i-[key]", "x-ratelimit-x", "1"), error.headers().entrySet().stream()
                    .filter(header -> !header.getKey().equals("x-should-retry"))
                    .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue)));
            String json = new String(error.json(), StandardCharsets.UTF_8);
            assertTrue(!json.contains("a/b") && !json.contains("a\\/b") && !json.contains("more"), json);
            assertEquals("[key]", error.code());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = { "sk-test-ab+cd==", "sk-test-ab\\u002Bcd==", "sk-test-ab\\u002bcd\\u003D\\u003D", "sk-test-ab\\\\u002bcd==",
            "\\u0073k-test-ab+cd=\\u003d", "sk-test-ab\\\\\\u002bcd==" })
    void noSpellingOfTheKeyComesOut(String spelled) {
        String key = "sk-test-ab+cd==";
        var error = error(answer(400, Map.of("x-ratelimit-" + key, "1", "x-request-id", key), ("{\"message\":\"no access for " + spelled
                + "\",\"code\":\"" + spelled + "\",\"kept\":1,\"more\":{\"a\":[\"" + spelled + "\"]},\"" + spelled + "\":2}")
                .getBytes(StandardCharsets.UTF_8), key));
        String json = new String(error.json(), StandardCharsets.UTF_8);
        assertEquals("{\"error\":{\"message\":\"no access for [key]\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"[key]\","
                + "\"kept\":1}}", json);
        assertEquals(Map.of("x-request-id", "[key]"), error.headers());
    }

    /** A header can have no line end, which an escape may be. */
    @Test
    void noEscapeIsUndoneInAHeader() {
        var headers = Map.of("x-request-id", "a\\u000d\\u000ax: \\u0073k-test-key", "retry-after", "\\n a-long-key sk-test-key",
                "x-aimlapi-a", "\\n");
        assertEquals(Map.of("x-request-id", "[key]", "retry-after", "\\n a-long-key [key]", "x-aimlapi-a", "\\n"),
                error(answer(400, headers, new byte[0])).headers());
    }

    @Test
    void aKeyThatIsCutIsNotTold() {
        String key = "sk-test-0123456789012345678901234567890";
        for (int told = 0; told < 6 * key.length(); told++) {
            String begin = "{\"message\":\"no\",\"pad\":\"";
            String member = List.of("message", "type", "error", "code", "param", "requestId").get(told % 6);
            String message = "\",\"" + member + "\":\"Incorrect API key provided: " + key.substring(0, told / 6 + 1);
            begin = member.equals("message") ? begin.replace("\"message\"", "\"x\"") : begin;
            String body = begin + "x".repeat(UpstreamError.MAX_BODY - begin.length() - message.length()) + message;
            var error = error(answer(400, Map.of(), body.getBytes(StandardCharsets.UTF_8), key));
            assertFalse(new String(error.json(), StandardCharsets.UTF_8).contains("sk-"));
        }
    }

    @Test
    void aShortKeyIsNotLookedFor() {
        assertEquals("upstream says up", error(answer(400, Map.of(), "{\"message\":\"upstream says up\"}".getBytes(StandardCharsets.UTF_8),
                "up")).getMessage());
    }

    @Test
    void aModelsNameIsToldWithoutTheKey() throws Failure {
        byte[] body = "{\"model\":\"a-long-key\"}".getBytes(StandardCharsets.UTF_8);
        assertEquals("[key]", answer(200, Map.of(), body, "a-long-key").completion(false).usage().model());
    }

    @Test
    void ofALongErrorTheMessageIsTakenFromWhatIsRead() {
        for (String begin : new String[] { "{\"message\":\"no\",\"a\":\"", "{\"error\":{\"message\":\"", "[{\"message\":\"" }) {
            for (String filler : new String[] { "x", "ü", "错", "\\n", "\\u00fc", "\\\"" }) {
                String body = begin + filler.repeat(UpstreamError.MAX_BODY / filler.getBytes(StandardCharsets.UTF_8).length + 1);
                byte[] read = Arrays.copyOf(body.getBytes(StandardCharsets.UTF_8), UpstreamError.MAX_BODY);
                var error = error(answer(500, Map.of(), read));
                assertTrue(error.getMessage().length() == 4_003 || error.getMessage().equals("no"), error.getMessage());
                assertTrue(error.json().length < 70_000);
                Events.json(new String(error.json(), StandardCharsets.UTF_8));
            }
        }
    }

    @Test
    void theRequestsIdInTheBodyIsTheHeadersWhereThatIsMissing() {
        var body = "{\"message\":\"no\",\"requestId\":\"r1\"}".getBytes(StandardCharsets.UTF_8);
        assertEquals(Map.of("x-request-id", "r1"), error(answer(400, Map.of(), body)).headers());
        assertEquals(Map.of("x-request-id", "r2"), error(answer(400, Map.of("x-inference-id", "r2"), body)).headers());
    }

    @Test
    void anUpstreamNeverOverridesThatAskingAgainIsOfNoUse() {
        var headers = Map.of("x-should-retry", "true");
        for (var answer : List.of(answer(200, headers, "no".getBytes()), answer(401, headers, new byte[0]),
                answer(302, headers, new byte[0]), answer(500, headers, "{\"message\":\"400 no\"}".getBytes(StandardCharsets.UTF_8)))) {
            assertEquals("false", error(answer).headers().get("x-should-retry"));
        }
    }

    @Test
    void theKeyOnTheEdgeOfALongMessageIsTakenOutBeforeThatIsCut() {
        String message = "x".repeat(3_998) + "a-long-key";
        var answer = answer(500, Map.of(), ("{\"message\":\"" + message + "\"}").getBytes(StandardCharsets.UTF_8), "a-long-key");
        assertEquals("x".repeat(3_998) + "[k...", error(answer).getMessage());
    }

    @Test
    void aCompletionThatQuotesTheKeyStaysAsItIs() throws Failure {
        byte[] body = "{\"choices\":\"a/b\"}".getBytes(StandardCharsets.UTF_8);
        assertSame(body, answer(200, Map.of(), body, "a/b").completion(true).body());
    }

    @Test
    void usageIsTheBodysWithTheHeadersPrice() throws Failure {
        String body = "{\"usage\":{\"prompt_tokens\":9},\"meta\":{\"usage\":{\"usd_spent\":0.5}}}";
        var expected = new Usage(9, -1, -1, new BigDecimal("0.75"), null);
        var headers = Map.of("x-aimlapi-usd-spent", "0.75");
        assertEquals(expected, answer(200, headers, body.getBytes(StandardCharsets.UTF_8)).completion(true).usage());
    }
}
