package chatlambda;

import static chatlambda.ScriptedUpstream.answering;
import static io.restassured.RestAssured.given;
import static org.hamcrest.Matchers.containsString;
import static org.hamcrest.Matchers.equalTo;
import static org.hamcrest.Matchers.is;
import static org.hamcrest.Matchers.matchesPattern;
import static org.hamcrest.Matchers.not;
import static org.hamcrest.Matchers.nullValue;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.restassured.specification.RequestSpecification;
import jakarta.json.JsonObject;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What callers see of the packaged function, by way of a Function URL and as events. */
class ChatFunctionIT {

    private static final String CHAT = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
    private static final String COMPLETION = "{ \"id\":\"c1\",\"n\":1.10,\"big\":12345678901234567890,\"choices\":[{\"message\":{\"content\":"
            + "\"Gr\\u00fc\\u00df \uD83D\uDE00 \\ud83d\\ude00 \\\"\\\\ \\/\"}}],\"choices\":[] }\n";

    private static ScriptedUpstream upstream;
    private static Deployed function;

    @BeforeAll
    static void start() {
        upstream = ScriptedUpstream.start(answering(200, "application/json", COMPLETION));
        function = Deployed.against(upstream.url(), Map.of("CHAT_CONNECT_TIMEOUT", "1s", "CHAT_TIMEOUT", "3s"));
    }

    @AfterAll
    static void stop() {
        function.close();
        upstream.close();
    }

    @AfterEach
    void stillRuns() {
        upstream.script(answering(200, "application/json", COMPLETION));
        assertEquals(COMPLETION, function.invoke(CHAT).text(), "the next invocation works");
        String output = function.process.output();
        assertFalse(output.contains(Deployed.KEY) || output.contains("Grü") || output.contains("Hi\""), output);
    }

    private static RequestSpecification post(String body) {
        return given().baseUri(function.lambda.url().toString()).contentType("application/json").body(body);
    }

    @Test
    void theCompletionComesBackByteForByte() {
        upstream.script(answering(200, "application/json; charset=utf-8", COMPLETION, "x-inference-id: i1", "x-ratelimit-remaining-tokens: 5",
                "retry-after: 2", "x-aimlapi-credits-used: 42", "set-cookie: a=b", "server: nginx"));
        var response = post(CHAT).post("/v1/chat/completions").then().statusCode(200).contentType("application/json")
                .header("x-request-id", "i1").header("x-ratelimit-remaining-tokens", "5").header("retry-after", "2")
                .header("x-aimlapi-credits-used", "42").header("set-cookie", nullValue()).header("server", nullValue())
                .header("server-timing", matchesPattern("upstream;dur=[0-9]+\\.[0-9], total;dur=[0-9]+\\.[0-9]")).extract();
        assertArrayEquals(COMPLETION.getBytes(StandardCharsets.UTF_8), response.asByteArray());
    }

    @Test
    void theRequestGoesUpstreamByteForByteWithOurKeyAndNothingOfTheCallers() {
        String body = "{ \"x\":1e400,\"x\":-0.0, \"model\":\"\\u006d\" ,\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800 ü \\/\"}]}\n";
        upstream.script(answering(200, "application/json", COMPLETION));
        post(body).header("Authorization", "Bearer sk-test-callers").header("x-secret", "sk-test-callers")
                .header("Cookie", "callers=sk-test-callers").post("/v1/chat/completions").then().statusCode(200);
        var request = upstream.request();
        assertEquals(body, request.text());
        assertEquals("POST /v1/chat/completions HTTP/1.1", request.head().startLine());
        assertEquals("Bearer " + Deployed.KEY, request.head().field("authorization"));
        assertEquals("application/json", request.head().field("content-type"));
        assertFalse(request.head().fields().values().stream().anyMatch(value -> value.contains("callers")));
    }

    @Test
    void aRequestWithoutModelGetsTheDefaultOne() {
        upstream.script(answering(200, "application/json", COMPLETION));
        function.invoke("{\"messages\":[{\"role\":\"user\"}]}");
        assertEquals("{\"model\":\"google/gemini-2.5-pro-preview-05-06\",\"messages\":[{\"role\":\"user\"}]}", upstream.request().text());
    }

    @ParameterizedTest
    @ValueSource(strings = { "/v1/chat/completions", "/chat/completions", "/v1/chat/completions/", "/chat/completions/?x=1" })
    void theChatRouteIsServed(String path) {
        post(CHAT).post(path).then().statusCode(200).body(equalTo(COMPLETION));
    }

