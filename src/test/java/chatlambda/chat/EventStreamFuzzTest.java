package chatlambda.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.code_intelligence.jazzer.junit.FuzzTest;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

class EventStreamFuzzTest {

    private static final String DONE = "data: [DONE]\n\n";
    private static final String BOM = "\u00ef\u00bb\u00bf";
    private static final Pattern LINE = Pattern.compile("([^\\r\\n]*)(\\r\\n|\\r|\\n|\\z)");
    private static final ObjectMapper JSON = new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    /** The whole stream read at once, by another parser, line by line. */
    private static final class Whole {

        private final StringBuilder passed = new StringBuilder();
        private final StringBuilder data = new StringBuilder();
        private final Set<String> open = new HashSet<>();
        private final Set<String> finished = new HashSet<>();
        private String event = "";
        private boolean isErrorType;
        private boolean error;
        private boolean marker;
        /** Of JSON that is broken what stands before the fault counts, and this parser does not tell that. */
        private boolean isBroken;
        private String rest = "";

        Whole(String stream) {
            boolean fields = false;
            int at = 0;
            for (Matcher line = LINE.matcher(stream); !marker && at < stream.length() && line.find();) {
                at = line.end();
                String content = line.start() == 0 ? withoutBom(line.group(1)) : line.group(1);
                event += line.group();
                boolean ended = !line.group(2).isEmpty();
                if (content.isEmpty() && ended) {
                    end();
                    fields = false;
                } else if (!fields && content.startsWith(":")) {
                    passed.append(ended ? event : "");
                    event = "";
                } else if (!content.isEmpty()) {
                    fields = true;
                    read(line.group(1).startsWith(BOM) && line.start() == 0 ? content : line.group(1));
                }
            }
            rest = fields ? event : "";
        }

        /** A byte order mark that is cut short counts as one. */
        private static String withoutBom(String line) {
            int length = 0;
            while (length < Math.min(3, line.length()) && line.charAt(length) == BOM.charAt(length)) {
                length++;
            }
            return line.substring(length);
        }

        private void read(String line) {
            if (line.startsWith("event:")) {
                isErrorType |= line.substring(6).strip().equals("error");
            }
            if (line.startsWith("data:") || line.equals("data")) {
                String value = line.substring(Math.min(5, line.length()));
                data.append(data.isEmpty() ? value.replaceAll("^[\0-\40]+", "") : "\n" + value);
            }
        }

        private void end() {
            passed.append(event);
            event = "";
            marker = data.toString().startsWith("[DONE]");
            JsonNode json = marker || data.isEmpty() ? null : json();
            isBroken |= json == null && data.toString().startsWith("{");
            error |= !data.isEmpty() && isErrorType && !marker || json != null && json.isObject() && !json.path("error").isMissingNode()
                    && !json.get("error").isNull();
            for (JsonNode choice : json == null ? JSON.createArrayNode() : json.path("choices")) {
                if (choice.isObject()) {
                    String index = choice.path("index").isInt() ? choice.get("index").asText() : "0";
                    boolean ends = choice.path("finish_reason").isTextual() && !choice.get("finish_reason").asText().isEmpty();
                    (ends ? finished : open).add(index);
                }
            }
            data.setLength(0);
            isErrorType = false;
        }

        private JsonNode json() {
            try {
                return JSON.readTree(data.toString().getBytes(StandardCharsets.ISO_8859_1));
            } catch (IOException e) {
                return null;
            }
        }

        /** What the client gets. */
        String ended(ChatError lost) {
            boolean isCut = false;
            if (!rest.isEmpty()) {
                boolean whole = data.toString().startsWith("[DONE]") || lost == null && !data.isEmpty() && json() != null;
                isCut = !whole;
                if (whole) {
                    event = rest + (rest.endsWith("\n") ? "\n" : "\n\n");
                    end();
                }
            }
            boolean answered = !(finished.isEmpty() && open.isEmpty()) && finished.containsAll(open);
            ChatError failure = lost != null ? lost : ChatError.incomplete(Route.CHAT, true);
            boolean fails = !marker && !error && (isCut || !answered);
            return passed + (fails ? "data: " + text(failure.json()) + "\n\n" : "") + (marker ? "" : DONE);
        }
    }

    @FuzzTest(maxDuration = "10m")
    void whereverAStreamIsCutItComesOutAsItWasWithTheMarkerOnceAtItsEnd(byte[] stream) {
        if (stream.length > EventStream.MAX_HELD) {
            return; // then it depends on the cuts
        }
        var random = new Random(Arrays.hashCode(stream));
        for (ChatError lost : new ChatError[] { null, ChatError.timeout("late") }) {
            var whole = new Whole(text(stream));
            String expected = whole.ended(lost);
            String once = passed(stream, random, stream.length, lost);
            for (int longest : new int[] { 1, 2, 3 + random.nextInt(20) }) {
                assertEquals(once, passed(stream, random, longest, lost), "in chunks of up to " + longest);
            }
            if (!whole.isBroken) {
                String unbegun = text(ChatError.incomplete(Route.CHAT, false).json());
                assertEquals(expected, once.replace(unbegun, text(ChatError.incomplete(Route.CHAT, true).json())));
            }
        }
    }

    private static String passed(byte[] stream, Random random, int longest, ChatError lost) {
        var events = new EventStream(Route.CHAT);
        var out = new StringBuilder();
        for (int from = 0, to; from < stream.length && !events.isComplete(); from = to) {
            to = Math.min(stream.length, from + 1 + random.nextInt(longest));
            out.append(text(events.accept(Arrays.copyOfRange(stream, from, to))));
        }
        return out.append(text(events.end(lost))).toString();
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }
}
