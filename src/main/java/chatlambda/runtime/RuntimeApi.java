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
import org.jboss.logging.Logger;

/**
 * The Lambda Runtime API on one plain keep-alive socket.
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
    /** How long an outcome may take to be handed over that comes at the deadline, or later. */
    private static final Duration LATE = Duration.ofSeconds(1);

    private final String address;
    private TimedSocket socket;
    private HttpReader reader;

    /** @param address host and port, as in {@code AWS_LAMBDA_RUNTIME_API} */
    public RuntimeApi(String address) {
        this.address = address;
    }

    /** Waits for the next event, for ever: the process may be frozen meanwhile. */
    Invocation next() throws IOException {
        Exchange next = exchange("GET", "invocation/next", "", NO_BODY, Instant.MAX);
        long arrived = System.nanoTime();
        if (next.status != 200) {
            throw new IOException("the Runtime API answered /next with " + next.status);
        }
        String requestId = required(next, REQUEST_ID);
        String deadline = required(next, DEADLINE);
        try {
            return new Invocation(requestId, next.head.field(lower(INVOCATION_ID)), next.head.field(lower(TRACE_ID)),
                    Instant.ofEpochMilli(Long.parseLong(deadline)), arrived, next.body);
        } catch (NumberFormatException e) {
            throw new IOException("the Runtime API sent " + DEADLINE + ": " + deadline);
        }
    }

    /**
     * Hands back a whole answer, at most 6 MB.
     *
     * @throws TimedSocket.Stalled it was not taken by the deadline
     */
    void respond(Invocation invocation, String contentType, byte[] answer) throws IOException {
        post("invocation/" + invocation.requestId() + "/response", echo(invocation) + "Content-Type: " + contentType + "\r\n", answer,
                end(invocation));
    }

    /** Hands back an answer as it comes, on a connection of its own, which must be closed after it. */
    ResponseStream stream(Invocation invocation, String contentType) throws IOException {
        return new ResponseStream(open(end(invocation)),
                "POST " + PATH + "invocation/" + invocation.requestId() + "/response HTTP/1.1\r\nHost: "
                + address + "\r\nUser-Agent: chat-lambda\r\n" + echo(invocation) + "Content-Type: " + contentType + "\r\n");
    }

    /**
     * Ends the invocation as a function error; {@code type} is {@code Category.Reason}.
     *
     * @throws TimedSocket.Stalled it was not taken by the deadline
     */
    void fail(Invocation invocation, String type, String message) throws IOException {
        post("invocation/" + invocation.requestId() + "/error",
                echo(invocation) + "Content-Type: application/json\r\n" + ERROR_TYPE + type + "\r\n", error(type, message),
                end(invocation));
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

    private static Instant end(Invocation invocation) {
        Instant late = Instant.now().plus(LATE);
        return invocation.deadline().isAfter(late) ? invocation.deadline() : late;
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
        byte[] content;
        try {
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
