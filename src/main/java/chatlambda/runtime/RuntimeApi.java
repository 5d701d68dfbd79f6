package chatlambda.runtime;

import chatlambda.http.HttpReader;
import chatlambda.json.JsonOut;
import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jboss.logging.Logger;

/**
 * The Lambda Runtime API on one plain keep-alive socket, for one thread; another one may {@link #stop} it.
 *
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html">Using the Lambda runtime API for custom runtimes</a>
 */
public final class RuntimeApi implements Closeable {

    private static final Logger LOG = Logger.getLogger(RuntimeApi.class);

    private static final String PATH = "/2018-06-01/runtime/";
    static final String ERROR_TYPE = "Lambda-Runtime-Function-Error-Type: ";
    private static final String INVOCATION_ID = "Lambda-Runtime-Invocation-Id";
    private static final String REQUEST_ID = "Lambda-Runtime-Aws-Request-Id";
    private static final String DEADLINE = "Lambda-Runtime-Deadline-Ms";
    private static final String TRACE_ID = "Lambda-Runtime-Trace-Id";

    private static final byte[] NO_BODY = {};
    private static final int ONE_WRITE = 64 * 1024;
    private static final int FRAMES = 10;
    /** How long an outcome may take to be handed over although its turn should have ended, if the deadline leaves that time. */
    private static final Duration HANDOVER = Duration.ofSeconds(1);
    /** The same at the deadline, or later. */
    private static final Duration LATE = Duration.ofMillis(200);
    /** How long an event may take to arrive once its head is here, whatever its deadline, which is by another clock. */
    private static final Duration EVENT = Duration.ofSeconds(5);

    private enum State {
        /** There is an invocation, or is yet to be asked for one. */
        BUSY,
        /** An event is waited for. */
        POLLING,
        STOPPED
    }

    private final String address;
    private final AtomicReference<State> state = new AtomicReference<>(State.BUSY);
    private volatile TimedSocket socket;
    private HttpReader reader;
    /** Whether what goes on is a poll. */
    private boolean polling;

    /** @param address host and port, as in {@code AWS_LAMBDA_RUNTIME_API} */
    public RuntimeApi(String address) {
        this.address = address;
    }

    /**
     * Waits for the next event, for ever: the process may be frozen meanwhile. Once its head is here, the rest of it must be so by its
     * deadline, or within 5 s.
     *
     * @return null: {@link #stop} was called
     */
    Invocation next() throws IOException {
        if (!state.compareAndSet(State.BUSY, State.POLLING)) {
            return null;
        }
        polling = true;
        try {
            return poll();
        } catch (IOException e) {
            if (state.get() == State.STOPPED) {
                return null;
            }
            throw e;
        } finally {
            polling = false;
        }
    }

    /**
     * Ends a poll that waits for an event; there will be no other. An event whose head has arrived is still read, and what its invocation
     * posts goes out. Any thread may call.
     */
    void stop() {
        boolean waits = state.getAndSet(State.STOPPED) == State.POLLING;
        TimedSocket open = socket;
        if (waits && open != null) {
            try {
                open.close();
            } catch (IOException e) {
                LOG.debug(e);
            }
        }
    }

    private Invocation poll() throws IOException {
        Exchange next = exchange("GET", "invocation/next", "", NO_BODY, Instant.MAX);
        long arrived = System.nanoTime();
        if (next.status != 200) {
            throw new IOException("the Runtime API answered /next with " + next.status);
        }
        String requestId = required(next, REQUEST_ID);
        Instant deadline = deadline(next.head);
        if (deadline == null) {
            throw new IOException("the Runtime API sent " + DEADLINE + ": " + required(next, DEADLINE));
        }
        return new Invocation(requestId, next.head.field(lower(INVOCATION_ID)), next.head.field(lower(TRACE_ID)), deadline, arrived,
                next.body);
    }

