package chatlambda.local;

import java.io.IOException;
import java.net.Socket;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jboss.logging.Logger;

/** One invocation, from the queue to its outcome; used by the caller's thread and by the connection's that carries the answer. */
final class Pending {

    private static final Logger LOG = Logger.getLogger(Pending.class);

    final String requestId;
    final String invocationId = UUID.randomUUID().toString();
    final byte[] event;
    /** Milliseconds since 1970. */
    final long deadline;
    /** The first outcome counts, later ones are ignored. */
    final CompletableFuture<Outcome> outcome = new CompletableFuture<>();
    private final Caller caller;
    private Socket stream;
    private boolean stopped;

    Pending(String requestId, byte[] event, Caller caller, Duration timeout) {
        this.requestId = requestId;
        this.event = event;
        this.caller = caller;
        this.deadline = System.currentTimeMillis() + timeout.toMillis();
        outcome.completeOnTimeout(Outcome.error("Sandbox.Timedout", "Task timed out after " + timeout.toMillis() / 1000.0 + " seconds"),
                timeout.toMillis(), TimeUnit.MILLISECONDS);
    }

    /**
     * Passes the answer's content type to the caller, and {@link #chunk} its bytes, until there is an outcome. A caller that hangs up ends
     * its turn, and nobody else's; Lambda itself would let the function run on.
     *
     * @throws IOException the caller has hung up
     */
    void begin(String contentType) throws IOException {
        if (!outcome.isDone()) {
            pass(() -> caller.begin(contentType));
        }
    }

    void chunk(byte[] chunk) throws IOException {
        if (!outcome.isDone()) {
            pass(() -> caller.chunk(chunk));
        }
    }

    private void pass(Passing passing) throws IOException {
        try {
            passing.run();
        } catch (IOException e) {
            LOG.debugf("the caller went away: %s", e.getMessage());
            stop();
            throw e;
        }
    }

    private interface Passing {
        void run() throws IOException;
    }

    /**
     * Notes which connection {@link #stop} has to close.
     *
     * @throws IOException the invocation was stopped before
     */
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
