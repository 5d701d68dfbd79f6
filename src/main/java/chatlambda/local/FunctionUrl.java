package chatlambda.local;

import chatlambda.event.Event;
import chatlambda.local.LocalLambda.InvokeMode;
import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import jakarta.json.Json;
import jakarta.json.JsonException;
import jakarta.json.JsonObject;
import jakarta.json.JsonString;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.Locale;
import java.util.TreeMap;
import java.util.UUID;
import org.jboss.logging.Logger;

/**
 * A Function URL: makes an event of payload 2.0 of an HTTP request, and sends the answer, whole or as it arrives.
 *
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html">Invoking Lambda function URLs</a>
 */
final class FunctionUrl implements HttpHandler {

    private static final Logger LOG = Logger.getLogger(FunctionUrl.class);

    private final Invoker function;
    private final InvokeMode mode;

    FunctionUrl(Invoker function, InvokeMode mode) {
        this.function = function;
        this.mode = mode;
    }

    @Override
    public void handle(HttpExchange exchange) throws IOException {
        handle(exchange, UUID.randomUUID().toString());
    }

    void handle(HttpExchange exchange, String requestId) throws IOException {
        try (exchange) {
            byte[] event = event(exchange, requestId, exchange.getRequestBody().readAllBytes());
            if (mode == InvokeMode.RESPONSE_STREAM) {
                var caller = new StreamingCaller(exchange);
                caller.end(function.invoke(requestId, event, caller));
            } else {
                reply(exchange, function.invoke(requestId, event, Caller.NONE));
            }
        }
    }

    private static byte[] event(HttpExchange exchange, String requestId, byte[] body) {
        var uri = exchange.getRequestURI();
        String path = uri.getRawPath().isEmpty() ? "/" : uri.getRawPath();
        String query = uri.getRawQuery() == null ? "" : uri.getRawQuery();
        var headers = Json.createObjectBuilder();
        exchange.getRequestHeaders().forEach((name, values) -> {
            if (!name.equalsIgnoreCase(Playground.EXCHANGE_HEADER)) {
                headers.add(name.toLowerCase(Locale.ROOT), String.join(",", values));
            }
        });
        var http = Json.createObjectBuilder().add("method", exchange.getRequestMethod()).add("path", path)
                .add("protocol", exchange.getProtocol()).add("sourceIp", "127.0.0.1")
                .add("userAgent", header(exchange.getRequestHeaders(), "User-Agent"));
        var event = Json.createObjectBuilder().add("version", "2.0").add("routeKey", "$default").add("rawPath", path)
                .add("rawQueryString", query);
        String cookie = exchange.getRequestHeaders().getFirst("Cookie");
        if (cookie != null) {
            event.add("cookies", Json.createArrayBuilder(Arrays.asList(cookie.split("; *"))));
        }
        event.add("headers", headers);
        if (!query.isEmpty()) {
            var parameters = new TreeMap<String, String>();
            for (String parameter : query.split("&")) {
                String[] pair = parameter.split("=", 2);
                parameters.merge(decode(pair[0]), pair.length == 1 ? "" : decode(pair[1]), (a, b) -> a + "," + b);
            }
            event.add("queryStringParameters", Json.createObjectBuilder(parameters));
        }
        event.add("requestContext", Json.createObjectBuilder().add("accountId", "anonymous").add("apiId", "local")
                .add("domainName", "local.lambda-url.localhost").add("domainPrefix", "local").add("http", http)
                .add("requestId", requestId).add("routeKey", "$default").add("stage", "$default")
                .add("time", Instant.now().toString()).add("timeEpoch", System.currentTimeMillis()));
        boolean text = header(exchange.getRequestHeaders(), "Content-Type").matches("(text/|application/(json|xml|javascript)).*");
        if (body.length > 0) {
            event.add("body", text ? new String(body, StandardCharsets.UTF_8) : Base64.getEncoder().encodeToString(body));
        }
        return event.add("isBase64Encoded", !text && body.length > 0).build().toString().getBytes(StandardCharsets.UTF_8);
    }

    private static String header(Headers headers, String name) {
        String value = headers.getFirst(name);
        return value == null ? "" : value;
    }

    private static String decode(String encoded) {
        return URLDecoder.decode(encoded, StandardCharsets.UTF_8);
    }

