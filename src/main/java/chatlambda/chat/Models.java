package chatlambda.chat;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The models that the settings name.
 *
 * @param standard is asked for where a request names none
 * @param aliases names that stand for models, each for one that is no alias, in the order of the settings
 * @param fallbacks to be asked in this order where the one asked for is not to be had
 * @param successor of {@code standard}, to be asked only where that is gone; null: none
 */
public record Models(String standard, Map<String, String> aliases, List<String> fallbacks, String successor) {

    public Models {
        aliases = Collections.unmodifiableMap(new LinkedHashMap<>(aliases));
        fallbacks = List.copyOf(fallbacks);
    }

    /** No other than that one. */
    public static Models only(String model) {
        return new Models(model, Map.of(), List.of(), null);
    }

    /** The model that a request means. */
    public String real(String name) {
        return aliases.getOrDefault(name, name);
    }

    /** The same where a request's path names the model; null: it does not. */
    public Models withStandard(String named) {
        return named == null ? this : new Models(real(named), aliases, fallbacks, successor);
    }
}
