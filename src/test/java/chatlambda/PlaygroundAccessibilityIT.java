package chatlambda;

import static chatlambda.PlaygroundPage.streaming;
import static chatlambda.ScriptedUpstream.answering;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.local.LocalLambda.InvokeMode;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.openqa.selenium.By;
import org.openqa.selenium.Keys;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.interactions.Actions;

/** The playground by keyboard, by labels, in light and dark, and on narrow screens. */
@EnabledIf(value = "chatlambda.Chromium#isThereOrMustBe", disabledReason = Chromium.MISSING)
class PlaygroundAccessibilityIT {

    @RegisterExtension
    static final PlaygroundPage page = new PlaygroundPage();

    @Test
    void theKeyboardIsEnough() throws Exception {
        page.upstream.script(streaming("Hi", " there"));
        assertEquals("message", page.focused());
        new Actions(page.browser).sendKeys("one").keyDown(Keys.SHIFT).sendKeys(Keys.ENTER).keyUp(Keys.SHIFT).sendKeys("two", Keys.ENTER)
                .perform();
        page.awaitEnd();
        assertTrue(page.asked().contains("\"one\\ntwo\""), page.asked());
        assertEquals("", page.find("#message").getDomProperty("value"));
        assertEquals("message", page.focused(), "it goes on from here");
        assertEquals(List.of("You", "Answer"), page.all(".turn h3").stream().map(each -> each.getDomProperty("textContent")).toList(),
                "by headings one finds who said what");
        page.keys(Keys.ARROW_UP);
        assertEquals("one\ntwo", page.find("#message").getDomProperty("value"), "what was said last");

        page.keys(Keys.TAB);
        assertEquals("model", page.focused());
        assertNotEquals("none", page.browser.switchTo().activeElement().getCssValue("outline-style"), "one sees where one is");
        page.keys(Keys.TAB, Keys.TAB);
        assertEquals("more", page.focused());
        page.keys("/");
        assertEquals("message", page.focused());
        page.keys("/");
        assertTrue(page.find("#message").getDomProperty("value").endsWith("/"), "where one writes it is a character");
        page.keys(Keys.TAB, Keys.TAB, Keys.TAB, Keys.ENTER);
        assertEquals("system", page.focused(), "the parameters open, and are next");

        new Actions(page.browser).keyDown(Keys.CONTROL).sendKeys("k").keyUp(Keys.CONTROL).perform();
        assertTrue(page.shown("#empty") && page.all(".turn").isEmpty());
        assertEquals("message", page.focused());
        assertEquals("", page.content("#event"));
    }

    @Test
    void everyFieldHasALabelAndOnlyWhatIsFilledInIsSent() throws Exception {
        page.upstream.script(streaming("Hi"));
        page.find("#more").click();
        for (WebElement field : page.all("input, textarea, button")) {
            assertFalse(field.getAccessibleName().isBlank() && field.isDisplayed(), field.getDomAttribute("id"));
        }
        page.find("#model").sendKeys("gpt-4o");
        page.find("#system").sendKeys("Be brief");
        page.find("#temperature").sendKeys("0.2");
        page.find("#max_tokens").sendKeys("64");
        page.find("#key").sendKeys("sk-test-of-the-caller");
        page.ask("Hello");
        assertEquals(Events.json("{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief\"},{\"role\":\"user\",\"content\":\"Hello\"}],"
                + "\"model\":\"gpt-4o\",\"temperature\":0.2,\"max_tokens\":64,\"stream\":true}"),
                Events.json(page.asked()));
        page.await("the event", () -> !page.content("#event").isEmpty());
        assertEquals("Bearer sk-test-of-the-caller",
                page.event().getJsonObject("headers").getString("authorization"));
        page.picture("parameters");
        page.browser.navigate().refresh();
        assertEquals("", page.find("#key").getDomProperty("value"), "the key is kept nowhere");
        assertEquals(0L, page.browser.executeScript("return localStorage.length + sessionStorage.length + document.cookie.length"));
    }

