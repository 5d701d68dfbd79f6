import com.openai.errors.RateLimitException;
import com.openai.errors.UnauthorizedException;
import java.util.ArrayList;
import java.util.List;
import org.springframework.ai.chat.client.AdvisorParams;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.document.MetadataMode;
import org.springframework.ai.openai.OpenAiChatModel;
import org.springframework.ai.openai.OpenAiChatOptions;
import org.springframework.ai.openai.OpenAiEmbeddingModel;
import org.springframework.ai.openai.OpenAiEmbeddingOptions;
import org.springframework.ai.tool.annotation.Tool;

/** Spring AI at its defaults, without Spring Boot. */
final class SpringAiClient {

    static final class Weather {
        private final List<Cases.City> given = new ArrayList<>();

        @Tool(description = "The weather")
        String weather(String city, int days) {
            given.add(new Cases.City(city, days));
            return "sunny";
        }
    }

    private SpringAiClient() {
    }

    public static void main(String[] args) {
        Cases.of()
                .with("text", SpringAiClient::text)
                .with("stream", SpringAiClient::stream)
                .with("tools", SpringAiClient::tools)
                .with("toolsStream", SpringAiClient::toolsStream)
                .with("json", SpringAiClient::json)
                .with("embeddings", SpringAiClient::embeddings)
                .with("unknownKey", SpringAiClient::unknownKey)
                .with("rateLimited", SpringAiClient::rateLimited)
                .with("rateLimitedStream", SpringAiClient::rateLimitedStream)
                .main(args);
    }

    private static ChatClient.ChatClientRequestSpec hello(String key, String model) {
        var options = OpenAiChatOptions.builder().baseUrl(Cases.BASE_URL).apiKey(key).model(model).build();
        return ChatClient.create(OpenAiChatModel.builder().options(options).build()).prompt("Hello");
    }

    private static ChatClient.ChatClientRequestSpec hello() {
        return hello(Cases.KEY, Cases.MODEL);
    }

    private static void text() {
        var response = hello().call().chatResponse();
        Cases.equal("You said: Hello", response.getResult().getOutput().getText());
        Cases.equal(10, response.getMetadata().getUsage().getTotalTokens());
    }

    private static void stream() {
        Cases.isStreamed(hello().stream().content().collectList().block());
    }

    /** It passes a tool's result on as JSON. */
    private static void tools() {
        var weather = new Weather();
        Cases.equal("You said: \"sunny\"", hello().tools(weather).call().content());
        Cases.equal(List.of(Cases.City.FILLED), weather.given);
    }

    private static void toolsStream() {
        var weather = new Weather();
        Cases.equal("You said: \"sunny\"", String.join("", hello().tools(weather).stream().content().collectList().block()));
        Cases.equal(List.of(Cases.City.FILLED), weather.given);
    }

    /** It asks for JSON in words unless it is told that the endpoint takes schemas. */
    private static void json() {
        Cases.equal(Cases.City.FILLED, hello().advisors(AdvisorParams.ENABLE_NATIVE_STRUCTURED_OUTPUT).call().entity(Cases.City.class));
    }

    private static void embeddings() {
        var options = OpenAiEmbeddingOptions.builder().baseUrl(Cases.BASE_URL).apiKey(Cases.KEY).model(Cases.MODEL).build();
        Cases.equal(8, new OpenAiEmbeddingModel(MetadataMode.EMBED, options).embed("Hello").length);
    }

    private static void unknownKey() {
        var stranger = hello(Cases.KEY_OF_NOBODY, Cases.MODEL);
        var whole = Cases.failure(UnauthorizedException.class, () -> stranger.call().content());
        Cases.equal("invalid_api_key", whole.code().orElse(null));
        var stream = Cases.failure(UnauthorizedException.class, () -> stranger.stream().content().collectList().block());
        Cases.contains("incorrect API key", stream.getMessage());
    }

    private static void rateLimited() {
        var error = Cases.failure(RateLimitException.class, () -> hello(Cases.KEY, Cases.LIMITED).call().content());
        Cases.contains("The stub was asked for a 429", error.getMessage());
    }

    private static void rateLimitedStream() {
        var error = Cases.failure(RateLimitException.class,
                () -> hello(Cases.KEY, Cases.LIMITED).stream().content().collectList().block());
        Cases.contains("The stub was asked for a 429", error.getMessage());
    }
}
