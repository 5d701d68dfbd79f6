package chatlambda.budget;

import chatlambda.chat.Limits;
import java.math.BigDecimal;
import java.util.List;

/**
 * What tokens cost where the upstream does not say, as {@code chat.prices} has it.
 *
 * @param all the first whose models match counts
 */
public record Prices(List<Price> all) {

    public static final Prices NONE = new Prices(List.of());

    /**
     * Of some models.
     *
     * @param models a name, in which {@code *} stands for any number of characters
     * @param prompt US dollars for a million of them
     * @param completion likewise
     */
    public record Price(String models, BigDecimal prompt, BigDecimal completion) {

        /** In US dollars, exactly. */
        public BigDecimal of(long promptTokens, long completionTokens) {
            return prompt.multiply(BigDecimal.valueOf(promptTokens)).add(completion.multiply(BigDecimal.valueOf(completionTokens)))
                    .movePointLeft(6);
        }
    }

    public Prices {
        all = List.copyOf(all);
    }

    /** Null: there is none, or no model. */
    public Price of(String model) {
        for (Price price : all) {
            if (model != null && Limits.matches(price.models, model)) {
                return price;
            }
        }
        return null;
    }
}
