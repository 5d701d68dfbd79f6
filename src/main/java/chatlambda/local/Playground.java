package chatlambda.local;

import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.LocalLambda.Page;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import jakarta.json.Json;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Pattern;

/**
 * A page to chat with the function by hand. It answers {@code GET} of the page's three files, and to the page alone
 * {@code /_playground/upstream} (whether that is a stub), {@code /_playground/exchange} (event and answer of a request, as far as they
 * are there) and {@code /_playground/stop}. It passes all other requests to the Function URL as they are; the page's own are recorded.
 */
final class Playground implements HttpHandler {

    private static final Map<String, String> FILES = Map.of("/", "index.html", "/playground.css", "playground.css", "/playground.js",
            "playground.js");
    private static final String PREFIX = "/_playground/";
    /** By this header the page names each request, for {@code /_playground/stop} and {@code exchange}; the function does not see it. */
    static final String EXCHANGE_HEADER = "x-playground-exchange";
    private static final Pattern UUID_TEXT = Pattern.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
    private static final String POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
            + " base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private final Page page;
    private final LocalRuntimeApi runtimeApi;
    private final RecentInvocations recent;
    private final FunctionUrl functionUrl;
    private final FunctionUrl recordedFunctionUrl;

    Playground(Page page, LocalRuntimeApi runtimeApi, InvokeMode mode) {
        this.page = page;
        this.runtimeApi = runtimeApi;
        this.recent = new RecentInvocations(runtimeApi);
        this.functionUrl = new FunctionUrl(runtimeApi, mode);
        this.recordedFunctionUrl = new FunctionUrl(recent, mode);
    }

    @Override
    public void handle(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getRawPath();
        boolean gets = exchange.getRequestMethod().equals("GET");
        if (gets && FILES.containsKey(path) || path.startsWith(PREFIX)) {
            try (exchange) {
                answer(exchange, path, gets);
            }
        } else if (LoopbackOnlyFilter.isFromThePage(exchange)) {
            String given = exchange.getRequestHeaders().getFirst(EXCHANGE_HEADER);
            String id = given != null && UUID_TEXT.matcher(given).matches() ? given : UUID.randomUUID().toString();
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
                    Files.readString(page.directory().resolve(file)));
        } else if (gets && path.equals(PREFIX + "upstream")) {
            send(exchange, 200, "application/json", Json.createObjectBuilder().add("stub", page.stub()).build().toString());
        } else if (gets && path.equals(PREFIX + "exchange")) {
            var json = recent.json(id);
            send(exchange, json == null ? 404 : 200, "application/json", json == null ? "{}" : json.toString());
        } else if (path.equals(PREFIX + "stop") && exchange.getRequestMethod().equals("POST")
                && LoopbackOnlyFilter.isFromThePage(exchange)) {
            if (id != null) {
                runtimeApi.stop(id);
            }
            send(exchange, 200, "application/json", "{}");
        } else {
            send(exchange, 404, "text/plain", "no such path: " + path);
        }
    }

    private static void send(HttpExchange exchange, int status, String contentType, String text) throws IOException {
        exchange.getResponseHeaders().set("Cache-Control", "no-store");
        exchange.getResponseHeaders().set("Content-Security-Policy", POLICY);
        exchange.getResponseHeaders().set("Cross-Origin-Resource-Policy", "same-origin");
        exchange.getResponseHeaders().set("X-Content-Type-Options", "nosniff");
        LocalLambda.send(exchange, status, contentType + "; charset=utf-8", text.getBytes(StandardCharsets.UTF_8));
    }
}
