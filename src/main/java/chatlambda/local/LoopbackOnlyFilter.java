package chatlambda.local;

import com.sun.net.httpserver.Filter;
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * Refuses requests of web pages from elsewhere, which a browser on this machine may send and which would spend dev mode's key. They have
 * another {@code Origin}, or another {@code Host} if their host's name was made to resolve to loopback (DNS rebinding).
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
            LocalLambda.send(exchange, 403, "text/plain", REFUSED);
        }
    }

    @Override
    public String description() {
        return "loopback only";
    }
}
