package chatlambda.upstream;

import chatlambda.json.JsonString;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.IntPredicate;
import java.util.zip.GZIPInputStream;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;

/**
 * What an upstream may do to an answer although it was asked not to: {@code Accept-Encoding: identity}.
 *
 * @see <a href="https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1">RFC 9110, 8.4.1: content codings</a>
 */
final class ContentCoding {

    private ContentCoding() {
    }

    /** There is no room for the plain text. */
    static final class NoRoom extends Exception {

        private static final long serialVersionUID = 1;
    }

    /** The codings of a header's value in lower case, without what changes nothing; empty: the answer is plain. */
    static String of(String header) {
        var codings = new ArrayList<String>();
        for (String coding : header.toLowerCase(Locale.ROOT).split(",")) {
            if (!coding.isBlank() && !coding.strip().equals("identity")) {
                codings.add(coding.strip());
            }
        }
        return String.join(", ", codings);
    }

    static boolean isKnown(String coding) {
        return List.of("gzip", "x-gzip", "deflate").contains(coding);
    }

    /**
     * @param coding one that {@link #isKnown}
     * @param limit of the plain text in bytes: of a longer one comes a little more than that
     * @param lenient whether what could be read counts where the rest cannot
     * @param room whether so many bytes more of it may be kept
     * @return the body itself where it does not have that coding
     * @throws NoRoom they may not
     */
    static byte[] decode(String coding, byte[] body, int limit, boolean lenient, IntPredicate room) throws IOException, NoRoom {
        if (JsonString.beginsObject(body, body.length)) {
            return body;
        }
        var plain = new ByteArrayOutputStream();
        var inflater = new Inflater(!isZlib(body)); // gzip brings its own
        try (InputStream in = coding.equals("deflate") ? new InflaterInputStream(new ByteArrayInputStream(body), inflater)
                : new GZIPInputStream(new ByteArrayInputStream(body))) {
            byte[] buffer = new byte[8192];
            for (int read; plain.size() <= limit && (read = in.read(buffer)) >= 0;) {
                if (!room.test(read)) {
                    throw new NoRoom();
                }
                plain.write(buffer, 0, read);
            }
        } catch (IOException e) {
            if (!lenient) {
                throw e;
            }
        } finally {
            inflater.end();
        }
        return plain.toByteArray();
    }

    /** Some servers send deflate as the RFC has it, in zlib's format (RFC 1950, 2.2), and some without. */
    private static boolean isZlib(byte[] body) {
        return body.length > 1 && (body[0] & 0x0f) == 8 && ((body[0] & 0xff) << 8 | body[1] & 0xff) % 31 == 0;
    }
}
