package chatlambda;

import chatlambda.http.HttpReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/** A Runtime API that hands out the given events and hangs up on a streamed answer, or stops reading every outcome. */
final class FakeRuntimeApi implements AutoCloseable {

    final CountDownLatch secondEventTaken = new CountDownLatch(2);
    private final CountDownLatch hangUp = new CountDownLatch(1);
    private final ServerSocket server;
    private final Iterator<String> events;
    private final Duration timeout;
    private volatile boolean reads = true;

    FakeRuntimeApi(String... events) throws IOException {
        this(Duration.ofMinutes(1), events);
    }

    /** @param timeout of the function: how long after it was taken an event's deadline is */
    FakeRuntimeApi(Duration timeout, String... events) throws IOException {
        this.timeout = timeout;
        this.server = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        this.events = List.of(events).iterator();
        thread(() -> {
            while (!server.isClosed()) {
                try {
                    Socket connection = server.accept();
                    thread(() -> serve(connection));
                } catch (IOException e) {
                    return;
                }
            }
        });
    }

    String address() {
        return "127.0.0.1:" + server.getLocalPort();
    }

    void closeStreamsAfterTheirFirstChunk() {
        hangUp.countDown();
    }

    /** Of each outcome no more than the head and what follows it in its packets. */
    void stopReading() {
        reads = false;
    }

    private void serve(Socket connection) {
        try (connection) {
            var reader = new HttpReader(connection.getInputStream());
            for (HttpReader.Head head; (head = reader.head()) != null;) {
                if (!reads && head.startLine().startsWith("POST")) {
                    new CountDownLatch(1).await();
                }
                if (head.isChunked()) {
                    reader.chunk();
                    reader.chunk(); // the prelude, then the first event
                    hangUp.await();
                    return;
                }
                String event;
                synchronized (events) {
                    if (!events.hasNext()) {
                        new CountDownLatch(1).await(); // no more events
                    }
                    event = events.next();
                }
                byte[] body = event.getBytes(StandardCharsets.UTF_8);
                connection.getOutputStream().write(("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\nLambda-Runtime-Deadline-Ms: "
                        + (System.currentTimeMillis() + timeout.toMillis())
                        + "\r\nContent-Length: " + body.length + "\r\n\r\n").getBytes());
                connection.getOutputStream().write(body);
                secondEventTaken.countDown();
            }
        } catch (IOException | InterruptedException e) {
            // the function went away
        }
    }

    private static void thread(Runnable task) {
        var thread = new Thread(task, "fake-runtime-api");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() throws IOException {
        server.close();
    }
}
