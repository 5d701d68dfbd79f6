package chatlambda;

import static chatlambda.Deployed.error;
import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.streaming;
import static chatlambda.ScriptedUpstream.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.local.LocalLambda.InvokeMode;
import com.fasterxml.jackson.databind.JsonNode;
import jakarta.json.Json;
import jakarta.json.JsonObject;
import jakarta.json.JsonObjectBuilder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Who gets in, what for, and what the log tells of it. */
class AccessIT {

    private static final String APP = "sk-test-app";
    private static final String BATCH = "sk-test-batch";
    private static final String CHAT = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a prompt\"}]}";
    private static final String COMPLETION = "{\"choices\":[{\"message\":{\"content\":\"an answer\"}}],\"usage\":{\"prompt_tokens\":3,"
            + "\"completion_tokens\":5,\"completion_tokens_details\":{\"reasoning_tokens\":4}}}";

    private static ScriptedUpstream upstream;
    private static Deployed keys;

    @BeforeAll
    static void start() throws Exception {
        upstream = ScriptedUpstream.start(answering(200, "application/json", COMPLETION));
        keys = Deployed.against(upstream.url(), Map.of(
                "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", "app=" + sha256(APP) + ",batch=" + sha256(BATCH),
                "CHAT_ALLOWED_MODELS", "batch=small/*,batch=m,direct=m",
                "CHAT_MAX_REQUEST_BYTES", "2000,batch=100", "CHAT_MAX_TOKENS_CAP", "batch=50",
                "CHAT_FALLBACK_MODELS", "big/one,small/one", "CHAT_RETRIES", "0"));
    }

    @AfterAll
    static void stop() {
        keys.close();
        upstream.close();
    }

    @BeforeEach
    void theUpstreamAnswers() {
        upstream.script(answering(200, "application/json", COMPLETION));
    }

