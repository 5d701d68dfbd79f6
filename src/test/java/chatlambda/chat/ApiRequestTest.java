package chatlambda.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.Events;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ApiRequestTest {

    private static final String MESSAGES = "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]";

    private static ApiRequest read(String body) throws ChatError {
        return ApiRequest.of(Route.CHAT, body.getBytes(StandardCharsets.UTF_8), Models.only("default/model"), Limits.NONE);
    }

    @ParameterizedTest
    @ValueSource(strings = {
            "{\"model\":\"m\"," + MESSAGES + "}",
            " \r\n\t{ \"zzz\" : 1e400 , \"model\":\"m\", \"n\":12345678901234567890123, \"f\":1.10, \"f\":-0.0," + MESSAGES + "}\n ",
            "{" + MESSAGES + ",\"model\":\"\\u006d\",\"x\":\"\\ud800 \\/ \u2028 \uD83D\uDE00\",\"messages\":[{\"role\":\"user\"}]}",
            "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"text\",\"role\":7}],\"role\":\"user\"}]}" })
    void whatTheCallerSentGoesUpstreamUntouched(String body) throws ChatError {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        var request = ApiRequest.of(Route.CHAT, bytes, Models.only("default/model"), Limits.NONE);
        assertSame(bytes, request.body());
        assertEquals("m", request.model());
    }

    @Test
    void aMissingModelIsPutInFrontAndTheRestIsUntouched() throws ChatError {
        byte[] body = (" { " + MESSAGES + " }").getBytes(StandardCharsets.UTF_8);
        var request = ApiRequest.of(Route.CHAT, body, Models.only("a\"b/ü"), Limits.NONE);
        assertEquals(" {\"model\":\"a\\\"b/ü\", " + MESSAGES + " }", new String(request.body(), StandardCharsets.UTF_8));
        assertEquals("a\"b/ü", request.model());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            {"model":"m",M} | {"model":"o/\\"ü",M}
            { "x" : {"model":"m"}, "model" :\t"\\u006d\\n" , M } | { "x" : {"model":"m"}, "model" :\t"o/\\"ü" , M }
            {"model":"m",M,"model":"n"} | {"model":"o/\\"ü",M,"model":"o/\\"ü"}
            {"m\\u006fdel":"m",M} | {"m\\u006fdel":"o/\\"ü",M}
            {M} | {"model":"o/\\"ü",M}
            """)
    void forAnotherModelOnlyThatValueIsReplaced(String body, String expected) throws ChatError {
        var other = read(body.replace("M", MESSAGES)).withModel("o/\"ü");
        assertEquals(expected.replace("M", MESSAGES), new String(other.body(), StandardCharsets.UTF_8));
        assertEquals("o/\"ü", other.model());
    }

    /** Upstream parsers disagree which of two members counts. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            {"model":"m",M,"model":null}      | {"model":"m",M,"model":"m"}
            {"model" : "" ,"model":"m",M}     | {"model" : "m" ,"model":"m",M}
            {"model":null,M,"model":null}     | {"model":"default/model",M,"model":"default/model"}
            """)
    void aModelThatIsNoneBesideOneThatIsNamedIsThatOne(String body, String expected) throws ChatError {
        assertEquals(expected.replace("M", MESSAGES), new String(read(body.replace("M", MESSAGES)).body(), StandardCharsets.UTF_8));
    }

    @Test
    void aByteOrderMarkStaysInFrontOfTheModel() throws ChatError {
        assertEquals("\uFEFF{\"model\":\"default/model\"," + MESSAGES + "}",
                new String(read("\uFEFF{" + MESSAGES + "}").body(), StandardCharsets.UTF_8));
    }

    @Test
    void aNestedModelIsNotTheRequests() throws ChatError {
        assertEquals("default/model", read("{\"x\":{\"model\":\"nested\"}," + MESSAGES + "}").model());
    }

    @Test
    void aStreamIsAskedForByTrueAlone() throws ChatError {
        assertTrue(read("{\"stream\":true," + MESSAGES + "}").stream());
        assertFalse(read("{\"stream\":false," + MESSAGES + "}").stream());
        assertFalse(read("{\"stream\":null," + MESSAGES + "}").stream());
        assertFalse(read("{\"x\":{\"stream\":true}," + MESSAGES + "}").stream());
    }

    @Test
    void aNumberOfAMillionDigitsAndALongStringPass() throws ChatError {
        String body = "{\"model\":\"m\",\"seed\":" + "9".repeat(1_000_000) + ",\"s\":\"" + "x".repeat(5_000_000) + "\"," + MESSAGES + "}";
        assertEquals(body.length(), read(body).body().length);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            ``|                                               | the request body is empty: POST JSON such as
            ` `|                                              | the request body is blank, not a JSON object
            []|                                               | the request body is an array, not a JSON object
            "messages"|                                       | the request body is a string, not a JSON object
            {}| messages                                      | messages is missing: POST JSON such as
            {"messages":null}| messages                       | messages is null, not an array
            {"messages":{}}| messages                         | messages is an object, not an array
            {"messages":[]}| messages                         | messages is an empty array
            {"messages":["Hi"]}| messages[0]                  | messages[0] is a string, not an object
            {"messages":[{"role":"user"},{}]}| messages[1].role | messages[1].role is missing
            {"messages":[{"role":1}]}| messages[0].role       | messages[0].role is a number, not a string
            {"messages":[{"role":"user"}],"messages":7}| messages | messages is a number, not an array
            {"model":false,"messages":[{"role":"user"}]}| model | model is a boolean, not a string
            {"stream":"true","messages":[{"role":"user"}]}| stream | stream is a string, not a boolean: set it to true or false
            {"stream":1,"messages":[{"role":"user"}]}| stream | stream is a number, not a boolean
            {"messages":null}|         messages               | messages is null, not an array
            {"model":["m"],"messages":[{"role":"user"}]}| model | model is an array, not a string
            {"messages":[{"role":"user"}]} x|                 | is not JSON: a word that is not true, false, null or in quotes at line 1, column 32
            {"messages":[{"role":"user"}]} {}|                | goes on after its JSON object, at line 1, column 32
            {"messages":[{"role":"user"}]|                    | it ends too early at line 1, column 30
            {"messages":[{"role":"user",}]}|                  | unexpected character ('}' (code 125)): was expecting double-quote to start field name at line 1, column 29
            {"messages":[{"role":"secret prompt|              | it ends too early at line 1
            {"\\ud800":1}|                                     | half of a surrogate pair in a name at line 1, column 9
            {"\\ude00":1}|                                     | half of a surrogate pair in a name at line 1, column 9
            secret prompt|                                    | a word that is not true, false, null or in quotes at line 1
            """)
    void whatIsNoChatRequestIsRefusedByName(String body, String param, String message) {
        var error = assertThrows(ChatError.class, () -> read(body == null ? "" : body));
        assertEquals(400, error.status());
        assertTrue(error.getMessage().contains(message), error.getMessage());
        assertFalse(error.getMessage().contains("secret"), error.getMessage());
        var json = Events.json(new String(error.json(), StandardCharsets.UTF_8)).getJsonObject("error");
        assertEquals("invalid_request_error", json.getString("type"));
        assertEquals(param, json.isNull("param") ? null : json.getString("param"));
    }

    @Test
    void aFaultOnALaterLineIsFoundThere() {
        var error = assertThrows(ChatError.class, () -> read("{\n  \"messages\": [\n    {\"role\" \"user\"}\n  ]\n}"));
        assertTrue(error.getMessage().contains("line 3, column 13"), error.getMessage());
    }

    @Test
    void textThatIsNotUtf8IsRefused() {
        for (byte[] body : new byte[][] { ("{" + MESSAGES + "}").getBytes(StandardCharsets.UTF_16BE),
                ("{" + MESSAGES + "}").getBytes(StandardCharsets.UTF_16LE), { '{', (byte) 0xff, '}' } }) {
            var error = assertThrows(ChatError.class, () -> ApiRequest.of(Route.CHAT, body, Models.only("m"), Limits.NONE));
            assertTrue(error.getMessage().startsWith("the request body is not UTF-8"), error.getMessage());
        }
    }

    @Test
    void nestingWithoutEndIsRefused() {
        var error = assertThrows(ChatError.class, () -> read("{\"x\":" + "[".repeat(100_000)));
        assertTrue(error.getMessage().contains("it nests deeper than 1000"), error.getMessage());
    }
}
