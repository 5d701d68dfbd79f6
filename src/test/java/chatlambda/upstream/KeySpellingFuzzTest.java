package chatlambda.upstream;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import chatlambda.chat.ChatError;
import chatlambda.chat.Redaction;
import chatlambda.chat.Route;
import chatlambda.chat.Usage;
import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import com.code_intelligence.jazzer.junit.FuzzTest;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** Errors with the key that was sent, in random spellings and places. */
class KeySpellingFuzzTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String KEY_CHARACTERS = "abcXYZ059-_+/=.~\\\"'$^*{}<&:";
    /** Single quotes stand for double ones. */
    private static final String[] FORMS = {
            "{'message':'%s'}", "{'error':{'message':'%s','code':'%s','param':'%s','type':'%s'}}", "{'error':'%s'}",
            "{'detail':[{'msg':'%s','loc':['%s',1]}]}", "{'msg':'%s','requestId':'%s'}", "{'errors':[{'message':'%s'}]}",
            "{'message':['%s'],'more':{'%s':[{'a':'%s'}]}}", "[{'error':{'message':'a','%s':1,'status':'%s'}}]",
            "{'message':'m','request_id':'%s','%s':{}}", "{'error':{'code':{'x':'%s'}},'message':null,'title':'%s'}",
            "{'message':'{\\'error\\':\\'%s\\'}'}", "{'model':'%s','usage':{},'error':1}" };

    @FuzzTest(maxDuration = "10m")
    void noSpellingOfTheKeyComesOut(FuzzedDataProvider data) throws IOException {
        var key = new StringBuilder();
        for (int length = data.consumeInt(Redaction.MIN_LENGTH, 40); key.length() < length;) {
            key.append(KEY_CHARACTERS.charAt(data.consumeInt(0, KEY_CHARACTERS.length() - 1)));
        }
        String form = data.pickValue(FORMS).replace('\'', '"');
        int status = data.pickValue(new int[] { 400, 403, 404, 429, 500, 503, 529 });
        var body = new StringBuilder();
        for (String part : form.split("%s", -1)) {
            body.append(body.isEmpty() ? "" : spelled(key.toString(), data)).append(part);
        }
        if (body.isEmpty()) {
            return;
        }
        var headers = Map.of("x-request-id", "i-" + key, "x-ratelimit-" + key, "1", "retry-after", key.toString(),
                "content-type", key + "/x");
        var answer = new UpstreamAnswer(Route.CHAT, status, headers, body.toString().getBytes(StandardCharsets.UTF_8),
                new Redaction(key.toString()), key::toString);
        var failure = assertThrows(Failure.class, () -> answer.completion(true));
        requireKeyless(failure.error(), key.toString());
        assertFalse(failure.outline().contains(key));
        assertFalse(answer.redacted(new Usage(1, 1, 1, null, "m " + key)).model().contains(key));
    }

    /** Each character as it is, with a backslash where JSON allows one, or as a Unicode escape. */
    private static String spelled(String key, FuzzedDataProvider data) {
        var spelled = new StringBuilder();
        for (char c : key.toCharArray()) {
            int how = data.consumeInt(0, 3);
            if (how == 0 || c == '"' || c == '\\') {
                spelled.append(how == 1 && c != '/' || how == 0 ? "\\u%04x".formatted((int) c) : "\\" + c);
            } else if (how == 1) {
                spelled.append("\\u%04X".formatted((int) c));
            } else {
                spelled.append(how == 2 && c == '/' ? "\\/" : c);
            }
        }
        return spelled.toString();
    }

    private static void requireKeyless(ChatError error, String key) throws IOException {
        error.headers().forEach((name, value) -> assertFalse((name + " " + value).contains(key), name + ": " + value));
        assertFalse(error.getMessage().contains(key), error.getMessage());
        assertFalse(error.code() != null && error.code().contains(key), error.code());
        requireKeyless(JSON.readTree(error.json()), key);
    }

    private static void requireKeyless(JsonNode json, String key) throws IOException {
        assertFalse(json.asText().contains(key), json.asText());
        for (var field : json.properties()) {
            assertFalse(field.getKey().contains(key), field.getKey());
            requireKeyless(field.getValue(), key);
        }
        for (JsonNode item : json) {
            requireKeyless(item, key);
        }
    }
}
