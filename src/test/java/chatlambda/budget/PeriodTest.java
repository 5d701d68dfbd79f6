package chatlambda.budget;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Windows are the calendar's in UTC: what {@code java.time}'s own formats and calendar say of a time is the other opinion here. */
class PeriodTest {

    private static final long FROM = Instant.parse("2000-01-01T00:00:00Z").getEpochSecond();
    private static final long TO = Instant.parse("2101-01-01T00:00:00Z").getEpochSecond();
    private static final Map<Period, Pattern> FORMS = Map.of(
            Period.MINUTE, Pattern.compile("\\d{4}-[01]\\d-[0-3]\\dT[0-2]\\d:[0-5]\\dZ"),
            Period.HOUR, Pattern.compile("\\d{4}-[01]\\d-[0-3]\\dT[0-2]\\dZ"),
            Period.DAY, Pattern.compile("\\d{4}-[01]\\d-[0-3]\\d"),
            Period.MONTH, Pattern.compile("\\d{4}-[01]\\d"));
    private static final Map<Period, DateTimeFormatter> NAMES = Map.of(
            Period.MINUTE, DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm'Z'", Locale.ROOT),
            Period.HOUR, DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH'Z'", Locale.ROOT),
            Period.DAY, DateTimeFormatter.ofPattern("uuuu-MM-dd", Locale.ROOT),
            Period.MONTH, DateTimeFormatter.ofPattern("uuuu-MM", Locale.ROOT));

    @ParameterizedTest
    @CsvSource(textBlock = """
            2026-11-25T07:54:31Z,           MINUTE, 2026-11-25T07:54Z, 2026-11-25T07:55:00Z, 2026-11-26T07:55:00Z
            2026-11-25T07:54:00Z,           MINUTE, 2026-11-25T07:54Z, 2026-11-25T07:55:00Z, 2026-11-26T07:55:00Z
            2026-11-25T07:53:59.999999999Z, MINUTE, 2026-11-25T07:53Z, 2026-11-25T07:54:00Z, 2026-11-26T07:54:00Z
            2026-11-25T07:59:59.000000001Z, MINUTE, 2026-11-25T07:59Z, 2026-11-25T08:00:00Z, 2026-11-26T08:00:00Z
            2026-11-25T07:54:31.000001Z,    HOUR,   2026-11-25T07Z,    2026-11-25T08:00:00Z, 2026-11-26T08:00:00Z
            2026-11-25T00:00:00Z,           HOUR,   2026-11-25T00Z,    2026-11-25T01:00:00Z, 2026-11-26T01:00:00Z
            2026-11-25T23:59:59Z,           HOUR,   2026-11-25T23Z,    2026-11-26T00:00:00Z, 2026-11-27T00:00:00Z
            2026-11-25T07:54:31.5Z,         DAY,    2026-11-25,        2026-11-26T00:00:00Z, 2026-11-27T00:00:00Z
            2026-11-30T23:59:59.999999999Z, DAY,    2026-11-30,        2026-12-01T00:00:00Z, 2026-12-02T00:00:00Z
            2026-11-25T07:54:31Z,           MONTH,  2026-11,           2026-12-01T00:00:00Z, 2027-01-05T00:00:00Z
            2026-01-31T23:59:59.999999999Z, MONTH,  2026-01,           2026-02-01T00:00:00Z, 2026-03-08T00:00:00Z
            2026-02-28T23:59:59Z,           MONTH,  2026-02,           2026-03-01T00:00:00Z, 2026-04-05T00:00:00Z
            2026-02-28T23:59:59Z,           DAY,    2026-02-28,        2026-03-01T00:00:00Z, 2026-03-02T00:00:00Z
            2024-02-28T23:59:59Z,           DAY,    2024-02-28,        2024-02-29T00:00:00Z, 2024-03-01T00:00:00Z
            2024-02-29T00:00:00Z,           DAY,    2024-02-29,        2024-03-01T00:00:00Z, 2024-03-02T00:00:00Z
            2024-02-29T23:59:59Z,           HOUR,   2024-02-29T23Z,    2024-03-01T00:00:00Z, 2024-03-02T00:00:00Z
            2024-02-29T23:59:59Z,           MONTH,  2024-02,           2024-03-01T00:00:00Z, 2024-04-05T00:00:00Z
            2028-02-29T12:00:00Z,           MINUTE, 2028-02-29T12:00Z, 2028-02-29T12:01:00Z, 2028-03-01T12:01:00Z
            2028-02-29T12:00:00Z,           MONTH,  2028-02,           2028-03-01T00:00:00Z, 2028-04-05T00:00:00Z
            2100-02-28T23:59:59Z,           DAY,    2100-02-28,        2100-03-01T00:00:00Z, 2100-03-02T00:00:00Z
            2100-02-28T23:59:59Z,           MONTH,  2100-02,           2100-03-01T00:00:00Z, 2100-04-05T00:00:00Z
            2000-02-29T00:00:00Z,           DAY,    2000-02-29,        2000-03-01T00:00:00Z, 2000-03-02T00:00:00Z
            2026-12-31T23:59:59.999999999Z, MINUTE, 2026-12-31T23:59Z, 2027-01-01T00:00:00Z, 2027-01-02T00:00:00Z
            2026-12-31T23:59:59.999999999Z, HOUR,   2026-12-31T23Z,    2027-01-01T00:00:00Z, 2027-01-02T00:00:00Z
            2026-12-31T23:59:59.999999999Z, DAY,    2026-12-31,        2027-01-01T00:00:00Z, 2027-01-02T00:00:00Z
            2026-12-31T23:59:59.999999999Z, MONTH,  2026-12,           2027-01-01T00:00:00Z, 2027-02-05T00:00:00Z
            2027-01-01T00:00:00Z,           MONTH,  2027-01,           2027-02-01T00:00:00Z, 2027-03-08T00:00:00Z
            2016-12-31T23:59:59.999Z,       MINUTE, 2016-12-31T23:59Z, 2017-01-01T00:00:00Z, 2017-01-02T00:00:00Z
            """)
    void aWindowIsTheCalendarsInUtc(Instant now, Period period, String name, Instant end, Instant expires) {
        assertEquals(new Period.Window(name, end, expires), period.at(now));
    }

