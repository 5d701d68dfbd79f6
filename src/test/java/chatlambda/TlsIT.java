package chatlambda;

import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.streaming;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.local.LocalLambda.InvokeMode;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class TlsIT {

    private static final String CHAT = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    @TempDir
    Path keys;

    @Test
    void anUpstreamWithACertificateOfOurOwnAuthorityIsTrusted() throws Exception {
        var authority = new TestAuthority(keys);
        try (var upstream = ScriptedUpstream.startTls(authority.certified("localhost"), answering(200, "application/json", "{\"tls\":true}"));
                var function = Deployed.against(upstream.url(), authority.trusted())) {
            assertEquals("{\"tls\":true}", function.invoke(CHAT).text());
        }
    }

    @Test
    void theConnectionThatTheStartBeganIsTheOneThatIsUsed() throws Exception {
        var authority = new TestAuthority(keys);
        try (var upstream = ScriptedUpstream.startTls(authority.certified("localhost"), answering(200, "application/json", "{\"tls\":true}"));
                var function = Deployed.against(upstream.url(), authority.trusted())) {
            function.lambda.awaitPoll();
            assertTrue(upstream.requests.isEmpty());
            assertEquals("{\"tls\":true}", function.invoke(CHAT).text());
            assertEquals("{\"tls\":true}", function.invoke(CHAT).text());
            assertEquals(1, upstream.connections.size());
            assertEquals(List.of(), function.process.messages());
        }
    }

    @Test
    void anUnknownAuthorityIs502() throws Exception {
        try (var upstream = ScriptedUpstream.startTls(new TestAuthority(keys).certified("localhost"), answering(200, "application/json", "{}"));
                var function = Deployed.against(upstream.url(), Map.of())) {
            assertRefused(function, "TLS failed");
            assertTrue(upstream.requests.isEmpty());
        }
    }

    @Test
    void aCertificateForAnotherHostIs502() throws Exception {
        var authority = new TestAuthority(keys);
        try (var upstream = ScriptedUpstream.startTls(authority.certified("elsewhere.example"), answering(200, "application/json", "{}"));
                var function = Deployed.against(upstream.url(), authority.trusted())) {
            assertRefused(function, "TLS failed: No subject alternative DNS name matching localhost found");
            assertTrue(upstream.requests.isEmpty());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = { "TLSv1.2", "TLSv1.3" })
    void anUpstreamOfEitherProtocolIsReachedWholeAndStreamed(String protocol) throws Exception {
        var authority = new TestAuthority(keys);
        try (var upstream = ScriptedUpstream.startTls(authority.certified("localhost"), (request, connection) -> {
            assertEquals(protocol, ((SSLSocket) connection).getSession().getProtocol());
            (request.text().contains("\"stream\":true") ? streaming("data: [DONE]\n\n") : answering(200, "application/json", "{\"tls\":true}"))
                    .answer(request, connection);
        }, protocol); var function = Deployed.against(upstream.url(), with(authority.trusted(), "CHAT_RESPONSE_MODE", "stream"),
                InvokeMode.RESPONSE_STREAM)) {
            assertEquals("{\"tls\":true}", function.invoke(CHAT).text());
            assertEquals("data: [DONE]\n\n", function.invoke("{\"stream\":true," + CHAT.substring(1)).text());
        }
    }

    /** What an upstream does in place of its part of the handshake, and what the caller is told. */
    enum Handshake {
        SPEAKS_HTTP("its answer is not TLS (check CHAT_URL: is it http://localhost:", "HTTP/1.1 400 SECRET\r\n\r\n"),
        CLOSES("it closed the connection in the handshake", ""),
        SPEAKS_TLS_1_1("The server selected protocol version TLS11 is not accepted",
                "\26\3\2\0\52\2\0\0\46\3\2" + "r".repeat(32) + "\0\300\23\0"),
        ALERTS("Received fatal alert: handshake_failure", "\25\3\3\0\2\2\50"),
        ALERTS_PROTOCOL("Received fatal alert: protocol_version", "\25\3\3\0\2\2\106"),
        ALERTS_UNKNOWN("TLS failed: ", "\25\3\3\0\2\2\377"),
        SENDS_NONSENSE("TLS failed: ", "\26\3\3\0\4\2\0\0\0");

        final String message;
        final String bytes;

        Handshake(String message, String bytes) {
            this.message = message;
            this.bytes = bytes;
        }
    }

    @ParameterizedTest
    @EnumSource(Handshake.class)
    void whateverBecomesOfTheHandshakeIsSaid(Handshake instead) throws Exception {
        try (var server = new ServerSocket(0, 200, InetAddress.getByName("127.0.0.1"))) {
            thread(() -> {
                while (!server.isClosed()) {
                    try (Socket connection = server.accept()) {
                        connection.getInputStream().read(new byte[2_000]);
                        connection.getOutputStream().write(instead.bytes.getBytes(StandardCharsets.ISO_8859_1));
                        connection.shutdownOutput();
                        connection.getInputStream().transferTo(OutputStream.nullOutputStream());
                    } catch (IOException e) {
                        // the function has hung up
                    }
                }
            });
            for (boolean streams : new boolean[] { false, true }) {
                try (var function = Deployed.against(URI.create("https://localhost:" + server.getLocalPort()), Map.of("CHAT_RETRIES", "0",
                        "CHAT_RESPONSE_MODE", streams ? "stream" : "buffered"), streams ? InvokeMode.RESPONSE_STREAM : InvokeMode.BUFFERED)) {
                    String event = Events.post(streams ? "{\"stream\":true," + CHAT.substring(1) : CHAT);
                    String said = function.invoke(event).text();
                    assertTrue(said.contains("upstream_unreachable") && said.contains(instead.message), said);
                    for (String text : List.of(said, function.process.output())) {
                        assertFalse(text.contains("null:") || text.contains("null\\\"") || text.contains("SECRET"), text);
                    }
                    assertTrue(function.process.messages().get(0).contains(instead.message), function.process.output());
                }
            }
        }
    }

    /** The REST client forgets a connection that it gets after the call was given up: 50 of them were all it would ever open. */
    @Test
    void afterHandshakesThatTookTooLongTheNextRequestIsAnswered() throws Exception {
        var authority = new TestAuthority(keys);
        try (var upstream = ScriptedUpstream.startTls(authority.certified("localhost"), answering(200, "application/json", "{\"tls\":true}"));
                var relay = new ServerSocket(0, 200, InetAddress.getByName("127.0.0.1"))) {
            var slow = new AtomicBoolean(true);
            thread(() -> relay(relay, upstream.url().getPort(), slow));
            var settings = new HashMap<>(authority.trusted());
            settings.putAll(Map.of("CHAT_PRIME_TIMEOUT", "0s", "CHAT_TIMEOUT", "100ms", "CHAT_RETRIES", "0"));
            try (var function = Deployed.against(URI.create("https://localhost:" + relay.getLocalPort()), settings)) {
                function.lambda.awaitPoll();
                int files = function.process.openFiles();
                for (int i = 0; i < 60; i++) {
                    assertTrue(function.invoke(CHAT).text().contains("Chat.UpstreamTimeout"));
                }
                slow.set(false);
                String answer;
                int tries = 0;
                do { // the last slow handshakes may still be under way
                    answer = function.invoke(CHAT).text();
                } while (!answer.equals("{\"tls\":true}") && ++tries < 600);
                assertEquals("{\"tls\":true}", answer, tries + " tries");
                function.lambda.awaitPoll();
                assertTrue(function.process.openFiles() < files + 20, files + " open files became " + function.process.openFiles());
            }
        }
    }

    /** Passes connections on, while it is slow after a quarter of a second. */
    private static void relay(ServerSocket relay, int port, AtomicBoolean slow) {
        while (!relay.isClosed()) {
            try {
                Socket from = relay.accept();
                thread(() -> {
                    if (slow.get()) {
                        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(250));
                    }
                    try (from; var to = new Socket("127.0.0.1", port)) {
                        thread(() -> copy(to, from));
                        copy(from, to);
                    } catch (IOException e) {
                        // the function gave up
                    }
                });
            } catch (IOException e) {
                return;
            }
        }
    }

    private static void copy(Socket from, Socket to) {
        try {
            from.getInputStream().transferTo(to.getOutputStream());
            to.shutdownOutput();
        } catch (IOException e) {
            // one side went away
        }
    }

    private static void thread(Runnable task) {
        var thread = new Thread(task, "relay");
        thread.setDaemon(true);
        thread.start();
    }

    private static Map<String, String> with(Map<String, String> settings, String name, String value) {
        var more = new HashMap<>(settings);
        more.put(name, value);
        return more;
    }

    private static void assertRefused(Deployed function, String message) {
        var reply = function.reply(Events.post(CHAT));
        assertEquals(502, reply.getInt("statusCode"));
        var error = Deployed.error(reply);
        assertEquals("upstream_unreachable", error.getString("code"));
        assertTrue(error.getString("message").contains("localhost") && error.getString("message").contains(message), error.toString());
    }
}
