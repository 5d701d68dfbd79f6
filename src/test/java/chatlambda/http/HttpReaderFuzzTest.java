package chatlambda.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

class HttpReaderFuzzTest {

    /** How much may be asked for because a length claims it, before there is anything to show for it. */
    private static final int CLAIMED = 16 << 20;

    @FuzzTest(maxDuration = "10m")
    void messagesAreTheSameHoweverTheyArriveAndTakeNoMoreMemoryThanTheyShow(byte[] received) {
        List<String> atOnce = messages(received, new Random(0), Integer.MAX_VALUE);
        var random = new Random(Arrays.hashCode(received));
        assertEquals(atOnce, messages(received, random, 1));
        assertEquals(atOnce, messages(received, random, 2 + random.nextInt(30)));
    }

    /** All that is read until the end or the first fault, which comes last. */
    private static List<String> messages(byte[] received, Random random, int longest) {
        var in = new ByteArrayInputStream(received);
        var cut = new InputStream() {
            @Override
            public int read() {
                return in.read();
            }

            @Override
            public int read(byte[] buffer, int from, int length) {
                assertTrue(buffer.length <= Math.max(CLAIMED, 2 * received.length), () -> buffer.length + " bytes for " + received.length);
                return in.read(buffer, from, Math.min(length, longest == Integer.MAX_VALUE ? length : 1 + random.nextInt(longest)));
            }
        };
        var reader = new HttpReader(cut);
        var messages = new ArrayList<String>();
        try {
            for (HttpReader.Head head; (head = reader.head()) != null;) {
                messages.add(head.startLine());
                messages.add(head.status() + " " + head.fields() + (head.closes() ? " closes" : ""));
                head.fields().forEach((name, value) -> assertTrue((name + value).indexOf('\n') < 0 && value.equals(value.strip())));
                messages.add(new String(reader.body(head), StandardCharsets.ISO_8859_1));
            }
            messages.add("the end");
        } catch (IOException e) {
            messages.add(e.toString());
        }
        return messages;
    }
}
