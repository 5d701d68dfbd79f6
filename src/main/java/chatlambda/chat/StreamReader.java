package chatlambda.chat;

import chatlambda.json.Json;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads of a stream, event by event, what tells whether its answer has ended, whether it failed, and what it took. For one stream and one
 * thread.
 */
abstract class StreamReader {

    private static final Set<String> KINDS = Set.of("role", "type", "id");
    /** A name within a JSON string would have a backslash before its quote. */
    private static final Pattern OF_USAGE = Pattern.compile("[\\s{,]\"(usage|meta)\"\\s*:\\s*(?=\\{)");

    private final Route route;
    private Usage usage = Usage.NONE;
    private byte[] error;
    /** Whether {@link #deltaTokens} are counted. */
    private boolean counts;
    private long deltaTokens;
    /** Of the current event: whether it has an empty array of choices, or choices, and whether it tells the usage, and no error. */
    private boolean hasNoChoices;
    private boolean hasChoices;
    private boolean hasUsage;
    /** Bytes of the current event's texts; -1: it has none to be counted. */
    private long deltaBytes;

    StreamReader(Route route) {
        this.route = route;
    }

    static StreamReader of(Route route) {
        return route == Route.RESPONSES ? new ResponseEventReader() : new ChunkReader();
    }

    /** From here on it is counted what the events say. */
    final void countDeltas() {
        counts = true;
    }

    /**
     * Reads the data of one event. What is no JSON object tells nothing; of one that is cut, what stands before the cut counts.
     *
     * @param type of the event, by its line {@code event:}; null: it has none
     */
    void read(byte[] data, String type) {
        if (scan(data, type)) {
            tell(data);
        }
    }

    /** The same without its conclusion: returns whether it tells an error. */
    final boolean scan(byte[] data, String type) {
        boolean tellsError = "error".equals(type);
        hasNoChoices = false;
        hasChoices = false;
        hasUsage = false;
        deltaBytes = -1;
        var members = new UsageReader(route);
        try (JsonParser parser = Json.parser(data)) {
            boolean isObject = parser.nextToken() == JsonToken.START_OBJECT;
            while (isObject && parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                JsonToken value = parser.nextToken();
                tellsError |= name.equals("error") && value != JsonToken.VALUE_NULL;
                hasUsage |= value == JsonToken.START_OBJECT && name.equals("usage");
                readMember(name, parser, data, members);
                parser.skipChildren();
            }
        } catch (IOException e) {
            // it goes to the client as it is
        }
        usage = usage.followedBy(members.usage());
        hasUsage &= !tellsError;
        deltaTokens += deltaBytes < 0 ? 0 : Math.max(1, Metering.tokens(deltaBytes));
        return tellsError;
    }

    /**
     * Reads one member of an event.
     *
     * @param parser on its value; afterwards on that value or its end
     * @param data of the whole event
     */
    abstract void readMember(String name, JsonParser parser, byte[] data, UsageReader members) throws IOException;

    /** Notes that the current event has an array of choices, and whether it is empty. */
    final void noteChoices(boolean areNone) {
        hasNoChoices |= areNone;
        hasChoices |= !areNone;
    }

    /** Whether the last event tells the usage and nothing else, as {@code include_usage} asks for it. */
    final boolean isOnlyUsage() {
        return hasNoChoices && !hasChoices && hasUsage;
    }

    /**
     * Counts the texts of a member {@code delta}, in objects and arrays too, if they are to be counted; what names its kind is no text.
     *
     * @param parser on its value; afterwards on that value or its end
     */
    final void countDelta(JsonParser parser) throws IOException {
        if (!counts) {
            return;
        }
        long bytes = Math.max(0, deltaBytes);
        int depth = 0;
        do {
            JsonToken token = parser.currentToken();
            if (token.isStructStart()) {
                depth++;
            } else if (token.isStructEnd()) {
                depth--;
            } else if (token == JsonToken.VALUE_STRING && !KINDS.contains(String.valueOf(parser.currentName()))) {
                bytes += parser.getText().getBytes(StandardCharsets.UTF_8).length;
            }
        } while (depth > 0 && parser.nextToken() != null);
        deltaBytes = bytes;
    }

    /** Counts so many bytes of an event that is too large to be kept, if it may be one of text. */
    void countLarge(long bytes) {
        deltaTokens += counts ? Metering.tokens(bytes) : 0;
    }

    /** How many tokens the answer's texts are taken for, if they are counted. */
    final long deltaTokens() {
        return deltaTokens;
    }

    /** Reads the first bytes of the data of an event that is too large to be kept. */
    abstract void readBeginning(byte[] data, String type);

    /** Reads the last bytes of the data of an event that is too large to be kept. */
    final void readEnd(byte[] bytes, int length) {
        String text = new String(bytes, 0, length, StandardCharsets.ISO_8859_1); // a character for each byte
        var members = new UsageReader(route);
        for (Matcher found = OF_USAGE.matcher(text); found.find();) {
            if (!mayHoldUsage(text, found.end())) {
                continue;
            }
            try (JsonParser parser = Json.parser(bytes, found.end(), length - found.end())) {
                parser.nextToken();
                members.read(found.group(1), parser);
            } catch (IOException e) {
                // what stands before the fault counts
            }
        }
        usage = usage.followedBy(members.usage());
        readEnd(text);
    }

    /** @param text a character for each byte */
    abstract void readEnd(String text);

    /** Whether a member of the event's end whose value begins at {@code at} may be the answer's usage, and not something of that name. */
    boolean mayHoldUsage(String text, int at) {
        return true;
    }

    /** @param itsError what the event says of its error */
    final void tell(byte[] itsError) {
        error = error == null ? itsError : error;
    }

    /** Whether the answer has told that it is at its end. */
    abstract boolean isFinished();

    /** Whether an error that is told instead of an answer, and not at an answer's end, was in the events so far. */
    boolean isRefused() {
        return error != null;
    }

    /** The event that tells clients of a failure. */
    abstract String errorEvent(ChatError failure);

    /** The counts of the last event that has any; price and model likewise. */
    final Usage usage() {
        return usage;
    }

    /** What the first event that tells an error says of it; null: none did. */
    final byte[] error() {
        return error;
    }
}
