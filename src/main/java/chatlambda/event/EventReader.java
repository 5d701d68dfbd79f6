package chatlambda.event;

import chatlambda.json.Json;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One pass over an event: tells the front doors apart by what only one of them sends and keeps the few members we read.
 * Nothing else is relied on: {@code version}, {@code headers}, {@code body} and {@code isBase64Encoded} may each be missing,
 * null or misleading in real events.
 */
final class EventReader {

    /** {@code {name}}, or {@code {name+}} for all the rest. */
    private static final Pattern ROUTE_PARAMETER = Pattern.compile("\\{([^{}]+?)\\+?}");

    private final byte[] json;
    private final JsonParser parser;

    private String httpMethod;
    private String path;
    private String rawPath;
    private Map<String, String> pathParameters;
    private Map<String, String> headers;
    private Map<String, String> multiValueHeaders;
    private int bodyQuote = -1;
    private boolean base64;
    private boolean messages;
    private boolean authorizer;
    private String source;
    private String detailType;

    private boolean context;
    private boolean elb;
    private boolean http;
    private boolean webSocket;
    private String contextMethod;
    private String contextPath;
    private String domainName;
    private String stage;
    private String route;

    private EventReader(byte[] json) throws IOException {
        this.json = json;
        this.parser = Json.parser(json);
    }

    static Event read(byte[] json) throws UnsupportedEvent {
        try {
            var reader = new EventReader(json);
            JsonToken first = reader.parser.nextToken();
            if (first != JsonToken.START_OBJECT) {
                throw new UnsupportedEvent(first == null ? "an empty event"
                        : first == JsonToken.START_ARRAY ? "a JSON array" : "a JSON " + kind(first));
            }
            reader.readEvent();
            return reader.event();
        } catch (JsonProcessingException e) {
            var at = e.getLocation();
            throw new UnsupportedEvent("an event that is not JSON Lambda could have sent"
                    + (at == null ? "" : " (line " + at.getLineNr() + ", column " + at.getColumnNr() + ")"));
        } catch (IOException e) {
            throw new UncheckedIOException(e); // cannot happen: the event is in memory
        }
    }

    private static String kind(JsonToken scalar) {
        return switch (scalar) {
            case VALUE_STRING -> "string";
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> "number";
            default -> scalar.asString();
        };
    }

    private Event event() throws UnsupportedEvent {
        if (authorizer) {
            throw new UnsupportedEvent("an API Gateway Lambda authorizer request");
        }
        var content = new Body(json, bodyQuote, base64);
        if (elb) {
            return new Alb(method(), path(path), headers(), content, multiValueHeaders != null);
        }
        if (http) {
            return new HttpApi(method(), path(rawPath), headers(), content,
                    domainName != null && domainName.contains(".lambda-url."));
        }
        if (webSocket) {
            throw new UnsupportedEvent("an API Gateway WebSocket event");
        }
        if (httpMethod != null || contextMethod != null) {
            return new RestApi(method(), path(path), headers(), content);
        }
        if (messages) {
            return new Direct(json);
        }
        throw new UnsupportedEvent(
                detailType != null ? "an EventBridge event (" + detailType + (source == null ? ")" : " from " + source + ")")
                        : context ? "an event with a requestContext of no known front door"
                                : "an event without messages or requestContext");
    }

    private String method() {
        String method = contextMethod != null && http ? contextMethod : httpMethod != null ? httpMethod : contextMethod;
        return method == null ? "" : method.toUpperCase(Locale.ROOT);
    }

    private Map<String, String> headers() {
        return headers != null ? headers : multiValueHeaders != null ? multiValueHeaders : Map.of();
    }

