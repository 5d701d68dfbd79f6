package chatlambda.json;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * Decodes and encodes JSON strings (RFC 8259, section 7) from bytes to bytes: Lambda delivers a request's body in such a string and
 * expects an answer's body in one. No {@code String} is made, so that a body of 6 MB costs one array of its size.
 */
public final class JsonString {

    private static final VarHandle EIGHT_BYTES = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final long ONES = 0x0101010101010101L;
    private static final long TOPS = 0x8080808080808080L;

    private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

    private JsonString() {
    }

    /**
     * The text of the JSON string whose opening quote is at {@code quote}, in UTF-8.
     *
     * @param json a document in UTF-8 that a JSON parser has found well-formed up to the string's end
     * @throws IllegalArgumentException the string holds half of a surrogate pair ({@code \ud800}), which has no UTF-8 form
     */
    public static byte[] decode(byte[] json, int quote) {
        int start = quote + 1;
        int escaping = 0; // bytes that the string is longer than its text
        int end = special(json, start);
        while (json[end] != '"') {
            if (json[end + 1] != 'u') {
                end += 2;
                escaping++;
            } else {
                int point = codePoint(json, end);
                int length = escapedLength(point);
                end += length;
                escaping += length - utf8Length(point);
            }
            end = special(json, end);
        }
        byte[] text = new byte[end - start - escaping];
        if (escaping == 0) {
            System.arraycopy(json, start, text, 0, text.length);
        } else {
            unescape(json, start, end, text);
        }
        return text;
    }

    private static void unescape(byte[] json, int from, int end, byte[] text) {
        int to = 0;
        while (from < end) {
            int plain = special(json, from) - from;
            System.arraycopy(json, from, text, to, plain);
            from += plain;
            to += plain;
            if (from < end && json[from + 1] != 'u') {
                text[to++] = unescape(json[from + 1]);
                from += 2;
            } else if (from < end) {
                int point = codePoint(json, from);
                from += escapedLength(point);
                to = putUtf8(text, to, point);
            }
        }
    }

    /** The position of the next backslash or of the closing quote. */
    private static int special(byte[] json, int from) {
        int at = from;
        for (; at + 8 <= json.length; at += 8) {
            long bytes = (long) EIGHT_BYTES.get(json, at);
            long special = are(bytes, '"') | are(bytes, '\\');
            if (special != 0) {
                return at + first(special);
            }
        }
        while (json[at] != '\\' && json[at] != '"') {
            at++;
        }
        return at;
    }

    /** How long a character's Unicode escape is, or its two. */
    private static int escapedLength(int point) {
        return point > 0xffff ? 12 : 6;
    }

    private static int utf8Length(int point) {
        if (point < 0x80) {
            return 1;
        }
        if (point < 0x800) {
            return 2;
        }
        return point < 0x10000 ? 3 : 4;
    }

    private static byte unescape(byte escaped) {
        return switch (escaped) {
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            default -> escaped;
        };
    }

    /** The character that the Unicode escape at {@code backslash} stands for, with the next one if they are a surrogate pair. */
    private static int codePoint(byte[] json, int backslash) {
        int unit = hex4(json, backslash + 2);
        if (unit < 0xd800 || unit > 0xdfff) {
            return unit;
        }
        if (unit < 0xdc00 && json[backslash + 6] == '\\' && json[backslash + 7] == 'u') {
            int low = hex4(json, backslash + 8);
            if (low >= 0xdc00 && low <= 0xdfff) {
                return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            }
        }
        throw new IllegalArgumentException("half of a surrogate pair, \\u" + Integer.toHexString(unit));
    }

    private static int hex4(byte[] json, int at) {
        int unit = 0;
        for (int i = at; i < at + 4; i++) {
            unit = unit << 4 | Character.digit(json[i], 16);
        }
        return unit;
    }

    private static int putUtf8(byte[] text, int to, int point) {
        if (point < 0x80) {
            text[to++] = (byte) point;
        } else if (point < 0x800) {
            text[to++] = (byte) (0xc0 | point >> 6);
            text[to++] = (byte) (0x80 | point & 0x3f);
        } else if (point < 0x10000) {
            text[to++] = (byte) (0xe0 | point >> 12);
            text[to++] = (byte) (0x80 | point >> 6 & 0x3f);
            text[to++] = (byte) (0x80 | point & 0x3f);
        } else {
            text[to++] = (byte) (0xf0 | point >> 18);
            text[to++] = (byte) (0x80 | point >> 12 & 0x3f);
            text[to++] = (byte) (0x80 | point >> 6 & 0x3f);
            text[to++] = (byte) (0x80 | point & 0x3f);
        }
        return to;
    }

    /** How many bytes a string of JSON takes between its quotes that holds {@code text}, which is UTF-8. */
    public static int encodedLength(byte[] text) {
        int length = text.length;
        int from = 0;
        for (; from + 8 <= text.length; from += 8) {
            long bytes = (long) EIGHT_BYTES.get(text, from);
            long controls = controls(bytes);
            length += Long.bitCount(are(bytes, '"') | are(bytes, '\\') | controls);
            for (; controls != 0; controls &= controls - 1) {
                length += unicodeEscape(text[from + first(controls)]);
            }
        }
        for (; from < text.length; from++) {
            byte b = text[from];
            boolean isControl = b >= 0 && b < ' ';
            length += isControl || b == '"' || b == '\\' ? 1 : 0;
            length += isControl ? unicodeEscape(b) : 0;
        }
        return length;
    }

