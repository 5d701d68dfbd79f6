package chatlambda.upstream;

import chatlambda.chat.ChatError;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import java.io.Closeable;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * The body of an answer in chunks, each what has arrived from the upstream since the last one. A reader that is slow stops the
 * upstream after a few chunks; nothing is dropped, and memory does not grow with the stream's length. For one thread.
 *
 * <p>Read from the Vert.x client below the REST client, because the {@code InputStream} that a declarative method can return (3.34.1,
 * {@code VertxClientInputStream}) drops what has arrived when the connection is lost right after it (316 and 326 times of 1,000 where
 * the upstream wrote two chunks and closed, on a JVM on two cores), gives up after a fixed 100 seconds of silence, and on
 * {@code close} reads on to the end of a stream that costs money by the token.
 */
final class UpstreamBody implements Closeable {

    /** How many of the upstream's chunks may wait here. */
    private static final int WINDOW = 8;
    /** How long {@link #finish} waits. */
    private static final Duration FINISH = Duration.ofMillis(50);
    private static final Object END = new Object();
    private static final byte[] NOTHING = {};

    /**
     * Where a stream comes from.
     *
     * @param arrived the chunks of each read, in the end {@link #END} or what went wrong
     */
    record Source(HttpClientRequest request, HttpClientResponse response, BlockingQueue<Object> arrived) {

        /** Lets the body into a queue, a few chunks ahead of the reader; on the event loop, before the first byte of it. */
        static Source of(HttpClientRequest request, HttpClientResponse response) {
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
            return new Source(request, response, arrived);
        }
    }

    private final Source source;
    private final Exchange exchange;
    private final Reasons reasons;
    private Deadline end;
    private Duration idle;
    private String silent;
    /** For the next chunk, while it is waited for; else null. */
    private Deadline nextChunk;
    private boolean ended;

    /** @param end for the whole of it; its remedy is the error's message */
    UpstreamBody(Source source, Exchange exchange, Reasons reasons, Deadline end) {
        this.source = source;
        this.exchange = exchange;
        this.reasons = reasons;
        bound(end, end.span(), end.remedy());
    }

    /**
     * From here on other bounds hold.
     *
     * @param itsEnd for the whole of it; its remedy is the error's message
     * @param itsIdle how long it may be silent
     * @param itsSilent the error's message where it was silent for longer
     */
    void bound(Deadline itsEnd, Duration itsIdle, String itsSilent) {
        end = itsEnd;
        idle = itsIdle;
        silent = itsSilent;
        nextChunk = null;
    }

    /**
     * The next chunk; empty: none came within {@code patience}; null: it has ended.
     *
     * @throws Failure it broke off, was silent for too long or did not end in time
     */
    byte[] next(Duration patience) throws Failure {
        if (ended) {
            return null;
        }
        nextChunk = nextChunk == null ? end.within(idle, silent) : nextChunk;
        Duration left = nextChunk.left();
        if (left.isNegative() || left.isZero()) { // also while chunks keep coming
            throw new Failure(ChatError.timeout(nextChunk.remedy()));
        }
        Object next;
        try {
            next = source.arrived.poll(Math.min(left.toNanos(), patience.toNanos()), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure(ChatError.timeout("interrupted"));
        }
        if (next == null) {
            return NOTHING;
        }
        nextChunk = null;
        if (next instanceof Buffer[] read) {
            return all(read);
        }
        ended = true;
        if (next instanceof Throwable told) {
            Throwable seen = exchange.failure();
            throw new Failure(ChatError.unreachable(reasons.of(seen != null ? seen : told)));
        }
        return null;
    }

    /** Many small chunks of one read are one write, and what has arrived meanwhile goes with them. */
    private byte[] all(Buffer[] read) {
        var chunks = new ArrayList<>(List.of(read));
        while (source.arrived.peek() instanceof Buffer[] more) {
            source.arrived.remove();
            chunks.addAll(List.of(more));
        }
        source.response.fetch(chunks.size());
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
    void finish() {
        var moment = Deadline.at(Instant.now().plus(FINISH), "");
        try {
            while (!ended && !moment.isOver()) {
                Object next = source.arrived.poll(moment.left().toNanos(), TimeUnit.NANOSECONDS);
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
            source.request.reset();
        }
    }
}
