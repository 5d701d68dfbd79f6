package chatlambda.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

class EventStreamFuzzTest {

    private static final String DONE = "data: [DONE]\n\n";
    private static final Pattern MARKER = Pattern.compile("(?<=\\A|[\\r\\n])data: *\\[DONE\\]");
    private static final String LINE_END = "(?>\\r\\n|\\r|\\n)";
    private static final Pattern EMPTY_LINE = Pattern.compile(LINE_END + "{2}");
    private static final Pattern BETWEEN_EVENTS = Pattern.compile("\\A\\z|(?:\\A|" + LINE_END + ")" + LINE_END + "\\z");

    @FuzzTest(maxDuration = "10m")
    void whereverAStreamIsCutItComesOutAsItWasWithTheMarkerOnceAtItsEnd(byte[] stream) {
        String sent = text(stream);
        Matcher marker = MARKER.matcher(sent);
        boolean marked = marker.find();
        Matcher end = EMPTY_LINE.matcher(sent);
        boolean ended = marked && end.find(marker.end());
        String closed = ended ? sent.substring(0, end.end()) : sent + missingLineEnds(sent);

        String whole = marked ? closed : closed + DONE;
        ChatError error = ChatError.timeout("late");
        String brokenOff = marked ? closed : closed + "data: " + text(error.json()) + "\n\n" + DONE;
        var random = new Random(Arrays.hashCode(stream));
        for (int longest : new int[] { 1, 2, 3 + random.nextInt(20), stream.length }) {
            assertEquals(whole, passed(stream, random, longest, null), "in chunks of up to " + longest);
            assertEquals(brokenOff, passed(stream, random, longest, error), "in chunks of up to " + longest);
        }
    }

    private static String missingLineEnds(String sent) {
        if (BETWEEN_EVENTS.matcher(sent).find()) {
            return "";
        }
        return sent.endsWith("\n") ? "\n" : "\n\n"; // an LF after CR ends no other line
    }

    private static String passed(byte[] stream, Random random, int longest, ChatError error) {
        var events = new EventStream();
        var out = new StringBuilder();
        for (int from = 0, to; from < stream.length && !events.isComplete(); from = to) {
            to = Math.min(stream.length, from + 1 + random.nextInt(longest));
            byte[] chunk = Arrays.copyOfRange(stream, from, to);
            out.append(text(Arrays.copyOf(chunk, events.accept(chunk))));
        }
        assertEquals(UsageReader.ofEvents(out.toString().getBytes(StandardCharsets.ISO_8859_1)), events.usage());
        return out.append(text(error == null ? events.end() : events.end(error))).toString();
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }
}
