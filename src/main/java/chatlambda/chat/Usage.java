package chatlambda.chat;

import chatlambda.json.Json;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * What an answer says it took, and of whom, where it says so: OpenAI's {@code usage}, and the price in US dollars from AI/ML API's
 * {@code meta.usage.usd_spent} or OpenRouter's {@code usage.cost}.
 */
public final class Usage {

    /** AI/ML API's header. */
    public static final String PRICE = "x-aimlapi-usd-spent";

    /** How much of a stream's end is looked at: it is the last events that tell. */
    public static final int TAIL = 16 * 1024;

    private static final String FIELD = "data:";
    private static final long UNKNOWN = -1;

    private long promptTokens = UNKNOWN;
    private long completionTokens = UNKNOWN;
    private long reasoningTokens = UNKNOWN;
    private double usd = Double.NaN;
    private String model;

    /** -1: the answer does not say. */
    public long promptTokens() {
        return promptTokens;
    }

    /** -1: the answer does not say. */
    public long completionTokens() {
        return completionTokens;
    }

    /** -1: the answer does not say. */
    public long reasoningTokens() {
        return reasoningTokens;
    }

    /** NaN: the answer does not say. */
    public double usd() {
        return usd;
    }

    /** The model that answered, which may be a snapshot of the one that was asked for; null: the answer does not say. */
    public String model() {
        return model;
    }

    public boolean isKnown() {
        return promptTokens >= 0 || completionTokens >= 0;
    }

    /** What the last events of a stream tell; of each thing the last one that tells it counts. */
    public static Usage ofEvents(byte[] events) {
        var usage = new Usage();
        double usd = Double.NaN;
        String model = null;
        int from = Math.max(0, events.length - TAIL);
        for (int end = events.length; end > from && !usage.isKnown();) {
            int start = end;
            while (start > from && events[start - 1] != '\n' && events[start - 1] != '\r') {
                start--;
            }
            usage = ofEvent(events, start, end);
            usd = Double.isNaN(usd) ? usage.usd : usd;
            model = model == null ? usage.model : model;
            end = start - 1;
        }
        usage.usd = usd;
        usage.model = model;
        return usage;
    }

    private static Usage ofEvent(byte[] line, int from, int to) {
        var usage = new Usage();
        int at = from + FIELD.length();
        if (at >= to || !new String(line, from, FIELD.length(), StandardCharsets.ISO_8859_1).equals(FIELD)) {
            return usage;
        }
        try (JsonParser parser = Json.parser(Arrays.copyOfRange(line, line[at] == ' ' ? at + 1 : at, to))) {
            if (parser.nextToken() == JsonToken.START_OBJECT) {
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String name = parser.currentName();
                    parser.nextToken();
                    usage.read(name, parser);
                    parser.skipChildren();
                }
            }
        } catch (IOException e) {
            // [DONE], or an event that began before what was kept
        }
        return usage;
    }

    /** @param parser on the value of that member of an answer, or of a chunk */
    public void read(String member, JsonParser parser) throws IOException {
        boolean isObject = parser.currentToken() == JsonToken.START_OBJECT;
        if (member.equals("model") && parser.currentToken() == JsonToken.VALUE_STRING) {
            model = parser.getText();
        } else if (isObject && member.equals("usage")) {
            readCounts(parser);
        } else if (isObject && member.equals("meta")) {
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                boolean isUsage = parser.currentName().equals("usage");
                if (parser.nextToken() == JsonToken.START_OBJECT && isUsage) {
                    readPrice(parser);
                }
                parser.skipChildren();
            }
        }
    }

    private void readCounts(JsonParser parser) throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            if (value.isNumeric()) {
                switch (name) {
                    case "prompt_tokens" -> promptTokens = count(parser);
                    case "completion_tokens" -> completionTokens = count(parser);
                    case "cost" -> usd = Double.isNaN(usd) ? price(parser) : usd;
                    default -> {
                    }
                }
            } else if (value == JsonToken.START_OBJECT && name.equals("completion_tokens_details")) {
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

    private void readPrice(JsonParser parser) throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            boolean isPrice = parser.currentName().equals("usd_spent");
            if (parser.nextToken().isNumeric() && isPrice) {
                usd = price(parser);
            }
            parser.skipChildren();
        }
    }

    private static long count(JsonParser parser) throws IOException {
        double count = parser.getDoubleValue();
        return count >= 0 && count <= 1e15 ? (long) count : UNKNOWN;
    }

    private static double price(JsonParser parser) throws IOException {
        return price(parser.getDoubleValue());
    }

    private static double price(double usd) {
        return usd >= 0 && usd <= 1e9 ? usd : Double.NaN;
    }

    /** @param header what {@link #PRICE} says, or null; it counts more than the body */
    public Usage withPrice(String header) {
        try {
            double told = header == null ? Double.NaN : price(Double.parseDouble(header.strip()));
            usd = Double.isNaN(told) ? usd : told;
        } catch (NumberFormatException e) {
            // no price
        }
        return this;
    }
}