    private static String sha256(String key) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8)));
    }

    /** The same event with these headers more, in every place where it has some. */
    private static String with(String event, Map<String, String> headers) {
        JsonObject json = Events.json(event);
        JsonObjectBuilder changed = Json.createObjectBuilder(json);
        for (String field : List.of("headers", "multiValueHeaders")) {
            if (json.get(field) instanceof JsonObject given) {
                var all = Json.createObjectBuilder(given);
                headers.forEach((name, value) -> all.add(name, field.equals("headers") ? Json.createValue(value)
                        : Json.createArrayBuilder().add(value).build()));
                changed.add(field, all);
            }
        }
        return changed.build().toString();
    }

    private static String as(String key, String body) {
        return with(Events.post(body), Map.of("authorization", "Bearer " + key));
    }

    private static JsonNode lastLine(Deployed function) throws InterruptedException {
        return function.accessLine();
    }

    @ParameterizedTest
    @ValueSource(strings = { "http-api", "http-api-stage", "http-api-base64", "rest-api", "alb", "alb-multi-value", "function-url" })
    void everyDoorAsksForAKeyAndTheUpstreamSeesOnlyOurs(String door) {
        String event = Events.file(door);
        JsonObject refused = keys.reply(event);
        assertEquals(401, refused.getInt("statusCode"));
        assertEquals("invalid_api_key", error(refused).getString("code"));
        assertEquals(401, keys.reply(with(event, Map.of("Authorization", "Bearer sk-test-wrong", "x-api-key", "sk-test-wrong")))
                .getInt("statusCode"));
        assertEquals(0, upstream.requests.size());

        for (var headers : List.of(Map.of("Authorization", "Bearer " + APP),
                Map.of("authorization", "AWS4-HMAC-SHA256 Credential=x", "X-Api-Key", APP))) {
            upstream.requests.clear();
            assertEquals(200, keys.reply(with(event, headers)).getInt("statusCode"));
            var fields = upstream.request().head().fields();
            assertEquals("Bearer " + Deployed.KEY, fields.get("authorization"));
            assertFalse(fields.toString().contains(APP), fields.toString());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = { "{", "", "\"", "[]" })
    void whoeverHasNoKeyIsNotToldWhatIsWrongWithTheRequest(String body) {
        assertEquals(401, keys.reply(Events.post(body)).getInt("statusCode"));
        assertEquals(401, keys.reply(Events.http("GET", "/nowhere", null, body)).getInt("statusCode"));
        assertEquals(400, keys.reply(as(APP, body)).getInt("statusCode"));
    }

    @Test
    void aHealthCheckNeedsNoKeyAndIsNoLine() throws InterruptedException {
        keys.invoke(CHAT);
        String before = lastLine(keys).toString();
        assertEquals(200, keys.reply(Events.file("alb-health-check")).getInt("statusCode"));
        assertEquals(before, lastLine(keys).toString());
    }

    @Test
    void anotherLambdaIsLetInByIamAndHasLimitsOfItsOwn() throws InterruptedException {
        assertEquals(COMPLETION, keys.invoke(CHAT).text());
        assertEquals("direct", lastLine(keys).path("client").asText());
        var outcome = keys.invoke(CHAT.replace("\"m\"", "\"other\""));
        assertTrue(outcome.functionError() && outcome.text().contains("Chat.InvalidRequest") && outcome.text().contains("model_not_allowed"),
                outcome.text());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            APP   | {"model":"any","messages":[{"role":"user"}]}                              | 200 | -
            BATCH | {"model":"small/x","max_tokens":50,"messages":[{"role":"user"}]}          | 200 | -
            BATCH | {"model":"any","max_tokens":50,"messages":[{"role":"user"}]}              | 403 | model_not_allowed
            BATCH | {"max_tokens":50,"messages":[{"role":"user"}]}                            | 403 | model_not_allowed
            BATCH | {"model":"m","max_tokens":51,"messages":[{"role":"user"}]}                | 400 | too_many_tokens
            BATCH | {"model":"m","messages":[{"role":"user"}]}                                | 200 | -
            BATCH | {"model":"m","max_tokens":50,"messages":[{"role":"user","content":"0123456789012345678901234567890123456789"}]} | 413 | request_too_large
            """)
    void aClientsLimitsAreItsOwn(String client, String body, int status, String code) throws InterruptedException {
        JsonObject reply = keys.reply(as(client.equals("APP") ? APP : BATCH, body));
        assertEquals(status, reply.getInt("statusCode"), reply.toString());
        assertEquals(status == 200 ? 1 : 0, upstream.requests.size());
        if (status != 200) {
            assertEquals(code, error(reply).getString("code"));
            assertEquals(code, lastLine(keys).path("code").asText());
        }
    }

    @Test
    void aClientIsNotGivenAFallbackModelThatItMayNotUse() {
        upstream.script((request, connection) -> (request.text().contains("small/one") ? answering(200, "application/json", COMPLETION)
                : answering(503, "application/json", "{}")).answer(request, connection));
        String batch = as(BATCH, CHAT.replace("{\"model", "{\"max_tokens\":1,\"model"));
        assertEquals("small/one", keys.reply(batch).getJsonObject("headers").getString("x-chat-model"));
        assertEquals(2, upstream.requests.size());
        upstream.requests.clear();
        assertEquals("small/one", keys.reply(as(APP, CHAT)).getJsonObject("headers").getString("x-chat-model"));
        assertEquals(3, upstream.requests.size());
    }

    @Test
    void aKeyThatTheUpstreamQuotesIsNotPassedOn() {
        for (int status : new int[] { 400, 500, 200 }) {
            upstream.script(answering(status, "application/json",
                    "{'error':{'message':'bad key KEY','code':'KEY','param':'KEY','type':'KEY','headers':['Bearer KEY'],'kept':1}}"
                            .replace('\'', '"').replace("KEY", Deployed.KEY),
                    "x-request-id: " + Deployed.KEY));
            JsonObject reply = keys.reply(as(APP, CHAT));
            assertFalse(reply.toString().contains(LogLines.KEY_PREFIX), reply.toString());
            assertEquals("bad key [key]", error(reply).getString("message"));
            assertEquals("false 1", error(reply).containsKey("headers") + " " + error(reply).getInt("kept"));
        }
    }

    @ParameterizedTest
    @CsvSource({ "buffered, BUFFERED", "stream, RESPONSE_STREAM" })
    void aCallersOwnKeyGoesUpstreamAndItsRefusalIsTheCallers(String responseMode, InvokeMode mode) {
        var settings = Map.of("CHAT_AUTH", "passthrough", "CHAT_RESPONSE_MODE", responseMode);
        String chat = CHAT.replace("{\"model", "{\"stream\":true,\"model");
        try (var function = Deployed.against(upstream.url(), settings, mode)) {
            assertTrue(function.invoke(as("sk-test-theirs", chat)).text().contains("\"statusCode\":200"));
            assertEquals("Bearer sk-test-theirs", upstream.request().head().field("authorization"));
            upstream.script(answering(401, "application/json", "{\"error\":{\"message\":\"Incorrect API key provided: sk-test-theirs\"}}"));
            String refused = function.invoke(with(Events.post(chat), Map.of("x-api-key", "sk-test-theirs"))).text();
            assertTrue(refused.contains("\"statusCode\":401") && refused.contains("invalid_api_key"), refused);
            assertEquals(1, upstream.requests.size());
            assertFalse(refused.contains(LogLines.KEY_PREFIX), refused);
            assertTrue(function.invoke(Events.post(chat)).text().contains("\"statusCode\":401"));
            assertTrue(function.invoke(chat).text().contains("Chat.InvalidRequest"), "another Lambda brings none");
            assertEquals(1, upstream.requests.size());
        }
    }

    @ParameterizedTest
    @CsvSource({ "buffered, BUFFERED", "stream, RESPONSE_STREAM" })
    void tracesGoUpstreamOnlyWhenAskedFor(String responseMode, InvokeMode mode) {
        String parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        String event = with(Events.post(CHAT.replace("{\"model", "{\"stream\":true,\"model")), Map.of("traceparent", parent));
        try (var silent = Deployed.against(upstream.url(), Map.of("CHAT_RESPONSE_MODE", responseMode), mode)) {
            silent.invoke(event);
            assertNull(upstream.request().head().field("traceparent"));
            assertNull(upstream.request().head().field("x-amzn-trace-id"));
        }
        try (var function = Deployed.against(upstream.url(), Map.of("CHAT_RESPONSE_MODE", responseMode, "CHAT_PROPAGATE_TRACE", "true"), mode)) {
            upstream.requests.clear();
            function.invoke(event);
            assertEquals(parent, upstream.request().head().field("traceparent"));
            assertTrue(upstream.request().head().field("x-amzn-trace-id").startsWith("Root=1-00000000-"));
            for (String wrong : List.of("x", parent + "\r\nEvil: 1", parent.toUpperCase(Locale.ROOT), "")) {
                upstream.requests.clear();
                function.invoke(with(event, Map.of("traceparent", wrong)));
                assertNull(upstream.request().head().field("traceparent"), wrong);
            }
            upstream.requests.clear();
            function.invoke(CHAT);
            assertNull(upstream.request().head().field("traceparent"));
            assertTrue(upstream.request().head().field("x-amzn-trace-id").startsWith("Root="));
        }
    }

    @Test
    void theAccessLineTellsWhoWhatAndHowMuchAndNothingThatWasSaid() throws InterruptedException {
        upstream.script(answering(200, "application/json", COMPLETION, "x-aimlapi-usd-spent: 0.0012"));
        var outcome = keys.invoke(as(APP, CHAT));
        JsonNode line = lastLine(keys);
        assertEquals("INFO function-url app m m false 200 1 3 5 4", String.join(" ", line.path("level").asText(), line.path("door").asText(),
                line.path("client").asText(), line.path("model").asText(), line.path("answeredModel").asText(), line.path("stream").asText(),
                line.path("status").asText(), line.path("attempts").asText(), line.path("promptTokens").asText(),
                line.path("completionTokens").asText(), line.path("reasoningTokens").asText()));
        assertEquals(CHAT.length(), line.path("requestBytes").asInt());
        assertEquals(COMPLETION.length(), line.path("responseBytes").asInt());
        assertEquals(Events.json(outcome.text()).getJsonObject("headers").getString("x-request-id"), line.path("requestId").asText());
        assertTrue(line.path("traceId").asText().matches("1-00000000-[0-9a-f]{24}"), line.toString());
        assertTrue(line.path("upstreamMs").asDouble() > 0 && line.path("totalMs").asDouble() >= line.path("upstreamMs").asDouble(), line.toString());
        int remaining = line.path("remainingMs").asInt();
        assertTrue(remaining > 20_000 && remaining < 30_000, line.toString());
        assertFalse(line.has("code") || line.has("firstChunkMs"), line.toString());
        assertEquals("1 0 3 5 0.0012 m app", String.join(" ", line.path("Requests").asText(), line.path("Errors").asText(),
                line.path("PromptTokens").asText(), line.path("CompletionTokens").asText(), line.path("UsdSpent").asText(),
                line.path("Model").asText(), line.path("Client").asText()));
        assertFalse(keys.process.output().contains("a prompt") || keys.process.output().contains("an answer"));
    }

    @Test
    void whatWasRefusedIsALineToo() throws InterruptedException {
        keys.invoke(Events.post(CHAT));
        JsonNode line = lastLine(keys);
        assertEquals("INFO 401 invalid_api_key 0", String.join(" ", line.path("level").asText(), line.path("status").asText(),
                line.path("code").asText(), line.path("attempts").asText()));
        assertFalse(line.has("client") || line.has("_aws"), "a flood of strangers is not to hide errors from an alarm on their share");
        keys.invoke(Events.file("not-chat-s3"));
        line = lastLine(keys);
        assertEquals("400 unsupported_event", line.path("status").asText() + " " + line.path("code").asText());
        upstream.script(answering(500, "application/json", "{\"error\":{\"message\":\"a prompt\",\"code\":\"a prompt of two words\"}}"));
        keys.invoke(as(APP, CHAT));
        line = lastLine(keys);
        assertEquals("ERROR 500 server_error", line.path("level").asText() + " " + line.path("status").asText() + " " + line.path("code").asText());
        assertEquals(1, line.path("Errors").asInt());
        assertFalse(keys.process.output().contains("a prompt"));
    }

    @Test
    void aStreamsLineTellsItsFirstChunkAndItsUsageAndWhetherItBrokeOff() throws InterruptedException {
        String chat = CHAT.replace("{\"model", "{\"stream\":true,\"model");
        String events = "data: {\"choices\":[{\"delta\":{\"content\":\"an answer\"}}]}\n\n"
                + "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":8}}\n\ndata: [DONE]\n\n";
        upstream.script(streaming(events));
        try (var function = Deployed.against(upstream.url(), Map.of("CHAT_RESPONSE_MODE", "stream"), InvokeMode.RESPONSE_STREAM)) {
            function.invoke(Events.post(chat));
            JsonNode line = lastLine(function);
            assertEquals("true 200 7 8 true", String.join(" ", line.path("stream").asText(), line.path("status").asText(),
                    line.path("promptTokens").asText(), line.path("completionTokens").asText(), line.path("cold").asText()));
            assertEquals(events.length(), line.path("responseBytes").asInt());
            assertTrue(line.path("firstChunkMs").asDouble() > 0 && line.path("FirstChunkLatency").asDouble() > 0, line.toString());
            upstream.script((request, connection) -> {
                write(connection, STREAM_HEAD + chunk("data: {}\n\n"));
                connection.close();
            });
            function.invoke(Events.post(chat));
            line = lastLine(function);
            assertEquals("ERROR 200 upstream_unreachable 1", String.join(" ", line.path("level").asText(), line.path("status").asText(),
                    line.path("code").asText(), line.path("Errors").asText()));
            assertFalse(line.has("cold"));
        }
    }

    @Test
    void anAnswerThatTellsNoTokensIsUncounted() throws InterruptedException {
        String stream = CHAT.replace("{\"model", "{\"stream\":true,\"model");
        String event = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
        String usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":8}}\n\n";
        try (var function = Deployed.against(upstream.url(), Map.of("CHAT_RESPONSE_MODE", "stream"), InvokeMode.RESPONSE_STREAM)) {
            upstream.script(streaming(event + "data: [DONE]\n\n"));
            function.invoke(Events.post(stream));
            assertEquals(1, lastLine(function).path("Uncounted").asInt());
            upstream.script(streaming(event + usage + "data: [DONE]\n\n"));
            function.invoke(Events.post(stream));
            assertFalse(lastLine(function).has("Uncounted"));
            upstream.script(answering(200, "application/json", "{\"choices\":[]}"));
            function.invoke(Events.post(CHAT));
            assertEquals(1, lastLine(function).path("Uncounted").asInt());
            upstream.script(answering(200, "application/json", COMPLETION));
            function.invoke(Events.post(CHAT));
            assertFalse(lastLine(function).has("Uncounted"));
        }
    }

    @Test
    void theLogHonoursLambdasFormatAndLevel() throws InterruptedException {
        upstream.script(answering(503, "application/json", "{}", "Retry-After: 0"));
        var settings = Map.of("CHAT_METRICS", "false", "AWS_LAMBDA_LOG_LEVEL", "WARN");
        try (var function = Deployed.against(upstream.url(), settings)) {
            assertTrue(function.invoke(CHAT).functionError());
            JsonNode line = lastLine(function);
            assertEquals("ERROR 2 false", line.path("level").asText() + " " + line.path("attempts").asText() + " " + line.has("_aws"));
            upstream.script(answering(200, "application/json", COMPLETION));
            function.invoke(CHAT);
            function.lambda.awaitPoll();
            assertEquals(1, function.process.output().lines().count(), "no line of level INFO");
        }
        upstream.script(answering(503, "application/json", "{}", "Retry-After: 0"));
        try (var function = Deployed.against(upstream.url(), Map.of("AWS_LAMBDA_LOG_FORMAT", "Text"))) {
            assertTrue(function.invoke(CHAT).functionError());
            assertEquals("ERROR", lastLine(function).path("level").asText());
            assertTrue(function.process.messages().get(0).startsWith("INFO request "), function.process.output());
        }
        try (var function = Deployed.against(upstream.url(), Map.of("AWS_LAMBDA_LOG_FORMAT", "JSON", "AWS_LAMBDA_LOG_LEVEL", "INFO"))) {
            assertTrue(function.invoke(CHAT).functionError());
            String requestId = lastLine(function).path("requestId").asText();
            JsonNode message = LogLines.check(function.process.messages().get(0));
            assertEquals("chatlambda.completion.Attempts " + requestId, message.path("logger").asText() + " " + message.path("requestId").asText());
            assertTrue(message.path("message").asText().contains("attempt 2, after the upstream's 503"), message.toString());
        }
    }
}
