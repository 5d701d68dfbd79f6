package chatlambda.local;

import chatlambda.http.HttpReader;
import jakarta.json.Json;
import org.jboss.logging.Logger;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/** The service's side of the Lambda Runtime API; on plain sockets, because the JDK's server cannot read request trailers. */
final class LocalRuntimeApi implements Invoker, Closeable {

    private static final Logger LOG = Logger.getLogger(LocalRuntimeApi.class);

    /** 6 MB and 100 bytes, as the Runtime Interface Emulator has it. */
    private static final int RESPONSE_LIMIT = 6_291_556;

    private static final class Pending {
        final String id;
        final String invocationId = UUID.randomUUID().toString();
        final CompletableFuture<Outcome> outcome = new CompletableFuture<>();
        final byte[] event;
        final Caller caller;
        final long deadline;
        private Socket stream;
        private boolean stopped;

        Pending(String id, byte[] event, Caller caller, Duration timeout) {
            this.id = id;
            this.event = event;
            this.caller = caller;
            this.deadline = System.currentTimeMillis() + timeout.toMillis();
        }

        synchronized void streamsOn(Socket connection) throws IOException {
            if (stopped) {
                throw new IOException("stopped before it began");
            }
            stream = connection;
        }

        synchronized void stop() throws IOException {
            stopped = true;
            outcome.complete(Outcome.error("Local.Stopped", "stopped by its caller"));
            if (stream != null) {
                stream.close();
            }
        }
    }

    private final ServerSocket server;
    private final ExecutorService threads;
    private final Duration timeout;
    private final BlockingQueue<Pending> queue = new LinkedBlockingQueue<>();
    private final Map<String, Pending> running = new ConcurrentHashMap<>();
    private final Semaphore polls = new Semaphore(0);
    private final CompletableFuture<String> initError = new CompletableFuture<>();
    private final Set<Socket> connections = ConcurrentHashMap.newKeySet();

    LocalRuntimeApi(ExecutorService threads, Duration timeout) throws IOException {
        this.threads = threads;
        this.timeout = timeout;
        this.server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        threads.execute(this::accept);
    }

    String address() {
        return "127.0.0.1:" + server.getLocalPort();
    }

    @Override
    public Outcome invoke(String requestId, byte[] event, Caller caller) {
        var pending = new Pending(requestId, event, caller, timeout);
        queue.add(pending);
        try {
            return pending.outcome.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            pending.outcome.complete(Outcome.error("Sandbox.Timedout",
                    "Task timed out after " + timeout.toMillis() / 1000.0 + " seconds"));
            return pending.outcome.join();
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException(e);
        } finally {
            queue.remove(pending);
        }
    }

    /** Breaks off the streamed answer, so that the function gives up its upstream: more than a caller of Lambda itself can do. */
    void stop(String requestId) throws IOException {
        for (Pending pending : Stream.concat(queue.stream(), running.values().stream()).toList()) {
            if (pending.id.equals(requestId)) {
                pending.stop();
            }
        }
    }

    String initError(Duration patience) {
        try {
            return initError.get(patience.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException | ExecutionException | TimeoutException e) {
            throw new IllegalStateException("no init error", e);
        }
    }

    void awaitPoll() throws InterruptedException {
        polls.acquire();
    }

    @Override
    public void close() {
        try {
            server.close(); // from here on what is accepted is closed at once
            for (Socket connection : connections) {
                connection.close();
            }
        } catch (IOException e) {
            LOG.debug(e);
        }
        running.values().forEach(pending -> pending.outcome.complete(Outcome.error("Runtime.ExitError", "the service has stopped")));
    }

    private void accept() {
        while (!server.isClosed()) {
            try {
                Socket connection = server.accept();
                connections.add(connection);
                connection.setTcpNoDelay(true);
                if (server.isClosed()) { // accepted while the service was closing: nobody would serve it
                    connection.close();
                } else {
                    threads.execute(() -> serve(connection));
                }
            } catch (IOException e) {
                LOG.debug(e);
            }
        }
    }

    private void serve(Socket connection) {
        try (connection) {
            var reader = new HttpReader(connection.getInputStream());
            for (HttpReader.Head head; (head = reader.head()) != null;) {
                String path = head.startLine().split(" ")[1].replace("/2018-06-01/runtime/", "");
                if (path.equals("invocation/next")) {
                    next(connection);
                } else if (path.equals("init/error")) {
                    var error = Json.createReader(new ByteArrayInputStream(reader.body(head))).readObject();
                    initError.complete(error.getString("errorType") + ": " + error.getString("errorMessage"));
                    answer(connection, 202, "{\"status\":\"OK\"}");
                } else {
                    post(connection, reader, head, path);
                }
            }
        } catch (IOException e) {
            LOG.debugf("the function went away: %s", e.getMessage());
        } finally {
            connections.remove(connection);
        }
    }

    private void next(Socket connection) throws IOException {
        Pending pending = null;
        polls.drainPermits();
        polls.release();
        try {
            while (pending == null || pending.outcome.isDone()) {
                pending = queue.poll(50, TimeUnit.MILLISECONDS);
                if (pending == null) {
                    requireOpen(connection); // else the next event would go to a function that has died
                }
            }
        } catch (InterruptedException e) {
            throw new IOException("the service has stopped");
        }
        polls.drainPermits();
        running.put(pending.id, pending);
        byte[] head = ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                + "Lambda-Runtime-Aws-Request-Id: " + pending.id + "\r\n"
                + "Lambda-Runtime-Invocation-Id: " + pending.invocationId + "\r\n"
                + "Lambda-Runtime-Deadline-Ms: " + pending.deadline + "\r\n"
                + "Lambda-Runtime-Trace-Id: Root=1-00000000-" + pending.id.replace("-", "").substring(0, 24) + ";Sampled=0\r\n"
                + "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:local:000000000000:function:chat\r\n"
                + "Content-Length: " + pending.event.length + "\r\n\r\n").getBytes(StandardCharsets.ISO_8859_1);
        var message = new ByteArrayOutputStream(head.length + pending.event.length);
        message.write(head);
        message.write(pending.event);
        message.writeTo(connection.getOutputStream());
    }

