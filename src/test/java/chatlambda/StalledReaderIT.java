package chatlambda;

import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.Deployed.FunctionProcess;
import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A Runtime API that stops taking bytes in the middle of an outcome: it may not hold the function beyond the deadline. */
class StalledReaderIT {

    private static final String CHAT = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
    private static final Duration TIMEOUT = Duration.ofSeconds(8);
    private static final String USAGE = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\n";

    private static Map<String, String> settings(ScriptedUpstream upstream, FakeRuntimeApi runtimeApi, String mode) {
        return new HashMap<>(Map.of("AWS_LAMBDA_RUNTIME_API", runtimeApi.address(), "CHAT_API_KEY", Deployed.KEY, "CHAT_AUTH", "iam",
                "CHAT_URL", upstream.url().toString(), "CHAT_RESPONSE_MODE", mode, "CHAT_RESERVE", "4s"));
    }

    @Test
    void aStreamThatNobodyReadsEndsBeforeTheDeadlineAndIsAccountedFor() throws Exception {
        var calledOff = new CountDownLatch(1);
        String block = chunk(("data: {\"x\":\"" + "x".repeat(1_000) + "\"}\n\n" + USAGE).repeat(60)); // wherever it is cut, usage is near
        try (var upstream = ScriptedUpstream.start((request, connection) -> {
            write(connection, STREAM_HEAD);
            try {
                while (true) {
                    write(connection, block);
                }
            } finally {
                calledOff.countDown(); // the write fails
            }
        });
                var runtimeApi = new FakeRuntimeApi(TIMEOUT, Events.post("{\"stream\":true," + CHAT.substring(1)), Events.post(CHAT));
                var function = FunctionProcess.start(settings(upstream, runtimeApi, "stream"))) {
            runtimeApi.stopReading();
            assertTrue(runtimeApi.secondEventTaken.await(60, TimeUnit.SECONDS), "the next event is polled; " + function.output());
            assertTrue(calledOff.await(60, TimeUnit.SECONDS), "the upstream is called off");
            JsonNode line = accessLine(function);
            assertEquals("reader_stalled", line.path("code").asText(), function.output());
            assertEquals("ERROR", line.path("level").asText());
            assertEquals(200, line.path("status").asInt());
            assertEquals(3, line.path("promptTokens").asInt());
            assertEquals(5, line.path("completionTokens").asInt());
            assertEquals(1, line.path("Errors").asInt());
            assertTrue(line.path("remainingMs").asLong() > 0, line.toString()); // of the reserve of 4 s
            assertTrue(line.path("responseBytes").asLong() > 0, line.toString());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = { "buffered", "stream" })
    void aWholeAnswerThatNobodyReadsDoesNotHoldTheFunctionEither(String mode) throws Exception {
        String answer = "{\"choices\":[],\"a\":\"" + "x".repeat(5_500_000) + "\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}";
        try (var upstream = ScriptedUpstream.start(answering(200, "application/json", answer));
                var runtimeApi = new FakeRuntimeApi(TIMEOUT, CHAT, CHAT);
                var function = FunctionProcess.start(settings(upstream, runtimeApi, mode))) {
            runtimeApi.stopReading();
            assertTrue(runtimeApi.secondEventTaken.await(60, TimeUnit.SECONDS), "the next event is polled; " + function.output());
            JsonNode line = accessLine(function);
            assertEquals("reader_stalled", line.path("code").asText(), function.output());
            assertEquals("ERROR", line.path("level").asText());
            assertEquals(200, line.path("status").asInt());
            assertEquals(5, line.path("completionTokens").asInt());
            assertEquals(1, line.path("Errors").asInt());
        }
    }

    private static JsonNode accessLine(FunctionProcess function) {
        String line;
        while ((line = function.output().lines().filter(each -> each.contains("\"totalMs\":")).findFirst().orElse(null)) == null) {
            LockSupport.parkNanos(10_000_000); // it comes before the next poll, but may not be in the file yet
        }
        return LogLines.check(line);
    }
}
