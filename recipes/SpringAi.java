import com.openai.errors.OpenAIServiceException;
import java.util.concurrent.CompletionException;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.openai.OpenAiChatModel;
import org.springframework.ai.openai.OpenAiChatOptions;
import org.springframework.ai.tool.function.FunctionToolCallback;

/**
 * Spring AI: {@code org.springframework.ai:spring-ai-openai} and {@code spring-ai-client-chat}. With Spring Boot and
 * {@code spring-ai-starter-model-openai} in their place, {@code ChatClient.Builder} is a bean, and what is built here are three
 * properties: {@code spring.ai.openai.base-url=${OPENAI_BASE_URL}}, {@code spring.ai.openai.api-key=${OPENAI_API_KEY}} and
 * {@code spring.ai.openai.chat.model=google/gemini-pro-latest}.
 */
public class SpringAi {

    record Place(String city) {
    }

    static ChatClient chat(String model) {
        var options = OpenAiChatOptions.builder().baseUrl(System.getenv("OPENAI_BASE_URL")).apiKey(System.getenv("OPENAI_API_KEY"))
                .model(model).build();
        return ChatClient.create(OpenAiChatModel.builder().options(options).build());
    }

    public static void main(String[] args) {
        try {
            var chat = chat("google/gemini-pro-latest");
            chat.prompt("Hello").stream().content().doOnNext(System.out::print).blockLast();
            System.out.println();

            var weather = FunctionToolCallback.builder("weather", (Place place) -> "sunny in " + place.city())
                    .description("The weather in a city").inputType(Place.class).build();
            System.out.println(chat.prompt("How is the weather in Graz?").tools(weather).call().content());

            chat("stub/429").prompt("Hello").call().content();
        } catch (OpenAIServiceException | CompletionException e) { // a stream's error is wrapped
            System.out.println(e.getMessage());
        }
        System.exit(0); // its HTTP client's idle threads would keep the process for a minute
    }
}
// prints: You said: Hello
// prints: sunny in
// prints: 429: The stub was asked for a 429
