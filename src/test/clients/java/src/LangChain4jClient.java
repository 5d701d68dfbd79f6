import dev.langchain4j.agent.tool.P;
import dev.langchain4j.agent.tool.Tool;
import dev.langchain4j.exception.AuthenticationException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiEmbeddingModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import dev.langchain4j.service.AiServices;
import dev.langchain4j.service.Result;
import dev.langchain4j.service.TokenStream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** LangChain4j at its defaults: its AI services on chat completions. */
final class LangChain4jClient {

    interface Assistant {
        Result<String> ask(String question);
    }

    interface StreamingAssistant {
        TokenStream ask(String question);
    }

    interface Extractor {
        Cases.City city(String text);
    }

    static final class Weather {
        private final List<Cases.City> given = new ArrayList<>();

        @Tool("The weather")
        String weather(@P(name = "city", value = "the city") String city, @P(name = "days", value = "how many days ahead") int days) {
            given.add(new Cases.City(city, days));
            return "sunny";
        }
    }

    private LangChain4jClient() {
    }

    public static void main(String[] args) {
        Cases.of()
                .with("text", LangChain4jClient::text)
                .with("stream", LangChain4jClient::stream)
                .with("tools", LangChain4jClient::tools)
                .with("toolsStream", LangChain4jClient::toolsStream)
                .with("json", LangChain4jClient::json)
                .with("embeddings", LangChain4jClient::embeddings)
                .with("unknownKey", LangChain4jClient::unknownKey)
                .with("rateLimited", LangChain4jClient::rateLimited)
                .with("rateLimitedStream", LangChain4jClient::rateLimitedStream)
                .main(args);
    }

    private static ChatModel chat(String key, String model) {
        return OpenAiChatModel.builder().baseUrl(Cases.BASE_URL).apiKey(key).modelName(model).build();
    }

    private static StreamingChatModel streamingChat(String key, String model) {
        return OpenAiStreamingChatModel.builder().baseUrl(Cases.BASE_URL).apiKey(key).modelName(model).build();
    }

    /** The pieces of the answer, as they come. */
    private static List<String> pieces(StreamingAssistant assistant) throws Exception {
        var pieces = new ArrayList<String>();
        var end = new CompletableFuture<Object>();
        assistant.ask("Hello").onPartialResponse(pieces::add).onCompleteResponse(end::complete).onError(end::completeExceptionally).start();
        end.get(4, TimeUnit.MINUTES);
        return pieces;
    }

    private static void text() {
        var result = AiServices.create(Assistant.class, chat(Cases.KEY, Cases.MODEL)).ask("Hello");
        Cases.equal("You said: Hello", result.content());
        Cases.equal(10, result.tokenUsage().totalTokenCount());
    }

    private static void stream() throws Exception {
        Cases.isStreamed(pieces(AiServices.create(StreamingAssistant.class, streamingChat(Cases.KEY, Cases.MODEL))));
    }

    private static void tools() {
        var weather = new Weather();
        var assistant = AiServices.builder(Assistant.class).chatModel(chat(Cases.KEY, Cases.MODEL)).tools(weather).build();
        Cases.equal("You said: sunny", assistant.ask("Hello").content());
        Cases.equal(List.of(Cases.City.FILLED), weather.given);
    }

    private static void toolsStream() throws Exception {
        var weather = new Weather();
        var assistant = AiServices.builder(StreamingAssistant.class).streamingChatModel(streamingChat(Cases.KEY, Cases.MODEL))
                .tools(weather).build();
        Cases.equal("You said: sunny", String.join("", pieces(assistant)));
        Cases.equal(List.of(Cases.City.FILLED), weather.given);
    }

    /** It asks for JSON in words unless it is told that the endpoint takes schemas. */
    private static void json() {
        var structured = OpenAiChatModel.builder().baseUrl(Cases.BASE_URL).apiKey(Cases.KEY).modelName(Cases.MODEL)
                .supportedCapabilities(Capability.RESPONSE_FORMAT_JSON_SCHEMA).strictJsonSchema(true).build();
        Cases.equal(Cases.City.FILLED, AiServices.create(Extractor.class, structured).city("Hello"));
    }

    private static void embeddings() {
        var model = OpenAiEmbeddingModel.builder().baseUrl(Cases.BASE_URL).apiKey(Cases.KEY).modelName(Cases.MODEL).build();
        Cases.equal(8, model.embed("Hello").content().dimension());
    }

    private static void unknownKey() {
        var whole = Cases.failure(AuthenticationException.class, () -> chat(Cases.KEY_OF_NOBODY, Cases.MODEL).chat("Hello"));
        Cases.contains("invalid_api_key", whole.getMessage());
        var assistant = AiServices.create(StreamingAssistant.class, streamingChat(Cases.KEY_OF_NOBODY, Cases.MODEL));
        var stream = Cases.failure(AuthenticationException.class, () -> pieces(assistant));
        Cases.contains("incorrect API key", stream.getMessage());
    }

    private static void rateLimited() {
        var error = Cases.failure(RateLimitException.class, () -> chat(Cases.KEY, Cases.LIMITED).chat("Hello"));
        Cases.contains("The stub was asked for a 429", error.getMessage());
    }

    private static void rateLimitedStream() {
        var assistant = AiServices.create(StreamingAssistant.class, streamingChat(Cases.KEY, Cases.LIMITED));
        var error = Cases.failure(RateLimitException.class, () -> pieces(assistant));
        Cases.contains("The stub was asked for a 429", error.getMessage());
    }
}
