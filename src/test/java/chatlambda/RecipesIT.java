package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import chatlambda.Deployed.FunctionProcess;
import chatlambda.local.LocalLambda;
import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.StubChat;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The recipes of {@code events/README.md}, each as it is printed there, by the tools and SDKs it names, where they are installed. */
class RecipesIT {

    private static final int PORT = 8080; // as printed
    private static final boolean CI = "true".equals(System.getenv("CI"));
    private static final String PAGE = Events.read(Path.of("events/README.md"));
    private static final Pattern MARKED = Pattern.compile(
            "<!-- (dev mode|environment|recipe: .+?)(?: \\(not run: (.+?)\\))? -->\n```(\\w+)\n(.*?)```\n", Pattern.DOTALL);
    private static final Pattern FIXTURE = Pattern.compile("^\\| `([\\w-]+)` \\|.*\\| `([^`]+)` \\|$", Pattern.MULTILINE);
    private static final Pattern PRINTS = Pattern.compile("^(?:#|//) prints: (.+)$", Pattern.MULTILINE);
    private static final Pattern PYTHON_IMPORT = Pattern.compile("^(?:import|from) (\\w+)", Pattern.MULTILINE);
    private static final Pattern NODE_IMPORT = Pattern.compile("from \"(.+)\";$", Pattern.MULTILINE);
    /** What {@code application.properties} sets for dev mode. */
    private static final Map<String, String> DEV_MODE = Map.of("CHAT_AUTH", "iam", "CHAT_RESPONSE_MODE", "stream");
    /** Below it Node finds what {@code npm install --prefix target/recipes} has put there. */
    private static final Path FILES = Path.of("target/recipes");

    @TempDir
    private static Path project;
    private static StubChat stub;
    private static Service service;
    private static int ran;
    private static final List<String> left = new ArrayList<>();

    /**
     * @param devMode how the page starts the function that it is for
     * @param environment what the page has set in the shell so far
     * @param notRun why not, or null
     */
    private record Recipe(String name, String language, String code, String devMode, String environment, String notRun) {

        @Override
        public String toString() {
            return name;
        }
    }

    /** The function as {@code devMode} starts it. */
    private record Service(String devMode, LocalLambda lambda, FunctionProcess function) implements AutoCloseable {

        @Override
        public void close() {
            function.close();
            lambda.close();
        }
    }

    static List<Recipe> recipes() {
        var recipes = new ArrayList<Recipe>();
        String devMode = "";
        String environment = "";
        for (var block : MARKED.matcher(PAGE).results().toList()) {
            String code = block.group(4);
            switch (block.group(1)) {
                case "dev mode" -> devMode = code;
                case "environment" -> environment += code;
                default -> recipes.add(new Recipe(block.group(1).substring("recipe: ".length()), block.group(3), code, devMode,
                        environment, block.group(2)));
            }
        }
        return recipes;
    }

    static List<Recipe> recipesWithAKey() {
        return recipes().stream().filter(recipe -> recipe.code.contains("CLIENT_KEY")).toList();
    }

    @BeforeAll
    static void start() throws IOException {
        try {
            new ServerSocket(PORT, 1, InetAddress.getLoopbackAddress()).close();
            stub = StubChat.start(Duration.ZERO);
        } catch (IOException e) {
            assertFalse(CI, "port " + PORT + " is taken");
            abort("the recipes are left out: port " + PORT + ", which they are printed with, is taken");
        }
        Files.createDirectories(FILES);
        Path mvnw = Files.writeString(project.resolve("mvnw"), "#!/bin/sh\nenv\n"); // in place of dev mode, says what that would be told
        assertTrue(mvnw.toFile().setExecutable(true));
    }

    @AfterAll
    static void stop() {
        System.out.println("Recipes of events/README.md: " + ran + " run, " + left.size() + " left out"
                + left.stream().map(each -> "\n  " + each).collect(Collectors.joining()));
        if (service != null) {
            service.close();
        }
        if (stub != null) {
            stub.close();
        }
    }

    @Test
    void everyBlockOfThePageIsMarked() {
        assertEquals(Pattern.compile("^```\\w+$", Pattern.MULTILINE).matcher(PAGE).results().count(),
                MARKED.matcher(PAGE).results().count());
    }

    @Test
    void everyFixtureIsInTheTableWithItsAnswer() throws IOException, InterruptedException {
        var answers = new HashMap<String, String>();
        FIXTURE.matcher(PAGE).results().forEach(row -> answers.put(row.group(1), row.group(2)));
        try (var files = Files.list(Path.of("events"))) {
            var fixtures = files.map(file -> file.getFileName().toString()).filter(file -> file.endsWith(".json"))
                    .map(file -> file.replace(".json", "")).collect(Collectors.toSet());
            assertEquals(new TreeSet<>(fixtures), new TreeSet<>(answers.keySet()));
        }
        serve(recipes().get(0).devMode);
        for (var answer : answers.entrySet()) {
            String text = service.lambda.invoke(Events.file(answer.getKey()).getBytes(StandardCharsets.UTF_8)).text();
            assertTrue(text.contains(answer.getValue()), answer.getKey() + ": " + text);
        }
    }

