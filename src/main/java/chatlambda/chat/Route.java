package chatlambda.chat;

import java.util.List;
import java.util.Locale;

/**
 * The routes of OpenAI's API that are served, with all that differs between them: the way from an event to its answer is the same for each.
 *
 * @see <a href="https://platform.openai.com/docs/api-reference">OpenAI's API reference</a>
 */
public enum Route {

    CHAT("POST", "/chat/completions", "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}", List.of("messages"),
            List.of("max_tokens", "max_completion_tokens"), List.of("max_output_tokens"),
            new UsageNames("prompt_tokens", "completion_tokens", "completion_tokens_details")),
    RESPONSES("POST", "/responses", "{\"input\": \"Hello\"}", List.of("input", "prompt", "previous_response_id", "conversation"),
            List.of("max_output_tokens"), List.of("max_tokens", "max_completion_tokens"),
            new UsageNames("input_tokens", "output_tokens", "output_tokens_details")),
    EMBEDDINGS("POST", "/embeddings", "{\"input\": \"Hello\"}", List.of("input"), List.of(), List.of(), CHAT.usageNames),
    MODELS("GET", "/models", "", List.of(), List.of(), List.of(), CHAT.usageNames);

    /** How an answer's {@code usage} names its counts; {@code details} is the object with {@code reasoning_tokens}. */
    record UsageNames(String prompt, String completion, String details) {
    }

    private final String method;
    private final String path;
    private final String example;
    private final List<String> required;
    private final List<String> tokenLimits;
    private final List<String> otherTokenLimits;
    private final UsageNames usageNames;

    Route(String method, String path, String example, List<String> required, List<String> tokenLimits, List<String> otherTokenLimits,
            UsageNames usageNames) {
        this.method = method;
        this.path = path;
        this.example = example;
        this.required = required;
        this.tokenLimits = tokenLimits;
        this.otherTokenLimits = otherTokenLimits;
        this.usageNames = usageNames;
    }

    /** Its name in the settings and in the log. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    public String method() {
        return method;
    }

    /** What is added to the upstream's base, and what callers' paths end in. */
    public String path() {
        return path;
    }

    /** For messages: a request that is enough. */
    String example() {
        return example;
    }

    /** A request has at least one of these members. */
    List<String> required() {
        return required;
    }

    /** The members that limit an answer's tokens; empty: it has no such limit. */
    public List<String> tokenLimits() {
        return tokenLimits;
    }

    /** Those of other routes, which some upstreams read here too. */
    List<String> otherTokenLimits() {
        return otherTokenLimits;
    }

    UsageNames usageNames() {
        return usageNames;
    }

    /** Whether a request may ask for a stream. */
    boolean streams() {
        return this == CHAT || this == RESPONSES;
    }

    /** Whether another model may answer in place of the one asked for. Vectors of two models cannot be compared. */
    public boolean hasFallbacks() {
        return streams();
    }
}
