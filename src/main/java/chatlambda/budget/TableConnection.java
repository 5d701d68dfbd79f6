package chatlambda.budget;

import chatlambda.http.HttpReader;
import java.io.Closeable;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/**
 * One kept HTTP/1.1 connection to the table's service: a request goes out with {@link #send}, its answer is read with {@link #receive},
 * so that a caller can have several under way. It has to be certain of what went out, which no HTTP client tells. For one thread at a
 * time.
 */
final class TableConnection implements Closeable {

    /** Bytes of an answer; DynamoDB's to an update has a few hundred. */
    private static final int MAX_ANSWER = 64 * 1024;
    /** Of its length. */
    private static final int MAX_DIGITS = 5;

    /** An answer of any status. */
    record Answer(int status, byte[] body) {
    }

    private final Wire wire;
    private final boolean tls;
    private boolean hasAnswered;
    private final OutputStream out;
    private final Limited in;
    private final HttpReader reader;
    private long lastUsed = System.currentTimeMillis(); // by the clock on the wall, which goes on while the process is frozen

    private TableConnection(Wire wire, Socket socket) throws IOException {
        this.wire = wire;
        this.tls = socket != wire;
        this.out = socket.getOutputStream();
        this.in = new Limited(socket.getInputStream());
        this.reader = new HttpReader(in);
    }

    /**
     * Resolves the name, connects and shakes hands.
     *
     * @param end when that must be done, by {@link System#nanoTime}; the name's resolution is not bounded by it
     */
    static TableConnection open(String host, int port, boolean tls, long end) throws IOException {
        var wire = new Wire();
        try {
            wire.end = end;
            wire.connect(new InetSocketAddress(InetAddress.getByName(host), port));
            if (!tls) {
                return new TableConnection(wire, wire);
            }
            var secure = (SSLSocket) ((SSLSocketFactory) SSLSocketFactory.getDefault()).createSocket(wire, host, port, true);
            var parameters = secure.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS"); // that the certificate is this host's
            secure.setSSLParameters(parameters);
            secure.startHandshake();
            return new TableConnection(wire, secure);
        } catch (IOException | RuntimeException e) {
            wire.close();
            throw e;
        }
    }

    /** Whether it has been idle for too long. */
    boolean isExpired(Duration keepAlive) {
        long idle = System.currentTimeMillis() - lastUsed;
        return idle < 0 || idle > keepAlive.toMillis();
    }

    /** Whether it may take a request: it has not been idle for too long, and its peer has not closed it. */
    boolean isUsable(Duration keepAlive) {
        boolean isLive = !isExpired(keepAlive) && !reader.hasMore() && wire.isOpen();
        // Behind a handshake TLS sends messages of its own. Anything else is an answer that nobody awaits, or the connection's end.
        return isLive && (tls && !hasAnswered || wire.from == wire.to);
    }

    /**
     * Writes a request: all of it in one write, which a fresh connection's buffers can always take.
     *
     * @throws IOException the connection is broken, and nothing of the request has reached the service
     */
    void send(byte[] request) throws IOException {
        lastUsed = System.currentTimeMillis();
        out.write(request);
        out.flush();
    }

    /**
     * Waits for the answer.
     *
     * @param end when it must be here, by {@link System#nanoTime}
     * @return null: the connection was closed ahead of it
     */
    Answer receive(long end) throws IOException {
        wire.end = end;
        in.left = MAX_ANSWER;
        HttpReader.Head head;
        do {
            head = reader.head();
        } while (head != null && head.isInterim());
        if (head == null) {
            return null;
        }
        String length = head.field("content-length");
        if (length != null && length.length() > MAX_DIGITS) {
            throw new IOException("an answer of more than " + MAX_ANSWER + " bytes");
        }
        var answer = new Answer(head.status(), reader.body(head));
        hasAnswered = true;
        boolean hasLength = head.isChunked() || length != null;
        lastUsed = head.closes() || !hasLength ? 0 : System.currentTimeMillis();
        return answer;
    }

    @Override
    public void close() {
        wire.close();
    }

    /** What is read of an answer is bounded, whatever it says of its length. */
    private static final class Limited extends FilterInputStream {

        private int left = MAX_ANSWER;

        Limited(InputStream in) {
            super(in);
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            int read = super.read(bytes, offset, length);
            left -= read;
            if (left < 0) {
                throw new IOException("an answer of more than " + MAX_ANSWER + " bytes");
            }
            return read;
        }
    }

    /**
     * The TCP connection, as TLS wants it. Each read is bounded by one time for all of them. It can be looked at without waiting, and what
     * has arrived by then is read later.
     */
    private static final class Wire extends Socket {

        private final SocketChannel channel;
        private final InputStream in = new In();
        private final byte[] ahead = new byte[16 * 1024];
        private int from;
        private int to;
        private long end;

        Wire() throws IOException {
            channel = SocketChannel.open();
        }

        void connect(InetSocketAddress address) throws IOException {
            channel.socket().setTcpNoDelay(true);
            channel.socket().connect(address, millisLeft());
        }

        /** Whether the peer has not closed it, as far as that has arrived. */
        boolean isOpen() {
            try {
                channel.configureBlocking(false);
                int read;
                do { // to the end: ahead of it TLS sends a word of its own
                    read = to < ahead.length ? channel.read(ByteBuffer.wrap(ahead, to, ahead.length - to)) : -1;
                    to += Math.max(0, read);
                } while (read > 0);
                channel.configureBlocking(true);
                return read == 0;
            } catch (IOException e) {
                return false;
            }
        }

        private int millisLeft() throws SocketTimeoutException {
            long millis = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
            if (millis <= 0) {
                throw new SocketTimeoutException("no time left");
            }
            return (int) millis;
        }

        private final class In extends InputStream {

            @Override
            public int read(byte[] bytes, int offset, int length) throws IOException {
                if (from < to) {
                    int read = Math.min(length, to - from);
                    System.arraycopy(ahead, from, bytes, offset, read);
                    from += read;
                    return read;
                }
                from = 0;
                to = 0;
                InputStream arriving = channel.socket().getInputStream();
                if (arriving.available() == 0) { // what has arrived is read, however late
                    channel.socket().setSoTimeout(millisLeft());
                }
                return arriving.read(bytes, offset, length);
            }

            @Override
            public int read() throws IOException {
                byte[] one = new byte[1];
                return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
            }
        }

        @Override
        public InputStream getInputStream() {
            return in;
        }

        @Override
        public OutputStream getOutputStream() throws IOException {
            return channel.socket().getOutputStream();
        }

        @Override
        public InetAddress getInetAddress() {
            return channel.socket().getInetAddress();
        }

        @Override
        public int getPort() {
            return channel.socket().getPort();
        }

        @Override
        public boolean isConnected() {
            return channel.isConnected();
        }

        @Override
        public boolean isClosed() {
            return !channel.isOpen();
        }

        @Override
        public void close() {
            try {
                channel.close();
            } catch (IOException e) {
                // it is of no use any more, whatever became of it
            }
        }
    }
}
