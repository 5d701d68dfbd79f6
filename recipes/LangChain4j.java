import dev.langchain4j.agent.tool.P;
import dev.langchain4j.agent.tool.Tool;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import dev.langchain4j.service.AiServices;
import dev.langchain4j.service.TokenStream;
import java.util.concurrent.CompletableFuture;

/** LangChain4j: {@code dev.langchain4j:langchain4j} and {@code langchain4j-open-ai}. It is told base URL and key. */
public class LangChain4j {

    interface Assistant {
        String ask(String question);
    }

    interface StreamingAssistant {
        TokenStream ask(String question);
    }

    static class Weather {
        @Tool("The weather in a city")
        String weather(@P(name = "city", value = "its name") String city) {
            return "sunny in " + city;
        }
    }

    static OpenAiChatModel model(String name) {
        return OpenAiChatModel.builder().baseUrl(System.getenv("OPENAI_BASE_URL")).apiKey(System.getenv("OPENAI_API_KEY"))
                .modelName(name).build();
    }

    public static void main(String[] args) {
        var streaming = OpenAiStreamingChatModel.builder().baseUrl(System.getenv("OPENAI_BASE_URL"))
                .apiKey(System.getenv("OPENAI_API_KEY")).modelName("google/gemini-pro-latest").build();
        var end = new CompletableFuture<Object>();
        AiServices.create(StreamingAssistant.class, streaming).ask("Hello").onPartialResponse(System.out::print)
                .onCompleteResponse(end::complete).onError(end::completeExceptionally).start();
        end.join();
        System.out.println();

        var assistant = AiServices.builder(Assistant.class).chatModel(model("google/gemini-pro-latest")).tools(new Weather()).build();
        System.out.println(assistant.ask("How is the weather in Graz?"));

        try {
            model("stub/429").chat("Hello");
        } catch (RateLimitException e) {
            System.out.println(e.getMessage());
        }
    }
}
// prints: You said: Hello
// prints: You said: sunny in
// prints: The stub was asked for a 429
