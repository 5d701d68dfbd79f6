import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * Writes the file NOTICE that goes with the binary: each jar of the application with its licences, then the notices and the licences'
 * texts that the jars bring. It names what it cannot account for and ends with code 1.
 *
 * <p>Arguments: the SBOM, the local Maven repository, the folder of the texts that jars do not bring, and the file to write. Run by
 * {@code ./mvnw package}, as a source file, with the application's own Jackson on the class path.
 */
final class Notice {

    /** The licences that somebody has looked at: SPDX id to address. */
    private static final Map<String, String> KNOWN = Map.of(
            "Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0",
            "BSD-2-Clause", "https://opensource.org/licenses/BSD-2-Clause",
            "EPL-1.0", "https://www.eclipse.org/legal/epl-v10.html",
            "EPL-2.0", "https://www.eclipse.org/legal/epl-2.0",
            "GPL-2.0-with-classpath-exception", "https://www.gnu.org/software/classpath/license.html",
            "MIT", "https://opensource.org/license/mit",
            "MIT-0", "https://github.com/aws/mit-0");

    /** No text of these is needed: the first stands in our own LICENSE, the second asks for none. */
    private static final List<String> WITHOUT_TEXT = List.of("Apache-2.0", "MIT-0");

    private static final String APACHE_FILE = "META-INF/LICENSE(\\.txt|\\.md)?";
    private static final String LICENSE_FILE = "META-INF/[\\w-]*LICENSE[\\w.-]*";
    private static final String NOTICE_FILE = "META-INF/[\\w-]*NOTICE[\\w.-]*";

    private final Path repository;
    private final Path texts;
    private final StringBuilder jars = new StringBuilder();
    private final Map<String, List<String>> notices = new TreeMap<>();
    private final Map<String, List<String>> licenses = new TreeMap<>();
    private final List<String> wrong = new ArrayList<>();
    private int count;

    private Notice(Path repository, Path texts) {
        this.repository = repository;
        this.texts = texts;
    }

    public static void main(String[] args) throws IOException {
        JsonNode sbom = new ObjectMapper().readTree(Path.of(args[0]).toFile());
        var notice = new Notice(Path.of(args[1]), Path.of(args[2]));
        JsonNode application = sbom.at("/metadata/component");
        var components = new TreeMap<String, JsonNode>();
        for (JsonNode component : sbom.get("components")) {
            if (!component.get("bom-ref").equals(application.get("bom-ref"))) {
                components.put(coordinates(component), component);
            }
        }
        for (var component : components.entrySet()) {
            notice.add(component.getKey(), component.getValue());
        }
        if (!notice.wrong.isEmpty()) {
            notice.wrong.forEach(System.err::println);
            System.exit(1);
        }
        Files.writeString(Path.of(args[3]), notice.text(application.get("name").asText() + " " + application.get("version").asText()));
    }

    private static String coordinates(JsonNode component) {
        return component.get("group").asText() + ":" + component.get("name").asText() + ":" + component.get("version").asText();
    }

    private void add(String coordinates, JsonNode component) throws IOException {
        count++;
        jars.append(coordinates).append('\n');
        boolean needsText = true;
        if (component.path("licenses").isEmpty()) {
            wrong.add(coordinates + " names no licence: leave it out, or find out under which it is");
        }
        for (JsonNode license : component.path("licenses")) {
            String name = license.path("expression").asText(license.at("/license/name").asText("no name"));
            String id = license.at("/license/id").asText(name);
            if (!KNOWN.containsKey(id)) {
                wrong.add(coordinates + " is under " + id + ": see whether it may go into the binary, and add it to Notice.KNOWN");
            }
            jars.append("    ").append(id).append(", ").append(KNOWN.get(id)).append('\n');
            needsText &= !WITHOUT_TEXT.contains(id);
        }
        for (JsonNode reference : component.path("externalReferences")) {
            if (reference.get("type").asText().equals("vcs")) {
                jars.append("    source: ").append(reference.get("url").asText()).append('\n');
            }
        }
        if (!read(coordinates, component, needsText) && needsText) {
            wrong.add(coordinates + " brings no text of its licence: add one to " + texts);
        }
    }

    /** @return whether there is a text of its licence */
    private boolean read(String coordinates, JsonNode component, boolean needsText) throws IOException {
        String group = component.get("group").asText();
        String name = component.get("name").asText();
        String version = component.get("version").asText();
        Path folder = repository.resolve(group.replace('.', '/')).resolve(name).resolve(version);
        Path stated = texts.resolve(group + "." + name + ".txt");
        boolean found = Files.exists(stated);
        if (found) {
            add(licenses, Files.readString(stated), coordinates);
        }
        try (var jar = new ZipFile(folder.resolve(name + "-" + version + ".jar").toFile())) {
            for (ZipEntry entry : jar.stream().sorted((one, other) -> one.getName().compareTo(other.getName())).toList()) {
                if (entry.getName().matches(NOTICE_FILE)) {
                    add(notices, text(jar, entry), coordinates);
                } else if (entry.getName().matches(LICENSE_FILE) && (needsText || !entry.getName().matches(APACHE_FILE))) {
                    add(licenses, text(jar, entry), coordinates);
                    found = true;
                }
            }
        }
        return found;
    }

    private static String text(ZipFile jar, ZipEntry entry) throws IOException {
        try (var bytes = jar.getInputStream(entry)) {
            return new String(bytes.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    /** The same text of several jars is there once, under the names of all. */
    private static void add(Map<String, List<String>> all, String text, String coordinates) {
        all.computeIfAbsent(text.replace("\r", "").strip(), any -> new ArrayList<>()).add(coordinates);
    }

    private String text(String application) {
        return application + "\n"
                + "Licensed under the Apache License, Version 2.0: see the file LICENSE.\n\n"
                + "It is made from the " + count + " jars that follow. Where a jar names two licences, either may be chosen.\n"
                + "A native binary also contains parts of the GraalVM and the JDK that built it. GraalVM Community Edition and\n"
                + "Mandrel are under GPL-2.0 with the Classpath Exception, and name what they contain in their folder \"legal\".\n\n"
                + jars
                + sections("Notices of these jars", notices)
                + sections("Texts of licences, besides the file LICENSE", licenses);
    }

    /** In the order of the jars that bring them. */
    private static String sections(String title, Map<String, List<String>> texts) {
        var sections = new TreeMap<String, String>();
        texts.forEach((text, coordinates) -> sections.put(String.join("\n", coordinates) + "\n" + text.hashCode(),
                "\n---- " + String.join("\n     ", coordinates) + "\n\n" + text + "\n"));
        return "\n\n==== " + title + "\n" + String.join("", sections.values());
    }
}
