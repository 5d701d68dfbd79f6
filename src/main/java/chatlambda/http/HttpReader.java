package chatlambda.http;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * Reads HTTP/1.1 messages (RFC 9112), requests or responses, one after the other from one connection: first {@link #head}, then
 * {@link #body}, or {@link #chunk} until null and then {@link #fields}. For one thread.
 */
public final class HttpReader {

    private static final int MAX_LINE = 64 * 1024;
    private static final int MAX_FIELDS = 200;

    /**
     * The first part of a message.
     *
     * @param startLine the request line or the status line
     * @param fields the header fields by lower-case name; of a repeated field the last value
     */
    public record Head(String startLine, Map<String, String> fields) {

        /** A header field's value, or null. */
        public String field(String lowerCaseName) {
            return fields.get(lowerCaseName);
        }

        /**
         * The status code of a response, 100 to 599.
         *
         * @throws IOException the start line is not a response's
         */
        public int status() throws IOException {
            String[] words = startLine.split(" ", 3);
            if (words.length < 2 || !words[0].startsWith("HTTP/1.") || !words[1].matches("[1-5][0-9][0-9]")) {
                throw new IOException("not an HTTP response: " + words[0]);
            }
            return Integer.parseInt(words[1]);
        }

        /**
         * Whether this is an interim response (1xx; RFC 9110, 15.2), after which another one follows for the same request.
         *
         * @throws IOException the start line is not a response's
         */
        public boolean isInterim() throws IOException {
            return status() < 200;
        }

        /** Whether the body comes in chunks; it has a length, or there is none, otherwise. */
        public boolean isChunked() {
            return fields.getOrDefault("transfer-encoding", "").toLowerCase(Locale.ROOT).endsWith("chunked");
        }

        /** Whether the sender closes the connection after this message: it says so, or it speaks HTTP/1.0. */
        public boolean closes() {
            return fields.getOrDefault("connection", "").equalsIgnoreCase("close") || startLine.startsWith("HTTP/1.0");
        }
    }

    private final InputStream in;
    private final byte[] buffer = new byte[8192];
    private int from;
    private int to;

    /** @param in of the connection; read in blocks, so nobody else may read from it */
    public HttpReader(InputStream in) {
        this.in = in;
    }

    /** Whether bytes have been read from the connection that belong to a later message. */
    public boolean hasMore() {
        return from < to;
    }

    /**
     * Waits for the next message and reads its head.
     *
     * @return null: the peer closed the connection instead of sending another message
     * @throws IOException the connection failed, or ended within the head, or a line is longer than 64 KB, or there are more than 200
     *         fields, or a field has no name
     */
    public Head head() throws IOException {
        String startLine;
        do { // RFC 9112, 2.2: a reader ignores empty lines before the start line
            if (from == to && !fill()) {
                return null;
            }
            startLine = line();
        } while (startLine.isEmpty());
        return new Head(startLine, fields());
    }

    /** The fields up to an empty line, by lower-case name: those of a head, or the trailers after the last chunk. */
    public Map<String, String> fields() throws IOException {
        var fields = new HashMap<String, String>();
        int count = 0;
        for (String line; !(line = line()).isEmpty();) {
            int colon = line.indexOf(':');
            if (colon <= 0 || ++count > MAX_FIELDS) {
                throw new IOException(colon <= 0 ? "a header field without a name" : "more than " + MAX_FIELDS + " header fields");
            }
            fields.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).strip());
        }
        return fields;
    }

    /**
     * The whole body, after {@link #head}; empty if the message has neither chunks nor a length.
     *
     * @throws IOException the connection failed, or ended too early, or a length is no number
     */
    public byte[] body(Head head) throws IOException {
        if (head.isChunked()) {
            var body = new ByteArrayOutputStream();
            for (byte[] chunk; (chunk = chunk()) != null;) {
                body.writeBytes(chunk);
            }
            fields();
            return body.toByteArray();
        }
        String length = head.field("content-length");
        return length == null ? new byte[0] : exactly(number(length, 10));
    }

    /**
     * The next chunk of a chunked body, or null for the last one, after which {@link #fields} reads the trailers.
     *
     * @throws IOException the connection failed, or ended too early, or the chunk's size is wrong
     */
    public byte[] chunk() throws IOException {
        String size = line();
        int extension = size.indexOf(';');
        int length = number((extension < 0 ? size : size.substring(0, extension)).strip(), 16);
        if (length == 0) {
            return null;
        }
        byte[] chunk = exactly(length);
        if (!line().isEmpty()) {
            throw new IOException("a chunk longer than it said");
        }
        return chunk;
    }

    private static int number(String digits, int radix) throws IOException {
        try {
            int number = Integer.parseInt(digits, radix);
            if (number >= 0 && digits.charAt(0) != '+' && digits.charAt(0) != '-') {
                return number;
            }
        } catch (NumberFormatException e) {
            // refused below
        }
        throw new IOException("a length that is not a number");
    }

    private byte[] exactly(int length) throws IOException {
        int buffered = Math.min(length, to - from);
        // An announced length alone does not allocate more than 16 MB: beyond, the array grows with what arrives.
        byte[] bytes = new byte[Math.min(length, Math.max(buffered, 16 * 1024 * 1024))];
        System.arraycopy(buffer, from, bytes, 0, buffered);
        from += buffered;
        for (int at = buffered; at < length;) {
            if (at == bytes.length) {
                bytes = Arrays.copyOf(bytes, (int) Math.min(length, at * 2L));
            }
            int read = in.read(bytes, at, bytes.length - at);
            if (read < 0) {
                throw new EOFException("the connection ended after " + at + " of " + length + " bytes");
            }
            at += read;
        }
        return bytes;
    }

    private String line() throws IOException {
        StringBuilder longLine = null;
        while (true) {
            for (int i = from; i < to; i++) {
                if (buffer[i] == '\n') {
                    int end = i > from && buffer[i - 1] == '\r' ? i - 1 : i;
                    String line = new String(buffer, from, end - from, StandardCharsets.ISO_8859_1);
                    from = i + 1;
                    if (longLine == null) {
                        return line;
                    }
                    longLine.append(line);
                    int last = longLine.length() - 1;
                    if (end == i && last >= 0 && longLine.charAt(last) == '\r') { // CR was the last byte of the buffer before
                        longLine.setLength(last);
                    }
                    return longLine.toString();
                }
            }
            longLine = longLine == null ? new StringBuilder() : longLine;
            longLine.append(new String(buffer, from, to - from, StandardCharsets.ISO_8859_1));
            if (longLine.length() > MAX_LINE) {
                throw new IOException("a line of more than " + MAX_LINE + " bytes");
            }
            from = to;
            if (!fill()) {
                throw new EOFException("the connection ended within a line");
            }
        }
    }

    private boolean fill() throws IOException {
        from = 0;
        to = Math.max(0, in.read(buffer));
        return to > 0;
    }
}
