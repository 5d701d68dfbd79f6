package chatlambda.local;

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
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.jboss.logging.Logger;

/**
 * The service's side of the Lambda Runtime API: events wait in a queue until the function polls. It listens on a plain socket, because
 * the JDK's HTTP server cannot read a request's trailers.
 *
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html">Using the Lambda runtime API</a>
 */
final class LocalRuntimeApi implements Invoker, Closeable {

    private static final Logger LOG = Logger.getLogger(LocalRuntimeApi.class);

    private final ServerSocket server;
    private final ExecutorService threads;
    private final Duration timeout;
    private final BlockingQueue<Pending> queue = new LinkedBlockingQueue<>();
    /** By request id: what the function has polled and not yet answered. */
    private final Map<String, Pending> running = new ConcurrentHashMap<>();
    /** Has a permit while the function polls and there is no event for it. */
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

    /** Breaks off the streamed answer, so that the function gives up its upstream. Lambda offers its callers nothing like it. */
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

    void initFailed(String error) {
        initError.complete(error);
    }

    void awaitPoll() throws InterruptedException {
        polls.acquire();
    }

    /**
     * Waits for an event whose caller still waits. It is then running.
     *
     * @param poller the connection that asks; one that is closed must not take the event from the next function
     */
    Pending take(RuntimeConnection poller) throws IOException {
        polls.drainPermits();
        polls.release();
        Pending pending = null;
        try {
            while (pending == null || pending.outcome.isDone()) {
                pending = queue.poll(50, TimeUnit.MILLISECONDS);
                if (pending == null) {
                    poller.requireOpen();
                }
            }
        } catch (InterruptedException e) {
            throw new IOException("the service has stopped");
        }
        polls.drainPermits();
        running.put(pending.id, pending);
        return pending;
    }

    /** What the function has polled under this id and not yet answered, or null. */
    Pending running(String requestId) {
        return running.get(requestId);
    }

    void ended(Pending pending) {
        running.remove(pending.id);
    }

    @Override
    public void close() {
        try {
            server.close(); // from here on a connection is closed as soon as it is accepted
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
                if (server.isClosed()) { // close() may not have seen this connection
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
            new RuntimeConnection(this, connection).serve();
        } catch (IOException e) {
            LOG.debugf("the function went away: %s", e.getMessage());
        } finally {
            connections.remove(connection);
        }
    }
}
