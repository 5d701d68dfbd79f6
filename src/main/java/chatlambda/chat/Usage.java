package chatlambda.chat;

/**
 * The tokens and the price that an answer reports, and the model that it names. {@link UsageReader} reads it from the answer's body.
 *
 * @param promptTokens tokens of the request; -1: the answer does not say
 * @param completionTokens tokens of the answer, with {@code reasoningTokens}; -1: the answer does not say
 * @param reasoningTokens tokens that the model thought with; -1: the answer does not say
 * @param usd the price in US dollars; NaN: the answer does not say
 * @param model the model that answered, which may be a snapshot of the requested one; null: the answer does not say
 */
public record Usage(long promptTokens, long completionTokens, long reasoningTokens, double usd, String model) {

    /** AI/ML API's response header with the price in US dollars, in lower case. */
    public static final String PRICE = "x-aimlapi-usd-spent";

    /** An answer that says nothing of all this. */
    public static final Usage NONE = new Usage(-1, -1, -1, Double.NaN, null);

    private static final double MAX_PRICE = 1e9;

    /**
     * A copy with the price of the header {@link #PRICE}, which counts more than the body's.
     *
     * @param header the header's value; null, or no price: nothing changes
     */
    public Usage withPrice(String header) {
        if (header == null) {
            return this;
        }
        try {
            double price = price(Double.parseDouble(header.strip()));
            return Double.isNaN(price) ? this : new Usage(promptTokens, completionTokens, reasoningTokens, price, model);
        } catch (NumberFormatException e) {
            return this;
        }
    }

    /** A copy with another name of the model. */
    public Usage withModel(String name) {
        return new Usage(promptTokens, completionTokens, reasoningTokens, usd, name);
    }

    /** What both say together, event by event: the counts of the later one that has any, and likewise its price and its model. */
    Usage followedBy(Usage later) {
        boolean counts = later.promptTokens >= 0 || later.completionTokens >= 0;
        Usage counted = counts ? later : this;
        return new Usage(counted.promptTokens, counted.completionTokens, counted.reasoningTokens, Double.isNaN(later.usd) ? usd : later.usd,
                later.model == null ? model : later.model);
    }

    /** NaN for a number that cannot be a price. */
    static double price(double usd) {
        return usd >= 0 && usd <= MAX_PRICE ? usd : Double.NaN;
    }
}
