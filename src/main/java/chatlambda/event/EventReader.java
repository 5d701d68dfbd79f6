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

/**
 * Reads an event in one pass: finds which front door sent it, by members that only this one sends, and keeps the few members we need.
 * It relies on nothing else, because {@code version}, {@code headers}, {@code body} and {@code isBase64Encoded} can each be missing,
 * null or misleading in real events.
 */
final class EventReader {

    private final byte[] json;
    private final JsonParser parser;

    private String httpMethod;
    private String path;
    private String rawPath;
    private Map<String, String> headers;
    private Map<String, String> multiValueHeaders;
    private int bodyQuote = -1;
    private String bodyKind;
    private boolean isBase64;
    private boolean hasMessages;
    private boolean isAuthorizer;
    private String source;
    private String detailType;
    private boolean isWarmer;

    private boolean hasContext;
    private boolean isAlb;
    private boolean isPayloadV2;
    private boolean isWebSocket;
    private String contextMethod;
    private String contextPath;
    private String domainName;

    private EventReader(byte[] json) throws IOException {
        this.json = json;
        this.parser = Json.parser(json);
    }

    static Event read(byte[] json) throws UnsupportedEvent {
        try {
            var reader = new EventReader(json);
            JsonToken first = reader.parser.nextToken();
            if (first != JsonToken.START_OBJECT) {
                throw new UnsupportedEvent(kind(first));
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

    private static String kind(JsonToken token) {
        if (token == null) {
            return "an empty event";
        }
        return switch (token) {
            case START_ARRAY -> "a JSON array";
            case VALUE_STRING -> "a JSON string";
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> "a JSON number";
            case START_OBJECT -> "a JSON object";
            default -> "a JSON " + token.asString();
        };
    }

    private Event event() throws UnsupportedEvent {
        if (isAuthorizer) {
            throw new UnsupportedEvent("an API Gateway Lambda authorizer request");
        }
        var body = new Event.Http.Body(json, bodyQuote, bodyKind, isBase64);
        if (isAlb) {
            return new Alb(method(), path(path), headers(), body, multiValueHeaders != null);
        }
        if (isPayloadV2) {
            boolean isFunctionUrl = domainName != null && domainName.contains(".lambda-url.");
            return new PayloadV2(method(), path(rawPath), headers(), body, isFunctionUrl);
        }
        if (isWebSocket) {
            throw new UnsupportedEvent("an API Gateway WebSocket event");
        }
        if (httpMethod != null || contextMethod != null) {
            return new PayloadV1(method(), path(path), headers(), body);
        }
        if (hasMessages) {
            return new Direct(json);
        }
        if (isWarmup()) {
            return new Warmup();
        }
        if (bodyKind != null) {
            throw new UnsupportedEvent("an event without requestContext, whose body is " + bodyKind + ",");
        }
        if (detailType != null) {
            throw new UnsupportedEvent("an EventBridge event (" + detailType + (source == null ? "" : " from " + source) + ")");
        }
        throw new UnsupportedEvent(hasContext ? "an event with a requestContext of no known front door"
                : "an event without messages or requestContext");
    }

    /** A schedule of EventBridge's, or what the plugins for the purpose send. */
    private boolean isWarmup() {
        boolean isSchedule = "Scheduled Event".equals(detailType) && ("aws.events".equals(source) || "aws.scheduler".equals(source));
        return !hasContext && (isWarmer || isSchedule || "serverless-plugin-warmup".equals(source));
    }

    private String method() {
        String method = isPayloadV2 ? firstOf(contextMethod, httpMethod) : firstOf(httpMethod, contextMethod);
        return method == null ? "" : method.toUpperCase(Locale.ROOT);
    }

    private String path(String given) {
        return firstOf(firstOf(given, contextPath), "/");
    }

    private Map<String, String> headers() {
        if (headers == null || multiValueHeaders == null) {
            return firstOf(firstOf(headers, multiValueHeaders), Map.of());
        }
        var all = new HashMap<>(headers);
        all.putAll(multiValueHeaders); // where both are there, only here are all values
        return all;
    }

    private static <T> T firstOf(T preferred, T other) {
        return preferred != null ? preferred : other;
    }

    private void readEvent() throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            switch (name) {
                case "httpMethod" -> httpMethod = text(value);
                case "path" -> path = text(value);
                case "rawPath" -> rawPath = text(value);
                case "headers" -> headers = readHeaders(value);
                case "multiValueHeaders" -> multiValueHeaders = readHeaders(value);
                case "body" -> readBody(value);
                case "isBase64Encoded" -> isBase64 = value == JsonToken.VALUE_TRUE;
                case "messages" -> hasMessages = true;
                case "methodArn", "routeArn" -> isAuthorizer |= value != JsonToken.VALUE_NULL;
                case "source" -> source = text(value);
                case "detail-type" -> detailType = text(value);
                case "warmer" -> isWarmer = value == JsonToken.VALUE_TRUE;
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

    private void readBody(JsonToken value) {
        bodyQuote = value == JsonToken.VALUE_STRING ? Json.offset(parser) : -1;
        bodyKind = value == JsonToken.VALUE_STRING || value == JsonToken.VALUE_NULL ? null : kind(value);
    }

    private void readContext(JsonToken start) throws IOException {
        hasContext = start != JsonToken.VALUE_NULL;
        if (start != JsonToken.START_OBJECT) {
            return;
        }
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            switch (name) {
                case "elb" -> isAlb = value != JsonToken.VALUE_NULL;
                case "http" -> readHttp(value);
                case "connectionId", "eventType" -> isWebSocket |= value != JsonToken.VALUE_NULL;
                case "httpMethod" -> contextMethod = text(value);
                case "path" -> contextPath = text(value);
                case "domainName" -> domainName = text(value);
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
        isPayloadV2 = true;
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

    /** Reads both forms: a value is a string, or an array of strings, which are joined with commas. Null unless it is an object. */
    private Map<String, String> readHeaders(JsonToken start) throws IOException {
        if (start != JsonToken.START_OBJECT) {
            return null;
        }
        var read = new HashMap<String, String>();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName().toLowerCase(Locale.ROOT);
            JsonToken value = parser.nextToken();
            if (value == JsonToken.START_ARRAY) {
                String joined = null;
                while ((value = parser.nextToken()) != JsonToken.END_ARRAY) {
                    String text = text(value);
                    if (text != null) {
                        joined = joined == null ? text : joined + "," + text;
                    }
                    parser.skipChildren();
                }
                put(read, name, joined);
            } else {
                put(read, name, text(value));
                parser.skipChildren();
            }
        }
        return read;
    }

    private static void put(Map<String, String> read, String name, String value) {
        if (value != null) {
            read.put(name, value);
        }
    }

    private String text(JsonToken value) throws IOException {
        return value == JsonToken.VALUE_STRING ? parser.getText() : null;
    }
}
