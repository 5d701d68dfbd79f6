package chatlambda.json;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.StreamReadConstraints;

import java.io.IOException;

/** Reads JSON of any number form and string length, by tokens: nothing is converted, so nothing can be lost. */
public final class Json {

    /** How deep arrays and objects may nest: far beyond any chat request, far below what could hurt. */
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
     * @param utf8 text in UTF-8
     * @throws JsonParseException it is in UTF-16 or UTF-32, which JSON once allowed and Jackson would read, with offsets in characters
     */
    public static JsonParser parser(byte[] utf8) throws IOException {
        boolean marked = utf8.length > 1 && (utf8[0] & 0xfe) == 0xfe; // a byte order mark of theirs, FE FF or FF FE
        if (marked || utf8.length > 1 && (utf8[0] == 0 || utf8[1] == 0)) {
            throw new JsonParseException(null, "not UTF-8");
        }
        return FACTORY.createParser(utf8);
    }

    /** Where the token that the parser stands on begins, in bytes. */
    public static int offset(JsonParser parser) {
        return (int) parser.currentTokenLocation().getByteOffset();
    }

    /** Where the parser has come to, in bytes: after the token, once that has been read or skipped. */
    public static int end(JsonParser parser) {
        return (int) parser.currentLocation().getByteOffset();
    }
}