    private static void requireOpen(Socket connection) throws IOException {
        connection.setSoTimeout(1);
        try {
            if (connection.getInputStream().read() < 0) {
                throw new IOException("closed while it waited");
            }
            throw new IOException("a second request before the answer to /next");
        } catch (SocketTimeoutException e) {
            connection.setSoTimeout(0);
        }
    }

    private void post(Socket connection, HttpReader reader, HttpReader.Head head, String path) throws IOException {
        String[] parts = path.split("/"); // invocation/{id}/response or /error
        Pending pending = parts.length == 3 ? running.get(parts[1]) : null;
        String echoed = head.field("lambda-runtime-invocation-id");
        if (pending == null || echoed != null && !echoed.equals(pending.invocationId)) {
            reader.body(head);
            answer(connection, 400, "{\"errorType\":\"InvalidRequestID\",\"errorMessage\":\"no such invocation\"}");
            return;
        }
        try {
            if (parts[2].equals("error")) {
                complete(connection, pending, new Outcome(reader.body(head), true, "application/json", false, null));
            } else if ("streaming".equalsIgnoreCase(head.field("lambda-runtime-function-response-mode"))) {
                pending.streamsOn(connection);
                complete(connection, pending, streamed(reader, head, pending));
            } else {
                whole(connection, reader, head, pending);
            }
        } catch (IOException | RuntimeException e) {
            pending.outcome.complete(Outcome.error("Runtime.TruncatedResponse", "the answer broke off: " + e));
            throw e;
        } finally {
            running.remove(pending.id);
        }
    }

    private void whole(Socket connection, HttpReader reader, HttpReader.Head head, Pending pending) throws IOException {
        byte[] body = reader.body(head);
        if (body.length > RESPONSE_LIMIT) {
            pending.outcome.complete(Outcome.error("Function.ResponseSizeTooLarge", "Response payload size (" + body.length
                    + " bytes) exceeded maximum allowed payload size (" + RESPONSE_LIMIT + " bytes)."));
            answer(connection, 413, "{\"errorType\":\"RequestEntityTooLarge\",\"errorMessage\":\"Exceeded maximum allowed payload size\"}");
            return;
        }
        String contentType = head.field("content-type");
        tell(pending, caller -> caller.begin(contentType));
        tell(pending, caller -> caller.chunk(body));
        complete(connection, pending, new Outcome(body, false, contentType, false, null));
    }

    private Outcome streamed(HttpReader reader, HttpReader.Head head, Pending pending) throws IOException {
        String contentType = head.field("content-type");
        tell(pending, caller -> caller.begin(contentType));
        var kept = new ByteArrayOutputStream(); // for buffered callers; a stream longer than they could take is not kept
        boolean fits = true;
        for (byte[] chunk; (chunk = reader.chunk()) != null;) {
            byte[] arrived = chunk;
            tell(pending, caller -> caller.chunk(arrived));
            fits &= kept.size() + chunk.length <= RESPONSE_LIMIT;
            if (fits) {
                kept.write(chunk);
            }
        }
        Map<String, String> trailers = reader.fields();
        String error = trailers.get("lambda-runtime-function-error-type");
        if (error != null) {
            String body = trailers.getOrDefault("lambda-runtime-function-error-body", "");
            error += ": " + new String(Base64.getDecoder().decode(body), StandardCharsets.UTF_8);
            LOG.warnf("the streamed answer ended with an error trailer, %s", error);
        }
        return new Outcome(kept.toByteArray(), false, contentType, true, error);
    }

    private interface Telling {
        void to(Caller caller) throws IOException;
    }

    /** A caller that hangs up does not stop the function: Lambda does not either. */
    private static void tell(Pending pending, Telling telling) {
        try {
            if (!pending.outcome.isDone()) {
                telling.to(pending.caller);
            }
        } catch (IOException e) {
            LOG.debugf("the caller went away: %s", e.getMessage());
        }
    }

    private void complete(Socket connection, Pending pending, Outcome outcome) throws IOException {
        boolean inTime = pending.outcome.complete(outcome);
        answer(connection, inTime ? 202 : 410,
                inTime ? "{\"status\":\"OK\"}" : "{\"errorType\":\"ErrorRuntimeInvokeTimeout\",\"errorMessage\":\"too late\"}");
    }

    private static void answer(Socket connection, int status, String body) throws IOException {
        connection.getOutputStream().write(("HTTP/1.1 " + status + " \r\nContent-Type: application/json\r\nContent-Length: "
                + body.length() + "\r\n\r\n" + body).getBytes(StandardCharsets.ISO_8859_1));
    }
}
