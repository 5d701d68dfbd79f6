package chatlambda.local;

import chatlambda.http.HttpReader;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.jboss.logging.Logger;

/** The service's side of the Lambda Runtime API; on plain sockets, because the JDK's server cannot read request trailers. */
final class LocalRuntimeApi implements Invoker, Closeable {

    private static final Logger LOG = Logger.getLogger(LocalRuntimeApi.class);

    /** Of connections that wait to be accepted: many workers may begin at once. */
    private static final int BACKLOG = 1_024;

    private final ServerSocket server;
    private final ExecutorService threads;
    private final Duration timeout;
    private final BlockingQueue<Pending> queue = new LinkedBlockingQueue<>();
    /** Those that the function has taken and not yet answered, by request id. */
    final Map<String, Pending> running = new ConcurrentHashMap<>();
    /** Connections on which the function waits for an event; guarded by this. */
    private int polls;
    final CompletableFuture<String> initError = new CompletableFuture<>();
    private final Set<Socket> connections = ConcurrentHashMap.newKeySet();

    LocalRuntimeApi(ExecutorService threads, Duration timeout) throws IOException {
        this.threads = threads;
        this.timeout = timeout;
        this.server = new ServerSocket(0, BACKLOG, InetAddress.getLoopbackAddress());
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
            return pending.outcome.join();
        } finally {
            queue.remove(pending);
        }
    }

    /** Breaks off the streamed answer, so that the function gives up its upstream: more than a caller of Lambda itself can do. */
    void stop(String requestId) throws IOException {
        for (Pending pending : Stream.concat(queue.stream(), running.values().stream()).toList()) {
            if (pending.requestId.equals(requestId)) {
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

    synchronized void awaitPolls(int count) throws InterruptedException {
        while (polls < count) {
            wait();
        }
    }

    private synchronized void polls(int more) {
        polls += more;
        notifyAll();
    }

    /**
     * Waits for an invocation that has no outcome yet, and notes that it is running.
     *
     * @throws IOException the function has gone away: it must not get the next event
     */
    Pending take(RuntimeConnection connection) throws IOException {
        polls(1);
        Pending pending = null;
        try {
            while (pending == null || pending.outcome.isDone()) {
                pending = queue.poll(50, TimeUnit.MILLISECONDS);
                if (pending == null) {
                    connection.requireOpen();
                }
            }
        } catch (InterruptedException e) {
            throw new IOException("the service has stopped");
        } finally {
            polls(-1);
        }
        running.put(pending.requestId, pending);
        return pending;
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
            new RuntimeConnection(this, connection, new HttpReader(connection.getInputStream())).serve();
        } catch (IOException e) {
            LOG.debugf("the function went away: %s", e.getMessage());
        } finally {
            connections.remove(connection);
        }
    }
}
