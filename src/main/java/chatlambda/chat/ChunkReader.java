package chatlambda.chat;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The chunks of a completion: it has ended when each choice has told why. */
final class ChunkReader extends StreamReader {

    /** More choices than anybody asks for; of a stream that shows more it is not known whether all have ended. */
    private static final int MAX_CHOICES = 1_000;
    /** A name within a JSON string would have a backslash before its quote. */
    private static final Pattern FINISH = Pattern.compile("[\\s{,]\"finish_reason\"\\s*:\\s*\"[^\"]");
    private static final Pattern INDEX = Pattern.compile("[\\s{,]\"index\"\\s*:\\s*(\\d{1,9})");
    private static final Pattern ERROR = Pattern.compile("[\\s{,](\"error\"\\s*:\\s*)(?!null\\b)\\S");

    private final Set<String> shown = new HashSet<>();
    private final Set<String> finished = new HashSet<>();

    ChunkReader() {
        super(Route.CHAT);
    }

    @Override
    void readMember(String name, JsonParser parser, byte[] data, UsageReader members) throws IOException {
        if (name.equals("choices") && parser.currentToken() == JsonToken.START_ARRAY) {
            readChoices(parser, members);
        } else {
            members.read(name, parser);
        }
    }

    private void readChoices(JsonParser parser, UsageReader members) throws IOException {
        boolean areNone = true;
        for (JsonToken item; (item = parser.nextToken()) != JsonToken.END_ARRAY;) {
            areNone = false;
            if (item != JsonToken.START_OBJECT) {
                parser.skipChildren();
                continue;
            }
            String index = "0";
            boolean ends = false;
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                JsonToken value = parser.nextToken();
                if (name.equals("index") && value == JsonToken.VALUE_NUMBER_INT && parser.getTextLength() < 10) {
                    index = parser.getText();
                } else if (name.equals("finish_reason")) {
                    ends = value == JsonToken.VALUE_STRING && !parser.getText().isEmpty();
                } else if (name.equals("usage")) { // Moonshot's place for it
                    members.read(name, parser);
                } else if (name.equals("delta")) {
                    countDelta(parser);
                }
                parser.skipChildren();
            }
            if (shown.size() <= MAX_CHOICES) {
                shown.add(index);
            }
            if (ends && finished.size() < MAX_CHOICES) {
                finished.add(index);
            }
        }
        noteChoices(areNone);
    }

    /** Its end tells all that is needed. */
    @Override
    void readBeginning(byte[] data, String type) {
    }

    @Override
    void readEnd(String text) {
        Matcher told = ERROR.matcher(text);
        if (told.find()) {
            tell(("{" + text.substring(told.start(1))).getBytes(StandardCharsets.ISO_8859_1));
        }
        if (FINISH.matcher(text).find()) {
            Matcher index = INDEX.matcher(text);
            if (shown.size() <= 1) {
                shown.add(shown.isEmpty() ? "0" : shown.iterator().next());
                finished.addAll(shown);
            } else if (index.find()) { // of a tool call's or a picture's, perhaps
                finished.add(index.group(1));
            }
        }
    }

    /** Whether at least one choice was shown, and each that was shown has told why it ended. */
    @Override
    boolean isFinished() {
        return !shown.isEmpty() && finished.containsAll(shown);
    }

    @Override
    String errorEvent(ChatError failure) {
        return "data: " + new String(failure.json(), StandardCharsets.UTF_8) + "\n\n";
    }
}
