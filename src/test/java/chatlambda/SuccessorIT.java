package chatlambda;

import static chatlambda.ScriptedUpstream.answering;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import chatlambda.local.LocalLambda.InvokeMode;
import java.net.BindException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The default model at the default upstream. That is played by an upstream of ours: the function's process has a file of hosts of its own,
 * for which the test must be root.
 */
class SuccessorIT {

    private static final URI DEFAULT_URL = URI.create("https://api.aimlapi.com");
    private static final String DEFAULT = "google/gemini-2.5-pro-preview-05-06";
    private static final String SUCCESSOR = "google/gemini-pro-latest";
    private static final String CHAT = "{\"model\":\"" + DEFAULT + "\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
    private static final String GONE = "{\"message\":\"the model is no longer available\"}";

    @TempDir
    private static Path keys;
    private static TestAuthority authority;
    private static ScriptedUpstream upstream;

    @BeforeAll
    static void start() throws Exception {
        assumeTrue(RecipesIT.works("unshare", "-m", "true"), "not root: the default upstream's name cannot be made to lead here");
        authority = new TestAuthority(keys);
        Files.writeString(keys.resolve("hosts"), "127.0.0.1 api.aimlapi.com localhost\n");
        try {
            upstream = ScriptedUpstream.startTls(authority.certified("api.aimlapi.com"), 443, answering(200, "application/json", "{}"));
        } catch (BindException e) {
            abort("port 443 is taken: " + e.getMessage());
        }
    }

    @AfterAll
    static void stop() {
        if (upstream != null) {
            upstream.close();
        }
    }

    private static Deployed deployed(Map<String, String> settings) {
        var all = new HashMap<>(authority.trusted());
        all.put("CHAT_RETRIES", "0");
        all.putAll(settings);
        var command = List.of("unshare", "-m", "sh", "-c", "mount --bind " + keys.resolve("hosts") + " /etc/hosts && exec \"$@\"", "sh");
        return Deployed.against(DEFAULT_URL, all, InvokeMode.BUFFERED, Duration.ofSeconds(30), command);
    }

    private static List<String> asked() {
        return upstream.requests.stream().map(request -> Events.json(request.text()).getString("model")).toList();
    }

    /** Answers a request for the default model with that, and any other's. */
    private static void script(int status, String body, int othersStatus, String othersBody) {
        upstream.script((request, connection) -> {
            boolean isDefault = request.text().contains(DEFAULT);
            answering(isDefault ? status : othersStatus, "application/json", isDefault ? body : othersBody).answer(request, connection);
        });
    }

    @Test
    void aRequestForTheDefaultModelIsGivenOnWhereThatIsGone() throws InterruptedException {
        try (var function = deployed(Map.of("CHAT_MODEL", DEFAULT, "CHAT_MODEL_ALIASES", "old=" + DEFAULT))) {
            for (String named : List.of(CHAT, CHAT.replace("\"model\":\"" + DEFAULT + "\",", ""), CHAT.replace(DEFAULT, "old"))) {
                script(404, GONE, 200, "{\"choices\":[]}");
                var reply = function.reply(Events.post(named));
                assertEquals("200 " + SUCCESSOR, reply.getInt("statusCode") + " " + reply.getJsonObject("headers").getString("x-chat-model"));
                assertEquals(List.of(DEFAULT, SUCCESSOR), asked());
                assertEquals(SUCCESSOR, function.accessLine().path("answeredModel").asText());
            }
        }
    }

    @Test
    void noOtherRequestIsAndNoneThatOnlyHadNoRoom() {
        try (var function = deployed(Map.of())) {
            script(503, "{}", 404, GONE);
            assertEquals(503, function.reply(Events.post(CHAT)).getInt("statusCode"));
            assertEquals(List.of(DEFAULT), asked());
            upstream.requests.clear();
            assertEquals(404, function.reply(Events.post(CHAT.replace(DEFAULT, "google/gemini-2.5-pro"))).getInt("statusCode"));
            assertEquals(List.of("google/gemini-2.5-pro"), asked());
        }
    }

    @Test
    void theErrorSaysWhatHappenedAndHowToFindAModel() {
        try (var function = deployed(Map.of("CHAT_ALLOWED_MODELS", DEFAULT))) {
            script(404, GONE, 404, GONE);
            String message = Deployed.error(function.reply(Events.post(CHAT))).getString("message");
            assertTrue(message.startsWith("the model is no longer available. The default model has been shut down by its maker; " + SUCCESSOR),
                    message);
            assertTrue(message.contains("https://api.aimlapi.com/v1/models?id=MODEL"), message);
            assertEquals(List.of(DEFAULT), asked(), "the caller may not use the successor");
        }
        try (var function = deployed(Map.of("CHAT_FALLBACK_MODELS", ""))) {
            script(404, GONE, 200, "{}");
            String message = Deployed.error(function.reply(Events.post(CHAT))).getString("message");
            assertTrue(message.startsWith("the model is no longer available. The default model has been shut down by its maker. Set"), message);
            assertEquals(List.of(DEFAULT), asked(), "whoever sets the fallbacks to none wants none");
        }
    }
}
