package chatlambda.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HttpReaderTest {

    private static HttpReader reader(String message, int atOnce) {
        var bytes = new ByteArrayInputStream(message.getBytes(StandardCharsets.ISO_8859_1));
        return new HttpReader(new InputStream() {
            @Override
            public int read() {
                return bytes.read();
            }

            @Override
            public int read(byte[] buffer, int from, int length) {
                return bytes.read(buffer, from, Math.min(length, atOnce));
            }
        });
    }

    @ParameterizedTest
    @ValueSource(ints = { 1, 2, 3, 7, 8192 })
    void messagesAreReadOneAfterTheOtherHoweverTheyArrive(int atOnce) throws IOException {
        var reader = reader("""
                HTTP/1.1 200 OK\r
                Content-Length: 5\r
                X-Empty:\r
                \r
                helloHTTP/1.1 202 \r
                Transfer-Encoding: chunked\r
                \r
                3;x=y\r
                abc\r
                A\r
                0123456789\r
                0\r
                Trailer-A: 1\r
                \r
                \r
                HTTP/1.1 204 No Content
                Connection: close

                """, atOnce);
        var first = reader.head();
        assertEquals(200, first.status());
        assertEquals(Map.of("content-length", "5", "x-empty", ""), first.fields());
        assertEquals("hello", new String(reader.body(first)));
        var second = reader.head();
        assertEquals("abc0123456789", new String(reader.body(second)));
        var third = reader.head();
        assertEquals(true, third.closes());
        assertEquals(0, reader.body(third).length);
        assertNull(reader.head());
    }

    @Test
    void trailersAreReadAfterTheLastChunk() throws IOException {
        var reader = reader("1\r\na\r\n0\r\nX-Error: e\r\n\r\n", 1);
        assertEquals("a", new String(reader.chunk()));
        assertNull(reader.chunk());
        assertEquals(Map.of("x-error", "e"), reader.fields());
    }

    @ParameterizedTest
    @ValueSource(strings = { "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n\r\nhell" })
    void aBrokenMessageIsAnErrorAndNothingElse(String message) {
        var reader = reader(message, 8192);
        assertThrows(IOException.class, () -> reader.body(reader.head()));
    }

    @Test
    void aStatusLineNeedsNoReason() throws IOException {
        var head = reader("HTTP/1.1 200\r\n\r\n", 8192).head();
        assertEquals(200, head.status());
        assertEquals(false, head.closes());
        assertThrows(IOException.class, () -> reader("HTTP/1.1\r\n\r\n", 8192).head().status());
    }

    @Test
    void http10EndsWithItsMessage() throws IOException {
        assertEquals(true, reader("HTTP/1.0 200 OK\r\n\r\n", 8192).head().closes());
    }

    @Test
    void aBodyThatGrowsAsItArrivesIsWhole() throws IOException {
        int length = 20_000_000;
        var reader = reader("HTTP/1.1 200 OK\r\nContent-Length: " + length + "\r\n\r\n" + "x".repeat(length - 1) + "y", 100_000);
        byte[] body = reader.body(reader.head());
        assertEquals(length, body.length);
        assertEquals('y', body[length - 1]);
    }

    @Test
    void aLineOf64KilobytesAnd200FieldsAreRead() throws IOException {
        String line = "HTTP/1.1 200 " + "x".repeat(64 * 1024 - 13);
        assertEquals(line, reader(line + "\n\n", 8192).head().startLine());
        var fields = new StringBuilder("HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 200; i++) {
            fields.append('f').append(i).append(": v\r\n");
        }
        assertEquals(200, reader(fields + "\r\n", 8192).head().fields().size());
        assertEquals("more than 200 header fields",
                assertThrows(IOException.class, () -> reader(fields + "g: v\r\n\r\n", 8192).head()).getMessage());
    }

    @Test
    void aLineOrAHeaderWithoutEndIsRefused() {
        assertThrows(IOException.class, () -> reader("HTTP/1.1 200 " + "x".repeat(100_000), 8192).head());
        assertThrows(IOException.class, () -> reader("HTTP/1.1 200 OK\r\n" + "a: b\r\n".repeat(201) + "\r\n", 8192).head());
    }
}
