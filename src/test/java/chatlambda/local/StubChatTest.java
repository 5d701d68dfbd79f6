package chatlambda.local;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StubChatTest {

    private static final HttpClient CLIENT = HttpClient.newHttpClient();
    private static final String CHAT = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    private static String ask(StubChat stub, String route, String request) throws Exception {
        var post = HttpRequest.newBuilder(stub.url().resolve("/v1/" + route)).header("Authorization", "Bearer key")
                .POST(BodyPublishers.ofString(request)).build();
        return CLIENT.send(post, BodyHandlers.ofString()).body();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            chat/completions | {"messages":[{"role":"user","content":"Hi"}]}
            chat/completions | {"messages":[{"role":"user","content":"Hi"}],"stream":true}
            responses        | {"input":"Hi"}
            responses        | {"input":"Hi","stream":true}
            """)
    void inDevModeItSaysWithItsFirstTextWhatItIs(String route, String request) throws Exception {
        try (var stub = StubChat.forDevMode()) {
            String first = ask(stub, route, request);
            for (String word : new String[] { "said: ", "Hi", "stub", "stub/429 ", "stub/slow-2000 ", "CHAT_API_KEY " }) {
                assertTrue(first.contains(word), word + " in " + first);
            }
            assertFalse(ask(stub, route, request).contains("CHAT_API_KEY"));
        }
    }

    /** What is parsed, or is no text, is as it was asked for, and the text after it is the first one. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            chat/completions | {"messages":[],"tools":[{"type":"function","function":{"name":"f"}}]}
            chat/completions | {"messages":[],"response_format":{"type":"json_object"}}
            chat/completions | {"messages":[],"model":"stub/429"}
            responses        | {"input":"Hi","text":{"format":{"type":"json_schema","schema":{"type":"object"}}}}
            embeddings       | {"input":"Hi"}
            """)
    void whatIsNoPlainTextDoesNotSayIt(String route, String request) throws Exception {
        try (var stub = StubChat.forDevMode()) {
            assertFalse(ask(stub, route, request).contains("CHAT_API_KEY"));
            assertTrue(ask(stub, "chat/completions", CHAT).contains("CHAT_API_KEY"));
        }
    }

    @Test
    void elsewhereItAlwaysAnswersTheSame() throws Exception {
        try (var stub = StubChat.start(Duration.ZERO)) {
            String first = ask(stub, "chat/completions", CHAT);
            assertTrue(first.contains("\"content\":\"You said: Hi\""), first);
            assertEquals(first, ask(stub, "chat/completions", CHAT));
        }
    }
}
