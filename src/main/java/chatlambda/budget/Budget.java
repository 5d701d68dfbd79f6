package chatlambda.budget;

import java.math.BigDecimal;

/**
 * What one client, or all together, may use within one window of a period.
 *
 * @param client by name; {@link #ALL}
 * @param limit above 0, in the unit
 */
public record Budget(String client, BigDecimal limit, Unit unit, Period period) {

    /** The sum over all clients. */
    public static final String ALL = "all";
    /** In the settings: each client that has no budget of its own for that unit and period. */
    public static final String EACH = "*";

    /** Whether others' use counts too, which is not told to any of them. */
    boolean isShared() {
        return client.equals(ALL);
    }

    /** Whether it counts that unit for that period. */
    public boolean isFor(Unit its, Period lasting) {
        return unit == its && period == lasting;
    }

    /** For example {@code 20usd/month}. */
    String amount() {
        return limit.toPlainString() + unit.label() + "/" + period.label();
    }

    /** As in the settings, for example {@code app=20usd/month}. */
    @Override
    public String toString() {
        return client + "=" + amount();
    }
}
