package chatlambda.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The event that tells the usage, where only the function asked for it: what goes on is what would have if the upstream had never sent it,
 * byte for byte, wherever the stream is cut.
 */
class HiddenUsageTest {

    private static final Metering HIDES = new Metering(1, 1, true);
    private static final Metering SHOWS = new Metering(1, 1, false);
    private static final String CHUNK = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}],\"usage\":null}~~";
    private static final String STOP = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}~~";
    private static final String USAGE = "data: {\"model\":\"m-1\","
            + "\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}~~";
    private static final String DONE = "data: [DONE]~~";
    private static final Usage TOLD = new Usage(3, 5, -1, null, "m-1");

    /** All that goes on of a stream that is cut at these places; closed cleanly behind its marker or its end. */
    private static String passed(EventStream events, String sent, int... cuts) {
        byte[] stream = sent.getBytes(StandardCharsets.UTF_8);
        var out = new StringBuilder();
        int from = 0;
        for (int i = 0; i <= cuts.length && !events.isComplete(); i++) {
            int to = i < cuts.length ? cuts[i] : stream.length;
            out.append(new String(events.accept(Arrays.copyOfRange(stream, from, to)), StandardCharsets.ISO_8859_1));
            from = to;
        }
        out.append(new String(events.end(null), StandardCharsets.ISO_8859_1));
        return new String(out.toString().getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
    }

    private static String shown(String text) {
        return text.replace("\r", "^").replace("\n", "~");
    }

    /** Whole, cut in two at every byte, and byte by byte. */
    private static List<int[]> cuts(String sent) {
        int length = sent.getBytes(StandardCharsets.UTF_8).length;
        var cuts = new ArrayList<int[]>();
        cuts.add(new int[0]);
        IntStream.rangeClosed(0, length).forEach(cut -> cuts.add(new int[] { cut }));
        cuts.add(IntStream.range(0, length).toArray());
        return cuts;
    }

    /** @param lineEnd what ~ stands for */
    private static void requireHidden(String sent, String expected, String lineEnd) {
        String stream = sent.replace("~", lineEnd);
        String wanted = expected.replace("~", lineEnd);
        for (int[] cut : cuts(stream)) {
            var events = new EventStream(Route.CHAT, HIDES);
            assertEquals(shown(wanted), shown(passed(events, stream, cut)), () -> "cut at " + Arrays.toString(cut));
            assertEquals(TOLD, events.usage(), () -> "cut at " + Arrays.toString(cut));
            assertNull(events.failure());
            assertNull(events.error());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = { "\n", "\r", "\r\n" })
    void theEventDoesNotGoOnWithAnyLineEndsAndItsUsageCounts(String lineEnd) {
        requireHidden(CHUNK + STOP + USAGE + DONE, CHUNK + STOP + DONE, lineEnd);
        requireHidden(USAGE + CHUNK + STOP + DONE, CHUNK + STOP + DONE, lineEnd);
        requireHidden(CHUNK + STOP + USAGE + USAGE + DONE, CHUNK + STOP + DONE, lineEnd);
        requireHidden(CHUNK + USAGE + STOP + USAGE + CHUNK + DONE, CHUNK + STOP + CHUNK + DONE, lineEnd);
    }

    /** The marker is the function's own then, with LF. */
    @ParameterizedTest
    @CsvSource({ "'\n'", "'\r'", "'\r\n'" })
    void theEventDoesNotGoOnAsTheLastOne(String lineEnd) {
        String whole = (CHUNK + STOP).replace("~", lineEnd) + "data: [DONE]\n\n";
        requireHidden(CHUNK + STOP + USAGE, whole, lineEnd);
        requireHidden(CHUNK + STOP + USAGE.substring(0, USAGE.length() - 1), whole, lineEnd);
        requireHidden(CHUNK + STOP + USAGE.substring(0, USAGE.length() - 2), whole, lineEnd);
    }

    @Test
    void otherLinesOfTheEventDoNotGoOnEither() {
        for (String event : new String[] { "event: message~id: 7~" + USAGE, USAGE.replace("~~", "~id: 7~~"),
                USAGE.replace("~~", "~: inside~~"),
                USAGE.replace("data: ", "data:"), USAGE.replace(",\"usage\"", ",~data: \"usage\""), USAGE.replace("[]", "[ ]"),
                USAGE.replace("data: {", "data: { \"choices\":null,\"x\":[{}], \"obfuscation\":\"\u20ac\","),
                USAGE.replace("[],", "[],\"error\":null,"),
                "data: {\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5},\"model\":\"m-1\",\"choices\":[]}~~" }) {
            for (String lineEnd : new String[] { "\n", "\r", "\r\n" }) {
                requireHidden(CHUNK + STOP + event + DONE, CHUNK + STOP + DONE, lineEnd);
            }
        }
    }

    @Test
    void commentsAndEmptyLinesAroundItGoOn() {
        for (String lineEnd : new String[] { "\n", "\r", "\r\n" }) {
            requireHidden(STOP + ": ping~~" + USAGE + ": pong~~" + DONE, STOP + ": ping~~: pong~~" + DONE, lineEnd);
            requireHidden(STOP + ": ping~" + USAGE + "~~" + DONE, STOP + ": ping~~~" + DONE, lineEnd);
        }
    }

    /** Where lines end in LF, then in CR: whose line end is whose. */
    @Test
    void mixedLineEndsStayWithTheirLines() {
        String usage = USAGE.substring(0, USAGE.length() - 2);
        String stop = STOP.replace("~", "\n");
        String done = DONE.replace("~", "\n");
        requireHidden(STOP.replace("~", "\r") + usage + "\r\n\r\n" + done, STOP.replace("~", "\r") + done, "");
        for (String lineEnd : new String[] { "\n", "\r" }) { // and of the lines behind it no LF is taken for its own
            String crlf = (STOP + ": ping~" + DONE).replace("~", "\r\n");
            requireHidden(CHUNK.replace("~", "\n") + USAGE.replace("~", lineEnd) + crlf, CHUNK.replace("~", "\n") + crlf, "");
        }
        requireHidden(stop + usage + "\n\r" + done, stop + done, "");
        requireHidden(stop + usage + "\n\r\n" + done, stop + done, "");
        requireHidden(stop + usage + "\r\r\n\n" + done, stop + "\n" + done, "");
    }

    private static void requireShown(String event, Metering metering) {
        String sent = (CHUNK + event + STOP + DONE).replace("~", "\n");
        for (int[] cut : cuts(sent)) {
            assertEquals(sent, passed(new EventStream(Route.CHAT, metering), sent, cut));
        }
    }

    @Test
    void whoAskedForTheUsageGetsIt() {
        requireShown(USAGE, SHOWS);
        requireShown(USAGE, null);
    }

    @ParameterizedTest
    @ValueSource(strings = {
            "{\"choices\":[{\"index\":0,\"delta\":{}}],\"usage\":{\"prompt_tokens\":3}}",
            "{\"choices\":[{}],\"usage\":{\"prompt_tokens\":3}}",
            "{\"choices\":[7],\"usage\":{\"prompt_tokens\":3}}",
            "{\"choices\":[[]],\"usage\":{\"prompt_tokens\":3}}",
            "{\"choices\":[],\"usage\":{\"prompt_tokens\":3},\"error\":{\"message\":\"no\"}}",
            "{\"error\":\"no\",\"choices\":[],\"usage\":{\"prompt_tokens\":3}}",
            "{\"choices\":[],\"usage\":null}",
            "{\"choices\":[]}",
            "{\"choices\":[],\"x\":{\"usage\":{\"prompt_tokens\":3}}}",
            "{\"choices\":[],\"usage\":[{}]}",
            "{\"choices\":null,\"usage\":{\"prompt_tokens\":3}}",
            "{\"choices\":{},\"usage\":{\"prompt_tokens\":3}}",
            "{\"usage\":{\"prompt_tokens\":3}}",
            "{\"x\":{\"choices\":[]},\"usage\":{\"prompt_tokens\":3}}",
            "[{\"choices\":[],\"usage\":{}}]",
            "\"choices\"",
            "{\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{}}],\"model\":\"\",\"usage\":null}",
            "{\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{}}],\"model\":\"\"}" })
    void anEventThatTellsAnythingElseGoesOn(String data) {
        requireShown("data: " + data + "~~", HIDES);
        requireShown("event: error~data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3}}~~", HIDES);
    }

    /** What one event says does not count for the next. */
    @Test
    void twoEventsThatTellHalfOfItEachGoOn() {
        requireShown("data: {\"choices\":[]}~~data: {\"usage\":{\"prompt_tokens\":3}}~~", HIDES);
        requireShown("data: {\"usage\":{\"prompt_tokens\":3}}~~data: {\"choices\":[]}~~", HIDES);
    }

    @Test
    void onlyChatHasSuchAnEvent() throws ChatError {
        byte[] body = "{\"model\":\"m\",\"input\":\"x\",\"stream\":true}".getBytes(StandardCharsets.UTF_8);
        var limits = new Limits(List.of(), 0, 0, "max_tokens", Limits.Counted.USAGE);
        assertFalse(ApiRequest.of(Route.RESPONSES, body, Models.only("m"), limits).metering().hidesUsage());
    }

    /** What is large flows as it comes, and is judged by its last bytes only. */
    @Test
    void theEventBehindOneThatIsTooLargeToBeKeptDoesNotGoOn() {
        String large = CHUNK.replace("Hi", "x".repeat(EventStream.MAX_HELD + 10_000));
        String sent = (large + STOP + USAGE + DONE).replace("~", "\n");
        String expected = (large + STOP + DONE).replace("~", "\n");
        for (int cut : new int[] { 1, 70_000, large.length() - 1, large.length(), large.length() + 5, sent.length() - 30,
                sent.length() - 1 }) {
            var events = new EventStream(Route.CHAT, HIDES);
            assertEquals(expected, passed(events, sent, cut), "cut at " + cut);
            assertEquals(TOLD, events.usage());
        }
    }

    @Property(tries = 500, seed = "7")
    void whateverElseComesItIsAsIfTheEventHadNeverBeenSent(@ForAll("pieces") List<String> pieces, @ForAll long seed) {
        String sent = String.join("", pieces);
        String expected = String.join("", pieces.stream().filter(piece -> !piece.startsWith("data: {\"model\"")).toList());
        String whole = passed(new EventStream(Route.CHAT, HIDES), expected);
        var random = new Random(seed);
        for (int i = 0; i < 5; i++) {
            int[] cuts = random.ints(random.nextInt(12), 0, sent.length() + 1).sorted().toArray();
            assertEquals(shown(begun(whole)), shown(begun(passed(new EventStream(Route.CHAT, HIDES), sent, cuts))),
                    () -> Arrays.toString(cuts));
        }
    }

    /** One kind of line end for a stream: an LF behind a hidden event's CR belongs to that. */
    @Provide
    Arbitrary<List<String>> pieces() {
        var pieces = Arbitraries.of(CHUNK, STOP, USAGE, USAGE, ": ping~~", ": ping~", "~", "data: 1~~", "event: x~~",
                "data: {\"choices\":[]}~~")
                .list().ofMaxSize(8);
        var last = Arbitraries.of(List.<String>of(), List.of(DONE), List.of(STOP, DONE), List.of(STOP, USAGE, DONE), List.of(STOP, USAGE));
        return Combinators.combine(pieces, last, Arbitraries.of("\n", "\r", "\r\n"))
                .as((some, end, lineEnd) -> Stream.concat(some.stream(), end.stream()).map(piece -> piece.replace("~", lineEnd)).toList());
    }

    /** A stream of such events alone has had one all the same, which its failure tells. */
    private static String begun(String passed) {
        return passed.replace(ChatError.incomplete(Route.CHAT, false).getMessage(), ChatError.incomplete(Route.CHAT, true).getMessage());
    }
}
