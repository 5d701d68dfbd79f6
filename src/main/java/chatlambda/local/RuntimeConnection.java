package chatlambda.local;

import chatlambda.http.HttpReader;
import jakarta.json.Json;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.jboss.logging.Logger;

/** One connection of the function to the Runtime API; answers its requests one after the other, on one thread. */
record RuntimeConnection(LocalRuntimeApi api, Socket socket, HttpReader reader) {

    private static final Logger LOG = Logger.getLogger(RuntimeConnection.class);

    /** 6 MB and 100 bytes, as in the Runtime Interface Emulator. */
    private static final int RESPONSE_LIMIT = 6_291_556;

    /** Returns when the function has closed the connection. */
    void serve() throws IOException {
        for (HttpReader.Head head; (head = reader.head()) != null;) {
            String path = head.startLine().split(" ")[1].replace("/2018-06-01/runtime/", "");
            if (path.equals("invocation/next")) {
                next();
            } else if (path.equals("init/error")) {
                var error = Json.createReader(new ByteArrayInputStream(reader.body(head))).readObject();
                api.initError.complete(error.getString("errorType") + ": " + error.getString("errorMessage"));
                respond(202, "{\"status\":\"OK\"}");
            } else {
                post(head, path);
            }
        }
    }

    private void next() throws IOException {
        Pending pending = api.take(this);
        byte[] head = ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                + "Lambda-Runtime-Aws-Request-Id: " + pending.requestId + "\r\n"
                + "Lambda-Runtime-Invocation-Id: " + pending.invocationId + "\r\n"
                + "Lambda-Runtime-Deadline-Ms: " + pending.deadline + "\r\n"
                + "Lambda-Runtime-Trace-Id: Root=1-00000000-" + pending.requestId.replace("-", "").substring(0, 24) + ";Sampled=0\r\n"
                + "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:local:000000000000:function:chat\r\n"
                + "Content-Length: " + pending.event.length + "\r\n\r\n").getBytes(StandardCharsets.ISO_8859_1);
        var message = new ByteArrayOutputStream(head.length + pending.event.length);
        message.write(head);
        message.write(pending.event);
        message.writeTo(socket.getOutputStream());
    }

    /** @throws IOException the function has closed the connection while it waited for an event, or sent something */
    void requireOpen() throws IOException {
        socket.setSoTimeout(1);
        try {
            boolean closed = socket.getInputStream().read() < 0;
            throw new IOException(closed ? "closed while it waited" : "a second request before the answer to /next");
        } catch (SocketTimeoutException e) {
            socket.setSoTimeout(0);
        }
    }

    /** {@code invocation/{id}/response} or {@code /error}. */
    private void post(HttpReader.Head head, String path) throws IOException {
        String[] parts = path.split("/");
        Pending pending = parts.length == 3 ? api.running.get(parts[1]) : null;
        String echoed = head.field("lambda-runtime-invocation-id");
        if (pending == null || echoed != null && !echoed.equals(pending.invocationId)) {
            reader.body(head);
            respond(400, "{\"errorType\":\"InvalidRequestID\",\"errorMessage\":\"no such invocation\"}");
            return;
        }
        try {
            if (parts[2].equals("error")) {
                complete(pending, new Outcome(reader.body(head), true, "application/json", false, null));
            } else if ("streaming".equalsIgnoreCase(head.field("lambda-runtime-function-response-mode"))) {
                pending.streamsOn(socket);
                complete(pending, streamed(head, pending));
            } else {
                whole(head, pending);
            }
        } catch (IOException | RuntimeException e) {
            pending.outcome.complete(Outcome.error("Runtime.TruncatedResponse", "the answer broke off: " + e));
            throw e;
        } finally {
            api.running.remove(pending.requestId);
        }
    }

    private void whole(HttpReader.Head head, Pending pending) throws IOException {
        byte[] body = reader.body(head);
        if (body.length > RESPONSE_LIMIT) {
            pending.outcome.complete(Outcome.error("Function.ResponseSizeTooLarge", "Response payload size (" + body.length
                    + " bytes) exceeded maximum allowed payload size (" + RESPONSE_LIMIT + " bytes)."));
            respond(413, "{\"errorType\":\"RequestEntityTooLarge\",\"errorMessage\":\"Exceeded maximum allowed payload size\"}");
            return;
        }
        String contentType = head.field("content-type");
        try {
            pending.begin(contentType);
            pending.chunk(body);
        } catch (IOException e) { // its caller has hung up: it is answered with 410
            LOG.debug(e);
        }
        complete(pending, new Outcome(body, false, contentType, false, null));
    }

    private Outcome streamed(HttpReader.Head head, Pending pending) throws IOException {
        String contentType = head.field("content-type");
        pending.begin(contentType);
        var kept = new ByteArrayOutputStream(); // for buffered callers, who cannot take more than the limit
        boolean fits = true;
        for (byte[] chunk; (chunk = reader.chunk()) != null;) {
            pending.chunk(chunk);
            fits &= kept.size() + chunk.length <= RESPONSE_LIMIT;
            if (fits) {
                kept.write(chunk);
            }
        }
        var trailers = reader.fields();
        String error = trailers.get("lambda-runtime-function-error-type");
        if (error != null) {
            String body = trailers.getOrDefault("lambda-runtime-function-error-body", "");
            error += ": " + new String(Base64.getDecoder().decode(body), StandardCharsets.UTF_8);
            LOG.warnf("the streamed answer ended with an error trailer, %s", error);
        }
        return new Outcome(kept.toByteArray(), false, contentType, true, error);
    }

    private void complete(Pending pending, Outcome outcome) throws IOException {
        if (pending.outcome.complete(outcome)) {
            respond(202, "{\"status\":\"OK\"}");
        } else {
            respond(410, "{\"errorType\":\"ErrorRuntimeInvokeTimeout\",\"errorMessage\":\"too late\"}");
        }
    }

    private void respond(int status, String body) throws IOException {
        socket.getOutputStream().write(("HTTP/1.1 " + status + " \r\nContent-Type: application/json\r\nContent-Length: "
                + body.length() + "\r\n\r\n" + body).getBytes(StandardCharsets.ISO_8859_1));
    }
}
