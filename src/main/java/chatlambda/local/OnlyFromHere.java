package chatlambda.local;

import com.sun.net.httpserver.Filter;
import com.sun.net.httpserver.HttpExchange;

import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * Lets in what this machine's user sends. A page from elsewhere, in a browser here, could otherwise spend the key that dev mode has: it
 * says where it is from, or it was made to take its own host for this one.
 */
final class OnlyFromHere extends Filter {

    private static final String LOOPBACK = "(localhost|127\\.0\\.0\\.1|\\[::1])(:\\d+)?";
    private static final byte[] REFUSED = "only pages of this server may ask here, and as localhost".getBytes(StandardCharsets.US_ASCII);

    @Override
    public void doFilter(HttpExchange exchange, Chain chain) throws IOException {
        String host = exchange.getRequestHeaders().getFirst("Host");
        String origin = exchange.getRequestHeaders().getFirst("Origin");
        if (host != null && host.matches(LOOPBACK) && (origin == null || origin.equals("http://" + host))) {
            chain.doFilter(exchange);
            return;
        }
        try (exchange) {
            exchange.getResponseHeaders().set("Content-Type", "text/plain");
            exchange.sendResponseHeaders(403, REFUSED.length);
            exchange.getResponseBody().write(REFUSED);
        }
    }

    @Override
    public String description() {
        return "only from here";
    }
}
