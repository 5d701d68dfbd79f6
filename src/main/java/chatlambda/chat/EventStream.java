package chatlambda.chat;

import chatlambda.json.Json;
import com.fasterxml.jackson.core.JsonParser;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A streamed answer as server-sent events, which arrive in chunks that may be cut anywhere. Only whole events go on, byte for byte;
 * comments between them at once. An event beyond 64 KB flows as it comes. On {@link Route#CHAT} {@code data: [DONE]} comes exactly once, at
 * the end: clients rely on that, and not all upstreams send it. On {@link Route#RESPONSES} it is not added; one that comes ahead of the
 * answer's last event ends the stream as a failure, and does not go on. For one stream and one thread.
 *
 * @see <a href="https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream">Parsing an event stream</a>
 */
public final class EventStream {

    /** What the first bytes of an answer are. */
    public enum Kind {
        EVENTS, OTHER,
        /** More bytes are needed to tell. */
        UNDECIDED
    }

    /** Bytes of an event that wait for its end. */
    static final int MAX_HELD = 64 * 1024;

    private static final byte[] NOTHING = {};
    private static final byte[] BOM = { (byte) 0xef, (byte) 0xbb, (byte) 0xbf };
    private static final byte[] DONE_EVENT = ascii("data: [DONE]\n\n");
    private static final byte[] DONE = ascii("[DONE]");
    private static final byte[] DATA = ascii("data");
    private static final byte[] TYPE = ascii("event:");
    /** What an event stream begins with. */
    private static final byte[][] BEGINNINGS = { ascii("data:"), ascii("event:"), ascii("id:"), ascii("retry:"), ascii(":") };

    private final Route route;
    private final StreamReader reader;
    /** What has arrived of the current event, {@link #length} bytes. */
    private byte[] buffer = NOTHING;
    private int length;
    private int bomSeen;
    private boolean lineIsEmpty = true;
    private boolean afterCr;
    /** Whether the current event has a line that is no comment. */
    private boolean hasFields;
    /** The current event, while it flows; else null. */
    private LargeEvent flowing;
    /** Whether there was an event beyond {@link #MAX_HELD}: its end may tell nothing of the answer's. */
    private boolean hasLarge;
    private boolean hasEvent;
    private boolean firstIsError;
    private boolean markerSeen;
    /** Whether the marker has come ahead of the answer's end, where it is none: it does not go on. */
    private boolean markerIsEarly;
    private ChatError failure;
    /** Whether an event that tells the usage only does not go on. */
    private final boolean hidesUsage;
    /** Where such events begin and end, in the bytes that are scanned. */
    private final List<int[]> hidden = new ArrayList<>(0);
    /** Whether what ended last is such an event: an LF behind its CR does not go on either. */
    private boolean afterHidden;

    public EventStream(Route route) {
        this(route, null);
    }

    /** @param metering of the request; null: nobody counts what the answer takes */
    public EventStream(Route route, Metering metering) {
        this.route = route;
        this.reader = StreamReader.of(route);
        this.hidesUsage = metering != null && metering.hidesUsage();
        if (metering != null) {
            reader.countDeltas();
        }
    }

    /** Tells by its first bytes whether an answer is an event stream: after line ends and a byte order mark, a field or a comment. */
    public static Kind kind(byte[] begun, int length) {
        int at = 0;
        while (at < length && at < BOM.length && begun[at] == BOM[at]) {
            at++;
        }
        while (at < length && (begun[at] == '\n' || begun[at] == '\r')) {
            at++;
        }
        for (byte[] beginning : BEGINNINGS) {
            int known = Math.min(beginning.length, length - at);
            if (Arrays.equals(begun, at, at + known, beginning, 0, known)) {
                return known == beginning.length ? Kind.EVENTS : Kind.UNDECIDED;
            }
        }
        return Kind.OTHER;
    }

    /** What goes on now: whole events and comments, or nothing yet. What follows the marker does not belong to the stream. */
    public byte[] accept(byte[] chunk) {
        byte[] bytes = chunk;
        int from = 0;
        if (length > 0) {
            hold(chunk);
            bytes = buffer;
            from = length - chunk.length;
        }
        int end = from + chunk.length;
        int ready = scan(bytes, from, end);
        if (!markerSeen && end - ready > MAX_HELD) {
            flowing = new LargeEvent();
            flowing.read(bytes, ready, end);
            Data beginning = data(bytes, ready, end);
            reader.readBeginning(beginning.text, beginning.type);
            hasLarge |= hasFields;
            hasEvent |= hasFields;
            ready = end;
        }
        byte[] out = bytes == chunk && ready == chunk.length ? chunk : Arrays.copyOf(bytes, ready);
        if (!hidden.isEmpty()) {
            out = withoutHidden(out);
        }
        keep(bytes, markerSeen ? end : ready, end);
        return out;
    }

    private byte[] withoutHidden(byte[] out) {
        var shown = new ByteArrayOutputStream(out.length);
        int from = 0;
        for (int[] range : hidden) {
            shown.write(out, from, range[0] - from);
            from = range[1];
        }
        shown.write(out, from, out.length - from);
        hidden.clear();
        return shown.toByteArray();
    }

    /** How many of the bytes up to {@code end} are ready to go on. */
    private int scan(byte[] bytes, int from, int end) {
        int event = 0; // where the current one begins, in bytes
        int ready = 0;
        for (int i = from; i < end; i++) {
            byte b = bytes[i];
            if (b == '\n' && afterCr) {
                afterCr = false; // the line has ended already
                ready = lineIsEmpty && !hasFields && !markerIsEarly ? i + 1 : ready;
                event = lineIsEmpty && !hasFields ? i + 1 : event;
                if (afterHidden) {
                    hidden.add(new int[] { i, i + 1 });
                }
                afterHidden = false;
                continue;
            }
            afterCr = false;
            afterHidden = false;
            if (markerSeen) {
                return ready;
            }
            if (b == '\n' || b == '\r') {
                afterCr = b == '\r';
                if (lineIsEmpty && hasFields) {
                    afterHidden = endEvent(bytes, event, i);
                    if (afterHidden) {
                        hidden.add(new int[] { event, i + 1 });
                    }
                }
                hasFields &= !lineIsEmpty;
                lineIsEmpty = true;
                if (!hasFields) {
                    flowing = null;
                    ready = markerIsEarly ? ready : i + 1;
                    event = ready;
                }
            } else if (bomSeen < BOM.length && b == BOM[bomSeen]) {
                bomSeen++;
            } else {
                bomSeen = BOM.length; // it stands at the very beginning, if at all
                hasFields |= lineIsEmpty && b != ':';
                lineIsEmpty = false;
            }
        }
        if (flowing != null) {
            flowing.read(bytes, event, end);
            return end;
        }
        return ready;
    }

    /** Takes in the event that ends there, and returns whether it does not go on. */
    private boolean endEvent(byte[] bytes, int from, int to) {
        if (flowing != null) {
            flowing.read(bytes, from, to);
            flowing.tell(reader);
            return false;
        }
        hasLarge |= to - from > MAX_HELD;
        return take(data(bytes, from, to));
    }

    /**
     * What an event says.
     *
     * @param text its data, without spaces ahead
     * @param type by its line {@code event:}; null: it has none
     */
    private record Data(byte[] text, String type) {

        /** Anything may follow the bracket: the SDKs read it so. */
        boolean isMarker() {
            return startsWith(text, 0, text.length, DONE);
        }

        boolean isJson() {
            try (JsonParser parser = Json.parser(text)) {
                boolean begins = parser.nextToken() != null;
                parser.skipChildren();
                return begins && parser.nextToken() == null;
            } catch (IOException e) {
                return false;
            }
        }
    }

    private static Data data(byte[] bytes, int from, int to) {
        var text = new ByteArrayOutputStream();
        String type = null;
        int at = from + (startsWith(bytes, from, to, BOM) ? BOM.length : 0);
        for (int end; at < to; at = end + 1) {
            end = at;
            while (end < to && bytes[end] != '\n' && bytes[end] != '\r') {
                end++;
            }
            type = startsWith(bytes, at, end, TYPE) ? typeOf(bytes, at + TYPE.length, end) : type;
            int value = valueOfData(bytes, at, end);
            if (value >= 0) {
                if (text.size() > 0) {
                    text.write('\n');
                }
                while (text.size() == 0 && value < end && bytes[value] <= ' ' && bytes[value] >= 0) {
                    value++;
                }
                text.write(bytes, value, end - value);
            }
        }
        return new Data(text.toByteArray(), type);
    }

    /** Takes in what an event says, and returns whether it tells the usage only, which nobody but the function asked for. */
    private boolean take(Data data) {
        if (data.text.length == 0) {
            return false; // an event without data is none
        }
        boolean isHidden = false;
        if (data.isMarker()) {
            markerSeen = true;
            markerIsEarly = route == Route.RESPONSES && !reader.isFinished();
        } else {
            reader.read(data.text, data.type);
            firstIsError |= !hasEvent && reader.isRefused();
            isHidden = hidesUsage && reader.isOnlyUsage();
        }
        hasEvent = true;
        return isHidden;
    }

    /** Where the value of a data line begins; -1: it is another line. */
    private static int valueOfData(byte[] bytes, int from, int end) {
        int colon = from + DATA.length;
        if (!startsWith(bytes, from, end, DATA) || colon < end && bytes[colon] != ':') {
            return -1;
        }
        return Math.min(end, colon + 1);
    }

    private static String typeOf(byte[] bytes, int from, int end) {
        return new String(bytes, from, end - from, StandardCharsets.ISO_8859_1).strip();
    }

    private static boolean startsWith(byte[] bytes, int from, int to, byte[] beginning) {
        return to - from >= beginning.length && Arrays.equals(bytes, from, from + beginning.length, beginning, 0, beginning.length);
    }

    private void hold(byte[] chunk) {
        if (length + chunk.length > buffer.length) {
            buffer = Arrays.copyOf(buffer, Math.max(length + chunk.length, 2 * buffer.length));
        }
        System.arraycopy(chunk, 0, buffer, length, chunk.length);
        length += chunk.length;
    }

    private void keep(byte[] bytes, int from, int end) {
        length = end - from;
        if (bytes != buffer || from > 0) {
            buffer = length > buffer.length ? new byte[2 * length] : buffer;
            System.arraycopy(bytes, from, buffer, 0, length);
        }
    }

    /** Whether an event with data has come. */
    public boolean hasEvent() {
        return hasEvent;
    }

    /** Whether nothing has gone on of an event whose end is still to come: something else may go out here. */
    public boolean isBetweenEvents() {
        return flowing == null && !markerSeen;
    }

    /** Whether the marker has come: of what may follow only an LF that ends its line belongs to the stream. */
    public boolean hasMarker() {
        return markerSeen;
    }

    /** Whether the marker's event has ended: no later byte belongs to the stream. */
    public boolean isComplete() {
        return markerSeen && !afterCr;
    }

    /** The data of the first event that tells an error of the upstream's; null: none did. */
    public byte[] error() {
        return reader.error();
    }

    /** Whether that was the first event of all. */
    public boolean firstIsError() {
        return firstIsError;
    }

    /** How many tokens the texts of the answer are taken for; 0 where nobody counts. */
    public long deltaTokens() {
        return reader.deltaTokens();
    }

    /** What the stream has said of its usage so far. */
    public Usage usage() {
        return reader.usage();
    }

    /**
     * The last bytes, once the upstream sends no more: the rest of an event that lacks only its end; where the answer has not ended, an
     * error event, unless the upstream has told an error; and on {@link Route#CHAT} the marker, unless it came. To be called once.
     *
     * @param lost why the upstream broke off; null: its stream ended as HTTP has it
     */
    public byte[] end(ChatError lost) {
        var last = new ByteArrayOutputStream();
        boolean isCut = endRest(last, lost == null);
        boolean isChat = route == Route.CHAT;
        boolean hasEnded = reader.isFinished() || isChat && lost == null && hasLarge;
        boolean isMarked = isChat && markerSeen;
        if (!isMarked && reader.error() == null && (isCut || !hasEnded)) {
            failure = lost != null ? lost : ChatError.incomplete(route, hasEvent);
            last.writeBytes(reader.errorEvent(failure).getBytes(StandardCharsets.UTF_8));
        }
        if (isChat && !markerSeen) {
            last.writeBytes(DONE_EVENT);
        }
        return last.toByteArray();
    }

    /** Writes what is left of an event, if that is all of it, and the line ends that it lacks; returns whether it was cut. */
    private boolean endRest(ByteArrayOutputStream last, boolean isClean) {
        if (flowing == null && !hasFields) {
            return false; // half a comment, at most
        }
        boolean isWhole;
        if (flowing == null) {
            Data rest = data(buffer, 0, length);
            isWhole = rest.isMarker() || isClean && rest.isJson();
            boolean isHidden = isWhole && take(rest);
            if (markerIsEarly || isHidden) {
                return false;
            }
            last.write(buffer, 0, isWhole ? length : 0);
        } else if (hasFields) {
            isWhole = isClean && flowing.isClosed();
            if (isWhole || route == Route.CHAT) {
                flowing.tell(reader);
            }
        } else {
            isWhole = true; // a comment
        }
        if (isWhole || flowing != null) {
            // An LF after CR belongs to the line end that is there already, so one more is needed.
            last.writeBytes(lineIsEmpty && !afterCr ? ascii("\n") : ascii("\n\n"));
        }
        return !isWhole;
    }

    /** Why the stream is no whole answer; null: it is one, or the upstream has said itself that it is none. Known after {@link #end}. */
    public ChatError failure() {
        return failure;
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
