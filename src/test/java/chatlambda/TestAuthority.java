package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;

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

/** An authority of our own, and the servers that it certifies; its certificate is {@code ca.pem}. */
final class TestAuthority {

    private final Path keys;

    /** @param keys an empty folder */
    TestAuthority(Path keys) throws IOException, InterruptedException {
        this.keys = keys;
        keytool("-genkeypair", "-alias", "ca", "-dname", "CN=test authority", "-ext", "bc:c", "-keyalg", "EC", "-groupname", "secp256r1");
        keytool("-exportcert", "-alias", "ca", "-rfc", "-file", keys.resolve("ca.pem").toString());
    }

    /** The function's settings with which it trusts this authority. */
    Map<String, String> trusted() {
        return Map.of("QUARKUS_TLS_TRUST_STORE_PEM_CERTS", keys.resolve("ca.pem").toString());
    }

    /** A server's identity. */
    SSLContext certified(String host) throws IOException, InterruptedException, GeneralSecurityException {
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
