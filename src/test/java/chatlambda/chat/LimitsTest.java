package chatlambda.chat;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.Events;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LimitsTest {

    private static ApiRequest request(String members, Limits limits) throws ChatError {
        String body = "{" + members + "\"messages\":[{\"role\":\"user\",\"content\":\"hidden\"}]}";
        return ApiRequest.of(Route.CHAT, body.getBytes(StandardCharsets.UTF_8), Models.only("default"), limits);
    }

    private static Limits models(String... globs) {
        return new Limits(List.of(globs), 0, 0, "max_tokens");
    }

    private static Limits tokens(long cap) {
        return new Limits(List.of(), 0, cap, "max_tokens");
    }

    @ParameterizedTest
    @CsvSource({ "a, a, true", "a, b, false", "a, ab, false", "*, anything/at:all, true", "google/*, google/gemini, true",
            "google/*, xgoogle/gemini, false", "google/*, google/, true", "*pro, gemini-pro, true", "*pro, gemini-pro-x, false",
            "a*b*c, a1b2c, true", "a*b*c, abc, true", "a*b*c, acb, false", "a*a, a, false", "a*a, aa, true", "a**b, a-b, true",
            "*a*, bab, true", "*a*, b, false", "a.c, abc, false" })
    void aGlobsStarStandsForAnyCharacters(String glob, String model, boolean allowed) {
        assertEquals(allowed, models(glob).allow(model));
        assertEquals(allowed, models("no", glob).allow(model), "one of several is enough");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            "model":"a",                     | 200
            "model":"b",                     | 403
            "model":"b","model":"a",         | 400
            "model":"a","model":"b",         | 400
            "model":"a","model":"a",         | 400
            "model":"a","Model":"b",         | 400
            "MODEL":"b",                     | 400
            "m\\u006fdel":"b",               | 403
            ``                               | 403
            """)
    void noFormOfAModelThatIsNotAllowedGetsThrough(String members, int status) throws ChatError {
        assertEquals(status, status(members, models("a")));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            "max_tokens":10,                                 | 200
            "max_completion_tokens":10,                      | 200
            "max_tokens":10.0,                               | 200
            "max_tokens":5,"n":2,                            | 200
            "max_tokens":-1,                                 | 400
            "max_tokens":0,                                  | 400
            "max_tokens":1,"max_completion_tokens":-1,       | 400
            "max_tokens":5,"max_tokens":null,                | 400
            "max_tokens":1,"max_tokenſ":100000,              | 400
            "max_tokens":1,"max_toKens":100000,              | 400
            "max_tokens":1,"n":0,                            | 400
            "max_tokens":10,"max_completion_tokens":null,    | 200
            "max_tokens":11,                                 | 400
            "max_tokens":1e3,                                | 400
            "max_tokens":1e999,                              | 400
            "max_tokens":99999999999999999999999999,         | 400
            "max_completion_tokens":11,                      | 400
            "max_tokens":11,"max_completion_tokens":1,       | 400
            "max_tokens":1,"max_tokens":1,                   | 400
            "max_tokens":6,"n":2,                            | 400
            "max_tokens":6,"n":1.5,                          | 400
            "n":0,"max_tokens":11,                           | 400
            "max_tokens":"1",                                | 400
            "max_tokens":[],                                 | 400
            "Max_Tokens":1,"max_tokens":1,                   | 400
            "max_tokens":null,                               | 200
            "max_output_tokens":1,                           | 400
            "maxTokens":1,                                   | 400
            "max_tok\\u0000ens":1,                           | 400
            "n":11,                                          | 400
            ``                                               | 200
            """)
    void aRequestAsksForNoMoreTokensThanTheCap(String members, int status) {
        assertEquals(status, status(members, tokens(10)));
    }

    /** {@code M} stands for the messages, {@code D} for the model that is filled in. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            CHAT | max_tokens            | {"model":"m",M}                                       | {"max_tokens":10,"model":"m",M}
            CHAT | max_tokens            | { M }                                                 | {D,"max_tokens":10, M }
            CHAT | max_completion_tokens | {"model":"m",M}                                       | {"max_completion_tokens":10,"model":"m",M}
            CHAT | max_tokens            | {"model":"m","n":3,M}                                 | {"max_tokens":3,"model":"m","n":3,M}
            CHAT | max_tokens            | {"model":"m","n":2.5,M}                               | {"max_tokens":3,"model":"m","n":2.5,M}
            CHAT | max_tokens            | {"model":"m","n":null,M}                              | {"max_tokens":10,"model":"m","n":null,M}
            CHAT | max_tokens            | {"model":"m",M,"max_tokens" : null }                  | {"model":"m",M,"max_tokens" : 10 }
            CHAT | max_tokens            | {"max_completion_tokens":null,"model":"m",M}          | {"max_tokens":10,"model":"m",M}
            CHAT | max_tokens            | {"max_completion_tokens": 7.0,M}                      | {D,"max_tokens": 7.0,M}
            CHAT | max_completion_tokens | {"model":"m",M,"max\\u005ftokens":7}                  | {"model":"m",M,"max_completion_tokens":7}
            CHAT | max_tokens            | {"model":"m",M,"max_tokens":7}                        | {"model":"m",M,"max_tokens":7}
            CHAT | max_completion_tokens | {"model":"m",M,"max_tokens":7,"max_completion_tokens":8} | {"model":"m",M,"max_tokens":7,"max_completion_tokens":8}
            CHAT | max_tokens            | {"max_tokens":null,"max_completion_tokens":8,"model":"m",M} | {"max_completion_tokens":null,"max_tokens":8,"model":"m",M}
            CHAT | max_tokens            | {"max_tokens":null,"max_completion_tokens":null,"model":"m",M} | {"max_tokens":10,"max_completion_tokens":null,"model":"m",M}
            CHAT | max_tokens            | {"model":null,M}                                      | {"max_tokens":10,D,M}
            CHAT | max_tokens            | {"model" : "","n":10,M}                               | {"max_tokens":1,"model" : "default","n":10,M}
            RESPONSES | max_tokens       | {"model":"m","input":"x"}                             | {"max_output_tokens":10,"model":"m","input":"x"}
            RESPONSES | max_tokens       | {"model":"m","input":"x","max_output_tokens":null}    | {"model":"m","input":"x","max_output_tokens":10}
            RESPONSES | max_tokens       | {"model":"m","input":"x","max_output_tokens":9,"background":false} | {"model":"m","input":"x","max_output_tokens":9,"background":false}
            EMBEDDINGS | max_tokens      | {"input":"x"}                                         | {D,"input":"x"}
            EMBEDDINGS | max_tokens      | {"model":"m","input":"x","max_tokens":1000}           | {"model":"m","input":"x","max_tokens":1000}
            """)
    void whatARequestDoesNotSayIsFilledInInItsOwnBytes(Route route, String member, String body, String expected) throws ChatError {
        byte[] sent = full(body).getBytes(StandardCharsets.UTF_8);
        var request = ApiRequest.of(route, sent, Models.only("default"), new Limits(List.of(), 0, 10, member));
        assertEquals(full(expected), new String(request.body(), StandardCharsets.UTF_8));
        if (body.equals(expected)) {
            assertSame(sent, request.body());
        }
        assertEquals(body.contains("\"model\":\"m\"") ? "m" : "default", request.model());
    }

    private static String full(String body) {
        return body.replace("M", "\"messages\":[{\"role\":\"user\"}]").replace("D", "\"model\":\"default\"");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            CHAT       | "models":["b"]                  | models
            CHAT       | "route":"fallback"              | route
            CHAT       | "fallbacks":[]                  | fallbacks
            CHAT       | "best_of":5                     | best_of
            CHAT       | "bestOf":5                      | bestOf
            CHAT       | "max_output_tokens":5           | max_output_tokens
            CHAT       | "maxCompletionTokens":5         | maxCompletionTokens
            CHAT       | "m\\u0001odel":"b"             | m\1odel
            CHAT       | "_n":2                          | _n
            CHAT       | "model":"a,b"                   | model
            CHAT       | "model":"a b"                   | model
            CHAT       | "model":"a\\u00a0b"            | model
            CHAT       | "model":"a\\nb"                | model
            CHAT       | "model":"a/../b"                | model
            RESPONSES  | "max_tokens":1                  | max_tokens
            RESPONSES  | "max_completion_tokens":1       | max_completion_tokens
            RESPONSES  | "maxOutputTokens":1             | maxOutputTokens
            RESPONSES  | "models":[]                     | models
            EMBEDDINGS | "Models":[]                     | Models
            EMBEDDINGS | "model":"a","model":"a"         | model
            """)
    void whatSomeUpstreamsReadInPlaceOfALimitedMemberIsRefused(Route route, String member, String param) {
        byte[] body = ("{" + member + ",\"messages\":[{\"role\":\"user\"}],\"input\":\"x\"}").getBytes(StandardCharsets.UTF_8);
        for (Limits limits : List.of(models("*"), tokens(10), models("a*"))) {
            var error = assertThrows(ChatError.class, () -> ApiRequest.of(route, body, Models.only("a"), limits));
            assertEquals("400 " + param, error.status() + " " + param(error));
        }
        boolean isTwice = member.contains("\"model\":\"a\",");
        String model = assertDoesNotThrow(() -> ApiRequest.of(route, body, Models.only("a"), Limits.NONE)).model();
        assertTrue(member.contains("\"model\"") && !isTwice || model.equals("a"), "without limits nothing of it is looked at");
    }

    private static String param(ChatError error) {
        return Events.json(new String(error.json(), StandardCharsets.UTF_8)).getJsonObject("error").getString("param");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            "max_completion_tokens":11,                   | max_completion_tokens
            "max_tokens":11,                              | max_tokens
            "max_tokens":1,"max_completion_tokens":11,    | max_completion_tokens
            "max_tokens":12,"max_completion_tokens":11,   | max_tokens
            """)
    void theMemberIsNamedThatAsksForTooMuch(String members, String param) {
        var error = assertThrows(ChatError.class, () -> request(members, tokens(10)));
        assertEquals(param, param(error));
        assertTrue(error.getMessage().endsWith("set " + param + " to less, or leave it out"), error.getMessage());
    }

    @Test
    void vectorsHaveNoTokenLimit() throws ChatError {
        byte[] body = "{\"input\":\"x\",\"model\":\"m\",\"n\":0,\"max_tokens\":-1}".getBytes(StandardCharsets.UTF_8);
        assertSame(body, ApiRequest.of(Route.EMBEDDINGS, body, Models.only("d"), tokens(10)).body());
    }

    @ParameterizedTest
    @ValueSource(strings = { "true", "\"true\"", "1", "{}" })
    void whatIsPaidAfterTheAnswerIsNotForACallerWithACap(String background) throws ChatError {
        byte[] body = ("{\"input\":\"x\",\"background\":" + background + "}").getBytes(StandardCharsets.UTF_8);
        var error = assertThrows(ChatError.class, () -> ApiRequest.of(Route.RESPONSES, body, Models.only("m"), tokens(10)));
        assertEquals("background", param(error));
        assertEquals("m", ApiRequest.of(Route.RESPONSES, body, Models.only("m"), models("m")).model());
    }

    @Test
    void anAliasIsLookedAtByItsRealName() throws ChatError {
        var models = new Models("a/real", Map.of("fast", "a/real", "slow", "b/real"), List.of(), null);
        String body = "{\"model\": \"fast\",\"messages\":[{\"role\":\"user\"}]}";
        var request = ApiRequest.of(Route.CHAT, body.getBytes(StandardCharsets.UTF_8), models, models("a/*"));
        assertEquals(body.replace("fast", "a/real"), new String(request.body(), StandardCharsets.UTF_8));
        assertEquals("a/real", request.model());
        byte[] other = body.replace("fast", "slow").getBytes(StandardCharsets.UTF_8);
        assertEquals(403, assertThrows(ChatError.class, () -> ApiRequest.of(Route.CHAT, other, models, models("a/*"))).status());
        byte[] none = "{\"input\":\"x\"}".getBytes(StandardCharsets.UTF_8);
        assertEquals("b/real", ApiRequest.of(Route.EMBEDDINGS, none, models.withStandard("slow"), Limits.NONE).model());
    }

    private static int status(String members, Limits limits) {
        try {
            request(members, limits);
            return 200;
        } catch (ChatError e) {
            assertTrue(!e.getMessage().contains("hidden"), e.getMessage());
            return e.status();
        }
    }

    @Test
    void theLimitIsNamed() {
        var model = assertThrows(ChatError.class, () -> request("\"model\":\"b\",", models("a", "c*")));
        assertEquals("this caller may not use the model that was asked for, only a, c* (CHAT_ALLOWED_MODELS)", model.getMessage());
        assertEquals("model_not_allowed", model.code());
        var more = assertThrows(ChatError.class, () -> request("\"max_tokens\":11,\"n\":3,", tokens(10)));
        assertEquals("the request asks for 11 tokens, 3 times, and this caller may ask for at most 10 (CHAT_MAX_TOKENS_CAP):"
                + " set max_tokens to less, or leave it out", more.getMessage());
        var none = assertThrows(ChatError.class, () -> request("\"n\":11,", tokens(10)));
        assertEquals("the request asks for 11 answers, and this caller may ask for at most 10 tokens in all (CHAT_MAX_TOKENS_CAP):"
                + " ask for fewer answers", none.getMessage());
        var bytes = assertThrows(ChatError.class, () -> request("", new Limits(List.of(), 5, 0, "max_tokens")));
        assertEquals(413, bytes.status());
        assertTrue(bytes.getMessage().contains(" bytes, and at most 5 are allowed (CHAT_MAX_REQUEST_BYTES)"), bytes.getMessage());
    }

    @Test
    void aRequestMayBeAsLongAsTheLimit() throws ChatError {
        byte[] body = "{\"messages\":[{\"role\":\"user\"}]}".getBytes(StandardCharsets.UTF_8);
        ApiRequest.of(Route.CHAT, body, Models.only("m"), new Limits(List.of(), body.length, 0, "max_tokens"));
        var shorter = new Limits(List.of(), body.length - 1, 0, "max_tokens");
        assertThrows(ChatError.class, () -> ApiRequest.of(Route.CHAT, body, Models.only("m"), shorter));
    }

    @Test
    void withoutLimitsNothingIsLookedAt() throws ChatError {
        assertEquals("b", request("\"Model\":1,\"model\":\"b\",\"max_tokens\":\"many\",", Limits.NONE).model());
    }
}
