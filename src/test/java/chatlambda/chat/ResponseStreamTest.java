package chatlambda.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.Events;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A response's stream: its end is an event, and {@code [DONE]} is none. */
class ResponseStreamTest {

    private static final String CREATED = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,"
            + "\"response\":{\"model\":\"m-1\",\"error\":null,\"usage\":null}}\n\n";
    private static final String DELTA = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
            + "\"sequence_number\":41,\"delta\":\"Hi\"}\n\n";
    private static final String LAST = "event: response.TYPE\ndata: {\"type\":\"response.TYPE\",\"sequence_number\":42,\"response\":{"
            + "\"model\":\"m-2\",\"output\":[{\"error\":\"of a tool\"}],\"error\":ERROR,\"usage\":{\"input_tokens\":3,\"output_tokens\":5,"
            + "\"output_tokens_details\":{\"reasoning_tokens\":2}}}}\n\n";
    private static final String COMPLETED = last("completed", "null");

    private final EventStream stream = new EventStream(Route.RESPONSES);

    private static String last(String type, String error) {
        return LAST.replace("TYPE", type).replace("ERROR", error);
    }

    /** All that goes on, where it arrives in chunks of {@code size}. */
    private String passed(String events, int size, ChatError lost) {
        byte[] bytes = events.getBytes(StandardCharsets.UTF_8);
        var out = new ByteArrayOutputStream();
        for (int from = 0; from < bytes.length; from += size) {
            out.writeBytes(stream.accept(Arrays.copyOfRange(bytes, from, Math.min(bytes.length, from + size))));
        }
        out.writeBytes(stream.end(lost));
        return out.toString(StandardCharsets.UTF_8);
    }

    @ParameterizedTest
    @ValueSource(strings = { "completed", "incomplete" })
    void aWholeStreamGoesOnByteForByteAndNothingIsAdded(String type) {
        String events = CREATED + ": comment\n\n" + DELTA + last(type, "null");
        assertEquals(events, passed(events, 7, null));
        assertNull(stream.failure());
        assertNull(stream.error());
        assertEquals(new Usage(3, 5, 2, null, "m-2"), stream.usage());
    }

    @Test
    void itIsWholeAlsoWhenTheConnectionIsLostBehindItsLastEvent() {
        assertEquals(CREATED + COMPLETED, passed(CREATED + COMPLETED, 1_000, ChatError.unreachable("reset")));
        assertNull(stream.failure());
    }

    @Test
    void theTypeMayStandInTheDataAlone() {
        String events = CREATED + COMPLETED.substring(COMPLETED.indexOf("data:"));
        assertEquals(events, passed(events, 3, null));
        assertNull(stream.failure());
    }

    @Test
    void aMarkerBehindTheLastEventGoesOn() {
        assertEquals(COMPLETED + "data: [DONE]\n\n", passed(COMPLETED + "data: [DONE]\n\nmore", 5, null));
        assertNull(stream.failure());
    }

    @ParameterizedTest
    @ValueSource(strings = { "", "data: [DONE]\n\n", "data: [DONE]\r\n\r\n", "data: [DONE]" })
    void anEndWithoutTheLastEventIsAFailureThatClientsAreTold(String marker) {
        for (int size : new int[] { 1, 10_000 }) {
            var each = new ResponseStreamTest();
            String passed = each.passed(CREATED + DELTA + marker, size, null);
            assertTrue(passed.startsWith(CREATED + DELTA + "event: error\ndata: {\"type\":\"error\","), passed);
            assertTrue(passed.endsWith("}\n\n") && !passed.contains("[DONE]\n"), passed);
            var told = Events.json(passed.substring(passed.lastIndexOf("data: ") + 6));
            assertEquals(List.of("type", "code", "message", "param", "sequence_number", "error"), List.copyOf(told.keySet()));
            assertEquals(42, told.getInt("sequence_number"));
            var nested = told.getJsonObject("error");
            assertEquals("upstream_incomplete upstream_incomplete api_error", told.getString("code") + " " + nested.getString("code") + " "
                    + nested.getString("type"));
            assertEquals(told.getString("message"), nested.getString("message"));
            assertTrue(told.getString("message").contains("without response.completed, response.failed or response.incomplete"));
            assertTrue(told.isNull("param") && nested.isNull("param"));
            assertNotNull(each.stream.failure());
        }
    }

    @Test
    void aLostConnectionIsToldLikewise() {
        String passed = passed(DELTA, 5, ChatError.unreachable("reset"));
        String told = "\"code\":\"upstream_unreachable\",\"message\":\"reset\",\"param\":null,\"sequence_number\":42,";
        assertTrue(passed.contains(told), passed);
    }

    @Test
    void aFailedResponseIsTheUpstreamsOwnWord() {
        String events = CREATED + last("failed", "{\"code\":\"server_error\",\"message\":\"no\"}");
        assertEquals(events, passed(events, 9, null));
        assertNull(stream.failure());
        assertEquals("{\"error\":{\"code\":\"server_error\",\"message\":\"no\"}}", new String(stream.error(), StandardCharsets.UTF_8));
        assertFalse(stream.firstIsError());
    }

