package chatlambda.upstream;

import chatlambda.chat.Redaction;
import chatlambda.json.Json;
import chatlambda.json.JsonOut;
import chatlambda.json.JsonString;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * An upstream's error, read from OpenAI's {@code {"error":{...}}}, AI/ML API's flat {@code {"message","requestId",...}}, FastAPI's {@code
 * {"detail":[{"msg","loc"}]}} and their kin, HTML or nothing: message and code are taken from where they are, all other members are kept
 * as they are. What the member {@code error} says counts more than what stands beside it. The key that was sent is in none of it.
 */
final class UpstreamError {

    /** Bytes of an error's body that are read. */
    static final int MAX_BODY = 256 * 1024;

    /** Where a message may be: the first one that is there counts. */
    private static final List<String> MESSAGES =
            List.of("error.message", "message", "error", "detail", "error.detail", "msg", "error.msg", "errors", "error.errors");
    /** Characters of what is told in a text of its own. */
    private static final int MAX_TEXT = 4_000;
    /** Characters of an error's further members: an error larger than Lambda takes would reach nobody. */
    private static final int MAX_MEMBERS = 64_000;
    private static final Pattern ERROR_STATUS = Pattern.compile("[45]\\d\\d");

    private final byte[] body;
    private final boolean isCut;
    private final Redaction redaction;
    private JsonParser parser;
    /** By where it was, {@code code} or {@code error.code}: texts; of {@code type} the JSON. */
    private final Map<String, String> said = new HashMap<>();
    private String requestId;
    /** By name, each as {@code "name":value}. */
    private final Map<String, String> others = new LinkedHashMap<>();
    private int membersLength;
    private String titleMember;

    private UpstreamError(byte[] body, boolean isCut, Redaction redaction) {
        this.body = body;
        this.isCut = isCut;
        this.redaction = redaction;
    }

    /** Of HTML, and of what is no object, nothing is told; of JSON that is longer than {@link #MAX_BODY} what was read of it. */
    static UpstreamError read(byte[] body, Redaction redaction) {
        boolean isCut = body.length >= MAX_BODY;
        byte[] read = isCut ? closed(body) : body;
        var error = new UpstreamError(read, isCut, redaction);
        boolean isWhole = JsonString.isUtf8(read) && error.read();
        return isWhole || isCut ? error : new UpstreamError(read, false, redaction); // of what is broken nothing can be trusted
    }

    /** The first bytes of a document. A string that they end in is closed. */
    private static byte[] closed(byte[] document) {
        int end = MAX_BODY;
        boolean inString = false;
        for (int i = 0; i < end; i++) {
            if (document[i] == '"') {
                inString = !inString;
            } else if (inString && document[i] == '\\') {
                int escape = i + 1 < end && document[i + 1] == 'u' ? 6 : 2;
                end = i + escape > end ? i : end;
                i += escape - 1;
            }
        }
        int character = end; // the last one may be cut
        while (character > 0 && end - character < 4 && (document[character - 1] & 0xc0) == 0x80) {
            character--;
        }
        boolean isCut = character > 0 && document[character - 1] < 0
                && !JsonString.isUtf8(Arrays.copyOfRange(document, character - 1, end));
        byte[] closed = Arrays.copyOf(document, (isCut ? character - 1 : end) + 1);
        closed[closed.length - 1] = (byte) (inString ? '"' : ' ');
        return closed;
    }

    /** Returns whether all of it could be read. */
    private boolean read() {
        try (JsonParser its = Json.parser(body)) {
            parser = its;
            JsonToken first = parser.nextToken();
            if (first == JsonToken.START_ARRAY) {
                first = parser.nextToken(); // Google's endpoint wraps its error so
            }
            if (first == JsonToken.START_OBJECT) {
                readOuter();
            }
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /** Null: it tells none. */
    String message() {
        String from = source();
        return from == null ? null : said.get(from);
    }

    /** Where the message was; null: nowhere. */
    private String source() {
        for (String source : MESSAGES) {
            if (said.containsKey(source) && !said.get(source).isBlank()) {
                return source;
            }
        }
        return null;
    }

    /** What the object {@code error} says, or else what stands beside it. */
    private String first(String name) {
        return said.getOrDefault("error." + name, said.get(name));
    }

    String param() {
        return first("param");
    }

    String code() {
        return first("code");
    }

    /** Null: it tells none. */
    String requestId() {
        return requestId;
    }

    /** Whether its code or its type is that, in the object {@code error} or beside it. */
    boolean is(String name) {
        return Stream.of("error.code", "code", "error.typeText", "typeText").anyMatch(where -> name.equals(said.get(where)));
    }

    /** The status that it names itself, 400 to 599, or that otherwise. */
    int status(int otherwise) {
        for (String name : List.of("code", "status")) {
            if (first(name) != null && ERROR_STATUS.matcher(first(name)).matches()) {
                return Integer.parseInt(first(name));
            }
        }
        return otherwise;
    }

    /**
     * The members that are kept by name, each as {@code "name":value}.
     *
     * @param itsType what the error's type is for the caller: the upstream's own is kept beside it where it differs
     */
    Map<String, String> members(String itsType) {
        String type = first("type");
        if (type != null && !type.equals('"' + itsType + '"')) {
            keep("upstream_type", "\"upstream_type\":" + type);
        }
        if (requestId != null) {
            keep("request_id", "\"request_id\":" + new String(new JsonOut(64).string(requestId).toBytes(), StandardCharsets.UTF_8));
        }
        if (titleMember != null && !"error".equals(source())) {
            keep("error", titleMember); // "Not Found", beside a message that says what was not
        }
        return others;
    }

    private void keep(String name, String member) {
        if (!others.containsKey(name) && membersLength + member.length() < MAX_MEMBERS && !redaction.isIn(member)) {
            others.put(name, member);
            membersLength += member.length() + 1;
        }
    }

    private void readOuter() throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            int nameAt = Json.offset(parser);
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            if (name.equals("error") && value == JsonToken.START_OBJECT) {
                readNested();
            } else if (name.equals("error") && value == JsonToken.VALUE_STRING) {
                say("error", parser.getText());
                titleMember = endsAtCut() ? null : slice(nameAt);
            } else {
                readMember("", name, nameAt, value);
            }
            parser.skipChildren();
        }
    }

