package chatlambda.local;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import jakarta.json.Json;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import java.util.concurrent.Executor;
import java.util.zip.CRC32;

/**
 * {@code POST /2015-03-31/functions/{name}/invocations}: any name, no log tail, and an {@code Event} is tried once; and
 * {@code POST /2021-11-15/functions/{name}/response-streaming-invocations}, which passes the answer on as it arrives. What
 * {@code ErrorDetails} holds is not documented by AWS; here it is the function error's payload, or the trailer.
 *
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html">Invoke</a>
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html">InvokeWithResponseStream</a>
 */
final class InvokeApi implements HttpHandler {

    private final Invoker function;
    private final Executor background;

    /** @param background works on the events whose callers do not wait */
    InvokeApi(Invoker function, Executor background) {
        this.function = function;
        this.background = background;
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
            } else if ("Event".equals(type)) {
                background.execute(() -> function.invoke(UUID.randomUUID().toString(), event, Caller.NONE));
                exchange.sendResponseHeaders(202, -1);
            } else {
                invoke(exchange, event);
            }
        }
    }

    private void invoke(HttpExchange exchange, byte[] event) throws IOException {
        Outcome outcome = function.invoke(UUID.randomUUID().toString(), event, Caller.NONE);
        if (outcome.functionError()) {
            exchange.getResponseHeaders().set("X-Amz-Function-Error", "Unhandled");
        }
        LocalLambda.send(exchange, 200, "application/json", outcome.payload());
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

    /** In {@code application/vnd.amazon.eventstream}: both lengths and their checksum, headers, payload, and the checksum of all. */
    private static void message(OutputStream out, String type, String contentType, byte[] payload) throws IOException {
        byte[] headers = (header(":message-type", "event") + header(":event-type", type) + header(":content-type", contentType))
                .getBytes(StandardCharsets.ISO_8859_1);
        var message = ByteBuffer.allocate(4 + 4 + 4 + headers.length + payload.length + 4);
        message.putInt(message.capacity()).putInt(headers.length);
        message.putInt(checksum(message)).put(headers).put(payload);
        message.putInt(checksum(message));
        out.write(message.array());
        out.flush();
    }

    /** Both texts after their lengths; 7 is the type of a string, whose length has two bytes. */
    private static String header(String name, String value) {
        return (char) name.length() + name + "\7\0" + (char) value.length() + value;
    }

    /** Of all that has been written. */
    private static int checksum(ByteBuffer message) {
        var crc = new CRC32();
        crc.update(message.array(), 0, message.position());
        return (int) crc.getValue();
    }
}
