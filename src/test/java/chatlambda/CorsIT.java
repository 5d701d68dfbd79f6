package chatlambda;

import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.streaming;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.access.Cors;
import chatlambda.local.LocalLambda;
import chatlambda.local.LocalLambda.InvokeMode;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.openqa.selenium.chrome.ChromeDriver;

/** A page of another origin in Debian's Chromium, which calls the packaged function as dev mode serves it. */
@EnabledIf(value = "chatlambda.Chromium#isThereOrMustBe", disabledReason = Chromium.MISSING)
class CorsIT {

    private static final String KEY = "sk-test-page";
    private static final String CHAT = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    private static HttpServer page;
    private static HttpServer otherPage;
    private static ScriptedUpstream upstream;
    private static LocalLambda lambda;
    private static Deployed.FunctionProcess process;
    private static ChromeDriver browser;

    @BeforeAll
    static void start() throws Exception {
        page = serve();
        otherPage = serve();
        upstream = ScriptedUpstream.start(answering(200, "application/json", "{\"choices\":[]}"));
        lambda = LocalLambda.start(0, InvokeMode.RESPONSE_STREAM, Duration.ofSeconds(30), null, new Cors(Set.of("*")));
        byte[] hash = MessageDigest.getInstance("SHA-256").digest(KEY.getBytes(StandardCharsets.UTF_8));
        process = Deployed.FunctionProcess.start(Map.of("AWS_LAMBDA_RUNTIME_API", lambda.runtimeApi(), "CHAT_API_KEY", Deployed.KEY,
                "CHAT_CLIENT_KEYS", "page=" + HexFormat.of().formatHex(hash), "CHAT_URL", upstream.url().toString(),
                "CHAT_RESPONSE_MODE", "stream", "CHAT_CORS_ORIGINS", origin(page)));
        browser = Chromium.start();
    }

    @AfterAll
    static void stop() {
        browser.quit();
        process.close();
        lambda.close();
        upstream.close();
        page.stop(0);
        otherPage.stop(0);
    }

    private static HttpServer serve() throws IOException {
        var server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            try (exchange) {
                exchange.getResponseHeaders().set("Content-Type", "text/html");
                exchange.sendResponseHeaders(200, -1);
            }
        });
        server.start();
        return server;
    }

    private static String origin(HttpServer server) {
        return "http://localhost:" + server.getAddress().getPort();
    }

    /** What a page learns of an answer: status, whether it can read the request's id, and the body; or that it may not read it. */
    private static String fetched(HttpServer from, String method, String path, String key, String body) {
        browser.get(origin(from) + "/");
        return (String) browser.executeAsyncScript("""
                const [url, method, key, body, done] = arguments;
                fetch(url, {method, body, headers: {authorization: "Bearer " + key, "content-type": "application/json", "x-stainless-os": "x"}})
                  .then(async answer => done(answer.status + " " + answer.headers.has("x-request-id") + " " + await answer.text()))
                  .catch(error => done(error.name));
                """, lambda.url() + path, method, key, body);
    }

    @Test
    void aListedPageMayAskOnEachRouteAndReadAnswersErrorsAndStreams() {
        upstream.script(answering(200, "application/json", "{\"choices\":[]}"));
        assertEquals("200 true {\"choices\":[]}", fetched(page, "POST", "/v1/chat/completions", KEY, CHAT));
        assertTrue(fetched(page, "POST", "/v1/chat/completions", "sk-test-wrong", CHAT).startsWith("401 true {\"error\":"));
        upstream.script(streaming("data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\n\n"));
        assertTrue(fetched(page, "POST", "/v1/chat/completions", KEY, CHAT.replace("{\"m", "{\"stream\":true,\"m"))
                .startsWith("200 true data: {\"choices\""));
        upstream.script(answering(200, "application/json", "{\"data\":[]}"));
        assertEquals("200 true {\"data\":[]}", fetched(page, "GET", "/v1/models", KEY, null));
    }

    /** The local service lets it through here, so it is the function that does not let its page read. */
    @Test
    void aPageThatIsNotListedIsStoppedByItsBrowserBeforeAnythingIsAsked() {
        upstream.script(answering(200, "application/json", "{\"choices\":[]}"));
        assertEquals("TypeError", fetched(otherPage, "POST", "/v1/chat/completions", KEY, CHAT));
        assertEquals(0, upstream.requests.size());
    }
}
