package chatlambda;

import jakarta.json.Json;
import jakarta.json.JsonException;
import jakarta.json.JsonValue;
import jakarta.json.stream.JsonParser;
import jakarta.json.stream.JsonParserFactory;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a parser that shares nothing with ours (parsson; ours is Jackson's) makes of the same bytes: maps, lists, strings, numbers as
 * they are spelled, and {@link JsonValue#TRUE}, {@code FALSE} and {@code NULL}.
 */
public final class OtherJson {

    private static final int BEYOND_OUR_NESTING = 1_100;
    private static final JsonParserFactory PARSERS = Json.createParserFactory(Map.of("org.eclipse.parsson.maxDepth", Integer.MAX_VALUE));

    /** Text, because 1.10 is not 1.1 and because not every exponent fits a {@code BigDecimal}. */
    public record Number(String text) {
    }

    private final JsonParser parser;
    private final boolean duplicates;
    private int nesting;

    private OtherJson(JsonParser parser, boolean duplicates) {
        this.parser = parser;
        this.duplicates = duplicates;
    }

    /** The object that the bytes are, or null when they are anything else; of a repeated name the last value counts. */
    public static Map<String, Object> object(byte[] utf8) {
        return object(utf8, true);
    }

    /** The same, and null too when any object in it repeats a name. */
    public static Map<String, Object> objectWithoutDuplicates(byte[] utf8) {
        return object(utf8, false);
    }

    /** The object that an object holds under a name. */
    @SuppressWarnings("unchecked")
    public static Map<String, Object> object(Map<String, Object> object, String name) {
        return (Map<String, Object>) object.get(name);
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> object(byte[] utf8, boolean duplicates) {
        try {
            String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8)).toString();
            try (var parser = PARSERS.createParser(new StringReader(text.startsWith("\uFEFF") ? text.substring(1) : text))) {
                Object read = new OtherJson(parser, duplicates).value();
                return !parser.hasNext() && read instanceof Map<?, ?> object ? (Map<String, Object>) object : null;
            }
        } catch (CharacterCodingException | JsonException e) {
            return null;
        }
    }

    private Object value() {
        if (!parser.hasNext()) {
            throw new JsonException("no document");
        }
        return value(parser.next());
    }

    private Object value(JsonParser.Event first) {
        if (++nesting > BEYOND_OUR_NESTING) {
            throw new JsonException("too deep");
        }
        Object value = switch (first) {
            case START_OBJECT -> {
                var object = new HashMap<String, Object>();
                while (parser.next() == JsonParser.Event.KEY_NAME) {
                    if (object.put(parser.getString(), value()) != null && !duplicates) {
                        throw new JsonException("a name twice");
                    }
                }
                yield object;
            }
            case START_ARRAY -> {
                List<Object> array = new ArrayList<>();
                for (JsonParser.Event item; (item = parser.next()) != JsonParser.Event.END_ARRAY;) {
                    array.add(value(item));
                }
                yield array;
            }
            case VALUE_STRING -> parser.getString();
            case VALUE_NUMBER -> new Number(parser.getString());
            default -> parser.getValue();
        };
        nesting--;
        return value;
    }
}
