package chatlambda.chat;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import chatlambda.OtherJson;
import chatlambda.chat.Limits.Counted;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is reserved for a request: a quarter of its bytes, a file among them as 4,000 bytes, and the tokens that it lets come. */
class MeteringTest {

    private static final String MESSAGES = "\"messages\":[{\"role\":\"user\"}]";

    private static Limits limits(Counted counted, long cap) {
        return new Limits(List.of(), 0, cap, "max_tokens", counted);
    }

    private static Metering metering(Route route, String body, long cap) throws ChatError {
        return ApiRequest.of(route, body.getBytes(UTF_8), Models.only("m"), limits(Counted.USAGE, cap)).metering();
    }

    /** How many tokens a request counts that has this member and nothing else. */
    private static long prompt(String member) throws ChatError {
        return metering(Route.CHAT, "{" + MESSAGES + "," + member + "}", 0).promptTokens();
    }

    private static long quarter(long bytes) {
        return bytes / 4 + (bytes % 4 == 0 ? 0 : 1);
    }

    @Test
    void nobodyIsMeteredWithoutBudgetsOfTokensOrDollars() throws ChatError {
        byte[] body = ("{" + MESSAGES + "}").getBytes(UTF_8);
        assertNull(ApiRequest.of(Route.CHAT, body, Models.only("m"), Limits.NONE).metering());
        assertNull(ApiRequest.of(Route.CHAT, body, Models.only("m"), limits(Counted.NOTHING, 7)).metering());
        assertNull(ApiRequest.of(Route.CHAT, body, Models.only("m"), limits(Counted.REQUESTS, 7)).metering());
    }

    /** The bytes are the caller's: the model, the cap and the options that are filled in do not count. */
    @Test
    void aPlainBodyCountsAQuarterOfItsBytesRoundedUp() throws ChatError {
        for (int more = 0; more < 9; more++) {
            String body = "{\"messages\":[{\"role\":\"user\",\"content\":\"" + "x".repeat(more) + "\"}],\"stream\":true}";
            var request = ApiRequest.of(Route.CHAT, body.getBytes(UTF_8), Models.only("m".repeat(100)), limits(Counted.USAGE, 1_000));
            assertEquals(quarter(body.length()), request.metering().promptTokens());
        }
        assertEquals(quarter(16 + MESSAGES.length() + 2 * 3), prompt("\"content\":\"\u20ac\u20ac\""), "bytes and not characters");
        assertEquals(quarter(3 + 2 + MESSAGES.length()), metering(Route.CHAT, "\ufeff{" + MESSAGES + "}", 0).promptTokens());
    }

    @ParameterizedTest
    @CsvSource({ "0, 0", "1, 1", "4, 1", "5, 2", "4000, 1000", "4001, 1001", "9007199254740993, 2251799813685249" })
    void fourBytesAreTakenForAToken(long bytes, long tokens) {
        assertEquals(tokens, Metering.tokens(bytes));
    }

