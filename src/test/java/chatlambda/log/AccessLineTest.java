package chatlambda.log;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.LogLines;
import chatlambda.chat.EventStream;
import chatlambda.chat.Route;
import chatlambda.chat.Usage;
import chatlambda.log.AccessLine.Answered;
import chatlambda.log.AccessLine.Asked;
import chatlambda.log.AccessLine.Times;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AccessLineTest {

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    private static final Times NO_TIMES = new Times(-1, -1, -1, 0);
    private static final Set<String> NAMED = Set.of("m", "no dimension");

    private static AccessLine answered(String model) {
        return line(model, new Answered(200, null, 0, model, null, 0));
    }

    private static AccessLine line(String model, Answered answered) {
        return new AccessLine("r", null, null, null, new Asked("chat", model, false, -1), answered, NO_TIMES);
    }

    /** One that went wrong before anything was known. */
    private static AccessLine failed() {
        return line(null, new Answered(500, "internal_error", 0, null, null, 0));
    }

    private JsonNode written(AccessLog log, AccessLine line) {
        out.reset();
        log.write(line, NAMED);
        String text = out.toString(StandardCharsets.UTF_8);
        assertTrue(text.endsWith("}\n") && text.indexOf('\n') == text.length() - 1, text);
        return LogLines.check(text);
    }

    private AccessLog log(boolean metrics) {
        return new AccessLog(out, metrics, Map.of());
    }

    @Test
    void whatTheAnswerTookIsToldAndMeasured() {
        var stream = new EventStream(Route.CHAT);
        stream.accept(("data: {\"model\":\"m-2026-11-22\",\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":5,"
                + "\"completion_tokens_details\":{\"reasoning_tokens\":4},\"cost\":0.25}}\n\n").getBytes(StandardCharsets.UTF_8));
        var line = new AccessLine("r", null, null, null, new Asked("chat", "m", false, -1),
                new Answered(200, null, 0, "m", stream.usage(), 0), new Times(0, 0, -1, 0));
        JsonNode json = written(log(true), line);
        assertEquals("m m-2026-11-22 m", String.join(" ", json.path("model").asText(), json.path("answeredModel").asText(),
                json.path("Model").asText()), "a snapshot's name is no dimension");
        assertEquals("0 5 4 0.0 0.0", String.join(" ", json.path("promptTokens").asText(), json.path("completionTokens").asText(),
                json.path("reasoningTokens").asText(), json.path("upstreamMs").asText(), json.path("firstChunkMs").asText()));
        assertEquals("0 5 0.25 0.0 0.0", String.join(" ", json.path("PromptTokens").asText(), json.path("CompletionTokens").asText(),
                json.path("UsdSpent").asText(), json.path("UpstreamLatency").asText(), json.path("FirstChunkLatency").asText()));
        assertEquals("[Requests, Errors, UpstreamLatency, FirstChunkLatency, PromptTokens, CompletionTokens, UsdSpent]",
                json.at("/_aws/CloudWatchMetrics/0/Metrics").findValuesAsText("Name").toString());
    }

    @Test
    void whatIsKnownIsTold() {
        var line = new AccessLine("r", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", "function-url", "app",
                new Asked("chat", "m", true, 10), new Answered(200, null, 2, "m", null, 20),
                new Times(1_250_000, 999_999, 12_345_678_901L, -5));
        assertEquals("{\"timestamp\":\"2026-11-22T00:00:00.123Z\",\"level\":\"INFO\",\"requestId\":\"r\",\"traceId\":"
                + "\"1-5759e988-bd862e3fe1be46a994272793\",\"door\":\"function-url\",\"client\":\"app\","
                + "\"route\":\"chat\",\"model\":\"m\",\"answeredModel\":\"m\","
                + "\"stream\":true,\"status\":200,\"attempts\":2,\"upstreamMs\":1.2,\"totalMs\":12345.6,\"firstChunkMs\":0.9,"
                + "\"requestBytes\":10,\"responseBytes\":20,\"remainingMs\":-5}\n",
                new String(line.toJson(Instant.parse("2026-11-22T00:00:00.123Z"), false, null), StandardCharsets.UTF_8));
    }

    @Test
    void anInvocationOfWhichNothingIsKnownWentWrong() {
        JsonNode json = written(log(true), failed());
        assertEquals("ERROR 500 internal_error 1 1 none none", String.join(" ", json.path("level").asText(), json.path("status").asText(),
                json.path("code").asText(), json.path("Requests").asText(), json.path("Errors").asText(), json.path("Model").asText(),
                json.path("Client").asText()));
    }

    @ParameterizedTest
    @CsvSource({ "200, , false", "400, invalid_request_error, false", "429, rate, false", "500, x, true", "504, upstream_timeout, true",
            "200, upstream_timeout, true" })
    void whatTheServerDidWrongIsAnError(int status, String code, boolean error) {
        JsonNode json = written(log(true), line("m", new Answered(status, code, 1, "m", null, 0)));
        assertEquals(error ? "ERROR" : "INFO", json.path("level").asText());
        assertEquals(error ? 1 : 0, json.path("Errors").asInt());
    }

    @Test
    void onlyTheFirstIsCold() {
        var log = log(false);
        assertTrue(written(log, answered("m")).path("cold").asBoolean());
        assertFalse(written(log, answered("m")).has("cold"));
    }

    @Test
    void theFirstIsTheColdOneThoughItsLineIsNotWritten() {
        var log = log(false);
        log.skip();
        assertEquals(0, out.size());
        assertFalse(written(log, answered("m")).has("cold"));
        var errorsOnly = new AccessLog(out, false, Map.of("AWS_LAMBDA_LOG_LEVEL", "WARN"));
        out.reset();
        errorsOnly.write(answered("m"), NAMED);
        assertEquals(0, out.size());
        assertFalse(written(errorsOnly, failed()).has("cold"));
    }

    @Test
    void withoutMetricsThereAreNone() {
        assertFalse(written(log(false), answered("m")).has("_aws"));
    }

    @Test
    void onlyModelsThatSettingsNameAreDimensions() {
        var log = log(true);
        assertEquals("m", written(log, answered("m")).path("Model").asText());
        assertEquals("m", written(log, line("made up", new Answered(200, null, 1, "m", null, 0))).path("Model").asText(), "a fallback");
        assertEquals("other", written(log, answered("made-up")).path("Model").asText(), "though it has answered");
        assertEquals("other", written(log, answered("no dimension")).path("Model").asText(), "though it is named");
        assertEquals("none", written(log, failed()).path("Model").asText());
    }

    @Test
    void whoIsNotCountedHasALineWithoutMetrics() {
        var log = log(true);
        log.write(answered("m"), null);
        JsonNode json = LogLines.check(out.toString(StandardCharsets.UTF_8));
        assertEquals("200 false", json.path("status").asText() + " " + json.has("_aws"));
    }

    @ParameterizedTest
    @CsvSource(nullValues = "-", textBlock = """
            chat,       200, -, -1, -1, 1
            responses,  200, -, -1, -1, 1
            embeddings, 200, -, -1, -1, 1
            chat,       200, upstream_timeout, -1, -1, 1
            chat,       200, -, 0, -1, -
            chat,       200, -, -1, 5, -
            models,     200, -, -1, -1, -
            -,          200, -, -1, -1, -
            chat,       429, rate, -1, -1, -
            """)
    void anAnswerThatToldNoTokensIsUncounted(String route, int status, String code, int prompt, int completion, Integer uncounted) {
        var usage = new Usage(prompt, completion, -1, null, null);
        var answered = new Answered(status, code, 1, "m", usage, 0);
        JsonNode json = written(log(true), new AccessLine("r", null, null, null, new Asked(route, "m", true, 1), answered, NO_TIMES));
        assertEquals(uncounted == null ? "" : "1", json.path("Uncounted").asText());
        assertEquals(uncounted != null, json.at("/_aws/CloudWatchMetrics/0/Metrics").findValuesAsText("Name").contains("Uncounted"));
    }

    @ParameterizedTest
    @ValueSource(strings = { "mödel", " ", "a\nb", "\ud83d\ude00", "\"}{" })
    void anyModelsNameMakesALineThatCanBeRead(String model) {
        assertEquals(model, written(log(true), answered(model)).path("model").asText());
    }

    @Test
    void aLongModelsNameIsShortened() {
        assertEquals(256, written(log(true), answered("m".repeat(100_000))).path("model").asText().length());
    }

    @ParameterizedTest
    @CsvSource({ "DEBUG, 2", "INFO, 2", "WARN, 1", "ERROR, 1", "FATAL, 0", "nonsense, 2" })
    void theLogLevelCounts(String level, int lines) throws IOException {
        var log = new AccessLog(out, true, Map.of("AWS_LAMBDA_LOG_LEVEL", level));
        log.write(answered("m"), NAMED);
        log.write(failed(), NAMED);
        assertEquals(lines, out.toString(StandardCharsets.UTF_8).lines().count());
        assertEquals(lines > 0, out.toString(StandardCharsets.UTF_8).contains("\"level\":\"ERROR\""));
    }
}
