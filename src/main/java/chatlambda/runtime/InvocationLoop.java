package chatlambda.runtime;

import chatlambda.runtime.Turn.Delivery;
import java.io.IOException;
import java.time.Duration;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jboss.logging.Logger;

/** Event in, outcome out, until the Runtime API goes away. For one thread. */
public final class InvocationLoop {

    private static final Logger LOG = Logger.getLogger(InvocationLoop.class);

    /** How often, while a stream is silent, the loop looks whether its caller is still there. */
    private static final Duration LOOK = Duration.ofMillis(50);
    private static final int FRAMES = 10;

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

    /** @throws IOException the Runtime API is broken: the process should end */
    public void run() throws IOException {
        while (true) {
            turn(api.next());
        }
    }

    private void turn(Invocation invocation) throws IOException {
        Turn turn = function.begin(invocation);
        Delivery delivery = Delivery.LOST;
        try {
            delivery = deliver(turn, invocation.endingBy(turn.end()), invocation);
        } catch (TimedSocket.Stalled e) {
            delivery = Delivery.STALLED;
            LOG.errorf("the outcome of invocation %s is lost: %s", invocation.requestId(), RuntimeApi.why(e));
        } finally {
            try {
                turn.close(delivery);
            } catch (RuntimeException e) {
                LOG.errorf("after invocation %s: %s at %s", invocation.requestId(), e.getClass().getName(), stackTop(e));
            }
        }
    }

    /** @param bounded the same invocation, whose outcome must be taken earlier than by its deadline */
    private Delivery deliver(Turn turn, Invocation bounded, Invocation invocation) throws IOException {
        Response response;
        try {
            response = turn.respond();
        } catch (FunctionError e) {
            api.fail(bounded, e.type(), e.getMessage());
            return Delivery.HANDED_OVER;
        } catch (RuntimeException | Error e) {
            // Where it happened, never what it was about: an exception's message may hold a part of the request.
            LOG.errorf("invocation %s failed: %s at %s", invocation.requestId(), e.getClass().getName(), stackTop(e));
            api.fail(bounded, "Chat.Internal", "internal error, see the log of invocation " + invocation.requestId());
            return Delivery.HANDED_OVER;
        }
        if (response instanceof Response.Streamed streamed) {
            return stream(streamed, bounded, invocation);
        }
        var whole = (Response.Whole) response;
        api.respond(bounded, whole.contentType(), whole.document());
        return Delivery.HANDED_OVER;
    }

    private Delivery stream(Response.Streamed response, Invocation bounded, Invocation invocation) throws IOException {
        try (var chunks = response.chunks(); var out = api.stream(bounded, response.contentType())) {
            try {
                for (byte[] chunk; (chunk = chunks.next(LOOK)) != null;) {
                    if (chunk.length == 0) {
                        out.requireOpen();
                    } else {
                        out.write(chunk);
                    }
                }
                out.end();
            } catch (FunctionError e) {
                out.endBy(invocation.deadline()); // the time that was kept back is for this
                out.write(e.last());
                out.end(e.type(), e.getMessage());
            }
            return Delivery.HANDED_OVER;
        } catch (ResponseStream.Broken | TimedSocket.Stalled e) {
            throw e;
        } catch (IOException e) {
            LOG.errorf("the streamed answer to invocation %s is lost: %s", invocation.requestId(), RuntimeApi.why(e));
        } catch (RuntimeException | Error e) { // the connection closes without a last chunk, which is how the caller can tell
            LOG.errorf("invocation %s failed while it streamed: %s at %s", invocation.requestId(), e.getClass().getName(), stackTop(e));
        }
        return Delivery.LOST;
    }

    private static String stackTop(Throwable e) {
        return Stream.of(e.getStackTrace()).limit(FRAMES).map(StackTraceElement::toString).collect(Collectors.joining(" < "));
    }
}
