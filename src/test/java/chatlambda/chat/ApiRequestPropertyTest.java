package chatlambda.chat;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import chatlambda.OtherJson;
import chatlambda.json.JsonOut;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;

class ApiRequestPropertyTest {

    private static final String MESSAGES = "\"messages\":[{\"role\":\"user\"}]";
    private static final Set<String> READ = Set.of("model", "messages", "stream");

    @Property(tries = 200, seed = "7")
    void aMissingModelIsPutInFrontAndEveryOtherByteStays(@ForAll("members") List<String> members, @ForAll("space") String space,
            @ForAll("unicode") String model) throws ChatError {
        String body = object(members, space);
        byte[] upstream = ApiRequest.of(Route.CHAT, body.getBytes(UTF_8), Models.only(model), Limits.NONE).body();
        String sent = new String(upstream, UTF_8);
        int at = space.length() + 1;
        int inserted = sent.length() - body.length();
        assertEquals(body, sent.substring(0, at) + sent.substring(at + inserted));
        var expected = OtherJson.object(body.getBytes(UTF_8));
        expected.put("model", model);
        assertEquals(expected, OtherJson.object(upstream));
    }

    @Property(tries = 200, seed = "7")
    void aModelThatIsThereLeavesEveryByteAsItIs(@ForAll("members") List<String> members, @ForAll("space") String space,
            @ForAll("unicode") String model) throws ChatError {
        members.add(members.size() / 2, "\"m\\u006fdel\"" + space + ":" + quoted(model, false));
        byte[] body = object(members, space).getBytes(UTF_8);
        var request = ApiRequest.of(Route.CHAT, body, Models.only("default"), Limits.NONE);
        if (model.isEmpty()) {
            assertEquals("default", request.model());
            return;
        }
        assertSame(body, request.body());
        assertEquals(model, request.model());
    }

    @Property(tries = 200, seed = "7")
    void anotherModelReplacesThatValueAndNoOtherByte(@ForAll("members") List<String> members, @ForAll("space") String space,
            @ForAll("unicode") String model, @ForAll("unicode") String other) throws ChatError {
        var replaced = new ArrayList<>(members);
        members.add(members.size() / 2, "\"m\\u006fdel\"" + space + ":" + quoted(model, false));
        replaced.add(replaced.size() / 2, "\"m\\u006fdel\"" + space + ":" + new String(new JsonOut(8).string(other).toBytes(), UTF_8));
        byte[] body = object(members, space).getBytes(UTF_8);
        var request = ApiRequest.of(Route.CHAT, body, Models.only("default"), Limits.NONE).withModel(other);
        assertEquals(object(replaced, space), new String(request.body(), UTF_8));
        assertEquals(other, request.model());
    }

    private static String object(List<String> members, String space) {
        var all = new ArrayList<>(members);
        all.add(all.size() / 3, MESSAGES);
        return space + "{" + String.join(space + "," + space, all) + space + "}" + space;
    }

    @Provide
    Arbitrary<List<String>> members() {
        return member(value()).list().ofMaxSize(6).map(ArrayList::new);
    }

    @Provide
    Arbitrary<String> space() {
        return Arbitraries.strings().withChars(" \t\r\n").ofMaxLength(3);
    }

    /** Any characters at all, in one, two, three or four bytes of UTF-8. */
    @Provide
    Arbitrary<String> unicode() {
        return Arbitraries.frequencyOf(
                Tuple.of(3, Arbitraries.integers().between(0, 0x7f)),
                Tuple.of(2, Arbitraries.integers().between(0x80, 0xd7ff)),
                Tuple.of(1, Arbitraries.integers().between(0xe000, 0x10ffff)))
                .list().ofMaxSize(12).map(points -> {
                    var text = new StringBuilder();
                    points.forEach(text::appendCodePoint);
                    return text.toString();
                });
    }

    private Arbitrary<String> string() {
        return Arbitraries.oneOf(
                Combinators.combine(unicode(), Arbitraries.of(true, false)).as(ApiRequestPropertyTest::quoted),
                Arbitraries.of("\"\\ud800\"", "\"\\/\\b\\f\\n\\r\\t\"", "\"[DONE]\"", "\"\\udc00\\ud800\""));
    }

    private Arbitrary<String> member(Arbitrary<String> value) {
        return Combinators.combine(unicode().filter(name -> !READ.contains(name)), Arbitraries.of(true, false), space(), value)
                .as((name, escaped, space, content) -> quoted(name, escaped) + space + ":" + space + content);
    }

    private Arbitrary<String> value() {
        return Arbitraries.lazyOf(
                this::string,
                () -> Arbitraries.of("null", "true", "false", "{}", "[ ]", "0", "-0.0", "1.10", "1E400", "12345678901234567890123"),
                () -> value().list().ofMaxSize(3).map(items -> "[" + String.join(" ,", items) + "]"),
                () -> member(value()).list().ofMaxSize(3).map(members -> "{" + String.join(", ", members) + "}"),
                () -> member(Arbitraries.of("\"nested\"")).map(member -> "{\"model\":\"nested\",\"stream\":true," + member + "}"));
    }

    /** @param escaped every character, not only those that must be */
    private static String quoted(String text, boolean escaped) {
        var json = new StringBuilder("\"");
        text.chars().forEach(c -> {
            if (escaped || c < ' ' || c == '"' || c == '\\') {
                json.append(String.format("\\u%04x", c));
            } else {
                json.append((char) c);
            }
        });
        return json.append('"').toString();
    }
}
