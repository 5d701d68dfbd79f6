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

/** Invokes the function, and keeps events and answers of the last few invocations as the bytes that the Runtime API carried. */
final class RecentInvocations implements Invoker {

    private static final int KEPT = 8;
    private static final Base64.Encoder BASE64 = Base64.getEncoder();
    /** Bytes kept of an event, and of an answer. */
    private static final int LIMIT = 1024 * 1024;

    private final Invoker function;
    private final Deque<Recording> newestFirst = new ConcurrentLinkedDeque<>();

    RecentInvocations(Invoker function) {
        this.function = function;
    }

    @Override
    public Outcome invoke(String requestId, byte[] event, Caller caller) {
        var recording = new Recording(requestId, event, caller);
        newestFirst.addFirst(recording);
        if (newestFirst.size() > KEPT) {
            newestFirst.pollLast();
        }
        Outcome outcome = function.invoke(requestId, event, recording);
        recording.end(outcome);
        return outcome;
    }

    /** @return null when there is none of this id, or it is no longer kept */
    JsonObject json(String requestId) {
        return newestFirst.stream().filter(recording -> recording.requestId.equals(requestId)).findFirst().map(Recording::json)
                .orElse(null);
    }

    private static final class Recording implements Caller {

        private final String requestId;
        private final byte[] event;
        private final int eventLength;
        private final Caller caller;
        private final List<byte[]> chunks = new ArrayList<>();
        private int kept;
        private long answered;
        private Outcome outcome;

        Recording(String requestId, byte[] event, Caller caller) {
            this.requestId = requestId;
            this.event = Arrays.copyOf(event, Math.min(event.length, LIMIT));
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
                byte[] fits = Arrays.copyOf(chunk, Math.min(chunk.length, LIMIT - kept));
                chunks.add(fits);
                kept += fits.length;
            }
        }

        synchronized void end(Outcome outcome) {
            this.outcome = outcome;
        }

        synchronized boolean ended() {
            return outcome != null;
        }

        synchronized JsonObject json() {
            var sent = Json.createArrayBuilder();
            chunks.forEach(chunk -> sent.add(BASE64.encodeToString(chunk)));
            var json = Json.createObjectBuilder().add("event", BASE64.encodeToString(event)).add("eventBytes", eventLength)
                    .add("chunks", sent).add("answerBytes", answered);
            if (ended() && outcome.functionError()) {
                json.add("functionError", outcome.text());
            }
            if (ended() && outcome.trailer() != null) {
                json.add("trailer", outcome.trailer());
            }
            return json.build();
        }
    }
}
