package chatlambda.upstream;

import chatlambda.upstream.UpstreamCodec.End;
import io.netty.buffer.ByteBuf;
import java.io.Closeable;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * One request to the upstream: what has gone out and come in of it. That decides whether the connection is used again, and, where there
 * is no answer, whether the request may be sent again.
 *
 * <p>The connection's event loop writes it; the thread that asks reads it once the request has failed.
 */
final class Exchange implements Closeable {

    /** How much longer than the connection took to open the news may take that it was closed before the request arrived. */
    private static final long REFUSAL_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    private final Connections connections;
    private final String id;
    private final int bound;
    private final BytesInFlight.Share held;
    private final Map<String, String> headers;
    private final boolean foundKept;
    private final long askedAt = System.nanoTime();

    private volatile UpstreamCodec connection;
    private volatile boolean sent;
    private volatile long sentAt;
    private volatile long read;
    private volatile boolean tooLong;
    private volatile boolean noRoom;

    // These only the event loop uses.
    /** Bytes of the request's body that have been written. */
    long written;
    /** Bytes of the final answer's head, as far as it has arrived, and of all interim answers before it. */
    long ahead;
    /** Whether the head of the final answer has arrived. */
    boolean headed;
    /** Whether that tells of an error. */
    boolean failed;
    /** Bytes of the final answer's body that have arrived. */
    long body;
    /** Whether the connection may be used again after this answer, as far as its head tells. */
    boolean reusable;
    /** Bytes of that body that {@link #held} had from its head on. */
    private long announced;
    /** What has been collected of that body, and room for more. */
    private byte[] content = {};
    private int collected;

    /**
     * @param bound how many bytes the body of its answer may have
     * @param held what the invocation holds, to which that body is added once its length is known, or as it arrives; null: it is counted,
     *        and read, elsewhere
     * @param headers of the caller's that go upstream, by lower-case name
     * @param foundKept whether there were connections from before
     */
    Exchange(Connections connections, String id, int bound, BytesInFlight.Share held, Map<String, String> headers,
            boolean foundKept) {
        this.connections = connections;
        this.id = id;
        this.bound = bound;
        this.held = held;
        this.headers = headers;
        this.foundKept = foundKept;
    }

    /** By which its connection finds it. */
    String id() {
        return id;
    }

    /** Of the caller's, which go upstream. */
    Map<String, String> headers() {
        return headers;
    }

    /** When the request began, by {@link System#nanoTime}. */
    long askedAt() {
        return askedAt;
    }

    /** The request's first byte is about to be written to this connection. */
    void begin(UpstreamCodec itsConnection) {
        connection = itsConnection;
    }

    /** The system has taken the request's last byte. */
    void sent() {
        sentAt = System.nanoTime();
        sent = true;
    }

    boolean isSent() {
        return sent;
    }

    /** So many bytes have arrived. */
    void read(int bytes) {
        read += bytes; // only the event loop writes it
    }

    /** How many bytes the body of its answer may have. */
    int bound() {
        return bound;
    }

    /** The head of an answer that is no error's says how long its body will be, so that there is room for all of it at once. */
    void announce(long length) {
        if (held != null && length > 0 && length <= bound && held.take(length)) {
            announced = length;
            content = new byte[(int) length];
        }
    }

    /** So many bytes of an answer that is no error's have been added to {@link #body}, to be kept; false: they are too many. */
    boolean keeps(int bytes) {
        noRoom = held != null && body > announced && !held.take(bytes);
        return !noRoom;
    }

    /** Whether the body is read here, and does not go on to the client. */
    boolean collects() {
        return held != null;
    }

    /** The next bytes of the body. */
    void collect(ByteBuf piece) {
        int bytes = piece.readableBytes();
        if (collected + bytes > content.length) {
            content = Arrays.copyOf(content, Math.max(collected + bytes, content.length * 2));
        }
        piece.readBytes(content, collected, bytes);
        collected += bytes;
    }

    /** The whole body, after its end; for the thread that asked. */
    byte[] content() {
        return collected == content.length ? content : Arrays.copyOf(content, collected);
    }

    void tooLong() {
        tooLong = true;
    }

    /** Whether its answer has been given up for its length. */
    boolean isTooLong() {
        return tooLong;
    }

    /** Whether that was for what other invocations hold. */
    boolean hadNoRoom() {
        return noRoom;
    }

    /** Whether nothing of the request has left this process. */
    boolean nothingSent() {
        return connection == null;
    }

    /** Whether nothing was sent, and there were connections from before, one of which may have closed in that moment. */
    boolean nothingSentOnKept() {
        return connection == null && foundKept;
    }

    /**
     * Whether the upstream reset or ended a connection from before, before it had read the request that was written to it: not a byte of
     * an answer arrived, and the end came no later after the request's last byte than a refusal takes on its way. What ends later may
     * have been worked on, and paid for.
     */
    boolean refusedUnread() {
        UpstreamCodec its = connection;
        End end = its == null ? null : its.end();
        return end != null && end.byPeer() && its.wasOpenBefore(askedAt) && read == 0
                && (!sent || end.at() - sentAt <= its.openNanos() + REFUSAL_NANOS);
    }

    /** What went wrong on its connection; null: nothing that is known. The REST client (3.34.1) tells no more than its message. */
    Throwable failure() {
        UpstreamCodec its = connection;
        End end = its == null ? null : its.end();
        return end == null ? null : end.failure();
    }

    /** Nobody waits for an answer that has not begun: if the request has not gone out yet, it will not. */
    @Override
    public void close() {
        connections.forget(this);
    }
}
