package chatlambda;

import static chatlambda.ScriptedUpstream.LAST_CHUNK;
import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.write;

import chatlambda.access.Cors;
import chatlambda.local.LocalLambda;
import chatlambda.local.LocalLambda.InvokeMode;
import jakarta.json.Json;
import jakarta.json.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.openqa.selenium.By;
import org.openqa.selenium.Keys;
import org.openqa.selenium.OutputType;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.interactions.Actions;

/**
 * Dev mode's page in a browser, with the packaged function behind it and a scripted upstream behind that: started once for the tests of
 * a class, opened anew for each. Leaves pictures in {@code target/playground}.
 */
final class PlaygroundPage implements BeforeAllCallback, BeforeEachCallback, AfterAllCallback {

    static final String DONE = "data: [DONE]\n\n";

    private static final Path FILES = Path.of("src/main/playground");
    private static final Path PICTURES = Path.of("target/playground");

    ChromeDriver browser;
    ScriptedUpstream upstream;
    LocalLambda lambda;
    Wiretap wire;
    private Deployed.FunctionProcess process;

    @Override
    public void beforeAll(ExtensionContext context) throws IOException {
        browser = Chromium.start();
        Files.createDirectories(PICTURES);
        upstream = ScriptedUpstream.start(answering(500, null, ""));
        lambda = serve(InvokeMode.RESPONSE_STREAM, false);
        wire = new Wiretap(lambda.runtimeApi());
        process = Deployed.FunctionProcess.start(Map.of("AWS_LAMBDA_RUNTIME_API", wire.address(), "CHAT_API_KEY", Deployed.KEY,
                "CHAT_AUTH", "iam", "CHAT_URL", upstream.url().toString(), "CHAT_RESPONSE_MODE", "stream", "CHAT_RETRIES", "0"));
    }

    @Override
    public void afterAll(ExtensionContext context) throws IOException {
        if (browser != null) {
            browser.quit();
            process.close();
            wire.close();
            lambda.close();
            upstream.close();
        }
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        open();
    }

    /** The page's server; its function is whoever polls it. */
    static LocalLambda serve(InvokeMode mode, boolean stub) {
        return LocalLambda.start(0, mode, Duration.ofSeconds(60), new LocalLambda.Page(FILES, stub),
                new Cors(Set.of()));
    }

    /** In a wide window and light. */
    void open() {
        window(1440, 900, false);
        light(true);
        open(lambda);
    }

    void open(LocalLambda lambda) {
        browser.get(lambda.url() + "/");
    }

    void window(int width, int height, boolean mobile) {
        browser.executeCdpCommand("Emulation.setDeviceMetricsOverride",
                Map.of("width", width, "height", height, "deviceScaleFactor", mobile ? 2 : 1, "mobile", mobile));
    }

    void light(boolean light) {
        browser.executeCdpCommand("Emulation.setEmulatedMedia", Map.of("features",
                List.of(Map.of("name", "prefers-color-scheme", "value", light ? "light" : "dark"))));
    }

    void type(CharSequence... keys) {
        find("#message").sendKeys(keys);
    }

    /** Says it, and waits until the answer is there, be it an error. */
    void ask(String text) {
        type(text, Keys.ENTER);
        awaitEnd();
    }

    /** To whatever has the focus. */
    void keys(CharSequence... keys) {
        new Actions(browser).sendKeys(keys).perform();
    }

    WebElement find(String selector) {
        return browser.findElement(By.cssSelector(selector));
    }

    List<WebElement> all(String selector) {
        return browser.findElements(By.cssSelector(selector));
    }

    boolean shown(String selector) {
        return all(selector).stream().anyMatch(WebElement::isDisplayed);
    }

    /** The one request that the upstream got since it was given its script. */
    String asked() {
        return upstream.request().text();
    }

    /** As it is seen. */
    String text(String selector) {
        return find(selector).getText();
    }

    /** The text with all its white space, be it seen or not. */
    String content(String selector) {
        return (String) browser.executeScript("return document.querySelector(arguments[0])?.textContent ?? ''", selector);
    }

    /** The event as it is laid out, be it folded or not. */
    JsonObject event() {
        return Events.json(content("#event .whole"));
    }

    String focused() {
        return browser.switchTo().activeElement().getDomAttribute("id");
    }

    void await(String what, BooleanSupplier holds) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!holds.getAsBoolean()) {
            if (System.nanoTime() > end) {
                picture("not-within-20-s");
                throw new AssertionError("not within 20 s: " + what + "\n" + text("body") + "\n" + process.output());
            }
        }
    }

    void awaitText(String selector, String expected) {
        await(expected, () -> content(selector).equals(expected));
    }

    /** The answer is there, and its event and answer are shown. */
    void awaitEnd() {
        await("an end", () -> all(".busy").isEmpty() && !all("#log:has(.turn:last-child .cost[aria-pressed=true])").isEmpty()
                && all("#wire[aria-busy=true]").isEmpty());
    }

    void picture(String name) {
        try {
            Files.write(PICTURES.resolve(name + ".png"), browser.getScreenshotAs(OutputType.BYTES));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A few turns as one would have them: an answer, a long word, an error, an answer again. */
    void conversation() {
        upstream.script((request, connection) -> {
            write(connection, STREAM_HEAD);
            for (String word : ("A cold start is the time a fresh Lambda environment takes before it can answer its first request: "
                    + "loading the code, starting the runtime, running the initialisation.").split("(?<= )")) {
                write(connection, chunk(delta(word)));
            }
            write(connection, chunk("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":14,\"completion_tokens\":31}}\n\n" + DONE));
            write(connection, LAST_CHUNK);
        });
        ask("What is a cold start, in one sentence?");
        upstream.script(answering(429, "application/json",
                "{\"error\":{\"message\":\"Rate limit reached: 20 requests a minute\",\"type\":\"rate_limit_error\","
                        + "\"code\":\"slow_down\"}}",
                "Retry-After: 7"));
        ask("And in " + "Donaudampfschifffahrtsgesellschaft".repeat(2) + "?");
        upstream.script(streaming("Much", " the", " same,", " only", " longer."));
        ask("Again, please.");
        await("its event", () -> content("#event").contains("Again, please."));
    }

    /** The answer to a request of the page's server; the JDK's client lets nobody choose a host. */
    String raw(String request, String... fields) throws IOException {
        try (var socket = new Socket("127.0.0.1", lambda.url().getPort())) {
            write(socket, request + " HTTP/1.1\r\n" + String.join("\r\n", fields) + "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            Deployed.assertKeyless(answer);
            return answer;
        }
    }

    /** An upstream's stream of these texts, whole. */
    static ScriptedUpstream.Script streaming(String... texts) {
        var chunks = Stream.concat(Stream.of(texts).map(PlaygroundPage::delta), Stream.of(DONE));
        return ScriptedUpstream.streaming(chunks.toArray(String[]::new));
    }

    /** One chunk of a stream, with the text. */
    static String delta(String text) {
        return "data: " + Json.createObjectBuilder().add("choices", Json.createArrayBuilder()
                .add(Json.createObjectBuilder().add("delta", Json.createObjectBuilder().add("content", text)))).build() + "\n\n";
    }
}