    /** Each: a member, in which ~ stands for what is in a file, and the same with the file's text as 4,000 bytes. */
    @ParameterizedTest
    @ValueSource(strings = {
            "'url':'~data:image/png;base64,AAAA~'",
            "'url':'~data:~'",
            "'url': '~data:,x~' ",
            "'image_url':{'url':'~data:image/png;base64,AAAA~','detail':'low'}",
            "'image_url':{'detail':'low','url':'~data:image/png;base64,AAAA~' \n }",
            "'input_audio':{'data':'~AAAA~','format':'wav'}",
            "'input_audio':{'format':'wav','data'\t:\n'~AAAA~' \r\n\t , 'x' : 'y'}",
            "'file':{'file_data':'~AAAA~'}",
            "'file':{'filename':'a','file_data':'~data:application/pdf;base64,AAAA~'}",
            "'file':{'file_data':'~~'}",
            "'data':'~~'",
            "'d\\u0061ta':'~AAAA~'",
            "'data':'~a\\'b~','y':'z'",
            "'data':'~a\\\\~','y':'\\\\'",
            "'data':'~\\\\\\'~'",
            "'data':'~\u20ac\ud83d\ude00~'",
            "'url':'~data:\\u0022\\\\\\'~'",
            "'x':['~data:A~']",
            "'x':['~data:A~','~data:B~', 'data' , '~data:~' ]",
            "'x':[['~data:A~']]",
            "'x':[{'data':'~A~'},{'data':'~B~'}]",
            "'x':'~data:,~','data':'~AA~','file_data':'~AAA~'",
            "'data':'~A~','data':'~B~'" })
    void aFileCountsFourThousandBytesHoweverLongItIs(String shape) throws ChatError {
        for (int length : new int[] { 0, 1, 2, 3, 3_999, 4_000, 4_001, 20_000 }) {
            String[] parts = shape.replace('\'', '"').split("~", -1);
            var member = new StringBuilder();
            long bytes = 2 + MESSAGES.length() + 1;
            for (int i = 0; i < parts.length; i++) {
                boolean isFile = i % 2 == 1;
                member.append(parts[i]).append(isFile ? "A".repeat(length) : "");
                bytes += isFile ? 4_000 : parts[i].getBytes(UTF_8).length;
            }
            assertEquals(quarter(bytes), prompt(member.toString()), member::toString);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = { "'url':'DATA:,x'", "'url':' data:,x'", "'url':'http://data:80/'", "'url':'data'", "'url':'dat'", "'data:':'x'",
            "'data':null", "'data':7", "'data':true", "'data':['AAAA']", "'data':{'x':'AAAA'}", "'Data':'AAAA'", "'file-data':'AAAA'",
            "'file_data':['A','B']", "'x':['data','file_data']", "'xdata':'AAAA'", "'content':'the data: 7'" })
    void whatOnlyLooksLikeAFileCountsItsBytes(String member) throws ChatError {
        String json = member.replace('\'', '"');
        assertEquals(quarter(2 + MESSAGES.length() + 1 + json.length()), prompt(json));
    }

    @Test
    void aFileAtTheVeryEndOfTheBodyCountsToo() throws ChatError {
        String before = "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"file_data\":\"";
        String body = before + "A".repeat(100_000) + "\"}}]}]}";
        assertEquals(quarter(before.length() + 4_000 + 8), metering(Route.CHAT, body, 0).promptTokens());
        String input = "{\"input\":\"data:" + "A".repeat(9_999) + "\"}";
        assertEquals(quarter("{\"input\":\"\"}".length() + 4_000), metering(Route.EMBEDDINGS, input, 0).promptTokens());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', nullValues = "-", textBlock = """
            CHAT       | -                                                | 0   | 0
            CHAT       | "max_tokens":7                                   | 0   | 7
            CHAT       | "max_completion_tokens":7                        | 0   | 7
            CHAT       | "max_tokens":7,"n":3                             | 0   | 21
            CHAT       | "n":3,"max_tokens":7                             | 0   | 21
            CHAT       | "n":3                                            | 0   | 0
            CHAT       | "n":null,"max_tokens":7                          | 0   | 7
            CHAT       | "max_tokens":null                                | 0   | 0
            CHAT       | "max_tokens":null,"max_completion_tokens":7      | 0   | 7
            CHAT       | "max_tokens":7,"max_completion_tokens":null      | 0   | 7
            CHAT       | "max_tokens":7,"max_completion_tokens":9         | 0   | 9
            CHAT       | "max_tokens":9,"max_completion_tokens":7         | 0   | 9
            CHAT       | "max_completion_tokens":7,"max_tokens":9,"n":2   | 0   | 18
            CHAT       | "max_tokens":7.5                                 | 0   | 8
            CHAT       | "max_tokens":7,"n":1.5                           | 0   | 14
            CHAT       | "max_tokens":1e3                                 | 0   | 1000
            CHAT       | "max_tokens":1e400                               | 0   | 1000000000000000
            CHAT       | "max_tokens":1e300,"n":1e300                     | 0   | 1000000000000000
            CHAT       | "n":1e400                                        | 0   | 0
            CHAT       | -                                                | 100 | 100
            CHAT       | "max_tokens":null                                | 100 | 100
            CHAT       | "max_tokens":null,"max_completion_tokens":null   | 100 | 100
            CHAT       | "n":3                                            | 100 | 99
            CHAT       | "n":3,"max_tokens":20                            | 100 | 60
            CHAT       | "max_tokens":100                                 | 100 | 100
            CHAT       | "max_completion_tokens":20                       | 100 | 20
            CHAT       | "max_tokens":20,"max_completion_tokens":30       | 100 | 30
            RESPONSES  | -                                                | 0   | 0
            RESPONSES  | "max_output_tokens":7                            | 0   | 7
            RESPONSES  | "max_output_tokens":null                         | 0   | 0
            RESPONSES  | -                                                | 100 | 100
            RESPONSES  | "max_output_tokens":20                           | 100 | 20
            EMBEDDINGS | -                                                | 0   | 0
            EMBEDDINGS | -                                                | 100 | 0
            EMBEDDINGS | "max_tokens":7,"n":2                             | 0   | 0
            """)
    void theAnswersTokensAreTheRequestsLimitForEachOfItsAnswers(Route route, String members, long cap, long tokens) throws ChatError {
        String required = route == Route.CHAT ? MESSAGES : "\"input\":\"x\"";
        assertEquals(tokens, metering(route, "{" + required + (members == null ? "" : "," + members) + "}", cap).completionTokens());
    }

    @Test
    void theEstimateStaysWithTheRequestWhenAnotherModelIsAsked() throws ChatError {
        byte[] body = ("{" + MESSAGES + ",\"max_tokens\":7}").getBytes(UTF_8);
        var request = ApiRequest.of(Route.CHAT, body, Models.only("m"), limits(Counted.USAGE, 0));
        assertEquals(request.metering(), request.withModel("a much longer name of a model").metering());
    }

    /** A request as it is spelled, and as it counts: the same with 4,000 bytes in place of each file's text. */
    record Spelled(String json, String counted) {

        static Spelled same(String json) {
            return new Spelled(json, json);
        }

        /** @param name of the member; null: the text is an item of an array */
        static Spelled text(String name, String content) {
            boolean isFile = "data".equals(name) || "file_data".equals(name) || content.startsWith("data:");
            return new Spelled('"' + content + '"', '"' + (isFile ? "F".repeat(4_000) : content) + '"');
        }

        static Spelled of(String open, String between, List<Spelled> parts, String close) {
            return new Spelled(open + String.join(between, parts.stream().map(Spelled::json).toList()) + close,
                    open + String.join(between, parts.stream().map(Spelled::counted).toList()) + close);
        }

        Spelled named(String spelledName, String space) {
            String before = '"' + spelledName + '"' + space + ':' + space;
            return new Spelled(before + json, before + counted);
        }
    }

    @Property(tries = 500, seed = "7")
    void anyRequestCountsAsItWouldWithFourThousandBytesInPlaceOfEachFile(@ForAll("requests") Spelled request) throws ChatError {
        assertEquals(quarter(request.counted().getBytes(UTF_8).length), metering(Route.CHAT, request.json(), 0).promptTokens(),
                request::json);
    }

    /** Nothing of the caller's but the options gets lost or changes on the way, whatever else is in the body. */
    @Property(tries = 200, seed = "7")
    void aMeteredStreamGoesUpstreamAsItCameAndAsksForItsUsage(@ForAll("requests") Spelled request) throws ChatError {
        byte[] body = request.json().replaceFirst("\\{", "{\"stream\":true,").getBytes(UTF_8);
        var sent = OtherJson.object(ApiRequest.of(Route.CHAT, body, Models.only("m"), limits(Counted.USAGE, 0)).body());
        var expected = OtherJson.object(body);
        expected.put("model", "m");
        expected.put("stream_options", Map.of("include_usage", jakarta.json.JsonValue.TRUE));
        assertEquals(expected, sent);
    }

    @Provide
    Arbitrary<Spelled> requests() {
        return Combinators.combine(member().list().ofMaxSize(5), space(), Arbitraries.integers().between(0, 5)).as((members, space, at) -> {
            var all = new ArrayList<>(members);
            all.add(Math.min(at, all.size()), Spelled.same(MESSAGES));
            return Spelled.of(space + "{" + space, space + "," + space, all, space + "}" + space);
        });
    }

    private Arbitrary<Spelled> member() {
        return Arbitraries.frequencyOf(Tuple.of(2, memberWithText()), Tuple.of(1, memberWithOther()));
    }

    private Arbitrary<Spelled> memberWithText() {
        return Combinators.combine(Arbitraries.of("data", "file_data", "url", "x", "dat\\u0061", "data:"), content(), space())
                .as((name, content, space) -> Spelled.text(name.replace("\\u0061", "a"), content).named(name, space));
    }

    private Arbitrary<Spelled> memberWithOther() {
        return Combinators.combine(Arbitraries.of("data", "file_data", "url", "x"), other(), space())
                .as((name, value, space) -> value.named(name, space));
    }

    private Arbitrary<Spelled> other() {
        return Arbitraries.lazyOf(
                () -> Arbitraries.of("null", "true", "7", "-1.5e3", "{}", "[ ]").map(Spelled::same),
                () -> Combinators.combine(item().list().ofMaxSize(3), space())
                        .as((items, space) -> Spelled.of("[" + space, space + "," + space, items, space + "]")),
                () -> Combinators.combine(member().list().ofMaxSize(3), space())
                        .as((members, space) -> Spelled.of("{" + space, space + "," + space, members, space + "}")));
    }

    private Arbitrary<Spelled> item() {
        return Arbitraries.frequencyOf(Tuple.of(2, content().map(content -> Spelled.text(null, content))),
                Tuple.of(1, Arbitraries.lazy(this::other)));
    }

    /** What may stand between two quotes. */
    private Arbitrary<String> content() {
        return Combinators.combine(Arbitraries.of("", "data:", "data", "\\u0064ata:", "Data:"),
                Arbitraries.of("a", "\\\"", "\\\\", "\\n", "\u20ac", "\ud83d\ude00", ",", ":", "}", "]", " ", "data:", "\\u0022").list()
                .ofMaxSize(12))
                .as((begin, rest) -> begin + String.join("", rest));
    }

    private Arbitrary<String> space() {
        return Arbitraries.strings().withChars(" \t\r\n").ofMaxLength(3);
    }
}
