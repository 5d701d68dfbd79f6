package chatlambda.runtime;

import chatlambda.runtime.Turn.Delivery;
import java.io.IOException;
import java.time.Duration;
import org.jboss.logging.Logger;

/** Event in, outcome out, until the Runtime API goes away. For one thread; another one may {@link #stop} it. */
public final class InvocationLoop {

    private static final Logger LOG = Logger.getLogger(InvocationLoop.class);

    /** How often, while a stream is silent, the loop looks whether its caller is still there. A write would tell it, too. */
    private static final Duration LOOK = Duration.ofMillis(250);

    /** What is done with each event. */
    public interface Function {
        Turn begin(Invocation invocation);
    }

    private final RuntimeApi api;
    private final Function function;

    public InvocationLoop(RuntimeApi api, Function function) {
        this.api = api;
        this.function = function;
    }

    /**
     * Returns once it was stopped.
     *
     * @throws IOException the Runtime API is broken: the process should end
     */
    public void run() throws IOException {
        for (Invocation next; (next = api.next()) != null;) {
            turn(next);
        }
    }

    /** The invocation that runs, if one does, is the last. Any thread may call. */
    void stop() {
        api.stop();
    }

    private void turn(Invocation invocation) throws IOException {
        Turn turn = function.begin(invocation);
        Delivery delivery = Delivery.LOST;
        try {
            delivery = deliver(turn, invocation);
        } catch (TimedSocket.Stalled e) {
            delivery = Delivery.STALLED;
            LOG.errorf("the outcome of invocation %s is lost: %s", invocation.requestId(), RuntimeApi.why(e));
        } finally {
            try {
                turn.close(delivery);
            } catch (RuntimeException e) {
                LOG.errorf("after invocation %s: %s", invocation.requestId(), RuntimeApi.where(e));
            }
        }
    }

    private Delivery deliver(Turn turn, Invocation invocation) throws IOException {
        try {
            Response response = respond(turn, invocation);
            if (response instanceof Response.Streamed streamed) {
                return stream(streamed, turn, invocation);
            }
            var whole = (Response.Whole) response;
            api.respond(invocation, turn.end(), whole.contentType(), whole.document());
        } catch (FunctionError e) {
            api.fail(invocation, turn.end(), e.type(), e.getMessage());
        }
        return Delivery.HANDED_OVER;
    }

    private static Response respond(Turn turn, Invocation invocation) throws FunctionError {
        try {
            return turn.respond();
        } catch (RuntimeException | Error e) {
            LOG.errorf("invocation %s failed: %s", invocation.requestId(), RuntimeApi.where(e));
            throw new FunctionError("Chat.Internal", "internal error, see the log of invocation " + invocation.requestId());
        }
    }

    private Delivery stream(Response.Streamed response, Turn turn, Invocation invocation) throws IOException {
        try (var chunks = response.chunks(); var out = api.stream(invocation, turn.end(), response.contentType())) {
            out.writeAll(chunks, LOOK);
            return Delivery.HANDED_OVER;
        } catch (ResponseStream.Broken | TimedSocket.Stalled e) {
            throw e;
        } catch (IOException e) {
            LOG.errorf("the streamed answer to invocation %s is lost: %s", invocation.requestId(), RuntimeApi.why(e));
        } catch (RuntimeException | Error e) { // the connection closes without a last chunk, which is how the caller can tell
            LOG.errorf("invocation %s failed while it streamed: %s", invocation.requestId(), RuntimeApi.where(e));
        }
        return Delivery.LOST;
    }
}
