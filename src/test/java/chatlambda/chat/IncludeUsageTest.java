package chatlambda.chat;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import chatlambda.OtherJson;
import chatlambda.chat.Limits.Counted;
import jakarta.json.JsonValue;
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
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A stream tells its usage only when asked: for a caller with a budget of tokens or dollars it is asked, in the caller's own bytes. */
class IncludeUsageTest {

    private static final String STREAM = "\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"stream\":true";

    private static ApiRequest request(Route route, String body, Counted counted, long cap) throws ChatError {
        return ApiRequest.of(route, body.getBytes(UTF_8), Models.only("m"), new Limits(List.of(), 0, cap, "max_tokens", counted));
    }

    private static ApiRequest stream(String more) throws ChatError {
        return request(Route.CHAT, "{" + STREAM + more + "}", Counted.USAGE, 0);
    }

    @Test
    void whereTheOptionsAreMissingTheyAreFilledIn() throws ChatError {
        var request = stream("");
        assertEquals("{\"stream_options\":{\"include_usage\":true}," + STREAM + "}", new String(request.body(), UTF_8));
        assertEquals(true, request.metering().hidesUsage());
    }

    @Test
    void theyAreFilledInBesideTheModelAndTheCap() throws ChatError {
        String members = "\"messages\":[{\"role\":\"user\"}],\"stream\":true}";
        var request = request(Route.CHAT, " { " + members, Counted.USAGE, 50);
        assertEquals(" {\"model\":\"m\",\"max_tokens\":50,\"stream_options\":{\"include_usage\":true}, " + members,
                new String(request.body(), UTF_8));
    }

