package chatlambda;

import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.streaming;
import static chatlambda.ScriptedUpstream.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.chat.Route;
import chatlambda.local.LocalLambda.InvokeMode;
import com.fasterxml.jackson.databind.JsonNode;
import jakarta.json.Json;
import jakarta.json.JsonObject;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What holds on every route, from one table of them, and what is peculiar about some. */
class RoutesIT {

    private static final String APP = "sk-test-app";
    private static final String CAPPED = "sk-test-capped";
    private static final String EXACT = "sk-test-exact";
    private static final Map<String, String> PAGE = Map.of("origin", "https://app.example");

    /**
     * A route in the table.
     *
     * @param request a body that is enough, in which {@code m} is the model; empty: none
     * @param answer of the upstream
     * @param tokens of prompt and completion that the answer tells
     * @param limit the member that the cap is filled in; null: none
     */
    private enum Row {
        CHAT(Route.CHAT, "{ \"model\":\"m\", \"x\":1e400, \"messages\":[{\"role\":\"user\",\"content\":\"\\ud83d\"}] }",
                "{ \"choices\":[{\"message\":{\"content\":\"\\ud83d\"}}], \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n", "3 5",
                "max_tokens"),
        RESPONSES(Route.RESPONSES, "{ \"model\":\"m\", \"x\":1e400, \"input\":\"\\ud83d\" }",
                "{ \"object\":\"response\",\"error\":null,\"status\":\"completed\",\"output\":[\"\\ud83d\"],"
                        + "\"usage\":{\"input_tokens\":3,\"output_tokens\":5,\"output_tokens_details\":{\"reasoning_tokens\":1}}}\n", "3 5",
                "max_output_tokens"),
        EMBEDDINGS(Route.EMBEDDINGS, "{ \"model\":\"m\", \"x\":1e400, \"input\":[[1,2],[3]] }",
                "{ \"data\":[{\"embedding\":\"AAAA\"}], \"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}}\n", "3 ", null),
        MODELS(Route.MODELS, "", "{ \"object\":\"list\", \"data\":[ {\"id\":\"m\",\"x\":1e400}, {\"id\":\"n/1\"} ] }\n", " ", null);

        private final Route route;
        private final String request;
        private final String answer;
        private final String tokens;
        private final String limit;

        Row(Route route, String request, String answer, String tokens, String limit) {
            this.route = route;
            this.request = request;
            this.answer = answer;
            this.tokens = tokens;
            this.limit = limit;
        }

        boolean hasBody() {
            return !request.isEmpty();
        }

        String path() {
            return "/v1" + route.path();
        }

        /** As one of our clients. */
        String event() {
            return event(APP, request);
        }

        String event(String key, String body) {
            return RoutesIT.event(route.method(), path(), Map.of("authorization", "Bearer " + key), body);
        }
    }

    private static ScriptedUpstream upstream;
    private static Deployed function;
    private static Deployed streams;

    @BeforeAll
    static void start() throws Exception {
        upstream = ScriptedUpstream.start(answering(404, "text/plain", ""));
        var settings = new HashMap<>(Map.of("CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", "app=" + sha256(APP) + ",capped=" + sha256(CAPPED)
                + ",exact=" + sha256(EXACT), "CHAT_ALLOWED_MODELS", "capped=m,capped=n/*,exact=n/2,exact=m", "CHAT_MAX_REQUEST_BYTES",
                "capped=200", "CHAT_MAX_TOKENS_CAP", "capped=50", "CHAT_FALLBACK_MODELS", "smart", "CHAT_MODEL", "std",
                "CHAT_MODEL_ALIASES", "fast=m,smart=n/1,other=o"));
        settings.putAll(Map.of("CHAT_FORWARD_HEADERS", "x-session-id,user-agent", "CHAT_CORS_ORIGINS", "https://app.example"));
        function = Deployed.against(upstream.url(), settings);
        settings.put("CHAT_RESPONSE_MODE", "stream");
        streams = Deployed.against(upstream.url(), settings, InvokeMode.RESPONSE_STREAM);
    }

    @AfterAll
    static void stop() {
        function.close();
        streams.close();
        upstream.close();
    }

