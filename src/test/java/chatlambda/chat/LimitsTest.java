package chatlambda.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LimitsTest {

    private static ChatRequest request(String members, Limits limits) throws ChatError {
        String body = "{" + members + "\"messages\":[{\"role\":\"user\",\"content\":\"hidden\"}]}";
        return ChatRequest.of(body.getBytes(StandardCharsets.UTF_8), "default", limits);
    }

    private static Limits models(String... globs) {
        return new Limits(List.of(globs), 0, 0);
    }

    private static Limits tokens(long cap) {
        return new Limits(List.of(), 0, cap);
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
            "model":"b","model":"a",         | 403
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
            "n":0,"max_tokens":11,                           | 400
            "max_tokens":"1",                                | 400
            "max_tokens":[],                                 | 400
            "Max_Tokens":1,"max_tokens":1,                   | 400
            "max_tokens":null,                               | 400
            ``                                               | 400
            """)
    void aRequestAsksForNoMoreTokensThanTheCap(String members, int status) {
        assertEquals(status, status(members, tokens(10)));
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
                + " set max_tokens or max_completion_tokens", more.getMessage());
        var none = assertThrows(ChatError.class, () -> request("", tokens(10)));
        assertTrue(none.getMessage().startsWith("max_tokens is missing, and this caller may ask for at most 10"), none.getMessage());
        var bytes = assertThrows(ChatError.class, () -> request("", new Limits(List.of(), 5, 0)));
        assertEquals(413, bytes.status());
        assertTrue(bytes.getMessage().contains(" bytes, and at most 5 are allowed (CHAT_MAX_REQUEST_BYTES)"), bytes.getMessage());
    }

    @Test
    void aRequestMayBeAsLongAsTheLimit() throws ChatError {
        byte[] body = "{\"messages\":[{\"role\":\"user\"}]}".getBytes(StandardCharsets.UTF_8);
        ChatRequest.of(body, "m", new Limits(List.of(), body.length, 0));
        assertThrows(ChatError.class, () -> ChatRequest.of(body, "m", new Limits(List.of(), body.length - 1, 0)));
    }

    @Test
    void withoutLimitsNothingIsLookedAt() throws ChatError {
        assertEquals("b", request("\"Model\":1,\"model\":\"b\",\"max_tokens\":\"many\",", Limits.NONE).model());
    }
}
