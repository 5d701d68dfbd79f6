package chatlambda.chat;

import java.util.List;

/**
 * What one request of a client may ask for. What several may take together is for budgets to say.
 *
 * @param models globs of the allowed models, in which {@code *} stands for any number of characters that a model's name may have; empty:
 *        any model
 * @param requestBytes the longest allowed body; 0: no limit but the front door's
 * @param tokens the most tokens that a request may ask for, over all its answers; 0: no limit
 * @param tokensMember the member of a chat request in which a token limit goes upstream: {@code max_tokens} or {@code
 *        max_completion_tokens}
 * @param counted what of it budgets count
 */
public record Limits(List<String> models, long requestBytes, long tokens, String tokensMember, Counted counted) {

    /** Everything is allowed. */
    public static final Limits NONE = new Limits(List.of(), 0, 0, "max_tokens");

    /** What budgets count of a client's requests. */
    public enum Counted {
        NOTHING,
        /** How many they are. */
        REQUESTS,
        /** What they take, too. */
        USAGE
    }

    /** Without budgets. */
    public Limits(List<String> models, long requestBytes, long tokens, String tokensMember) {
        this(models, requestBytes, tokens, tokensMember, Counted.NOTHING);
    }

    public Limits {
        models = List.copyOf(models);
    }

    /** Whether a limit depends on members of the body; ambiguous bodies are then refused. */
    boolean dependOnMembers() {
        return !models.isEmpty() || dependOnTokens();
    }

    /** Whether the request's token limit matters, and so must be a number. */
    boolean dependOnTokens() {
        return tokens > 0 || counted == Counted.USAGE;
    }

    /** The member in which a token limit goes upstream. */
    String tokensMember(Route route) {
        return route == Route.CHAT ? tokensMember : route.tokenLimits().get(0);
    }

    void requireBytes(int length) throws ChatError {
        if (requestBytes > 0 && length > requestBytes) {
            throw ChatError.refused(413, null, "request_too_large", "the request has " + length + " bytes, and at most " + requestBytes
                    + " are allowed (CHAT_MAX_REQUEST_BYTES): send less");
        }
    }

    /** Whether a request may name {@code model}. */
    public boolean allow(String model) {
        return models.isEmpty() || isName(model) && models.stream().anyMatch(glob -> matches(glob, model));
    }

    /** Whether exact names, and no globs, say what is allowed. */
    boolean nameModels() {
        return !models.isEmpty() && models.stream().noneMatch(each -> each.indexOf('*') >= 0);
    }

    /** Whether that can be the name of one model: some upstreams take several in one name, or a path. */
    public static boolean isName(String model) {
        return !model.contains("..") && model.chars().noneMatch(
                c -> c == ',' || Character.isISOControl(c) || Character.isWhitespace(c) || Character.isSpaceChar(c));
    }

    /**
     * @param asked as the request names it
     * @param real what that stands for
     */
    void requireModel(String asked, String real) throws ChatError {
        if (dependOnMembers() && !(isName(asked) && isName(real))) {
            throw ChatError.invalid(400, "model", "model has a comma, a space, a control character or two dots in a row, which no caller"
                    + " with limits may ask for: name one model");
        }
        if (!allow(real)) {
            throw ChatError.refused(403, "model", "model_not_allowed", "this caller may not use the model that was asked for, only "
                    + String.join(", ", models) + " (CHAT_ALLOWED_MODELS)");
        }
    }

    /**
     * What may be filled in for a request that names no limit.
     *
     * @param choices how many answers it asks for
     */
    long tokensOfEach(double choices) throws ChatError {
        double each = Math.floor(tokens / choices);
        if (each < 1) {
            throw ChatError.refused(400, "n", "too_many_tokens", "the request asks for " + number(choices) + " answers, and this caller may"
                    + " ask for at most " + tokens + " tokens in all (CHAT_MAX_TOKENS_CAP): ask for fewer answers");
        }
        return (long) each;
    }

    /**
     * @param name of the member
     * @param asked the most tokens of one answer that the request asks for
     * @param choices how many answers it asks for
     */
    void requireTokens(String name, double asked, double choices) throws ChatError {
        if (!(asked * choices <= tokens)) {
            throw ChatError.refused(400, name, "too_many_tokens", "the request asks for " + number(asked) + " tokens"
                    + (choices > 1 ? ", " + number(choices) + " times" : "") + ", and this caller may ask for at most " + tokens
                    + " (CHAT_MAX_TOKENS_CAP): set " + name + " to less, or leave it out");
        }
    }

    private static String number(double value) {
        return value == Math.rint(value) && value < 1e15 ? Long.toString((long) value) : Double.toString(value);
    }

    /**
     * Whether a name is one of those that a glob stands for, in which {@code *} is any number of characters. It is not a regular
     * expression: the time that one takes is polynomial in the length of the caller's {@code text}; this is linear.
     */
    public static boolean matches(String glob, String text) {
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