    private static void reply(HttpExchange exchange, Outcome outcome) throws IOException {
        if (outcome.functionError()) {
            LOG.errorf("function error: %s", outcome.text());
            fail(exchange);
            return;
        }
        // Only a streamed answer has a NUL. The real service sends it as it is, with its prelude.
        JsonObject reply = outcome.text().indexOf('\0') >= 0 ? null : object(outcome.payload(), outcome.payload().length);
        if (reply == null || !reply.containsKey("statusCode")) {
            LocalLambda.send(exchange, 200, outcome.contentType(), outcome.payload());
            return;
        }
        String text = reply.getString("body", "");
        byte[] body = reply.getBoolean("isBase64Encoded", false) ? Base64.getDecoder().decode(text)
                : text.getBytes(StandardCharsets.UTF_8);
        headers(exchange, reply);
        LocalLambda.send(exchange, reply.getInt("statusCode"), null, body);
    }

    /** @return null when it is not JSON */
    private static JsonObject object(byte[] json, int length) {
        try (var reader = Json.createReader(new ByteArrayInputStream(json, 0, length))) {
            return reader.readObject();
        } catch (JsonException e) {
            return null;
        }
    }

    private static void headers(HttpExchange exchange, JsonObject reply) {
        if (reply.get("headers") instanceof JsonObject headers) {
            headers.forEach((name, value) -> exchange.getResponseHeaders().set(name, ((JsonString) value).getString()));
        }
        if (reply.containsKey("cookies")) {
            reply.getJsonArray("cookies").getValuesAs(JsonString.class)
                    .forEach(cookie -> exchange.getResponseHeaders().add("Set-Cookie", cookie.getString()));
        }
    }

    /** As the real service does. */
    private static void fail(HttpExchange exchange) throws IOException {
        LocalLambda.send(exchange, 502, "application/json", "Internal Server Error".getBytes(StandardCharsets.UTF_8));
    }

    /** Sends status and headers of the prelude, then each chunk as it arrives. A prelude that API Gateway would refuse is a 502. */
    private static final class StreamingCaller implements Caller {

        /** API Gateway wants the delimiter within the first 16 KB. */
        private static final int PRELUDE_LIMIT = 16 * 1024;
        private static final String DELIMITER = "\0".repeat(8);

        private final HttpExchange exchange;
        private ByteArrayOutputStream prelude;
        private boolean sent;

        StreamingCaller(HttpExchange exchange) {
            this.exchange = exchange;
        }

        @Override
        public void begin(String contentType) throws IOException {
            if (Event.PRELUDE_TYPE.equals(contentType)) {
                prelude = new ByteArrayOutputStream();
                return;
            }
            exchange.getResponseHeaders().set("Content-Type", contentType == null ? "application/octet-stream" : contentType);
            start(200);
        }

        @Override
        public void chunk(byte[] chunk) throws IOException {
            if (prelude == null) {
                write(chunk, 0);
                return;
            }
            prelude.write(chunk);
            byte[] soFar = prelude.toByteArray();
            int end = new String(soFar, StandardCharsets.ISO_8859_1).indexOf(DELIMITER);
            if (end < 0 && soFar.length <= PRELUDE_LIMIT) {
                return; // the rest of it is still to come
            }
            boolean delimited = 0 <= end && end <= PRELUDE_LIMIT;
            JsonObject head = delimited ? object(soFar, end) : null;
            String problem = delimited ? problem(head) : "no delimiter within " + PRELUDE_LIMIT + " bytes";
            if (problem != null) {
                refuse(problem);
                return;
            }
            prelude = null;
            headers(exchange, head);
            start(head.getInt("statusCode"));
            write(soFar, end + DELIMITER.length());
        }

        /** @return what API Gateway would refuse a prelude for, or null */
        private static String problem(JsonObject head) {
            if (head == null) {
                return "not JSON";
            }
            if (head.get("headers") instanceof JsonObject headers && !headers.values().stream().allMatch(JsonString.class::isInstance)) {
                return "a header that is not a string";
            }
            return head.containsKey("statusCode") ? null : "no statusCode";
        }

        void end(Outcome outcome) throws IOException {
            if (!sent) {
                if (outcome.functionError()) {
                    LOG.errorf("function error: %s", outcome.text());
                } else if (outcome.streamed()) {
                    LOG.error("prelude refused: the answer ended before its delimiter");
                }
                fail(exchange);
            }
            exchange.getResponseBody().close();
        }

        private void refuse(String why) throws IOException {
            LOG.errorf("prelude refused: %s", why);
            prelude = new ByteArrayOutputStream(); // what follows is dropped
            if (!sent) {
                sent = true;
                fail(exchange);
            }
        }

        private void start(int status) throws IOException {
            sent = true;
            boolean none = status == 204 || status == 304 || exchange.getRequestMethod().equals("HEAD");
            exchange.sendResponseHeaders(status, none ? -1 : 0);
        }

        private void write(byte[] chunk, int from) throws IOException {
            if (from < chunk.length) {
                exchange.getResponseBody().write(chunk, from, chunk.length - from);
                exchange.getResponseBody().flush();
            }
        }
    }
}
