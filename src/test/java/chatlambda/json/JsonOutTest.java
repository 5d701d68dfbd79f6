package chatlambda.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class JsonOutTest {

    private static final byte[] LARGE = "ä\n".repeat(50_000).getBytes(StandardCharsets.UTF_8);

    private static String text(JsonOut out) {
        return new String(out.toBytes(), StandardCharsets.UTF_8);
    }

    @Test
    void theDocumentIsTheSameWhereverItHasToGrow() {
        byte[] json = "[0,1]".getBytes(StandardCharsets.US_ASCII);
        for (int capacity = 0; capacity < 80; capacity++) {
            assertEquals("{\"a\":1,2,\"ä\\n\",null,\"AAEC\"}", text(new JsonOut(capacity)
                    .raw("{\"a\":").raw(json, 3, 4).raw(",2,").string("ä\n")
                    .raw(",").string(null).raw(",").base64(new byte[] { 0, 1, 2 }, 1).raw("}")));
        }
    }

    @Test
    void anObjectOfStringsIsWrittenInOrder() {
        var values = new TreeMap<>(Map.of("a", "1", "b", "\""));
        assertEquals("{\"a\":[\"1\"],\"b\":[\"\\\"\"]}", text(new JsonOut(1).strings(values, "[", "]")));
        assertEquals("{}", text(new JsonOut(1).strings(Map.of(), "", "")));
    }

    @Test
    void aLargeBodyIsNotCopiedOnceMore() {
        var string = new JsonOut(512).raw("{\"body\":").string(LARGE, 1).raw("}");
        assertSame(string.toBytes(), string.toBytes());
        var base64 = new JsonOut(512).raw("{\"body\":").base64(LARGE, 1).raw("}");
        assertSame(base64.toBytes(), base64.toBytes());
    }
}
