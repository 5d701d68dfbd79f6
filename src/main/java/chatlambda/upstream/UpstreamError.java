package chatlambda.upstream;

import chatlambda.json.Json;
import chatlambda.json.JsonString;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * An upstream's error, read from OpenAI's {@code {"error":{...}}}, AI/ML API's flat {@code {"message","requestId",...}}, a bare string,
 * HTML or nothing: message and code are taken from where they are, all other members are kept as they are. What the member {@code
 * error} says counts more than what stands beside it.
 */
final class UpstreamError {

    /** Characters of what is told in a text of its own. */
    private static final int MAX_TEXT = 4_000;

    private final byte[] body;
    private final JsonParser parser;
    private String message;
    /** As JSON. */
    private String type;
    private String param;
    private String code;
    private String id;
    /** By name, each as {@code "name":value}. */
    private final Map<String, String> others = new LinkedHashMap<>();
    private String title;
    private String titleMember;
    private boolean nested;

    private UpstreamError(byte[] body, JsonParser parser) {
        this.body = body;
        this.parser = parser;
    }

    /** Of HTML, of JSON that is cut short, and of what is no object, nothing is told. */
    static UpstreamError read(byte[] body) {
        if (JsonString.isUtf8(body)) {
            try (JsonParser parser = Json.parser(body)) {
                JsonToken first = parser.nextToken();
                if (first == JsonToken.START_ARRAY) {
                    first = parser.nextToken(); // Google's endpoint wraps its error so
                }
                if (first == JsonToken.START_OBJECT) {
                    var error = new UpstreamError(body, parser);
                    error.readOuter();
                    return error;
                }
            } catch (IOException e) {
                // nothing of it can be trusted
            }
        }
        return new UpstreamError(body, null);
    }

    /** Null: it tells none. */
    String message() {
        return message;
    }

    String param() {
        return param;
    }

    String code() {
        return code;
    }

    /** The code, or the id of the request where there is none. */
    String codeOrId() {
        return code != null ? code : id;
    }

    /**
     * The members that are kept, each as {@code ,"name":value}.
     *
     * @param itsType what the error's type is for the caller: the upstream's own is kept beside it where it differs
     */
    String members(String itsType) {
        if (type != null && !type.equals('"' + itsType + '"')) {
            others.putIfAbsent("upstream_type", "\"upstream_type\":" + type);
        }
        var members = new StringBuilder();
        for (String member : others.values()) {
            members.append(',').append(member);
        }
        return members.toString();
    }

    private void readOuter() throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            int nameAt = Json.offset(parser);
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            if (name.equals("error") && value == JsonToken.START_OBJECT) {
                readNested();
            } else if (name.equals("error") && value == JsonToken.VALUE_STRING) {
                title = parser.getText();
                titleMember = slice(nameAt);
            } else if (!nested || !isNamedOnce(name)) {
                readMember(name, nameAt, value);
            }
            parser.skipChildren();
        }
        if (message == null) {
            message = title == null ? null : shorten(title);
        } else if (title != null) {
            others.putIfAbsent("error", titleMember); // "Not Found", beside a message that says what was not
        }
    }

    private void readNested() throws IOException {
        nested = true;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            int nameAt = Json.offset(parser);
            String name = parser.currentName();
            readMember(name, nameAt, parser.nextToken());
            parser.skipChildren();
        }
    }

    /** An object can have each name but once: these are read from the object {@code error} where there is one. */
    private static boolean isNamedOnce(String name) {
        return name.equals("message") || name.equals("type") || name.equals("param") || name.equals("code");
    }

    private void readMember(String name, int nameAt, JsonToken value) throws IOException {
        int valueAt = Json.offset(parser);
        switch (name) {
            case "message" -> message = value == JsonToken.VALUE_NULL ? message : text(value, valueAt);
            case "type" -> type = value == JsonToken.VALUE_NULL ? null : slice(valueAt);
            case "param" -> param = value == JsonToken.VALUE_STRING ? shorten(parser.getText()) : null;
            case "code" -> code = value == JsonToken.VALUE_NULL ? null : scalar(value, valueAt);
            default -> {
                if (name.equals("requestId") && value == JsonToken.VALUE_STRING) {
                    id = shorten(parser.getText());
                }
                others.putIfAbsent(name, slice(nameAt));
            }
        }
    }

    /** AI/ML API sends an array for a body with several faults: that is told as JSON. */
    private String text(JsonToken value, int valueAt) throws IOException {
        return shorten(value == JsonToken.VALUE_STRING ? parser.getText() : slice(valueAt));
    }

    private String scalar(JsonToken value, int valueAt) throws IOException {
        return shorten(value.isScalarValue() ? parser.getText() : slice(valueAt));
    }

    private static String shorten(String text) {
        return text.length() <= MAX_TEXT ? text : text.substring(0, MAX_TEXT) + "...";
    }

    private String slice(int from) throws IOException {
        parser.skipChildren();
        parser.finishToken();
        return new String(body, from, Json.end(parser) - from, StandardCharsets.UTF_8);
    }
}