    /** Each: what the caller says, what goes upstream, and whether the event with the usage is the function's own. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            null                                       | {"include_usage":true}                                 | true
            {}                                         | {"include_usage":true}                                 | true
            { }                                        | {"include_usage":true }                                | true
            {"x":1}                                    | {"include_usage":true,"x":1}                           | true
            { "x" : {"include_usage":false} }          | {"include_usage":true, "x" : {"include_usage":false} } | true
            {"x":["include_usage",false]}              | {"include_usage":true,"x":["include_usage",false]}     | true
            {"include_usage":false}                    | {"include_usage":true}                                 | true
            {"include_usage" : false }                 | {"include_usage" : true }                              | true
            {"include_usage":null}                     | {"include_usage":true}                                 | true
            {"include_usage":0}                        | {"include_usage":true}                                 | true
            {"include_usage":0 ,"x":1}                 | {"include_usage":true ,"x":1}                          | true
            {"include_usage":"true"}                   | {"include_usage":true}                                 | true
            {"include_usage":"a\\"}"}                  | {"include_usage":true}                                 | true
            {"include_usage":{"x":[1,{}]}}             | {"include_usage":true}                                 | true
            {"include_usage":[true] }                  | {"include_usage":true }                                | true
            {"x":1,"include_usage":false,"y":2}        | {"x":1,"include_usage":true,"y":2}                     | true
            {"include\\u005fusage":false}              | {"include\\u005fusage":true}                           | true
            {"include_usage":true}                     | {"include_usage":true}                                 | false
            { "include_usage" : true , "x":null}       | { "include_usage" : true , "x":null}                   | false
            {"include\\u005fusage":true}               | {"include\\u005fusage":true}                           | false
            {"include_usage":false,"include_usage":true}  | {"include_usage":true,"include_usage":true}         | true
            {"include_usage":true,"include_usage":false}  | {"include_usage":true,"include_usage":true}         | true
            {"include_usage":true,"include_usage":true}   | {"include_usage":true,"include_usage":true}         | false
            {"Include_Usage":false}                    | {"include_usage":true,"Include_Usage":true}            | true
            {"includeUsage":null}                      | {"include_usage":true,"includeUsage":true}             | true
            {"INCLUDEUSAGE":false,"include_usage":true}| {"INCLUDEUSAGE":true,"include_usage":true}             | true
            {"include_u\u017fage":false}               | {"include_usage":true,"include_u\u017fage":true}       | true
            false                                      | {"include_usage":true}                                 | true
            7                                          | {"include_usage":true}                                 | true
            "x"                                        | {"include_usage":true}                                 | true
            [{"include_usage":true}]                   | {"include_usage":true}                                 | true
            """)
    void whatSaysOtherwiseIsReplacedAndNothingElse(String options, String sent, boolean hides) throws ChatError {
        for (String behind : new String[] { "", " ", ",\"seed\":1.50", " \n, \"x\" : null " }) {
            for (String name : new String[] { "\"stream_options\":", "\"stream\\u005foptions\" :\t" }) {
                var request = stream("," + name + options + behind);
                assertEquals("{" + STREAM + "," + name + sent + behind + "}", new String(request.body(), UTF_8));
                assertEquals(hides, request.metering().hidesUsage());
            }
        }
    }

    @Test
    void aRequestThatAsksForItsUsageItselfGoesUpstreamAsItIs() throws ChatError {
        byte[] body = ("{" + STREAM + ",\"stream_options\":{\"include_usage\":true}}").getBytes(UTF_8);
        assertSame(body, ApiRequest.of(Route.CHAT, body, Models.only("m"), new Limits(List.of(), 0, 0, "max_tokens", Counted.USAGE))
                .body());
    }

    @ParameterizedTest
    @ValueSource(strings = { "", ",\"stream_options\":null", ",\"stream_options\":{\"include_usage\":false}", ",\"stream_options\":{}",
            ",\"stream_options\":7", ",\"stream_options\":{\"include_usage\":true}" })
    void onlyAStreamOfACallerWithABudgetOfTokensOrDollarsIsAsked(String options) throws ChatError {
        for (String notStream : new String[] { "\"stream\":false", "\"stream\":null", "\"x\":1", "\"stream\":true,\"stream\":false" }) {
            requireUntouched(Route.CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]," + notStream + options + "}", Counted.USAGE);
        }
        requireUntouched(Route.CHAT, "{" + STREAM + options + "}", Counted.REQUESTS);
        requireUntouched(Route.CHAT, "{" + STREAM + options + "}", Counted.NOTHING);
        requireUntouched(Route.RESPONSES, "{\"model\":\"m\",\"input\":\"x\",\"stream\":true" + options + "}", Counted.USAGE);
        requireUntouched(Route.EMBEDDINGS, "{\"model\":\"m\",\"input\":\"x\",\"stream\":true" + options + "}", Counted.USAGE);
    }

    private static void requireUntouched(Route route, String body, Counted counted) throws ChatError {
        byte[] bytes = body.getBytes(UTF_8);
        var request = ApiRequest.of(route, bytes, Models.only("m"), new Limits(List.of(), 0, 0, "max_tokens", counted));
        assertSame(bytes, request.body());
        assertEquals(false, request.metering() != null && request.metering().hidesUsage());
    }

    /** Upstreams differ in which of several counts, and how leniently they read names. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            "stream_options":{"include_usage":true},"stream_options":null | stream_options is there twice: say it once
            "stream_options":null,"stream\\u005foptions":null             | stream_options is there twice: say it once
            "streamOptions":{"include_usage":false}                       | streamOptions is no member of such a request: write stream_options
            "Stream_Options":{}                                           | Stream_Options is no member of such a request: write stream_options
            """)
    void optionsThatUpstreamsReadDifferentlyAreRefused(String members, String message) {
        assertEquals(message, assertThrows(ChatError.class, () -> stream("," + members)).getMessage());
    }

    /** They are looked at only where they are replaced. */
    @ParameterizedTest
    @ValueSource(strings = { "\"stream_options\":{},\"stream_options\":null", "\"streamOptions\":{}", "\"Stream_Options\":7" })
    void optionsThatAreNotReplacedMayBeAnything(String members) throws ChatError {
        String body = "{" + STREAM + "," + members + ",\"max_tokens\":7}";
        requireUntouched(Route.CHAT, body, Counted.REQUESTS);
        requireUntouched(Route.CHAT, body, Counted.NOTHING);
        assertEquals(body, new String(request(Route.CHAT, body, Counted.NOTHING, 50).body(), UTF_8), "nor by a cap");
        assertEquals(body, new String(request(Route.CHAT, body, Counted.REQUESTS, 50).body(), UTF_8));
    }

