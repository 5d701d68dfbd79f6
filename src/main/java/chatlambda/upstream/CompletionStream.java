package chatlambda.upstream;

import chatlambda.chat.ChatError;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;

import java.io.Closeable;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * A completion that comes in chunks, each what has arrived from the upstream since the last one. A reader that is slow stops the upstream after a
 * few chunks; nothing is dropped, and memory does not grow with the stream's length.
 *
 * <p>Read from the Vert.x client below the REST client, because the {@code InputStream} that a declarative method can return (3.34.1,
 * {@code VertxClientInputStream}) drops what has arrived when the connection is lost right after it (316 and 326 times of 1,000 where
 * the upstream wrote two chunks and closed, on a JVM on two cores), gives up after a fixed 100 seconds of silence, and on
 * {@code close} reads on to the end of a stream that costs money by the token.
 */
public final class CompletionStream implements Answer, Closeable {

    /** How many of the upstream's chunks may wait here. */
    private static final int WINDOW = 8;
    /** How often, while the upstream is silent, somebody looks whether the answer is still wanted. */
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
    private static final Object END = new Object();

    /** Asked now and then, while there is nothing to pass on. */
    public interface StillWanted {

        /** @throws IOException nobody takes the answer any more */
        void check() throws IOException;
    }

    private final HttpClientRequest request;
    private final HttpClientResponse response;
    private final Map<String, String> headers;
    private final Upstream upstream;
    private final BlockingQueue<Object> arrived;
    private final long asked;
    private boolean ended;

    /**
     * @param arrived the chunks of each read, in the end {@link #END} or what went wrong
     * @param asked when the request began
     */
    CompletionStream(HttpClientRequest request, HttpClientResponse response, Map<String, String> headers, Upstream upstream,
            BlockingQueue<Object> arrived, long asked) {
        this.request = request;
        this.response = response;
        this.headers = headers;
        this.upstream = upstream;
        this.arrived = arrived;
        this.asked = asked;
    }

    /** When the request for it began, by {@link System#nanoTime}. */
    public long asked() {
        return asked;
    }

    /** Lets a response's body into a queue, a few chunks ahead of the reader; on the event loop, before the first byte of it. */
    static BlockingQueue<Object> queue(HttpClientResponse response) {
        var arrived = new LinkedBlockingQueue<Object>();
        var read = new ArrayList<Buffer>();
        Runnable pass = () -> {
            if (!read.isEmpty()) {
                arrived.add(read.toArray(new Buffer[0]));
                read.clear();
            }
        };
        Context eventLoop = Vertx.currentContext();
        response.pause();
        response.handler(chunk -> {
            read.add(chunk);
            if (read.size() == 1) {
                eventLoop.runOnContext(then -> pass.run()); // when the event loop has gone through the whole read
            }
        });
        response.endHandler(end -> {
            pass.run();
            arrived.add(END);
        });
        response.exceptionHandler(failure -> {
            response.resume(); // what arrived before the failure comes first
            eventLoop.runOnContext(then -> {
                pass.run();
                arrived.add(failure);
            });
        });
        response.fetch(WINDOW);
        return arrived;
    }

    @Override
    public int status() {
        return 200;
    }

    @Override
    public Map<String, String> headers() {
        return headers;
    }

    /**
     * The next chunk, or null at the end.
     *
     * @param limit how long the upstream may be silent
     * @param late what to say when that was too short
     * @throws ChatError the stream broke off
     * @throws IOException from {@code wanted}
     */
    public byte[] next(Duration limit, String late, StillWanted wanted) throws ChatError, IOException {
        long start = System.nanoTime();
        Object next;
        try {
            do {
                long left = limit.toNanos() - (System.nanoTime() - start);
                next = arrived.poll(Math.max(0, Math.min(left, LOOK_NANOS)), TimeUnit.NANOSECONDS);
                if (next == null) {
                    wanted.check();
                }
                if (left <= 0) { // also while chunks keep coming
                    throw ChatError.timeout(late);
                }
            } while (next == null);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ChatError.timeout("interrupted");
        }
        if (next instanceof Buffer[] read) {
            return all(read);
        }
        ended = true;
        if (next instanceof Throwable failure) {
            throw upstream.failed(failure);
        }
        return null;
    }

    /** Many small chunks of one read are one write, and what has arrived meanwhile goes with them. */
    private byte[] all(Buffer[] read) {
        var chunks = new ArrayList<>(List.of(read));
        while (arrived.peek() instanceof Buffer[] more) {
            arrived.remove();
            chunks.addAll(List.of(more));
        }
        response.fetch(chunks.size());
        int length = 0;
        for (Buffer chunk : chunks) {
            length += chunk.length();
        }
        byte[] all = new byte[length];
        length = 0;
        for (Buffer chunk : chunks) {
            chunk.getBytes(all, length);
            length += chunk.length();
        }
        return all;
    }

    /** Waits a moment for an end that should be on its way, so that the connection can be used again. */
    public void finish() {
        long start = System.nanoTime();
        try {
            while (!ended && System.nanoTime() - start < LOOK_NANOS) {
                Object next = arrived.poll(LOOK_NANOS, TimeUnit.NANOSECONDS);
                ended = next != null && !(next instanceof Buffer[]);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Unless it has ended, the upstream's work is called off. */
    @Override
    public void close() {
        if (!ended) {
            ended = true;
            request.reset();
        }
    }
}
