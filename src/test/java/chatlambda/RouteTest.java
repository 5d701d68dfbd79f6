package chatlambda;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import chatlambda.chat.ChatError;
import chatlambda.event.Event;
import chatlambda.event.UnsupportedEvent;
import jakarta.json.JsonObject;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
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
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class RouteTest {

    private static Event.Http http(String event) throws UnsupportedEvent {
        return assertInstanceOf(Event.Http.class, Event.read(event.getBytes(StandardCharsets.UTF_8)));
    }

    /** Nothing, {@code /v1}, a stage, a base path, the prefix of a listener rule, a mapping key, other services' prefixes. */
    @ParameterizedTest
    @ValueSource(strings = { "/v1/chat/completions", "/chat/completions", "chat/completions", "/live/v1/chat/completions",
            "/ai/v1/chat/completions", "/llm/v1/chat/completions", "/a/b/c/d/chat/completions", "/api/v1/chat/completions",
            "/openai/v1/chat/completions", "//v1/chat/completions", "/v1//chat//completions", "/v1/chat/completions/",
            "/chat/completions///", "/v1/chat/completions?api-version=2024-10-21", "/chat/completions/?x=/y", "/v1/models/chat/completions",
            "/completions/chat/chat/completions", "/v1/x%2F/chat/completions", "/deployments/chat/completions", "/gpt-4o/chat/completions",
            "/deployments//chat/completions", "/openai/deployments//chat/completions", "/deployments/a/b/chat/completions",
            "/deployments/a/v1/chat/completions", "/Deployments/a/chat/completions" })
    void thePathsEndIsTheChatRouteWhateverStandsBefore(String path) {
        assertEquals(new Route(null), Route.of(path));
    }

    @ParameterizedTest
    @ValueSource(strings = { "", "/", "//", "?", "/?x=/v1/chat/completions", "/completions", "/chat", "/v1/chat", "/v1/completions",
            "/v1/chat/completions/x", "/v1/Chat/Completions", "/V1/CHAT/COMPLETIONS", "/chat/Completions", "/xchat/completions",
            "/v1/chat/completionsx", "/v1/chat/xcompletions", "/v1/chatcompletions", "/v1/chat/x/completions", "/completions/chat",
            "/v1/models", "/v1/models/chat", "/v1/responses", "/v1/embeddings", "/live", "/deployments/gpt-4o",
            "/deployments/gpt-4o/completions", "/deployments/gpt-4o/chat", "/v1/chat/completions/.", "/v1/chat/completions/..",
            "/chat/ /completions", "/chat%2Fcompletions", "/v1/%63hat/completions", "/v1/chat/completions#x", "/v1/chat/completions;x=1",
            "/v1\\chat\\completions", "/v1/chat /completions" })
    void anyOtherEndIsNot(String path) {
        assertNull(Route.of(path));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            /deployments/gpt-4o/chat/completions                            | gpt-4o
            /openai/deployments/gpt-4o/chat/completions                     | gpt-4o
            /live/openai/deployments/gpt-4o/chat/completions/               | gpt-4o
            /openai//deployments//gpt-4o//chat//completions                 | gpt-4o
            deployments/gpt-4o/chat/completions                             | gpt-4o
            /deployments/gpt-4o/chat/completions?api-version=2024-10-21     | gpt-4o
            /deployments/x/deployments/y/chat/completions                   | y
            /deployments/deployments/chat/completions                       | deployments
            /deployments/chat/chat/completions                              | chat
            /openai/deployments/a%2Fb/chat/completions                      | a/b
            /openai/deployments/a%2fb%3A%20c/chat/completions               | a/b: c
            /deployments/%67pt%2D4o/chat/completions                        | gpt-4o
            /deployments/a%252Fb/chat/completions                           | a%2Fb
            /deployments/a%25/chat/completions                              | a%
            /deployments/a+b/chat/completions                               | a+b
            /deployments/a+b%2Bc%20d/chat/completions                       | a+b+c d
            /deployments/gr%C3%BC%C3%9F/chat/completions                    | grüß
            /deployments/grüß%F0%9F%98%80/chat/completions                  | grüß😀
            /deployments/a b/chat/completions                               | a b
            /deployments/100%/chat/completions                              | 100%
            /deployments/a%2/chat/completions                               | a%2
            /deployments/a%zz%2F/chat/completions                           | a%zz%2F
            /deployments/a%+1%2F/chat/completions                           | a%+1%2F
            /deployments/a%-1/chat/completions                              | a%-1
            /deployments/%/chat/completions                                 | %
            /deployments/a%FF%2F/chat/completions                           | a%FF%2F
            /deployments/a%C3/chat/completions                              | a%C3
            /deployments/%C0%AF/chat/completions                            | %C0%AF
            /deployments/%ED%A0%80/chat/completions                         | %ED%A0%80
            """)
    void azuresDeploymentIsTheModelDecodedOnce(String path, String model) {
        assertEquals(new Route(model), Route.of(path));
    }

    @Property(tries = 2000, seed = "7")
    void itIsAsTheSegmentsSay(@ForAll("paths") String path) {
        List<String> segments = Stream.of(path.split("\\?", -1)[0].split("/")).filter(segment -> !segment.isEmpty()).toList();
        String end = "/" + segments.stream().skip(Math.max(0, segments.size() - 4)).collect(Collectors.joining("/"));
        Route expected = null;
        if (end.endsWith("/chat/completions")) {
            boolean isDeployment = segments.size() >= 4 && end.startsWith("/deployments/");
            expected = new Route(isDeployment ? segments.get(segments.size() - 3) : null);
        }
        assertEquals(expected, Route.of(path));
    }

    @Provide
    static Arbitrary<String> paths() {
        Arbitrary<String> segment = Arbitraries.frequency(Tuple.of(3, ""), Tuple.of(3, "chat"), Tuple.of(3, "completions"),
                Tuple.of(2, "deployments"), Tuple.of(1, "v1"), Tuple.of(1, "?"));
        return Combinators.combine(segment.list().ofMaxSize(8), Arbitraries.of("", "/chat/completions", "//chat/completions/"))
                .as((segments, end) -> String.join("/", segments) + end);
    }

    @ParameterizedTest
    @MethodSource("chatlambda.Events#all")
    void everyHttpEventLeadsToTheChatRoute(Path file) throws UnsupportedEvent, ChatError {
        JsonObject json = Events.json(Events.read(file));
        if (json.containsKey("requestContext") && !file.toString().contains("not-")) {
            assertEquals(new Route(null), Route.require(http(Events.asChat(json, "{}"))));
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            POST | /v1/models/               | application/json | 404 | no such path: /v1/models/: use POST /v1/chat/completions
            GET  | /v1/models                | text/plain       | 404 | no such path: /v1/models: use POST /v1/chat/completions
            GET  | /v1/chat/completions      | text/plain       | 405 | GET is not allowed here: use POST
            get  | /deployments/m/chat/completions | -          | 405 | GET is not allowed here: use POST
            POST | /v1/chat/completions      | text/plain       | 415 | the content type is text/plain: use application/json
            POST | /v1/chat/completions      | text/x; a=/json  | 415 | the content type is text/x; a=/json: use application/json
            """)
    void pathThenMethodThenContentTypeAreRequired(String method, String path, String type, int status, String message)
            throws UnsupportedEvent {
        var request = http(Events.http(method, path, type, "{}"));
        var error = assertThrows(ChatError.class, () -> Route.require(request));
        assertEquals(status, error.status());
        assertEquals(message, error.getMessage());
        assertEquals(status == 405 ? Map.of("allow", "POST") : Map.of(), error.headers());
    }

    @Test
    void jsonHasManyTypesAndMayHaveNone() throws UnsupportedEvent {
        for (String type : new String[] { null, "application/json", "Application/JSON ; charset=utf-8", "application/vnd.api+json" }) {
            var request = http(Events.http("POST", "/deployments/m/chat/completions", type, "{}"));
            assertEquals(new Route("m"), assertDoesNotThrow(() -> Route.require(request)));
        }
    }
}
