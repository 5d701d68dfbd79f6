package chatlambda;

import static chatlambda.ScriptedUpstream.answering;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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

    private static void assertRefused(Deployed function, String message) {
        var reply = Events.json(function.invoke(Events.post(CHAT)).text());
        assertEquals(502, reply.getInt("statusCode"));
        var error = Events.json(reply.getString("body")).getJsonObject("error");
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
