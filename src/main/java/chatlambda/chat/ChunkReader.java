package chatlambda.chat;

import chatlambda.json.Json;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads of a streamed completion, event by event, what tells whether it has ended, whether it failed, and what it took. For one stream
 * and one thread.
 */
final class ChunkReader {

    /** More choices than anybody asks for; of a stream that shows more it is not known whether all have ended. */
    private static final int MAX_CHOICES = 1_000;
    /** A name within a JSON string would have a backslash before its quote. */
    private static final Pattern FINISH = Pattern.compile("[\\s{,]\"finish_reason\"\\s*:\\s*\"[^\"]");
    private static final Pattern INDEX = Pattern.compile("[\\s{,]\"index\"\\s*:\\s*(\\d{1,9})");
    private static final Pattern OF_USAGE = Pattern.compile("[\\s{,]\"(usage|meta)\"\\s*:\\s*(?=\\{)");
    private static final Pattern ERROR = Pattern.compile("[\\s{,](\"error\"\\s*:\\s*)(?!null\\b)\\S");

    private final Set<String> shown = new HashSet<>();
    private final Set<String> finished = new HashSet<>();
    private Usage usage = Usage.NONE;
    private byte[] error;

    /**
     * Reads the data of one event. What is no JSON object tells nothing; of one that is cut, what stands before the cut counts.
     *
     * @param isError whether the event is an error by its own type
     */
    void read(byte[] data, boolean isError) {
        boolean tellsError = isError;
        var members = new UsageReader();
        try (JsonParser parser = Json.parser(data)) {
            boolean isObject = parser.nextToken() == JsonToken.START_OBJECT;
            while (isObject && parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                JsonToken value = parser.nextToken();
                tellsError |= name.equals("error") && value != JsonToken.VALUE_NULL;
                if (name.equals("choices") && value == JsonToken.START_ARRAY) {
                    readChoices(parser, members);
                } else {
                    members.read(name, parser);
                }
                parser.skipChildren();
            }
        } catch (IOException e) {
            // it goes to the client as it is
        }
        usage = usage.followedBy(members.usage());
        if (tellsError && error == null) {
            error = data;
        }
    }

    private void readChoices(JsonParser parser, UsageReader members) throws IOException {
        for (JsonToken item; (item = parser.nextToken()) != JsonToken.END_ARRAY;) {
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
    }

    /** Reads the last bytes of the data of an event that is too large to be kept. */
    void readEnd(byte[] bytes, int length) {
        String text = new String(bytes, 0, length, StandardCharsets.ISO_8859_1); // a character for each byte
        var members = new UsageReader();
        for (Matcher found = OF_USAGE.matcher(text); found.find();) {
            try (JsonParser parser = Json.parser(bytes, found.end(), length - found.end())) {
                parser.nextToken();
                members.read(found.group(1), parser);
            } catch (IOException e) {
                // what stands before the fault counts
            }
        }
        usage = usage.followedBy(members.usage());
        Matcher told = ERROR.matcher(text);
        if (told.find() && error == null) {
            error = ("{" + text.substring(told.start(1))).getBytes(StandardCharsets.ISO_8859_1);
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
    boolean isFinished() {
        return !shown.isEmpty() && finished.containsAll(shown);
    }

    /** The counts of the last event that has any; price and model likewise. */
    Usage usage() {
        return usage;
    }

    /** The data of the first event that tells an error; null: none did. */
    byte[] error() {
        return error;
    }
}
