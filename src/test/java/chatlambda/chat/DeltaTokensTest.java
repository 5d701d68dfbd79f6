package chatlambda.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.io.JsonStringEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a stream is taken for whose usage nobody tells: the texts in its events' {@code delta}, four bytes a token. */
class DeltaTokensTest {

    private static final Metering COUNTS = new Metering(1, 1, true);

    private static long counted(Route route, String sent, int size) {
        var events = new EventStream(route, COUNTS);
        byte[] stream = sent.getBytes(StandardCharsets.UTF_8);
        for (int from = 0; from < stream.length; from += size) {
            events.accept(Arrays.copyOfRange(stream, from, Math.min(stream.length, from + size)));
        }
        events.end(null);
        return events.deltaTokens();
    }

    private static long counted(Route route, String sent) {
        long whole = counted(route, sent, sent.length() * 4);
        assertEquals(whole, counted(route, sent, 1), "byte by byte");
        assertEquals(whole, counted(route, sent, 7));
        return whole;
    }

    private static String event(String data) {
        return "data: " + data + "\n\n";
    }

    private static String choice(int index, String delta) {
        return "{\"index\":" + index + ",\"delta\":" + delta + "}";
    }

    private static String chunk(String delta) {
        return event("{\"id\":\"a long name that is no text\",\"choices\":[" + choice(0, delta) + "]}");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            {"content":"Hi"}                                                                 | 1
            {"content":"four"}                                                               | 1
            {"content":"fours"}                                                              | 2
            {"content":"eight ch"}                                                           | 2
            {"content":""}                                                                   | 1
            {"content":null}                                                                 | 1
            {}                                                                               | 1
            null                                                                             | 1
            {"content":"\u20ac\u20ac\u20ac"}                                                 | 3
            {"content":"\\u20ac\\u20ac\\u20ac"}                                              | 3
            {"content":"\\ud83d\\ude00!"}                                                    | 2
            {"content":"\\n\\n\\n\\n"}                                                       | 1
            {"content":null,"reasoning_content":"eight ch"}                                  | 2
            {"content":"eight ch","reasoning":"eight ch"}                                    | 4
            {"reasoning_details":[{"text":"eight ch"},{"text":"four"}]}                      | 3
            {"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\": 1}"}}]}             | 2
            {"tool_calls":[{"function":{"arguments":"four"}},{"function":{"arguments":"four"}}]} | 2
            {"content":[{"text":"four"},["four",[{"x":"four"}]]]}                            | 3
            {"x":12345678901234567890,"y":true}                                              | 1
            """)
    void theTextsOfADeltaCountFourBytesATokenAndAtLeastOne(String delta, long tokens) {
        assertEquals(tokens, counted(Route.CHAT, chunk(delta)));
        assertEquals(3 * tokens, counted(Route.CHAT, chunk(delta).repeat(3)), "each event for itself");
    }

    @Test
    void allChoicesOfAnEventCount() {
        String event = event("{\"choices\":[" + choice(0, "{\"content\":\"eight ch\"}") + "," + choice(1, "{\"content\":\"fours\"}")
                + "]}");
        assertEquals(4, counted(Route.CHAT, event));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            {"choices":[],"usage":{"x":"a long text"}}
            {"choices":[{"index":0,"finish_reason":"a long text","message":{"content":"a long text"}}]}
            {"delta":{"content":"a long text"}}
            {"x":[{"delta":{"content":"a long text"}}]}
            {"error":{"message":"a long text"}}
            "a long text"
            [DONE]
            """)
    void whatIsNoDeltaOfAChoiceDoesNotCount(String data) {
        assertEquals(0, counted(Route.CHAT, event(data)));
    }

    @Test
    void commentsAndEventsWithoutDataDoNotCount() {
        assertEquals(1, counted(Route.CHAT, ": a comment of some length\n\nevent: delta\nid: a long text\n\n"
                + chunk("{\"content\":\"Hi\"}")));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            {"type":"response.output_text.delta","delta":"eight ch"}                       | 2
            {"type":"response.output_text.delta","delta":""}                               | 1
            {"type":"response.reasoning_text.delta","delta":"fours"}                       | 2
            {"type":"response.function_call_arguments.delta","delta":"{\\"a\\": 1}"}       | 2
            {"type":"response.output_text.done","text":"a long text"}                      | 0
            {"type":"response.created","response":{"instructions":"a long text"}}          | 0
            {"type":"response.completed","response":{"output":[{"delta":"a long text"}]}}  | 0
            {"type":"response.x.delta","delta":{"a":"four","b":["four"]}}                  | 2
            """)
    void aResponsesDeltaIsTheEventsOwn(String data, long tokens) {
        assertEquals(tokens, counted(Route.RESPONSES, "event: x\n" + event(data)));
    }

    /** A quarter of its bytes, since the bytes that it is judged by are its last ones. */
    @Test
    void anEventThatIsTooLargeToBeKeptCountsItsBytes() {
        String text = "x".repeat(100_000);
        String chunk = chunk("{\"content\":\"" + text + "\"}");
        for (int size : new int[] { 1_000, 16_384, 65_536 }) {
            long tokens = counted(Route.CHAT, chunk + chunk("{\"content\":\"four\"}"), size);
            assertTrue(tokens >= 25_001 && tokens <= 25_001 + 50, () -> "in pieces of " + size + ": " + tokens);
        }
        assertEquals(25_001, counted(Route.CHAT, chunk + chunk("{\"content\":\"four\"}"), chunk.length()),
                "it is not kept where it comes whole");
        String delta = event("{\"type\":\"response.output_text.delta\",\"delta\":\"" + text + "\"}");
        long tokens = counted(Route.RESPONSES, delta, 1_000);
        assertTrue(tokens >= 25_000 && tokens <= 25_000 + 50, () -> "" + tokens);
    }

    @Test
    void nobodyCountsWithoutBudgets() {
        for (Route route : new Route[] { Route.CHAT, Route.RESPONSES }) {
            var events = new EventStream(route);
            events.accept(chunk("{\"content\":\"eight ch\"}").getBytes(StandardCharsets.UTF_8));
            events.accept(event("{\"type\":\"response.output_text.delta\",\"delta\":\"eight ch\"}").getBytes(StandardCharsets.UTF_8));
            events.accept(("data: {\"delta\":\"" + "x".repeat(70_000)).getBytes(StandardCharsets.UTF_8));
            events.end(null);
            assertEquals(0, events.deltaTokens());
        }
    }

    @Property(tries = 300, seed = "7")
    void itIsTheSumOverAllEventsOfAQuarterOfTheirTextsBytes(@ForAll("texts") List<List<String>> events) {
        var sent = new StringBuilder();
        long expected = 0;
        for (List<String> texts : events) {
            var delta = new StringBuilder("{\"n\":1");
            int bytes = 0;
            for (int i = 0; i < texts.size(); i++) {
                String json = '"' + new String(JsonStringEncoder.getInstance().quoteAsString(texts.get(i))) + '"';
                delta.append(",\"t").append(i).append("\":").append(i % 2 == 0 ? json : "[{\"deep\":" + json + "}]");
                bytes += texts.get(i).getBytes(StandardCharsets.UTF_8).length;
            }
            sent.append(chunk(delta + "}"));
            expected += Math.max(1, (bytes + 3) / 4);
        }
        assertEquals(expected, counted(Route.CHAT, sent.toString(), 1 + sent.length() / 3));
    }

    @Provide
    Arbitrary<List<List<String>>> texts() {
        var text = Combinators.combine(Arbitraries.of("", "a", "\u20ac", "\ud83d\ude00", "\"", "\\", "\n", "\u0001"),
                Arbitraries.integers().between(0, 9)).as(String::repeat);
        return text.list().ofMaxSize(4).list().ofMaxSize(4);
    }
}
