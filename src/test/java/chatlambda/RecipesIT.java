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
import java.util.Objects;
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

/**
 * The files of {@code recipes/}, and the marked blocks of its page and of {@code events/README.md}, each as it is there, by the tools and
 * SDKs it names, where they are installed.
 */
class RecipesIT {

    private static final int PORT = 8080; // as the pages say
    /** Of 450 MB, for some machines only: npm leaves it out without an error. */
    private static final String OPTIONAL = "codex";
    private static final boolean CI = "true".equals(System.getenv("CI"));
    private static final Path RECIPES = Path.of("recipes");
    private static final String EVENTS_PAGE = Events.read(Path.of("events/README.md"));
    private static final String RECIPES_PAGE = Events.read(RECIPES.resolve("README.md"));
    /** A block of code under its mark, or a row that links a file: {@code | [`file`](file) | what it needs | what it shows |}. */
    private static final Pattern MARKED = Pattern.compile(
            "<!-- (dev mode|environment|recipe: .+?)(?: \\(not run: (.+?)\\))? -->\n```(\\w+)\n(.*?)```\n"
                    + "|^\\| \\[`([\\w.-]+)`]\\(\\5\\) \\| [^|]+ \\| (?:\\*not run: (.+?)\\*)?", Pattern.DOTALL | Pattern.MULTILINE);
    private static final Pattern FIXTURE = Pattern.compile("^\\| `([\\w-]+)` \\|.*\\| `([^`]+)` \\|$", Pattern.MULTILINE);
    private static final Pattern PRINTS = Pattern.compile("^(?:#|//) prints: (.+)$", Pattern.MULTILINE);
    private static final Pattern PYTHON_IMPORT = Pattern.compile("^(?:import|from) (\\w+)", Pattern.MULTILINE);
    /** What {@code application.properties} sets for dev mode. */
    private static final Map<String, String> DEV_MODE = Map.of("CHAT_AUTH", "iam", "CHAT_RESPONSE_MODE", "stream");
    /** Below it Node finds what npm has put into {@link Clients#INSTALLED}. */
    private static final Path FILES = Clients.INSTALLED.resolve("recipes");
    private static final Duration PATIENCE = Duration.ofMinutes(5);

    @TempDir
    private static Path project;
    private static StubChat stub;
    private static Service service;
    private static int ran;
    private static final List<String> left = new ArrayList<>();

