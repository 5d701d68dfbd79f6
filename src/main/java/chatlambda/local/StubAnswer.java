package chatlambda.local;

import static chatlambda.local.StubSchema.list;
import static chatlambda.local.StubSchema.object;

import jakarta.json.Json;
import jakarta.json.JsonArray;
import jakarta.json.JsonObject;
import jakarta.json.JsonString;
import jakarta.json.JsonValue;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What the stub answers: a call of a function tool if the request allows one, else JSON if the request asks for JSON, else the text of
 * the last message. Chat completions and responses name the same things at different places; both are read here.
 *
 * @param text of the message, or the tool's arguments
 * @param tool null for a message
 * @param turn how many messages or items the request had
 * @param isPlainText whether it is a message that nobody parses
 */
record StubAnswer(String text, String tool, int turn, boolean isPlainText) {

    static StubAnswer toChat(JsonObject request) {
        return of(request, list(request.get("messages")), object(request.get("response_format")));
    }

    static StubAnswer toResponses(JsonObject request) {
        JsonValue input = request.getOrDefault("input", JsonValue.NULL);
        var items = input instanceof JsonArray array ? array : List.of(Json.createObjectBuilder().add("content", input).build());
        return of(request, items, object(object(request.get("text")).get("format")));
    }

    StubAnswer with(String more) {
        return new StubAnswer(text + more, tool, turn, isPlainText);
    }

    /** Differs from turn to turn of a conversation: LangGraph keeps one message of each id. */
    String id(String kind) {
        return turn > 1 ? kind + "_" + turn : kind;
    }

    String callId() {
        return "call_stub_" + turn;
    }

    /** As a stream brings it: word by word, each with the space after it; arguments in pieces that are no JSON. */
    String[] pieces() {
        return text.split(tool == null ? "(?<= )" : "(?<=[:,])");
    }

    int tokens() {
        return text.split(" ").length;
    }

    private static StubAnswer of(JsonObject request, List<? extends JsonValue> turns, JsonObject format) {
        JsonObject last = turns.isEmpty() ? JsonValue.EMPTY_JSON_OBJECT : object(turns.get(turns.size() - 1));
        boolean result = is(last, "role", "tool") || is(last, "type", "function_call_output");
        var function = result ? Optional.<JsonObject>empty() : functionToCall(request);
        if (function.isPresent()) {
            JsonObject parameters = object(function.get().get("parameters"));
            JsonValue arguments = parameters.isEmpty() ? parameters : StubSchema.filled(parameters);
            return new StubAnswer(arguments.toString(), function.get().getString("name", ""), turns.size(), false);
        }
        String said = "You said: " + text(last.get(last.containsKey("output") ? "output" : "content"));
        String text = switch (format.getString("type", "text")) {
            case "json_object" -> Json.createObjectBuilder().add("answer", said).build().toString();
            case "json_schema" -> {
                JsonObject schema = object(unwrapped(format, "json_schema").get("schema"));
                yield StubSchema.filled(schema).toString();
            }
            default -> said;
        };
        return new StubAnswer(text, null, turns.size(), text.equals(said));
    }

    /** The function that {@code tool_choice} names, else the first one. */
    private static Optional<JsonObject> functionToCall(JsonObject request) {
        JsonValue choice = request.get("tool_choice");
        if (choice instanceof JsonString text && text.getString().equals("none")) {
            return Optional.empty();
        }
        String name = unwrapped(object(choice), "function").getString("name", null);
        var functions = list(request.get("tools")).stream().map(StubSchema::object).filter(tool -> is(tool, "type", "function"))
                .map(tool -> unwrapped(tool, "function")).toList();
        return functions.stream().filter(function -> is(function, "name", name)).findFirst().or(() -> functions.stream().findFirst());
    }

    /** Chat completions have an object of that name around what responses have without it. */
    private static JsonObject unwrapped(JsonObject outer, String name) {
        return outer.get(name) instanceof JsonObject inner ? inner : outer;
    }

    private static String text(JsonValue content) {
        String parts = list(content).stream().map(part -> object(part).get("text")).filter(JsonString.class::isInstance)
                .map(text -> ((JsonString) text).getString()).collect(Collectors.joining(" "));
        if (content instanceof JsonString text) {
            return text.getString();
        }
        return parts.isEmpty() ? "something that is not plain text" : parts;
    }

    private static boolean is(JsonObject object, String name, String value) {
        return value != null && object.get(name) instanceof JsonString text && text.getString().equals(value);
    }
}
