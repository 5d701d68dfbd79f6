package chatlambda.local;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;

import java.io.IOException;
import java.util.UUID;

/**
 * {@code POST /2015-03-31/functions/{name}/invocations}: any name, {@code RequestResponse} only.
 *
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html">Invoke</a>
 */
final class InvokeApi implements HttpHandler {

    private final Invoker function;

    InvokeApi(Invoker function) {
        this.function = function;
    }

    @Override
    public void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            byte[] event = exchange.getRequestBody().readAllBytes();
            if (!exchange.getRequestURI().getPath().endsWith("/invocations") || !exchange.getRequestMethod().equals("POST")) {
                exchange.sendResponseHeaders(404, -1);
                return;
            }
            String type = exchange.getRequestHeaders().getFirst("X-Amz-Invocation-Type");
            if ("DryRun".equals(type)) {
                exchange.sendResponseHeaders(204, -1);
                return;
            }
            Outcome outcome = function.invoke(UUID.randomUUID().toString(), event, Caller.NONE);
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.getResponseHeaders().set("X-Amz-Executed-Version", "$LATEST");
            if (outcome.functionError()) {
                exchange.getResponseHeaders().set("X-Amz-Function-Error", "Unhandled");
            }
            byte[] payload = "Event".equals(type) ? new byte[0] : outcome.payload();
            exchange.sendResponseHeaders("Event".equals(type) ? 202 : 200, payload.length == 0 ? -1 : payload.length);
            exchange.getResponseBody().write(payload);
        }
    }
}
