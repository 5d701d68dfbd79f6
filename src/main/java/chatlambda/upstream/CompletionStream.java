package chatlambda.upstream;

import chatlambda.chat.ChatError;
import chatlambda.chat.EventStream;
import chatlambda.chat.Metering;
import chatlambda.chat.Usage;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.time.Duration;
import java.util.Map;

/** An answer that comes as server-sent events, whole ones, as soon as they are here. For one thread. */
public final class CompletionStream implements Answer, Closeable {

    /** Bytes of comments that wait for the first event. */
    private static final int MAX_WAITING = 64 * 1024;
    private static final Duration A_WHILE = Duration.ofMinutes(1);
    /** How long the LF after the CR that ends the marker may take. */
    private static final Duration LAST_LF = Duration.ofMillis(50);
    private static final byte[] NOTHING = {};

    private final UpstreamAnswer head;
    private final UpstreamBody body;
    private final Map<String, String> headers;
    private final EventStream events;
    private final long begunAt;
    /** What has arrived, and is still to go on. */
    private byte[] waiting;
    private boolean over;
    private ChatError failure;

    /**
     * @param begunAt when the upstream's status line was here, by {@link System#nanoTime}
     * @param begun the first bytes of the body, which have been read to see what it is
     * @param metering of the request; null: nobody counts what the answer takes
     */
    CompletionStream(UpstreamAnswer head, UpstreamBody body, long begunAt, byte[] begun, Metering metering) {
        this.head = head;
        this.events = new EventStream(head.route(), metering);
        this.body = body;
        this.begunAt = begunAt;
        this.headers = head.streamHeaders();
        this.waiting = events.accept(begun);
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
     * Waits for the first event.
     *
     * @param until how long: after that it comes when it comes
     * @throws Failure the first event is an error, or the stream ended without one
     */
    void awaitFirstEvent(Deadline until) throws Failure {
        var arrived = new ByteArrayOutputStream();
        arrived.writeBytes(waiting);
        while (!events.hasEvent() && !over && !until.isOver() && arrived.size() < MAX_WAITING) {
            byte[] chunk = body.next(until.left());
            over = chunk == null;
            arrived.writeBytes(over ? events.end(null) : events.accept(chunk));
        }
        waiting = arrived.toByteArray();
        if (events.firstIsError()) {
            throw head.firstEvent(events.error());
        }
        if (events.failure() != null) {
            throw new Failure(events.failure().with(head.passedOn()));
        }
    }

    /**
     * All of it, as one body.
     *
     * @param limit how many bytes that may be
     * @param held what the invocation holds, to which its bytes are added
     * @throws Failure the first event is an error, or the stream is no whole answer
     */
    Completion whole(int limit, BytesInFlight.Share held) throws Failure {
        var all = new ByteArrayOutputStream();
        for (byte[] next = NOTHING; next != null && !events.firstIsError(); next = next(A_WHILE)) {
            if (!held.take(next.length)) {
                throw lost(ChatError.overloaded(true));
            }
            all.writeBytes(next);
            if (all.size() > limit) {
                throw lost(ChatError.tooLong(limit).with(head.passedOn()));
            }
        }
        if (events.firstIsError()) {
            throw head.firstEvent(events.error());
        }
        if (failure != null) {
            throw lost(failure.with(head.passedOn()));
        }
        close();
        return new Completion(200, headers, all.toByteArray(), usage(), told(), deltaTokens());
    }

    private Failure lost(ChatError error) {
        return new Failure(error).withUsage(usage());
    }

    /**
     * The next events; empty: there were none within {@code patience}; null: the stream has ended. The last ones end with the marker;
     * where the stream broke off an error event is ahead of it, and {@link #failure} tells why.
     */
    public byte[] next(Duration patience) {
        if (waiting.length > 0) {
            byte[] next = waiting;
            waiting = NOTHING;
            return next;
        }
        if (over) {
            return null;
        }
        try {
            Duration wait = events.hasMarker() ? LAST_LF : patience;
            byte[] chunk = events.isComplete() ? null : body.next(wait);
            boolean isOver = chunk == null || chunk.length == 0 && events.hasMarker(); // for an LF after its CR nobody waits any longer
            return isOver ? end(null) : events.accept(chunk);
        } catch (Failure e) {
            return end(e.error());
        }
    }

    private byte[] end(ChatError lost) {
        over = true;
        byte[] last = events.end(lost);
        failure = events.failure();
        return last.length == 0 ? null : last;
    }

    /** Whether nothing has gone on of an event whose end is still to come: something else may go out here. */
    public boolean isBetweenEvents() {
        return events.isBetweenEvents();
    }

    /** When the upstream's status line was here, by {@link System#nanoTime}. */
    public long begunAt() {
        return begunAt;
    }

    /** Why the stream is no whole answer; null: it is one, or has not ended yet. */
    public ChatError failure() {
        return failure;
    }

    /** The error that the upstream has told in an event; null: none. */
    public ChatError told() {
        return head.told(events.error());
    }

    /** What the stream has told of what it took. Its head was sent before that was known: its price counts where no event has one. */
    public Usage usage() {
        Usage told = head.redacted(events.usage());
        return told.usd() != null ? told : told.withPrice(headers.get(Usage.PRICE));
    }

    /** How many tokens its texts are taken for; 0 where nobody counts. */
    public long deltaTokens() {
        return events.deltaTokens();
    }

    /** If the stream has ended, its connection is used again; else the upstream's work is called off. */
    @Override
    public void close() {
        if (over && failure == null) {
            body.finish();
        }
        body.close();
    }
}
