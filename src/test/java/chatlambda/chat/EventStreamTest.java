package chatlambda.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
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
        var events = new EventStream(Route.CHAT);
        byte[] begun = begun(events, stream, cuts);
        byte[] last = events.end(null);
        byte[] all = Arrays.copyOf(begun, begun.length + last.length);
        System.arraycopy(last, 0, all, begun.length, last.length);
        return all;
    }

    private static byte[] begun(EventStream events, byte[] stream, int... cuts) {
        var out = new ByteArrayOutputStream();
        int from = 0;
        for (int i = 0; i <= cuts.length && !events.isComplete(); i++) {
            int to = i < cuts.length ? cuts[i] : stream.length;
            out.writeBytes(events.accept(Arrays.copyOfRange(stream, from, to)));
            from = to;
        }
        return out.toByteArray();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** With line ends as ~ (LF) and ^ (CR). */
    private static String shown(byte[] bytes) {
        return text(bytes).replace('\n', '~').replace('\r', '^');
    }

    private static byte[] meant(String shown) {
        return bytes(shown == null ? "" : shown.replace('~', '\n').replace('^', '\r'));
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            data: 1~~data: [DONE]~~      | data: 1~~data: [DONE]~~
            data: 1~~data:[DONE]~~       | data: 1~~data:[DONE]~~
            data: 1~~data: [DONE]~       | data: 1~~data: [DONE]~~
            data: 1~~data: [DONE] x~~    | data: 1~~data: [DONE] x~~
            data: 1~~data: [DONE]        | data: 1~~data: [DONE]~~
            data: 1~~data: [DONE]^       | data: 1~~data: [DONE]^~~
            data: 1~~data: [DONE]~~: bye~~data: [DONE]~~ | data: 1~~data: [DONE]~~
            data: 1^~^~data: [DONE]^~^~  | data: 1^~^~data: [DONE]^~^~
            data: 1^^data: [DONE]^^      | data: 1^^data: [DONE]^^
            data: 1^^data: [DONE]^^data: 2 | data: 1^^data: [DONE]^^
            data: 1^^data: [DONE]^^~x    | data: 1^^data: [DONE]^^~
            : ping~data: [DONE]~~        | : ping~data: [DONE]~~
            event: x~data: 1~id: 7~~data: [DONE]~~ | event: x~data: 1~id: 7~~data: [DONE]~~
            \ufeffdata: [DONE]~~        | \ufeffdata: [DONE]~~
            """)
    void whatEndsWithTheMarkerComesOutAsItIsAndNothingBehindIt(String sent, String expected) {
        byte[] stream = meant(sent.replace("\\ufeff", "\ufeff"));
        String wanted = expected.replace("\\ufeff", "\ufeff");
        assertEquals(wanted, shown(passed(stream)));
        for (int cut = 0; cut <= stream.length; cut++) {
            assertEquals(wanted, shown(passed(stream, cut)), "cut at " + cut);
        }
        assertEquals(wanted, shown(passed(stream, IntStream.range(0, stream.length).toArray())), "byte by byte");
    }

    /** Each: what came before the clean end, what of it goes on, and whether the answer has ended. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            {0 stop}~~                         | {0 stop}~~                        | true
            {0}~~{0 stop}~~                    | {0}~~{0 stop}~~                   | true
            {0 stop}~~{0}~~                    | {0 stop}~~{0}~~                   | true
            {0}~~{1 stop}~~                    | {0}~~{1 stop}~~                   | false
            {0 stop}~~{1}~~{1 length}~~        | {0 stop}~~{1}~~{1 length}~~       | true
            {0}~~                              | {0}~~                             | false
            {0 }~~                             | {0 }~~                            | false
            data: {"choices":[]}~~             | data: {"choices":[]}~~            | false
            data: {"choices":[{"finish_reason":"stop"}]}~~ | data: {"choices":[{"finish_reason":"stop"}]}~~ | true
            data: {"choices":[{"index":0,"finish_reason":7}]}~~ | data: {"choices":[{"index":0,"finish_reason":7}]}~~ | false
            data: {"choices":[{"delta":{"finish_reason":"stop"}}]}~~ | data: {"choices":[{"delta":{"finish_reason":"stop"}}]}~~ | false
            data: 1~~                          | data: 1~~                         | false
            ``                                 | ``                                | false
            : ping~~                           | : ping~~                          | false
            : ping~                            | : ping~                           | false
            {0 stop}~~: pin                    | {0 stop}~~                        | true
            {0 stop}~                          | {0 stop}~~                        | true
            {0 stop}                           | {0 stop}~~                        | true
            {0 stop}^                          | {0 stop}^~~                       | true
            {0 stop}^~                         | {0 stop}^~~                       | true
            {0 stop}~~data: {"usage":{         | {0 stop}~~                        | false
            {0 stop}~~event: us                | {0 stop}~~                        | false
            {0 stop}~~data: {"usage":null}     | {0 stop}~~data: {"usage":null}~~  | true
            {0 stop}~~data: {"a":1}{           | {0 stop}~~                        | false
            data: {"error":{}}~~               | data: {"error":{}}~~              | true
            {0}~~data: {"error":"no"}~~        | {0}~~data: {"error":"no"}~~       | true
            {0}~~event: error~data: {"message":"no"}~~ | {0}~~event: error~data: {"message":"no"}~~ | true
            {0}~~data: {"error":null}~~        | {0}~~data: {"error":null}~~       | false
            data: {"choices":[7,null,[{}],{"index":0,"finish_reason":"stop"}]}~~ | data: {"choices":[7,null,[{}],{"index":0,"finish_reason":"stop"}]}~~ | true
            data: {"choices":~data: [{"index":0,"finish_reason":"stop"}]}~~ | data: {"choices":~data: [{"index":0,"finish_reason":"stop"}]}~~ | true
            """)
    void anEndIsOneOnlyIfTheAnswerHasEnded(String sent, String passed, boolean ended) {
        byte[] stream = meant(chunks(sent));
        for (int cut = 0; cut <= stream.length; cut++) {
            var events = new EventStream(Route.CHAT);
            String begun = shown(begun(events, stream, cut));
            String last = shown(events.end(null));
            assertEquals(ended, events.failure() == null, last);
            String error = ended ? "" : "data: " + text(events.failure().json()) + "~~";
            assertEquals(chunks(passed) + error + "data: [DONE]~~", begun + last, "cut at " + cut);
            assertTrue(ended || events.failure().code().equals("upstream_incomplete"));
        }
    }

    /** {@code {0 stop}} is the event of a choice that has ended. */
    private static String chunks(String shown) {
        return shown == null ? "" : shown
                .replaceAll("\\{(\\d)( ?)(\\w*)}", "data: {\"choices\":[{\"index\":$1,\"finish_reason\":$2$3}]}")
                .replaceAll("\"finish_reason\": (\\w*)}", "\"finish_reason\":\"$1\"}")
                .replace("\"finish_reason\":}", "\"finish_reason\":null}");
    }

    @Test
    void onlyWholeEventsGoOnAndCommentsAtOnce() {
        var events = new EventStream(Route.CHAT);
        assertEquals("", shown(events.accept(meant("data: {\"a\":"))));
        assertEquals("data: {\"a\":1}~~: a~", shown(events.accept(meant("1}~~: a~data: 2~: in an event~"))));
        assertEquals("", shown(events.accept(meant("data: 3"))));
        assertEquals("data: 2~: in an event~data: 3~~", shown(events.accept(meant("~~"))));
        assertEquals("data: 4^^", shown(events.accept(meant("data: 4^^"))), "an LF may follow, and is not waited for");
        assertEquals("~: b^~", shown(events.accept(meant("~: b^~"))));
    }

    private static String picture(int size, String end) {
        return "data: {\"choices\":[{\"index\":0,\"delta\":{\"images\":[\"" + "x".repeat(size) + "\"]}" + end;
    }

    @Test
    void aLargeEventFlowsAndIsJudgedByItsEnd() {
        String usage = ",\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}";
        for (int cut : new int[] { 1_000, 50_000, 16 * 1024 }) {
            String before = cut == 1_000 ? "" : "data: {\"choices\":[{\"index\":0}]}\n\n";
            byte[] stream = bytes(before + picture(300_000, usage) + "\n\n");
            var events = new EventStream(Route.CHAT);
            int[] cuts = IntStream.iterate(cut, at -> at < stream.length, at -> at + cut).toArray();
            assertEquals(text(stream), text(begun(events, stream, cuts)));
            assertEquals("3 4 -1 NaN", UsageTest.told(events.usage()));
            assertTrue(events.isBetweenEvents());
            assertEquals(DONE, text(events.end(ChatError.timeout("late"))), "it has ended, whatever became of the connection");
        }
    }

    @Test
    void aCleanEndAfterALargeEventIsNeverCalledCut() {
        for (String end : new String[] { "}]}\n\n", "}]}\n", "}]}", "}]}\n\n in one piece" }) {
            var events = new EventStream(Route.CHAT);
            byte[] stream = bytes(picture(100_000, end.replace(" in one piece", "")));
            String begun = text(end.endsWith("piece") ? begun(events, stream) : begun(events, stream, 10_000, 90_000));
            String last = text(events.end(null));
            assertNull(events.failure());
            assertEquals(text(stream).stripTrailing() + "\n\n" + DONE, begun + last);
        }
        var events = new EventStream(Route.CHAT);
        begun(events, bytes(picture(100_000, "")), 10_000, 90_000);
        assertFalse(events.isBetweenEvents());
        var comment = new EventStream(Route.CHAT);
        comment.accept(bytes(": x, \"error\":1" + "y".repeat(100_000) + ", \"error\":1"));
        assertTrue(text(comment.end(null)).startsWith("\n\ndata: {\"error\":{\"message\":\"the upstream's stream ended without an event"));
        assertTrue(text(events.end(null)).startsWith("\n\ndata: {\"error\""), "half of it is no answer");
        events = new EventStream(Route.CHAT);
        begun(events, bytes(picture(100_000, "}]}\n\n")), 10_000, 90_000);
        events.end(ChatError.timeout("late"));
        assertEquals("upstream_timeout", events.failure().code());
    }

    @Test
    void anErrorAtTheEndOfALargeEventIsFound() {
        var events = new EventStream(Route.CHAT);
        begun(events, bytes(picture(100_000, "}],\"error\":{\"message\":\"no\",\"code\":\"c\"}}") + "\n\n"), 50_000, 80_000);
        assertTrue(text(events.error()).startsWith("{\"error\":{\"message\":\"no\",\"code\":\"c\"}}"), text(events.error()));
        events = new EventStream(Route.CHAT);
        begun(events, bytes(picture(100_000, ",\"said\":\" \\\"error\\\":1\"}],\"error\":null}") + "\n\n"), 50_000, 80_000);
        assertNull(events.error());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            data:           | EVENTS
            data: {}        | EVENTS
            event:          | EVENTS
            id: 1           | EVENTS
            retry: 1        | EVENTS
            : ping          | EVENTS
            ~^~data:        | EVENTS
            \ufeff~:       | EVENTS
            ``              | UNDECIDED
            ~~              | UNDECIDED
            \ufeff         | UNDECIDED
            dat             | UNDECIDED
            {               | OTHER
            database        | OTHER
            <html>          | OTHER
            """)
    void theFirstBytesTellAnEventStream(String begun, EventStream.Kind kind) {
        byte[] bytes = meant(begun == null ? "" : begun.replace("\\ufeff", "\ufeff"));
        assertEquals(kind, EventStream.kind(bytes, bytes.length));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            data: {"error":{"code":503}}~~         | true
            : ping~~data: {"error":"no"}~~         | true
            retry: 5~~data:~~data: {"error":1}~~   | true
            event: error~data: {"message":"no"}~~  | true
            data: {"n":1}~~data: {"error":1}~~     | false
            data: {"error":null}~~                 | false
            data: {"message":"error"}~~            | false
            """)
    void theFirstEventTellsWhetherItIsAnError(String sent, boolean isError) {
        var events = new EventStream(Route.CHAT);
        events.accept(meant(sent));
        assertEquals(isError, events.firstIsError());
        assertTrue(events.hasEvent());
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
            data: 1~~           | data: 1~~ | true
            data: 1~            | ``        | true
            data: {"x":1}       | ``        | true
            ``                  | ``        | true
            {0 stop}~~          | {0 stop}~~ | false
            {0 stop}~~data: {"u | {0 stop}~~ | true
            {0}~~data: {"error":1}~~ | {0}~~data: {"error":1}~~ | false
            data: [DONE]        | data: [DONE]~~ | false
            data: [DONE]~       | data: [DONE]~~ | false
            data: [DONE]~~      | data: [DONE]~~ | false
            """)
    void aStreamThatBreaksOffEndsWithAnErrorEventUnlessItsAnswerHasEnded(String sent, String passed, boolean isError) {
        var events = new EventStream(Route.CHAT);
        var lost = ChatError.timeout("too\nlate");
        String out = shown(events.accept(meant(chunks(sent)))) + shown(events.end(lost));
        String begin = chunks(passed);
        String error = isError ? "data: " + text(lost.json()) + "~~" : "";
        assertEquals(begin + error + (begin.contains("[DONE]") ? "" : "data: [DONE]~~"), out);
        assertEquals(isError ? lost : null, events.failure());
    }
}
