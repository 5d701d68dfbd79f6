package chatlambda.local;

import java.io.IOException;
import java.net.Socket;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.jboss.logging.Logger;

/** An invocation from its caller's request to its outcome. Its caller, the function's connection and a stopper are threads of their own. */
final class Pending {

    private static final Logger LOG = Logger.getLogger(Pending.class);

    final String id;
    /** Tells this delivery of the event from others under the same request id. */
    final String invocationId = UUID.randomUUID().toString();
    final byte[] event;
    /** Milliseconds since 1970. */
    final long deadline;
    final CompletableFuture<Outcome> outcome = new CompletableFuture<>();
    private final Caller caller;
    private Socket stream;
    private boolean stopped;

    Pending(String id, byte[] event, Caller caller, Duration timeout) {
        this.id = id;
        this.event = event;
        this.caller = caller;
        this.deadline = System.currentTimeMillis() + timeout.toMillis();
    }

    /** Tells the caller that the answer begins. A caller that has hung up does not stop the function: Lambda does not either. */
    void begin(String contentType) {
        try {
            if (!outcome.isDone()) {
                caller.begin(contentType);
            }
        } catch (IOException e) {
            LOG.debugf("the caller went away: %s", e.getMessage());
        }
    }

    /** Hands a part of the answer to the caller, as {@link #begin} does. */
    void chunk(byte[] chunk) {
        try {
            if (!outcome.isDone()) {
                caller.chunk(chunk);
            }
        } catch (IOException e) {
            LOG.debugf("the caller went away: %s", e.getMessage());
        }
    }

    /** @throws IOException it was stopped before */
    synchronized void streamsOn(Socket connection) throws IOException {
        if (stopped) {
            throw new IOException("stopped before it began");
        }
        stream = connection;
    }

    /** Ends the invocation, and closes the connection that its answer is streamed on. */
    synchronized void stop() throws IOException {
        stopped = true;
        outcome.complete(Outcome.error("Local.Stopped", "stopped by its caller"));
        if (stream != null) {
            stream.close();
        }
    }
}
