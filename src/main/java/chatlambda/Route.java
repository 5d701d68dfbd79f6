package chatlambda;

import chatlambda.chat.ChatError;
import chatlambda.event.Event;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/**
 * What an HTTP request asks for. The end of the path tells the route: one whose last two segments are {@code chat} and
 * {@code completions}, with empty segments left out, is the chat route. Whatever stands before is ignored, because nothing in an event
 * tells it reliably: a stage, a custom domain's base path, the prefix of a load balancer's listener rule. Further routes belong here.
 *
 * @param model what Azure's {@code deployments/NAME/chat/completions} names: the model of a request that names none. Null if the path
 *        does not end so.
 */
record Route(String model) {

    /** @throws ChatError 404, 405 or 415: the path, the method or the content type is not one that is served */
    static Route require(Event.Http request) throws ChatError {
        Route route = of(request.path());
        if (route == null) {
            throw ChatError.invalid(404, null, "no such path: " + request.path() + ": use POST /v1/chat/completions");
        }
        if (!request.method().equals("POST")) {
            throw ChatError.invalid(405, null, request.method() + " is not allowed here: use POST").with("allow", "POST");
        }
        String type = request.headers().getOrDefault("content-type", "application/json");
        String media = type.split(";", 2)[0].strip().toLowerCase(Locale.ROOT);
        if (!media.equals("application/json") && !media.endsWith("+json")) {
            throw ChatError.invalid(415, null, "the content type is " + type + ": use application/json");
        }
        return route;
    }

    /**
     * @param path as the event has it. No front door puts the query string there; if there is one, it is left out.
     * @return null if the path is not served. Upper and lower case differ.
     */
    static Route of(String path) {
        String[] last = lastSegments(path);
        if (!"completions".equals(last[0]) || !"chat".equals(last[1])) {
            return null;
        }
        return new Route("deployments".equals(last[3]) ? decode(last[2]) : null);
    }

    /** The last four segments that are not empty, the last one first. Null stands for each that is missing. */
    private static String[] lastSegments(String path) {
        var segments = new String[4];
        int query = path.indexOf('?');
        int end = query < 0 ? path.length() : query;
        for (int found = 0; end > 0 && found < segments.length;) {
            int slash = path.lastIndexOf('/', end - 1);
            if (slash < end - 1) {
                segments[found++] = path.substring(slash + 1, end);
            }
            end = slash;
        }
        return segments;
    }

    /**
     * Undoes percent-encoding once, and leaves a segment that is not valid as it is. A {@code +} stays: it is no space in a path.
     *
     * <p>A REST API, a Function URL and a load balancer deliver the path as the client encoded it, so {@code a%2Fb} is the model
     * {@code a/b}. An HTTP API decodes the path first, both in {@code rawPath} (payload 2.0) and in {@code path} (1.0). There
     * {@code a%2Fb} arrives as two segments and names no model; {@code a%252Fb} arrives as {@code a%2Fb} and is the model {@code a/b}.
     *
     * @see <a href="https://github.com/middleapi/standard-server/pull/93">Which front doors decode the path</a>
     */
    private static String decode(String segment) {
        try {
            String decoded = URLDecoder.decode(segment.replace("+", "%2B"), StandardCharsets.UTF_8);
            return decoded.indexOf('\uFFFD') < 0 ? decoded : segment; // URLDecoder writes U+FFFD for what is not UTF-8
        } catch (IllegalArgumentException e) {
            return segment;
        }
    }
}