    /** Who has a budget of requests alone may send what is refused of a caller whose tokens count. */
    @ParameterizedTest
    @ValueSource(strings = { "\"max_tokens\":0", "\"max_tokens\":\"7\"", "\"n\":-1", "\"best_of\":2", "\"models\":[\"a\"]",
            "\"max_tokens\":1,\"max_tokens\":2", "\"max_output_tokens\":7", "\"model\":\"m\"" })
    void aBudgetOfRequestsLimitsNoMembers(String member) throws ChatError {
        requireUntouched(Route.CHAT, "{" + STREAM + "," + member + "}", Counted.REQUESTS);
    }

    @ParameterizedTest
    @EnumSource(value = Counted.class, names = { "REQUESTS", "USAGE" })
    void noCallerWithABudgetMayHaveItsResponseInTheBackground(Counted counted) throws ChatError {
        String message = "background is not for a caller with a token cap or a budget, since what it costs comes after the answer:"
                + " leave it out";
        assertEquals(message, assertThrows(ChatError.class,
                () -> request(Route.RESPONSES, "{\"input\":\"x\",\"background\":true}", counted, 0)).getMessage());
        for (String value : new String[] { "false", "null" }) {
            requireUntouched(Route.RESPONSES, "{\"model\":\"m\",\"input\":\"x\",\"background\":" + value + "}", counted);
        }
        requireUntouched(Route.RESPONSES, "{\"model\":\"m\",\"input\":\"x\",\"background\":true}", Counted.NOTHING);
    }

    @ParameterizedTest
    @EnumSource(Counted.class)
    void allElseOfAStreamKeepsEveryByte(Counted counted) throws ChatError {
        String own = "\"messages\" : [ { \"role\":\"user\", \"content\":\"stream_options \\\"include_usage\\\":false\" } ], \"x\":1.10";
        var request = request(Route.CHAT, "{\"stream\":true, " + own + " ,\"model\":\"m\",\"stream_options\":{\"a\":1}}", counted, 0);
        String options = counted == Counted.USAGE ? "{\"include_usage\":true,\"a\":1}" : "{\"a\":1}";
        assertEquals("{\"stream\":true, " + own + " ,\"model\":\"m\",\"stream_options\":" + options + "}",
                new String(request.body(), UTF_8));
    }

    /** Whatever the options are, they are an object in the end that asks, and what else they say is still there. */
    @Property(tries = 500, seed = "7")
    void anyOptionsAskInTheEndAndKeepTheirOtherMembers(@ForAll("options") List<String> members, @ForAll("space") String space)
            throws ChatError {
        String options = "{" + space + String.join(space + "," + space, members) + space + "}";
        String body = "{" + STREAM + ",\"stream_options\":" + options + "}";
        var request = request(Route.CHAT, body, Counted.USAGE, 0);
        var asked = OtherJson.object(OtherJson.object(body.getBytes(UTF_8)), "stream_options");
        var sent = OtherJson.object(OtherJson.object(request.body()), "stream_options");
        assertEquals(JsonValue.TRUE, sent.get("include_usage"));
        sent.forEach((name, value) -> assertEquals(isUsage(name) ? JsonValue.TRUE : asked.get(name), value, name));
        asked.put("include_usage", JsonValue.TRUE);
        assertEquals(asked.keySet(), sent.keySet());
        boolean asksItself = members.stream().anyMatch(each -> each.startsWith("\"include_usage\""))
                && members.stream().noneMatch(each -> isUsage(each.substring(1, each.lastIndexOf('"'))) && !each.endsWith("true"));
        assertEquals(!asksItself, request.metering().hidesUsage());
    }

    private static boolean isUsage(String name) {
        return name.replace("_", "").equalsIgnoreCase("includeusage");
    }

    @Provide
    Arbitrary<List<String>> options() {
        return Combinators.combine(Arbitraries.of("include_usage", "Include_Usage", "includeUsage", "x", "include", "usage"),
                Arbitraries.of("true", "true", "false", "null", "1", "{ }", "[{},[]]")).as((name, value) -> "\"" + name + "\":" + value)
                .list().ofMaxSize(4);
    }

    @Provide
    Arbitrary<String> space() {
        return Arbitraries.strings().withChars(" \t\r\n").ofMaxLength(2);
    }
}