    @ParameterizedTest
    @CsvSource({ "MINUTE, 2026-11-25T07:55Z", "HOUR, 2026-11-25T08:00Z", "DAY, 2026-11-26T00:00Z", "MONTH, 2026-12-01T00:00Z" })
    void aWindowsEndIsToldToTheMinute(Period period, String told) {
        assertEquals(told, period.at(Instant.parse("2026-11-25T07:54:31.123Z")).endText());
    }

    @Test
    void aPeriodIsCalledAsInTheSettings() {
        assertEquals("minute hour day month", String.join(" ", Period.MINUTE.label(), Period.HOUR.label(), Period.DAY.label(),
                Period.MONTH.label()));
    }

    @Property(tries = 2_000, seed = "7")
    void nowIsInItsWindowWhichHasTheNameThatTheCalendarGivesIt(@ForAll("times") Instant now, @ForAll Period period) {
        Period.Window window = period.at(now);
        var utc = LocalDateTime.ofInstant(now, ZoneOffset.UTC);
        assertEquals(NAMES.get(period).format(utc), window.name());
        assertTrue(FORMS.get(period).matcher(window.name()).matches(), window::name);
        assertTrue(now.isBefore(window.end()), window::toString);
        assertEquals(start(utc, period), start(LocalDateTime.ofInstant(window.end(), ZoneOffset.UTC).minusNanos(1), period));
    }

    @Property(tries = 2_000, seed = "7")
    void anEndIsWhereTheNextWindowBegins(@ForAll("times") Instant now, @ForAll Period period) {
        Period.Window window = period.at(now);
        var end = LocalDateTime.ofInstant(window.end(), ZoneOffset.UTC);
        assertEquals(start(end, period), end, "on a boundary");
        assertEquals(window, period.at(window.end().minusNanos(1)));
        Period.Window next = period.at(window.end());
        assertNotEquals(window.name(), next.name());
        assertTrue(next.name().compareTo(window.name()) > 0, () -> next.name() + " sorts behind " + window.name());
        assertTrue(next.end().isAfter(window.end()));
        assertEquals(NAMES.get(Period.MINUTE).format(end), window.endText());
    }

    @Property(tries = 500, seed = "7")
    void anItemExpiresADayAfterItsWindowAndAMonthsAfter35Days(@ForAll("times") Instant now, @ForAll Period period) {
        Period.Window window = period.at(now);
        assertEquals(Duration.ofDays(period == Period.MONTH ? 35 : 1), Duration.between(window.end(), window.expires()));
    }

    /** Two callers with the same clock must never count in two items, nor two windows in one. */
    @Property(tries = 1_000, seed = "7")
    void twoTimesHaveTheSameWindowIfAndOnlyIfItBeginsAtTheSameTime(@ForAll("times") Instant one, @ForAll("times") Instant other,
            @ForAll Period period) {
        boolean isSame = start(LocalDateTime.ofInstant(one, ZoneOffset.UTC), period)
                .equals(start(LocalDateTime.ofInstant(other, ZoneOffset.UTC), period));
        assertEquals(isSame, period.at(one).name().equals(period.at(other).name()));
        assertEquals(isSame, period.at(one).equals(period.at(other)));
    }

    private static LocalDateTime start(LocalDateTime in, Period period) {
        return switch (period) {
            case MINUTE -> LocalDateTime.of(in.getYear(), in.getMonthValue(), in.getDayOfMonth(), in.getHour(), in.getMinute());
            case HOUR -> LocalDateTime.of(in.getYear(), in.getMonthValue(), in.getDayOfMonth(), in.getHour(), 0);
            case DAY -> LocalDateTime.of(in.getYear(), in.getMonthValue(), in.getDayOfMonth(), 0, 0);
            case MONTH -> LocalDateTime.of(in.getYear(), in.getMonthValue(), 1, 0, 0);
        };
    }

    /** Of 2000 to 2100: any, and many close to the edges of minutes, days, months and leap years. */
    @Provide
    Arbitrary<Instant> times() {
        var nanos = Arbitraries.of(0, 1, 499_999_999, 999_000_000, 999_999_999);
        var any = Combinators.combine(Arbitraries.longs().between(FROM, TO - 1), nanos).as(Instant::ofEpochSecond);
        var ofMonth = Combinators.combine(Arbitraries.integers().between(2000, 2100), Arbitraries.integers().between(1, 12),
                Arbitraries.of(-1, 0, 1, 59, 60, 3_599, 3_600, 86_399, 86_400, -86_400), nanos)
                .as((year, month, seconds, nano) -> LocalDateTime.of(year, month, 1, 0, 0).toInstant(ZoneOffset.UTC).plusSeconds(seconds)
                        .plusNanos(nano));
        var ofDay = Combinators.combine(Arbitraries.longs().between(FROM / 86_400, TO / 86_400 - 1), Arbitraries.of(-1, 0, 1, -60, 60),
                nanos)
                .as((day, seconds, nano) -> Instant.ofEpochSecond(day * 86_400 + seconds, nano));
        return Arbitraries.frequencyOf(Tuple.of(2, any), Tuple.of(2, ofMonth), Tuple.of(1, ofDay))
                .filter(time -> time.getEpochSecond() >= FROM && time.getEpochSecond() < TO);
    }
}
