package chatlambda.budget;

import java.util.Locale;

/** What a budget counts. */
public enum Unit {
    /** US dollars, as the upstream charges them, or by {@link Prices}. */
    USD,
    /** Prompt and completion tokens together. */
    TOKENS,
    /** Requests that the upstream was asked to answer. */
    REQUESTS;

    /** Its name in the settings, in answers and in the table. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