    /**
     * The path without what was put before it: the stage (payload 2.0 keeps it in {@code rawPath}), or the base path of a custom
     * domain, which shows where the matched route, with its parameters filled in, is only the end of the path.
     */
    private String path(String full) {
        String given = full != null ? full : contextPath != null ? contextPath : "/";
        if (given.length() > 1 && given.endsWith("/")) {
            given = given.substring(0, given.length() - 1);
        }
        if (route != null && route.startsWith("/")) {
            String matched = ROUTE_PARAMETER.matcher(route).replaceAll(parameter -> Matcher.quoteReplacement(filledIn(parameter)));
            if (matched.length() > 1 && given.endsWith(matched)) {
                return matched;
            }
        }
        return stage != null && given.startsWith("/" + stage + "/") ? given.substring(stage.length() + 1) : given;
    }

    private String filledIn(MatchResult parameter) {
        String value = pathParameters == null ? null : pathParameters.get(parameter.group(1));
        return value == null ? parameter.group() : value.startsWith("/") ? value.substring(1) : value;
    }

    private void readEvent() throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            switch (name) {
                case "httpMethod" -> httpMethod = text(value);
                case "path" -> path = text(value);
                case "rawPath" -> rawPath = text(value);
                case "headers" -> headers = strings(value, true);
                case "multiValueHeaders" -> multiValueHeaders = strings(value, true);
                case "body" -> bodyQuote = value == JsonToken.VALUE_STRING ? Json.offset(parser) : -1;
                case "isBase64Encoded" -> base64 = value == JsonToken.VALUE_TRUE;
                case "messages" -> messages = true;
                case "methodArn", "routeArn" -> authorizer |= value != JsonToken.VALUE_NULL;
                case "source" -> source = text(value);
                case "detail-type" -> detailType = text(value);
                case "pathParameters" -> pathParameters = strings(value, false);
                case "requestContext" -> readContext(value);
                default -> {
                }
            }
            parser.skipChildren();
        }
        if (parser.nextToken() != null) {
            throw new JsonParseException(parser, "more than one document");
        }
    }

    private void readContext(JsonToken start) throws IOException {
        if (start != JsonToken.START_OBJECT) {
            return;
        }
        context = true;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            switch (name) {
                case "elb" -> elb = value != JsonToken.VALUE_NULL;
                case "http" -> readHttp(value);
                case "connectionId", "eventType" -> webSocket |= value != JsonToken.VALUE_NULL;
                case "httpMethod" -> contextMethod = text(value);
                case "path" -> contextPath = text(value);
                case "domainName" -> domainName = text(value);
                case "stage" -> stage = text(value);
                case "resourcePath" -> route = text(value);
                case "routeKey" -> {
                    String key = text(value); // "POST /v1/chat/completions", "ANY /{proxy+}", "$default"
                    route = key == null ? route : key.substring(key.indexOf(' ') + 1);
                }
                default -> {
                }
            }
            parser.skipChildren();
        }
    }

    private void readHttp(JsonToken start) throws IOException {
        if (start != JsonToken.START_OBJECT) {
            return;
        }
        http = true;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            switch (name) {
                case "method" -> contextMethod = text(value);
                case "path" -> contextPath = text(value);
                default -> {
                }
            }
            parser.skipChildren();
        }
    }

    /** Values of either form: strings, or arrays of strings, of which the last one counts. Null unless it is an object. */
    private Map<String, String> strings(JsonToken start, boolean lowerCase) throws IOException {
        if (start != JsonToken.START_OBJECT) {
            return null;
        }
        var read = new HashMap<String, String>();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = lowerCase ? parser.currentName().toLowerCase(Locale.ROOT) : parser.currentName();
            JsonToken value = parser.nextToken();
            if (value == JsonToken.START_ARRAY) {
                while ((value = parser.nextToken()) != JsonToken.END_ARRAY) {
                    put(read, name, value);
                    parser.skipChildren();
                }
            } else {
                put(read, name, value);
                parser.skipChildren();
            }
        }
        return read;
    }

    private void put(Map<String, String> read, String name, JsonToken value) throws IOException {
        if (value == JsonToken.VALUE_STRING) {
            read.put(name, parser.getText());
        }
    }

    private String text(JsonToken value) throws IOException {
        return value == JsonToken.VALUE_STRING ? parser.getText() : null;
    }
}
