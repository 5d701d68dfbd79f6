package chatlambda;

import chatlambda.http.HttpReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;

/** An upstream on a real socket that keeps what it was sent and answers what the test says, byte for byte. */
final class ScriptedUpstream implements AutoCloseable {

    record Request(HttpReader.Head head, byte[] body) {
        String text() {
            return new String(body, StandardCharsets.UTF_8);
        }
    }

    /** Answers one request; the connection is kept unless it closes the socket. */
    interface Script {

        /** Whether it answers when a request's head is there; the rest is never read, and the connection open for a second more. */
        default boolean answersEarly(HttpReader.Head head, Socket connection) throws IOException {
            return false;
        }

        void answer(Request request, Socket connection) throws IOException;
    }

    /** What an event stream begins with, and ends. */
    static final String STREAM_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    static final String LAST_CHUNK = "0\r\n\r\n";

    final List<Request> requests = new CopyOnWriteArrayList<>();
    final List<Socket> connections = new CopyOnWriteArrayList<>();
    private final ServerSocket server;
    private final String scheme;
    private volatile Script script;
    private volatile Duration handshakeDelay = Duration.ZERO;

    private ScriptedUpstream(ServerSocket server, String scheme, Script script) {
        this.server = server;
        this.scheme = scheme;
        this.script = script;
        thread(this::accept);
    }

    static ScriptedUpstream start(Script script) {
        try {
            return new ScriptedUpstream(new ServerSocket(0, 1_024, InetAddress.getByName("127.0.0.1")), "http", script);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** @param protocols that it speaks; none named: what the JDK speaks */
    static ScriptedUpstream startTls(SSLContext tls, Script script, String... protocols) throws IOException {
        return startTls(tls, 0, script, protocols);
    }

    /** @param port 0 for any free one */
    static ScriptedUpstream startTls(SSLContext tls, int port, Script script, String... protocols) throws IOException {
        var server = (SSLServerSocket) tls.getServerSocketFactory().createServerSocket(port, 50, InetAddress.getByName("127.0.0.1"));
        if (protocols.length > 0) {
            server.setEnabledProtocols(protocols);
        }
        return new ScriptedUpstream(server, "https", script);
    }

    /** From here on each connection takes that long to open: only what is above TCP can be slow on loopback. */
    void handshakeAfter(Duration delay) {
        handshakeDelay = delay;
    }

    static Script answering(int status, String contentType, String body, String... fields) {
        return answering(status, contentType, body.getBytes(StandardCharsets.UTF_8), fields);
    }

    static Script answering(int status, String contentType, byte[] body, String... fields) {
        var head = new StringBuilder("HTTP/1.1 " + status + " Status\r\n");
        if (contentType != null) {
            head.append("Content-Type: ").append(contentType).append("\r\n");
        }
        for (String field : fields) {
            head.append(field).append("\r\n");
        }
        head.append("Content-Length: ").append(body.length).append("\r\n\r\n");
        return (request, connection) -> {
            OutputStream out = connection.getOutputStream();
            out.write(head.toString().getBytes(StandardCharsets.ISO_8859_1));
            out.write(body);
            out.flush();
        };
    }

    /** The body's end comes with its last chunk: the function waits for it for 50 ms, and then gives the connection up. */
    static Script streaming(String... chunks) {
        return (request, connection) -> {
            write(connection, STREAM_HEAD);
            int last = chunks.length - 1;
            for (int i = 0; i < last; i++) {
                write(connection, chunk(chunks[i]));
            }
            write(connection, (last < 0 ? "" : chunk(chunks[last])) + LAST_CHUNK);
        };
    }

    /** As it is on the wire. */
    static String chunk(String text) {
        return Integer.toHexString(text.getBytes(StandardCharsets.UTF_8).length) + "\r\n" + text + "\r\n";
    }

    static void write(Socket connection, String bytes) throws IOException {
        OutputStream out = connection.getOutputStream();
        out.write(bytes.getBytes(StandardCharsets.UTF_8));
        out.flush();
    }

    /** Wherever {@code bytes} are cut, be it within a character. */
    static void writeChunk(Socket connection, byte[] bytes) throws IOException {
        var out = new ByteArrayOutputStream();
        out.writeBytes((Integer.toHexString(bytes.length) + "\r\n").getBytes(StandardCharsets.US_ASCII));
        out.writeBytes(bytes);
        out.writeBytes("\r\n".getBytes(StandardCharsets.US_ASCII));
        out.writeTo(connection.getOutputStream());
    }

    /** In a script, for what the test does. */
    static void await(CountDownLatch latch) throws IOException {
        try {
            if (!latch.await(20, TimeUnit.SECONDS)) {
                throw new IOException("nobody came");
            }
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    void script(Script next) {
        requests.clear();
        script = next;
    }

    URI url() {
        return URI.create(scheme + "://" + (scheme.equals("https") ? "localhost" : "127.0.0.1") + ":" + server.getLocalPort());
    }

    /** Closes its side of every connection, and waits until the function has noticed and closed the other. */
    void retire() throws IOException {
        for (Socket connection : connections) {
            if (!connection.isClosed()) {
                connection.shutdownOutput();
            }
        }
        awaitClosed();
    }

    /** Waits until the function has closed all its connections. */
    void awaitClosed() {
        long start = System.nanoTime();
        while (!connections.stream().allMatch(Socket::isClosed)) { // what serves them closes them at their end
            if (System.nanoTime() - start > TimeUnit.SECONDS.toNanos(30)) {
                throw new AssertionError("the function keeps a connection that has ended");
            }
            Thread.onSpinWait();
        }
        connections.clear();
    }

    Request request() {
        if (requests.size() != 1) {
            throw new AssertionError("one request expected, not " + requests.size());
        }
        return requests.get(0);
    }

    @Override
    public void close() {
        try {
            server.close();
            for (Socket connection : connections) {
                connection.close();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void accept() {
        while (!server.isClosed()) {
            try {
                Socket connection = server.accept();
                connection.setTcpNoDelay(true);
                connections.add(connection);
                thread(() -> serve(connection));
            } catch (IOException e) {
                // closed, or a TLS handshake that the client broke off
            }
        }
    }

    private void serve(Socket connection) {
        try (connection) {
            LockSupport.parkNanos(handshakeDelay.toNanos()); // TLS begins with the first read
            var reader = new HttpReader(connection.getInputStream());
            for (HttpReader.Head head; (head = reader.head()) != null;) {
                if (head.field("chat-lambda-exchange") != null) { // names the exchange within the function: no test may get an answer then
                    throw new AssertionError("a header that is only the function's own went out");
                }
                if (script.answersEarly(head, connection)) {
                    LockSupport.parkNanos(TimeUnit.SECONDS.toNanos(1));
                    return;
                }
                var request = new Request(head, reader.body(head));
                requests.add(request);
                script.answer(request, connection);
            }
        } catch (IOException e) {
            // the client went away, which some tests want
        }
    }

    private static void thread(Runnable task) {
        var thread = new Thread(task, "scripted-upstream");
        thread.setDaemon(true);
        thread.start();
    }
}
