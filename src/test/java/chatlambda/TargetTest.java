package chatlambda;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import chatlambda.chat.ChatError;
import chatlambda.chat.Route;
import chatlambda.event.Event;
import chatlambda.event.UnsupportedEvent;
import jakarta.json.Json;
import jakarta.json.JsonObject;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
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

class TargetTest {

    private static final Set<Route> ALL = EnumSet.allOf(Route.class);

    private static Target served(Event.Http request) throws ChatError {
        Target target = Target.require(request, ALL);
        target.requireServed(request);
        return target;
    }

    private static Event.Http http(String event) throws UnsupportedEvent {
        return assertInstanceOf(Event.Http.class, Event.read(event.getBytes(StandardCharsets.UTF_8)));
    }

    /** Nothing, {@code /v1}, a stage, a base path, the prefix of a listener rule, a mapping key, other services' prefixes. */
    @ParameterizedTest
    @ValueSource(strings = { "/v1/chat/completions", "/chat/completions", "chat/completions", "/live/v1/chat/completions",
            "/ai/v1/chat/completions", "/llm/v1/chat/completions", "/a/b/c/d/chat/completions", "/api/v1/chat/completions",
            "/openai/v1/chat/completions", "//v1/chat/completions", "/v1//chat//completions", "/v1/chat/completions/",
            "/v1/chat/completions?api-version=2024-10-21", "/chat/completions/?x=/y", "/chat/completions///", "/v1/models/chat/completions",
            "/completions/chat/chat/completions", "/v1/x%2F/chat/completions", "/deployments/chat/completions", "/gpt-4o/chat/completions",
            "/deployments//chat/completions", "/openai/deployments//chat/completions", "/deployments/a/b/chat/completions",
            "/deployments/a/v1/chat/completions", "/Deployments/a/chat/completions" })
    void thePathsEndIsTheChatRouteWhateverStandsBefore(String path) {
        assertEquals(new Target(Route.CHAT, null), Target.of("POST", path));
    }

