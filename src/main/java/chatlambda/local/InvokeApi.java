package chatlambda.local;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import jakarta.json.Json;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import java.util.zip.CRC32;

/**
 * The two ways to invoke a function, of any name: {@code POST /2015-03-31/functions/{name}/invocations}, without a log tail, and
 * {@code POST /2021-11-15/functions/{name}/response-streaming-invocations}, which hands the answer on as it comes. AWS does not document
 * what {@code ErrorDetails} holds: here it is the function error's payload, or the trailer's error.
 *
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html">Invoke</a>
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html">InvokeWithResponseStream</a>
 */
final class InvokeApi implements HttpHandler {

    private final Invoker function;

    InvokeApi(Invoker function) {
        this.function = function;
    }

    @Override
    public void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            byte[] event = exchange.getRequestBody().readAllBytes();
            String path = exchange.getRequestURI().getPath();
            boolean streams = path.endsWith("/response-streaming-invocations");
            if (!streams && !path.endsWith("/invocations") || !exchange.getRequestMethod().equals("POST")) {
                exchange.sendResponseHeaders(404, -1);
                return;
            }
            String type = exchange.getRequestHeaders().getFirst("X-Amz-Invocation-Type");
            if ("DryRun".equals(type)) {
                exchange.sendResponseHeaders(204, -1);
                return;
            }
            exchange.getResponseHeaders().set("X-Amz-Executed-Version", "$LATEST");
            if (streams) {
                stream(exchange, event);
            } else {
                invoke(exchange, event, "Event".equals(type));
            }
        }
    }

    private void invoke(HttpExchange exchange, byte[] event, boolean asynchronous) throws IOException {
        Outcome outcome = function.invoke(UUID.randomUUID().toString(), event, Caller.NONE);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        if (outcome.functionError()) {
            exchange.getResponseHeaders().set("X-Amz-Function-Error", "Unhandled");
        }
        int status = asynchronous ? 202 : 200;
        byte[] payload = asynchronous ? new byte[0] : outcome.payload();
        exchange.sendResponseHeaders(status, payload.length == 0 ? -1 : payload.length);
        exchange.getResponseBody().write(payload);
    }

    private void stream(HttpExchange exchange, byte[] event) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "application/vnd.amazon.eventstream");
        exchange.sendResponseHeaders(200, 0);
        OutputStream out = exchange.getResponseBody();
        Outcome outcome = function.invoke(UUID.randomUUID().toString(), event,
                chunk -> message(out, "PayloadChunk", "application/octet-stream", chunk));
        String error = outcome.functionError() ? outcome.text() : outcome.trailer();
        var complete = Json.createObjectBuilder();
        if (error != null) {
            complete.add("ErrorCode", "Unhandled").add("ErrorDetails", error);
        }
        message(out, "InvokeComplete", "application/json", complete.build().toString().getBytes(StandardCharsets.UTF_8));
    }

    /** One message of {@code application/vnd.amazon.eventstream}: lengths, their checksum, headers, payload, and the checksum of it all. */
    private static void message(OutputStream out, String type, String contentType, byte[] payload) throws IOException {
        var headers = new ByteArrayOutputStream();
        header(headers, ":message-type", "event");
        header(headers, ":event-type", type);
        header(headers, ":content-type", contentType);
        var bytes = new ByteArrayOutputStream();
        var message = new DataOutputStream(bytes);
        message.writeInt(4 + 4 + 4 + headers.size() + payload.length + 4);
        message.writeInt(headers.size());
        message.writeInt(checksum(bytes.toByteArray()));
        headers.writeTo(message);
        message.write(payload);
        message.writeInt(checksum(bytes.toByteArray()));
        bytes.writeTo(out);
        out.flush();
    }

    private static void header(OutputStream out, String name, String value) throws IOException {
        var header = new DataOutputStream(out);
        header.writeByte(name.length());
        header.writeBytes(name);
        header.writeByte(7); // the type of a string
        header.writeUTF(value);
    }

    private static int checksum(byte[] bytes) {
        var crc = new CRC32();
        crc.update(bytes);
        return (int) crc.getValue();
    }
}
