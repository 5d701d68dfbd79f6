package chatlambda.local;

import chatlambda.local.LocalLambda.InvokeMode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.UUID;

/**
 * Serves a page to chat with the function by hand. It answers {@code GET} of the page's three files, and what the page asks for: the
 * bytes of a kept invocation ({@code /_playground/exchange}) and a running one's end ({@code /_playground/stop}). All other requests go
 * to the Function URL unchanged; those that the page sends are kept, to be shown.
 */
final class Playground implements HttpHandler {

    private static final Map<String, String> FILES = Map.of("/", "index.html", "/playground.css", "playground.css", "/playground.js",
            "playground.js");
    private static final String PAGE_API = "/_playground/";
    /** Response header for the page: the id to ask {@code /_playground/exchange} for. */
    private static final String EXCHANGE_HEADER = "x-playground-exchange";
    private static final String CONTENT_SECURITY_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
            + " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private final Path directory;
    private final LocalRuntimeApi runtimeApi;
    private final Exchanges exchanges;
    private final FunctionUrl functionUrl;
    /** Keeps what goes over in {@link #exchanges}. */
    private final FunctionUrl recordedFunctionUrl;

    Playground(Path directory, LocalRuntimeApi runtimeApi, InvokeMode mode) {
        this.directory = directory;
        this.runtimeApi = runtimeApi;
        this.exchanges = new Exchanges(runtimeApi);
        this.functionUrl = new FunctionUrl(runtimeApi, mode);
        this.recordedFunctionUrl = new FunctionUrl(exchanges, mode);
    }

    @Override
    public void handle(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getRawPath();
        boolean gets = exchange.getRequestMethod().equals("GET");
        if (gets && FILES.containsKey(path) || path.startsWith(PAGE_API)) {
            try (exchange) {
                answer(exchange, path, gets);
            }
        } else if (isFromPage(exchange)) {
            String id = UUID.randomUUID().toString();
            exchange.getResponseHeaders().set(EXCHANGE_HEADER, id);
            recordedFunctionUrl.handle(exchange, id);
        } else {
            functionUrl.handle(exchange);
        }
    }

    private void answer(HttpExchange exchange, String path, boolean gets) throws IOException {
        String query = exchange.getRequestURI().getRawQuery();
        String id = query == null || !query.startsWith("id=") ? null : query.substring("id=".length());
        if (FILES.containsKey(path)) {
            String file = FILES.get(path);
            send(exchange, 200, "text/" + (file.endsWith(".js") ? "javascript" : file.substring(file.lastIndexOf('.') + 1)),
                    Files.readString(directory.resolve(file)));
        } else if (gets && path.equals(PAGE_API + "exchange")) {
            var json = exchanges.json(id);
            if (json == null) {
                send(exchange, 404, "application/json", "{}");
            } else {
                send(exchange, 200, "application/json", json.toString());
            }
        } else if (path.equals(PAGE_API + "stop") && exchange.getRequestMethod().equals("POST") && isFromPage(exchange)) {
            String stopped = id == null ? exchanges.newestUnanswered() : id;
            if (stopped != null) {
                runtimeApi.stop(stopped);
            }
            send(exchange, 200, "application/json", "{}");
        } else {
            send(exchange, 404, "text/plain", "no such path: " + path);
        }
    }

    /** A browser sends an Origin with every POST, and {@link LoopbackOnlyFilter} has refused all but this page's. */
    private static boolean isFromPage(HttpExchange exchange) {
        return exchange.getRequestHeaders().containsKey("Origin");
    }

    private static void send(HttpExchange exchange, int status, String contentType, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", contentType + "; charset=utf-8");
        exchange.getResponseHeaders().set("Cache-Control", "no-store");
        exchange.getResponseHeaders().set("Content-Security-Policy", CONTENT_SECURITY_POLICY);
        exchange.getResponseHeaders().set("Cross-Origin-Resource-Policy", "same-origin");
        exchange.getResponseHeaders().set("X-Content-Type-Options", "nosniff");
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
    }
}
