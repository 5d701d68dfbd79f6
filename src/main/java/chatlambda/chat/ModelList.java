package chatlambda.chat;

import chatlambda.json.Json;
import chatlambda.json.JsonOut;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * The models that one caller may ask for, as OpenAI lists them: {@code {"object":"list","data":[{"id":...},...]}}. Aliases stand in
 * front. What the upstream says of a model goes on byte for byte.
 *
 * @see <a href="https://platform.openai.com/docs/api-reference/models">OpenAI's API reference, models</a>
 */
public final class ModelList {

    private static final String LIST = "{\"object\":\"list\",\"data\":[";
    private static final String DATA = "data";

    private final Models models;
    private final Limits limits;

    /** @param limits of the caller */
    public ModelList(Models models, Limits limits) {
        this.models = models;
        this.limits = limits;
    }

    /** Whether the settings name all models that the caller may ask for: then the upstream's list is not needed. */
    public boolean isKnown() {
        return limits.nameModels();
    }

    /** What is known without the upstream: aliases, the standard model, its fallbacks, and what the caller's limits name. */
    public byte[] ofSettings() {
        Set<String> named = new LinkedHashSet<>();
        named.add(models.standard());
        named.addAll(models.fallbacks());
        limits.models().stream().filter(each -> each.indexOf('*') < 0).forEach(named::add);
        var items = aliases();
        for (String model : named) {
            if (mayAsk(model)) {
                items.add(item(model));
            }
        }
        var out = new JsonOut(512).raw(LIST);
        write(items, out);
        return out.raw("]}").toBytes();
    }

    /**
     * The upstream's list, without what the caller may not ask for.
     *
     * @param upstreams the object that lists its models, or, as some upstreams have it, the array alone
     * @return null: it is no list of models
     */
    public byte[] of(byte[] upstreams) {
        try (JsonParser parser = Json.parser(upstreams)) {
            var out = new JsonOut(upstreams.length + 512);
            if (parser.nextToken() == JsonToken.START_ARRAY) {
                write(items(parser, upstreams), out.raw(LIST));
                return out.raw("]}").toBytes();
            }
            boolean isList = false;
            int copied = 0;
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                boolean isData = parser.currentName().equals(DATA);
                if (parser.nextToken() == JsonToken.START_ARRAY && isData) {
                    int from = Json.offset(parser);
                    var items = items(parser, upstreams);
                    write(items, out.raw(upstreams, copied, from + 1));
                    copied = Json.end(parser) - 1; // the closing bracket
                    isList = true;
                }
                parser.skipChildren();
            }
            if (!isList) {
                return null;
            }
            boolean isAsItCame = limits.models().isEmpty() && models.aliases().isEmpty();
            return isAsItCame ? upstreams : out.raw(upstreams, copied, upstreams.length).toBytes();
        } catch (IOException e) {
            return null;
        }
    }

    /** One item of such a list; null: there is none of that id. */
    public static byte[] item(byte[] list, String id) {
        try (JsonParser parser = Json.parser(list)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                boolean isData = parser.currentName().equals(DATA);
                if (parser.nextToken() == JsonToken.START_ARRAY && isData) {
                    for (JsonToken token; (token = parser.nextToken()) != JsonToken.END_ARRAY;) {
                        int from = Json.offset(parser);
                        if (token == JsonToken.START_OBJECT && id.equals(id(parser))) {
                            return new JsonOut(Json.end(parser) - from).raw(list, from, Json.end(parser)).toBytes();
                        }
                        parser.skipChildren();
                    }
                }
                parser.skipChildren();
            }
            return null;
        } catch (IOException e) {
            return null; // cannot happen: it was read before
        }
    }

    /** @param parser on the array's beginning; afterwards on its end */
    private List<byte[]> items(JsonParser parser, byte[] json) throws IOException {
        var items = aliases();
        for (JsonToken token; (token = parser.nextToken()) != JsonToken.END_ARRAY;) {
            int from = Json.offset(parser);
            String id = token == JsonToken.START_OBJECT ? id(parser) : null;
            parser.skipChildren();
            parser.finishToken();
            if (id == null ? limits.models().isEmpty() : mayAsk(id)) {
                items.add(new JsonOut(Json.end(parser) - from).raw(json, from, Json.end(parser)).toBytes());
            }
        }
        return items;
    }

    /** Of an object with several ids the last one; afterwards the parser is on the object's end. */
    private static String id(JsonParser parser) throws IOException {
        String id = null;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            boolean isId = parser.currentName().equals("id");
            if (parser.nextToken() == JsonToken.VALUE_STRING && isId) {
                id = parser.getText();
            }
            parser.skipChildren();
        }
        return id;
    }

    private boolean mayAsk(String model) {
        return !models.aliases().containsKey(model) && limits.allow(model);
    }

    private List<byte[]> aliases() {
        var items = new ArrayList<byte[]>();
        models.aliases().forEach((name, model) -> {
            if (limits.allow(model)) {
                items.add(item(name));
            }
        });
        return items;
    }

    private static byte[] item(String id) {
        return new JsonOut(128).raw("{\"id\":").string(id)
                .raw(",\"object\":\"model\",\"created\":0,\"owned_by\":\"chat-lambda\"}").toBytes();
    }

    private static void write(List<byte[]> items, JsonOut out) {
        for (int i = 0; i < items.size(); i++) {
            out.raw(i == 0 ? "" : ",").raw(items.get(i), 0, items.get(i).length);
        }
    }
}
