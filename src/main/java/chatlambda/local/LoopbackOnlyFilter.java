package chatlambda.local;

import chatlambda.access.Cors;
import chatlambda.chat.ChatError;
import com.sun.net.httpserver.Filter;
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;

/**
 * Refuses requests of web pages from elsewhere, which a browser on this machine may send and which would spend dev mode's key. They have
 * another {@code Origin}, or another {@code Host} if their host's name was made to resolve to loopback (DNS rebinding).
 */
final class LoopbackOnlyFilter extends Filter {

    private static final String LOOPBACK = "(localhost|127\\.0\\.0\\.1|\\[::1])(:\\d+)?";

    private final Cors cors;

    /** @param cors which pages from elsewhere may ask all the same; the function tells their browsers so */
    LoopbackOnlyFilter(Cors cors) {
        this.cors = cors;
    }

    @Override
    public void doFilter(HttpExchange exchange, Chain chain) throws IOException {
        String host = exchange.getRequestHeaders().getFirst("Host");
        String origin = exchange.getRequestHeaders().getFirst("Origin");
        String refused = null;
        if (host == null || !host.matches(LOOPBACK)) {
            refused = "this server is asked as " + (host == null ? "nothing" : "another host") + ": ask it as localhost";
        } else if (origin != null && !origin.equals("http://" + host) && cors.allowed(origin) == null) {
            refused = origin.equals("null") ? "pages without an origin may not ask here: serve this one over http"
                    : "pages of this origin may not ask here: set chat.cors-origins (CHAT_CORS_ORIGINS) to " + origin;
        }
        if (refused == null) {
            chain.doFilter(exchange);
            return;
        }
        try (exchange) {
            exchange.getRequestBody().readAllBytes();
            LocalLambda.send(exchange, 403, "application/json", ChatError.refused(403, null, "origin_not_allowed", refused).json());
        }
    }

    /** Whether the request is of a page that this server serves. A browser sends {@code Origin} with every POST. */
    static boolean isFromThePage(HttpExchange exchange) {
        String origin = exchange.getRequestHeaders().getFirst("Origin");
        return origin != null && origin.equals("http://" + exchange.getRequestHeaders().getFirst("Host"));
    }

    @Override
    public String description() {
        return "loopback only";
    }
}
