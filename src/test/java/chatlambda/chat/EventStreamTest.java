package chatlambda.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.Events;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class EventStreamTest {

    private static final String DONE = "data: [DONE]\n\n";

    /** What the client gets of chunks cut at the given places. */
    private static byte[] passed(byte[] stream, int... cuts) {
        var events = new EventStream();
        var out = new ByteArrayOutputStream();
        int from = 0;
        for (int i = 0; i <= cuts.length && !events.isComplete(); i++) {
            int to = i < cuts.length ? cuts[i] : stream.length;
            byte[] chunk = Arrays.copyOfRange(stream, from, to);
            out.write(chunk, 0, events.accept(chunk));
            from = to;
        }
        out.writeBytes(events.end());
        return out.toByteArray();
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            data: 1~~                    | data: 1~~data: [DONE]~~
            data: 1~~data: [DONE]~~      | data: 1~~data: [DONE]~~
            data: 1~~data:[DONE]~~       | data: 1~~data:[DONE]~~
            data: 1~~data: [DONE]~       | data: 1~~data: [DONE]~~
            data: 1~~data: [DONE] x~~    | data: 1~~data: [DONE] x~~
            data: 1~~data: [DONE]        | data: 1~~data: [DONE]~~
            data: 1~~data: [DONE]~~: bye~~data: [DONE]~~ | data: 1~~data: [DONE]~~
            data: 1^~^~data: [DONE]^~^~  | data: 1^~^~data: [DONE]^~^~
            data: 1^^data: [DONE]^^      | data: 1^^data: [DONE]^^
            data: 1^^data: [DONE]^^data: 2 | data: 1^^data: [DONE]^^
            data: 1^^data: [DONE]^^~x    | data: 1^^data: [DONE]^^~
            data: 1^~                    | data: 1^~~data: [DONE]~~
            data: 1                      | data: 1~~data: [DONE]~~
            data: 1^                     | data: 1^~~data: [DONE]~~
            data: [DONE]^                | data: [DONE]^~~
            data: 1~                     | data: 1~~data: [DONE]~~
            : ping~~                     | : ping~~data: [DONE]~~
            ``                           | data: [DONE]~~
            data: {"x":"[DONE]"}~~       | data: {"x":"[DONE]"}~~data: [DONE]~~
            data: [DONE~~                | data: [DONE~~data: [DONE]~~
            id: data: [DONE]~~           | id: data: [DONE]~~data: [DONE]~~
            """)
    void theMarkerComesExactlyOnceAtTheEnd(String sent, String expected) {
        byte[] stream = sent == null ? new byte[0] : sent.replace('~', '\n').replace('^', '\r').getBytes(StandardCharsets.UTF_8);
        String wanted = expected.replace('~', '\n').replace('^', '\r');
        assertEquals(wanted, text(passed(stream)));
        for (int cut = 0; cut <= stream.length; cut++) {
            assertEquals(wanted, text(passed(stream, cut)), "cut at " + cut);
        }
        assertEquals(wanted, text(passed(stream, IntStream.range(0, stream.length).toArray())), "byte by byte");
    }

    @ParameterizedTest
    @MethodSource("chatlambda.Events#streams")
    void aRecordedStreamComesOutAsItWasWhereverItIsCut(Path file) throws IOException {
        byte[] stream = Files.readAllBytes(file);
        String expected = Events.read(file);
        while (!expected.endsWith("\n\n")) {
            expected += "\n";
        }
        expected += DONE;
        for (int cut = 0; cut <= stream.length; cut++) {
            assertEquals(expected, text(passed(stream, cut)));
        }
        var random = new Random(5);
        for (int round = 0; round < 200; round++) {
            assertEquals(expected, text(passed(stream, random.ints(20, 0, stream.length).sorted().toArray())));
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            data: 1~~      | data: 1~~
            data: 1~       | data: 1~~
            data: {"x      | data: {"x~~
            data: 1^       | data: 1^~~
            ``             | ``
            """)
    void aStreamThatBreaksOffEndsWithAnErrorEventOfItsOwn(String sent, String closed) {
        var events = new EventStream();
        byte[] chunk = sent == null ? new byte[0] : sent.replace('~', '\n').replace('^', '\r').getBytes(StandardCharsets.UTF_8);
        String out = text(Arrays.copyOf(chunk, events.accept(chunk))) + text(events.end(ChatError.timeout("too\nlate")));
        String begin = closed == null ? "" : closed.replace('~', '\n').replace('^', '\r');
        assertTrue(out.startsWith(begin + "data: {\"error\":{\"message\":\"too\\nlate\",\"type\":\"timeout_error\""), out);
        assertTrue(out.endsWith("}}\n\n" + DONE), out);
    }

    @Test
    void afterTheMarkerNothingBreaksOff() {
        var events = new EventStream();
        events.accept(DONE.getBytes(StandardCharsets.UTF_8));
        assertTrue(events.isComplete());
        assertEquals(0, events.end(ChatError.timeout("late")).length);
        events = new EventStream();
        events.accept("data: [DONE]\n".getBytes(StandardCharsets.UTF_8));
        assertEquals("\n", text(events.end(ChatError.timeout("late"))));
        assertTrue(events.hasMarker());
        events = new EventStream();
        events.accept("data: [DONE]".getBytes(StandardCharsets.UTF_8));
        assertFalse(events.hasMarker());
        assertEquals("\n\n", text(events.end(ChatError.timeout("late"))));
        assertTrue(events.hasMarker());
    }
}
