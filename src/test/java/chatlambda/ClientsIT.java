package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.DynamicContainer.dynamicContainer;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.StubChat;
import jakarta.json.JsonString;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/**
 * Node's clients at their defaults: {@code openai}, the AI SDK and {@code @openai/agents} are told the base URL, the key and the model,
 * and nothing else. Each case of the scripts in {@code src/test/clients} is a process and a test of its own.
 */
class ClientsIT {

    private static final boolean CI = "true".equals(System.getenv("CI"));
    private static final Path SCRIPTS = Path.of("src/test/clients");
    private static final List<String> CLIENTS = List.of("openai", "ai-sdk", "agents");
    /** Where {@code npm install --prefix target/clients} has put what {@code package.json} names; a script finds packages below it only. */
    private static final Path INSTALLED = Path.of("target/clients");
    private static final Path NODE = INSTALLED.resolve("node_modules/node/bin/node"); // the one of the PATH may be too old
    private static final String KEY = "sk-test-client";
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @TempDir
    private static Path said;
    private static StubChat stub;
    private static Deployed streaming;
    private static Deployed buffered;

    @BeforeAll
    static void start() throws Exception {
        String missing = missing();
        if (missing != null && CI && System.getenv("RECIPES_LEFT_OUT") == null) {
            fail("no " + missing + ", which .ci/run should have installed");
        }
        if (missing != null) {
            System.out.println("Clients of src/test/clients are left out: no " + missing + " in " + INSTALLED);
            abort("no " + missing);
        }
        for (String script : Stream.concat(CLIENTS.stream(), Stream.of("cases")).map(name -> name + ".mjs").toList()) {
            Files.copy(SCRIPTS.resolve(script), INSTALLED.resolve(script), StandardCopyOption.REPLACE_EXISTING);
        }
        stub = StubChat.start(Duration.ZERO);
        String keys = "app=" + sha256(KEY);
        streaming = Deployed.against(stub.url(), Map.of("CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keys, "CHAT_RESPONSE_MODE", "stream"),
                InvokeMode.RESPONSE_STREAM);
        buffered = Deployed.against(stub.url(), Map.of("CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keys, "CHAT_RETRIES", "0"));
    }

    private static String sha256(String key) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8)));
    }

    /** Clients ask again by themselves, which would hide a failure of ours. */
    @AfterAll
    static void stop() {
        if (stub == null) {
            return;
        }
        String log = streaming.process.output() + buffered.process.output();
        streaming.close();
        buffered.close();
        stub.close();
        assertEquals(List.of(), log.lines().filter(line -> line.contains("\"status\":5")).toList());
    }

    /** The first package that is not there in the version that is asked for, or null. */
    private static String missing() {
        for (var wanted : Events.json(Events.read(SCRIPTS.resolve("package.json"))).getJsonObject("dependencies").entrySet()) {
            Path installed = INSTALLED.resolve("node_modules").resolve(wanted.getKey()).resolve("package.json");
            String version = ((JsonString) wanted.getValue()).getString();
            if (!Files.exists(installed) || !Events.json(Events.read(installed)).getString("version").equals(version)) {
                return "npm package " + wanted.getKey() + "@" + version;
            }
        }
        return Files.isExecutable(NODE) ? null : "Node of the npm package node";
    }

    @TestFactory
    Stream<DynamicContainer> aClientIsAnsweredByAStreamingFunction() {
        return CLIENTS.stream().map(client -> cases(client, streaming));
    }

    /** This one does not ask the upstream again, so that the clients do where the upstream answers 429. */
    @TestFactory
    Stream<DynamicContainer> aClientIsAnsweredByABufferedFunction() {
        return CLIENTS.stream().map(client -> cases(client, buffered));
    }

    private static DynamicContainer cases(String client, Deployed function) {
        List<String> names = run(client, function).lines().toList();
        assertFalse(names.isEmpty());
        return dynamicContainer(client, names.stream().map(name -> test(client, name, function)));
    }

    private static DynamicTest test(String client, String name, Deployed function) {
        return dynamicTest(client + " " + name, () -> assertEquals("ok " + name + "\n", run(client, function, name), client));
    }

    /** What the script prints, be it an error or a client's warning. Its environment is what is set here. */
    private static String run(String client, Deployed function, String... names) {
        try {
            Path output = Files.createTempFile(said, client, ".txt");
            var builder = new ProcessBuilder(NODE.toString(), INSTALLED.resolve(client + ".mjs").toString()).redirectErrorStream(true)
                    .redirectOutput(output.toFile());
            builder.command().addAll(List.of(names));
            builder.environment().clear();
            builder.environment().putAll(Map.of("OPENAI_BASE_URL", function.lambda.url() + "/v1", "OPENAI_API_KEY", KEY,
                    "OPENAI_AGENTS_DISABLE_TRACING", "1")); // traces would go to OpenAI
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
