package chatlambda;

import static chatlambda.PlaygroundPage.DONE;
import static chatlambda.PlaygroundPage.delta;
import static chatlambda.PlaygroundPage.streaming;
import static chatlambda.ScriptedUpstream.LAST_CHUNK;
import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.write;
import static chatlambda.ScriptedUpstream.writeChunk;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.http.HttpReader;
import chatlambda.local.LocalLambda;
import chatlambda.local.LocalLambda.InvokeMode;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.openqa.selenium.Keys;

/** The playground's conversation: answers as they come, errors, stops, and the time each turn took. */
@EnabledIf(value = "chatlambda.Chromium#isThereOrMustBe", disabledReason = Chromium.MISSING)
class PlaygroundChatIT {

    @RegisterExtension
    static final PlaygroundPage page = new PlaygroundPage();

    @Test
    void anAnswerAppearsAsItComesWhereverTheStreamIsCut() throws IOException {
        var seen = new CountDownLatch(1);
        byte[] rest = (": a comment\n\n" + delta("Gott, ") + delta("größer ☕") + delta("!")).getBytes(StandardCharsets.UTF_8);
        page.upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            write(connection, chunk(delta("Grüß ")));
            ScriptedUpstream.await(seen);
            for (byte one : rest) {
                writeChunk(connection, new byte[] { one });
            }
            write(connection, chunk(DONE));
            write(connection, LAST_CHUNK);
        });
        page.type("Hello", Keys.ENTER);
        page.awaitText(".said", "Grüß ");
        assertTrue(page.shown("#stop") && !page.shown("#send"), "it can be stopped");
        assertEquals("Hello", page.text(".you"));
        page.picture("streaming");
        seen.countDown();
        page.awaitEnd();
        page.awaitText(".said", "Grüß Gott, größer ☕!");
        assertTrue(page.shown("#send") && !page.shown("#stop"));
        assertEquals("{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}],\"stream\":true}",
                page.event().getString("body"));
    }

    @ParameterizedTest
    @ValueSource(booleans = { true, false })
    void stoppingEndsTheAnswerAndTheUpstreamsWork(boolean byKey) throws Exception {
        var cancelled = new CountDownLatch(1);
        page.upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            write(connection, chunk(delta("A long ")));
            if (connection.getInputStream().read() < 0) {
                cancelled.countDown();
            }
        });
        page.type("Tell me a story", Keys.ENTER);
        page.awaitText(".said", "A long ");
        if (byKey) {
            page.keys(Keys.ESCAPE);
        } else {
            page.find("#stop").click();
        }
        page.awaitEnd();
        assertTrue(page.text(".note").startsWith("Stopped."), page.text(".note"));
        assertTrue(cancelled.await(10, TimeUnit.SECONDS), "the upstream is called off");

        page.upstream.script(streaming("Once", " more"));
        page.ask("Go on");
        assertEquals("Once more", page.all(".said").get(1).getText());
        assertTrue(page.asked().contains("{\"role\":\"user\",\"content\":\"Tell me a story\"},"
                + "{\"role\":\"assistant\",\"content\":\"A long \"},{\"role\":\"user\",\"content\":\"Go on\"}"), page.asked());
    }

    @Test
    void whatWaitsForTheUpstreamCanBeStoppedToo() throws Exception {
        var asked = new CountDownLatch(1);
        var stopped = new CountDownLatch(1);
        page.upstream.script((request, connection) -> {
            asked.countDown();
            ScriptedUpstream.await(stopped);
            write(connection, STREAM_HEAD);
            write(connection, chunk(delta("late")));
            if (connection.getInputStream().read() >= 0) {
                throw new IOException("another request");
            }
        });
        page.type("Think", Keys.ENTER);
        assertTrue(asked.await(10, TimeUnit.SECONDS));
        page.keys(Keys.ESCAPE);
        page.awaitEnd();
        stopped.countDown();
        page.upstream.script(streaming("next"));
        page.ask("And now?");
        assertEquals("next", page.all(".said").get(1).getText());
    }

    @Test
    void anErrorIsShownAsTheCallerGetsIt() throws Exception {
        page.upstream.script(answering(429, "application/json",
                "{\"message\":\"Slow down: 20 requests a minute\",\"requestId\":\"req-7\",\"statusCode\":429}", "Retry-After: 7"));
        page.ask("Hello");
        var caller = Deployed.post(page.lambda, page.asked());
        assertEquals("Slow down: 20 requests a minute\nHTTP 429 · rate_limit_error\nHeaders and body", page.text(".problem"));
        assertEquals("Error: Slow down: 20 requests a minute", page.content("#status"), "and is said to who does not see it");
        page.picture("error");
        page.find(".problem summary").click();
        assertEquals(Events.json(caller.body()), Events.json(page.text(".problem pre")));
        String headers = page.text(".problem dl");
        for (String name : List.of("retry-after", "x-chat-attempts", "content-type")) {
            assertTrue(headers.contains(name + "\n" + caller.headers().firstValue(name).orElseThrow()), headers);
        }
        assertFalse(page.shown(".said"), "nothing was said");
        page.picture("error-unfolded");

        page.upstream.script(streaming("Fine"));
        page.ask("Hello again");
        assertFalse(page.asked().contains("\"Hello\""), "what failed is not repeated: " + page.asked());
    }

    @Test
    void anErrorInMidStreamStandsBesideWhatHadArrived() {
        page.upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            write(connection, chunk(delta("The first half")));
            connection.close();
        });
        page.ask("Hello");
        assertEquals("The first half", page.text(".said"));
        var error = Events.json(page.content(".problem pre")).getJsonObject("error");
        assertEquals(error.getString("message"), page.text(".problem h3"));
        assertEquals("HTTP 200, then an error in the stream · upstream_unreachable", page.text(".problem .where"));
        assertTrue(page.find(".said").getRect().y < page.find(".problem").getRect().y, "after what was said");
        page.await("the operator's trailer", () -> page.text("#answer").contains("error trailer: Chat.UpstreamUnreachable"));
        page.picture("error-in-mid-stream");
    }

    @Test
    void thatDevModeIsStoppedIsSaidInWords() {
        var stopped = PlaygroundPage.serve(InvokeMode.RESPONSE_STREAM, false);
        page.open(stopped);
        stopped.close();
        page.ask("Hello");
        assertTrue(page.text(".problem h3").startsWith("Dev mode does not answer: it was stopped"), page.text(".problem"));
        assertTrue(page.text(".problem .where").startsWith("No connection · "), page.text(".problem"));
        assertEquals("Nothing is known of this turn: it did not reach dev mode.", page.text("#answer"));
        assertTrue(page.text(".legend").matches("no answer for [0-9.]+ m?s"), page.text(".legend"));
        page.picture("no-connection");
    }

    @Test
    void whatHadArrivedStaysWhenDevModeIsStopped() {
        var stopped = PlaygroundPage.serve(InvokeMode.RESPONSE_STREAM, false);
        page.open(stopped);
        answerOneEvent(stopped, "/response HTTP/1.1\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n"
                + "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(delta("The first half")));
        page.type("Hello", Keys.ENTER);
        page.awaitText(".said", "The first half");
        stopped.close();
        page.awaitEnd();
        assertEquals("The first half", page.text(".said"));
        assertEquals("The answer broke off: the connection to dev mode was lost.", page.text(".problem h3"));
        assertTrue(page.text(".problem .where").startsWith("HTTP 200 · "), page.text(".problem"));
    }

    @Test
    void aStreamWithoutItsEndMarkerMayNotBeWhole() {
        try (var other = PlaygroundPage.serve(InvokeMode.RESPONSE_STREAM, false)) {
            page.open(other);
            answerOneEvent(other, "/response HTTP/1.1\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n"
                    + "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(delta("All?")) + LAST_CHUNK);
            page.ask("Hello");
            assertEquals("All?", page.text(".said"));
            assertEquals("The stream ended without its end marker: the answer may not be whole.\nHTTP 200 · no data: [DONE]",
                    page.text(".problem"));
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            response | Hello, world | The answer is not JSON, so no text was found in it. | HTTP 200
            response | {"statusCode":503,"body":"No room"} | No room | HTTP 503
            response | {"statusCode":503,"body":"<h1>No room</h1>"} | The answer is an error, and not JSON. | HTTP 503
            response | {"statusCode":503,"body":"{\\"error\\":\\"No room\\"}"} | No room | HTTP 503
            response | {"statusCode":503,"body":""} | An error without a message. | HTTP 503
            error | {"errorType":"Chat.Bug","errorMessage":"It is ours"} | It is ours | HTTP 502 · Chat.Bug
            """)
    void anAnswerThatIsNoneLeadsWithWordsToo(String how, String answer, String message, String where) {
        try (var other = PlaygroundPage.serve(InvokeMode.BUFFERED, false)) {
            page.open(other);
            answerOneEvent(other, "/" + how + " HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: " + answer.length()
                    + "\r\n\r\n" + answer);
            page.ask("Hello");
            assertEquals(message, page.text(".problem h3"));
            assertEquals(where, page.text(".problem .where"));
            assertFalse(page.shown(".problem pre"), "the details are folded");
        }
    }

    @Test
    void whereAStubAnswersThePageSaysSoAndHowToUseARealUpstream() {
        page.upstream.script(streaming("Hi"));
        page.await("whether a stub answers is known", () -> (Boolean) page.browser.executeScript(
                "return performance.getEntriesByName(location.origin + '/_playground/upstream').some(each => each.responseEnd > 0)"));
        page.ask("Hello"); // by whose end what was known has long been said
        assertFalse(page.shown("#stub"), "a real upstream answers");
        try (var stubs = PlaygroundPage.serve(InvokeMode.RESPONSE_STREAM, true)) {
            page.window(1280, 800, false);
            page.open(stubs);
            page.await("what is said of the stub", () -> page.shown("#stub"));
            String realUpstream = "CHAT_API_KEY=... ./mvnw quarkus:dev";
            for (String word : List.of("A stub answers here", "stub/429", "stub/slow-2000", realUpstream, "CHAT_URL")) {
                assertTrue(page.text("#stub").contains(word), page.text("#stub"));
            }
            page.picture("stub");
            page.find("#stub button").click();
            assertEquals("stub/429", page.find("#model").getDomProperty("value"));
            assertEquals("message", page.focused());
        }
    }

    @Test
    void aWholeAnswerIsShownWithItsTokensAndWithThoseOfAnEarlierTurnOnDemand() {
        page.upstream.script(answering(200, "application/json", "{\"choices\":[{\"message\":{\"content\":\"All at once\"}}],"
                + "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3}}"));
        page.find("#stream").click();
        page.ask("First");
        assertEquals("All at once", page.text(".said"));
        assertTrue(page.text(".cost .facts").startsWith("200 · 12 + 3 tokens · "), page.text(".cost .facts"));
        assertFalse(page.asked().contains("\"stream\""), page.asked());
        page.ask("Second");
        page.await("the second event", () -> page.content("#event").contains("Second"));
        page.find(".cost").click();
        page.await("the first event again", () -> !page.content("#event").contains("Second") && page.content("#event").contains("First"));
        assertEquals("true", page.find(".cost").getDomAttribute("aria-pressed"));
    }

    @Test
    void serverTimingIsABar() {
        page.upstream.script(streaming("Hi"));
        page.ask("Hello");
        String posted = page.text("#answer").replaceAll("(?s).*\"server-timing\": \"([^\"]*)\".*", "$1");
        String upstreams = posted.replaceAll("upstream;dur=([0-9.]+).*", "$1");
        assertEquals(Double.parseDouble(upstreams), Double.parseDouble(page.find(".bar .upstream").getCssValue("flex-grow")), 0.001);
        assertEquals(List.of("upstream", "own", "around", "rest"),
                page.all(".bar i").stream().map(part -> part.getDomAttribute("class")).toList());
        assertTrue(page.all(".bar i").stream().allMatch(part -> part.getSize().width >= 3
                && part.getSize().height > 0));
        assertTrue(page.text(".legend").matches("(?s)upstream [0-9.]+ ms.*function [0-9.]+ ms.*local [0-9.]+ ms.*the rest [0-9.]+ ms"),
                page.text(".legend"));
    }

    @Test
    void whatAModelWritesIsTextAndNothingElse() {
        page.upstream.script(streaming("<img src=x onerror=\"document.title='ran'\">", "<script>document.title='ran'</script>"));
        page.ask("<b>bold</b>");
        assertEquals("<img src=x onerror=\"document.title='ran'\"><script>document.title='ran'</script>", page.text(".said"));
        assertEquals("<b>bold</b>", page.text(".you"));
        assertEquals("chat-lambda playground", page.browser.getTitle());
    }

    /** As a function that answers its first event so, and then waits for its end. */
    private static void answerOneEvent(LocalLambda lambda, String answer) {
        var function = new Thread(() -> {
            String invocation = "/2018-06-01/runtime/invocation/";
            String[] address = lambda.runtimeApi().split(":");
            try (var connection = new Socket(address[0], Integer.parseInt(address[1]))) {
                write(connection, "GET " + invocation + "next HTTP/1.1\r\n\r\n");
                var reader = new HttpReader(connection.getInputStream());
                var event = reader.head();
                reader.body(event);
                write(connection, "POST " + invocation + event.field("lambda-runtime-aws-request-id") + answer);
                connection.getInputStream().readAllBytes();
            } catch (IOException e) {
                // it has closed already
            }
        });
        function.setDaemon(true);
        function.start();
    }
}