    @ParameterizedTest
    @ValueSource(strings = { "", "/", "//", "?", "/?x=/v1/chat/completions", "/completions", "/chat", "/v1/chat", "/v1/completions",
            "/v1/chat/completions/x", "/v1/Chat/Completions", "/V1/CHAT/COMPLETIONS", "/chat/Completions", "/xchat/completions",
            "/v1/chat/completionsx", "/v1/chat/xcompletions", "/v1/chatcompletions", "/v1/chat/x/completions", "/completions/chat",
            "/v1/model", "/v1/responses/resp_1", "/v1/responses/resp_1/cancel", "/v1/Embeddings", "/live", "/deployments/gpt-4o",
            "/deployments/gpt-4o/completions", "/deployments/gpt-4o/chat", "/v1/chat/completions/.", "/v1/chat/completions/..",
            "/chat/ /completions", "/chat%2Fcompletions", "/v1/%63hat/completions", "/v1/chat/completions#x", "/v1/chat/completions;x=1",
            "/v1\\chat\\completions", "/v1/chat /completions" })
    void anyOtherEndIsNot(String path) {
        assertNull(Target.of("POST", path));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            /deployments/gpt-4o/chat/completions                            | gpt-4o
            /openai/deployments/gpt-4o/chat/completions                     | gpt-4o
            /live/openai/deployments/gpt-4o/chat/completions/               | gpt-4o
            /openai//deployments//gpt-4o//chat//completions                 | gpt-4o
            deployments/gpt-4o/chat/completions                             | gpt-4o
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
        assertEquals(new Target(Route.CHAT, model), Target.of("POST", path));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            POST   | /v1/responses                          | RESPONSES  | -
            POST   | /live/openai/v1//responses/            | RESPONSES  | -
            POST   | /openai/deployments/gpt-4o/responses   | RESPONSES  | gpt-4o
            POST   | /embeddings                            | EMBEDDINGS | -
            POST   | /openai/deployments/a%2Fb/embeddings   | EMBEDDINGS | a/b
            POST   | /v1/models/m/embeddings                | EMBEDDINGS | -
            GET    | /v1/models                             | MODELS     | -
            GET    | /v1/models/                            | MODELS     | -
            GET    | /models/v1/models                      | MODELS     | -
            GET    | models                                 | MODELS     | -
            GET    | /v1/models/gpt-4o                      | MODELS     | gpt-4o
            GET    | /v1/models/google/gemini-pro-latest    | MODELS     | google/gemini-pro-latest
            GET    | /v1/models/google%2Fgemini             | MODELS     | google/gemini
            GET    | /v1/models/a%252Fb                     | MODELS     | a%2Fb
            GET    | /models/v1/models/a/b/                 | MODELS     | a/b
            GET    | /v1/models/x/v1/models/y               | MODELS     | y
            GET    | /live/models/a/models/b                | MODELS     | a/models/b
            GET    | /models/foo/models                     | MODELS     | foo/models
            GET    | /v1/models/x/chat/completions          | MODELS     | x/chat/completions
            GET    | /v1/modelsx/chat/completions           | CHAT       | -
            GET    | /v1/models/org/models                  | MODELS     | org/models
            GET    | /v1/models/a/responses                 | MODELS     | a/responses
            GET    | /v1/models/health                      | MODELS     | health
            DELETE | /v1/models/ft                          | MODELS     | ft
            POST   | /v1/models/x                           | MODELS     | x
            """)
    void thePathsEndTellsTheRoute(String method, String path, Route route, String model) {
        assertEquals(new Target(route, model), Target.of(method, path));
    }

    @Property(tries = 2000, seed = "7")
    void itIsAsTheSegmentsSay(@ForAll("paths") String path) {
        List<String> segments = Stream.of(path.split("/")).filter(segment -> !segment.isEmpty()).toList();
        String end = "/" + segments.stream().skip(Math.max(0, segments.size() - 4)).collect(Collectors.joining("/"));
        Target expected = null;
        if (end.endsWith("/chat/completions")) {
            boolean isDeployment = segments.size() >= 4 && end.startsWith("/deployments/");
            expected = new Target(Route.CHAT, isDeployment ? segments.get(segments.size() - 3) : null);
        }
        assertEquals(expected, Target.of("POST", path));
    }

    @Provide
    static Arbitrary<String> paths() {
        Arbitrary<String> segment = Arbitraries.frequency(Tuple.of(3, ""), Tuple.of(3, "chat"), Tuple.of(3, "completions"),
                Tuple.of(2, "deployments"), Tuple.of(1, "v1"));
        return Combinators.combine(segment.list().ofMaxSize(8), Arbitraries.of("", "/chat/completions", "//chat/completions/"))
                .as((segments, end) -> String.join("/", segments) + end);
    }

    @ParameterizedTest
    @MethodSource("chatlambda.Events#all")
    void everyHttpEventLeadsToTheChatRoute(Path file) throws UnsupportedEvent, ChatError {
        JsonObject json = Events.json(Events.read(file));
        if (json.containsKey("requestContext") && !file.toString().contains("not-")) {
            assertEquals(new Target(Route.CHAT, null), served(http(Events.asChat(json, "{}"))));
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            POST | /v1/files                 | application/json | 404 | no such path: /v1/files: use POST /v1/chat/completions, POST /v1/responses, POST /v1/embeddings, GET /v1/models, GET /v1/models/{id}
            POST | /v1/responses/compact     | text/plain       | 404 | no such path: /v1/responses/compact: use POST /v1/chat/completions, POST /v1/responses, POST /v1/embeddings, GET /v1/models, GET /v1/models/{id}
            GET  | /responses/v1/files       | text/plain       | 404 | no such path: /responses/v1/files: use POST /v1/chat/completions, POST /v1/responses, POST /v1/embeddings, GET /v1/models, GET /v1/models/{id}
            DELETE | /v1/responses/resp_1    | text/plain       | 404 | no such path: /v1/responses/resp_1: a response that the upstream has stored is not to be had here, since its id does not tell whose it is: keep what POST /v1/responses answers
            GET  | /v1/responses/resp_1      | text/plain       | 404 | no such path: /v1/responses/resp_1: a response that the upstream has stored is not to be had here, since its id does not tell whose it is: keep what POST /v1/responses answers
            GET  | /v1/chat/completions?x=/models/y | text/plain | 405 | GET is not allowed here: use POST
            get  | /deployments/m/chat/completions | -          | 405 | GET is not allowed here: use POST
            PUT  | /v1/models/x              | -                | 405 | PUT is not allowed here: use GET
            POST | /v1/chat/completions      | text/plain       | 415 | the content type is text/plain: use application/json
            POST | /v1/responses             | text/x; a=/json  | 415 | the content type is text/x; a=/json: use application/json
            POST | /v1/embeddings            | application/json, text/plain | 415 | the content type is application/json, text/plain: use application/json
            """)
    void pathThenMethodThenContentTypeAreRequired(String method, String path, String type, int status, String message)
            throws UnsupportedEvent {
        var request = http(Events.http(method, path, type, "{}"));
        var error = assertThrows(ChatError.class, () -> served(request));
        assertEquals(status, error.status());
        assertEquals(message, error.getMessage());
        String allowed = message.endsWith("use GET") ? "GET" : "POST";
        assertEquals(status == 405 ? Map.of("allow", allowed) : Map.of(), error.headers());
    }

