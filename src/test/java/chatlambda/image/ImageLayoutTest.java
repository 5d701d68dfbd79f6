package chatlambda.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import org.junit.jupiter.api.Test;

class ImageLayoutTest {

    @Test
    void eachThingIsListedOnce() throws IOException {
        var listed = new HashSet<String>();
        long expected = 0;
        var resource = new InputStreamReader(ImageLayout.class.getResourceAsStream("start-layout"), StandardCharsets.US_ASCII);
        try (var lines = new BufferedReader(resource)) {
            for (String line; (line = lines.readLine()) != null;) {
                if (line.startsWith("# ")) {
                    assertEquals(expected, listed.size(), "before: " + line);
                    expected += Long.parseLong(line.split(" ")[1]);
                } else {
                    assertTrue(line.matches("[0-9a-f]{8}"), line);
                    assertTrue(listed.add(line), line);
                }
            }
        }
        assertEquals(expected, listed.size());
        assertTrue(expected > 1000, "it has not been recorded");
    }

    /** As here, where there is no builder at all. */
    @Test
    void anotherBuilderGoesOnInItsOwnOrderAndSaysSo() {
        var said = new ByteArrayOutputStream();
        PrintStream before = System.out;
        System.setOut(new PrintStream(said, true, StandardCharsets.UTF_8));
        try {
            var layout = new ImageLayout();
            layout.beforeCompilation(null);
            layout.afterHeapLayout(null);
            layout.beforeImageWrite(null);
        } finally {
            System.setOut(before);
        }
        String[] lines = said.toString(StandardCharsets.UTF_8).split("\n");
        assertEquals(2, lines.length);
        for (String line : lines) {
            assertTrue(line.startsWith("Not laid out for the start: "), line);
        }
    }
}
