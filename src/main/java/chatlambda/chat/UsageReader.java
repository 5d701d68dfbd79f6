package chatlambda.chat;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.math.BigDecimal;

/**
 * Reads {@link Usage} from one answer, or from one event of a stream: OpenAI's {@code usage} and {@code model}, and the price from
 * AI/ML API's {@code meta.usage.usd_spent} or else OpenRouter's {@code usage.cost}. For one thread.
 */
public final class UsageReader {

    private static final double MAX_COUNT = 1e15;
    private static final long UNKNOWN = -1;

    private final Route.UsageNames names;
    private long promptTokens = UNKNOWN;
    private long completionTokens = UNKNOWN;
    private long reasoningTokens = UNKNOWN;
    private BigDecimal usd;
    private String model;

    /** @param route whose names the counts have */
    public UsageReader(Route route) {
        this.names = route.usageNames();
    }

    /** What the members said that have been read so far. */
    public Usage usage() {
        return new Usage(promptTokens, completionTokens, reasoningTokens, usd, model);
    }

    /**
     * Reads one member of the answer. Members that say nothing of usage are left as they are.
     *
     * @param parser on the member's value; afterwards on that value or its end, so that {@code skipChildren} is safe
     */
    public void read(String member, JsonParser parser) throws IOException {
        boolean isObject = parser.currentToken() == JsonToken.START_OBJECT;
        if (member.equals("model") && parser.currentToken() == JsonToken.VALUE_STRING) {
            model = parser.getText();
        } else if (isObject && member.equals("usage")) {
            readCounts(parser);
        } else if (isObject && member.equals("meta")) {
            readMeta(parser);
        } else if (isObject && member.equals("x_groq")) {
            readGroq(parser);
        }
    }

    /** Groq's place for a stream's usage. */
    private void readGroq(JsonParser parser) throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            boolean isUsage = parser.currentName().equals("usage");
            if (parser.nextToken() == JsonToken.START_OBJECT && isUsage) {
                readCounts(parser);
            }
            parser.skipChildren();
        }
    }

    private void readCounts(JsonParser parser) throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            if (value.isNumeric()) {
                promptTokens = name.equals(names.prompt()) ? count(parser) : promptTokens;
                completionTokens = name.equals(names.completion()) ? count(parser) : completionTokens;
                usd = name.equals("cost") && usd == null ? Usage.price(parser.getText()) : usd;
            } else if (value == JsonToken.START_OBJECT && name.equals(names.details())) {
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    boolean isReasoning = parser.currentName().equals("reasoning_tokens");
                    if (parser.nextToken().isNumeric() && isReasoning) {
                        reasoningTokens = count(parser);
                    }
                    parser.skipChildren();
                }
            }
            parser.skipChildren();
        }
    }

    private void readMeta(JsonParser parser) throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            boolean isUsage = parser.currentName().equals("usage");
            if (parser.nextToken() == JsonToken.START_OBJECT && isUsage) {
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    boolean isPrice = parser.currentName().equals("usd_spent");
                    if (parser.nextToken().isNumeric() && isPrice) {
                        usd = Usage.price(parser.getText());
                    }
                    parser.skipChildren();
                }
            }
            parser.skipChildren();
        }
    }

    private static long count(JsonParser parser) throws IOException {
        double count = parser.getDoubleValue();
        return count >= 0 && count <= MAX_COUNT ? (long) count : UNKNOWN;
    }
}
