import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.services.lambda.LambdaClient;

public class Caller implements RequestHandler<Map<String, String>, String> {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final LambdaClient LAMBDA = LambdaClient.builder()
            .httpClientBuilder(UrlConnectionHttpClient.builder().socketTimeout(Duration.ofMinutes(15))).build();

    static class ChatFailed extends RuntimeException {
        final String type;
        final JsonNode error;

        ChatFailed(String type, String message) {
            super(type + ": " + message);
            JsonNode error = JSON.createObjectNode().put("message", message);
            try {
                error = JSON.readTree(message).path("error");
            } catch (JsonProcessingException e) {
                // plain text
            }
            this.type = type;
            this.error = error;
        }
    }

    @Override
    public String handleRequest(Map<String, String> event, Context context) {
        try {
            return ask(Map.of("model", event.get("model"), "messages", List.of(Map.of("role", "user", "content", event.get("question")))));
        } catch (ChatFailed e) {
            if (e.type.equals("Chat.UpstreamError") && e.error.path("type").asText().equals("rate_limit_error")) {
                return "Ask me again later.";
            }
            throw e;
        }
    }

    private static String ask(Map<String, Object> request) {
        try {
            var payload = SdkBytes.fromByteArray(JSON.writeValueAsBytes(request));
            var answer = LAMBDA.invoke(call -> call.functionName("chat").payload(payload));
            JsonNode json = JSON.readTree(answer.payload().asByteArray());
            if (answer.functionError() != null) {
                throw new ChatFailed(json.path("errorType").asText(), json.path("errorMessage").asText());
            }
            return json.at("/choices/0/message/content").asText();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static void main(String[] args) {
        var caller = new Caller();
        System.out.println(caller.handleRequest(Map.of("model", "stub/echo", "question", "Hi"), null) + " "
                + caller.handleRequest(Map.of("model", "stub/429", "question", "Hi"), null));
    }
}
// prints: You said: Hi Ask me again later.
