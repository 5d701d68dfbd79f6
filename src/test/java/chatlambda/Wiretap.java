package chatlambda;

import chatlambda.http.HttpReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** Between the function and the Runtime API: keeps a copy of all that goes over. */
final class Wiretap implements AutoCloseable {

    private static final class Connection {
        final ByteArrayOutputStream fromFunction = new ByteArrayOutputStream();
        final ByteArrayOutputStream toFunction = new ByteArrayOutputStream();
    }

    private final ServerSocket server;
    private final String runtimeApi;
    private final List<Connection> connections = new CopyOnWriteArrayList<>();

    Wiretap(String runtimeApi) throws IOException {
        this.runtimeApi = runtimeApi;
        this.server = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        thread(this::accept);
    }

    String address() {
        return "127.0.0.1:" + server.getLocalPort();
    }

    /** The event that the function got last. */
    byte[] lastEvent() throws IOException {
        byte[] event = null;
        for (Connection connection : connections) {
            var reader = new HttpReader(new ByteArrayInputStream(connection.toFunction.toByteArray()));
            for (HttpReader.Head head; (head = reader.head()) != null;) {
                byte[] body = reader.body(head);
                event = head.field("lambda-runtime-aws-request-id") == null ? event : body;
            }
        }
        return event;
    }

    /** The chunks of the answer that the function streamed last. */
    List<byte[]> lastAnswer() throws IOException {
        var last = connections.get(connections.size() - 1); // each streamed answer has one of its own
        var reader = new HttpReader(new ByteArrayInputStream(last.fromFunction.toByteArray()));
        String request = reader.head().startLine();
        if (!request.endsWith("/response HTTP/1.1")) {
            throw new AssertionError(request);
        }
        var chunks = new ArrayList<byte[]>();
        for (byte[] chunk; (chunk = reader.chunk()) != null;) {
            chunks.add(chunk);
        }
        return chunks;
    }

    @Override
    public void close() throws IOException {
        server.close();
    }

    private void accept() {
        while (!server.isClosed()) {
            try {
                Socket function = server.accept();
                String[] address = runtimeApi.split(":");
                var service = new Socket(address[0], Integer.parseInt(address[1]));
                function.setTcpNoDelay(true);
                service.setTcpNoDelay(true);
                var connection = new Connection();
                connections.add(connection);
                thread(() -> copy(function, service, connection.fromFunction));
                thread(() -> copy(service, function, connection.toFunction));
            } catch (IOException e) {
                // closed
            }
        }
    }

    /** Until one of them closes, then both are. */
    private static void copy(Socket from, Socket to, ByteArrayOutputStream kept) {
        try (from; to) {
            InputStream in = from.getInputStream();
            byte[] buffer = new byte[64 * 1024];
            for (int length; (length = in.read(buffer)) >= 0;) {
                kept.write(buffer, 0, length);
                to.getOutputStream().write(buffer, 0, length);
            }
        } catch (IOException e) {
            // the other direction has closed them
        }
    }

    private static void thread(Runnable task) {
        var thread = new Thread(task, "wiretap");
        thread.setDaemon(true);
        thread.start();
    }
}
