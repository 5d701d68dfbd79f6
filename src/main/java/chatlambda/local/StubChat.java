package chatlambda.local;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import jakarta.json.Json;
import jakarta.json.JsonArray;
import jakarta.json.JsonException;
import jakarta.json.JsonNumber;
import jakarta.json.JsonObject;
import jakarta.json.JsonValue;
import java.io.ByteArrayInputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import javax.net.ssl.SSLContext;

/**
 * An OpenAI-style endpoint on loopback that answers in AI/ML API's form, always the same to the same request: chat completions and
 * responses as {@link StubAnswer} says, embeddings, and a list of models. The model's name selects what else it can do: {@code stub/429}
 * (any error status), {@code stub/slow-1500} (milliseconds of thought). In dev mode its first text says so.
 */
public final class StubChat implements Closeable {

    private static final List<String> MODELS = List.of("google/gemini-2.5-pro-preview-05-06", "google/gemini-pro-latest", "stub/429",
            "stub/slow-2000");
    private static final String INTRODUCTION = "\n\nThis answer comes from a stub, which repeats what you say. Ask it for the model"
            + " stub/429 to see that error, or for stub/slow-2000 to wait 2 seconds. With CHAT_API_KEY set, a real upstream answers.";
    private static final int DIMENSIONS = 8; // of a vector, where the request does not say how many
    private static final int MAX_DIMENSIONS = 4_096;

    /** Answers a request that is JSON and has a key, and whose model is no error. */
    private interface Answering {
        void answer(HttpExchange exchange, JsonObject request) throws IOException;
    }

    private final ExecutorService threads = LocalLambda.daemons("stub-chat"); // first, because LocalLambda sets the JDK's server up
    private final HttpServer server;
    private final Duration pace;
    /** Whether it has still to say what it is. */
    private final AtomicBoolean isStranger = new AtomicBoolean();

    private StubChat(Duration pace, SSLContext identity) throws IOException {
        this.pace = pace;
        var address = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        server = identity == null ? HttpServer.create(address, 0) : HttpsServer.create(address, 0);
        if (server instanceof HttpsServer https) {
            https.setHttpsConfigurator(new HttpsConfigurator(identity));
        }
        server.setExecutor(threads);
        server.createContext("/v1/chat/completions", exchange -> handle(exchange, this::chat));
        server.createContext("/v1/responses", exchange -> handle(exchange, this::responses));
        server.createContext("/v1/embeddings", exchange -> handle(exchange, StubChat::embeddings));
        server.createContext("/v1/models", StubChat::models);
        server.start();
    }

    /** @param pace the pause between two chunks of a streamed answer */
    public static StubChat start(Duration pace) {
        return start(pace, null);
    }

    /** At a pace at which the eye sees a stream, and with its first plain text it says what it is. */
    public static StubChat forDevMode() {
        StubChat stub = start(Duration.ofMillis(60));
        stub.isStranger.set(true);
        return stub;
    }

