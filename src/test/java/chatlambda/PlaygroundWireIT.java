package chatlambda;

import static chatlambda.PlaygroundPage.DONE;
import static chatlambda.PlaygroundPage.delta;
import static chatlambda.PlaygroundPage.streaming;
import static chatlambda.ScriptedUpstream.LAST_CHUNK;
import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.write;
import static io.restassured.RestAssured.get;
import static org.hamcrest.Matchers.containsString;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.openqa.selenium.Keys;

/** What the playground shows of the Runtime API, and to whom. */
@EnabledIf(value = "chatlambda.Chromium#isThereOrMustBe", disabledReason = Chromium.MISSING)
class PlaygroundWireIT {

    @RegisterExtension
    static final PlaygroundPage page = new PlaygroundPage();

    @Test
    void eventAndAnswerAreByteForByteWhatWentOver() throws IOException {
        page.upstream.script(streaming("Grüß", " Gott <b>&amp; \\u0041"));
        page.ask("Was geht da über die Leitung? <i>\"☕\"</i>");
        page.find("#bytes").click();
        String event = new String(page.wire.lastEvent(), StandardCharsets.UTF_8);
        page.await("the event as sent", () -> page.content("#event").equals(event));
        var chunks = page.wire.lastAnswer();
        var answer = new ByteArrayOutputStream();
        for (byte[] chunk : chunks) {
            answer.write(chunk);
        }
        String text = answer.toString(StandardCharsets.UTF_8);
        assertTrue(text.contains("}" + "\0".repeat(8) + "data: "), text);
        assertEquals(text.replace("\0", "\\0"), page.content("#answer"));
        assertTrue(page.text("#answer-size").endsWith(" in " + chunks.size() + " chunks"), page.text("#answer-size"));

        page.find("#bytes").click();
        assertEquals(Events.json(event), page.event(), "and legibly, the same tokens");
        assertTrue(text.contains("\"x-request-id\":\"" + Events.json(event).getJsonObject("requestContext").getString("requestId") + "\""));
        String whole = page.content("#event .whole");
        assertTrue(whole.startsWith("{\n  \"version\": \"2.0\",\n  \"routeKey\": \"$default\""), whole);
        assertEquals("\\0".repeat(8), page.text("#answer .nul"));
        assertEquals(Events.json(text.substring(0, text.indexOf('\0'))), Events.json(page.content("#answer").split("\n\\\\0")[0]));
    }

    @Test
    void whileATurnWaitsItsOwnEventIsShown() {
        page.upstream.script(streaming("The first answer"));
        page.ask("First");
        var headSeen = new CountDownLatch(1);
        var answerSeen = new CountDownLatch(1);
        page.upstream.script((request, connection) -> {
            ScriptedUpstream.await(headSeen);
            write(connection, STREAM_HEAD);
            write(connection, chunk(delta("The second")));
            ScriptedUpstream.await(answerSeen);
            write(connection, chunk(delta(" answer") + DONE) + LAST_CHUNK);
        });
        page.type("Second", Keys.ENTER);
        page.await("its event", () -> page.content("#event .body").contains("\"content\": \"Second\""));
        assertEquals("Second", page.text("#which"));
        assertEquals("The answer is awaited.", page.text("#answer"), "and not that to the last one");
        assertEquals("Waiting for the answer", page.content("#status"));
        page.picture("waiting");
        headSeen.countDown();
        page.await("what there is of it", () -> page.content("#answer").contains("\"statusCode\": 200")
                && page.text("#answer").endsWith("More of it is awaited."));
        answerSeen.countDown();
        page.awaitEnd();
        assertTrue(page.content("#answer").contains(" answer") && !page.content("#answer").contains("awaited"), page.content("#answer"));
        assertEquals("Answered", page.content("#status"));
    }

    @Test
    void theEventsBodyIsInViewAndAllAroundItIsFolded() {
        page.upstream.script(streaming("Hi"));
        page.window(1280, 720, false);
        page.ask("Hello");
        assertEquals(Events.json(page.event().getString("body")), Events.json(page.text("#event .body")));
        assertTrue(page.text("#event").startsWith("Body of POST /v1/chat/completions\n{\n"), page.text("#event"));
        assertTrue((Boolean) page.browser.executeScript("""
                const pane = document.getElementById('event');
                const body = pane.querySelector('.body').getBoundingClientRect();
                return pane.scrollTop === 0 && body.height > 0 && body.bottom < Math.min(innerHeight, pane.getBoundingClientRect().bottom);
                """), "all of it, without scrolling");
        assertFalse(page.shown("#event .whole"));
        page.find("#event summary").click();
        assertTrue(page.text("#event .whole").contains("\"content-type\": \"application/json\""), page.text("#event"));
        page.picture("whole-event");
        page.ask("Hello again");
        assertTrue(page.shown("#event .whole"), "it stays as one has put it");
        assertTrue(page.event().getString("body").contains("Hello again"), page.content("#event"));
    }