    @ParameterizedTest
    @MethodSource("recipes")
    void aRecipePrintsWhatItSays(Recipe recipe) throws IOException, InterruptedException {
        needs(recipe);
        serve(recipe.devMode);
        var said = run(recipe, recipe.environment);
        assertEquals(0, said.exit, said.text);
        List<String> prints = PRINTS.matcher(recipe.code).results().map(line -> line.group(1)).toList();
        assertFalse(prints.isEmpty(), "it does not say what it prints");
        prints.forEach(expected -> assertTrue(said.text.contains(expected), () -> "not \"" + expected + "\" but " + said.text));
        assertFalse(said.text.contains(LogLines.KEY_PREFIX), said.text);
        ran++;
    }

    @ParameterizedTest
    @MethodSource("recipesWithAKey")
    void theFunctionLooksAtTheKeyThatARecipeSends(Recipe recipe) throws IOException, InterruptedException {
        needs(recipe);
        serve(recipe.devMode);
        var said = run(recipe, recipe.environment + "export CLIENT_KEY=" + LogLines.KEY_PREFIX + "of-nobody\n");
        assertTrue(said.text.contains("incorrect API key"), said.text);
        assertFalse(said.text.contains(LogLines.KEY_PREFIX), said.text);
    }

    private static void needs(Recipe recipe) throws IOException, InterruptedException {
        String missing = missing(recipe);
        if (recipe.notRun == null && CI && missing != null && System.getenv("RECIPES_LEFT_OUT") == null) {
            fail("no " + missing + ", which .ci/run should have installed");
        }
        if (recipe.notRun != null || missing != null) {
            String word = recipe.name + ": " + (recipe.notRun != null ? recipe.notRun : "no " + missing + " here");
            if (!left.contains(word)) {
                left.add(word);
            }
            abort(word);
        }
    }

    /** What it takes and is not here, or null. */
    private static String missing(Recipe recipe) throws IOException, InterruptedException {
        switch (recipe.language) {
            case "sh":
                return Stream.of("curl", "aws").filter(tool -> recipe.code.contains(tool + " ")).filter(tool -> !works(tool, "--version"))
                        .findFirst().orElse(null);
            case "python":
                return PYTHON_IMPORT.matcher(recipe.code).results().map(name -> name.group(1))
                        .filter(name -> !works("python3", "-c", "import " + name)).map(name -> "Python's " + name).findFirst().orElse(null);
            case "js":
                return !works("node", "--version") ? "node" : NODE_IMPORT.matcher(recipe.code).results().map(name -> name.group(1))
                        .filter(name -> !Files.isDirectory(FILES.resolve("node_modules").resolve(name))).map(name -> "Node's " + name)
                        .findFirst().orElse(null);
            default:
                return null;
        }
    }

    static boolean works(String... command) {
        try {
            return new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start()
                    .waitFor() == 0;
        } catch (IOException e) {
            return false; // not installed
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void serve(String devMode) throws IOException, InterruptedException {
        if (service != null && service.devMode.equals(devMode)) {
            return;
        }
        if (service != null) {
            service.close();
        }
        var settings = new HashMap<>(DEV_MODE);
        var told = execute(project, List.of("bash", "-c", devMode));
        assertEquals(0, told.exit, told.text);
        told.text.lines().filter(line -> line.startsWith("CHAT_")).map(line -> line.split("=", 2))
                .forEach(setting -> settings.put(setting[0], setting[1]));
        var lambda = LocalLambda.start(PORT, settings.get("CHAT_RESPONSE_MODE").equals("stream") ? InvokeMode.RESPONSE_STREAM
                : InvokeMode.BUFFERED, Duration.ofSeconds(30));
        settings.putAll(Map.of("AWS_LAMBDA_RUNTIME_API", lambda.runtimeApi(), "CHAT_API_KEY", Deployed.KEY,
                "CHAT_URL", stub.url().toString()));
        service = new Service(devMode, lambda, FunctionProcess.start(settings));
    }

    private record Said(int exit, String text) {
    }

    private static Said run(Recipe recipe, String environment) throws IOException, InterruptedException {
        String java = Path.of(System.getProperty("java.home"), "bin", "java") + " -cp '" + System.getProperty("java.class.path") + "'";
        String interpreter = Map.of("sh", "bash -e", "python", "python3", "js", "node", "java", java).get(recipe.language);
        String name = "recipe-" + recipe.name.replaceAll("\\W+", "-") + "." + (recipe.language.equals("js") ? "mjs" : recipe.language);
        Path file = Files.writeString(FILES.resolve(name), recipe.code);
        return execute(Path.of(""), List.of("bash", "-c", environment + interpreter + " " + file));
    }

    private static Said execute(Path directory, List<String> command) throws IOException, InterruptedException {
        Path said = Files.createTempFile(project, "said", ".txt");
        var process = new ProcessBuilder(command).directory(directory.toAbsolutePath().toFile()).redirectErrorStream(true)
                .redirectOutput(said.toFile()).start();
        if (!process.waitFor(90, TimeUnit.SECONDS)) {
            process.descendants().forEach(ProcessHandle::destroy);
            process.destroy();
            fail("does not end; it printed " + Events.read(said));
        }
        return new Said(process.exitValue(), Events.read(said));
    }
}
