package chatlambda.budget;

import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.Locale;

/** How long a budget lasts: until the end of the calendar's minute, hour, day or month in UTC, whenever it was first used. */
public enum Period {
    MINUTE, HOUR, DAY, MONTH;

    private static final Duration KEPT = Duration.ofDays(1);
    private static final Duration MONTH_KEPT = Duration.ofDays(35);

    /**
     * One minute, hour, day or month.
     *
     * @param name {@code 2026-11-25T07:54Z}, {@code 2026-11-25T07Z}, {@code 2026-11-25} or {@code 2026-11}
     * @param end when the next one begins
     * @param expires when nobody needs its count any more
     */
    public record Window(String name, Instant end, Instant expires) {

        /** For example {@code 2026-11-26T00:00Z}. */
        public String endText() {
            return toMinutes(end) + "Z";
        }
    }

    /** Its name in the settings, in answers and in the table. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** The window that {@code now} is in; {@code now} is a time of the years 0 to 9999. */
    public Window at(Instant now) {
        String minutes = toMinutes(now);
        return switch (this) {
            case MINUTE -> window(minutes + "Z", now.truncatedTo(ChronoUnit.MINUTES).plus(1, ChronoUnit.MINUTES), KEPT);
            case HOUR -> window(minutes.substring(0, 13) + "Z", now.truncatedTo(ChronoUnit.HOURS).plus(1, ChronoUnit.HOURS), KEPT);
            case DAY -> window(minutes.substring(0, 10), now.truncatedTo(ChronoUnit.DAYS).plus(1, ChronoUnit.DAYS), KEPT);
            case MONTH -> {
                LocalDate first = LocalDate.ofInstant(now, ZoneOffset.UTC).withDayOfMonth(1);
                yield window(minutes.substring(0, 7), first.plusMonths(1).atStartOfDay().toInstant(ZoneOffset.UTC), MONTH_KEPT);
            }
        };
    }

    private static Window window(String name, Instant end, Duration kept) {
        return new Window(name, end, end.plus(kept));
    }

    /** {@code 2026-11-25T07:54}. */
    private static String toMinutes(Instant time) {
        return time.toString().substring(0, 16);
    }
}
