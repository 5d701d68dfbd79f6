package chatlambda;

import jakarta.json.JsonString;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What {@code ClientsIT} and {@code RecipesIT} run others' clients with: npm and Maven bring it, as {@code .ci/run} says. */
final class Clients {

    static final Path SCRIPTS = Path.of("src/test/clients");
    /** Where {@code npm install --prefix target/clients} has put what {@code package.json} names; a script finds packages below it only. */
    static final Path INSTALLED = Path.of("target/clients");
    static final Path PACKAGES = INSTALLED.resolve("node_modules");
    static final Path NODE = PACKAGES.resolve("node/bin/node"); // the one of the PATH may be too old
    private static final Path JAVA_SOURCES = SCRIPTS.resolve("java");
    private static final Path JAVA_BUILT = INSTALLED.resolve("java/classes");
    private static final Path JAVA_CLASSPATH = INSTALLED.resolve("java/classpath");

    private Clients() {
    }

    /** The first npm package that is not there in the version that is asked for, or null. */
    static String missingPackage() {
        for (var wanted : Events.json(Events.read(SCRIPTS.resolve("package.json"))).getJsonObject("dependencies").entrySet()) {
            Path installed = PACKAGES.resolve(wanted.getKey()).resolve("package.json");
            String version = ((JsonString) wanted.getValue()).getString();
            if (!Files.exists(installed) || !Events.json(Events.read(installed)).getString("version").equals(version)) {
                return "npm package " + wanted.getKey() + "@" + version;
            }
        }
        return Files.isExecutable(NODE) ? null : "Node of the npm package node";
    }

    /** Which of the Java clients' files is not what they were built from, or null. */
    static String missingJava() {
        try (Stream<Path> files = Files.walk(JAVA_SOURCES)) {
            return files.filter(Files::isRegularFile).filter(file -> !isBuilt(file)).findFirst()
                    .map(file -> "build of " + file).orElse(null);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static boolean isBuilt(Path file) {
        Path copy = JAVA_BUILT.resolve(JAVA_SOURCES.relativize(file));
        return Files.exists(copy) && Files.exists(JAVA_CLASSPATH) && Events.read(copy).equals(Events.read(file));
    }

    static String javaClassPath() {
        return JAVA_BUILT + File.pathSeparator + Events.read(JAVA_CLASSPATH).strip();
    }

    /** The JDK that runs the tests. */
    static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }

    /** What finds these tools ahead of the machine's own. */
    static String path() {
        return Stream.concat(Stream.of(PACKAGES.resolve(".bin"), NODE.getParent()).map(Path::toAbsolutePath).map(Path::toString),
                Stream.of(System.getenv("PATH"))).collect(Collectors.joining(File.pathSeparator));
    }
}
