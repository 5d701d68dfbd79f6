package chatlambda.upstream;

import java.time.Duration;
import java.time.Instant;

/**
 * When something must be over, by the clock on the wall, and what to change where that is too early.
 *
 * @param span how long that was when it was set
 * @param remedy for whoever reads the error, such as "raise chat.timeout"
 */
public record Deadline(Instant at, Duration span, String remedy) {

    public static Deadline at(Instant time, String remedy) {
        return new Deadline(time, Duration.between(Instant.now(), time), remedy);
    }

    /** This one, or {@code timeout} from now with its own remedy, whichever is earlier. */
    public Deadline within(Duration timeout, String itsRemedy) {
        Duration left = left();
        return timeout.compareTo(left) < 0 ? new Deadline(Instant.now().plus(timeout), timeout, itsRemedy) : new Deadline(at, left, remedy);
    }

    /** Zero or less once it is over. */
    public Duration left() {
        return Duration.between(Instant.now(), at);
    }

    public boolean isOver() {
        return left().compareTo(Duration.ZERO) <= 0;
    }
}
