package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code src/build/java/Notice.java}, run as the build runs it, with made-up jars. */
class NoticeTest {

    private static final String APACHE = "{\"license\": {\"id\": \"Apache-2.0\"}}";
    private static final String MIT = "{\"license\": {\"id\": \"MIT\"}}";

    @TempDir
    Path directory;

    private final List<String> components = new ArrayList<>();
    private String said;

    @BeforeEach
    void texts() throws IOException {
        Files.createDirectories(directory.resolve("texts"));
        components.add("{\"bom-ref\": \"app\", \"group\": \"g\", \"name\": \"app\", \"version\": \"9\"}");
    }

    @Test
    void eachJarIsThereWithItsLicencesAndEachTextOnce() throws Exception {
        jar("second", MIT, Map.of("META-INF/LICENSE.txt", "Permission is granted\r\n"));
        jar("first", APACHE, Map.of("META-INF/NOTICE", "Made by somebody\n", "META-INF/LICENSE", "as everywhere"));
        jar("third", APACHE + ", " + MIT, Map.of("META-INF/NOTICE.md", "Made by somebody", "META-INF/Shaded-LICENSE", "Shaded"));
        assertEquals(0, run(), said);
        String notice = Files.readString(directory.resolve("NOTICE"));
        assertTrue(notice.startsWith("app 9\n"), notice);
        assertTrue(notice.contains("the 3 jars"), notice);
        assertTrue(notice.contains("""
                g:first:1
                    Apache-2.0, https://www.apache.org/licenses/LICENSE-2.0
                g:second:1
                    MIT, https://opensource.org/license/mit
                g:third:1
                    Apache-2.0, https://www.apache.org/licenses/LICENSE-2.0
                    MIT, https://opensource.org/license/mit
                """), notice);
        assertTrue(notice.contains("---- g:first:1\n     g:third:1\n\nMade by somebody\n"), notice);
        assertTrue(notice.contains("---- g:second:1\n\nPermission is granted\n"), notice);
        assertTrue(notice.contains("---- g:third:1\n\nShaded\n"), notice);
        assertFalse(notice.contains("as everywhere"), notice);
    }

    @Test
    void textThatAJarDoesNotBringIsTakenFromTheFolder() throws Exception {
        jar("bare", MIT, Map.of());
        Files.writeString(directory.resolve("texts/g.bare.txt"), "Copyright somebody");
        assertEquals(0, run(), said);
        assertTrue(Files.readString(directory.resolve("NOTICE")).contains("---- g:bare:1\n\nCopyright somebody\n"));
    }

    @Test
    void jarsThatCannotBeAccountedForAreAllNamed() throws Exception {
        jar("unlicensed", "", Map.of());
        jar("unknown", "{\"license\": {\"name\": \"Beerware\"}}", Map.of("META-INF/LICENSE", "beer"));
        jar("expression", "{\"expression\": \"MIT OR Beerware\"}", Map.of("META-INF/LICENSE", "beer"));
        jar("textless", MIT, Map.of());
        assertEquals(1, run());
        assertEquals(List.of("g:expression:1 is under MIT OR Beerware", "g:textless:1 brings no text of its licence",
                "g:unknown:1 is under Beerware", "g:unlicensed:1 brings no text of its licence", "g:unlicensed:1 names no licence"),
                said.lines().map(line -> line.split(": ")[0]).sorted().toList());
        assertFalse(Files.exists(directory.resolve("NOTICE")));
    }

    private void jar(String name, String licenses, Map<String, String> files) throws IOException {
        components.add("{\"bom-ref\": \"" + name + "\", \"group\": \"g\", \"name\": \"" + name + "\", \"version\": \"1\", \"licenses\": ["
                + licenses + "]}");
        Path folder = Files.createDirectories(directory.resolve("repository/g").resolve(name).resolve("1"));
        try (var jar = new ZipOutputStream(Files.newOutputStream(folder.resolve(name + "-1.jar")))) {
            jar.putNextEntry(new ZipEntry("META-INF/MANIFEST.MF"));
            for (var file : files.entrySet()) {
                jar.putNextEntry(new ZipEntry(file.getKey()));
                jar.write(file.getValue().getBytes(StandardCharsets.UTF_8));
            }
        }
    }

    private int run() throws IOException, InterruptedException {
        Files.writeString(directory.resolve("sbom.json"), "{\"metadata\": {\"component\": " + components.get(0) + "}, \"components\": "
                + components + "}");
        Process process = new ProcessBuilder(System.getProperty("java.home") + "/bin/java", "-XX:TieredStopAtLevel=1", "-cp",
                System.getProperty("java.class.path"), "src/build/java/Notice.java", directory.resolve("sbom.json").toString(),
                directory.resolve("repository").toString(), directory.resolve("texts").toString(), directory.resolve("NOTICE").toString())
                .redirectErrorStream(true).start();
        said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return process.waitFor();
    }
}
