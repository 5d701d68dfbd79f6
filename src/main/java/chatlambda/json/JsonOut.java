package chatlambda.json;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;

/**
 * Writes a JSON document as bytes. The caller writes its punctuation, so nothing checks that it is well-formed. Room for a large body and
 * what follows it is made in one step, so that {@link #toBytes} need not copy. For one thread.
 */
public final class JsonOut {

    private byte[] bytes;
    private int length;

    /** @param capacity bytes that there is room for at first */
    public JsonOut(int capacity) {
        bytes = new byte[capacity];
    }

    /** Writes punctuation, names and other ASCII text as it is. */
    public JsonOut raw(String ascii) {
        int to = reserve(ascii.length());
        for (int i = 0; i < ascii.length(); i++) {
            bytes[to++] = (byte) ascii.charAt(i);
        }
        return this;
    }

    /** Writes JSON text as it is: {@code json} from {@code from}, inclusive, to {@code to}, exclusive. */
    public JsonOut raw(byte[] json, int from, int to) {
        int at = reserve(to - from); // before the copy: it may replace the array
        System.arraycopy(json, from, bytes, at, to - from);
        return this;
    }

    /** Writes what another one has written. */
    public JsonOut raw(JsonOut part) {
        return raw(part.bytes, 0, part.length);
    }

    /** Writes a string value, or the word {@code null} for null. Half of a surrogate pair becomes {@code ?}. */
    public JsonOut string(String value) {
        return value == null ? raw("null") : string(value.getBytes(StandardCharsets.UTF_8), 0);
    }

    /**
     * Writes a string value.
     *
     * @param utf8 well-formed UTF-8
     * @param after how many more bytes to make room for, in the same step
     */
    public JsonOut string(byte[] utf8, int after) {
        int encoded = JsonString.encodedLength(utf8);
        ensure(encoded + 2 + after);
        bytes[length++] = '"';
        length = JsonString.encode(utf8, bytes, length);
        bytes[length++] = '"';
        return this;
    }

    /**
     * Writes a string value that holds {@code data} in Base64.
     *
     * @param after how many more bytes to make room for, in the same step
     */
    public JsonOut base64(byte[] data, int after) {
        byte[] encoded = Base64.getEncoder().encode(data);
        ensure(encoded.length + 2 + after);
        return raw("\"").raw(encoded, 0, encoded.length).raw("\"");
    }

    /**
     * Writes an object whose values are strings, for example headers.
     *
     * @param before written before each value, for example {@code [}; may be empty
     * @param after written after each value, for example {@code ]}; may be empty
     */
    public JsonOut strings(Map<String, String> values, String before, String after) {
        raw("{");
        String comma = "";
        for (var value : values.entrySet()) {
            raw(comma).string(value.getKey()).raw(":").raw(before).string(value.getValue()).raw(after);
            comma = ",";
        }
        return raw("}");
    }

    /** Whether nothing has been written. */
    public boolean isEmpty() {
        return length == 0;
    }

    /** The document; after the last write, since the array may be this object's own. */
    public byte[] toBytes() {
        return length == bytes.length ? bytes : Arrays.copyOf(bytes, length);
    }

    private int reserve(int more) {
        ensure(more);
        int at = length;
        length += more;
        return at;
    }

    private void ensure(int more) {
        int needed = length + more;
        if (needed > bytes.length) {
            // Little is written after a large body, so doubling the array would waste as much again.
            bytes = Arrays.copyOf(bytes, more > 65_536 ? needed : Math.max(needed, bytes.length * 2));
        }
    }
}
