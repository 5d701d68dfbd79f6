package chatlambda.budget;

import java.math.BigDecimal;

/**
 * What a request has really taken.
 *
 * @param isRequest whether the upstream was asked to answer it
 * @param tokens null: nobody knows, and what was reserved counts
 * @param usd likewise
 */
public record Spent(boolean isRequest, BigDecimal tokens, BigDecimal usd) {

    /** The upstream has never seen it. */
    public static final Spent NOTHING = new Spent(false, BigDecimal.ZERO, BigDecimal.ZERO);
    /** The upstream has answered with an error. */
    public static final Spent REQUEST = new Spent(true, BigDecimal.ZERO, BigDecimal.ZERO);
    public static final Spent UNKNOWN = new Spent(true, null, null);

    /** Null: nobody knows. */
    BigDecimal of(Unit unit) {
        return switch (unit) {
            case REQUESTS -> isRequest ? BigDecimal.ONE : BigDecimal.ZERO;
            case TOKENS -> tokens;
            case USD -> usd;
        };
    }
}
