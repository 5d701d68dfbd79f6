package chatlambda.chat;

import java.util.Locale;

/**
 * Takes one key out of what goes to callers and into the log, however JSON may spell it: as it is, with backslashes, or in Unicode
 * escapes, also where JSON stands within a JSON string. For any thread.
 */
public final class Redaction {

    /** A shorter key is not looked for: it would be found in ordinary words. */
    public static final int MIN_LENGTH = 8;

    private static final String QUOTED = "[key]";
    /** How often a text is read as the inside of a JSON string: an error in an error in an error. */
    private static final int MAX_LEVELS = 4;
    /** Characters of one of the key's, as JSON within JSON may spell it: at most 16 backslashes, and {@code u002b}. */
    private static final int MAX_SPELLED = 21;

    private final String key;

    /** @param key as a header carries it: visible ASCII */
    public Redaction(String key) {
        this.key = key;
    }

    /** Whether the key stands in that text, a part of a JSON document or not. */
    public boolean isIn(String text) {
        return of(text) != text;
    }

    /** The same for a header's name, which has no case. */
    public boolean isInName(String name) {
        return key.length() >= MIN_LENGTH && name.toLowerCase(Locale.ROOT).contains(key.toLowerCase(Locale.ROOT));
    }

    /** The same text, or where the key is in it, one with {@code [key]} in its place, in which escapes are undone as far as that takes. */
    public String of(String text) {
        if (text == null || key.length() < MIN_LENGTH) {
            return text;
        }
        String redacted = text;
        String level = text;
        for (int i = 0; i <= MAX_LEVELS; i++) {
            if (level.contains(key)) {
                level = level.replace(key, QUOTED);
                redacted = level;
            }
            if (level.indexOf('\\') < 0) {
                break;
            }
            level = unescaped(level);
        }
        return redacted;
    }

    /** The same for a header's value, in which no escape may be undone: there may be a line end in it. */
    public String ofHeader(String value) {
        if (key.length() < MIN_LENGTH) {
            return value;
        }
        String redacted = value.replace(key, QUOTED);
        return isIn(redacted) ? QUOTED : redacted;
    }

    /** The same for a text whose end is not there: the key may have begun in what is left of it. */
    public String ofBeginning(String text) {
        String redacted = of(text);
        return redacted.substring(0, Math.max(0, redacted.length() - key.length() * MAX_SPELLED));
    }

    /** The text as the inside of a JSON string. */
    private static String unescaped(String text) {
        var plain = new StringBuilder(text.length());
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '\\' && i + 1 < text.length()) {
                i++;
                int unit = text.charAt(i) == 'u' ? hex4(text, i + 1) : -1;
                plain.append(unit < 0 ? unescaped(text.charAt(i)) : (char) unit);
                i += unit < 0 ? 0 : 4;
            } else {
                plain.append(c);
            }
        }
        return plain.toString();
    }

    /** A control character, which no key has, is as good as the other. */
    private static char unescaped(char escaped) {
        return "bfnrt".indexOf(escaped) >= 0 ? '\n' : escaped;
    }

    private static int hex4(String text, int at) {
        int unit = at + 4 <= text.length() ? 0 : -1;
        for (int i = at; i < at + 4 && unit >= 0; i++) {
            int digit = Character.digit(text.charAt(i), 16);
            unit = digit < 0 ? -1 : unit << 4 | digit;
        }
        return unit;
    }
}