    /** A mapping key or listener prefix before {@code /v1}, a slash too many, and Azure's form, behind each front door. */
    @ParameterizedTest
    @ValueSource(strings = { "/llm/v1/chat/completions", "//v1/chat/completions", "/openai/deployments/other/chat/completions" })
    void whatStandsBeforeTheChatRouteDoesNotMatter(String path) {
        for (String door : new String[] { "http-api", "http-api-stage", "function-url", "rest-api", "rest-api-from-http-api", "alb" }) {
            String event = Events.file(door).replace("POST /v1/chat/completions", "$default").replace("/v1/chat/completions", path);
            var reply = function.reply(event);
            assertEquals(200, reply.getInt("statusCode"), door);
            assertEquals(COMPLETION, reply.getString("body"), door);
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            /openai/deployments/gpt-4o/chat/completions  | gpt-4o
            /deployments/a%2Fb+c/chat/completions/       | a/b+c
            /deployments/a/b/chat/completions            | google/gemini-2.5-pro-preview-05-06
            """)
    void azuresDeploymentIsTheModelOfARequestThatNamesNone(String path, String model) {
        upstream.script(answering(200, "application/json", COMPLETION));
        var reply = function.reply(Events.http("POST", path, "application/json", "{\"messages\":[{\"role\":\"user\"}]}"));
        assertEquals(200, reply.getInt("statusCode"));
        assertEquals(model, reply.getJsonObject("headers").getString("x-chat-model"));
        assertEquals("{\"model\":\"" + model + "\",\"messages\":[{\"role\":\"user\"}]}", upstream.request().text());
        upstream.script(answering(200, "application/json", COMPLETION));
        assertEquals(200, status(Events.http("POST", path, "application/json", CHAT)));
        assertEquals(CHAT, upstream.request().text(), "a model that the body names goes before");
    }

    @Test
    void aModelThatThePathNamesIsSubjectToTheLimits() {
        upstream.script(answering(200, "application/json", COMPLETION));
        try (var limited = Deployed.against(upstream.url(), Map.of("CHAT_MODEL", "a", "CHAT_ALLOWED_MODELS", "a"))) {
            String body = "{\"messages\":[{\"role\":\"user\"}]}";
            var refused = limited.reply(Events.http("POST", "/deployments/b/chat/completions", "application/json", body));
            assertEquals(403, refused.getInt("statusCode"));
            assertEquals("model_not_allowed", Deployed.error(refused).getString("code"));
            assertTrue(upstream.requests.isEmpty());
            var allowed = limited.reply(Events.http("POST", "/deployments/a/chat/completions", "application/json", body));
            assertEquals(200, allowed.getInt("statusCode"));
        }
    }

    @Test
    void a201IsAnsweredAs200AndTheLambdaRequestIdStandsInForTheUpstreams() {
        upstream.script(answering(201, "application/json", COMPLETION));
        post(CHAT).post("/v1/chat/completions").then().statusCode(200).header("x-request-id", matchesPattern("[0-9a-f-]{36}"));
    }

    @Test
    void aJsonTypeWithSuffixOrNoTypeIsJson() {
        for (String type : new String[] { "application/json; charset=utf-8", "application/vnd.api+json", null }) {
            assertEquals(200, status(Events.http("POST", "/v1/chat/completions", type, CHAT)));
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            GET  | /v1/chat/completions | application/json | {} | 405 | GET is not allowed here
            POST | /v1/models           | application/json | {} | 405 | POST is not allowed here: use GET
            POST | /v1/images           | application/json | {} | 404 | no such path: /v1/images
            POST | /v1/chat/completions/x | application/json | {} | 404 | no such path
            POST | /v1/Chat/Completions | application/json | {} | 404 | no such path
            GET  | /llm/v1/chat/completions | application/json | {} | 405 | GET is not allowed here
            POST | /v1/chat/completions | text/plain       | {} | 415 | the content type is text/plain
            POST | /v1/chat/completions | application/json | {} | 400 | messages is missing
            POST | /v1/chat/completions | application/json | `` | 400 | the request body is empty
            POST | /v1/chat/completions | application/json | {"messages":[{"role":"user"}],} | 400 | at line 1, column 31
            """)
    void theCallersFaultsAreToldInTheSdksForm(String method, String path, String type, String body, int status, String message) {
        upstream.script(answering(200, "application/json", COMPLETION));
        var reply = function.reply(Events.http(method, path, type, body == null ? "" : body));
        var error = Deployed.error(reply);
        assertEquals(status, reply.getInt("statusCode"));
        assertEquals("invalid_request_error", error.getString("type"));
        assertTrue(error.getString("message").contains(message), error.getString("message"));
        assertEquals("application/json", reply.getJsonObject("headers").getString("content-type"));
        String allowed = message.endsWith("use GET") ? "GET" : "POST";
        assertEquals(status == 405 ? allowed : "none", reply.getJsonObject("headers").getString("allow", "none"));
        assertTrue(upstream.requests.isEmpty());
    }

    @Test
    void aBodyThatCannotBeDecodedIsTheCallersFault() {
        String event = Events.post("%%%").replace("\"isBase64Encoded\":false", "\"isBase64Encoded\":true");
        assertEquals(400, status(event));
    }

    @ParameterizedTest
    @ValueSource(ints = { 400, 402, 403, 404, 409, 413, 422, 429, 500, 502, 503, 504 })
    void theUpstreamsErrorsKeepTheirStatusAndMembers(int status) {
        upstream.script(answering(status, "application/json", "{\"message\":\"No.\",\"requestId\":\"r1\",\"statusCode\":" + status + "}",
                "Retry-After: 7"));
        post(CHAT).post("/v1/chat/completions").then().statusCode(status).header("retry-after", "7")
                .body("error.message", is("No.")).body("error.code", nullValue()).body("error.request_id", is("r1")).header("x-request-id", "r1")
                .body("error.statusCode", is(status));
    }

    @Test
    void anUpstreamThatRejectsOurKeyIsNotTheCallersFault() {
        upstream.script(answering(401, "application/json", "{\"message\":\"bad key " + Deployed.KEY + "\"}"));
        post(CHAT).post("/v1/chat/completions").then().statusCode(500).body("error.type", is("server_error"))
                .body("error.code", is("upstream_key_rejected")).body(not(containsString(Deployed.KEY)));
    }

    @Test
    void anHtmlErrorPageBecomesASoundError() {
        upstream.script(answering(503, "text/html", "<html>down</html>"));
        post(CHAT).post("/v1/chat/completions").then().statusCode(503).contentType("application/json")
                .body("error.type", is("server_error")).body("error.message", containsString("503"));
    }

    @ParameterizedTest
    @ValueSource(strings = { "{\"error\":{\"message\":\"x\"}}", "OK", "", "[]" })
    void a200WithoutACompletionIs502(String body) {
        upstream.script(answering(200, "application/json", body));
        post(CHAT).post("/v1/chat/completions").then().statusCode(502).body("error.type", is("api_error"));
    }

    @Test
    void aRedirectIsNotFollowed() {
        upstream.script(answering(307, null, "", "Location: " + upstream.url() + "/elsewhere"));
        post(CHAT).post("/v1/chat/completions").then().statusCode(502).body("error.message", containsString("redirect"));
        assertEquals(1, upstream.requests.size());
    }

    @ParameterizedTest
    @ValueSource(strings = { "", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\"",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"id\"", "garbage\r\n\r\n" })
    void aLostConnectionIs502AndNamesTheHost(String before) {
        upstream.script((request, connection) -> {
            ScriptedUpstream.write(connection, before);
            connection.close();
        });
        post(CHAT).post("/v1/chat/completions").then().statusCode(502).body("error.code", is("upstream_unreachable"))
                .body("error.message", containsString(upstream.url().getAuthority()));
    }

    @Test
    void noAnswerInTimeIs504SaysWhatToRaiseAndCallsTheUpstreamOff() throws InterruptedException {
        var calledOff = new CountDownLatch(1);
        upstream.script((request, connection) -> {
            if (connection.getInputStream().read() < 0) {
                calledOff.countDown();
            }
        });
        post(CHAT).post("/v1/chat/completions").then().statusCode(504).body("error.type", is("timeout_error"))
                .body("error.code", is("upstream_timeout")).body("error.message", containsString("3.0 s"))
                .body("error.message", containsString("CHAT_TIMEOUT"));
        assertTrue(calledOff.await(30, TimeUnit.SECONDS));
    }

    @Test
    void anAnswerOverTheFrontDoorsLimitIs502() {
        for (var size : Map.of(7_000_000, Events.post(CHAT), 1_100_000, Events.asChat(Events.json(Events.file("alb")), CHAT)).entrySet()) {
            upstream.script(answering(200, "application/json", "{\"x\":\"" + "x".repeat(size.getKey()) + "\"}"));
            var reply = function.reply(size.getValue());
            assertEquals(502, reply.getInt("statusCode"));
            assertTrue(reply.getString("body").contains("\"code\":\"response_too_large\""), reply.getString("body"));
        }
    }

    @Test
    void anAnswerJustUnderTheLimitPasses() {
        String completion = "{\"x\":\"" + "ü".repeat(3_000_000) + "\"}";
        upstream.script(answering(200, "application/json", completion));
        assertEquals(completion, function.invoke(CHAT).text());
        assertEquals(completion, post(CHAT).post("/v1/chat/completions").then().statusCode(200).extract().asString());
    }

    @ParameterizedTest
    @ValueSource(ints = { 400, 429, 500 })
    void aCallingLambdaGetsAnUpstreamErrorAsAFunctionError(int status) {
        upstream.script(answering(status, "application/json", "{\"message\":\"No.\"}"));
        assertFunctionError("Chat.UpstreamError", "No.", CHAT);
    }

    @Test
    void aCallingLambdaCanTellFailuresApart() {
        assertFunctionError("Chat.InvalidRequest", "messages is an empty array", "{\"messages\":[]}");
        upstream.script((request, connection) -> connection.close());
        assertFunctionError("Chat.UpstreamUnreachable", "closed", CHAT);
        upstream.script((request, connection) -> {
        });
        assertFunctionError("Chat.UpstreamTimeout", "3.0 s", CHAT);
        upstream.script(answering(200, "application/json", "{\"x\":\"" + "x".repeat(7_000_000) + "\"}"));
        assertFunctionError("Chat.ResponseTooLarge", "goes on after 6291556 bytes", CHAT);
    }

    private static void assertFunctionError(String type, String message, String event) {
        var outcome = function.invoke(event);
        assertTrue(outcome.functionError(), outcome.text());
        var error = Events.json(outcome.text());
        assertEquals(type, error.getString("errorType"));
        String said = Events.json(error.getString("errorMessage")).getJsonObject("error").getString("message");
        assertTrue(said.contains(message), said);
    }

    @ParameterizedTest
    @MethodSource("chatlambda.Events#all")
    void everyEventIsAnsweredAsItIs(Path file) {
        String event = Events.read(file);
        JsonObject json = Events.json(event);
        boolean asksForModels = file.toString().contains("models");
        upstream.script(answering(200, "application/json", asksForModels ? "{\"data\":[]}" : COMPLETION));
        var outcome = function.invoke(event);
        if (file.toString().contains("schedule")) { // it keeps an instance warm
            assertEquals("{}", outcome.text());
        } else if (file.toString().contains("not-") || file.toString().contains("odd-")) {
            assertTrue(outcome.functionError(), outcome.text());
        } else if (json.containsKey("messages")) {
            assertEquals(COMPLETION, outcome.text());
        } else {
            var reply = Events.json(outcome.text());
            boolean probe = event.contains("ELB-HealthChecker");
            boolean ours = file.startsWith("events");
            assertEquals(probe || ours ? 200 : 404, reply.getInt("statusCode"), outcome.text());
        }
    }

    @ParameterizedTest
    @MethodSource("chatlambda.Events#all")
    void everyHttpEventCanCarryAChatRequest(Path file) {
        JsonObject json = Events.json(Events.read(file));
        if (json.containsKey("requestContext") && !file.toString().contains("not-")) {
            upstream.script(answering(200, "application/json", COMPLETION));
            var reply = function.reply(Events.asChat(json, CHAT));
            assertEquals(200, reply.getInt("statusCode"));
            assertEquals(COMPLETION, reply.getString("body"));
            assertEquals(CHAT, upstream.request().text());
            boolean alb = json.getJsonObject("requestContext").containsKey("elb");
            assertEquals(alb ? "200 OK" : "none", reply.getString("statusDescription", "none"));
            assertEquals(alb && json.containsKey("multiValueHeaders"), reply.containsKey("multiValueHeaders"));
        }
    }

    @Test
    void aFrontDoorsProbeIsAnsweredWithoutAskingTheUpstream() {
        upstream.script(answering(200, "application/json", COMPLETION));
        assertEquals(200, status(Events.file("alb-health-check")));
        assertTrue(upstream.requests.isEmpty());
    }

    @ParameterizedTest
    @ValueSource(strings = { "[]", "\"x\"", "1", "true", "null", "{}", "{\"requestContext\":7}" })
    void whatIsNoRequestIsAClearFunctionError(String event) {
        var outcome = function.invoke(event);
        assertTrue(outcome.functionError());
        assertTrue(outcome.text().contains("Chat.UnsupportedEvent") && outcome.text().contains("is not a chat request"), outcome.text());
    }

    @Test
    void anUpstreamThatIsNotThereIs502AndNamesHostAndCause() throws IOException {
        int closed;
        try (var socket = new ServerSocket(0)) {
            closed = socket.getLocalPort();
        }
        for (String url : new String[] { "http://127.0.0.1:" + closed, "http://no-such-host.invalid" }) {
            try (var lost = Deployed.against(URI.create(url), Map.of())) {
                var reply = lost.reply(Events.post(CHAT));
                assertEquals(502, reply.getInt("statusCode"));
                var error = Deployed.error(reply);
                assertEquals("upstream_unreachable", error.getString("code"));
                String cause = url.contains("invalid") ? "name is not known" : "refused";
                assertTrue(error.getString("message").contains(URI.create(url).getAuthority())
                        && error.getString("message").contains(cause), error.getString("message"));
            }
        }
    }

    private static int status(String event) {
        return function.reply(event).getInt("statusCode");
    }
}