    /** @param identity the certificate for {@code localhost} and its key, for TLS; null for plain HTTP */
    public static StubChat start(Duration pace, SSLContext identity) {
        try {
            return new StubChat(pace, identity);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What {@code chat.url} is set to. */
    public URI url() {
        return URI.create((server instanceof HttpsServer ? "https://localhost:" : "http://127.0.0.1:") + server.getAddress().getPort());
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }

    private static void handle(HttpExchange exchange, Answering route) throws IOException {
        try (exchange) {
            byte[] body = exchange.getRequestBody().readAllBytes();
            JsonObject request;
            try (var reader = Json.createReader(new ByteArrayInputStream(body))) {
                request = reader.readObject();
            } catch (JsonException | ClassCastException e) {
                error(exchange, 400, "Body validation error!");
                return;
            }
            exchange.getResponseHeaders().set("x-inference-id", "stub-inference-1");
            String model = request.getString("model", "");
            String behaviour = model.startsWith("stub/") ? model.substring("stub/".length()) : "";
            if (!hasKey(exchange)) {
                error(exchange, 401, "Invalid API key");
            } else if (behaviour.matches("[45][0-9][0-9]")) {
                error(exchange, Integer.parseInt(behaviour), "The stub was asked for a " + behaviour);
            } else {
                if (behaviour.matches("slow-[0-9]{1,6}")) {
                    LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(Long.parseLong(behaviour.substring("slow-".length()))));
                }
                route.answer(exchange, request);
            }
        }
    }

    private static boolean hasKey(HttpExchange exchange) {
        String key = exchange.getRequestHeaders().getFirst("Authorization");
        return key != null && key.startsWith("Bearer ");
    }

    private void chat(HttpExchange exchange, JsonObject request) throws IOException {
        var completions = new StubCompletions(request.getString("model", ""), introduced(StubAnswer.toChat(request)));
        if (request.getBoolean("stream", false)) {
            completions.stream(eventStream(exchange), pace);
        } else {
            exchange.getResponseHeaders().set("x-aimlapi-credits-used", "42");
            send(exchange, 200, completions.whole().toString());
        }
    }

    private void responses(HttpExchange exchange, JsonObject request) throws IOException {
        var responses = new StubResponses(request, introduced(StubAnswer.toResponses(request)));
        if (request.getBoolean("stream", false)) {
            responses.stream(eventStream(exchange), pace);
        } else {
            send(exchange, 200, responses.whole().toString());
        }
    }

    private StubAnswer introduced(StubAnswer answer) {
        return answer.isPlainText() && isStranger.compareAndSet(true, false) ? answer.with(INTRODUCTION) : answer;
    }

    private static OutputStream eventStream(HttpExchange exchange) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "text/event-stream");
        exchange.sendResponseHeaders(200, 0);
        return exchange.getResponseBody();
    }

    /** The input is a text or its tokens, or an array of these. */
    private static void embeddings(HttpExchange exchange, JsonObject request) throws IOException {
        JsonValue input = request.getOrDefault("input", JsonValue.NULL);
        boolean several = input instanceof JsonArray array && !array.isEmpty() && !(array.get(0) instanceof JsonNumber);
        boolean base64 = request.getString("encoding_format", "float").equals("base64");
        int dimensions = Math.min(MAX_DIMENSIONS, Math.max(1, request.getInt("dimensions", DIMENSIONS)));
        var data = Json.createArrayBuilder();
        int index = 0;
        for (JsonValue each : several ? input.asJsonArray() : List.of(input)) {
            float[] vector = vector(each, dimensions);
            data.add(Json.createObjectBuilder().add("object", "embedding").add("index", index++)
                    .add("embedding", base64 ? Json.createValue(base64(vector)) : numbers(vector)));
        }
        send(exchange, 200, Json.createObjectBuilder().add("object", "list").add("data", data).add("model", request.getString("model", ""))
                .add("usage", Json.createObjectBuilder().add("prompt_tokens", 7).add("total_tokens", 7)).build().toString());
    }

    /** Numbers from -1 to 1, in steps that take few digits; the same for the same input. */
    private static float[] vector(JsonValue input, int dimensions) {
        var random = new Random(input.toString().hashCode());
        float[] vector = new float[dimensions];
        for (int i = 0; i < dimensions; i++) {
            vector[i] = (random.nextInt(257) - 128) / 128f;
        }
        return vector;
    }

    private static JsonArray numbers(float[] vector) {
        var numbers = Json.createArrayBuilder();
        for (float number : vector) {
            numbers.add(number);
        }
        return numbers.build();
    }

    private static String base64(float[] vector) {
        var bytes = ByteBuffer.allocate(vector.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(vector);
        return Base64.getEncoder().encodeToString(bytes.array());
    }

    private static void models(HttpExchange exchange) throws IOException {
        try (exchange) {
            if (!hasKey(exchange)) {
                error(exchange, 401, "Invalid API key");
                return;
            }
            var data = Json.createArrayBuilder();
            MODELS.forEach(model -> data.add(Json.createObjectBuilder().add("id", model).add("object", "model")
                    .add("created", 1_700_000_000).add("owned_by", "stub")));
            send(exchange, 200, Json.createObjectBuilder().add("object", "list").add("data", data).build().toString());
        }
    }

    private static void error(HttpExchange exchange, int status, String message) throws IOException {
        if (status == 429) {
            exchange.getResponseHeaders().set("Retry-After", "1");
        }
        send(exchange, status, Json.createObjectBuilder().add("message", message).add("path", exchange.getRequestURI().getPath())
                .add("requestId", "stub-request-1").add("statusCode", status).add("timestamp", "2026-01-01T00:00:00.000Z")
                .build().toString());
    }

    private static void send(HttpExchange exchange, int status, String body) throws IOException {
        LocalLambda.send(exchange, status, "application/json", body.getBytes(StandardCharsets.UTF_8));
    }
}
