package chatlambda.chat;

import java.util.List;

/**
 * What one request of a client may ask for. Nothing is counted over several requests.
 *
 * @param models globs of the allowed models, in which {@code *} stands for any number of any characters; empty: any model
 * @param requestBytes the longest allowed body; 0: no limit but the front door's
 * @param tokens the most tokens that a request may ask for, over all its answers; 0: no limit
 */
public record Limits(List<String> models, long requestBytes, long tokens) {

    /** Everything is allowed. */
    public static final Limits NONE = new Limits(List.of(), 0, 0);

    public Limits {
        models = List.copyOf(models);
    }

    /** Whether a limit depends on members of the body; ambiguous bodies are then refused. */
    boolean dependOnMembers() {
        return !models.isEmpty() || tokens > 0;
    }

    void requireBytes(int length) throws ChatError {
        if (requestBytes > 0 && length > requestBytes) {
            throw ChatError.refused(413, null, "request_too_large", "the request has " + length + " bytes, and at most " + requestBytes
                    + " are allowed (CHAT_MAX_REQUEST_BYTES): send less");
        }
    }

    /** Whether a request may name {@code model}. */
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
     * @param asked the most tokens of one answer that the request asks for; NaN: it does not say
     * @param choices how many answers it asks for
     */
    void requireTokens(double asked, double choices) throws ChatError {
        if (tokens == 0 || asked * choices <= tokens) {
            return;
        }
        String met = "max_tokens is missing";
        if (!Double.isNaN(asked)) {
            met = "the request asks for " + number(asked) + " tokens" + (choices > 1 ? ", " + number(choices) + " times" : "");
        }
        throw ChatError.refused(400, "max_tokens", "too_many_tokens", met + ", and this caller may ask for at most " + tokens
                + " (CHAT_MAX_TOKENS_CAP): set max_tokens or max_completion_tokens");
    }

    private static String number(double value) {
        return value == Math.rint(value) && value < 1e15 ? Long.toString((long) value) : Double.toString(value);
    }

    /** Not a regular expression: the time that one takes is polynomial in the length of the caller's {@code text}; this is linear. */
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
