package chatlambda.chat;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Watches a stream of server-sent events go by, chunk after chunk wherever it is cut, for the one thing that clients rely on and
 * upstreams do not all send: that {@code data: [DONE]} comes exactly once, at the end. Nothing is held back or changed.
 *
 * @see <a href="https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream">Parsing an event stream</a>
 */
public final class EventStream {

    private static final byte[] DONE = "data: [DONE]\n\n".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] FIELD = "data:".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] MARK = "[DONE]".getBytes(StandardCharsets.US_ASCII);

    /** How much of {@code data: [DONE]} the current line has matched; -1 once it is another line. */
    private int matched;
    private boolean lineIsEmpty = true;
    private boolean eventIsOpen;
    private boolean afterCr;
    private boolean done;
    private boolean ended;
    /** After the empty line that ended the marker's event with CR, an LF may still belong to it. */
    private boolean lfMayFollow;
    /** The last bytes that went by, for {@link #usage}. */
    private final byte[] tail = new byte[Usage.TAIL];
    private int tailLength;

    /** How many bytes of {@code chunk} belong to the stream: all of them, but for what comes after the marker's event. */
    public int accept(byte[] chunk) {
        int length = watch(chunk);
        keep(chunk, length);
        return length;
    }

    private int watch(byte[] chunk) {
        for (int i = 0; i < chunk.length; i++) {
            byte b = chunk[i];
            if (ended) {
                boolean lf = lfMayFollow && b == '\n';
                lfMayFollow = false;
                return lf ? i + 1 : i;
            }
            if (b == '\n' && afterCr) {
                afterCr = false;
            } else if (b == '\n' || b == '\r') {
                afterCr = b == '\r';
                endLine(afterCr);
            } else {
                afterCr = false;
                lineIsEmpty = false;
                match(b);
            }
        }
        return chunk.length;
    }

    private void keep(byte[] chunk, int length) {
        int added = Math.min(length, tail.length);
        int kept = Math.min(tailLength, tail.length - added);
        System.arraycopy(tail, tailLength - kept, tail, 0, kept);
        System.arraycopy(chunk, length - added, tail, kept, added);
        tailLength = kept + added;
    }

    /** What the stream has told, so far, of what it took. */
    public Usage usage() {
        return Usage.ofEvents(Arrays.copyOf(tail, tailLength));
    }

    /** Whether the marker's event is over: what the upstream sends from here on is not passed on. */
    public boolean isDone() {
        return ended && !lfMayFollow;
    }

    /** Whether the marker has come, so that nothing which happens to the upstream now matters. */
    public boolean isMarked() {
        return done;
    }

    /** What is missing when the upstream has sent all it has. */
    public byte[] end() {
        endLastLine();
        return ended ? new byte[0] : done ? rest() : concat(rest(), DONE);
    }

    /** What tells the client that the stream broke off: an error event, then the end. */
    public byte[] end(ChatError error) {
        endLastLine();
        if (done) {
            return ended ? new byte[0] : rest(); // all that matters has arrived
        }
        byte[] event = concat("data: ".getBytes(StandardCharsets.US_ASCII), error.json());
        return concat(concat(rest(), event), concat(new byte[] { '\n', '\n' }, DONE));
    }

    /** The line ends that the last event lacks. */
    private byte[] rest() {
        // After CR an LF belongs to the line end that is there already.
        return "\n\n".substring(lineIsEmpty ? eventIsOpen ? afterCr ? 0 : 1 : 2 : 0).getBytes(StandardCharsets.US_ASCII);
    }

    private void endLastLine() {
        done |= !lineIsEmpty && matched == FIELD.length + MARK.length;
    }

    private void endLine(boolean byCr) {
        if (lineIsEmpty) {
            eventIsOpen = false;
            if (done) {
                ended = true;
                lfMayFollow = byCr;
            }
        } else {
            eventIsOpen = true;
            done |= matched == FIELD.length + MARK.length;
        }
        matched = 0;
        lineIsEmpty = true;
    }

    private void match(byte b) {
        if (matched < 0) {
            return;
        }
        if (matched < FIELD.length) {
            matched = b == FIELD[matched] ? matched + 1 : -1;
        } else if (matched < FIELD.length + MARK.length) {
            boolean padding = matched == FIELD.length && b == ' ';
            matched = padding ? matched : b == MARK[matched - FIELD.length] ? matched + 1 : -1;
        } // SDKs take whatever begins with [DONE] for the end
    }

    private static byte[] concat(byte[] a, byte[] b) {
        byte[] both = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, both, a.length, b.length);
        return both;
    }
}