    /** How many bytes longer than its short escape that of a control character is. */
    private static int unicodeEscape(byte control) {
        return shortEscape(control) == 0 ? 4 : 0;
    }

    /** Writes {@code text}, which is UTF-8, with escapes and without quotes at {@code to}, and returns the position after it. */
    static int encode(byte[] text, byte[] json, int to) {
        int from = 0;
        while (from + 8 <= text.length && to + 8 <= json.length) {
            long bytes = (long) EIGHT_BYTES.get(text, from);
            EIGHT_BYTES.set(json, to, bytes); // all of them: what stands behind an escape is written again
            long special = are(bytes, '"') | are(bytes, '\\') | controls(bytes);
            if (special == 0) {
                from += 8;
                to += 8;
            } else {
                int plain = first(special);
                from += plain;
                to = escape(text[from++], json, to + plain);
            }
        }
        for (; from < text.length; from++) {
            byte b = text[from];
            if (b == '"' || b == '\\' || b >= 0 && b < ' ') {
                to = escape(b, json, to);
            } else {
                json[to++] = b;
            }
        }
        return to;
    }

    /** @param b a quote, a backslash or a control character */
    private static int escape(byte b, byte[] json, int to) {
        json[to] = '\\';
        if (b >= ' ') {
            json[to + 1] = b;
            return to + 2;
        }
        byte shortForm = shortEscape(b);
        if (shortForm != 0) {
            json[to + 1] = shortForm;
            return to + 2;
        }
        json[to + 1] = 'u';
        json[to + 2] = '0';
        json[to + 3] = '0';
        json[to + 4] = HEX[b >> 4];
        json[to + 5] = HEX[b & 0xf];
        return to + 6;
    }

    /** The top bits of those bytes that are {@code ascii}, and no other bits (Hacker's Delight, 6-1). */
    private static long are(long bytes, char ascii) {
        long others = bytes ^ ascii * ONES; // 0 where it is
        return ~((others & ~TOPS) + ~TOPS | others) & TOPS;
    }

    /** The top bits of those bytes that are control characters, and no other bits. */
    private static long controls(long bytes) {
        return ~((bytes & ~TOPS) + (0x80 - ' ') * ONES | bytes) & TOPS;
    }

    /** Which of the bytes is the first one in the array whose top bit is set. */
    private static int first(long tops) {
        return Long.numberOfTrailingZeros(tops) >> 3;
    }

    /** The letter that escapes a control character; 0: it has none, and is written as a Unicode escape. */
    private static byte shortEscape(byte control) {
        return switch (control) {
            case '\b' -> 'b';
            case '\f' -> 'f';
            case '\n' -> 'n';
            case '\r' -> 'r';
            case '\t' -> 't';
            default -> 0;
        };
    }

    /** Whether the first character of a text's {@code length} bytes, but for white space and a byte order mark, begins an object. */
    public static boolean beginsObject(byte[] text, int length) {
        int at = length > 2 && (text[0] & 0xff) == 0xef && (text[1] & 0xff) == 0xbb && (text[2] & 0xff) == 0xbf ? 3 : 0;
        while (at < length && text[at] <= ' ' && text[at] >= 0) {
            at++;
        }
        return at < length && text[at] == '{';
    }

    /** Whether {@code text} is well-formed UTF-8 (Unicode 15, table 3-7: no overlong form, no surrogate). */
    public static boolean isUtf8(byte[] text) {
        int i = 0;
        while (i < text.length) {
            int first = text[i] & 0xff;
            if (first < 0x80) {
                i++;
                while (i + 8 <= text.length && ((long) EIGHT_BYTES.get(text, i) & TOPS) == 0) {
                    i += 8;
                }
                continue;
            }
            int length = characterLength(text, i, first);
            if (length == 0) {
                return false;
            }
            i += length;
        }
        return true;
    }

    /** How long the character of several bytes is that begins at {@code i} with {@code first}; 0: none does. */
    private static int characterLength(byte[] text, int i, int first) {
        int left = text.length - i;
        if (first < 0xe0) {
            return first >= 0xc2 && left > 1 && isContinuation(text[i + 1]) ? 2 : 0;
        }
        if (left < 3 || !isContinuation(text[i + 1]) || !isContinuation(text[i + 2])) {
            return 0;
        }
        int point = (first & 0xf) << 6 | text[i + 1] & 0x3f; // without its last six bits
        if (first < 0xf0) {
            return point < 0x800 >> 6 || point >= 0xd800 >> 6 && point < 0xe000 >> 6 ? 0 : 3;
        }
        boolean isInRange = point >= 0x10000 >> 12 && point <= 0x10ffff >> 12;
        return isInRange && left > 3 && isContinuation(text[i + 3]) ? 4 : 0;
    }

    private static boolean isContinuation(byte b) {
        return b < (byte) 0xc0;
    }
}
