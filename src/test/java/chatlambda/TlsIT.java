package chatlambda;

import static chatlambda.ScriptedUpstream.answering;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TlsIT {

    private static final String CHAT = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    @TempDir
    Path keys;

    @Test
    void anUpstreamWithACertificateOfOurOwnAuthorityIsTrusted() throws Exception {
        try (var upstream = ScriptedUpstream.startTls(certified("localhost"), answering(200, "application/json", "{\"tls\":true}"));
                var function = Deployed.against(upstream.url(), trusting())) {
            assertEquals("{\"tls\":true}", function.invoke(CHAT).text());
        }
    }

    @Test
    void anUnknownAuthorityIs502() throws Exception {
        try (var upstream = ScriptedUpstream.startTls(certified("localhost"), answering(200, "application/json", "{}"));
                var function = Deployed.against(upstream.url(), Map.of())) {
            assertRefused(function, "TLS failed");
            assertTrue(upstream.requests.isEmpty());
        }
    }

    @Test
    void aCertificateForAnotherHostIs502() throws Exception {
        try (var upstream = ScriptedUpstream.startTls(certified("elsewhere.example"), answering(200, "application/json", "{}"));
                var function = Deployed.against(upstream.url(), trusting())) {
            assertRefused(function, "TLS failed: No subject alternative DNS name matching localhost found");
            assertTrue(upstream.requests.isEmpty());
        }
    }

    /** The REST client forgets a connection that it gets after the call was given up: 50 of them were all it would ever open. */
    @Test
    void afterHandshakesThatTookTooLongTheNextRequestIsAnswered() throws Exception {
        try (var upstream = ScriptedUpstream.startTls(certified("localhost"), answering(200, "application/json", "{\"tls\":true}"));
                var relay = new ServerSocket(0, 200, InetAddress.getByName("127.0.0.1"))) {
            var slow = new AtomicBoolean(true);
            thread(() -> relay(relay, upstream.url().getPort(), slow));
            var settings = new HashMap<>(trusting());
            settings.putAll(Map.of("CHAT_PRIME_TIMEOUT", "0s", "CHAT_TIMEOUT", "100ms", "CHAT_RETRIES", "0"));
            try (var function = Deployed.against(URI.create("https://localhost:" + relay.getLocalPort()), settings)) {
                function.lambda.awaitPoll();
                int files = function.process.openFiles();
                for (int i = 0; i < 60; i++) {
                    assertTrue(function.invoke(CHAT).text().contains("Chat.UpstreamTimeout"));
                }
                slow.set(false);
                String answer;
                long start = System.nanoTime();
                do { // the last slow handshakes may still be under way
                    answer = function.invoke(CHAT).text();
                } while (!answer.equals("{\"tls\":true}") && System.nanoTime() - start < TimeUnit.SECONDS.toNanos(10));
                assertEquals("{\"tls\":true}", answer);
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

    private static void assertRefused(Deployed function, String message) {
        var reply = function.reply(Events.post(CHAT));
        assertEquals(502, reply.getInt("statusCode"));
        var error = Deployed.error(reply);
        assertEquals("upstream_unreachable", error.getString("code"));
        assertTrue(error.getString("message").contains("localhost") && error.getString("message").contains(message), error.toString());
    }

    private Map<String, String> trusting() {
        return Map.of("QUARKUS_TLS_TRUST_STORE_PEM_CERTS", keys.resolve("ca.pem").toString());
    }

    /** A server's identity, signed by an authority of our own, whose certificate is {@code ca.pem}. */
    private SSLContext certified(String host) throws IOException, InterruptedException, GeneralSecurityException {
        keytool("-genkeypair", "-alias", "ca", "-dname", "CN=test authority", "-ext", "bc:c", "-keyalg", "EC", "-groupname", "secp256r1");
        keytool("-exportcert", "-alias", "ca", "-rfc", "-file", keys.resolve("ca.pem").toString());
        keytool("-genkeypair", "-alias", "server", "-signer", "ca", "-dname", "CN=" + host, "-ext", "san=dns:" + host, "-keyalg", "EC",
                "-groupname", "secp256r1");
        var store = KeyStore.getInstance(keys.resolve("keys.p12").toFile(), "password".toCharArray());
        store.deleteEntry("ca");
        var managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        managers.init(store, "password".toCharArray());
        var context = SSLContext.getInstance("TLS");
        context.init(managers.getKeyManagers(), null, null);
        return context;
    }

    private void keytool(String... arguments) throws IOException, InterruptedException {
        var command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "keytool").toString()));
        command.addAll(List.of(arguments));
        command.addAll(List.of("-keystore", keys.resolve("keys.p12").toString(), "-storepass", "password"));
        Path said = Files.createTempFile(keys, "keytool", ".log");
        int exit = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(said.toFile()).start().waitFor();
        assertEquals(0, exit, () -> Events.read(said));
    }
}