    @Test
    void ofALongAnswerTheFirstMegabyteIsKept() {
        page.upstream.script(answering(200, "application/json",
                "{\"choices\":[{\"message\":{\"content\":\"" + "long ".repeat(300_000) + "\"}}]}"));
        page.ask("Hello");
        assertEquals(1_500_000, page.content(".said").length());
        assertTrue(page.content("#answer").endsWith("of which no more than the first MB is kept"));
        assertTrue(page.content("#answer").length() < 1_100_000);
        assertTrue(page.text("#answer-size").startsWith("1.5 MB"), page.text("#answer-size"));
    }

    @Test
    void noRequestLeavesTheOrigin() {
        page.conversation();
        var requests = (List<?>) page.browser.executeScript("return performance.getEntriesByType('resource').map(entry => entry.name)");
        assertTrue(requests.size() >= 4, requests.toString());
        assertTrue(requests.stream().map(Object::toString)
                .allMatch(name -> name.startsWith(page.lambda.url() + "/") || name.startsWith("data:")), requests.toString());
        assertEquals("TypeError", page.browser.executeAsyncScript("fetch(arguments[0], { mode: 'no-cors' })"
                + ".then(() => arguments[1]('it went'), e => arguments[1](e.name))", page.upstream.url() + "/elsewhere"));
        assertEquals("blocked", page.browser.executeAsyncScript("""
                const done = arguments[0];
                addEventListener('securitypolicyviolation', () => done('blocked'), { once: true });
                const script = document.createElement('script');
                script.textContent = 'document.title = "ran"';
                document.head.append(script);
                """));
    }

    @Test
    void onlyThePageItselfIsServedWhatWentOver() throws Exception {
        page.upstream.script(streaming("Hi"));
        page.ask("Hello");
        String host = page.lambda.url().getAuthority();
        String id = (String) page.browser.executeScript(
                "return performance.getEntriesByType('resource').map(e => e.name).findLast(n => n.includes('exchange?id=')).split('=')[1]");
        String exchange = "GET /_playground/exchange?id=" + id;
        assertTrue(page.raw(exchange, "Host: " + host).startsWith("HTTP/1.1 200 "));
        assertTrue(page.raw(exchange, "Host: 127.0.0.1:1").startsWith("HTTP/1.1 200 "));
        assertFalse(page.raw(exchange, "Host: " + host, "Origin: http://evil.example").toLowerCase().contains("access-control"));
        for (String request : List.of(exchange, "GET /", "GET /playground.js", "POST /_playground/stop")) {
            for (String wrong : List.of("evil.example", "localhost.evil.example", "evil.example:80", "127.0.0.1.evil.example")) {
                assertTrue(page.raw(request, "Host: " + wrong, "Origin: http://" + wrong).startsWith("HTTP/1.1 403 "), request + wrong);
            }
        }
        assertTrue(page.raw("POST /_playground/stop", "Host: " + host).startsWith("HTTP/1.1 404 "));
        assertTrue(page.raw("POST /_playground/stop", "Host: " + host, "Origin: http://evil.example").startsWith("HTTP/1.1 403 "));
        String refused = page.raw("POST /v1/chat/completions", "Host: " + host, "Origin: http://evil.example");
        assertTrue(refused.contains("{\"error\":{\"message\":\"pages of this origin may not ask here: set chat.cors-origins"
                + " (CHAT_CORS_ORIGINS) to http://evil.example\",\"type\":\"permission_error\""), refused);
        String invoke = "POST /2015-03-31/functions/f/invocations";
        assertTrue(page.raw(invoke, "Host: " + host, "Origin: http://evil.example").startsWith("HTTP/1.1 403 "));
        assertTrue(page.raw("GET /_playground/exchange?id=none", "Host: " + host).startsWith("HTTP/1.1 404 "));
        assertTrue(page.raw("GET /../../../pom.xml", "Host: " + host).contains("no such path: "), "the function's own answer");
    }

    @Test
    void otherCallersRequestsAreNeitherMarkedNorKept() throws Exception {
        page.upstream.script(answering(200, "application/json", "{\"choices\":[]}"));
        var plain = Deployed.post(page.lambda, "{\"messages\":[{\"role\":\"user\"}]}");
        assertEquals("{\"choices\":[]}", plain.body());
        assertEquals(Optional.empty(), plain.headers().firstValue("x-playground-exchange"));
        String id = plain.headers().firstValue("x-request-id").orElseThrow();
        assertTrue(page.raw("GET /_playground/exchange?id=" + id, "Host: " + page.lambda.url().getAuthority()).startsWith("HTTP/1.1 404 "));
    }

    @Test
    void thePageIsThereOnlyWhereItIsAskedForAndInNoArtefact() throws Exception {
        try (var function = Deployed.against(page.upstream.url(), Map.of())) {
            for (String path : List.of("/", "/playground.js", "/_playground/exchange?id=1")) {
                get(function.lambda.url().resolve(path)).then().statusCode(404)
                        .body("error.message", containsString("no such path: " + path.replaceAll("\\?.*", "")));
            }
        }
        try (Stream<Path> artefacts = Files.list(Path.of("target"))) {
            for (Path artefact : artefacts.filter(path -> path.getFileName().toString().matches(".*(\\.jar|\\.zip|-runner)")).toList()) {
                // Names in archives are not compressed.
                String bytes = new String(Files.readAllBytes(artefact), StandardCharsets.ISO_8859_1);
                assertFalse(bytes.contains("playground.js"), artefact.toString());
            }
        }
    }
}