    private void readNested() throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            int nameAt = Json.offset(parser);
            String name = parser.currentName();
            readMember("error.", name, nameAt, parser.nextToken());
            parser.skipChildren();
        }
    }

    private void readMember(String within, String name, int nameAt, JsonToken value) throws IOException {
        int valueAt = Json.offset(parser);
        switch (name) {
            case "message", "code" -> say(within + name, text(value, valueAt));
            case "param" -> say(within + name, value == JsonToken.VALUE_STRING ? parser.getText() : null);
            case "type" -> {
                say(within + "typeText", text(value, valueAt));
                if (value != JsonToken.VALUE_NULL && !endsAtCut()) {
                    said.put(within + name, slice(valueAt));
                }
            }
            default -> {
                if (name.equals("status")) {
                    say(within + name, text(value, valueAt));
                } else if ((name.equals("requestId") || name.equals("request_id")) && value == JsonToken.VALUE_STRING) {
                    requestId = redacted(parser.getText());
                }
                String member = slice(nameAt);
                if (MESSAGES.contains(name)) {
                    say(within + name, listed(slice(valueAt), name.equals("errors")));
                }
                if (!endsAtCut()) {
                    keep(name, member);
                }
            }
        }
    }

    private void say(String name, String text) {
        if (text != null) {
            said.putIfAbsent(name, redacted(text));
        }
    }

    /** Whether the value that was read ends where the body was cut: a key may have begun in it. */
    private boolean endsAtCut() {
        return isCut && Json.end(parser) >= body.length;
    }

    private String redacted(String text) {
        String redacted = endsAtCut() ? redaction.ofBeginning(text) : redaction.of(text);
        return redacted.length() <= MAX_TEXT ? redacted : redacted.substring(0, MAX_TEXT) + "...";
    }

    /** AI/ML API sends an array for a body with several faults: that is told as JSON. */
    private String text(JsonToken value, int valueAt) throws IOException {
        if (value == JsonToken.VALUE_NULL) {
            return null;
        }
        return value.isScalarValue() ? parser.getText() : slice(valueAt);
    }

    /**
     * What a text, a list of texts or of objects, or one object says.
     *
     * @param first whether only the first one counts
     */
    private static String listed(String json, boolean first) throws IOException {
        var said = new ArrayList<String>();
        try (JsonParser list = Json.parser(json.getBytes(StandardCharsets.UTF_8))) {
            boolean isList = list.nextToken() == JsonToken.START_ARRAY;
            JsonToken item = isList ? list.nextToken() : list.currentToken();
            while (item != null && item != JsonToken.END_ARRAY && !(first && !said.isEmpty())) {
                String text = item == JsonToken.START_OBJECT ? problem(list) : null;
                text = item == JsonToken.VALUE_STRING ? list.getText() : text;
                if (text != null) {
                    said.add(text);
                }
                list.skipChildren();
                item = list.nextToken();
            }
        }
        return String.join("; ", said);
    }

    /** FastAPI's {@code {"loc":["body","model"],"msg":"Field required"}} as {@code body.model: Field required}. */
    private static String problem(JsonParser object) throws IOException {
        var place = new ArrayList<String>();
        String said = null;
        while (object.nextToken() == JsonToken.FIELD_NAME) {
            String name = object.currentName();
            JsonToken value = object.nextToken();
            if ((name.equals("msg") || name.equals("message")) && value == JsonToken.VALUE_STRING) {
                said = object.getText();
            } else if (name.equals("loc") && value == JsonToken.START_ARRAY) {
                while (object.nextToken().isScalarValue()) {
                    place.add(object.getText());
                }
            }
            object.skipChildren();
        }
        return said == null || place.isEmpty() ? said : String.join(".", place) + ": " + said;
    }

    private String slice(int from) throws IOException {
        parser.skipChildren();
        parser.finishToken();
        return new String(body, from, Json.end(parser) - from, StandardCharsets.UTF_8);
    }
}
