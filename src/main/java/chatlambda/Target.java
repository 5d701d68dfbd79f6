package chatlambda;

import chatlambda.chat.ChatError;
import chatlambda.chat.Route;
import chatlambda.event.Event;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * What an HTTP request asks for. The end of the path tells the route, with empty segments left out. Whatever stands before is ignored,
 * because nothing in an event tells it reliably: a stage, a custom domain's base path, the prefix of a load balancer's listener rule.
 *
 * @param model on {@link Route#MODELS} the one that is asked for, or null: the list. Else what Azure's {@code deployments/NAME} ahead of
 *        the route names: the model of a request that names none; null if the path does not name one
 */
record Target(Route route, String model) {

    private static final String STORED = "responses";
    private static final String LIST = "/models";
    private static final String ITEM = "/models/";
    private static final String V1_ITEM = "/v1/models/";

    /**
     * @param open the routes that are served
     * @throws ChatError 404: the path is not one that is served
     */
    static Target require(Event.Http request, Set<Route> open) throws ChatError {
        Target target = of(request.method(), request.path());
        if (target == null || !open.contains(target.route)) {
            throw notFound(request.method(), request.path(), open);
        }
        return target;
    }

    private static ChatError notFound(String method, String path, Set<Route> open) {
        var segments = segments(path);
        boolean isStored = segments.size() > 1 && segments.get(segments.size() - 2).equals(STORED)
                && (method.equals("GET") || method.equals("DELETE"));
        if (isStored && open.contains(Route.RESPONSES)) {
            return ChatError.invalid(404, null, "no such path: " + path + ": a response that the upstream has stored is not to be had"
                    + " here, since its id does not tell whose it is: keep what POST /v1/responses answers");
        }
        var paths = new ArrayList<String>();
        for (Route route : Route.values()) {
            if (open.contains(route)) {
                paths.add(route.method() + " /v1" + route.path());
            }
        }
        if (open.contains(Route.MODELS)) {
            paths.add("GET /v1/models/{id}");
        }
        return ChatError.invalid(404, null, "no such path: " + path + ": use " + String.join(", ", paths));
    }

    /** @throws ChatError 405 or 415: the method, the content type or the content's coding is not one that the route takes */
    void requireServed(Event.Http request) throws ChatError {
        String method = route.method();
        if (!request.method().equals(method)) {
            throw ChatError.invalid(405, null, request.method() + " is not allowed here: use " + method).with("allow", method);
        }
        if (!method.equals("POST")) {
            return;
        }
        String type = request.headers().getOrDefault("content-type", "");
        for (String each : listed(type)) { // sent twice, it arrives as one
            String media = each.split(";", 2)[0].strip().toLowerCase(Locale.ROOT);
            if (!media.equals("application/json") && !media.endsWith("+json")) {
                throw ChatError.invalid(415, null, "the content type is " + type + ": use application/json");
            }
        }
        String coding = request.headers().getOrDefault("content-encoding", "");
        for (String each : listed(coding)) {
            if (!each.equalsIgnoreCase("identity")) {
                throw ChatError.invalid(415, null, "the content encoding is " + coding + ": send the body as it is");
            }
        }
    }

    /** The values of a header, which commas separate but not within quotes; those that are not empty. */
    private static List<String> listed(String header) {
        var values = new ArrayList<String>();
        boolean quoted = false;
        int from = 0;
        for (int i = 0; i <= header.length(); i++) {
            boolean ends = i == header.length() || header.charAt(i) == ',' && !quoted;
            if (ends && !header.substring(from, i).isBlank()) {
                values.add(header.substring(from, i).strip());
            }
            from = ends ? i + 1 : from;
            quoted ^= i < header.length() && header.charAt(i) == '"';
        }
        return values;
    }

    /** Whether that asks whether the function is there. */
    static boolean isHealth(Event.Http request) {
        var segments = segments(request.path());
        return request.method().equals("GET") && !segments.isEmpty() && segments.get(segments.size() - 1).equals("health")
                && !segments.contains("models");
    }

    /**
     * @param path as the event has it. No front door puts the query string there; if there is one, it is left out.
     * @return null if the path is not served. Upper and lower case differ.
     */
    static Target of(String method, String path) {
        List<String> segments = segments(path);
        int last = segments.size() - 1;
        String end = last < 0 ? "" : segments.get(last);
        boolean gets = method.equals("GET");
        if (!gets || !segments.contains("models")) { // the id of a model may end like another route
            if (last > 0 && end.equals("completions") && segments.get(last - 1).equals("chat")) {
                return new Target(Route.CHAT, deployment(segments, last - 2));
            }
            if (end.equals("responses")) {
                return new Target(Route.RESPONSES, deployment(segments, last - 1));
            }
            if (end.equals("embeddings")) {
                return new Target(Route.EMBEDDINGS, deployment(segments, last - 1));
            }
        }
        return segments.contains("models") ? models("/" + String.join("/", segments)) : null;
    }

    private static Target models(String path) {
        int item = path.lastIndexOf(V1_ITEM);
        boolean isList = path.endsWith("/v1" + LIST);
        if (item >= 0 && !isList) {
            return new Target(Route.MODELS, decode(path.substring(item + V1_ITEM.length())));
        }
        item = path.indexOf(ITEM);
        return new Target(Route.MODELS, isList || item < 0 ? null : decode(path.substring(item + ITEM.length())));
    }

    /** Those that are not empty. */
    private static List<String> segments(String path) {
        int query = path.indexOf('?');
        var segments = new ArrayList<>(List.of((query < 0 ? path : path.substring(0, query)).split("/")));
        segments.removeIf(String::isEmpty);
        return segments;
    }

    private static String deployment(List<String> segments, int at) {
        return at > 0 && segments.get(at - 1).equals("deployments") ? decode(segments.get(at)) : null;
    }

    /**
     * Undoes percent-encoding once, and leaves a text that is not valid as it is. A {@code +} stays: it is no space in a path.
     *
     * <p>A REST API, a Function URL and a load balancer deliver the path as the client encoded it, so {@code a%2Fb} is the model
     * {@code a/b}. An HTTP API decodes the path first, both in {@code rawPath} (payload 2.0) and in {@code path} (1.0). There
     * {@code a%2Fb} arrives as two segments and names no deployment; {@code a%252Fb} arrives as {@code a%2Fb} and is the model {@code a/b}.
     *
     * @see <a href="https://github.com/middleapi/standard-server/pull/93">Which front doors decode the path</a>
     */
    private static String decode(String text) {
        try {
            String decoded = URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
            return decoded.indexOf('\uFFFD') < 0 ? decoded : text; // URLDecoder writes U+FFFD for what is not UTF-8
        } catch (IllegalArgumentException e) {
            return text;
        }
    }
}
