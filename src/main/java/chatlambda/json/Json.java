package chatlambda.json;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.IOException;

/**
 * Makes Jackson parsers that read JSON token by token. Numbers and strings may be of any length and are not converted, so nothing of
 * them is lost.
 */
public final class Json {

    /** How deep arrays and objects may nest: deeper than in any chat request, and not so deep that a parser's stack gets large. */
    public static final int MAX_NESTING = 1000;

    private static final JsonFactory FACTORY = new JsonFactoryBuilder()
            .configure(JsonFactory.Feature.INTERN_FIELD_NAMES, false)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_NESTING)
                    .maxNumberLength(Integer.MAX_VALUE)
                    .maxStringLength(Integer.MAX_VALUE)
                    .maxNameLength(Integer.MAX_VALUE)
                    .build())
            .build();

    private Json() {
    }

    /**
     * A parser of one document.
     *
     * @param utf8 JSON in UTF-8
     * @throws JsonParseException the text is in UTF-16 or UTF-32. Jackson would read it, but its offsets would count characters
     */
    public static JsonParser parser(byte[] utf8) throws IOException {
        return parser(utf8, 0, utf8.length);
    }

    /** The same for a document that begins at {@code from}; offsets count from there. */
    public static JsonParser parser(byte[] utf8, int from, int length) throws IOException {
        boolean marked = length > 1 && (utf8[from] & 0xfe) == 0xfe; // by a byte order mark of UTF-16 or UTF-32: FE FF or FF FE
        if (marked || length > 1 && (utf8[from] == 0 || utf8[from + 1] == 0)) {
            throw new JsonParseException(null, "not UTF-8");
        }
        return FACTORY.createParser(utf8, from, length);
    }

    /** Where the current token begins, in bytes from the document's beginning. */
    public static int offset(JsonParser parser) {
        return (int) parser.currentTokenLocation().getByteOffset();
    }

    /** How far the parser has read, in bytes: to the end of the current token, once that has been read or skipped. */
    public static int end(JsonParser parser) {
        return (int) parser.currentLocation().getByteOffset();
    }
}
