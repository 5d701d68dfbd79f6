package chatlambda.access;

import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * Which pages in browsers may read the answers: Cross-Origin Resource Sharing. Credentials, such as cookies, are never part of it: a
 * caller is known by the key that the page sends. For any thread.
 *
 * @param origins in lower case, or {@code *} for all; empty: CORS is not spoken
 * @see <a href="https://fetch.spec.whatwg.org/#http-cors-protocol">Fetch, 3.3: CORS protocol</a>
 */
public record Cors(Set<String> origins) {

    public static final String ANY = "*";

    /** By name: {@code *} would not stand for all of them where a request has an {@code Authorization}. */
    private static final String EXPOSED = "x-request-id, x-chat-model, x-chat-attempts, x-chat-budget, server-timing, retry-after,"
            + " x-should-retry, x-aimlapi-credits-used, x-aimlapi-usd-spent";
    private static final Set<String> NO_ORIGIN = Set.of("", "null");
    private static final String MAX_AGE_SECONDS = "7200";
    /** A list of headers' names, as a browser sends it. */
    private static final Pattern NAMES = Pattern.compile("[!-~][ -~]{0,4000}");

    public Cors {
        origins = Set.copyOf(origins);
    }

    /**
     * What every answer carries.
     *
     * @param request its headers by lower-case name
     */
    public Map<String, String> headers(Map<String, String> request) {
        var headers = new TreeMap<String, String>();
        if (!origins.isEmpty()) {
            headers.put("vary", "origin");
        }
        String allowed = allowed(request.get("origin"));
        if (allowed != null) {
            headers.put("access-control-allow-origin", allowed);
            headers.put("access-control-expose-headers", EXPOSED);
        }
        return headers;
    }

    /** Whether that is a browser's question whether a page of an origin that is listed may ask. */
    public boolean isPreflight(boolean isOptions, Map<String, String> request) {
        return isOptions && request.containsKey("access-control-request-method") && allowed(request.get("origin")) != null;
    }

    /** What its answer carries beside {@link #headers}. */
    public Map<String, String> preflight(Map<String, String> request) {
        var headers = new TreeMap<String, String>();
        headers.put("access-control-allow-methods", "GET, POST");
        headers.put("access-control-max-age", MAX_AGE_SECONDS);
        String asked = request.getOrDefault("access-control-request-headers", "");
        if (NAMES.matcher(asked).matches()) {
            headers.put("access-control-allow-headers", asked);
        }
        return headers;
    }

    /**
     * What an answer says.
     *
     * @param origin of a request's page; null: it is of none
     * @return null: it is of no page, or of one that is not listed. A page without an origin sends {@code null}, as any such page does
     */
    public String allowed(String origin) {
        if (origin == null || NO_ORIGIN.contains(origin)) {
            return null;
        }
        if (origins.contains(ANY)) {
            return ANY;
        }
        return origins.contains(origin) ? origin : null;
    }
}
