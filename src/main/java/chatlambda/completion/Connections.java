package chatlambda.completion;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.util.ReferenceCountUtil;
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
 * The open connections to the upstream, and what went over them since the last request began: that decides whether a request that
 * failed may be sent again. There is one request at a time.
 */
final class Connections {

    /** How soon a connection that had been closed before says so: the refusal takes one way there and back. */
    private static final long REFUSED_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final Vertx vertx;
    private final Duration keepAlive;
    private final Map<HttpConnection, Wire> open = new ConcurrentHashMap<>();
    private volatile boolean priming;
    private volatile long asked;
    private volatile long bound;
    private volatile Wire inUse;

    /** @param keepAlive how long a connection may have been idle, by the clock on the wall, to be used again */
    Connections(Vertx vertx, Duration keepAlive) {
        this.vertx = vertx;
        this.keepAlive = keepAlive;
    }

    void add(HttpConnection opened) {
        var wire = new Wire();
        ((ConnectionBase) opened).channel().pipeline().addBefore("codec", "wire", wire); // behind TLS
        open.put(opened, wire);
        opened.closeHandler(closed -> open.remove(opened));
        opened.exceptionHandler(failure -> { // it fails the request; Vert.x would log it, with what the upstream sent
        });
    }

    /** Whether connections are opened ahead, for the first request. */
    void priming(boolean begun) {
        priming = begun;
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
        drop(wire -> !wire.wanted || now - wire.lastUsed > keepAlive.toMillis());
        this.bound = bound;
        inUse = null;
        asked = System.nanoTime();
    }

    /** Closes them all. */
    void drop() {
        drop(wire -> true);
    }

    private void drop(Predicate<Wire> stale) {
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

    /** The request went out on a connection from before, and not a byte came back: it was closed while nobody looked. */
    boolean wasStale() {
        Wire wire = inUse;
        return wire != null && !wire.heard && wire.opened - asked < 0 && System.nanoTime() - wire.sent < REFUSED_NANOS;
    }

    boolean wasTooLong() {
        Wire wire = inUse;
        return wire != null && wire.read > bound;
    }

    /** Looks at the plain bytes of one connection, on its event loop. */
    private final class Wire extends ChannelDuplexHandler {

        private final long opened = System.nanoTime();
        private volatile boolean wanted = priming;
        private volatile boolean heard;
        private volatile long sent;
        private volatile long read;
        private volatile long lastUsed = System.currentTimeMillis();

        @Override
        public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) {
            if (inUse != this) {
                heard = false;
                read = 0;
                inUse = this;
            }
            wanted = true;
            sent = System.nanoTime();
            lastUsed = System.currentTimeMillis();
            context.write(message, promise);
        }

        @Override
        public void channelRead(ChannelHandlerContext context, Object message) {
            heard = true;
            lastUsed = System.currentTimeMillis();
            read += ((ByteBuf) message).readableBytes();
            if (read > bound) {
                ReferenceCountUtil.release(message);
                context.close();
            } else {
                context.fireChannelRead(message);
            }
        }
    }
}
