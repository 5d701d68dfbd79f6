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

    private static final VarHandle EIGHT_BYTES = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());
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
        int at = afterPlain(json, from);
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
        for (int from = afterPlain(text, 0); from < text.length; from = afterPlain(text, from)) {
            for (int stop = Math.min(from + 8, text.length); from < stop; from++) {
                byte b = text[from];
                if (b == '"' || b == '\\') {
                    length++;
                } else if (b >= 0 && b < ' ') {
                    length += shortEscape(b) != 0 ? 1 : 5;
                }
            }
        }
        return length;
    }

    /** Writes {@code text}, which is UTF-8, with escapes and without quotes at {@code to}, and returns the position after it. */
    static int encode(byte[] text, byte[] json, int to) {
        for (int from = 0; from < text.length;) {
            int plain = afterPlain(text, from);
            System.arraycopy(text, from, json, to, plain - from);
            to += plain - from;
            from = plain;
            for (int stop = Math.min(from + 8, text.length); from < stop; from++) {
                to = encode(text[from], json, to);
            }
        }
        return to;
    }

    private static int encode(byte b, byte[] json, int to) {
        if (b == '"' || b == '\\') {
            json[to++] = '\\';
            json[to++] = b;
        } else if (b >= 0 && b < ' ') {
            json[to++] = '\\';
            byte shortForm = shortEscape(b);
            if (shortForm != 0) {
                json[to++] = shortForm;
            } else {
                json[to++] = 'u';
                json[to++] = '0';
                json[to++] = '0';
                json[to++] = HEX[b >> 4];
                json[to++] = HEX[b & 0xf];
            }
        } else {
            json[to++] = b;
        }
        return to;
    }

    /**
     * The first position, in steps of eight bytes, from which a byte among the next eight is a quote, a backslash or a control character,
     * or from which fewer than eight bytes are left. Each of the three terms below has a byte's top bit set where that byte is the one
     * looked for (Hacker's Delight, 6-1).
     */
    private static int afterPlain(byte[] text, int from) {
        while (from + 8 <= text.length) {
            long bytes = (long) EIGHT_BYTES.get(text, from);
            long quote = bytes ^ '"' * ONES;
            long backslash = bytes ^ '\\' * ONES;
            if (((bytes - ' ' * ONES & ~bytes | quote - ONES & ~quote | backslash - ONES & ~backslash) & TOPS) != 0) {
                break;
            }
            from += 8;
        }
        return from;
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
            int b = text[i++];
            if (b >= 0) {
                while (i + 8 <= text.length && ((long) EIGHT_BYTES.get(text, i) & TOPS) == 0) {
                    i += 8;
                }
                continue;
            }
            b &= 0xff;
            int more = continuationBytes(b);
            if (more == 0 || i + more > text.length) {
                return false;
            }
            int second = text[i] & 0xff;
            if (b == 0xe0 && second < 0xa0 || b == 0xed && second > 0x9f || b == 0xf0 && second < 0x90
                    || b == 0xf4 && second > 0x8f) {
                return false;
            }
            for (; more > 0; more--) {
                if ((text[i++] & 0xc0) != 0x80) {
                    return false;
                }
            }
        }
        return true;
    }

    /** How many bytes follow {@code first} in a character of several bytes; 0: no character begins so. */
    private static int continuationBytes(int first) {
        if (first >= 0xc2 && first <= 0xdf) {
            return 1;
        }
        if (first >= 0xe0 && first <= 0xef) {
            return 2;
        }
        return first >= 0xf0 && first <= 0xf4 ? 3 : 0;
    }
}
