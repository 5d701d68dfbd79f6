package chatlambda.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ModelListTest {

    private static final String UPSTREAMS = "{ \"object\":\"list\", \"data\" : [ {\"id\":\"a/1\", \"x\":1e400} ,\n"
            + "{\"created\":7,\"id\":\"b/2\"}, {\"id\":\"fast\"}, {\"no\":\"id\"}, \"text\", {\"id\":\"a/../b\"}], \"has_more\":false }";

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    private static Limits allowing(String... globs) {
        return new Limits(List.of(globs), 0, 0, "max_tokens");
    }

    private static Models models(String... aliases) {
        Map<String, String> all = new LinkedHashMap<>();
        for (String alias : aliases) {
            all.put(alias.split("=")[0], alias.split("=")[1]);
        }
        return new Models("a/1", all, List.of("b/2", "a/1"), null);
    }

    private static String ours(String id) {
        return "{\"id\":\"" + id + "\",\"object\":\"model\",\"created\":0,\"owned_by\":\"chat-lambda\"}";
    }

    @Test
    void whoMayUseAnyGetsTheUpstreamsListAsItCame() {
        byte[] list = bytes(UPSTREAMS);
        assertSame(list, new ModelList(models(), Limits.NONE).of(list));
    }

    @Test
    void whatMayNotBeUsedIsLeftOutAndTheBytesOfTheRestAreKept() {
        assertEquals("{ \"object\":\"list\", \"data\" : [{\"id\":\"a/1\", \"x\":1e400}], \"has_more\":false }",
                text(new ModelList(models(), allowing("a/*")).of(bytes(UPSTREAMS))));
        assertEquals("{ \"object\":\"list\", \"data\" : [], \"has_more\":false }",
                text(new ModelList(models(), allowing("z*")).of(bytes(UPSTREAMS))));
    }

    @Test
    void aliasesStandInFrontAndReplaceWhatHasTheirName() {
        var models = models("z=b/2", "fast=a/1");
        assertEquals("{ \"object\":\"list\", \"data\" : [" + ours("z") + "," + ours("fast") + ",{\"id\":\"a/1\", \"x\":1e400},"
                + "{\"created\":7,\"id\":\"b/2\"},{\"no\":\"id\"},\"text\",{\"id\":\"a/../b\"}], \"has_more\":false }",
                text(new ModelList(models, Limits.NONE).of(bytes(UPSTREAMS))));
        assertEquals("{ \"object\":\"list\", \"data\" : [" + ours("z") + ",{\"created\":7,\"id\":\"b/2\"}], \"has_more\":false }",
                text(new ModelList(models, allowing("b*", "fast*")).of(bytes(UPSTREAMS))), "an alias is allowed as its model is");
    }

    @Test
    void anArrayAloneIsAListToo() {
        assertEquals("{\"object\":\"list\",\"data\":[{\"id\":\"a\"},{\"id\":\"b\"}]}",
                text(new ModelList(models(), Limits.NONE).of(bytes(" [ {\"id\":\"a\"} , {\"id\":\"b\"} ] "))));
    }

    @ParameterizedTest
    @ValueSource(strings = { "{}", "{\"data\":{}}", "{\"models\":[]}", "7", "{\"data\":[" })
    void whatIsNoListIsNone(String upstreams) {
        assertNull(new ModelList(models(), Limits.NONE).of(bytes(upstreams)));
    }

    @Test
    void theSettingsNameSome() {
        assertEquals("{\"object\":\"list\",\"data\":[" + ours("fast") + "," + ours("a/1") + "," + ours("b/2") + "]}",
                text(new ModelList(models("fast=a/1"), Limits.NONE).ofSettings()));
        var exact = new ModelList(models("fast=a/1", "z=c"), allowing("c", "b/2", "c"));
        assertTrue(exact.isKnown());
        assertEquals("{\"object\":\"list\",\"data\":[" + ours("z") + "," + ours("b/2") + "," + ours("c") + "]}", text(exact.ofSettings()));
        assertFalse(new ModelList(models(), allowing("c", "b*")).isKnown());
        assertFalse(new ModelList(models(), Limits.NONE).isKnown());
    }

    @Test
    void anItemIsFoundByItsId() {
        byte[] list = bytes(UPSTREAMS);
        assertEquals("{\"created\":7,\"id\":\"b/2\"}", text(ModelList.item(list, "b/2")));
        assertNull(ModelList.item(list, "b/3"));
        assertNull(ModelList.item(list, "text"));
    }
}
