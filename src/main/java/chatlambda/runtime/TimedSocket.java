package chatlambda.runtime;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.time.Instant;

/**
 * A TCP connection whose reads and writes end by a given time; a {@link java.net.Socket} has no timeout for writes, so that a peer which
 * stops reading would hold the writer for ever. For one thread; another may close it, which ends a wait with an {@link IOException}.
 */
final class TimedSocket implements Closeable {

    /** What goes to the system at once: more would be copied aside, and that copy kept. */
    private static final int SLICE = 128 * 1024;

    /** The peer took, or sent, nothing in time. */
    static final class Stalled extends SocketTimeoutException {

        private static final long serialVersionUID = 1;

        Stalled(String message) {
            super(message);
        }
    }

    private final SocketChannel channel;
    private final InputStream in = new In();
    private volatile Selector selector;
    private SelectionKey key;
    private Instant end = Instant.MAX;

    private TimedSocket(SocketChannel channel) {
        this.channel = channel;
    }

    /** @param end when a connection must have been made; {@link Instant#MAX} for never */
    static TimedSocket connect(InetSocketAddress address, Instant end) throws IOException {
        var channel = SocketChannel.open();
        try {
            channel.socket().setTcpNoDelay(true);
            channel.socket().connect(address, end.equals(Instant.MAX) ? 0 : (int) Math.max(1, millisUntil(end)));
            channel.configureBlocking(false);
            return new TimedSocket(channel).endBy(end);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /** Reads and writes from here on end by then, with {@link Stalled}; {@link Instant#MAX} for never. */
    TimedSocket endBy(Instant time) {
        end = time;
        return this;
    }

    InputStream in() {
        return in;
    }

    /** Returns when the system has taken them all. */
    void write(byte[] bytes) throws IOException {
        for (int at = 0; at < bytes.length;) {
            int written = channel.write(ByteBuffer.wrap(bytes, at, Math.min(SLICE, bytes.length - at)));
            at += written;
            if (written == 0) {
                await(SelectionKey.OP_WRITE, "the Runtime API took no more bytes of it in time");
            }
        }
    }

    /**
     * Reads what has arrived, without waiting.
     *
     * @return how many bytes; 0 where none has, -1 at the end
     */
    int readNow(byte[] bytes, int offset, int length) throws IOException {
        return channel.read(ByteBuffer.wrap(bytes, offset, length));
    }

    /** Waits until the connection is ready for that, or {@link #end} has come; then a last read may still find something. */
    private void await(int what, String stalled) throws IOException {
        long millis = 0; // for ever
        if (!end.equals(Instant.MAX)) {
            millis = millisUntil(end);
            if (millis <= 0) {
                throw new Stalled(stalled);
            }
        }
        try {
            if (selector == null) {
                selector = Selector.open();
                key = channel.register(selector, what);
            } else {
                key.interestOps(what);
            }
            boolean ready = selector.select(millis) > 0;
            selector.selectedKeys().clear();
            // A buffer that nobody reads from may still take a few bytes: that is no reader. What was sent meanwhile is read, though.
            if (!ready && what == SelectionKey.OP_WRITE && !Instant.now().isBefore(end)) {
                throw new Stalled(stalled);
            }
        } catch (ClosedSelectorException | CancelledKeyException e) {
            throw new IOException("the connection was closed", e);
        }
        if (Thread.currentThread().isInterrupted()) {
            throw new IOException("interrupted");
        }
    }

    private static long millisUntil(Instant time) {
        return Math.min(Integer.MAX_VALUE, Duration.between(Instant.now(), time).toMillis());
    }

    @Override
    public void close() throws IOException {
        channel.close();
        Selector open = selector;
        if (open != null) {
            open.close();
        }
    }

    private final class In extends InputStream {

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            while (true) {
                int read = readNow(bytes, offset, length);
                if (read != 0 || length == 0) {
                    return read;
                }
                await(SelectionKey.OP_READ, "the Runtime API said nothing in time");
            }
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
        }
    }
}
