package chatlambda;

import chatlambda.chat.ChatError;
import chatlambda.chat.Usage;
import chatlambda.runtime.FunctionError;
import chatlambda.runtime.Response;
import chatlambda.upstream.CompletionStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/**
 * A stream on its way to the caller, event by event as they come, with a comment now and then while there are none. What breaks it off is
 * told in it, for the client, and behind it, for Lambda and the operator.
 */
final class Relay implements Response.Chunks {

    private static final byte[] HEARTBEAT = ": waiting\n\n".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] NOTHING = {};

    private final byte[] prelude;
    private final CompletionStream stream;
    private final long heartbeatNanos;
    private final long arrived;
    private boolean begun;
    private long lastSent;
    private long bytes;
    private long firstChunkNanos = -1;
    private long endedAt;

    /**
     * @param prelude what the front door wants ahead of the stream; may be empty
     * @param heartbeat after how much silence a comment goes out; zero: never
     * @param arrived when the event had arrived, by {@link System#nanoTime}
     */
    Relay(byte[] prelude, CompletionStream stream, Duration heartbeat, long arrived) {
        this.prelude = prelude;
        this.stream = stream;
        this.heartbeatNanos = heartbeat.toNanos();
        this.arrived = arrived;
        this.lastSent = stream.begunAt();
    }

    @Override
    public byte[] next(Duration patience) throws FunctionError {
        if (!begun) {
            begun = true;
            if (prelude.length > 0) {
                return prelude;
            }
        }
        byte[] next = stream.next(patience);
        if (stream.failure() != null && next != null) {
            ChatError error = stream.failure();
            throw new FunctionError("Chat." + error.kind(), new String(error.json(), StandardCharsets.UTF_8), counted(next));
        }
        if (next != null && next.length > 0) {
            return counted(next);
        }
        return next == null ? null : heartbeat();
    }

    private byte[] heartbeat() {
        boolean isDue = heartbeatNanos > 0 && System.nanoTime() - lastSent >= heartbeatNanos && stream.isBetweenEvents();
        return isDue ? counted(HEARTBEAT) : NOTHING;
    }

    private byte[] counted(byte[] chunk) {
        lastSent = System.nanoTime();
        if (firstChunkNanos < 0) {
            firstChunkNanos = lastSent - arrived;
        }
        bytes += chunk.length;
        return chunk;
    }

    @Override
    public void close() {
        stream.close();
        endedAt = System.nanoTime();
    }

    /** Why it is no whole answer, by us or by the upstream's own word; null: it is one. */
    ChatError error() {
        return stream.failure() != null ? stream.failure() : stream.told();
    }

    /** Bytes of the stream that were handed on, with what was added to it. */
    long bytes() {
        return bytes;
    }

    /** From the event's arrival to the first chunk; -1: there was none. */
    long firstChunkNanos() {
        return firstChunkNanos;
    }

    /** By {@link System#nanoTime}. */
    long endedAt() {
        return endedAt;
    }

    /** What the stream has told of what it took. */
    Usage usage() {
        return stream.usage();
    }

    /** How many tokens its texts are taken for; 0 where nobody counts. */
    long deltaTokens() {
        return stream.deltaTokens();
    }
}
