package chatlambda.runtime;

import org.jboss.logging.Logger;

import java.io.Closeable;
import java.io.IOException;
import java.time.Instant;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Event in, outcome out, until the Runtime API goes away. */
public final class InvocationLoop {

    private static final Logger LOG = Logger.getLogger(InvocationLoop.class);

    /** What is done with each event. */
    public interface Function {

        Response handle(Invocation invocation) throws FunctionError;

        /** When the outcome should have been taken, so that there is time left to tell of it where it was not. */
        default Instant end(Invocation invocation) {
            return invocation.deadline();
        }

        /** The Runtime API did not take the whole outcome by then; {@link #done} follows. */
        default void stalled(Invocation invocation) {
        }

        /** The outcome has been handed over, or could not be: time for what nobody should wait for. */
        default void done(Invocation invocation) {
        }
    }

    /** What becomes of an invocation that does not fail. */
    public sealed interface Response {

        /** One document, at most 6 MB: Lambda's limit for a buffered response. */
        record Whole(String contentType, byte[] document) implements Response {
        }

        /**
         * Bytes as they come, at most 200 MB.
         *
         * @param source what they come from, to be closed whatever happens, or null
         */
        record Streamed(String contentType, Body body, Closeable source) implements Response {
        }
    }

    /** Writes a streamed response to its end; what it throws ends the invocation, not the process. */
    public interface Body {
        void writeTo(ResponseStream out) throws IOException;
    }

    /** An invocation that ends as a function error; what the caller gets to see of it. */
    public static final class FunctionError extends Exception {

        private static final long serialVersionUID = 1;

        private final String type;

        public FunctionError(String type, String message) {
            super(message, null, false, false);
            this.type = type;
        }
    }

    private static final int FRAMES = 10;

    private final RuntimeApi api;
    private final Function function;

    public InvocationLoop(RuntimeApi api, Function function) {
        this.api = api;
        this.function = function;
    }

    /** @throws IOException the Runtime API is broken: the process should end */
    public void run() throws IOException {
        while (true) {
            turn();
        }
    }

    /** One event, one outcome. */
    public void turn() throws IOException {
        turn(api.next());
    }

    private void turn(Invocation invocation) throws IOException {
        try {
            answer(invocation);
        } catch (TimedSocket.Stalled e) {
            function.stalled(invocation);
            LOG.errorf("the outcome of invocation %s is lost: %s", invocation.requestId(), RuntimeApi.why(e));
        } finally {
            try {
                function.done(invocation);
            } catch (RuntimeException e) {
                LOG.errorf("after invocation %s: %s at %s", invocation.requestId(), e.getClass().getName(), place(e));
            }
        }
    }

    private void answer(Invocation invocation) throws IOException {
        Instant end = function.end(invocation);
        Response response;
        try {
            response = function.handle(invocation);
        } catch (FunctionError e) {
            api.fail(invocation.endingBy(end), e.type, e.getMessage());
            return;
        } catch (RuntimeException | Error e) {
            // Where it happened, never what it was about: an exception's message may hold a part of the request.
            LOG.errorf("invocation %s failed: %s at %s", invocation.requestId(), e.getClass().getName(), place(e));
            api.fail(invocation.endingBy(end), "Chat.Internal", "internal error, see the log of invocation " + invocation.requestId());
            return;
        }
        if (response instanceof Response.Streamed streamed) {
            stream(invocation.endingBy(end), streamed);
        } else {
            var whole = (Response.Whole) response;
            api.respond(invocation.endingBy(end), whole.contentType(), whole.document());
        }
    }

    @SuppressWarnings("try") // the source is only to be closed here
    private void stream(Invocation invocation, Response.Streamed response) throws ResponseStream.Broken, TimedSocket.Stalled {
        try (Closeable source = response.source(); var out = api.stream(invocation, response.contentType())) {
            response.body().writeTo(out);
            out.end();
        } catch (ResponseStream.Broken | TimedSocket.Stalled e) {
            throw e;
        } catch (IOException e) {
            LOG.errorf("the streamed answer to invocation %s is lost: %s", invocation.requestId(), RuntimeApi.why(e));
        } catch (RuntimeException | Error e) { // the connection closes without a last chunk, which is how the caller can tell
            LOG.errorf("invocation %s failed while it streamed: %s at %s", invocation.requestId(), e.getClass().getName(), place(e));
        }
    }

    private static String place(Throwable e) {
        return Stream.of(e.getStackTrace()).limit(FRAMES).map(StackTraceElement::toString).collect(Collectors.joining(" < "));
    }
}