    @Test
    void aRouteThatIsClosedIsNoPath() throws UnsupportedEvent {
        for (String path : List.of("/v1/embeddings", "/v1/responses/x")) {
            var request = http(Events.http("GET", path, null, "{}"));
            var error = assertThrows(ChatError.class, () -> Target.require(request, Set.of(Route.CHAT)));
            assertEquals(404, error.status());
            assertEquals("no such path: " + path + ": use POST /v1/chat/completions", error.getMessage());
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            gzip           | the content encoding is gzip: send the body as it is
            identity, br   | the content encoding is identity, br: send the body as it is
            IDENTITY       | -
            identity,,     | -
            ''             | -
            """)
    void aBodyThatIsCodedIsRefused(String coding, String message) throws UnsupportedEvent, ChatError {
        for (Route route : List.of(Route.CHAT, Route.RESPONSES, Route.EMBEDDINGS)) {
            var event = Events.json(Events.http("POST", "/v1" + route.path(), "application/json", "{}"));
            var request = http(Json.createObjectBuilder(event)
                    .add("headers", Json.createObjectBuilder().add("Content-Encoding", coding)).build().toString());
            if (message.equals("-")) {
                assertEquals(new Target(route, null), served(request));
            } else {
                var error = assertThrows(ChatError.class, () -> served(request));
                assertEquals(415 + " " + message, error.status() + " " + error.getMessage());
            }
        }
    }

    @ParameterizedTest
    @CsvSource({ "GET, /health, true", "GET, /live/health/, true", "GET, /health?x, true", "POST, /health, false", "GET, /healthz, false",
            "GET, /v1/models/health, false", "GET, /models/a/health, false", "HEAD, /health, false" })
    void healthIsAskedForByItsOwnPath(String method, String path, boolean isHealth) throws UnsupportedEvent {
        assertEquals(isHealth, Target.isHealth(http(Events.http(method, path, null, ""))));
    }

    @Test
    void jsonHasManyTypesAndMayHaveNone() throws UnsupportedEvent {
        for (String type : new String[] { null, "application/json",
                "Application/JSON ; charset=utf-8", "application/vnd.api+json",
                "application/json, application/json; charset=utf-8", "", "application/json,",
                "application/json; profile=\"https://a/b,c\"" }) {
            var request = http(Events.http("POST", "/deployments/m/chat/completions", type, "{}"));
            assertEquals(new Target(Route.CHAT, "m"), assertDoesNotThrow(() -> served(request)));
        }
    }
}
