package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.DynamicContainer.dynamicContainer;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.StubChat;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/**
 * Others' clients at their defaults: each is told the base URL, the key and the model, and nothing else. A client is a script of
 * {@code src/test/clients}, or a class of the project in its folder {@code java}; each case is a process and a test of its own.
 *
 * <p>With {@code CLIENTS_URL} they ask who answers there, such as a dev mode, in place of functions that are started here, and send
 * {@code CLIENTS_KEY}.
 */
class ClientsIT {

    private static final boolean CI = "true".equals(System.getenv("CI"));
    private static final List<String> NODE_CLIENTS = List.of("openai", "ai-sdk", "openai-compatible", "agents", "langchain",
            "client-lambda");
    private static final List<String> JAVA_CLIENTS = List.of("LangChain4jClient", "SpringAiClient");
    private static final String URL = System.getenv("CLIENTS_URL");
    private static final String KEY = System.getenv().getOrDefault("CLIENTS_KEY", "sk-test-client");
    private static final Duration PATIENCE = Duration.ofMinutes(5);
    /** Several at once, since a client that is told to ask again later does nothing but wait. */
    private static final ExecutorService RUNS = Executors.newFixedThreadPool(4);

    /** A process that has one more argument for a case. */
    private record Client(String name, List<String> command) {
    }

    @TempDir
    private static Path said;
    private static final List<Client> clients = new ArrayList<>();
    /** Whom they ask. */
    private static final Map<String, String> urls = new LinkedHashMap<>();
    private static StubChat stub;
    private static Deployed streaming;
    private static Deployed buffered;

    @BeforeAll
    static void start() throws Exception {
        String missingPackage = Clients.missingPackage();
        if (isThere(missingPackage, NODE_CLIENTS)) {
            copyScripts();
            NODE_CLIENTS.forEach(name -> clients.add(new Client(name,
                    List.of(Clients.NODE.toString(), Clients.INSTALLED.resolve(name + ".mjs").toString()))));
        }
        if (isThere(Clients.missingJava(), JAVA_CLIENTS)) {
            JAVA_CLIENTS.forEach(name -> clients.add(new Client(name, List.of(Clients.java(), "-cp", Clients.javaClassPath(), name))));
        }
        assumeFalse(clients.isEmpty(), "no clients");
        if (URL != null) {
            urls.put("CLIENTS_URL", URL);
            return;
        }
        stub = StubChat.start(Duration.ZERO);
        String keys = "app=" + sha256(KEY);
        streaming = Deployed.against(stub.url(), Map.of("CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keys, "CHAT_RESPONSE_MODE", "stream"),
                InvokeMode.RESPONSE_STREAM);
        // This one does not ask the upstream again, so that the clients do where the upstream answers 429.
        buffered = Deployed.against(stub.url(), Map.of("CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keys, "CHAT_RETRIES", "0"));
        urls.put("a streaming function", streaming.lambda.url().toString());
        urls.put("a buffered function", buffered.lambda.url().toString());
    }

    private static boolean isThere(String missing, List<String> names) {
        if (missing == null) {
            return true;
        }
        if (CI && System.getenv("RECIPES_LEFT_OUT") == null) {
            fail("no " + missing + ", which .ci/run or .github/tools installs");
        }
        System.out.println("Clients left out: " + String.join(", ", names) + " (no " + missing + " in " + Clients.INSTALLED + ")");
        return false;
    }

    private static void copyScripts() throws IOException {
        try (var scripts = Files.newDirectoryStream(Clients.SCRIPTS, "*.mjs")) {
            for (Path script : scripts) {
                Files.copy(script, Clients.INSTALLED.resolve(script.getFileName()), StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }

    private static String sha256(String key) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8)));
    }

    /** Clients ask again by themselves, which would hide a failure of ours. */
    @AfterAll
    static void stop() {
        RUNS.shutdownNow();
        if (stub == null) {
            return;
        }
        String log = streaming.process.output() + buffered.process.output();
        streaming.close();
        buffered.close();
        stub.close();
        assertEquals(List.of(), log.lines().filter(line -> line.contains("\"status\":5")).toList());
    }

    @TestFactory
    Stream<DynamicContainer> aClientIsAnswered() {
        return urls.entrySet().stream().map(each -> dynamicContainer(each.getKey(), clients.stream().map(
                client -> cases(client, each.getValue()))));
    }

    private static DynamicContainer cases(Client client, String url) {
        List<String> names = run(client, url).lines().toList();
        assertFalse(names.isEmpty());
        return dynamicContainer(client.name, names.stream().map(name -> test(client, name, url)).toList());
    }

    private static DynamicTest test(Client client, String name, String url) {
        var printed = RUNS.submit(() -> run(client, url, name));
        return dynamicTest(client.name + " " + name, () -> assertEquals("ok " + name + "\n", printed.get(), client.name));
    }

    /** What it prints, be it an error or a client's warning. Its environment is what is set here. */
    private static String run(Client client, String url, String... names) {
        try {
            Path output = Files.createTempFile(said, client.name, ".txt");
            var builder = new ProcessBuilder(Stream.concat(client.command.stream(), Stream.of(names)).toList()).redirectErrorStream(true)
                    .redirectOutput(output.toFile());
            builder.environment().clear();
            builder.environment().putAll(Map.of("OPENAI_BASE_URL", url + "/v1", "OPENAI_API_KEY", KEY,
                    "OPENAI_AGENTS_DISABLE_TRACING", "1", // traces would go to OpenAI
                    "AWS_ENDPOINT_URL_LAMBDA", url, "AWS_REGION", "eu-central-1", "AWS_ACCESS_KEY_ID", "local",
                    "AWS_SECRET_ACCESS_KEY", "local"));
            var process = builder.start();
            if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
                process.destroyForcibly();
                fail("does not end; it printed " + Events.read(output));
            }
            return Events.read(output);
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
