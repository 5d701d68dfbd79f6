package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import chatlambda.local.LocalLambda.InvokeMode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The binary with a clock that the test moves, by the library of Debian's package {@code faketime}: the ends of days, months and years. */
class BudgetClockIT {

    private static final boolean CI = "true".equals(System.getenv("CI"));
    private static final Path LIBRARY = Path.of("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1");
    /** The function's clock may be years ahead of the one that sets the deadlines. */
    private static final Duration NO_DEADLINE = Duration.ofDays(50_000);

    @TempDir
    private Path directory;

    @BeforeAll
    static void needsTheLibrary() {
        assumeTrue(Deployed.isNative(), "the JVM's clock is moved in LedgerTest");
        if (!Files.exists(LIBRARY)) {
            if (CI && System.getenv("RECIPES_LEFT_OUT") == null) {
                fail("no " + LIBRARY + ", which .ci/run or .github/tools installs");
            }
            abort("no " + LIBRARY);
        }
    }

    /** From now on it is that time in the function, and goes on. */
    private static void set(Path clock, String time) throws IOException {
        Path next = Files.writeString(clock.resolveSibling("next"), "%+d".formatted(Instant.parse(time).getEpochSecond()
                - Instant.now().getEpochSecond()));
        Files.move(next, clock, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    @Test
    void eachWindowOfTheCalendarIsAnItemOfItsOwnAndHasItsOwnRoom() throws Exception {
        Path clock = directory.resolve("clock");
        set(clock, "2028-02-28T12:00:00Z");
        try (var dynalite = Dynalite.start(); var upstream = ScriptedUpstream.start(BudgetIT.completion(3, 5))) {
            var table = dynalite.table();
            var settings = table.settings("direct=1requests/hour,direct=2requests/month", "LD_PRELOAD", LIBRARY.toString(),
                    "FAKETIME_TIMESTAMP_FILE", clock.toString(), "FAKETIME_NO_CACHE", "1", "FAKETIME_DONT_FAKE_MONOTONIC", "1");
            try (var function = Deployed.against(upstream.url(), settings, InvokeMode.BUFFERED, NO_DEADLINE)) {
                assertEquals("answered", asked(function));
                assertEquals("2028-02-28T13:00Z", asked(function));
                set(clock, "2028-02-29T12:00:00Z"); // a leap day
                assertEquals("answered", asked(function));
                assertEquals("2028-03-01T00:00Z", asked(function)); // that of the month ends last
                set(clock, "2028-03-01T12:00:00Z");
                assertEquals("answered", asked(function));
                set(clock, "2027-12-31T12:00:00Z"); // set back
                assertEquals("answered", asked(function));
                set(clock, "2100-02-28T23:00:00Z"); // no leap year
                assertEquals("answered", asked(function));
                assertEquals("2100-03-01T00:00Z", asked(function));
                function.lambda.awaitPoll();
            }
            assertEquals(List.of("hour#2027-12-31T12Z", "hour#2028-02-28T12Z", "hour#2028-02-29T12Z", "hour#2028-03-01T12Z",
                    "hour#2100-02-28T23Z", "month#2027-12", "month#2028-02", "month#2028-03", "month#2100-02"),
                    List.copyOf(table.items("direct#requests#").stream().map(item -> item.get("pk").s().substring("direct#requests#".length()))
                            .collect(Collectors.toCollection(TreeSet::new))));
        }
    }

    /** That it was answered, or when the budget that refused it begins anew. */
    private static String asked(Deployed function) {
        var outcome = function.invoke(BudgetIT.CHAT);
        return outcome.functionError() ? outcome.text().replaceAll("(?s).*begins anew at (\\S+Z).*", "$1") : "answered";
    }
}
