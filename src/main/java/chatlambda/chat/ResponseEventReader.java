package chatlambda.chat;

import chatlambda.json.Json;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The events of a response, which have a type, a number and, the last of them, the whole response.
 *
 * @see <a href="https://platform.openai.com/docs/api-reference/responses-streaming">Streaming events</a>
 */
final class ResponseEventReader extends StreamReader {

    private static final String FAILED = "response.failed";
    private static final Set<String> LAST = Set.of("response.completed", FAILED, "response.incomplete");
    private static final Pattern LAST_TYPE = Pattern.compile("[\\s{,]\"type\"\\s*:\\s*\"(response\\.(?:completed|failed|incomplete))\"");
    private static final Pattern SEQUENCE = Pattern.compile("[\\s{,]\"sequence_number\"\\s*:\\s*(\\d{1,17})\\b");

    private String type;
    /** What it says of the response's error, as an error's body; null: nothing. */
    private byte[] failure;
    /** The data of the current event, or the first bytes of it. */
    private byte[] begun;
    private boolean tellsError;
    private long sequence = -1;
    private boolean isFinished;
    private boolean isRefused;

    ResponseEventReader() {
        super(Route.RESPONSES);
    }

    @Override
    void read(byte[] data, String itsType) {
        begin(data, itsType);
        conclude();
    }

    private void begin(byte[] data, String itsType) {
        type = itsType;
        failure = null;
        begun = data;
        tellsError = scan(data, itsType);
    }

    private void conclude() {
        if (tellsError || "error".equals(type)) {
            isRefused = true;
            tell(begun);
        } else if (FAILED.equals(type)) {
            tell(failure != null ? failure : begun);
        }
        isFinished |= type != null && LAST.contains(type);
    }

    @Override
    void readMember(String name, JsonParser parser, byte[] data, UsageReader members) throws IOException {
        JsonToken value = parser.currentToken();
        if (name.equals("type") && value == JsonToken.VALUE_STRING) {
            type = parser.getText();
        } else if (name.equals("sequence_number") && value == JsonToken.VALUE_NUMBER_INT && parser.getTextLength() < 18) {
            sequence = parser.getLongValue();
        } else if (name.equals("response") && value == JsonToken.START_OBJECT) {
            readResponse(parser, data, members);
        } else if (name.equals("delta")) {
            countDelta(parser);
        } else {
            members.read(name, parser);
        }
    }

    private void readResponse(JsonParser parser, byte[] data, UsageReader members) throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            int from = Json.offset(parser);
            members.read(name, parser);
            parser.skipChildren();
            if (name.equals("error") && value == JsonToken.START_OBJECT) {
                String json = new String(Arrays.copyOfRange(data, from, Json.end(parser)), StandardCharsets.UTF_8);
                failure = ("{\"error\":" + json + "}").getBytes(StandardCharsets.UTF_8);
            }
        }
    }

    /** Its other events repeat what was said, or the request. */
    @Override
    void countLarge(long bytes) {
        if (type != null && type.endsWith(".delta")) {
            super.countLarge(bytes);
        }
    }

    @Override
    void readBeginning(byte[] data, String itsType) {
        begin(data, itsType);
    }

    @Override
    void readEnd(String text) {
        Matcher last = LAST_TYPE.matcher(text);
        while (type == null && last.find()) {
            type = depth(text, last.end()) == 1 ? last.group(1) : null;
        }
        for (Matcher number = SEQUENCE.matcher(text); number.find();) {
            sequence = depth(text, number.end()) == 1 ? Long.parseLong(number.group(1)) : sequence;
        }
        conclude();
    }

    /** It is the response's, or the event's. */
    @Override
    boolean mayHoldUsage(String text, int at) {
        return depth(text, at) <= 2;
    }

    /** How many objects and arrays are closed behind that place, which is in no string. */
    private static int depth(String text, int at) {
        int depth = 0;
        boolean inString = false;
        for (int i = at; i < text.length(); i++) {
            char c = text.charAt(i);
            if (inString && c == '\\') {
                i++;
            } else if (c == '"') {
                inString = !inString;
            } else if (!inString && (c == '}' || c == ']')) {
                depth++;
            } else if (!inString && (c == '{' || c == '[')) {
                depth--;
            }
        }
        return depth;
    }

    @Override
    boolean isFinished() {
        return isFinished;
    }

    @Override
    boolean isRefused() {
        return isRefused;
    }

    /** In the form that is documented, and in the one that OpenAI sends: its SDKs disagree (openai-dotnet#881, openai-node#2021). */
    @Override
    String errorEvent(ChatError told) {
        return "event: error\ndata: " + new String(told.responseEvent(sequence + 1), StandardCharsets.UTF_8) + "\n\n";
    }
}
