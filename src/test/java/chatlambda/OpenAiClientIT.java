package chatlambda;

import static chatlambda.ScriptedUpstream.answering;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.errors.BadRequestException;
import com.openai.errors.InternalServerException;
import com.openai.errors.NotFoundException;
import com.openai.errors.OpenAIServiceException;
import com.openai.errors.RateLimitException;
import com.openai.models.FunctionDefinition;
import com.openai.models.FunctionParameters;
import com.openai.models.chat.completions.ChatCompletionContentPart;
import com.openai.models.chat.completions.ChatCompletionContentPartImage;
import com.openai.models.chat.completions.ChatCompletionContentPartText;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** OpenAI's own Java SDK, with nothing but the base URL changed. */
class OpenAiClientIT {

    private static ScriptedUpstream upstream;
    private static Deployed function;
    private static OpenAIClient client;

    @BeforeAll
    static void start() {
        upstream = ScriptedUpstream.start(answering(200, "application/json", "{}"));
        function = Deployed.against(upstream.url(), Map.of());
        client = OpenAIOkHttpClient.builder().baseUrl(function.lambda.url() + "/v1").apiKey("sk-test-callers-own").maxRetries(0)
                .timeout(Duration.ofSeconds(30)).build();
    }

    @AfterAll
    static void stop() {
        client.close();
        function.close();
        upstream.close();
    }

    private static ChatCompletionCreateParams.Builder request() {
        return ChatCompletionCreateParams.builder().model("google/gemini-2.5-pro").addUserMessage("What is the weather in Graz?");
    }

    @Test
    @SuppressWarnings("deprecation") // members that the SDK does not know are found nowhere else
    void aCompletionWithToolsAndAnImage() {
        upstream.script(answering(200, "application/json", """
                {"id":"c1","object":"chat.completion","created":1700000000,"model":"google/gemini-2.5-pro","choices":[{"index":0,
                "finish_reason":"tool_calls","logprobs":null,"message":{"role":"assistant","content":null,"refusal":null,"tool_calls":
                [{"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\\"city\\": \\"Graz\\"}"},
                "extra_content":{"google":{"thought_signature":"AbC/+=="}}}]}}]}"""));
        var weather = FunctionDefinition.builder().name("weather").description("Today's weather").parameters(FunctionParameters.builder()
                .putAdditionalProperty("type", JsonValue.from("object"))
                .putAdditionalProperty("properties", JsonValue.from(Map.of("city", Map.of("type", "string")))).build()).build();
        var image = ChatCompletionContentPart.ofImageUrl(ChatCompletionContentPartImage.builder()
                .imageUrl(ChatCompletionContentPartImage.ImageUrl.builder().url("data:image/png;base64,iVBORw0KGgo=").build()).build());
        var text = ChatCompletionContentPart.ofText(ChatCompletionContentPartText.builder().text("Is it raining there?").build());
        var completion = client.chat().completions().create(request().addFunctionTool(weather)
                .addUserMessageOfArrayOfContentParts(List.of(text, image)).build());
        Deployed.assertKeyless(completion.toString());
        var call = completion.choices().get(0).message().toolCalls().orElseThrow().get(0).asFunction();
        assertEquals("weather", call.function().name());
        assertEquals("{\"city\": \"Graz\"}", call.function().arguments());
        assertTrue(call._additionalProperties().get("extra_content").toString().contains("AbC/+=="));
        String sent = upstream.request().text();
        assertTrue(sent.contains("data:image/png;base64,iVBORw0KGgo=") && sent.contains("\"tools\""), sent);
    }

    @Test
    void errorsAreItsOwnTypedExceptions() {
        assertError(BadRequestException.class, 400, "messages", "is an empty array");
        assertError(BadRequestException.class, 400, null, "Body validation error!");
        assertError(NotFoundException.class, 404, null, "no such model");
        assertError(RateLimitException.class, 429, null, "Too Many Requests");
        assertError(InternalServerException.class, 500, null, "The model is under maintenance");
    }

    private static void assertError(Class<? extends OpenAIServiceException> type, int status, String param, String message) {
        upstream.script(answering(status, "application/json",
                "{\"message\":\"" + message + "\",\"requestId\":\"r1\",\"statusCode\":" + status + "}"));
        var params = param == null ? request().build() : request().messages(List.of()).build();
        var error = assertThrows(type, () -> client.chat().completions().create(params));
        Deployed.assertKeyless(error.headers() + error.toString() + error.body());
        assertEquals(status, error.statusCode());
        assertTrue(error.getMessage().contains(message), error.getMessage());
        assertEquals(param, error.param().orElse(null));
        assertEquals(null, error.code().orElse(null), "an id is no code");
        assertEquals(param == null ? "r1" : null, param == null ? error.headers().values("x-request-id").get(0) : null);
    }
}
