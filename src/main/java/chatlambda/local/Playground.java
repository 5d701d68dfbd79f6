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
 * A page to chat with the function by hand, before the Function URL: {@code GET} of the page's three files, and for the page alone
 * {@code /_playground/exchange}, what went over, and {@code /_playground/stop}. All other requests are the Function URL's, untouched;
 * those of the page itself are kept to be shown.
 */
final class Playground implements HttpHandler {

    private static final Map<String, String> FILES = Map.of("/", "index.html", "/playground.css", "playground.css", "/playground.js",
            "playground.js");
    private static final String OWN = "/_playground/";
    /** In the answer to the page: what to ask {@code /_playground/exchange} for. */
    private static final String EXCHANGE = "x-playground-exchange";
    private static final String POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
            + " base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private final Path directory;
    private final LocalRuntimeApi runtimeApi;
    private final Exchanges exchanges;
    private final FunctionUrl door;
    private final FunctionUrl doorOfThePage;

    Playground(Path directory, LocalRuntimeApi runtimeApi, InvokeMode mode) {
        this.directory = directory;
        this.runtimeApi = runtimeApi;
        this.exchanges = new Exchanges(runtimeApi);
        this.door = new FunctionUrl(runtimeApi, mode);
        this.doorOfThePage = new FunctionUrl(exchanges, mode);
    }

    @Override
    public void handle(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getRawPath();
        boolean gets = exchange.getRequestMethod().equals("GET");
        if (gets && FILES.containsKey(path) || path.startsWith(OWN)) {
            try (exchange) {
                answer(exchange, path, gets);
            }
        } else if (isOfThePage(exchange)) {
            String id = UUID.randomUUID().toString();
            exchange.getResponseHeaders().set(EXCHANGE, id);
            doorOfThePage.handle(exchange, id);
        } else {
            door.handle(exchange);
        }
    }

    private void answer(HttpExchange exchange, String path, boolean gets) throws IOException {
        String query = exchange.getRequestURI().getRawQuery();
        String id = query == null || !query.startsWith("id=") ? null : query.substring("id=".length());
        if (FILES.containsKey(path)) {
            String file = FILES.get(path);
            send(exchange, 200, "text/" + (file.endsWith(".js") ? "javascript" : file.substring(file.lastIndexOf('.') + 1)),
                    Files.readString(directory.resolve(file)));
        } else if (gets && path.equals(OWN + "exchange")) {
            var json = exchanges.json(id);
            send(exchange, json == null ? 404 : 200, "application/json", json == null ? "{}" : json.toString());
        } else if (path.equals(OWN + "stop") && exchange.getRequestMethod().equals("POST") && isOfThePage(exchange)) {
            String stopped = id == null ? exchanges.newestUnanswered() : id;
            if (stopped != null) {
                runtimeApi.stop(stopped);
            }
            send(exchange, 200, "application/json", "{}");
        } else {
            send(exchange, 404, "text/plain", "no such path: " + path);
        }
    }

    /** A browser says with every POST where it is from; from elsewhere none comes this far. */
    private static boolean isOfThePage(HttpExchange exchange) {
        return exchange.getRequestHeaders().containsKey("Origin");
    }

    private static void send(HttpExchange exchange, int status, String contentType, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", contentType + "; charset=utf-8");
        exchange.getResponseHeaders().set("Cache-Control", "no-store");
        exchange.getResponseHeaders().set("Content-Security-Policy", POLICY);
        exchange.getResponseHeaders().set("Cross-Origin-Resource-Policy", "same-origin");
        exchange.getResponseHeaders().set("X-Content-Type-Options", "nosniff");
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
    }
}
