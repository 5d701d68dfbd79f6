package chatlambda.local;

import jakarta.json.Json;
import jakarta.json.JsonObject;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedDeque;

/** Invokes the function for the page, and keeps the last few invocations, byte for byte as they went over the Runtime API. */
final class Exchanges implements Invoker {

    private static final int MAX_KEPT = 8;
    /** How many bytes are kept of an event, and of an answer. */
    private static final int MAX_BYTES = 1024 * 1024;

    private final Invoker function;
    private final Deque<Exchange> newestFirst = new ConcurrentLinkedDeque<>();

    Exchanges(Invoker function) {
        this.function = function;
    }

    @Override
    public Outcome invoke(String requestId, byte[] event, Caller caller) {
        var exchange = new Exchange(requestId, event, caller);
        newestFirst.addFirst(exchange);
        if (newestFirst.size() > MAX_KEPT) {
            newestFirst.pollLast();
        }
        Outcome outcome = function.invoke(requestId, event, exchange);
        exchange.end(outcome);
        return outcome;
    }

    /** What was kept of an invocation; null: nothing is, or no longer. */
    JsonObject json(String requestId) {
        return newestFirst.stream().filter(exchange -> exchange.requestId.equals(requestId)).findFirst().map(Exchange::json).orElse(null);
    }

    /** The request id of the newest invocation that has not ended; null: there is none. */
    String newestUnanswered() {
        return newestFirst.stream().filter(exchange -> !exchange.ended()).findFirst().map(exchange -> exchange.requestId).orElse(null);
    }

    private static final class Exchange implements Caller {

        private final String requestId;
        private final byte[] event;
        private final int eventLength;
        private final Caller caller;
        private final List<byte[]> chunks = new ArrayList<>();
        private int kept;
        private long answered;
        private boolean ended;
        private String functionError;
        private String trailer;

        Exchange(String requestId, byte[] event, Caller caller) {
            this.requestId = requestId;
            this.event = event.length > MAX_BYTES ? Arrays.copyOf(event, MAX_BYTES) : event;
            this.eventLength = event.length;
            this.caller = caller;
        }

        @Override
        public void begin(String contentType) throws IOException {
            caller.begin(contentType);
        }

        @Override
        public void chunk(byte[] chunk) throws IOException {
            keep(chunk);
            caller.chunk(chunk);
        }

        private synchronized void keep(byte[] chunk) {
            answered += chunk.length;
            if (kept < MAX_BYTES) {
                byte[] fits = chunk.length > MAX_BYTES - kept ? Arrays.copyOf(chunk, MAX_BYTES - kept) : chunk;
                chunks.add(fits);
                kept += fits.length;
            }
        }

        synchronized void end(Outcome outcome) {
            ended = true;
            functionError = outcome.functionError() ? outcome.text() : null;
            trailer = outcome.trailer();
        }

        synchronized boolean ended() {
            return ended;
        }

        synchronized JsonObject json() {
            var sent = Json.createArrayBuilder();
            chunks.forEach(chunk -> sent.add(base64(chunk)));
            var json = Json.createObjectBuilder().add("event", base64(event)).add("eventBytes", eventLength).add("chunks", sent)
                    .add("answerBytes", answered);
            if (functionError != null) {
                json.add("functionError", functionError);
            }
            if (trailer != null) {
                json.add("trailer", trailer);
            }
            return json.build();
        }

        private static String base64(byte[] bytes) {
            return Base64.getEncoder().encodeToString(bytes);
        }
    }
}
