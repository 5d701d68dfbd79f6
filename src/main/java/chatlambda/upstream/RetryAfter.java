package chatlambda.upstream;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.util.Map;
import java.util.Optional;

/**
 * How long an upstream wants to be left alone: {@code retry-after-ms}, or {@code Retry-After} in seconds or as a date.
 *
 * @see <a href="https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3">RFC 9110, 10.2.3</a>
 */
final class RetryAfter {

    private RetryAfter() {
    }

    /** @return never less than zero; empty: it does not say */
    static Optional<Duration> of(Map<String, String> headers, Instant now) {
        return millis(headers.get("retry-after-ms"), 1)
                .or(() -> millis(headers.get("retry-after"), 1000))
                .or(() -> date(headers.get("retry-after"), now))
                .map(wait -> wait.isNegative() ? Duration.ZERO : wait);
    }

    private static Optional<Duration> millis(String number, int unit) {
        try {
            double millis = number == null ? Double.NaN : Double.parseDouble(number.strip()) * unit;
            return millis >= 0 && millis < Long.MAX_VALUE ? Optional.of(Duration.ofMillis((long) Math.ceil(millis))) : Optional.empty();
        } catch (NumberFormatException e) {
            return Optional.empty();
        }
    }

    private static Optional<Duration> date(String text, Instant now) {
        try {
            return text == null ? Optional.empty()
                    : Optional.of(Duration.between(now, DateTimeFormatter.RFC_1123_DATE_TIME.parse(text.strip(), Instant::from)));
        } catch (DateTimeException e) {
            return Optional.empty(); // not a date either
        }
    }
}
