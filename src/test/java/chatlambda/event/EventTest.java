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
import java.util.List;
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
        if (name.contains("schedule")) {
            assertIs(Warmup.class, "warmup", read(event));
            return;
        }
        if (name.startsWith("not-http/") || name.contains("/not-chat")) {
            assertThrows(UnsupportedEvent.class, () -> read(event));
            return;
        }
        Event read = read(event);
        if (name.contains("alb")) {
            assertIs(Alb.class, "alb", read);
        } else if (name.contains("rest-")) {
            assertIs(PayloadV1.class, "rest-api", read);
        } else if (name.contains("direct")) {
            assertIs(Direct.class, "direct", read);
        } else {
            assertIs(PayloadV2.class, name.contains("function-url") ? "function-url" : "http-api", read);
        }
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
    void everyHttpEventIsReadWhateverItCarries(Path file) throws UnsupportedEvent {
        JsonObject json = Events.json(Events.read(file));
        if (json.containsKey("requestContext") && !file.toString().contains("not-")) {
            JsonObject chat = Events.json(Events.asChat(json, "{\"ä\":\"\\\"\"}"));
            Event.Http event = http(chat.toString());
            assertEquals(chat.getString(chat.getJsonObject("requestContext").containsKey("http") ? "rawPath" : "path"), event.path());
            assertEquals("POST", event.method());
            assertEquals("{\"ä\":\"\\\"\"}", new String(event.body(), StandardCharsets.UTF_8));
        }
    }

    /** Neither stage nor base path is taken away, nor is anything decoded. */
    @ParameterizedTest
    @ValueSource(strings = { "/v1/chat/completions", "/live/v1/chat/completions", "/ai/v1/chat/completions", "//v1/chat/completions/",
            "/live", "/", "", "chat", "/a%2Fb/{proxy}?x=1", "/grüß" })
    void thePathIsTheEventsOwn(String path) throws UnsupportedEvent {
        String context = "\"stage\":\"live\",\"routeKey\":\"POST /v1/{proxy+}\",\"resourcePath\":\"/v1/{proxy+}\",\"path\":\"/no\"";
        String parameters = "\"pathParameters\":{\"proxy\":\"chat/completions\"}";
        String raw = "\"path\":\"/no\",\"rawPath\":\"" + path + "\"";
        String plain = "\"rawPath\":\"/no\",\"path\":\"" + path + "\"";
        for (String event : List.of(
                "{" + raw + ",\"requestContext\":{\"http\":{\"path\":\"/no\"}," + context + "}," + parameters + "}",
                "{" + plain + ",\"httpMethod\":\"POST\",\"requestContext\":{" + context + "}," + parameters + "}",
                "{" + plain + ",\"requestContext\":{\"elb\":{}}}")) {
            assertEquals(path, http(event).path(), event);
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            {"path":"/no","requestContext":{"http":{"path":"/a"}}}                            | /a
            {"rawPath":null,"requestContext":{"http":{"path":"/a"}}}                          | /a
            {"rawPath":7,"requestContext":{"http":{}}}                                        | /
            {"httpMethod":"POST","rawPath":"/no","requestContext":{"path":"/live/a"}}         | /live/a
            {"httpMethod":"POST","path":null}                                                 | /
            {"requestContext":{"elb":{}}}                                                     | /
            """)
    void aPathThatIsMissingIsTheRequestContextsOrTheRoot(String event, String path) throws UnsupportedEvent {
        assertEquals(path, http(event).path());
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
            {"detail-type":"Scheduled Event","source":"mine"} | an EventBridge event (Scheduled Event from mine)
            {"warmer":"true"}                               | an event without messages or requestContext
            {"warmer":true,"requestContext":{}}             | an event with a requestContext of no known front door
            {"source":"serverless-plugin-warmup","methodArn":"arn"} | an API Gateway Lambda authorizer request
            {"body":{"messages":[]}}                        | an event without requestContext, whose body is a JSON object,
            {"requestContext":{"connectionId":"c"}}         | an API Gateway WebSocket event
            {"messages":[                                   | an event that is not JSON Lambda could have sent (line 1
            {"messages":[]} x                               | an event that is not JSON Lambda could have sent (line 1
            """)
    void whatIsNoChatRequestIsNamed(String event, String name) {
        var refused = assertThrows(UnsupportedEvent.class, () -> read(event));
        assertTrue(refused.getMessage().startsWith(name), refused.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = { "{\"warmer\":true}", "{\"warmer\":true,\"concurrency\":3}", "{\"source\":\"serverless-plugin-warmup\"}",
            "{\"detail-type\":\"Scheduled Event\",\"source\":\"aws.events\",\"detail\":{}}",
            "{\"source\":\"aws.scheduler\",\"detail-type\":\"Scheduled Event\"}", "{\"warmer\":true,\"requestContext\":null}" })
    void whatKeepsAnInstanceWarmAsksForNothing(String event) throws UnsupportedEvent {
        assertIs(Warmup.class, "warmup", read(event));
    }

    @ParameterizedTest
    @ValueSource(strings = { "{\"warmer\":true,\"messages\":[]}", "{\"messages\":[],\"source\":\"serverless-plugin-warmup\"}" })
    void aChatRequestIsOneWhateverElseItSays(String event) throws UnsupportedEvent {
        assertIs(Direct.class, "direct", read(event));
    }

    @ParameterizedTest
    @CsvSource({ "{}, a JSON object", "[], a JSON array", "1, a JSON number", "false, a JSON false" })
    void aBodyThatIsNoStringIsNamed(String body, String kind) throws UnsupportedEvent {
        var event = http("{\"body\":" + body + ",\"requestContext\":{\"http\":{}}}");
        var refused = assertThrows(IllegalArgumentException.class, event::body);
        String said = refused.getMessage();
        assertTrue(said.startsWith("the event's body is " + kind + ", and front doors send a string"), said);
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
    void headersAreFoundInAnyCaseAndFormAndSeveralAreJoined() throws UnsupportedEvent {
        assertEquals(Map.of("content-type", "a,b", "x", "1"), http("""
                {"requestContext":{"elb":{}},"multiValueHeaders":{"Content-Type":["a","b"],"X":["1"],"Y":[],"Z":null}}""").headers());
        assertEquals(Map.of("x", "1"), http("{\"httpMethod\":\"GET\",\"headers\":null,\"multiValueHeaders\":{\"X\":[\"1\"]}}").headers());
        assertEquals(Map.of("x", "1,2", "y", "3"), http("{\"httpMethod\":\"GET\",\"headers\":{\"X\":\"2\",\"y\":\"3\"},"
                + "\"multiValueHeaders\":{\"X\":[\"1\",7,\"2\"]}}").headers());
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
        assertEquals("{\"statusCode\":429,\"statusDescription\":\"429 Too Many Requests\","
                + "\"multiValueHeaders\":{\"x-a\":[\"1\\\"\"]}" + rest,
                text(http("{\"requestContext\":{\"elb\":{}},\"multiValueHeaders\":{}}").reply(429, headers, body)));
    }

    @Test
    void multiValueHeadersThatAreNullAreNotAnsweredInThatForm() throws UnsupportedEvent {
        assertEquals("{\"statusCode\":200,\"statusDescription\":\"200 OK\",\"headers\":{},\"body\":\"\",\"isBase64Encoded\":false}",
                text(http("{\"requestContext\":{\"elb\":{}},\"multiValueHeaders\":null}").reply(200, Map.of(), new byte[0])));
    }

    @ParameterizedTest
    @CsvSource({ "299, OK", "300, Client Error", "418, Client Error", "499, Client Error",
            "500, Internal Server Error", "529, Server Error" })
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
    void anotherLambdaGetsTheBodyItself() throws UnsupportedEvent {
        Event event = read("{\"messages\":[]}");
        byte[] body = { (byte) 0xff, 0, 'a' };
        assertArrayEquals(body, event.reply(429, Map.of("x-a", "1"), body));
        assertEquals(0, event.prelude(200, Map.of("x-a", "1")).length);
    }

    @Test
    void theResponsesContentTypeIsTheEnvelopesOrTheAnswers() throws UnsupportedEvent {
        for (String door : List.of("http-api", "function-url", "rest-api", "alb")) {
            Event event = read(Events.file(door));
            assertEquals("application/json", event.contentType(false, "text/event-stream"));
            assertEquals("application/vnd.awslambda.http-integration-response", event.contentType(true, "text/event-stream"));
        }
        assertEquals("text/event-stream", read("{\"messages\":[]}").contentType(true, "text/event-stream"));
        assertEquals("application/json", read("{\"messages\":[]}").contentType(false, "application/json"));
    }

    @Test
    void eachFrontDoorHasItsLimit() throws UnsupportedEvent {
        assertEquals(6_291_556, read("{\"messages\":[]}").replyLimit());
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
        assertEquals(false, read("{\"messages\":[]}").isHealthCheck());
    }

    @Test
    void brokenBase64IsRefusedWhenTheBodyIsAskedFor() throws UnsupportedEvent {
        var event = http("{\"httpMethod\":\"POST\",\"isBase64Encoded\":true,\"body\":\"%%%\"}");
        assertThrows(IllegalArgumentException.class, event::body);
    }

    private static void assertIs(Class<? extends Event> type, String door, Event event) {
        assertInstanceOf(type, event);
        assertEquals(door, event.door());
    }

    private static String text(byte[] reply) {
        return new String(reply, StandardCharsets.UTF_8);
    }
}
