package chatlambda.upstream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.Events;
import chatlambda.chat.ChatError;
import chatlambda.chat.Usage;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class UpstreamAnswerTest {

    private static UpstreamAnswer answer(int status, String body) {
        return answer(status, Map.of("content-type", "application/json"), body.getBytes(StandardCharsets.UTF_8));
    }

    private static UpstreamAnswer answer(int status, Map<String, String> headers, byte[] body) {
        return answer(status, headers, body, "sk-test-key");
    }

    private static UpstreamAnswer answer(int status, Map<String, String> headers, byte[] body, String key) {
        return new UpstreamAnswer(status, headers, body, key, () -> key);
    }

    private static ChatError error(UpstreamAnswer answer) {
        return assertThrows(Failure.class, answer::completion).error();
    }

    private static ChatError error(int status, String body) {
        return error(answer(status, body));
    }

    @Test
    void aCompletionIsTheUpstreamsOwnBytes() throws Failure {
        var answer = answer(201, " {\"choices\":[],\"error\":null,\"n\":1.10,\"x\":{\"error\":1}} ");
        assertSame(answer.body(), answer.completion().body());
        assertEquals(200, answer.completion().status());
    }

    @Test
    void onlyWhatCallersNeedOfTheHeadersIsPassedOn() throws Failure {
        var headers = Map.of("content-type", "application/json; charset=utf-8", "x-inference-id", "i1", "x-ratelimit-remaining-requests",
                "9", "retry-after", "3", "x-aimlapi-usd-spent", "0.1", "set-cookie", "a=b", "server", "nginx", "content-length", "2");
        assertEquals(Map.of("content-type", "application/json", "x-request-id", "i1", "x-ratelimit-remaining-requests", "9", "retry-after",
                "3", "x-aimlapi-usd-spent", "0.1"), answer(200, headers, "{}".getBytes()).completion().headers());
    }

    @ParameterizedTest
    @CsvSource({ "200, 200", "201, 200", "299, 299" })
    void every2xxWithAnObjectIsACompletion(int status, int passedOn) throws Failure {
        assertEquals(passedOn, answer(status, "{}").completion().status());
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

    /** Response mode buffered, stream or not in the request. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            data: 1~~data: [DONE]~~       | data: 1~~data: [DONE]~~
            data: 1~~                     | data: 1~~data: [DONE]~~
            data: [DONE]~~data: 2~~       | data: [DONE]~~
            """)
    void aWholeStreamEndsWithItsMarker(String sent, String expected) throws Failure {
        byte[] body = sent.replace('~', '\n').getBytes(StandardCharsets.UTF_8);
        var headers = Map.of("content-type", "Text/Event-Stream; charset=utf-8", "x-request-id", "r1");
        var completion = answer(200, headers, body).completion();
        assertEquals(expected.replace('~', '\n'), new String(completion.body(), StandardCharsets.UTF_8));
        assertEquals(Map.of("content-type", "Text/Event-Stream; charset=utf-8", "x-request-id", "r1", "cache-control", "no-cache"),
                completion.headers());
        assertEquals(sent.equals(expected), body == completion.body());
    }

    @ParameterizedTest
    @CsvSource({ "199, false", "200, true", "299, true", "300, false" })
    void onlyA2xxIsAStream(int status, boolean stream) {
        var answer = answer(status, Map.of("content-type", "text/event-stream"), new byte[0]);
        assertEquals(stream, answer.isCompletionStream());
        assertEquals(false, answer(status, "").isCompletionStream());
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
            429 | {"message":"Too Many Requests","path":"/v1/x","requestId":"r1","statusCode":"429","timestamp":"t"} | {"error":{"message":"Too Many Requests","type":"rate_limit_error","param":null,"code":"r1","path":"/v1/x","requestId":"r1","statusCode":"429","timestamp":"t"}}
            400 | {"error":{"message":"bad","type":"invalid_request_error","param":"top_p","code":"out_of_range","hint":{"max":1.0}}} | {"error":{"message":"bad","type":"invalid_request_error","param":"top_p","code":"out_of_range","hint":{"max":1.0}}}
            429 | {"error":{"message":"pay","type":"insufficient_quota","code":"insufficient_quota"},"request_id":"q"} | {"error":{"message":"pay","type":"rate_limit_error","param":null,"code":"insufficient_quota","request_id":"q","upstream_type":"insufficient_quota"}}
            429 | {"message":"outer","error":{"message":"inner"},"code":1} | {"error":{"message":"inner","type":"rate_limit_error","param":null,"code":null}}
            403 | {"message":"out of credits","statusCode":403} | {"error":{"message":"out of credits","type":"permission_error","param":null,"code":null,"statusCode":403}}
            400 | {"message":["a must be 1","b must be 2"]} | {"error":{"message":"[\\"a must be 1\\",\\"b must be 2\\"]","type":"invalid_request_error","param":null,"code":null}}
            404 | {"error":"no such model"} | {"error":{"message":"no such model","type":"invalid_request_error","param":null,"code":null}}
            404 | {"message":"Cannot POST /v9","error":"Not Found","statusCode":404} | {"error":{"message":"Cannot POST /v9","type":"invalid_request_error","param":null,"code":null,"statusCode":404,"error":"Not Found"}}
            400 | [{"error":{"message":"API key not valid","statusCode":1},"statusCode":2}] | {"error":{"message":"API key not valid","type":"invalid_request_error","param":null,"code":null,"statusCode":1}}
            500 | {"message":"m","type":"t","upstream_type":"u"} | {"error":{"message":"m","type":"server_error","param":null,"code":null,"upstream_type":"u"}}
            500 | {"message":"m","error":["e"],"error":"f"} | {"error":{"message":"m","type":"server_error","param":null,"code":null,"error":["e"]}}
            503 | {"detail":"x"} | {"error":{"message":"the upstream answered 503 with no error message (14 bytes, content type application/json)","type":"server_error","param":null,"code":null,"detail":"x"}}
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
        for (int length = 0; length < 300; length++) {
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
        String said = "{\"error\":{\"message\":\"a/b a\\/b ü\",\"type\":\"a/b\",\"param\":\"a/b\",\"code\":\"a/b\","
                + "\"more\":[\"Bearer a\\/b\"]}}";
        for (int status : new int[] { 200, 400, 500 }) {
            var answer = answer(status, Map.of("x-request-id", "i-a/b", "x-ratelimit-x", "1"),
                    said.getBytes(StandardCharsets.UTF_8), "a/b");
            var error = error(answer);
            assertEquals("[key] [key] ü", error.getMessage());
            assertEquals(Map.of("x-request-id", "i-[key]", "x-ratelimit-x", "1"), error.headers().entrySet().stream()
                    .filter(header -> !header.getKey().equals("x-should-retry"))
                    .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue)));
            String json = new String(error.json(), StandardCharsets.UTF_8);
            assertTrue(!json.contains("a/b") && !json.contains("a\\/b") && json.contains("\"more\":[\"Bearer [key]\"]"), json);
            assertEquals("[key]", error.code());
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
        assertSame(body, answer(200, Map.of(), body, "a/b").completion().body());
    }

    @Test
    void usageIsTheBodysWithTheHeadersPrice() throws Failure {
        String body = "{\"usage\":{\"prompt_tokens\":9},\"meta\":{\"usage\":{\"usd_spent\":0.5}}}";
        var expected = new Usage(9, -1, -1, 0.75, null);
        var headers = Map.of("x-aimlapi-usd-spent", "0.75");
        assertEquals(expected, answer(200, headers, body.getBytes(StandardCharsets.UTF_8)).completion().usage());
        headers = Map.of("x-aimlapi-usd-spent", "0.75", "content-type", "text/event-stream");
        byte[] events = ("data: " + body + "\n\n").getBytes(StandardCharsets.UTF_8);
        assertEquals(expected, answer(200, headers, events).completion().usage());
    }
}
