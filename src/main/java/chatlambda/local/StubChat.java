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
 * A chat endpoint on loopback that answers in AI/ML API's form, always the same to the same request: it repeats the last message.
 * The model's name selects what else it can do: {@code stub/429} (any error status), {@code stub/slow-1500} (milliseconds of thought).
 */
public final class StubChat implements Closeable {

    private final ExecutorService threads = LocalLambda.daemons("stub-chat"); // first, because LocalLambda sets the JDK's server up
    private final HttpServer server;
    private final Duration pace;

    private StubChat(Duration pace, SSLContext identity) throws IOException {
        this.pace = pace;
        var address = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
        server = identity == null ? HttpServer.create(address, 0) : HttpsServer.create(address, 0);
        if (server instanceof HttpsServer https) {
            https.setHttpsConfigurator(new HttpsConfigurator(identity));
        }
        server.setExecutor(threads);
        server.createContext("/v1/chat/completions", this::handle);
        server.start();
    }

    /** @param pace the pause between two chunks of a streamed answer */
    public static StubChat start(Duration pace) {
        return start(pace, null);
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
            String behaviour = model.startsWith("stub/") ? model.substring("stub/".length()) : "";
            if (key == null || !key.startsWith("Bearer ")) {
                error(exchange, 401, "Invalid API key");
            } else if (behaviour.matches("[45][0-9][0-9]")) {
                error(exchange, Integer.parseInt(behaviour), "The stub was asked for a " + behaviour);
            } else {
                if (behaviour.matches("slow-[0-9]{1,6}")) {
                    LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(Long.parseLong(behaviour.substring("slow-".length()))));
                }
                if (request.getBoolean("stream", false)) {
                    stream(exchange, model, answerTo(request));
                } else {
                    whole(exchange, model, answerTo(request));
                }
            }
        }
    }

    /** Repeats the last message, if its content is text. */
    private static String answerTo(JsonObject request) {
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

    /** Word by word, usage in a last chunk without choices, and no {@code [DONE]}: as AI/ML API's documentation prints it. */
    private void stream(HttpExchange exchange, String model, String text) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "text/event-stream");
        exchange.sendResponseHeaders(200, 0);
        OutputStream out = exchange.getResponseBody();
        event(out, chunk(model, choice("{\"role\":\"assistant\",\"content\":\"\"}", "null"), null));
        for (String word : text.split("(?<= )")) {
            LockSupport.parkNanos(pace.toNanos());
            event(out, chunk(model, choice(Json.createObjectBuilder().add("content", word).build().toString(), "null"), null));
        }
        event(out, chunk(model, choice("{}", "\"stop\""), null));
        event(out, chunk(model, "", usage(text).build()));
    }

    private static JsonObjectBuilder usage(String text) {
        int tokens = text.split(" ").length;
        return Json.createObjectBuilder().add("prompt_tokens", 7).add("completion_tokens", tokens).add("total_tokens", 7 + tokens);
    }

    private static String choice(String delta, String finishReason) {
        return "{\"index\":0,\"delta\":" + delta + ",\"finish_reason\":" + finishReason + "}";
    }

    private static String chunk(String model, String choices, JsonObject usage) {
        return "{\"id\":\"chatcmpl-stub\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":"
                + Json.createValue(model) + ",\"choices\":[" + choices + "],\"usage\":" + usage + "}";
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
        LocalLambda.send(exchange, status, "application/json", body.getBytes(StandardCharsets.UTF_8));
    }
}
