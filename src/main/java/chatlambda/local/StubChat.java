package chatlambda.local;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import jakarta.json.Json;
import jakarta.json.JsonException;
import jakarta.json.JsonObject;
import jakarta.json.JsonObjectBuilder;
import jakarta.json.JsonString;
import java.io.ByteArrayInputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import javax.net.ssl.SSLContext;

/**
 * A chat endpoint on loopback that answers in AI/ML API's form. It repeats the last message, so the same request has the same answer.
 * The model's name selects other behaviour: {@code stub/429} is answered with that error status, {@code stub/slow-1500} after that many
 * milliseconds.
 */
public final class StubChat implements Closeable {

    static {
        System.setProperty("sun.net.httpserver.nodelay", "true"); // as in LocalLambda, which may not be loaded
    }

    private final HttpServer server;
    private final ExecutorService threads;
    private final Duration pace;

    private StubChat(HttpServer server, ExecutorService threads, Duration pace) {
        this.server = server;
        this.threads = threads;
        this.pace = pace;
    }

    /**
     * Starts it on any free port, for plain HTTP.
     *
     * @param pace the pause before each word of a streamed answer
     */
    public static StubChat start(Duration pace) {
        return start(pace, null);
    }

    /**
     * Starts it on any free port.
     *
     * @param identity with a certificate for {@code localhost}; null: plain HTTP
     */
    public static StubChat start(Duration pace, SSLContext identity) {
        try {
            var server = listen(identity);
            var threads = LocalLambda.daemons("stub-chat");
            var stub = new StubChat(server, threads, pace);
            server.setExecutor(threads);
            server.createContext("/v1/chat/completions", stub::handle);
            server.start();
            return stub;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static HttpServer listen(SSLContext identity) throws IOException {
        var address = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        if (identity == null) {
            return HttpServer.create(address, 0);
        }
        var server = HttpsServer.create(address, 0);
        server.setHttpsConfigurator(new HttpsConfigurator(identity));
        return server;
    }

    /** Its URL, for {@code chat.url}. */
    public URI url() {
        return URI.create((server instanceof HttpsServer ? "https://localhost:" : "http://127.0.0.1:") + server.getAddress().getPort());
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            byte[] body = exchange.getRequestBody().readAllBytes();
            String key = exchange.getRequestHeaders().getFirst("Authorization");
            JsonObject request;
            try (var reader = Json.createReader(new ByteArrayInputStream(body))) {
                request = reader.readObject();
            } catch (JsonException | ClassCastException e) {
                error(exchange, 400, "Body validation error!");
                return;
            }
            exchange.getResponseHeaders().set("x-inference-id", "stub-inference-1");
            String model = request.getString("model", "");
            String variant = model.startsWith("stub/") ? model.substring("stub/".length()) : "";
            if (key == null || !key.startsWith("Bearer ")) {
                error(exchange, 401, "Invalid API key");
            } else if (variant.matches("[45][0-9][0-9]")) {
                error(exchange, Integer.parseInt(variant), "The stub was asked for a " + variant);
            } else {
                if (variant.matches("slow-[0-9]{1,6}")) {
                    LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(Long.parseLong(variant.substring("slow-".length()))));
                }
                if (request.getBoolean("stream", false)) {
                    stream(exchange, model, reply(request));
                } else {
                    whole(exchange, model, reply(request));
                }
            }
        }
    }

    /** The answer's text, which repeats the last message if that is text. */
    private static String reply(JsonObject request) {
        var messages = request.getJsonArray("messages");
        var last = messages == null || messages.isEmpty() ? null : messages.getJsonObject(messages.size() - 1).get("content");
        return "You said: " + (last instanceof JsonString text ? text.getString() : "something that is not plain text");
    }

    private static void whole(HttpExchange exchange, String model, String text) throws IOException {
        exchange.getResponseHeaders().set("x-aimlapi-credits-used", "42");
        send(exchange, 200, Json.createObjectBuilder().add("id", "chatcmpl-stub").add("object", "chat.completion")
                .add("created", 1_700_000_000).add("model", model)
                .add("choices", Json.createArrayBuilder().add(Json.createObjectBuilder().add("index", 0)
                        .add("message", Json.createObjectBuilder().add("role", "assistant").add("content", text).addNull("refusal"))
                        .add("finish_reason", "stop").addNull("logprobs")))
                .add("usage", usage(text))
                .add("meta", Json.createObjectBuilder().add("usage", Json.createObjectBuilder().add("credits_used", 42)))
                .build().toString());
    }

    /** Streams as AI/ML API's documentation shows it: word by word, usage in a last chunk without choices, and no {@code [DONE]}. */
    private void stream(HttpExchange exchange, String model, String text) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "text/event-stream");
        exchange.sendResponseHeaders(200, 0);
        OutputStream out = exchange.getResponseBody();
        event(out, chunk(model, "{\"role\":\"assistant\",\"content\":\"\"}", "null"));
        for (String word : text.split("(?<= )")) {
            LockSupport.parkNanos(pace.toNanos());
            event(out, chunk(model, Json.createObjectBuilder().add("content", word).build().toString(), "null"));
        }
        event(out, chunk(model, "{}", "\"stop\""));
        event(out, "{\"id\":\"chatcmpl-stub\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":"
                + Json.createValue(model) + ",\"choices\":[],\"usage\":" + usage(text).build() + "}");
    }

    private static JsonObjectBuilder usage(String text) {
        int tokens = text.split(" ").length;
        return Json.createObjectBuilder().add("prompt_tokens", 7).add("completion_tokens", tokens).add("total_tokens", 7 + tokens);
    }

    private static String chunk(String model, String delta, String finishReason) {
        return "{\"id\":\"chatcmpl-stub\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":"
                + Json.createValue(model) + ",\"choices\":[{\"index\":0,\"delta\":" + delta + ",\"finish_reason\":" + finishReason
                + "}],\"usage\":null}";
    }

    private static void event(OutputStream out, String data) throws IOException {
        out.write(("data: " + data + "\n\n").getBytes(StandardCharsets.UTF_8));
        out.flush();
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
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
    }
}
