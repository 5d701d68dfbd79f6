package chatlambda.chat;

import java.util.List;

/**
 * What a caller may ask for, as far as one instance of the function can tell.
 *
 * @param models globs, in which {@code *} stands for any characters; empty: any model
 * @param requestBytes how long a request may be; 0: as long as the front door takes
 * @param tokens how many a request may ask for; 0: as many as it likes
 */
public record Limits(List<String> models, long requestBytes, long tokens) {

    public static final Limits NONE = new Limits(List.of(), 0, 0);

    public Limits {
        models = List.copyOf(models);
    }

    /** Whether what a request says of its model and its length must be taken at its word. */
    boolean areStrict() {
        return !models.isEmpty() || tokens > 0;
    }

    void requireBytes(int length) throws ChatError {
        if (requestBytes > 0 && length > requestBytes) {
            throw ChatError.refused(413, null, "request_too_large", "the request has " + length + " bytes, and at most " + requestBytes
                    + " are allowed (CHAT_MAX_REQUEST_BYTES): send less");
        }
    }

    public boolean allow(String model) {
        return models.isEmpty() || models.stream().anyMatch(glob -> matches(glob, model));
    }

    void requireModel(String model) throws ChatError {
        if (!allow(model)) {
            throw ChatError.refused(403, "model", "model_not_allowed", "this caller may not use the model that was asked for, only "
                    + String.join(", ", models) + " (CHAT_ALLOWED_MODELS)");
        }
    }

    /**
     * @param asked the largest number of tokens that the request names, or NaN: it names none
     * @param choices how many answers it asks for, each of as many tokens
     */
    void requireTokens(double asked, double choices) throws ChatError {
        if (tokens == 0 || asked * choices <= tokens) {
            return;
        }
        throw ChatError.refused(400, "max_tokens", "too_many_tokens", (Double.isNaN(asked) ? "max_tokens is missing"
                : "the request asks for " + number(asked) + " tokens" + (choices > 1 ? ", " + number(choices) + " times" : ""))
                + ", and this caller may ask for at most " + tokens + " (CHAT_MAX_TOKENS_CAP): set max_tokens or max_completion_tokens");
    }

    private static String number(double value) {
        return value == Math.rint(value) && value < 1e15 ? Long.toString((long) value) : Double.toString(value);
    }

    private static boolean matches(String glob, String text) {
        String[] parts = glob.split("\\*", -1);
        String last = parts[parts.length - 1];
        if (parts.length == 1 || !text.startsWith(parts[0])) {
            return text.equals(glob);
        }
        int at = parts[0].length();
        for (int i = 1; i < parts.length - 1; i++) {
            int found = text.indexOf(parts[i], at);
            if (found < 0) {
                return false;
            }
            at = found + parts[i].length();
        }
        return text.length() - last.length() >= at && text.endsWith(last);
    }
}
