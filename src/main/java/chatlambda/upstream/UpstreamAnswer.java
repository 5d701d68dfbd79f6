package chatlambda.upstream;

import chatlambda.chat.ChatError;
import chatlambda.chat.EventStream;
import chatlambda.chat.Usage;
import chatlambda.json.Json;
import chatlambda.json.JsonString;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * What the upstream said, as it said it, and its reading: a completion, or an error in whatever form.
 *
 * @param headers by lower-case name
 * @param key that was sent, which an upstream may quote: it is taken out of headers and errors, while a completion stays as it is
 */
public record UpstreamAnswer(int status, Map<String, String> headers, byte[] body, String key) {

    /** AI/ML API's 500 for a model's own 4xx: "400 Unable to access model gpt-4o-mini. " (aimlapi/api-docs#3). */
    private static final Pattern DISGUISED = Pattern.compile("\\s*4(?!08|09|29)\\d\\d\\b");
    private static final Pattern GONE = Pattern.compile("no longer available|unable to access model", Pattern.CASE_INSENSITIVE);

    private static final String QUOTED = "[key]";
    private static final int SANE_MESSAGE = 4_000;
    private static final int SANE_MEMBERS = 64_000;

    public UpstreamAnswer {
        if (headers.values().stream().anyMatch(value -> value.contains(key))) {
            headers = new TreeMap<>(headers);
            headers.replaceAll((name, value) -> value.replace(key, QUOTED));
        }
    }

    /** @throws ChatError an error status, an error under a 2xx, or a 2xx that is not JSON */
    public Completion completion() throws ChatError {
        if (status < 200 || status > 299) {
            throw error();
        }
        if (isCompletionStream()) {
            byte[] events = ended(body);
            return new Completion(200, streamHeaders(), events, Usage.ofEvents(events).withPrice(headers.get(Usage.PRICE)));
        }
        var usage = new Usage();
        requireCompletion(usage);
        var passed = passedOn();
        passed.put("content-type", "application/json");
        return new Completion(status == 201 ? 200 : status, passed, body, usage.withPrice(headers.get(Usage.PRICE)));
    }

    /** A 2xx with server-sent events. */
    boolean isCompletionStream() {
        return status >= 200 && status < 300 && headers.getOrDefault("content-type", "").toLowerCase(Locale.ROOT).startsWith("text/event-stream");
    }

    Map<String, String> streamHeaders() {
        var passed = passedOn();
        passed.put("content-type", headers.getOrDefault("content-type", "text/event-stream"));
        passed.put("cache-control", "no-cache");
        return passed;
    }

    private static byte[] ended(byte[] events) {
        var stream = new EventStream();
        int length = stream.accept(events);
        byte[] missing = stream.end();
        if (length == events.length && missing.length == 0) {
            return events;
        }
        byte[] whole = Arrays.copyOf(events, length + missing.length);
        System.arraycopy(missing, 0, whole, length, missing.length);
        return whole;
    }

    /** What callers need of the headers: the upstream's id of the request, and what it says of limits, retries and cost. */
    Map<String, String> passedOn() {
        var passed = new TreeMap<String, String>();
        headers.forEach((name, value) -> {
            if (name.startsWith("x-ratelimit-") || name.startsWith("ratelimit") || name.startsWith("retry-after")
                    || name.startsWith("x-aimlapi-") || name.equals("x-should-retry")) {
                passed.put(name, value);
            }
        });
        String id = headers.getOrDefault("x-request-id", headers.get("x-inference-id"));
        if (id != null) {
            passed.put("x-request-id", id);
        }
        return passed;
    }

    private void requireCompletion(Usage usage) throws ChatError {
        try (JsonParser parser = Json.parser(body)) {
            boolean isObject = parser.nextToken() == JsonToken.START_OBJECT;
            boolean isError = false;
            while (isObject && parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                isError |= parser.nextToken() != JsonToken.VALUE_NULL && name.equals("error");
                usage.read(name, parser);
                parser.skipChildren();
            }
            if (!isObject || parser.nextToken() != null) {
                throw unusable("is not a JSON object");
            }
            if (isError) {
                throw error();
            }
        } catch (JsonProcessingException e) {
            throw unusable("is not JSON");
        } catch (IOException e) {
            throw new UncheckedIOException(e); // cannot happen: the body is in memory
        }
    }

    private ChatError unusable(String what) {
        return withHeaders(ChatError.unusable("the upstream answered " + status + " with a body that " + what + " (" + body.length
                + " bytes, content type " + headers.getOrDefault("content-type", "none") + ")"));
    }