    /** Null: there is none, or what is none. */
    private static Instant deadline(HttpReader.Head head) {
        String millis = head.field(lower(DEADLINE));
        try {
            return millis == null ? null : Instant.ofEpochMilli(Long.parseLong(millis));
        } catch (NumberFormatException e) {
            return null;
        }
    }

    /**
     * Hands back a whole answer, at most 6 MB.
     *
     * @param end when it must have been taken
     * @throws TimedSocket.Stalled it was not
     */
    void respond(Invocation invocation, Instant end, String contentType, byte[] answer) throws IOException {
        post("invocation/" + invocation.requestId() + "/response", echo(invocation) + "Content-Type: " + contentType + "\r\n", answer,
                end(invocation, end));
    }

    /** Hands back an answer as it comes, on a connection of its own, which must be closed after it. */
    ResponseStream stream(Invocation invocation, Instant end, String contentType) throws IOException {
        return new ResponseStream(open(end(invocation, end)), invocation.deadline(),
                "POST " + PATH + "invocation/" + invocation.requestId() + "/response HTTP/1.1\r\nHost: "
                + address + "\r\nUser-Agent: chat-lambda\r\n" + echo(invocation) + "Content-Type: " + contentType + "\r\n");
    }

    /**
     * Ends the invocation as a function error; {@code type} is {@code Category.Reason}.
     *
     * @param end when that must have been taken
     * @throws TimedSocket.Stalled it was not
     */
    void fail(Invocation invocation, Instant end, String type, String message) throws IOException {
        post("invocation/" + invocation.requestId() + "/error",
                echo(invocation) + "Content-Type: application/json\r\n" + ERROR_TYPE + type + "\r\n", error(type, message),
                end(invocation, end));
    }

    /** Tells why the function cannot start; the process should then end. */
    public void failInit(String type, String message) throws IOException {
        post("init/error", "Content-Type: application/json\r\n" + ERROR_TYPE + type + "\r\n", error(type, message), Instant.MAX);
    }

    @Override
    public void close() throws IOException {
        if (socket != null) {
            socket.close();
        }
    }

    static byte[] error(String type, String message) {
        return new JsonOut(256).raw("{\"errorMessage\":").string(message).raw(",\"errorType\":").string(type)
                .raw(",\"stackTrace\":[]}").toBytes();
    }

    /** A late answer to an invocation that timed out must not be taken for the next one's, which may reuse the request id. */
    private static String echo(Invocation invocation) {
        return invocation.invocationId() == null ? "" : INVOCATION_ID + ": " + invocation.invocationId() + "\r\n";
    }

    private static Instant end(Invocation invocation, Instant end) {
        return later(end, soon(invocation.deadline()));
    }

    /** When what is handed over from now on must have been taken: not beyond the deadline, unless that is now, or has passed. */
    static Instant soon(Instant deadline) {
        Instant handover = Instant.now().plus(HANDOVER);
        return later(deadline.isBefore(handover) ? deadline : handover, Instant.now().plus(LATE));
    }

    private static Instant later(Instant a, Instant b) {
        return a.isAfter(b) ? a : b;
    }

    /** 4xx: this one outcome is lost (too large, or too late), the next invocation is not. 5xx: "Runtime should exit promptly". */
    private void post(String path, String fields, byte[] body, Instant end) throws IOException {
        Exchange post;
        try {
            post = exchange("POST", path, fields, body, end);
        } catch (Unanswered e) {
            if (e.getCause() instanceof ConnectException) {
                throw e; // it is gone
            }
            // Refused before it was read, perhaps; whether the Runtime API is gone, the next poll will tell.
            LOG.errorf("the Runtime API did not take %s (%s): this outcome, of %d bytes, is lost", path, e.getMessage(), body.length);
            return;
        }
        if (post.status >= 500) {
            throw new IOException("the Runtime API answered " + path + " with " + post.status);
        }
        if (post.status >= 300) {
            LOG.errorf("the Runtime API refused %s with %d: this outcome, of %d bytes, is lost", path, post.status, body.length);
        }
    }

    private record Exchange(int status, HttpReader.Head head, byte[] body) {
    }