    private static String sha256(String key) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8)));
    }

    private static String event(String method, String path, Map<String, String> headers, String body) {
        var event = Events.json(Events.http(method, path, body.isEmpty() ? null : "application/json", body));
        var all = Json.createObjectBuilder(event.getJsonObject("headers"));
        headers.forEach(all::add);
        return Json.createObjectBuilder(event).add("headers", all).build().toString();
    }

    private static Stream<Row> withBody() {
        return Stream.of(Row.values()).filter(Row::hasBody);
    }

    private static String withoutModel(Row row) {
        return row.request.replace(" \"model\":\"m\",", "");
    }

    private static String header(JsonObject reply, String name) {
        return reply.getJsonObject("headers").getString(name, null);
    }

    // What holds on every route.

    @ParameterizedTest
    @EnumSource(Row.class)
    void aRequestGoesToTheUpstreamsRouteAndItsAnswerComesBackByteForByte(Row row) throws InterruptedException {
        upstream.script(answering(200, "application/json", row.answer, "x-inference-id: i1"));
        var reply = function.reply(row.event());
        assertTrue(header(reply, "server-timing").startsWith("upstream;dur="), reply.toString());
        assertEquals("200 i1 1", reply.getInt("statusCode") + " " + header(reply, "x-request-id") + " " + header(reply, "x-chat-attempts"));
        if (row != Row.MODELS) { // its list has aliases in front
            assertEquals(row.answer, reply.getString("body"));
        }
        assertTrue(reply.getString("body").contains("1e400}") || row.hasBody(), reply.toString());
        var sent = upstream.request();
        assertEquals(row.route.method() + " " + row.path() + " HTTP/1.1", sent.head().startLine());
        assertEquals("Bearer " + Deployed.KEY, sent.head().field("authorization"));
        assertEquals(row.request, sent.text());
        JsonNode line = function.accessLine();
        assertEquals(row.route.label() + " app 200 1 INFO", String.join(" ", line.path("route").asText(), line.path("client").asText(),
                line.path("status").asText(), line.path("attempts").asText(), line.path("level").asText()));
        assertEquals(row.tokens, line.path("promptTokens").asText() + " " + line.path("completionTokens").asText());
        assertEquals(row.hasBody() ? "m m" : " ", line.path("model").asText() + " " + line.path("answeredModel").asText());
    }

    @ParameterizedTest
    @EnumSource(Row.class)
    void nobodyIsLetInWithoutAKeyAndThreeHeadersMayHoldIt(Row row) {
        upstream.script(answering(200, "application/json", row.answer));
        for (var headers : List.of(Map.<String, String>of(), Map.of("authorization", "Bearer sk-test-wrong", "api-key", "sk-test-no"))) {
            var refused = function.reply(event(row.route.method(), row.path(), headers, row.request));
            assertEquals("401 invalid_api_key", refused.getInt("statusCode") + " " + Deployed.error(refused).getString("code"));
        }
        assertEquals(0, upstream.requests.size());
        for (String name : List.of("x-api-key", "api-key")) {
            var headers = Map.of("authorization", "Bearer sk-test-wrong", name, APP);
            assertEquals(200, function.reply(event(row.route.method(), row.path(), headers, row.request)).getInt("statusCode"));
        }
    }

    @ParameterizedTest
    @EnumSource(Row.class)
    void whatCannotHaveCostAnythingIsAskedAgain(Row row) throws InterruptedException {
        for (Deployed each : List.of(function, streams)) {
            upstream.script((request, connection) -> {
                if (upstream.requests.size() == 1) {
                    answering(503, "application/json", "{}", "retry-after: 0").answer(request, connection);
                } else {
                    answering(200, "application/json", row.answer).answer(request, connection);
                }
            });
            String event = row.event();
            assertTrue(each.invoke(event).text().contains(row.answer.substring(2, 6)));
            JsonNode line = each.accessLine();
            assertEquals("200 2", line.path("status").asText() + " " + line.path("attempts").asText());
            assertEquals(List.of(row.request, row.request), upstream.requests.stream().map(ScriptedUpstream.Request::text).toList());
        }
    }

    @ParameterizedTest
    @EnumSource(Row.class)
    void theUpstreamsErrorIsTheCallersAndOneLineOfTheLog(Row row) throws InterruptedException {
        upstream.script(answering(500, "application/json", "{\"error\":{\"message\":\"a prompt\",\"code\":\"broken\"}}"));
        var reply = function.reply(row.event());
        assertEquals("500 broken", reply.getInt("statusCode") + " " + Deployed.error(reply).getString("code"));
        assertEquals(1, upstream.requests.size(), "it may have cost money");
        JsonNode line = function.accessLine();
        assertEquals(row.route.label() + " ERROR broken 500", String.join(" ", line.path("route").asText(), line.path("level").asText(),
                line.path("code").asText(), line.path("status").asText()));
        upstream.script(answering(200, "text/html", "<html>"));
        assertEquals(502, function.reply(row.event()).getInt("statusCode"));
    }

    @ParameterizedTest
    @EnumSource(Row.class)
    void anotherMethodIsToldWhichOneIsRight(Row row) throws InterruptedException {
        upstream.script(answering(200, "application/json", row.answer));
        var reply = function.reply(event("PUT", row.path(), Map.of("authorization", "Bearer " + APP), row.request));
        assertEquals("405 " + row.route.method(), reply.getInt("statusCode") + " " + header(reply, "allow"));
        assertEquals(row.route.label(), function.accessLine().path("route").asText());
        assertEquals(0, upstream.requests.size());
    }

    @ParameterizedTest
    @EnumSource(Row.class)
    void onlyTheCallersHeadersThatAreNamedGoUpstream(Row row) {
        for (Deployed each : List.of(function, streams)) {
            upstream.script(answering(200, "application/json", row.answer));
            var headers = Map.of("authorization", "Bearer " + APP, "x-session-id", "s 1", "user-agent", "theirs", "x-other", "o");
            each.invoke(event(row.route.method(), row.path(), headers, row.request.replace("{", "{\"stream\":true,")));
            var fields = upstream.request().head().fields();
            assertEquals("s 1 theirs null", fields.get("x-session-id") + " " + fields.get("user-agent") + " " + fields.get("x-other"));
            headers = Map.of("authorization", "Bearer " + APP, "x-session-id", "");
            upstream.script(answering(200, "application/json", row.answer));
            each.invoke(event(row.route.method(), row.path(), headers, row.request));
            fields = upstream.request().head().fields();
            assertEquals("null chat-lambda", fields.get("x-session-id") + " " + fields.get("user-agent"));
        }
        upstream.script(answering(200, "application/json", row.answer));
        var reply = function.reply(event(row.route.method(), row.path(), Map.of("authorization", "Bearer " + APP, "x-session-id", "a\nb: c"),
                row.request));
        assertEquals(400, reply.getInt("statusCode"));
        assertEquals(0, upstream.requests.size());
    }

    /** As the doors that send all of its values have it. */
    @ParameterizedTest
    @ValueSource(strings = { "rest-api", "alb-multi-value" })
    void ofARepeatedHeaderAllValuesCount(String door) {
        JsonObject event = Events.json(Events.file(door));
        for (String repeated : List.of("x-session-id: a b", "content-encoding: gzip identity", "content-type: text/plain application/json")) {
            upstream.script(answering(200, "application/json", Row.CHAT.answer));
            String[] values = repeated.split(": | ");
            var headers = Json.createObjectBuilder(event.getJsonObject("multiValueHeaders"))
                    .add("x-api-key", Json.createArrayBuilder().add(APP)).add(values[0], Json.createArrayBuilder().add(values[1]).add(values[2]));
            var reply = function.reply(Json.createObjectBuilder(event).add("multiValueHeaders", headers).build().toString());
            if (values[0].equals("x-session-id")) {
                assertEquals("200 a,b", reply.getInt("statusCode") + " " + upstream.request().head().field("x-session-id"));
            } else {
                assertEquals(415, reply.getInt("statusCode"), reply.toString());
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Row.class)
    void aPageOfAListedOriginMayCallAndReadWhatComesOfIt(Row row) throws InterruptedException {
        upstream.script(answering(200, "application/json", row.answer));
        var asked = new HashMap<>(PAGE);
        asked.putAll(Map.of("access-control-request-method", row.route.method(), "access-control-request-headers", "authorization, x-a"));
        function.lambda.awaitPoll();
        int lines = function.process.output().split("totalMs", -1).length;
        for (Deployed each : List.of(function, streams)) {
            String preflight = each.invoke(event("OPTIONS", row.path(), asked, "")).text();
            var reply = Events.json(preflight.split("\0", 2)[0]);
            assertEquals("204 https://app.example GET, POST authorization, x-a 7200 origin", String.join(" ",
                    Integer.toString(reply.getInt("statusCode")), header(reply, "access-control-allow-origin"),
                    header(reply, "access-control-allow-methods"), header(reply, "access-control-allow-headers"),
                    header(reply, "access-control-max-age"), header(reply, "vary")));
            assertEquals(null, header(reply, "access-control-allow-credentials"));
        }
        function.lambda.awaitPoll();
        assertEquals(lines, function.process.output().split("totalMs", -1).length, "a preflight has no access line");
        for (String key : List.of(APP, "sk-test-wrong")) {
            var headers = Map.of("authorization", "Bearer " + key, "origin", "https://app.example");
            var reply = function.reply(event(row.route.method(), row.path(), headers, row.request));
            assertEquals(key.equals(APP) ? 200 : 401, reply.getInt("statusCode"));
            assertEquals("https://app.example origin true", header(reply, "access-control-allow-origin") + " " + header(reply, "vary") + " "
                    + header(reply, "access-control-expose-headers").contains("x-request-id"));
            String streamed = streams.invoke(event(row.route.method(), row.path(), headers, row.request)).text();
            assertEquals("https://app.example", header(Events.json(streamed.split("\0", 2)[0]), "access-control-allow-origin"));
        }
        asked.put("origin", "https://evil.example");
        var foreign = function.reply(event("OPTIONS", row.path(), asked, ""));
        assertEquals("401 null origin", foreign.getInt("statusCode") + " " + header(foreign, "access-control-allow-origin") + " "
                + header(foreign, "vary"));
    }

    @ParameterizedTest
    @EnumSource(Row.class)
    void aRouteCanBeClosed(Row row) {
        String others = String.join(",", Stream.of(Route.values()).filter(each -> each != row.route).map(Route::label).toList());
        upstream.script(answering(200, "application/json", row.answer));
        try (var closed = Deployed.against(upstream.url(), Map.of("CHAT_ROUTES", others))) {
            var reply = closed.reply(row.event());
            assertEquals(404, reply.getInt("statusCode"));
            String message = Deployed.error(reply).getString("message");
            assertEquals(3 + (row == Row.MODELS ? 0 : 1), message.split("/v1/").length - 2, message);
            assertFalse(closed.process.output().contains("rehearsal"), "what is open is rehearsed");
            var direct = closed.invoke("{\"messages\":[{\"role\":\"user\"}]}");
            assertEquals(row == Row.CHAT, direct.functionError());
            assertTrue(!direct.functionError() || direct.text().contains("Chat.InvalidRequest"), direct.text());
        }
    }

    // What holds on every route with a body.

    @ParameterizedTest
    @MethodSource("withBody")
    void aModelIsFilledInReplacedAndLookedAtByItsRealName(Row row) throws InterruptedException {
        upstream.script(answering(200, "application/json", row.answer));
        function.reply(row.event(APP, withoutModel(row)));
        function.reply(row.event(APP, row.request.replace("\"m\"", "\"\"")));
        function.reply(row.event(APP, row.request.replace("\"m\"", "null")));
        function.reply(row.event(APP, row.request.replace("\"m\"", "\"fast\"")));
        assertEquals(List.of("{\"model\":\"std\"," + withoutModel(row).substring(1), row.request.replace("\"m\"", "\"std\""),
                row.request.replace("\"m\"", "\"std\""), row.request), upstream.requests.stream().map(ScriptedUpstream.Request::text).toList());
        assertEquals("m", function.accessLine().path("model").asText());
        upstream.script(answering(200, "application/json", row.answer));
        String azure = "/openai/deployments/a%2Fb" + row.route.path();
        function.reply(event("POST", azure, Map.of("api-key", APP), withoutModel(row)));
        assertTrue(upstream.request().text().startsWith("{\"model\":\"a/b\","), upstream.request().text());
        assertEquals("POST " + row.path() + " HTTP/1.1", upstream.request().head().startLine());
    }

    @ParameterizedTest
    @MethodSource("withBody")
    void limitsHold(Row row) {
        upstream.script(answering(200, "application/json", row.answer));
        for (String refused : List.of("403 model|\"o\"", "403 model|\"other\"", "400 model|\"m,n/1\"", "400 models|\"m\",\"models\":[\"o\"]",
                "413 null|\"m\",\"user\":\"" + "x".repeat(200) + "\"")) {
            String[] parts = refused.split("\\|");
            var reply = function.reply(row.event(CAPPED, row.request.replace("\"m\"", parts[1])));
            JsonObject error = Deployed.error(reply);
            assertEquals(parts[0], reply.getInt("statusCode") + " " + (error.isNull("param") ? null : error.getString("param")));
        }
        assertEquals(0, upstream.requests.size());
        assertEquals(200, function.reply(row.event(CAPPED, row.request)).getInt("statusCode"));
        assertEquals(row.limit == null ? row.request : "{\"" + row.limit + "\":50," + row.request.substring(1), upstream.request().text());
        if (row.limit != null) {
            upstream.script(answering(200, "application/json", row.answer));
            var reply = function.reply(row.event(CAPPED, row.request.replace("{ ", "{ \"" + row.limit + "\":51,")));
            assertEquals("400 too_many_tokens", reply.getInt("statusCode") + " " + Deployed.error(reply).getString("code"));
            assertEquals(0, upstream.requests.size());
        }
    }

    @ParameterizedTest
    @MethodSource("withBody")
    void anotherModelIsAskedWhereItsAnswerIsAsGood(Row row) throws InterruptedException {
        upstream.script((request, connection) -> {
            boolean isGone = request.text().contains("\"m\"");
            answering(isGone ? 404 : 200, "application/json", isGone ? "{}" : row.answer).answer(request, connection);
        });
        var reply = function.reply(row.event());
        boolean moves = row != Row.EMBEDDINGS; // vectors of two models cannot be compared
        assertEquals(moves ? 200 : 404, reply.getInt("statusCode"));
        assertEquals(moves ? "n/1" : "m", header(reply, "x-chat-model"));
        JsonNode line = function.accessLine();
        assertEquals(moves ? "m n/1 2" : "m  1", String.join(" ", line.path("model").asText(), line.path("answeredModel").asText(),
                line.path("attempts").asText()));
    }

    @ParameterizedTest
    @MethodSource("withBody")
    void aLargeRequestGoesOutWhole(Row row) {
        String large = row.request.replace("1e400", "\"" + "ü".repeat(200_000) + "\"");
        upstream.script(answering(200, "application/json", row.answer));
        assertEquals(200, function.reply(row.event(APP, large)).getInt("statusCode"));
        assertEquals(large, upstream.request().text());
    }

    @ParameterizedTest
    @MethodSource("withBody")
    void whatIsNoRequestOfTheRouteIsRefusedByName(Row row) {
        upstream.script(answering(200, "application/json", row.answer));
        String required = row == Row.CHAT ? "messages" : "input";
        for (String body : List.of("{\"model\":\"m\"}|" + required, row.request.replace("{ ", "{ \"stream\":\"yes\",") + "|stream",
                "{\"" + required + "\":7}|" + required)) {
            var reply = function.reply(row.event(APP, body.split("\\|")[0]));
            assertEquals("400 " + body.split("\\|")[1], reply.getInt("statusCode") + " " + Deployed.error(reply).getString("param"));
        }
        var coded = function.reply(event("POST", row.path(), Map.of("api-key", APP, "content-encoding", "gzip"), row.request));
        assertEquals("415 the content encoding is gzip: send the body as it is",
                coded.getInt("statusCode") + " " + Deployed.error(coded).getString("message"));
        assertEquals(0, upstream.requests.size());
    }

    // Streams of responses; those of chat are in StreamIT.

    private static final String CREATED = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0}\n\n";

    private static String last(String type, String error) {
        return "event: response." + type + "\ndata: {\"type\":\"response." + type + "\",\"sequence_number\":7,\"response\":{\"model\":\"m-1\","
                + "\"error\":" + error + ",\"usage\":{\"input_tokens\":3,\"output_tokens\":5}}}\n\n";
    }

    private static String streamOf(String key) {
        return Row.RESPONSES.event(key, Row.RESPONSES.request.replace("{ ", "{ \"stream\":true,"));
    }

    @ParameterizedTest
    @CsvSource({ "completed, null, INFO", "incomplete, null, INFO", "failed, {\"code\":\"server_error\"}, ERROR" })
    void aResponsesStreamGoesOnByteForByteAndItsEndTellsHowItWent(String type, String error, String level) throws InterruptedException {
        String events = CREATED + last(type, error);
        upstream.script(streaming(events.substring(0, 20), events.substring(20)));
        for (Deployed each : List.of(streams, function)) {
            String answer = each.invoke(streamOf(APP)).text();
            String body = each == streams ? answer.split("\0{8}", 2)[1] : Events.json(answer).getString("body");
            assertEquals(events, body);
            JsonNode line = each.accessLine();
            assertEquals("responses true " + level + " 200 3 5 m-1", String.join(" ", line.path("route").asText(), line.path("stream").asText(),
                    line.path("level").asText(), line.path("status").asText(), line.path("promptTokens").asText(),
                    line.path("completionTokens").asText(), line.path("answeredModel").asText()));
            assertEquals(type.equals("failed") ? "server_error" : "", line.path("code").asText());
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = { true, false })
    void aResponsesStreamThatBreaksOffEndsWithAnErrorOfThatApi(boolean isCut) throws InterruptedException {
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD + chunk(CREATED));
            if (isCut) {
                connection.close();
            } else {
                write(connection, ScriptedUpstream.LAST_CHUNK);
            }
        });
        String answer = streams.invoke(streamOf(APP)).text();
        String code = isCut ? "upstream_unreachable" : "upstream_incomplete";
        String tail = answer.substring(answer.indexOf(CREATED) + CREATED.length());
        assertTrue(tail.startsWith("event: error\ndata: {\"type\":\"error\",\"code\":\"" + code + "\",\"message\":"), tail);
        assertTrue(tail.contains("\"param\":null,\"sequence_number\":1,\"error\":{") && !tail.contains("[DONE]"), tail);
        assertEquals("ERROR " + code, streams.accessLine().path("level").asText() + " " + streams.accessLine().path("code").asText());
        var whole = function.reply(streamOf(APP));
        assertEquals("502 " + code, whole.getInt("statusCode") + " " + Deployed.error(whole).getString("code"));
    }

    @Test
    void anErrorAsTheFirstEventHasItsStatus() {
        upstream.script(streaming("event: error\ndata: {\"type\":\"error\",\"code\":\"429\",\"message\":\"no\"}\n\n"));
        String answer = streams.invoke(streamOf(APP)).text();
        assertEquals(429, Events.json(answer.split("\0", 2)[0]).getInt("statusCode"));
    }

    @Test
    void aWholeResponseThatFailedPassesAndIsAnErrorInTheLog() throws InterruptedException {
        String failed = "{\"object\":\"response\",\"status\":\"failed\",\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"a prompt\"}}";
        upstream.script(answering(200, "application/json", failed));
        var reply = function.reply(Row.RESPONSES.event());
        assertEquals("200 " + failed, reply.getInt("statusCode") + " " + reply.getString("body"));
        JsonNode line = function.accessLine();
        assertEquals("ERROR rate_limit_exceeded 200", line.path("level").asText() + " " + line.path("code").asText() + " "
                + line.path("status").asText());
        upstream.script(answering(200, "application/json", failed.replace("failed", "completed")));
        assertEquals(502, function.reply(Row.RESPONSES.event()).getInt("statusCode"), "an error that is not the response's own");
    }

    @Test
    void whatIsPaidAfterTheAnswerIsNotForWhoHasACap() {
        upstream.script(answering(200, "application/json", Row.RESPONSES.answer));
        String body = Row.RESPONSES.request.replace("{ ", "{ \"background\":true,");
        assertEquals(200, function.reply(Row.RESPONSES.event(APP, body)).getInt("statusCode"));
        var reply = function.reply(Row.RESPONSES.event(CAPPED, body));
        assertEquals("400 background", reply.getInt("statusCode") + " " + Deployed.error(reply).getString("param"));
    }

    // The list of models.

    private static String ids(JsonObject reply) {
        return String.join(" ", Events.json(reply.getString("body")).getJsonArray("data").getValuesAs(JsonObject.class).stream()
                .map(item -> item.getString("id")).toList());
    }

    @Test
    void theListIsWhatTheCallerMayAskFor() {
        upstream.script(answering(200, "application/json", "{\"data\":[{\"id\":\"m\"},{\"id\":\"fast\"},{\"id\":\"n/1\"},{\"id\":\"z\"}]}"));
        assertEquals("fast smart other m n/1 z", ids(function.reply(Row.MODELS.event())));
        assertEquals("fast smart m n/1", ids(function.reply(Row.MODELS.event(CAPPED, ""))));
        assertEquals(2, upstream.requests.size());
        assertEquals("fast n/2 m", ids(function.reply(Row.MODELS.event(EXACT, ""))));
        assertEquals(2, upstream.requests.size(), "whose models are all named needs no list of the upstream's");
    }

    @ParameterizedTest
    @ValueSource(ints = { 404, 405 })
    void whereTheUpstreamHasNoListTheSettingsNameSome(int status) {
        upstream.script(answering(status, "text/html", "<html>"));
        assertEquals("fast smart other std n/1", ids(function.reply(Row.MODELS.event())));
        assertEquals("fast smart n/1 m", ids(function.reply(Row.MODELS.event(CAPPED, ""))));
    }

    @ParameterizedTest
    @CsvSource(nullValues = "-", textBlock = """
            n/1, 200, {"id":"n/1"}
            n%2F1, 200, {"id":"n/1"}
            m, 200, '{"id":"m","x":1e400}'
            smart, 200, '{"id":"smart","object":"model","created":0,"owned_by":"chat-lambda"}'
            o, 404, -
            other, 404, -
            n/2, 404, -
            """)
    void oneModelIsAnsweredWithItsItem(String id, int status, String item) throws InterruptedException {
        upstream.script(answering(200, "application/json", Row.MODELS.answer));
        var reply = function.reply(event("GET", "/v1/models/" + id, Map.of("authorization", "Bearer " + CAPPED), ""));
        assertEquals(status, reply.getInt("statusCode"));
        assertEquals("GET /v1/models HTTP/1.1", upstream.request().head().startLine(), "nothing of the caller's path goes upstream");
        if (item == null) {
            assertEquals("model_not_found", Deployed.error(reply).getString("code"));
        } else {
            assertEquals(item, reply.getString("body"));
        }
        assertEquals("models " + status, function.accessLine().path("route").asText() + " " + function.accessLine().path("status").asText());
    }

    // What is no request at all.

    @ParameterizedTest
    @ValueSource(strings = { "/health", "/live/health/" })
    void healthIsToldWithoutAKeyAnUpstreamOrALine(String path) throws InterruptedException {
        upstream.script(answering(200, "application/json", "{}"));
        function.lambda.awaitPoll();
        String before = function.process.output();
        var reply = function.reply(event("GET", path, PAGE, ""));
        assertEquals("200 {\"status\":\"ok\"} application/json https://app.example", String.join(" ", "" + reply.getInt("statusCode"),
                reply.getString("body"), header(reply, "content-type"), header(reply, "access-control-allow-origin")));
        function.lambda.awaitPoll();
        assertEquals(before, function.process.output());
        assertEquals(0, upstream.requests.size());
    }

    @ParameterizedTest
    @ValueSource(strings = { "{\"warmer\":true}", "{\"source\":\"serverless-plugin-warmup\"}",
            "{\"source\":\"aws.events\",\"detail-type\":\"Scheduled Event\",\"detail\":{}}" })
    void whatKeepsAnInstanceWarmIsAnsweredAndNotCounted(String event) throws InterruptedException {
        upstream.script(answering(200, "application/json", "{}"));
        for (Deployed each : List.of(function, streams)) {
            var outcome = each.invoke(event);
            assertFalse(outcome.functionError());
            assertEquals("{}", outcome.text());
            JsonNode line = each.accessLine();
            assertEquals("warmup 200 0 false", String.join(" ", line.path("door").asText(), line.path("status").asText(),
                    line.path("attempts").asText(), "" + line.has("_aws")));
        }
        assertEquals(0, upstream.requests.size());
    }

    @Test
    void aLoadBalancersCheckIsOneOnlyFromTheLoadBalancer() {
        String check = Events.file("alb-health-check");
        assertEquals(200, function.reply(check).getInt("statusCode"));
        var json = Events.json(check);
        var headers = Json.createObjectBuilder(json.getJsonObject("headers")).add("x-forwarded-for", "203.0.113.7");
        assertEquals(401, function.reply(Json.createObjectBuilder(json).add("headers", headers).build().toString()).getInt("statusCode"));
    }

    @Test
    void anEventsBodyThatIsAnObjectIsToldSo() {
        var event = Json.createObjectBuilder(Events.json(Row.CHAT.event())).add("body", Json.createObjectBuilder()).build().toString();
        var reply = function.reply(event);
        assertEquals(400, reply.getInt("statusCode"));
        String message = Deployed.error(reply).getString("message");
        assertTrue(message.contains("the event's body is a JSON object, and front doors send a string"), message);
    }
}