    @Test
    void aFailedResponseThatComesFirstStaysAStream() {
        assertEquals(last("failed", "null"), passed(last("failed", "null"), 9, null));
        assertFalse(stream.firstIsError());
        assertNotNull(stream.error());
    }

    @ParameterizedTest
    @ValueSource(strings = { "event: error\ndata: {\"code\":\"busy\",\"message\":\"no\"}\n\n",
            "data: {\"type\":\"error\",\"message\":\"no\"}\n\n", "data: {\"error\":{\"message\":\"no\"}}\n\n" })
    void anErrorEventIsAnEndAndAsTheFirstOneNoStream(String error) {
        assertEquals(CREATED + error, passed(CREATED + error, 11, null));
        assertNull(stream.failure());
        assertFalse(stream.firstIsError());
        var refused = new ResponseStreamTest();
        refused.passed(error, 11, null);
        assertTrue(refused.stream.firstIsError());
    }

    /** The last event repeats the whole answer. */
    @Test
    void aLastEventThatIsTooLargeToBeKeptIsTheEndToo() {
        String text = "{\"text\":\"" + "x".repeat(200_000) + "\"}";
        for (String last : List.of(COMPLETED, COMPLETED.substring(COMPLETED.indexOf("data:")),
                COMPLETED.substring(COMPLETED.indexOf("data:")).replace("{\"type\":\"response.completed\",", "{")
                        .replace("}}}}", "}}},\"type\":\"response.completed\"}"))) {
            var each = new ResponseStreamTest();
            String events = CREATED + last.replace("{\"error\":\"of a tool\"}", text + ",{\"error\":\"of a tool\"}");
            assertEquals(events, each.passed(events, 1_000, null));
            assertNull(each.stream.failure());
            assertNull(each.stream.error());
            assertEquals(new Usage(3, 5, 2, null, each.stream.usage().model()), each.stream.usage());
        }
    }

    @Test
    void aFailureAtTheEndOfAnEventThatIsTooLargeToBeKeptIsAFailure() {
        String failed = "data: {\"response\":{\"output\":\"" + "x".repeat(200_000) + "\"},\"sequence_number\":8,"
                + "\"type\":\"response.failed\"}\n\n";
        assertEquals(failed, passed(failed, 1_000, null));
        assertNull(stream.failure());
        assertNotNull(stream.error());
    }

    @Test
    void theNumberOfAnEventThatIsTooLargeToBeKeptCounts() {
        String large = "data: {\"delta\":\"" + "x".repeat(200_000) + "\",\"sequence_number\":8}\n\n";
        assertTrue(passed(large, 1_000, null).contains("\"sequence_number\":9,"));
    }

    /** The first event repeats the request, and so what the caller wrote. */
    @ParameterizedTest
    @ValueSource(strings = { "response.completed", "response.failed" })
    void whatIsNestedInAnEventThatIsTooLargeToBeKeptTellsNothing(String type) {
        String tool = "{\"properties\":{\"type\":\"" + type + "\",\"usage\":{\"input_tokens\":99,\"output_tokens\":9},"
                + "\"sequence_number\":77}}";
        for (String named : List.of("event: response.created\n", "")) {
            String created = named + "data: {\"response\":{\"instructions\":\"" + "x".repeat(200_000) + "\",\"tools\":[" + tool + "]},"
                    + "\"sequence_number\":0}\n\n";
            var each = new ResponseStreamTest();
            String passed = each.passed(created + DELTA, 20_000, null);
            assertTrue(passed.startsWith(created + DELTA + "event: error\n"), passed.substring(200_000));
            assertTrue(passed.contains("\"sequence_number\":42,"), passed.substring(200_000));
            assertEquals(Usage.NONE, each.stream.usage());
            var whole = new ResponseStreamTest();
            assertEquals(created + COMPLETED, whole.passed(created + COMPLETED, 20_000, null));
            assertNull(whole.stream.failure());
            assertNull(whole.stream.error());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = { "response.failed", "error", "response.completed" })
    void aLastEventThatIsCutIsAFailure(String type) {
        for (int length : new int[] { 900, 90_000 }) {
            var each = new ResponseStreamTest();
            String cut = "event: " + type + "\ndata: {\"type\":\"" + type + "\",\"sequence_number\":2,\"message\":\"" + "x".repeat(length);
            String passed = each.passed(CREATED + cut, 20_000, null);
            String told = "\n\nevent: error\ndata: {\"type\":\"error\",\"code\":\"upstream_incomplete\"";
            assertTrue(passed.startsWith(CREATED) && passed.contains(told), passed.substring(Math.max(0, passed.length() - 900)));
        }
    }

    @Test
    void anotherEventThatIsTooLargeToBeKeptIsNoEnd() {
        String large = DELTA.replace("Hi", "x".repeat(200_000));
        assertTrue(passed(large, 1_000, null).startsWith(large + "event: error\n"));
        assertEquals("upstream_incomplete", stream.failure().code());
    }
}
