package chatlambda.json;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;

/** A JSON document in the making; grows to exactly what a large body needs, so that no second copy is made of it. */
public final class JsonOut {

    private byte[] bytes;
    private int length;

    public JsonOut(int capacity) {
        bytes = new byte[capacity];
    }

    /** Punctuation, names and other ASCII text, as it is. */
    public JsonOut raw(String ascii) {
        int to = reserve(ascii.length());
        for (int i = 0; i < ascii.length(); i++) {
            bytes[to++] = (byte) ascii.charAt(i);
        }
        return this;
    }

    /** JSON text that somebody else has written, as it is. */
    public JsonOut raw(byte[] json, int from, int to) {
        int at = reserve(to - from); // first: it may take another array
        System.arraycopy(json, from, bytes, at, to - from);
        return this;
    }

    /** What another one holds. */
    public JsonOut raw(JsonOut part) {
        return raw(part.bytes, 0, part.length);
    }

    /** A string value, or {@code null}. A lone surrogate becomes {@code ?}. */
    public JsonOut string(String value) {
        return value == null ? raw("null") : string(value.getBytes(StandardCharsets.UTF_8), 0);
    }

    /**
     * A string value.
     *
     * @param utf8 well-formed UTF-8
     * @param after how many bytes will follow, at least
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
     * A string value that holds {@code data} in base64.
     *
     * @param after how many bytes will follow, at least
     */
    public JsonOut base64(byte[] data, int after) {
        byte[] encoded = Base64.getEncoder().encode(data);
        ensure(encoded.length + 2 + after);
        return raw("\"").raw(encoded, 0, encoded.length).raw("\"");
    }

    /**
     * An object of strings, for example headers.
     *
     * @param before goes ahead of each value, and {@code after} behind it: brackets, or nothing
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

    public boolean isEmpty() {
        return length == 0;
    }

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
            // A large body is the last but a few bytes: doubling it would cost its size once more.
            bytes = Arrays.copyOf(bytes, more > 65_536 ? needed : Math.max(needed, bytes.length * 2));
        }
    }
}