    @ParameterizedTest
    @ValueSource(strings = { "light", "dark" })
    void everythingIsLegibleInLightAndDark(String theme) {
        page.light(theme.equals("light"));
        page.conversation();
        page.picture(theme);
        page.browser.executeScript("document.querySelectorAll('details').forEach(each => each.open = true)");
        assertTrue(page.shown(".problem pre") && page.shown("#event .whole"));
        assertEquals(List.of(), page.browser.executeScript(CONTRAST));
        double[] ground = Arrays.stream(page.browser.findElement(By.tagName("body")).getCssValue("background-color").split("[^0-9.]+"))
                .filter(part -> !part.isEmpty()).mapToDouble(Double::parseDouble).limit(3).toArray();
        assertEquals(theme.equals("light"), ground[0] + ground[1] + ground[2] > 380, Arrays.toString(ground));
        try (var stubs = PlaygroundPage.serve(InvokeMode.RESPONSE_STREAM, true)) {
            page.open(stubs);
            page.await("what is said of the stub", () -> page.shown("#stub"));
            assertEquals(List.of(), page.browser.executeScript(CONTRAST));
        }
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
        page.picture("empty");
        page.window(360, 740, true);
        page.open(page.lambda);
        assertFits("empty");
        page.conversation();
        assertFits("with a conversation");
        page.picture("phone");
        page.all(".cost").get(0).click();
        page.await("the wire in sight", () -> (Boolean) page.browser.executeScript(
                "const { top } = document.getElementById('wire').getBoundingClientRect(); return top < innerHeight / 2"));
        assertEquals("wire", page.focused(), "and who does not see it is there too");
        page.picture("phone-wire");
        page.find("#more").click();
        assertFits("with the parameters");
        assertTrue(page.find("#message").getSize().width > 280);
        try (var stubs = PlaygroundPage.serve(InvokeMode.RESPONSE_STREAM, true)) {
            page.open(stubs);
            page.await("what is said of the stub", () -> page.shown("#stub"));
            assertFits("with what is said of the stub");
        }
    }

    @Test
    void theTimingsFitTheirColumn() {
        page.upstream.script(answering(200, "application/json", "{\"choices\":[{\"message\":{\"content\":\"Much\"}}],"
                + "\"usage\":{\"prompt_tokens\":1234567,\"completion_tokens\":234567}}"));
        page.ask("Hello");
        page.conversation();
        assertEquals(4, page.all(".cost").size());
        for (int width : new int[] { 1920, 1440, 1280, 1081, 1080, 1024, 641, 640, 390, 320 }) {
            resize(width);
            assertEquals(List.of(), page.browser.executeScript("""
                    const within = (inner, outer) => inner.left >= outer.left - .5 && inner.right <= outer.right + .5
                        && inner.top >= outer.top - .5 && inner.bottom <= outer.bottom + .5;
                    return [...document.querySelectorAll('.turn')].flatMap(turn => {
                      const column = turn.getBoundingClientRect();
                      const cost = turn.querySelector('.cost');
                      const card = cost.getBoundingClientRect();
                      return [...cost.querySelectorAll('.bar, .facts, .swatch, b')].map(part => [part, card]).concat([[cost, column]])
                          .filter(([part, around]) => !within(part.getBoundingClientRect(), around)
                              || part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).display !== 'inline')
                          .map(([part]) => `${part.className}: ${part.textContent}`);
                    });
                    """), "at " + width + " px");
        }
    }

    @Test
    void theHintsStandInOneLine() {
        for (int width : new int[] { 1280, 1440, 1024 }) {
            resize(width);
            var hints = page.all("#keys > span");
            assertEquals(5, hints.size());
            assertEquals(1, hints.stream().map(hint -> hint.getRect().y).distinct().count(), "at " + width + " px: " + page.text("#keys"));
            assertTrue(hints.stream().allMatch(hint -> hint.getRect().height < 26), "no hint is broken itself");
        }
    }

    private static void resize(int width) {
        page.window(width, 800, width <= 640);
        page.await(width + " px", () -> page.browser.executeScript("return innerWidth").equals((long) width));
    }

    private static void assertFits(String when) {
        assertEquals(360L, page.browser.executeScript("return Math.max(innerWidth, document.documentElement.scrollWidth)"), when);
        assertEquals(List.of(), page.browser.executeScript("""
                return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.matches('.unseen')
                    && (e.getBoundingClientRect().right > 360.5 || e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0
                        && getComputedStyle(e).overflowX !== 'visible' && !e.matches('#which')))
                    .map(e => e.tagName + '#' + e.id + '.' + e.className)"""), when);
    }
}
