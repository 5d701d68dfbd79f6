package chatlambda.upstream;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.net.impl.ConnectionBase;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;

/** The open connections to the upstream, and the requests that look for one. For any thread. */
final class Connections {

    private final Vertx vertx;
    private final Duration keepAlive;
    private final int maxChunk;
    private final Map<HttpConnection, UpstreamCodec> open = new ConcurrentHashMap<>();
    private final Map<String, Exchange> waiting = new ConcurrentHashMap<>();
    private final AtomicLong exchanges = new AtomicLong();
    private volatile boolean priming;

    /**
     * @param keepAlive how long a connection may have been idle, by the clock on the wall, to be used again
     * @param maxChunk bytes of a body that go on in one piece
     */
    Connections(Vertx vertx, Duration keepAlive, int maxChunk) {
        this.vertx = vertx;
        this.keepAlive = keepAlive;
        this.maxChunk = maxChunk;
    }

    /** A connection has been opened; on its event loop, before anything is written to it. */
    void add(HttpConnection opened) {
        var codec = new UpstreamCodec(this, opened, priming, maxChunk);
        open.put(opened, codec);
        opened.closeHandler(closed -> open.remove(opened));
        opened.exceptionHandler(failure -> { // it fails the request; Vert.x would log it, with what the upstream sent
        });
        ((ConnectionBase) opened).channel().pipeline().replace("codec", "codec", codec); // behind TLS
    }

    /** Whether the connections that are opened from here on are for the first request, which is yet to come. */
    void priming(boolean begun) {
        priming = begun;
    }

    /** @param begun when the opening of this connection began, by {@link System#nanoTime} */
    void primed(HttpConnection connection, long begun) {
        UpstreamCodec codec = open.get(connection);
        if (codec != null) { // it may be closed already
            codec.openedSince(begun);
        }
    }

    /**
     * A request begins. A process that was frozen wakes up with connections that the upstream has given up long ago, and does not
     * know it yet, because the timers that would tell stood still with it: those are not used again. Nor are those that were opened for
     * a request which had been given up by then: the REST client (3.34.1) leaves them leased for ever.
     *
     * @param bound how many bytes the body of its answer may have
     * @param held what the invocation holds, to which that body is added once its length is known, or as it arrives; null: it is counted,
     *        and read, elsewhere
     * @param headers of the caller's that go upstream, by lower-case name
     * @return names itself in the header {@link OpenAiApi#EXCHANGE}; to be closed when it has its answer, or none
     */
    Exchange begin(int bound, BytesInFlight.Share held, Map<String, String> headers) {
        long now = System.currentTimeMillis();
        drop(codec -> !codec.isWanted() || now - codec.lastUsed() > keepAlive.toMillis());
        var exchange = new Exchange(this, Long.toString(exchanges.incrementAndGet()), bound, held, headers, !open.isEmpty());
        waiting.put(exchange.id(), exchange);
        return exchange;
    }

    /** The exchange of that id, which has found its connection; null: it has been given up. */
    Exchange take(String id) {
        return id == null ? null : waiting.remove(id);
    }

    void forget(Exchange exchange) {
        waiting.remove(exchange.id());
    }

    /** Closes them all. */
    void drop() {
        drop(codec -> true);
    }

    private void drop(Predicate<UpstreamCodec> stale) {
        var closing = open.entrySet().stream().filter(each -> stale.test(each.getValue())).map(each -> each.getKey().close()).toList();
        if (!closing.isEmpty()) {
            var dropped = new CompletableFuture<Void>();
            Future.join(closing).onComplete(closed -> vertx.runOnContext(then -> dropped.complete(null)));
            dropped.completeOnTimeout(null, 100, TimeUnit.MILLISECONDS).join();
        }
    }
}
