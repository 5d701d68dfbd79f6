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

/** The function as the page sees it: the last few invocations are kept, byte for byte as they went over the Runtime API. */
final class Exchanges implements Invoker {

    private static final int KEPT = 8;
    /** Of an event, and of an answer. */
    private static final int LIMIT = 1024 * 1024;

    private final Invoker function;
    private final Deque<Exchange> newestFirst = new ConcurrentLinkedDeque<>();

    Exchanges(Invoker function) {
        this.function = function;
    }

    @Override
    public Outcome invoke(String requestId, byte[] event, Caller caller) {
        var exchange = new Exchange(requestId, event, caller);
        newestFirst.addFirst(exchange);
        if (newestFirst.size() > KEPT) {
            newestFirst.pollLast();
        }
        Outcome outcome = function.invoke(requestId, event, exchange);
        exchange.end(outcome);
        return outcome;
    }

    /** @return null when there is none, or no longer */
    JsonObject json(String requestId) {
        return newestFirst.stream().filter(exchange -> exchange.requestId.equals(requestId)).findFirst().map(Exchange::json).orElse(null);
    }

    /** @return null when there is none */
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
            this.event = event.length > LIMIT ? Arrays.copyOf(event, LIMIT) : event;
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
            if (kept < LIMIT) {
                byte[] fits = chunk.length > LIMIT - kept ? Arrays.copyOf(chunk, LIMIT - kept) : chunk;
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
