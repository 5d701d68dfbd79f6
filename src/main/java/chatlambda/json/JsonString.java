package chatlambda.json;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * JSON strings as bytes, both ways, without a {@code String} between: what Lambda wraps a body in, and what we wrap an
 * answer in. A 6 MB body costs its own size once, not once more per character (RFC 8259, section 7).
 */
public final class JsonString {

    private static final VarHandle EIGHT_BYTES = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());
    private static final long ONES = 0x0101010101010101L;
    private static final long TOPS = 0x8080808080808080L;

    private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

    private JsonString() {
    }

    /**
     * The UTF-8 text of the JSON string whose opening quote is at {@code quote}.
     *
     * @param json a document that a JSON parser has found well-formed up to the string's end
     * @throws IllegalArgumentException half of a surrogate pair ({@code \ud800}): it has no UTF-8 form
     */
    public static byte[] decode(byte[] json, int quote) {
        int start = quote + 1;
        int end = start;
        int length = 0;
        while (true) {
            int plain = afterPlain(json, end);
            length += plain - end;
            end = plain;
            if (json[end] == '"') {
                break;
            }
            if (json[end] != '\\') {
                end++;
                length++;
            } else if (json[end + 1] != 'u') {
                end += 2;
                length++;
            } else {
                int point = codePoint(json, end);
                end += point > 0xffff ? 12 : 6;
                length += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
            }
        }
        byte[] text = new byte[length];
        if (length == end - start) {
            System.arraycopy(json, start, text, 0, length);
            return text;
        }
        int to = 0;
        for (int from = start; from < end;) {
            int plain = Math.min(end, afterPlain(json, from));
            System.arraycopy(json, from, text, to, plain - from);
            to += plain - from;
            from = plain;
            if (from == end) {
                break;
            }
            byte b = json[from];
            if (b != '\\') {
                text[to++] = b;
                from++;
            } else if (json[from + 1] != 'u') {
                text[to++] = unescape(json[from + 1]);
                from += 2;
            } else {
                int point = codePoint(json, from);
                from += point > 0xffff ? 12 : 6;
                to = putUtf8(text, to, point);
            }
        }
        return text;
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

    /** How many bytes {@code text} takes between the quotes. */
    static int encodedLength(byte[] text) {
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

    /** Writes {@code text}, UTF-8, escaped, without quotes, and returns the position after it. */
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
     * Where the next eight bytes hold one that stands for more than itself in a JSON string, or the last few bytes begin. Eight bytes
     * are looked at in one step: each of the sums below has a byte's top bit set where that byte is the wanted one (Hacker's Delight, 6-1).
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
            int more = b >= 0xc2 && b <= 0xdf ? 1 : b >= 0xe0 && b <= 0xef ? 2 : b >= 0xf0 && b <= 0xf4 ? 3 : 0;
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
}
