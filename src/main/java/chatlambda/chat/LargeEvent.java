package chatlambda.chat;

/** An event that is too large to be kept: its last bytes, and whether its JSON has come to its end. */
final class LargeEvent {

    /** How many of its last bytes it is judged by. */
    static final int TAIL = 16 * 1024;

    private final byte[] tail = new byte[TAIL];
    private int length;
    private boolean hasBrackets;
    private int open;
    private boolean inString;
    private boolean escaped;
    private long bytes;

    /** Its next bytes. */
    void read(byte[] read, int from, int to) {
        bytes += to - from;
        for (int i = from; i < to; i++) {
            follow(read[i]);
        }
        int added = Math.min(to - from, TAIL);
        int kept = Math.min(length, TAIL - added);
        System.arraycopy(tail, length - kept, tail, 0, kept);
        System.arraycopy(read, to - added, tail, kept, added);
        length = kept + added;
    }

    private void follow(byte b) {
        if (inString) {
            inString = escaped || b != '"';
            escaped = !escaped && b == '\\';
        } else if (b == '"') {
            inString = true;
        } else if (b == '{' || b == '[') {
            hasBrackets = true;
            open++;
        } else if (b == '}' || b == ']') {
            open--;
        }
    }

    /** Whether all brackets that were opened are closed. */
    boolean isClosed() {
        return hasBrackets && open == 0 && !inString;
    }

    void tell(StreamReader reader) {
        reader.readEnd(tail, length);
        reader.countLarge(bytes);
    }
}
