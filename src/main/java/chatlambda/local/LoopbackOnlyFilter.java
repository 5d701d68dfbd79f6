package chatlambda.local;

import com.sun.net.httpserver.Filter;
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * Refuses the requests of foreign pages in a browser on this machine, which could otherwise spend dev mode's key. Such a request has
 * the page's own origin in its header {@code Origin}; or the page's host name in {@code Host}, if its DNS entry leads to this machine
 * (DNS rebinding).
 */
final class LoopbackOnlyFilter extends Filter {

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
        return "loopback only";
    }
}
