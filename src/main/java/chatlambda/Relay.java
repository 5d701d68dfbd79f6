package chatlambda;

import chatlambda.chat.ChatError;
import chatlambda.chat.EventStream;
import chatlambda.chat.Usage;
import chatlambda.runtime.FunctionError;
import chatlambda.runtime.Response;
import chatlambda.upstream.CompletionStream;
import chatlambda.upstream.Failure;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;

/**
 * A stream on its way to the caller, chunk by chunk as it comes. What breaks it off is told in it, for the client, and behind it, for
 * Lambda and the operator.
 */
final class Relay implements Response.Chunks {

    private final byte[] prelude;
    private final CompletionStream stream;
    private final long arrived;
    private final EventStream events = new EventStream();
    private boolean begun;
    private boolean over;
    private ChatError error;
    private long bytes;
    private long firstChunkNanos = -1;
    private long endedAt;

    /**
     * @param prelude what the front door wants ahead of the stream; may be empty
     * @param arrived when the event had arrived, by {@link System#nanoTime}
     */
    Relay(byte[] prelude, CompletionStream stream, long arrived) {
        this.prelude = prelude;
        this.stream = stream;
        this.arrived = arrived;
    }

    @Override
    public byte[] next(Duration patience) throws FunctionError {
        if (!begun) {
            begun = true;
            if (prelude.length > 0) {
                return prelude;
            }
        }
        if (over) {
            return null;
        }
        try {
            byte[] chunk = events.isComplete() ? null : stream.next(patience);
            if (chunk == null) {
                return last(events.end());
            }
            return chunk.length == 0 ? chunk : counted(belonging(chunk));
        } catch (Failure e) {
            if (events.hasMarker()) {
                return last(events.end(e.error())); // all that matters has arrived
            }
            over = true;
            error = e.error();
            throw new FunctionError("Chat." + error.kind(), new String(error.json(), StandardCharsets.UTF_8), counted(events.end(error)));
        }
    }

    /** What comes after the end marker's event is not passed on. */
    private byte[] belonging(byte[] chunk) {
        int length = events.accept(chunk);
        return length == chunk.length ? chunk : Arrays.copyOf(chunk, length);
    }

    private byte[] last(byte[] missing) {
        over = true;
        return missing.length == 0 ? null : counted(missing);
    }

    private byte[] counted(byte[] chunk) {
        if (firstChunkNanos < 0) {
            firstChunkNanos = System.nanoTime() - arrived;
        }
        bytes += chunk.length;
        return chunk;
    }

    /** If the stream has ended, its connection is used again; else the upstream's work is called off. */
    @Override
    public void close() {
        if (over && error == null) {
            stream.finish();
        }
        stream.close();
        endedAt = System.nanoTime();
    }

    /** Why it broke off, or null. */
    ChatError error() {
        return error;
    }

    /** Bytes of the stream that were handed on. */
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
        return events.usage().withPrice(stream.headers().get(Usage.PRICE));
    }
}