    /**
     * @param devMode how the page starts the function that it is for
     * @param environment what the pages have set in the shell so far
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
        for (var found : Stream.of(EVENTS_PAGE, RECIPES_PAGE).flatMap(page -> MARKED.matcher(page).results()).toList()) {
            String mark = found.group(1);
            if (mark == null) {
                String file = found.group(5);
                recipes.add(new Recipe(file, file.substring(file.indexOf('.') + 1), Events.read(RECIPES.resolve(file)), devMode,
                        environment, found.group(6)));
            } else if (mark.equals("dev mode")) {
                devMode = found.group(4);
            } else if (mark.equals("environment")) {
                environment += found.group(4);
            } else {
                recipes.add(new Recipe(mark.substring("recipe: ".length()), found.group(3), found.group(4), devMode, environment,
                        found.group(2)));
            }
        }
        return recipes;
    }

    static List<Recipe> recipesWithAKey() {
        return recipes().stream().filter(recipe -> recipe.code.contains("OPENAI_API_KEY") && recipe.notRun == null).toList();
    }

    @BeforeAll
    static void start() throws IOException {
        try {
            new ServerSocket(PORT, 1, InetAddress.getLoopbackAddress()).close();
            stub = StubChat.start(Duration.ZERO);
        } catch (IOException e) {
            assertFalse(CI, "port " + PORT + " is taken");
            abort("the recipes are left out: port " + PORT + ", which they name, is taken");
        }
        Files.createDirectories(FILES);
        Path mvnw = Files.writeString(project.resolve("mvnw"), "#!/bin/sh\nenv\n"); // in place of dev mode, says what that would be told
        assertTrue(mvnw.toFile().setExecutable(true));
    }

    @AfterAll
    static void stop() {
        System.out.println("Recipes: " + ran + " run, " + left.size() + " left out"
                + left.stream().map(each -> "\n  " + each).collect(Collectors.joining()));
        if (service != null) {
            service.close();
        }
        if (stub != null) {
            stub.close();
        }
    }

    @Test
    void everyBlockOfThePagesIsMarked() {
        for (String page : List.of(EVENTS_PAGE, RECIPES_PAGE)) {
            assertEquals(Pattern.compile("^```\\w+$", Pattern.MULTILINE).matcher(page).results().count(),
                    MARKED.matcher(page).results().filter(found -> found.group(1) != null).count());
        }
    }

    @Test
    void everyFileHasItsRow() throws IOException {
        try (var files = Files.list(RECIPES)) {
            assertEquals(new TreeSet<>(files.map(file -> file.getFileName().toString()).filter(file -> !file.equals("README.md")).toList()),
                    new TreeSet<>(MARKED.matcher(RECIPES_PAGE).results().map(found -> found.group(5)).filter(Objects::nonNull).toList()));
        }
    }

    @Test
    void everyFixtureIsInTheTableWithItsAnswer() throws IOException, InterruptedException {
        var answers = new HashMap<String, String>();
        FIXTURE.matcher(EVENTS_PAGE).results().forEach(row -> answers.put(row.group(1), row.group(2)));
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
        serve(recipes().stream().map(Recipe::devMode).filter(devMode -> devMode.contains("CHAT_AUTH=keys")).findFirst().orElseThrow());
        var said = run(recipe, recipe.environment + "export OPENAI_API_KEY=" + LogLines.KEY_PREFIX + "of-nobody\n");
        assertTrue(said.text.contains("incorrect API key"), said.text);
        assertFalse(said.text.contains(LogLines.KEY_PREFIX), said.text);
    }

    private static void needs(Recipe recipe) throws IOException, InterruptedException {
        String missing = missing(recipe);
        boolean mustBeThere = CI && System.getenv("RECIPES_LEFT_OUT") == null && !OPTIONAL.equals(missing);
        if (recipe.notRun == null && missing != null && mustBeThere) {
            fail("no " + missing + ", which .ci/run or .github/tools installs");
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
    private static String missing(Recipe recipe) {
        switch (recipe.language) {
            case "sh":
                return Stream.of("curl", "aws", "codex").filter(tool -> recipe.code.contains(tool + " "))
                        .filter(tool -> !works(tool, "--version")).findFirst().orElse(null);
            case "py":
                return PYTHON_IMPORT.matcher(recipe.code).results().map(name -> name.group(1))
                        .filter(name -> !works("python3", "-c", "import " + name)).map(name -> "Python's " + name).findFirst().orElse(null);
            case "mjs":
                return Clients.missingPackage();
            default:
                return isOnOurClassPath(recipe) ? null : Clients.missingJava();
        }
    }

    /** The AWS SDK is there for other tests too. */
    private static boolean isOnOurClassPath(Recipe recipe) {
        return recipe.code.contains("import software.amazon.awssdk.");
    }

    static boolean works(String... command) {
        try {
            var builder = new ProcessBuilder("sh", "-c", "exec \"$@\"", "sh").redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD);
            builder.command().addAll(List.of(command));
            builder.environment().put("PATH", Clients.path());
            return builder.start().waitFor() == 0;
        } catch (IOException | InterruptedException e) {
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
        String classPath = isOnOurClassPath(recipe) || !recipe.language.equals("java") ? System.getProperty("java.class.path")
                : Clients.javaClassPath();
        String interpreter = Map.of("sh", "bash -e", "py", "python3", "mjs", Clients.NODE.toString(),
                "java", Clients.java() + " -cp '" + classPath + "'").get(recipe.language);
        String name = recipe.name.replaceAll("[^\\w.]+", "-");
        Path file = Files.writeString(FILES.resolve(name.contains(".") ? name : name + "." + recipe.language), recipe.code);
        return execute(Path.of(""), List.of("bash", "-c", environment + interpreter + " " + file));
    }

    private static Said execute(Path directory, List<String> command) throws IOException, InterruptedException {
        Path said = Files.createTempFile(project, "said", ".txt");
        var builder = new ProcessBuilder(command).directory(directory.toAbsolutePath().toFile()).redirectErrorStream(true)
                .redirectOutput(said.toFile());
        builder.environment().put("PATH", Clients.path());
        var process = builder.start();
        if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
            process.descendants().forEach(ProcessHandle::destroy);
            process.destroy();
            fail("does not end; it printed " + Events.read(said));
        }
        return new Said(process.exitValue(), Events.read(said));
    }
}
