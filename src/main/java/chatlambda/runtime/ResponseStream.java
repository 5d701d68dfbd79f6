package chatlambda.runtime;

import chatlambda.http.HttpReader;
import java.io.ByteArrayInputStream;
import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import org.jboss.logging.Logger;

/**
 * A streamed response: chunked, each write one chunk and one system call, its end or its failure told in trailers. The JDK's and
 * Vert.x's clients cannot send request trailers (eclipse-vertx/vert.x#5253), hence a socket.
 *
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming">Implementing
 *      response streaming in a custom runtime</a>
 */
final class ResponseStream implements Closeable {

    private static final Logger LOG = Logger.getLogger(ResponseStream.class);

    private static final String ERROR_BODY = "Lambda-Runtime-Function-Error-Body: ";
    private static final byte[] NOTHING = {};

    private final TimedSocket socket;
    private final Instant deadline;
    private byte[] head;
    private boolean acknowledged;

    /**
     * @param deadline the invocation's
     * @param request request line and header fields of the post, but for what makes it a streamed one
     */
    ResponseStream(TimedSocket socket, Instant deadline, String request) {
        this.socket = socket;
        this.deadline = deadline;
        this.head = (request + "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"
                + "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n")
                .getBytes(StandardCharsets.ISO_8859_1);
    }

    /**
     * All of a response, each chunk as it comes, and its end.
     *
     * @param look how often, while there are no chunks, is looked whether anybody still reads
     * @throws TimedSocket.Stalled the Runtime API has stopped taking bytes
     */
    void writeAll(Response.Chunks chunks, Duration look) throws IOException {
        try {
            for (byte[] chunk; (chunk = chunks.next(look)) != null;) {
                if (chunk.length == 0) {
                    requireOpen();
                } else {
                    write(chunk);
                }
            }
            end();
        } catch (FunctionError e) {
            socket.endBy(deadline); // the time that was kept back is for this
            write(e.last());
            end(e.type(), e.getMessage());
        }
    }

    /** Sends these bytes as one chunk; returns when the system has taken them. */
    void write(byte[] bytes) throws IOException {
        if (bytes.length > 0) { // an empty chunk would be the last one
            send(Integer.toHexString(bytes.length) + "\r\n", bytes, "\r\n");
        }
    }

    /** @throws IOException nobody reads any more, as far as that can be noticed without writing */
    void requireOpen() throws IOException {
        if (acknowledged) {
            return;
        }
        byte[] first = new byte[1];
        int read = socket.readNow(first, 0, 1);
        if (read == 0) {
            return; // still there, and silent as it should be before the end
        }
        if (read < 0) {
            throw new EOFException("the connection was closed");
        }
        acknowledge(new SequenceInputStream(new ByteArrayInputStream(first), socket.in()));
    }

    /** @throws Broken a 5xx: "Runtime should exit promptly" */
    private void acknowledge(InputStream in) throws IOException {
        acknowledged = true;
        socket.endBy(RuntimeApi.soon(deadline));
        try {
            var answer = new HttpReader(in).head();
            if (answer != null && answer.status() >= 500) {
                throw new Broken("the Runtime API answered a streamed answer with " + answer.status());
            }
            if (answer != null && answer.status() >= 300) {
                throw new IOException("the Runtime API refused it with " + answer.status());
            }
        } catch (SocketTimeoutException e) {
            LOG.debug("the Runtime API did not acknowledge a streamed answer");
        }
    }

    /** The Runtime API is in no state to go on. */
    static final class Broken extends IOException {

        private static final long serialVersionUID = 1;

        Broken(String message) {
            super(message);
        }
    }

    /** The regular end, acknowledged; nothing may be written after it. */
    void end() throws IOException {
        end("");
    }

    /**
     * The end of a response that broke off: Lambda counts the invocation as a success, but passes the error on.
     *
     * @param errorType {@code Category.Reason}
     */
    void end(String errorType, String message) throws IOException {
        end(RuntimeApi.ERROR_TYPE + errorType + "\r\n" + ERROR_BODY
                + Base64.getEncoder().encodeToString(RuntimeApi.error(errorType, message)) + "\r\n");
    }

    private void end(String trailers) throws IOException {
        send("0\r\n" + trailers + "\r\n", NOTHING, "");
        if (!acknowledged) {
            acknowledge(socket.in());
        }
    }

    private void send(String before, byte[] bytes, String after) throws IOException {
        byte[] message = new byte[head.length + before.length() + bytes.length + after.length()];
        System.arraycopy(head, 0, message, 0, head.length);
        int at = put(before, message, head.length);
        System.arraycopy(bytes, 0, message, at, bytes.length);
        put(after, message, at + bytes.length);
        head = NOTHING;
        socket.write(message);
    }

    private static int put(String ascii, byte[] message, int at) {
        for (int i = 0; i < ascii.length(); i++) {
            message[at++] = (byte) ascii.charAt(i);
        }
        return at;
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