    /**
     * OpenAI's {@code {"error":{...}}}, AI/ML API's flat {@code {"message","requestId",...}}, a bare string, HTML or nothing: the
     * message and the code are taken from where they are, all other members are kept as they are.
     */
    private ChatError error() {
        if (status == 401) {
            return withHeaders(new ChatError(ChatError.Kind.UpstreamError, 500, "server_error", null, ChatError.KEY_REJECTED,
                    "the upstream rejected this function's own key: set CHAT_API_KEY to a valid one")).hopeless()
                    .withOutline("the upstream's 401").with(ChatError.Recourse.ANOTHER_KEY);
        }
        var said = new Said();
        byte[] text = withoutKey();
        if (JsonString.isUtf8(text)) {
            try (JsonParser parser = Json.parser(text)) {
                JsonToken first = parser.nextToken();
                if (first == JsonToken.START_ARRAY) {
                    first = parser.nextToken(); // Google's endpoint wraps its error so
                }
                if (first == JsonToken.START_OBJECT) {
                    said.read(parser, text, true);
                }
            } catch (IOException e) {
                said = new Said(); // HTML, or JSON cut short: nothing of it can be trusted
            }
        }
        String message = said.message != null ? said.message
                : "the upstream answered " + status + " with " + (body.length == 0 ? "an empty body"
                        : "no error message (" + body.length + " bytes, content type " + headers.getOrDefault("content-type", "none")
                                + ")");
        int answered = status < 400 || status > 599 ? 502 : status; // an error under a 2xx, a redirect, or no HTTP status
        if (status >= 300 && status < 400) {
            message = "the upstream answered " + status + ", a redirect, which is not followed because the key must not travel:"
                    + " set CHAT_URL to the final address";
        }
        String type = type(answered);
        if (said.type != null && !said.type.equals('"' + type + '"') && said.names.add("upstream_type")) {
            said.others.append(",\"upstream_type\":").append(said.type);
        }
        if (said.others.length() > SANE_MEMBERS) {
            said.others.setLength(0); // an error larger than Lambda takes would reach nobody
        }
        ChatError error = withHeaders(new ChatError(ChatError.Kind.UpstreamError, answered, type, said.param,
                said.code != null ? said.code : said.id, message).withMembers(said.others.toString()))
                .withOutline("the upstream's " + status).with(recourse(message, said.code));
        return answered >= 500 && (status < 400 || DISGUISED.matcher(message).lookingAt()) ? error.hopeless() : error;
    }

    /** The body, for an error, with the key taken out as it is and as some write it in JSON. */
    private byte[] withoutKey() {
        String text = new String(body, StandardCharsets.ISO_8859_1); // each byte a character, and the same byte again
        return text.replace(key, QUOTED).replace(key.replace("/", "\\/"), QUOTED).getBytes(StandardCharsets.ISO_8859_1);
    }

    private ChatError.Recourse recourse(String message, String code) {
        if (status == 429 || status == 502 || status == 503) {
            return "false".equals(headers.get("x-should-retry")) ? ChatError.Recourse.ANOTHER_MODEL : ChatError.Recourse.LATER;
        }
        return status == 404 || status >= 400 && ("model_not_found".equals(code) || GONE.matcher(message).find())
                ? ChatError.Recourse.ANOTHER_MODEL : ChatError.Recourse.NONE;
    }

    private ChatError withHeaders(ChatError error) {
        passedOn().forEach(error::with);
        return error;
    }

    private static String type(int status) {
        return switch (status) {
            case 402, 403 -> "permission_error";
            case 408, 504 -> "timeout_error";
            case 429 -> "rate_limit_error";
            case 502 -> "api_error";
            default -> status < 500 ? "invalid_request_error" : "server_error";
        };
    }

    /** An upstream's error, read member by member; what its member {@code error} says counts more than what stands beside it. */
    private static final class Said {

        String message;
        /** As JSON. */
        String type;
        String param;
        String code;
        String id;
        /** Each as {@code ,"name":value}. */
        final StringBuilder others = new StringBuilder();
        private final Set<String> names = new HashSet<>();
        private String title;
        private String titleMember;
        private boolean nested;

        void read(JsonParser parser, byte[] body, boolean outer) throws IOException {
            nested |= !outer;
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                int nameAt = Json.offset(parser);
                String name = parser.currentName();
                JsonToken value = parser.nextToken();
                int valueAt = Json.offset(parser);
                if (outer && name.equals("error") && value == JsonToken.START_OBJECT) {
                    read(parser, body, false);
                    continue;
                }
                if (outer && nested && (name.equals("message") || name.equals("type") || name.equals("param") || name.equals("code"))) {
                    parser.skipChildren(); // an object can have each name but once
                    continue;
                }
                if (outer && name.equals("error") && value == JsonToken.VALUE_STRING) {
                    title = parser.getText();
                    titleMember = "," + slice(parser, body, nameAt);
                } else if (name.equals("message")) {
                    // AI/ML API sends an array for a body with several faults
                    message = value == JsonToken.VALUE_STRING ? shorten(parser.getText())
                            : value == JsonToken.VALUE_NULL ? message : shorten(slice(parser, body, valueAt));
                } else if (name.equals("type")) {
                    type = value == JsonToken.VALUE_NULL ? null : slice(parser, body, valueAt);
                } else if (name.equals("param")) {
                    param = value == JsonToken.VALUE_STRING ? shorten(parser.getText()) : null;
                } else if (name.equals("code")) {
                    code = value == JsonToken.VALUE_NULL ? null
                            : shorten(value.isScalarValue() ? parser.getText() : slice(parser, body, valueAt));
                } else {
                    if (name.equals("requestId") && value == JsonToken.VALUE_STRING) {
                        id = shorten(parser.getText());
                    }
                    String member = slice(parser, body, nameAt);
                    if (names.add(name)) {
                        others.append(',').append(member);
                    }
                }
                parser.skipChildren();
            }
            if (outer && message == null) {
                message = title == null ? null : shorten(title);
            } else if (outer && title != null && names.add("error")) {
                others.append(titleMember); // "Not Found", beside a message that says what was not
            }
        }

        private static String shorten(String text) {
            return text.length() <= SANE_MESSAGE ? text : text.substring(0, SANE_MESSAGE) + "...";
        }

        private static String slice(JsonParser parser, byte[] body, int from) throws IOException {
            parser.skipChildren();
            parser.finishToken();
            return new String(body, from, Json.end(parser) - from, StandardCharsets.UTF_8);
        }
    }
}
