package chatlambda.chat;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Follows a stream of server-sent events, in chunks that may be cut anywhere, so that {@code data: [DONE]} comes exactly once, at its
 * end: clients rely on that, and not all upstreams send it. No byte is held back or changed. For one stream and one thread.
 *
 * @see <a href="https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream">Parsing an event stream</a>
 */
public final class EventStream {

    private static final byte[] NOTHING = new byte[0];
    private static final byte[] DONE_EVENT = ascii("data: [DONE]\n\n");
    /** The line that marks the end. Any number of spaces may follow the colon, and anything the bracket: the SDKs read it so. */
    private static final byte[] MARKER = ascii("data:[DONE]");
    private static final int AFTER_COLON = "data:".length();
    private static final int OTHER_LINE = -1;

    /** How many bytes of {@link #MARKER} the current line has matched, or {@link #OTHER_LINE}. */
    private int matched;
    private boolean lineIsEmpty = true;
    private boolean eventIsOpen;
    private boolean afterCr;
    private boolean markerSeen;
    private boolean markerEventEnded;
    /** The marker's event ended with CR, to which an LF may still belong. */
    private boolean lfMayFollow;
    /** The last bytes of the stream, for {@link #usage}. */
    private final byte[] tail = new byte[UsageReader.TAIL];
    private int tailLength;

    /** How many bytes of {@code chunk}, from its beginning, belong to the stream: those after the marker's event do not. */
    public int accept(byte[] chunk) {
        int length = follow(chunk);
        keepTail(chunk, length);
        return length;
    }

    private int follow(byte[] chunk) {
        for (int i = 0; i < chunk.length; i++) {
            byte b = chunk[i];
            if (markerEventEnded) {
                boolean isItsLf = lfMayFollow && b == '\n';
                lfMayFollow = false;
                return isItsLf ? i + 1 : i;
            }
            if (b == '\n' && afterCr) {
                afterCr = false;
            } else if (b == '\n' || b == '\r') {
                afterCr = b == '\r';
                endLine();
            } else {
                afterCr = false;
                lineIsEmpty = false;
                match(b);
            }
        }
        return chunk.length;
    }

    private void match(byte b) {
        if (matched == OTHER_LINE || matched == MARKER.length || matched == AFTER_COLON && b == ' ') {
            return;
        }
        matched = b == MARKER[matched] ? matched + 1 : OTHER_LINE;
    }

    private void endLine() {
        if (!lineIsEmpty) {
            eventIsOpen = true;
            markerSeen |= matched == MARKER.length;
        } else {
            eventIsOpen = false;
            markerEventEnded = markerSeen;
            lfMayFollow = markerSeen && afterCr;
        }
        matched = 0;
        lineIsEmpty = true;
    }

    private void keepTail(byte[] chunk, int length) {
        int added = Math.min(length, tail.length);
        int kept = Math.min(tailLength, tail.length - added);
        System.arraycopy(tail, tailLength - kept, tail, 0, kept);
        System.arraycopy(chunk, length - added, tail, kept, added);
        tailLength = kept + added;
    }

    /** What the stream has said of its usage so far. */
    public Usage usage() {
        return UsageReader.ofEvents(Arrays.copyOf(tail, tailLength));
    }

    /** Whether the marker has come: whatever happens to the upstream from here on does not matter to the client. */
    public boolean hasMarker() {
        return markerSeen;
    }

    /** Whether the marker's event has ended: no later byte belongs to the stream. */
    public boolean isComplete() {
        return markerEventEnded && !lfMayFollow;
    }

    /** The bytes that are missing when the upstream has sent its last one: line ends, and the marker if it did not come. */
    public byte[] end() {
        endLastLine();
        return markerSeen ? missingLineEnds() : concat(missingLineEnds(), DONE_EVENT);
    }

    /** The bytes that tell the client that the stream broke off, unless the marker came: line ends, an error event, and the marker. */
    public byte[] end(ChatError error) {
        endLastLine();
        if (markerSeen) {
            return missingLineEnds();
        }
        byte[] event = concat(concat(ascii("data: "), error.json()), ascii("\n\n"));
        return concat(concat(missingLineEnds(), event), DONE_EVENT);
    }

    private void endLastLine() {
        markerSeen |= !lineIsEmpty && matched == MARKER.length;
    }

    private byte[] missingLineEnds() {
        if (lineIsEmpty && !eventIsOpen) {
            return NOTHING;
        }
        // An LF after CR belongs to the line end that is there already, so one more is needed.
        return lineIsEmpty && !afterCr ? ascii("\n") : ascii("\n\n");
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private static byte[] concat(byte[] a, byte[] b) {
        byte[] both = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, both, a.length, b.length);
        return both;
    }
}