    private Exchange exchange(String method, String path, String fields, byte[] body, Instant end) throws IOException {
        if (socket != null && reader.hasMore()) {
            disconnect(); // bytes that nobody asked for are no answer to what is asked next
        }
        boolean reused = socket != null;
        byte[] head = (method + " " + PATH + path + " HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: chat-lambda\r\n" + fields
                + (method.equals("POST") ? "Content-Length: " + body.length + "\r\n\r\n" : "\r\n"))
                .getBytes(StandardCharsets.ISO_8859_1);
        try {
            return attempt(head, body, end);
        } catch (Unanswered e) {
            // A kept connection may have been closed under us while we were frozen or busy; a new one says whether the peer is gone.
            if (!reused) {
                throw e;
            }
            LOG.debugf("the Runtime API closed the connection before it answered %s: connecting again", path);
            return attempt(head, body, end);
        }
    }

    private Exchange attempt(byte[] head, byte[] body, Instant end) throws IOException {
        HttpReader.Head answer;
        try {
            if (socket == null) {
                socket = open(end);
                reader = new HttpReader(socket.in());
            }
            if (polling && state.get() == State.STOPPED) { // before there was a connection to close
                throw new IOException("stopped");
            }
            write(socket.endBy(end), head, body);
            do {
                answer = reader.head();
            } while (answer != null && answer.isInterim());
        } catch (TimedSocket.Stalled e) {
            disconnect();
            throw e;
        } catch (IOException e) {
            disconnect();
            throw new Unanswered(e);
        }
        if (answer == null) {
            disconnect();
            throw new Unanswered(new EOFException("the connection was closed"));
        }
        state.compareAndSet(State.POLLING, State.BUSY);
        byte[] content;
        try {
            Instant deadline = deadline(answer);
            if (deadline != null) {
                socket.endBy(later(deadline, Instant.now().plus(EVENT)));
            }
            content = reader.body(answer);
        } catch (IOException e) {
            disconnect(); // the rest of it would be taken for the answer to what is asked next
            throw e;
        }
        if (answer.closes()) {
            disconnect();
        }
        return new Exchange(answer.status(), answer, content);
    }

    private static void write(TimedSocket out, byte[] head, byte[] body) throws IOException {
        if (body.length > ONE_WRITE) {
            out.write(head);
            out.write(body);
            return;
        }
        byte[] message = new byte[head.length + body.length];
        System.arraycopy(head, 0, message, 0, head.length);
        System.arraycopy(body, 0, message, head.length, body.length);
        out.write(message);
    }

    private TimedSocket open(Instant end) throws IOException {
        int colon = address.lastIndexOf(':');
        if (colon < 0) {
            throw new IOException("AWS_LAMBDA_RUNTIME_API is \"" + address + "\", not host:port");
        }
        return TimedSocket.connect(new InetSocketAddress(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1))), end);
    }

    private void disconnect() throws IOException {
        close();
        socket = null;
    }

    /** An exception's message, or its name where it has none. */
    static String why(IOException failure) {
        return failure.getMessage() != null ? failure.getMessage() : failure.getClass().getSimpleName();
    }

    /** Which exception, and where it happened; never what it was about: its message may hold a part of the request. */
    static String where(Throwable failure) {
        return failure.getClass().getName() + " at " + Stream.of(failure.getStackTrace()).limit(FRAMES).map(StackTraceElement::toString)
                .collect(Collectors.joining(" < "));
    }

    private static String required(Exchange next, String name) throws IOException {
        String value = next.head.field(lower(name));
        if (value == null) {
            throw new IOException("the Runtime API sent no " + name);
        }
        return value;
    }

    private static String lower(String name) {
        return name.toLowerCase(Locale.ROOT);
    }

    /** The peer closed the connection, or never opened it, before the first byte of an answer. */
    private static final class Unanswered extends IOException {

        private static final long serialVersionUID = 1;

        Unanswered(IOException cause) {
            super(why(cause), cause);
        }
    }
}
