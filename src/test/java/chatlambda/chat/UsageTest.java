package chatlambda.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.json.Json;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class UsageTest {

    static String told(Usage usage) {
        return usage.promptTokens() + " " + usage.completionTokens() + " " + usage.reasoningTokens() + " "
                + (usage.usd() == null ? Double.NaN : usage.usd().doubleValue())
                + (usage.model() == null ? "" : " " + usage.model());
    }

    private static Usage ofCompletion(String body) throws IOException {
        var reader = new UsageReader(Route.CHAT);
        try (var parser = Json.parser(body.getBytes(StandardCharsets.UTF_8))) {
            assertEquals(JsonToken.START_OBJECT, parser.nextToken());
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String member = parser.currentName();
                parser.nextToken();
                reader.read(member, parser);
                parser.skipChildren();
            }
            assertNull(parser.nextToken());
        }
        return reader.usage();
    }

    private static Usage ofEvents(String events) {
        var stream = new EventStream(Route.CHAT);
        stream.accept(events.getBytes(StandardCharsets.UTF_8));
        return stream.usage();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            {}                                                                                             | -1 -1 -1 NaN
            {"usage":null}                                                                                 | -1 -1 -1 NaN
            {"usage":[1]}                                                                                  | -1 -1 -1 NaN
            {"usage":{"prompt_tokens":9,"completion_tokens":618,"total_tokens":627}}                       | 9 618 -1 NaN
            {"usage":{"x":{"prompt_tokens":1},"prompt_tokens":9}}                                          | 9 -1 -1 NaN
            {"usage":{"completion_tokens_details":{"x":[1],"reasoning_tokens":7},"prompt_tokens":2}}       | 2 -1 7 NaN
            {"usage":{"prompt_tokens":0,"completion_tokens":0,"cost":0}}                                   | 0 0 -1 0.0
            {"usage":{"prompt_tokens":"9","completion_tokens":null}}                                       | -1 -1 -1 NaN
            {"usage":{"prompt_tokens":-9,"completion_tokens":1e99}}                                        | -1 -1 -1 NaN
            {"usage":{"prompt_tokens":1,"cost":0.25}}                                                      | 1 -1 -1 0.25
            {"usage":{"cost":0.25},"meta":{"a":{},"usage":{"credits_used":1,"usd_spent":0.5}}}             | -1 -1 -1 0.5
            {"meta":{"usage":{"usd_spent":0.5}},"usage":{"cost":0.25}}                                     | -1 -1 -1 0.5
            {"meta":{"usage":{"usd_spent":-0.5}}}                                                          | -1 -1 -1 NaN
            {"meta":[{"usage":{"usd_spent":1}}]}                                                           | -1 -1 -1 NaN
            {"choices":[{"usage":{"prompt_tokens":1}}]}                                                    | -1 -1 -1 NaN
            {"model":"m","usage":{"prompt_tokens":9}}                                                      | 9 -1 -1 NaN m
            {"model":7,"choices":[{"model":"m"}]}                                                          | -1 -1 -1 NaN
            """)
    void aCompletionTellsWhatItTook(String body, String told) throws IOException {
        assertEquals(told, told(ofCompletion(body)));
    }

    @ParameterizedTest
    @CsvSource({ "0.75, 0.75", "free, 0.5", "-1, 0.5", "NaN, 0.5" })
    void theHeadersPriceCountsMore(String header, double usd) throws IOException {
        Usage usage = ofCompletion("{\"model\":\"m\",\"usage\":{\"prompt_tokens\":1},\"meta\":{\"usage\":{\"usd_spent\":0.5}}}");
        assertEquals("1 -1 -1 " + usd + " m", told(usage.withPrice(header)));
        assertEquals("1 -1 -1 0.5 m", told(usage), "a record does not change");
        assertSame(usage, usage.withPrice(null));
    }

    private static final String STREAM = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}],\"usage\":null}\n\n: comment\n\n"
            + "data: {\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n"
            + "data:{\"meta\":{\"usage\":{\"usd_spent\":0.5}}}\r\n\r\ndata: [DONE]\n\n";

    @Test
    void theLastEventsOfAStreamTellHoweverTheyAreCut() {
        byte[] bytes = STREAM.getBytes(StandardCharsets.UTF_8);
        for (int size = 1; size <= bytes.length; size++) {
            var stream = new EventStream(Route.CHAT);
            for (int from = 0; from < bytes.length; from += size) {
                stream.accept(Arrays.copyOfRange(bytes, from, Math.min(bytes.length, from + size)));
            }
            assertEquals("3 4 -1 0.5 m", told(stream.usage()));
        }
    }

    @Test
    void theLastPriceCounts() {
        assertEquals("1 -1 -1 2.0", told(ofEvents("data: {\"usage\":{\"prompt_tokens\":1},\"meta\":{\"usage\":{\"usd_spent\":9}}}\n\n"
                + "data: {\"meta\":{\"usage\":{\"usd_spent\":2}}}\n\n")));
    }

    /** Also when 20 KB of text follow them in that event. */
    @Test
    void theCountsAreFoundWhereverTheyStand() {
        assertEquals("3 4 -1 NaN", told(ofEvents("data: {\"usage\":{\"prompt_tokens\":1}}\n\ndata: {\"usage\":{\"prompt_tokens\":3,"
                + "\"completion_tokens\":4},\"choices\":[{\"delta\":{\"content\":\"" + "x".repeat(20_000) + "\"}}]}\n\n"
                + "data: {\"usage\":{\"total_tokens\":9}}\n\n")));
    }

    @Test
    void theCountsAreFoundWhereGroqAndMoonshotPutThem() {
        String usage = "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}";
        assertEquals("3 4 -1 NaN", told(ofEvents("data: {\"choices\":[],\"x_groq\":{\"id\":\"r\",\"usage\":null," + usage + "}}\n\n")));
        assertEquals("3 4 -1 NaN", told(ofEvents("data: {\"choices\":[{\"index\":0," + usage + ",\"finish_reason\":\"stop\"}]}\n\n")));
        assertEquals("-1 -1 -1 NaN", told(ofEvents("data: {\"choices\":[{\"delta\":{" + usage + "}}],\"x_groq\":[{" + usage + "}]}\n\n")));
    }

    /** OpenRouter sends comments while it waits; a broken stream ends amid an event. */
    @Test
    void theModelThatAStreamsChunksNameIsToldWhateverStandsAroundThem() {
        String chunks = "data: {\"model\":\"m-1\"}\n\ndata: {\"model\":\"m-2\"}\n\n";
        for (String before : new String[] { "", ": OPENROUTER PROCESSING\n\n", "\"m-0\"}\n\n" }) {
            for (String after : new String[] { "", ": OPENROUTER PROCESSING\n\n", "data: [DONE]\n\n", "data: {\"model\":\"m-" }) {
                assertEquals("-1 -1 -1 NaN m-2", told(ofEvents(before + chunks + after)), before + after);
            }
        }
    }

    @Test
    void nothingTakenIsToldToo() {
        for (String usage : new String[] { "{\"prompt_tokens\":0}", "{\"completion_tokens\":0}" }) {
            assertTrue(ofEvents("data: {\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":7}}\n\n"
                    + "data: {\"usage\":" + usage + "}\n\n").promptTokens() <= 0);
        }
    }

    @Test
    void theLastOneOfSeveralCounts() {
        var stream = new EventStream(Route.CHAT);
        for (int i = 1; i <= 5_000; i++) {
            stream.accept(("data: {\"usage\":{\"prompt_tokens\":" + i + "}}\n\n").getBytes(StandardCharsets.UTF_8));
        }
        assertEquals("5000 -1 -1 NaN", told(stream.usage()));
    }

    @Test
    void aStreamThatTellsNothingIsFine() {
        for (String text : new String[] { "", "data:", "data: ", "data: [DONE]\n\n", "dat", "data: {\"usage\"", "x".repeat(40_000) }) {
            var stream = new EventStream(Route.CHAT);
            stream.accept(text.getBytes(StandardCharsets.UTF_8));
            assertEquals("-1 -1 -1 NaN", told(stream.usage()), text);
        }
    }
}
