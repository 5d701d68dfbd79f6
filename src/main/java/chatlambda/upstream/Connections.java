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
import java.util.function.Predicate;

/**
 * The open connections to the upstream, and which of them the last request went over: what happened there decides whether a request
 * that failed may be sent again. There is one request at a time.
 */
final class Connections {

    private final Vertx vertx;
    private final Duration keepAlive;
    private final int maxChunk;
    private final Map<HttpConnection, UpstreamCodec> open = new ConcurrentHashMap<>();
    private volatile boolean priming;
    private volatile long asked;
    private volatile long bound;
    private volatile boolean kept;
    private volatile UpstreamCodec inUse;

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
        var codec = new UpstreamCodec(this, opened, asked, priming, maxChunk);
        open.put(opened, codec);
        opened.closeHandler(closed -> open.remove(opened));
        opened.exceptionHandler(failure -> { // it fails the request; Vert.x would log it, with what the upstream sent
        });
        ((ConnectionBase) opened).channel().pipeline().replace("codec", "codec", codec); // behind TLS
    }

    /** Whether connections are opened ahead, for the first request. */
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
     * know it yet, because the timers that would tell stood still with it: those are not used again. Nor are those that came too late
     * for the request that wanted them, which the REST client (3.34.1) leaves leased for ever.
     *
     * @param bound how many bytes its answer may have
     */
    void asking(long bound) {
        long now = System.currentTimeMillis();
        drop(codec -> !codec.isWanted() || now - codec.lastUsed() > keepAlive.toMillis());
        this.bound = bound;
        inUse = null;
        kept = !open.isEmpty();
        asked = System.nanoTime();
    }

    /** The first byte of the request is about to be written to this connection. */
    void begun(UpstreamCodec codec) {
        inUse = codec;
    }

    /** How many bytes the answer may have. */
    long bound() {
        return bound;
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

    /** Nothing of the request has left this process. */
    boolean nothingSent() {
        return inUse == null;
    }

    /** Nothing of the request has left this process, and there was a connection for it, which may have closed in that moment. */
    boolean nothingSentOnKept() {
        return inUse == null && kept;
    }

    /** The request went out on a connection from before, which the upstream had already given up: it cannot have been worked on. */
    boolean wasRefusedUnread() {
        UpstreamCodec codec = inUse;
        return codec != null && codec.wasOpenBefore(asked) && codec.refusedUnread();
    }

    /** What went wrong on the connection that the request went over, or null. The REST client (3.34.1) tells no more than its message. */
    Throwable failure() {
        UpstreamCodec codec = inUse;
        return codec == null ? null : codec.failure();
    }

    boolean wasTooLong() {
        UpstreamCodec codec = inUse;
        return codec != null && codec.read() > bound;
    }
}
