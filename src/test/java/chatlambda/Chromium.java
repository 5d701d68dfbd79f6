package chatlambda;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeDriverService;
import org.openqa.selenium.chrome.ChromeOptions;

/** Debian's Chromium, without a window. */
final class Chromium {

    static final String MISSING = "no chromium and chromedriver on the PATH: apt-get install chromium chromium-driver";

    private Chromium() {
    }

    static ChromeDriver start() {
        assertTrue(isThere(), MISSING);
        var options = new ChromeOptions();
        options.setBinary(installed("chromium").get());
        options.addArguments("--headless=new", "--hide-scrollbars", "--disable-dev-shm-usage", "--no-sandbox"); // root gets no sandbox
        var service = new ChromeDriverService.Builder().usingDriverExecutable(installed("chromedriver").get()).build();
        var browser = new ChromeDriver(service, options);
        browser.manage().timeouts().scriptTimeout(Duration.ofSeconds(10));
        return browser;
    }

    /** For {@code @EnabledIf}: where it is missing its tests are left out, but not in CI. */
    static boolean isThereOrMustBe() {
        boolean runs = isThere() || System.getenv("CI") != null;
        if (!runs) {
            System.out.println("What needs a browser is not tested: " + MISSING);
        }
        return runs;
    }

    private static boolean isThere() {
        return installed("chromium").isPresent() && installed("chromedriver").isPresent();
    }

    private static Optional<File> installed(String command) {
        return Arrays.stream(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator)).map(folder -> new File(folder, command))
                .filter(File::canExecute).findFirst();
    }
}
