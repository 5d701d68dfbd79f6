package chatlambda.upstream;

import io.netty.channel.Channel;
import io.netty.channel.socket.nio.NioSocketChannel;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;

/**
 * A connection to the upstream begun before anything else of the start: name lookup and TCP's round trip pass while Quarkus and the HTTP
 * client come up. The client's first channel goes on with it, TLS and all, as if it had begun it. Where there is none, or it failed, the
 * client connects by itself.
 */
public final class EarlyConnection {

    /** How long the event loop waits for the lookup of a name; the client's own waits without holding that up. */
    private static final int MAX_LOOKUP_MILLIS = 500;

    private static final AtomicReference<EarlyConnection> BEGUN = new AtomicReference<>();
    /** The one that the next channel goes on with. */
    private static final AtomicReference<EarlyConnection> NEXT = new AtomicReference<>();

    private final URI base;
    private final CompletableFuture<SocketChannel> connecting = new CompletableFuture<>();
    private final CountDownLatch taken = new CountDownLatch(1);

    private EarlyConnection(URI base) {
        this.base = base;
    }

    /** @param url as it was set; what is wrong with it, the settings say */
    public static void begin(String url) {
        if (!url.startsWith("https:")) {
            return;
        }
        try {
            var base = URI.create(url);
            if (base.getHost() != null) {
                var begun = new EarlyConnection(base);
                BEGUN.set(begun);
                var thread = new Thread(begun::connect, "early connection");
                thread.setDaemon(true);
                thread.start();
            }
        } catch (IllegalArgumentException e) {
            // it is no URL
        }
    }

    private void connect() {
        try {
            var address = new InetSocketAddress(base.getHost(), port(base));
            if (address.isUnresolved()) {
                throw new UnknownHostException(base.getHost());
            }
            SocketChannel channel = SocketChannel.open();
            channel.configureBlocking(false);
            if (channel.connect(address)) { // at once: its handlers would come too late to be told
                channel.close();
            }
            connecting.complete(channel);
        } catch (IOException | RuntimeException e) { // the latter: a port that is none
            connecting.completeExceptionally(e);
        }
    }

    /** The next channel goes on with what was begun, if that is to the same host and port. */
    static void offer(URI base) {
        EarlyConnection begun = BEGUN.getAndSet(null);
        if (begun == null) {
            return;
        }
        if (base.getHost().equals(begun.base.getHost()) && port(base) == port(begun.base)) {
            NEXT.set(begun);
        } else {
            begun.close();
        }
    }

    /** Waits until the next channel is another: one to another host must not get this. */
    static void awaitTaken() {
        EarlyConnection offered = NEXT.get();
        if (offered != null) {
            try {
                offered.taken.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Closes what nobody has taken. */
    public static void drop() {
        for (var left : List.of(BEGUN, NEXT)) {
            EarlyConnection begun = left.getAndSet(null);
            if (begun != null) {
                begun.close();
            }
        }
    }

    private void close() {
        taken.countDown();
        connecting.thenAccept(channel -> {
            try {
                channel.close();
            } catch (IOException e) {
                // nobody needs it
            }
        });
    }

    /** What Vert.x makes its channels by, in the native image. */
    public static Channel channel() {
        EarlyConnection offered = NEXT.getAndSet(null);
        if (offered == null) {
            return new NioSocketChannel();
        }
        try {
            SocketChannel connecting = offered.connecting.get(MAX_LOOKUP_MILLIS, TimeUnit.MILLISECONDS);
            return connecting.isOpen() ? new Begun(connecting) : new NioSocketChannel();
        } catch (ExecutionException e) {
            return new NioSocketChannel(); // it fares better, or says what is wrong
        } catch (TimeoutException | InterruptedException e) {
            offered.close();
            if (e instanceof InterruptedException) {
                Thread.currentThread().interrupt();
            }
            return new NioSocketChannel();
        } finally {
            offered.taken.countDown();
        }
    }

    private static int port(URI base) {
        return base.getPort() < 0 ? 443 : base.getPort();
    }

    /** A channel that connects already. */
    private static final class Begun extends NioSocketChannel {

        Begun(SocketChannel connecting) {
            super(connecting);
        }

        @Override
        protected boolean doConnect(SocketAddress remote, SocketAddress local) {
            selectionKey().interestOps(SelectionKey.OP_CONNECT);
            return false;
        }
    }
}
