package chatlambda.chat;

import java.math.BigDecimal;
import java.math.RoundingMode;

/**
 * The tokens and the price that an answer reports, and the model that it names. {@link UsageReader} reads it from the answer's body.
 *
 * @param promptTokens tokens of the request; -1: the answer does not say
 * @param completionTokens tokens of the answer, with {@code reasoningTokens}; -1: the answer does not say
 * @param reasoningTokens tokens that the model thought with; -1: the answer does not say
 * @param usd the price in US dollars, with at most 18 decimals; null: the answer does not say
 * @param model the model that answered, which may be a snapshot of the requested one; null: the answer does not say
 */
public record Usage(long promptTokens, long completionTokens, long reasoningTokens, BigDecimal usd, String model) {

    /** AI/ML API's response header with the price in US dollars, in lower case. */
    public static final String PRICE = "x-aimlapi-usd-spent";

    /** An answer that says nothing of all this. */
    public static final Usage NONE = new Usage(-1, -1, -1, null, null);

    private static final int DECIMALS = 18;
    /** Characters of a price. */
    private static final int MAX_LENGTH = 64;
    private static final BigDecimal MAX_PRICE = new BigDecimal(1_000_000_000);
    private static final BigDecimal MIN_PRICE = BigDecimal.ONE.movePointLeft(DECIMALS);

    /**
     * A copy with the price of the header {@link #PRICE}, which counts more than the body's.
     *
     * @param header the header's value; null, or no price: nothing changes
     */
    public Usage withPrice(String header) {
        if (header == null) {
            return this;
        }
        BigDecimal price = price(header.strip());
        return price == null ? this : new Usage(promptTokens, completionTokens, reasoningTokens, price, model);
    }

    /** A copy with another name of the model. */
    public Usage withModel(String name) {
        return new Usage(promptTokens, completionTokens, reasoningTokens, usd, name);
    }

    /** What both say together, event by event: the counts of the later one that has any, and likewise its price and its model. */
    Usage followedBy(Usage later) {
        boolean counts = later.promptTokens >= 0 || later.completionTokens >= 0;
        Usage counted = counts ? later : this;
        return new Usage(counted.promptTokens, counted.completionTokens, counted.reasoningTokens, later.usd == null ? usd : later.usd,
                later.model == null ? model : later.model);
    }

    /** Null for what cannot be a price. */
    static BigDecimal price(String usd) {
        if (usd.length() > MAX_LENGTH) { // the time that is taken to read it grows with the square of its length
            return null;
        }
        try {
            var price = new BigDecimal(usd);
            if (price.signum() < 0 || price.compareTo(MAX_PRICE) > 0) {
                return null;
            }
            if (price.compareTo(MIN_PRICE) < 0) { // its decimals may be any number
                return BigDecimal.ZERO;
            }
            return price.scale() > DECIMALS || price.scale() < 0
                    ? price.setScale(Math.max(0, Math.min(DECIMALS, price.scale())), RoundingMode.HALF_UP) : price;
        } catch (NumberFormatException e) {
            return null;
        }
    }
}
