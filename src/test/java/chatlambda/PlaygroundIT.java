package chatlambda;

import static chatlambda.ScriptedUpstream.LAST_CHUNK;
import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.write;
import static chatlambda.ScriptedUpstream.writeChunk;
import static io.restassured.RestAssured.get;
import static org.hamcrest.Matchers.containsString;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.access.Cors;
import chatlambda.local.LocalLambda;
import chatlambda.local.LocalLambda.InvokeMode;
import jakarta.json.Json;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.openqa.selenium.By;
import org.openqa.selenium.Keys;
import org.openqa.selenium.OutputType;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeDriverService;
import org.openqa.selenium.chrome.ChromeOptions;
import org.openqa.selenium.interactions.Actions;

/** Dev mode's page in Debian's Chromium, before the packaged function; leaves pictures in {@code target/playground}. */
@EnabledIf(value = "browserIsThereOrMustBe", disabledReason = PlaygroundIT.MISSING)
class PlaygroundIT {

    static final String MISSING = "no chromium and chromedriver on the PATH: apt-get install chromium chromium-driver";

    private static final Path PICTURES = Path.of("target/playground");
    private static final String DONE = "data: [DONE]\n\n";

    private static ScriptedUpstream upstream;
    private static LocalLambda lambda;
    private static Wiretap wire;
    private static Deployed.FunctionProcess process;
    private static ChromeDriver browser;

    @BeforeAll
    static void start() throws IOException {
        browser = startBrowser();
        Files.createDirectories(PICTURES);
        upstream = ScriptedUpstream.start(answering(500, null, ""));
        lambda = LocalLambda.start(0, InvokeMode.RESPONSE_STREAM, Duration.ofSeconds(60), Path.of("src/main/playground"),
                new Cors(Set.of()));
        wire = new Wiretap(lambda.runtimeApi());
        process = Deployed.FunctionProcess.start(Map.of("AWS_LAMBDA_RUNTIME_API", wire.address(), "CHAT_API_KEY", Deployed.KEY, "CHAT_AUTH", "iam",
                "CHAT_URL", upstream.url().toString(), "CHAT_RESPONSE_MODE", "stream", "CHAT_RETRIES", "0"));
    }

    static ChromeDriver startBrowser() {
        assertTrue(isBrowserThere(), MISSING);
        var options = new ChromeOptions();
        options.setBinary(installed("chromium").get());
        options.addArguments("--headless=new", "--hide-scrollbars", "--disable-dev-shm-usage", "--no-sandbox"); // root gets no sandbox
        var service = new ChromeDriverService.Builder().usingDriverExecutable(installed("chromedriver").get()).build();
        var browser = new ChromeDriver(service, options);
        browser.manage().timeouts().scriptTimeout(Duration.ofSeconds(10));
        return browser;
    }

    @AfterAll
    static void stop() throws IOException {
        if (browser != null) {
            browser.quit();
            process.close();
            wire.close();
            lambda.close();
            upstream.close();
        }
    }

    static boolean browserIsThereOrMustBe() {
        boolean runs = isBrowserThere() || System.getenv("CI") != null;
        if (!runs) {
            System.out.println("The playground is not tested: " + MISSING);
        }
        return runs;
    }

    private static boolean isBrowserThere() {
        return installed("chromium").isPresent() && installed("chromedriver").isPresent();
    }

