package chatlambda;

import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.streaming;
import static chatlambda.ScriptedUpstream.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.errors.OpenAIException;
import com.openai.errors.RateLimitException;
import com.openai.helpers.ChatCompletionAccumulator;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** OpenAI's own client reads the streams. */
class StreamClientIT extends StreamingFunction {

    private static OpenAIClient client(Deployed function) {
        return OpenAIOkHttpClient.builder().baseUrl(function.lambda.url() + "/v1").apiKey("sk-test-callers-own").maxRetries(0)
                .timeout(Duration.ofSeconds(20)).build();
    }

    private static final String TOOLS = """
            data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Grüß "},"finish_reason":null}]}

            data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Gott"},"finish_reason":null}]}

            data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t1","type":"function","function":{"name":"weather","arguments":"{\\"ci"}}]},"finish_reason":null}]}

            data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"ty\\":\\"Graz\\"}"}}]},"finish_reason":null}]}

            data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

            """;

    @ParameterizedTest
    @ValueSource(booleans = { true, false })
    void openAisClientStreamsInBothModesWithAndWithoutTheMarker(boolean streams) {
        var client = client(streams ? function : buffered);
        var request = ChatCompletionCreateParams.builder().model("m").addUserMessage("Hi").build();
        for (String end : new String[] { "", DONE }) {
            upstream.script(streaming(TOOLS.substring(0, 200), TOOLS.substring(200) + end));
            var whole = ChatCompletionAccumulator.create();
            try (var stream = client.chat().completions().createStreaming(request)) {
                stream.stream().forEach(whole::accumulate);
            }
            Deployed.assertKeyless(whole.chatCompletion().toString());
            var message = whole.chatCompletion().choices().get(0).message();
            assertEquals("Grüß Gott", message.content().orElseThrow());
            assertEquals("{\"city\":\"Graz\"}", message.toolCalls().orElseThrow().get(0).asFunction().function().arguments());
        }
        upstream.script(answering(429, "application/json", "{\"message\":\"Too Many Requests\"}"));
        assertThrows(RateLimitException.class, () -> client.chat().completions().createStreaming(request));
        client.close();
    }

    @Test
    void openAisClientSeesAStreamBreakOff() {
        var client = client(function);
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            write(connection, chunk(TOOLS.substring(0, TOOLS.indexOf("\n\n") + 2)));
            connection.close();
        });
        var request = ChatCompletionCreateParams.builder().model("m").addUserMessage("Hi").build();
        try (var stream = client.chat().completions().createStreaming(request)) {
            var error = assertThrows(OpenAIException.class, () -> stream.stream().forEach(chunk -> {
            }));
            assertTrue(error.toString().contains("closed the connection"), error.toString());
            Deployed.assertKeyless(error.toString());
        }
        client.close();
    }

    @Test
    void alternatingStreamedAndWholeAnswersLeaveNothingBehind() throws Exception {
        upstream.script((request, connection) -> {
            if (request.text().contains("\"stream\":true")) {
                streaming(event(1), event(2)).answer(request, connection);
            } else {
                answering(200, "application/json", "{\"a\":1}").answer(request, connection);
            }
        });
        int files = 0;
        for (int i = 0; i < 1_000; i++) {
            assertEquals(i % 2 == 0 ? event(1) + event(2) + DONE : "{\"a\":1}", function.post(i % 2 == 0 ? STREAM : CHAT).body());
            files = i == 100 ? function.process.openFiles() : files;
        }
        assertEquals(files, function.process.openFiles(), 2, "open files");
    }
}
