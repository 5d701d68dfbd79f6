package chatlambda.event;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.Events;
import jakarta.json.JsonObject;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class EventTest {

    private static Event read(String event) throws UnsupportedEvent {
        return Event.read(event.getBytes(StandardCharsets.UTF_8));
    }

    private static Event.Http http(String event) throws UnsupportedEvent {
        return assertInstanceOf(Event.Http.class, read(event));
    }

    /** The folder or the name of a fixture says what it is. */
    @ParameterizedTest
    @MethodSource("chatlambda.Events#all")
    void everyEventIsTakenForWhatItIs(Path file) throws UnsupportedEvent {
        String event = Events.read(file);
        String name = file.getParent().getFileName() + "/" + file.getFileName();
        if (name.startsWith("not-http/") || name.contains("/not-chat")) {
            assertThrows(UnsupportedEvent.class, () -> read(event));
            return;
        }
        Class<? extends Event> type = name.contains("alb") ? Alb.class
                : name.contains("rest-") ? RestApi.class : name.contains("direct") ? Direct.class : HttpApi.class;
        Event read = assertInstanceOf(type, read(event));
        assertEquals(read instanceof Alb ? "alb" : read instanceof RestApi ? "rest-api" : read instanceof Direct ? "direct"
                : name.contains("function-url") ? "function-url" : "http-api", read.door());
        if (read instanceof Event.Http http) {
            JsonObject json = Events.json(event);
            byte[] body = json.getString("body", "").getBytes(StandardCharsets.UTF_8);
            assertArrayEquals(json.getBoolean("isBase64Encoded", false) ? Base64.getDecoder().decode(body) : body, http.body());
        } else {
            assertEquals(event, new String(read.body(), StandardCharsets.UTF_8));
        }
    }

    @ParameterizedTest
    @MethodSource("chatlambda.Events#all")
    void everyHttpEventLeadsToTheChatRoute(Path file) throws UnsupportedEvent {
        JsonObject json = Events.json(Events.read(file));
        if (json.containsKey("requestContext") && !file.toString().contains("not-")) {
            Event.Http event = http(Events.asChat(json, "{\"ä\":\"\\\"\"}"));
            assertEquals("/v1/chat/completions", event.path());
            assertEquals("POST", event.method());
            assertEquals("{\"ä\":\"\\\"\"}", new String(event.body(), StandardCharsets.UTF_8));
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            /v1/chat/completions      | $default | $default                      | -                    | /v1/chat/completions
            /live/v1/chat/completions | live     | $default                      | -                    | /v1/chat/completions
            /live/v1/chat/completions | live     | ANY /{proxy+}                 | v1/chat/completions  | /v1/chat/completions
            /ai/v1/chat/completions   | live     | POST /v1/chat/completions     | -                    | /v1/chat/completions
            /ai/v1/chat/completions   | live     | POST /v1/chat/{proxy+}        | completions          | /v1/chat/completions
            /ai/v1/chat/completions   | live     | POST /v1/chat/{what}          | completions          | /v1/chat/completions
            /other/v1/chat/completions| live     | $default                      | -                    | /other/v1/chat/completions
            /live                     | live     | $default                      | -                    | /live
            /livev1/chat/completions  | live     | $default                      | -                    | /livev1/chat/completions
            /chat/completions/        | live     | $default                      | -                    | /chat/completions
            /                         | live     | $default                      | -                    | /
            /ai/v1/chat/completions/  | live     | POST /v1/chat/completions     | -                    | /v1/chat/completions
            """)
    void thePathIsFreedOfStageAndBasePathThatTheEventShows(String path, String stage, String route, String parameter, String expected)
            throws UnsupportedEvent {
        String parameters = parameter == null ? ""
                : ",\"pathParameters\":{\"" + (route.contains("what") ? "what" : "proxy") + "\":\"" + parameter + "\"}";
        assertEquals(expected, http("{\"rawPath\":\"" + path + "\",\"requestContext\":{\"http\":{\"method\":\"POST\"},\"stage\":\"" + stage
                + "\",\"routeKey\":\"" + route + "\"}" + parameters + "}").path());
    }

    @Test
    void aParameterThatLooksLikeAnotherIsNotFilledInOnceMore() throws UnsupportedEvent {
        assertEquals("/v1/{b}", http("""
                {"rawPath":"/ai/v1/{b}","requestContext":{"http":{"method":"POST"},"routeKey":"POST /v1/{a}"},
                "pathParameters":{"a":"{b}","b":"c"}}""").path());
        var parameters = new StringBuilder("\"Z\":\"\"");
        for (char name = 'A'; name < 'Z'; name++) { // each twice the next one: 32 million times in all
            parameters.append(",\"").append(name).append("\":\"").append(("{" + (char) (name + 1) + "}").repeat(2)).append('"');
        }
        assertEquals("/x", http("{\"path\":\"/x\",\"requestContext\":{\"httpMethod\":\"POST\",\"resourcePath\":\"/{A}\"},\"pathParameters\":{"
                + parameters + "}}").path());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            []                                              | a JSON array
            "x"                                             | a JSON string
            1                                               | a JSON number
            null                                            | a JSON null
            {}                                              | an event without messages or requestContext
            {"requestContext":{}}                           | an event with a requestContext of no known front door
            {"type":"TOKEN","methodArn":"arn"}              | an API Gateway Lambda authorizer request
            {"detail-type":"Scheduled Event","source":"aws.events"} | an EventBridge event (Scheduled Event from aws.events)
            {"requestContext":{"connectionId":"c"}}         | an API Gateway WebSocket event
            {"messages":[                                   | an event that is not JSON Lambda could have sent (line 1
            {"messages":[]} x                               | an event that is not JSON Lambda could have sent (line 1
            """)
    void whatIsNoChatRequestIsNamed(String event, String name) {
        var refused = assertThrows(UnsupportedEvent.class, () -> read(event));
        assertTrue(refused.getMessage().startsWith(name), refused.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = { "UTF-16BE", "UTF-16", "x-UTF-16LE-BOM", "X-UTF-32BE-BOM", "X-UTF-32LE-BOM" })
    void anEventThatIsNotUtf8IsRefused(String charset) {
        byte[] event = Events.post("{}").getBytes(Charset.forName(charset));
        assertThrows(UnsupportedEvent.class, () -> Event.read(event));
        byte[] broken = Arrays.copyOf(event, 9); // "{\"", then half a character
        assertThrows(UnsupportedEvent.class, () -> Event.read(broken));
    }

    @Test
    void headersAreFoundInAnyCaseAndFormAndTheLastOfThemCounts() throws UnsupportedEvent {
        assertEquals(Map.of("content-type", "b", "x", "1"), http("""
                {"requestContext":{"elb":{}},"multiValueHeaders":{"Content-Type":["a","b"],"X":["1"],"Y":[],"Z":null}}""").headers());
        assertEquals(Map.of("x", "1"), http("{\"httpMethod\":\"GET\",\"headers\":null,\"multiValueHeaders\":{\"X\":[\"1\"]}}").headers());
        assertEquals(Map.of(), http("{\"httpMethod\":\"GET\",\"headers\":null,\"multiValueHeaders\":null}").headers());
    }

    @Test
    void eachFrontDoorIsAnsweredInItsOwnForm() throws UnsupportedEvent {
        var headers = Map.of("x-a", "1\"");
        byte[] body = "{\"ä\":\"\n\"}".getBytes(StandardCharsets.UTF_8);
        String rest = ",\"body\":\"{\\\"ä\\\":\\\"\\n\\\"}\",\"isBase64Encoded\":false}";
        assertEquals("{\"statusCode\":429,\"headers\":{\"x-a\":\"1\\\"\"}" + rest, text(http(Events.post("")).reply(429, headers, body)));
        assertEquals("{\"statusCode\":429,\"headers\":{\"x-a\":\"1\\\"\"}" + rest,
                text(http("{\"httpMethod\":\"POST\"}").reply(429, headers, body)));
        assertEquals("{\"statusCode\":429,\"statusDescription\":\"429 Too Many Requests\",\"headers\":{\"x-a\":\"1\\\"\"}" + rest,
                text(http("{\"requestContext\":{\"elb\":{}},\"headers\":{}}").reply(429, headers, body)));
        assertEquals("{\"statusCode\":429,\"statusDescription\":\"429 Too Many Requests\",\"multiValueHeaders\":{\"x-a\":[\"1\\\"\"]}" + rest,
                text(http("{\"requestContext\":{\"elb\":{}},\"multiValueHeaders\":{}}").reply(429, headers, body)));
    }

    @Test
    void multiValueHeadersThatAreNullAreNotAnsweredInThatForm() throws UnsupportedEvent {
        assertEquals("{\"statusCode\":200,\"statusDescription\":\"200 OK\",\"headers\":{},\"body\":\"\",\"isBase64Encoded\":false}",
                text(http("{\"requestContext\":{\"elb\":{}},\"multiValueHeaders\":null}").reply(200, Map.of(), new byte[0])));
    }

    @ParameterizedTest
    @CsvSource({ "299, OK", "300, Client Error", "418, Client Error", "499, Client Error", "500, Internal Server Error", "529, Server Error" })
    void aLoadBalancerIsToldAReasonForEveryStatus(int status, String reason) throws UnsupportedEvent {
        String reply = text(http("{\"requestContext\":{\"elb\":{}}}").reply(status, Map.of(), new byte[0]));
        assertTrue(reply.contains("\"statusDescription\":\"" + status + " " + reason + "\""), reply);
    }

    @Test
    void aStreamBeginsWithStatusAndHeadersAndEightNuls() throws UnsupportedEvent {
        assertEquals("{\"statusCode\":200,\"headers\":{\"x-a\":\"\\u0000\"}}\0\0\0\0\0\0\0\0",
                text(http(Events.post("")).prelude(200, Map.of("x-a", "\0"))));
    }

    @Test
    void eachFrontDoorHasItsLimit() throws UnsupportedEvent {
        assertEquals(1_048_576, http("{\"requestContext\":{\"elb\":{}}}").replyLimit());
        assertEquals(6_291_556, http(Events.post("")).replyLimit());
        assertEquals(6_291_556, http("{\"httpMethod\":\"POST\"}").replyLimit());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            {"httpMethod":"get","requestContext":{"httpMethod":"PUT"}}              | GET
            {"requestContext":{"httpMethod":"put"}}                                 | PUT
            {"httpMethod":"GET","requestContext":{"http":{"method":"post"}}}        | POST
            {"httpMethod":"GET","requestContext":{"http":{}}}                       | GET
            {"requestContext":{"http":{}}}                                          | ''
            """)
    void theMethodIsFoundWhereTheFrontDoorPutsIt(String event, String method) throws UnsupportedEvent {
        assertEquals(method, http(event).method());
    }

    @Test
    void aBodyThatIsNotThereIsEmpty() throws UnsupportedEvent {
        assertEquals(0, http("{\"httpMethod\":\"POST\"}").body().length);
        assertEquals(0, http("{\"httpMethod\":\"POST\",\"body\":null,\"isBase64Encoded\":true}").body().length);
    }

    @Test
    void aBodyThatIsNotTextIsAnsweredInBase64() throws UnsupportedEvent {
        byte[] body = { (byte) 0xff, 0, 'a' };
        assertEquals("{\"statusCode\":200,\"headers\":{},\"body\":\"/wBh\",\"isBase64Encoded\":true}",
                text(http(Events.post("")).reply(200, Map.of(), body)));
    }

    @Test
    void aLoadBalancersProbeIsKnown() throws UnsupportedEvent {
        assertTrue(http(Events.file("alb-health-check")).isHealthCheck());
        assertEquals(false, http(Events.file("alb")).isHealthCheck());
        assertEquals(false, http(Events.file("http-api")).isHealthCheck());
    }

    @Test
    void brokenBase64IsRefusedWhenTheBodyIsAskedFor() throws UnsupportedEvent {
        var event = http("{\"httpMethod\":\"POST\",\"isBase64Encoded\":true,\"body\":\"%%%\"}");
        assertThrows(IllegalArgumentException.class, event::body);
    }

    private static String text(byte[] reply) {
        return new String(reply, StandardCharsets.UTF_8);
    }
}