    private static Optional<File> installed(String command) {
        return Arrays.stream(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator)).map(folder -> new File(folder, command))
                .filter(File::canExecute).findFirst();
    }

    @BeforeEach
    void openThePage() {
        window(1440, 900, false);
        light(true);
        browser.get(lambda.url() + "/");
    }

    @Test
    void anAnswerAppearsAsItComesWhereverTheStreamIsCut() throws IOException {
        var seen = new CountDownLatch(1);
        byte[] rest = (": a comment\n\n" + delta("Gott, ") + delta("größer ☕") + delta("!")).getBytes(StandardCharsets.UTF_8);
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            write(connection, chunk(delta("Grüß ")));
            ScriptedUpstream.await(seen);
            for (byte one : rest) {
                writeChunk(connection, new byte[] { one });
            }
            write(connection, chunk(DONE));
            write(connection, LAST_CHUNK);
        });
        type("Hello", Keys.ENTER);
        awaitText(".said", "Grüß ");
        assertTrue(shown("#stop") && !shown("#send"), "it can be stopped");
        assertEquals("Hello", text(".you"));
        picture("streaming");
        seen.countDown();
        awaitEnd();
        awaitText(".said", "Grüß Gott, größer ☕!");
        assertTrue(shown("#send") && !shown("#stop"));
        assertEquals("{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}],\"stream\":true}",
                Events.json(content("#event")).getString("body"));
    }

    @ParameterizedTest
    @ValueSource(booleans = { true, false })
    void stoppingEndsTheAnswerAndTheUpstreamsWork(boolean byKey) throws Exception {
        var cancelled = new CountDownLatch(1);
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            write(connection, chunk(delta("A long ")));
            if (connection.getInputStream().read() < 0) {
                cancelled.countDown();
            }
        });
        type("Tell me a story", Keys.ENTER);
        awaitText(".said", "A long ");
        if (byKey) {
            keys(Keys.ESCAPE);
        } else {
            find("#stop").click();
        }
        awaitEnd();
        assertTrue(text(".note").startsWith("Stopped."), text(".note"));
        assertTrue(cancelled.await(10, TimeUnit.SECONDS), "the upstream is called off");

        upstream.script(streaming("Once", " more"));
        type("Go on", Keys.ENTER);
        awaitEnd();
        assertEquals("Once more", browser.findElements(By.cssSelector(".said")).get(1).getText());
        assertTrue(upstream.request().text().contains("{\"role\":\"user\",\"content\":\"Tell me a story\"},"
                + "{\"role\":\"assistant\",\"content\":\"A long \"},{\"role\":\"user\",\"content\":\"Go on\"}"), upstream.request().text());
    }

    @Test
    void whatWaitsForTheUpstreamCanBeStoppedToo() throws Exception {
        var asked = new CountDownLatch(1);
        var stopped = new CountDownLatch(1);
        upstream.script((request, connection) -> {
            asked.countDown();
            ScriptedUpstream.await(stopped);
            write(connection, STREAM_HEAD);
            write(connection, chunk(delta("late")));
            if (connection.getInputStream().read() >= 0) {
                throw new IOException("another request");
            }
        });
        type("Think", Keys.ENTER);
        assertTrue(asked.await(10, TimeUnit.SECONDS));
        keys(Keys.ESCAPE);
        awaitEnd();
        stopped.countDown();
        upstream.script(streaming("next"));
        type("And now?", Keys.ENTER);
        awaitEnd();
        assertEquals("next", browser.findElements(By.cssSelector(".said")).get(1).getText());
    }

    @Test
    void anErrorIsShownAsTheCallerGetsIt() throws Exception {
        upstream.script(answering(429, "application/json",
                "{\"message\":\"Slow down: 20 requests a minute\",\"requestId\":\"req-7\",\"statusCode\":429}", "Retry-After: 7"));
        type("Hello", Keys.ENTER);
        awaitEnd();
        var caller = Deployed.post(lambda, upstream.request().text());
        assertEquals("HTTP 429", text(".problem h3"));
        assertEquals(Events.json(caller.body()), Events.json(text(".problem pre")));
        String headers = text(".problem dl");
        for (String name : List.of("retry-after", "x-chat-attempts", "content-type")) {
            assertTrue(headers.contains(name + "\n" + caller.headers().firstValue(name).orElseThrow()), headers);
        }
        assertFalse(shown(".said"), "nothing was said");
        picture("error");

        upstream.script(streaming("Fine"));
        type("Hello again", Keys.ENTER);
        awaitEnd();
        assertFalse(upstream.request().text().contains("\"Hello\""), "what failed is not repeated: " + upstream.request().text());
    }

    @Test
    void anErrorInMidStreamStandsBesideWhatHadArrived() {
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            write(connection, chunk(delta("The first half")));
            connection.close();
        });
        type("Hello", Keys.ENTER);
        awaitEnd();
        assertEquals("The first half", text(".said"));
        assertEquals("Error in mid-stream", text(".problem h3"));
        assertEquals("upstream_unreachable", Events.json(text(".problem pre")).getJsonObject("error").getString("code"));
        await("the operator's trailer", () -> text("#answer").contains("error trailer: Chat.UpstreamUnreachable"));
        picture("error-in-mid-stream");
    }

    @Test
    void eventAndAnswerAreByteForByteWhatWentOver() throws IOException {
        upstream.script(streaming("Grüß", " Gott <b>&amp; \\u0041"));
        type("Was geht da über die Leitung? <i>\"☕\"</i>", Keys.ENTER);
        awaitEnd();
        find("#bytes").click();
        String event = new String(wire.lastEvent(), StandardCharsets.UTF_8);
        await("the event as sent", () -> content("#event").equals(event));
        var chunks = wire.lastAnswer();
        var answer = new ByteArrayOutputStream();
        for (byte[] chunk : chunks) {
            answer.write(chunk);
        }
        String text = answer.toString(StandardCharsets.UTF_8);
        assertTrue(text.contains("}" + "\0".repeat(8) + "data: "), text);
        assertEquals(text.replace("\0", "\\0"), content("#answer"));
        assertTrue(text("#answer-size").endsWith(" in " + chunks.size() + " chunks"), text("#answer-size"));

        find("#bytes").click();
        assertEquals(Events.json(event), Events.json(content("#event")), "and legibly, the same tokens");
        assertTrue(text.contains("\"x-request-id\":\"" + Events.json(event).getJsonObject("requestContext").getString("requestId") + "\""));
        assertTrue(content("#event").startsWith("{\n  \"version\": \"2.0\",\n  \"routeKey\": \"$default\""), content("#event"));
        assertEquals("\\0".repeat(8), text("#answer .nul"));
        assertEquals(Events.json(text.substring(0, text.indexOf('\0'))), Events.json(content("#answer").split("\n\\\\0")[0]));
    }

    @Test
    void aWholeAnswerIsShownWithItsTokensAndWithThoseOfAnEarlierTurnOnDemand() {
        upstream.script(answering(200, "application/json", "{\"choices\":[{\"message\":{\"content\":\"All at once\"}}],"
                + "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3}}"));
        find("#stream").click();
        type("First", Keys.ENTER);
        awaitEnd();
        assertEquals("All at once", text(".said"));
        assertTrue(text(".cost .facts").startsWith("200 · 12 + 3 tokens · "), text(".cost .facts"));
        assertFalse(upstream.request().text().contains("\"stream\""), upstream.request().text());
        type("Second", Keys.ENTER);
        awaitEnd();
        await("the second event", () -> content("#event").contains("Second"));
        find(".cost").click();
        await("the first event again", () -> !content("#event").contains("Second") && content("#event").contains("First"));
        assertEquals("true", find(".cost").getDomAttribute("aria-pressed"));
    }

    @Test
    void ofALongAnswerTheFirstMegabyteIsKept() {
        upstream.script(answering(200, "application/json", "{\"choices\":[{\"message\":{\"content\":\"" + "long ".repeat(300_000) + "\"}}]}"));
        type("Hello", Keys.ENTER);
        awaitEnd();
        assertEquals(1_500_000, content(".said").length());
        assertTrue(content("#answer").endsWith("of which no more than the first MB is kept"));
        assertTrue(content("#answer").length() < 1_100_000);
        assertTrue(text("#answer-size").startsWith("1.5 MB"), text("#answer-size"));
    }

    @Test
    void serverTimingIsABar() {
        upstream.script(streaming("Hi"));
        type("Hello", Keys.ENTER);
        awaitEnd();
        String posted = text("#answer").replaceAll("(?s).*\"server-timing\": \"([^\"]*)\".*", "$1");
        String upstreams = posted.replaceAll("upstream;dur=([0-9.]+).*", "$1");
        assertEquals(Double.parseDouble(upstreams), Double.parseDouble(find(".bar .upstream").getCssValue("flex-grow")), 0.001);
        assertEquals(List.of("upstream", "own", "around", "rest"),
                browser.findElements(By.cssSelector(".bar i")).stream().map(part -> part.getDomAttribute("class")).toList());
        assertTrue(browser.findElements(By.cssSelector(".bar i")).stream().allMatch(part -> part.getSize().width >= 3
                && part.getSize().height > 0));
        assertTrue(text(".legend").matches("(?s)upstream [0-9.]+ ms.*function [0-9.]+ ms.*local [0-9.]+ ms.*the rest [0-9.]+ ms"),
                text(".legend"));
    }

    @Test
    void theKeyboardIsEnough() throws Exception {
        upstream.script(streaming("Hi", " there"));
        assertEquals("message", focused());
        new Actions(browser).sendKeys("one").keyDown(Keys.SHIFT).sendKeys(Keys.ENTER).keyUp(Keys.SHIFT).sendKeys("two", Keys.ENTER).perform();
        awaitEnd();
        assertTrue(upstream.request().text().contains("\"one\\ntwo\""), upstream.request().text());
        assertEquals("", find("#message").getDomProperty("value"));
        assertEquals("message", focused(), "it goes on from here");
        keys(Keys.ARROW_UP);
        assertEquals("one\ntwo", find("#message").getDomProperty("value"), "what was said last");

        keys(Keys.TAB);
        assertEquals("model", focused());
        assertNotEquals("none", browser.switchTo().activeElement().getCssValue("outline-style"), "one sees where one is");
        keys(Keys.TAB, Keys.TAB);
        assertEquals("more", focused());
        keys("/");
        assertEquals("message", focused());
        keys("/");
        assertTrue(find("#message").getDomProperty("value").endsWith("/"), "where one writes it is a character");
        keys(Keys.TAB, Keys.TAB, Keys.TAB, Keys.ENTER);
        assertEquals("system", focused(), "the parameters open, and are next");

        new Actions(browser).keyDown(Keys.CONTROL).sendKeys("k").keyUp(Keys.CONTROL).perform();
        assertTrue(shown("#empty") && browser.findElements(By.cssSelector(".turn")).isEmpty());
        assertEquals("message", focused());
        assertEquals("", content("#event"));
    }

    @Test
    void everyFieldHasALabelAndOnlyWhatIsFilledInIsSent() throws Exception {
        upstream.script(streaming("Hi"));
        find("#more").click();
        for (WebElement field : browser.findElements(By.cssSelector("input, textarea, button"))) {
            assertFalse(field.getAccessibleName().isBlank() && field.isDisplayed(), field.getDomAttribute("id"));
        }
        find("#model").sendKeys("gpt-4o");
        find("#system").sendKeys("Be brief");
        find("#temperature").sendKeys("0.2");
        find("#max_tokens").sendKeys("64");
        find("#key").sendKeys("sk-test-of-the-caller");
        type("Hello", Keys.ENTER);
        awaitEnd();
        assertEquals(Events.json("{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief\"},{\"role\":\"user\",\"content\":\"Hello\"}],"
                + "\"model\":\"gpt-4o\",\"temperature\":0.2,\"max_tokens\":64,\"stream\":true}"), Events.json(upstream.request().text()));
        await("the event", () -> !content("#event").isEmpty());
        assertEquals("Bearer sk-test-of-the-caller", Events.json(content("#event")).getJsonObject("headers").getString("authorization"));
        picture("parameters");
        browser.navigate().refresh();
        assertEquals("", find("#key").getDomProperty("value"), "the key is kept nowhere");
        assertEquals(0L, browser.executeScript("return localStorage.length + sessionStorage.length + document.cookie.length"));
    }

    @ParameterizedTest
    @ValueSource(strings = { "light", "dark" })
    void everythingIsLegibleInLightAndDark(String theme) {
        light(theme.equals("light"));
        conversation();
        assertEquals(List.of(), browser.executeScript(CONTRAST));
        picture(theme);
        double[] ground = Arrays.stream(browser.findElement(By.tagName("body")).getCssValue("background-color").split("[^0-9.]+"))
                .filter(part -> !part.isEmpty()).mapToDouble(Double::parseDouble).limit(3).toArray();
        assertEquals(theme.equals("light"), ground[0] + ground[1] + ground[2] > 380, Arrays.toString(ground));
    }

    /** Texts whose contrast to the ground under them is below what WCAG 2 wants at level AA, 4.5. */
    private static final String CONTRAST = """
            const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
            const rgba = color => {
              canvas.clearRect(0, 0, 1, 1);
              canvas.fillStyle = color;
              canvas.fillRect(0, 0, 1, 1);
              return [...canvas.getImageData(0, 0, 1, 1).data];
            };
            const ground = e => !e ? [255, 255, 255] : rgba(getComputedStyle(e).backgroundColor)[3] === 255
                ? rgba(getComputedStyle(e).backgroundColor) : ground(e.parentElement);
            const luminance = ([r, g, b]) => [[.2126, r], [.7152, g], [.0722, b]].reduce((sum, [weight, c]) =>
                sum + weight * (c / 255 <= .04045 ? c / 255 / 12.92 : ((c / 255 + .055) / 1.055) ** 2.4), 0);
            return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility()
                && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())).flatMap(e => {
              const [a, b] = [luminance(rgba(getComputedStyle(e).color)), luminance(ground(e))].sort((x, y) => y - x);
              const contrast = (a + .05) / (b + .05);
              return contrast < 4.5 ? [`${e.tagName} ${e.className} ${e.textContent.slice(0, 20)}: ${contrast}`] : [];
            });
            """;

    @Test
    void aPhoneIsWideEnough() {
        picture("empty");
        window(360, 740, true);
        browser.get(lambda.url() + "/");
        assertFits("empty");
        conversation();
        assertFits("with a conversation");
        picture("phone");
        browser.findElements(By.cssSelector(".cost")).get(0).click();
        await("the wire in sight", () -> (Boolean) browser.executeScript(
                "const { top } = document.getElementById('wire').getBoundingClientRect(); return top < innerHeight / 2"));
        picture("phone-wire");
        find("#more").click();
        assertFits("with the parameters");
        assertTrue(find("#message").getSize().width > 280);
    }

    private static void assertFits(String when) {
        assertEquals(360L, browser.executeScript("return Math.max(innerWidth, document.documentElement.scrollWidth)"), when);
        assertEquals(List.of(), browser.executeScript("""
                return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.matches('.unseen')
                    && (e.getBoundingClientRect().right > 360.5 || e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0
                        && getComputedStyle(e).overflowX !== 'visible' && !e.matches('#which')))
                    .map(e => e.tagName + '#' + e.id + '.' + e.className)"""), when);
    }

    @Test
    void noRequestLeavesTheOrigin() {
        conversation();
        var requests = (List<?>) browser.executeScript("return performance.getEntriesByType('resource').map(entry => entry.name)");
        assertTrue(requests.size() >= 4, requests.toString());
        assertTrue(requests.stream().allMatch(name -> name.toString().startsWith(lambda.url() + "/") || name.toString().startsWith("data:")),
                requests.toString());
        assertEquals("TypeError", browser.executeAsyncScript("fetch(arguments[0], { mode: 'no-cors' })"
                + ".then(() => arguments[1]('it went'), e => arguments[1](e.name))", upstream.url() + "/elsewhere"));
        assertEquals("blocked", browser.executeAsyncScript("""
                const done = arguments[0];
                addEventListener('securitypolicyviolation', () => done('blocked'), { once: true });
                const script = document.createElement('script');
                script.textContent = 'document.title = "ran"';
                document.head.append(script);
                """));
    }

    @Test
    void whatAModelWritesIsTextAndNothingElse() {
        upstream.script(streaming("<img src=x onerror=\"document.title='ran'\">", "<script>document.title='ran'</script>"));
        type("<b>bold</b>", Keys.ENTER);
        awaitEnd();
        assertEquals("<img src=x onerror=\"document.title='ran'\"><script>document.title='ran'</script>", text(".said"));
        assertEquals("<b>bold</b>", text(".you"));
        assertEquals("chat-lambda playground", browser.getTitle());
    }

    @Test
    void onlyThePageItselfIsServedWhatWentOver() throws Exception {
        upstream.script(streaming("Hi"));
        type("Hello", Keys.ENTER);
        awaitEnd();
        String host = lambda.url().getAuthority();
        String id = (String) browser.executeScript(
                "return performance.getEntriesByType('resource').map(e => e.name).findLast(n => n.includes('exchange?id=')).split('=')[1]");
        String exchange = "GET /_playground/exchange?id=" + id;
        assertTrue(raw(exchange, "Host: " + host).startsWith("HTTP/1.1 200 "));
        assertTrue(raw(exchange, "Host: 127.0.0.1:1").startsWith("HTTP/1.1 200 "));
        assertFalse(raw(exchange, "Host: " + host, "Origin: http://evil.example").toLowerCase().contains("access-control"));
        for (String request : List.of(exchange, "GET /", "GET /playground.js", "POST /_playground/stop")) {
            for (String wrong : List.of("evil.example", "localhost.evil.example", "evil.example:80", "127.0.0.1.evil.example")) {
                assertTrue(raw(request, "Host: " + wrong, "Origin: http://" + wrong).startsWith("HTTP/1.1 403 "), request + wrong);
            }
        }
        assertTrue(raw("POST /_playground/stop", "Host: " + host).startsWith("HTTP/1.1 404 "));
        assertTrue(raw("POST /_playground/stop", "Host: " + host, "Origin: http://evil.example").startsWith("HTTP/1.1 403 "));
        String refused = raw("POST /v1/chat/completions", "Host: " + host, "Origin: http://evil.example");
        assertTrue(refused.contains("{\"error\":{\"message\":\"pages of this origin may not ask here: set chat.cors-origins"
                + " (CHAT_CORS_ORIGINS) to http://evil.example\",\"type\":\"permission_error\""), refused);
        assertTrue(raw("POST /2015-03-31/functions/f/invocations", "Host: " + host, "Origin: http://evil.example").startsWith("HTTP/1.1 403 "));
        assertTrue(raw("GET /_playground/exchange?id=none", "Host: " + host).startsWith("HTTP/1.1 404 "));
        assertTrue(raw("GET /../../../pom.xml", "Host: " + host).contains("no such path: "), "the function's own answer");
    }

    @Test
    void otherCallersRequestsAreNeitherMarkedNorKept() throws Exception {
        upstream.script(answering(200, "application/json", "{\"choices\":[]}"));
        var plain = Deployed.post(lambda, "{\"messages\":[{\"role\":\"user\"}]}");
        assertEquals("{\"choices\":[]}", plain.body());
        assertEquals(Optional.empty(), plain.headers().firstValue("x-playground-exchange"));
        String id = plain.headers().firstValue("x-request-id").orElseThrow();
        assertTrue(raw("GET /_playground/exchange?id=" + id, "Host: " + lambda.url().getAuthority()).startsWith("HTTP/1.1 404 "));
    }

    @Test
    void thePageIsThereOnlyWhereItIsAskedForAndInNoArtefact() throws Exception {
        try (var function = Deployed.against(upstream.url(), Map.of())) {
            for (String path : List.of("/", "/playground.js", "/_playground/exchange?id=1")) {
                get(function.lambda.url().resolve(path)).then().statusCode(404)
                        .body("error.message", containsString("no such path: " + path.replaceAll("\\?.*", "")));
            }
        }
        try (Stream<Path> artefacts = Files.list(Path.of("target"))) {
            for (Path artefact : artefacts.filter(path -> path.getFileName().toString().matches(".*(\\.jar|\\.zip|-runner)")).toList()) {
                String bytes = new String(Files.readAllBytes(artefact), StandardCharsets.ISO_8859_1); // names in archives are not compressed
                assertFalse(bytes.contains("playground.js"), artefact.toString());
            }
        }
    }

    /** A few turns as one would have them: an answer, a long word, an error, an answer again. */
    private static void conversation() {
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            for (String word : ("A cold start is the time a fresh Lambda environment takes before it can answer its first request: "
                    + "loading the code, starting the runtime, running the initialisation.").split("(?<= )")) {
                write(connection, chunk(delta(word)));
            }
            write(connection, chunk("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":14,\"completion_tokens\":31}}\n\n" + DONE));
            write(connection, LAST_CHUNK);
        });
        type("What is a cold start, in one sentence?", Keys.ENTER);
        awaitEnd();
        upstream.script(answering(429, "application/json",
                "{\"error\":{\"message\":\"Rate limit reached: 20 requests a minute\",\"type\":\"rate_limit_error\",\"code\":\"slow_down\"}}",
                "Retry-After: 7"));
        type("And in " + "Donaudampfschifffahrtsgesellschaft".repeat(2) + "?", Keys.ENTER);
        awaitEnd();
        upstream.script(streaming("Much", " the", " same,", " only", " longer."));
        type("Again, please.", Keys.ENTER);
        awaitEnd();
        await("its event", () -> content("#event").contains("Again, please."));
    }

    private static ScriptedUpstream.Script streaming(String... texts) {
        return ScriptedUpstream.streaming(Stream.concat(Stream.of(texts).map(PlaygroundIT::delta), Stream.of(DONE)).toArray(String[]::new));
    }

    private static String delta(String text) {
        return "data: " + Json.createObjectBuilder().add("choices", Json.createArrayBuilder()
                .add(Json.createObjectBuilder().add("delta", Json.createObjectBuilder().add("content", text)))).build() + "\n\n";
    }

    private static void await(String what, BooleanSupplier holds) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!holds.getAsBoolean()) {
            if (System.nanoTime() > end) {
                picture("not-within-20-s");
                throw new AssertionError("not within 20 s: " + what + "\n" + text("body") + "\n" + process.output());
            }
        }
    }

    private static void awaitText(String selector, String expected) {
        await(expected, () -> content(selector).equals(expected));
    }

    /** The answer is there, and its event and answer are shown. */
    private static void awaitEnd() {
        await("an end", () -> browser.findElements(By.cssSelector(".busy")).isEmpty()
                && !browser.findElements(By.cssSelector("#log:has(.turn:last-child .cost[aria-pressed=true])")).isEmpty()
                && browser.findElements(By.cssSelector("#wire[aria-busy=true]")).isEmpty());
    }

    private static WebElement find(String selector) {
        return browser.findElement(By.cssSelector(selector));
    }

    private static boolean shown(String selector) {
        return browser.findElements(By.cssSelector(selector)).stream().anyMatch(WebElement::isDisplayed);
    }

    private static String text(String selector) {
        return find(selector).getText();
    }

    /** The text with all its white space. */
    private static String content(String selector) {
        return (String) browser.executeScript("return document.querySelector(arguments[0])?.textContent ?? ''", selector);
    }

    private static String focused() {
        return browser.switchTo().activeElement().getDomAttribute("id");
    }

    private static void type(CharSequence... keys) {
        find("#message").sendKeys(keys);
    }

    /** To whatever has the focus. */
    private static void keys(CharSequence... keys) {
        new Actions(browser).sendKeys(keys).perform();
    }

    private static void window(int width, int height, boolean mobile) {
        browser.executeCdpCommand("Emulation.setDeviceMetricsOverride",
                Map.of("width", width, "height", height, "deviceScaleFactor", mobile ? 2 : 1, "mobile", mobile));
    }

    private static void light(boolean light) {
        browser.executeCdpCommand("Emulation.setEmulatedMedia", Map.of("features",
                List.of(Map.of("name", "prefers-color-scheme", "value", light ? "light" : "dark"))));
    }

    private static void picture(String name) {
        try {
            Files.write(PICTURES.resolve(name + ".png"), browser.getScreenshotAs(OutputType.BYTES));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The JDK's client lets nobody choose a host. */
    private static String raw(String request, String... fields) throws IOException {
        try (var socket = new Socket("127.0.0.1", lambda.url().getPort())) {
            write(socket, request + " HTTP/1.1\r\n" + String.join("\r\n", fields) + "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            Deployed.assertKeyless(answer);
            return answer;
        }
    }
}
