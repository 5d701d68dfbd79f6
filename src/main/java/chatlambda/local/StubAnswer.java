package chatlambda.local;

import jakarta.json.Json;
import jakarta.json.JsonArray;
import jakarta.json.JsonNumber;
import jakarta.json.JsonObject;
import jakarta.json.JsonString;
import jakarta.json.JsonValue;
import java.math.BigDecimal;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What the stub answers: a call of a function tool if the request allows one, else JSON if the request asks for JSON, else the text of
 * the last message. Chat completions and responses name the same things at different places; both are read here.
 *
 * @param text of the message, or the tool's arguments
 * @param tool null for a message
 * @param callId differs from turn to turn of a conversation; null for a message
 */
record StubAnswer(String text, String tool, String callId) {

    /** Deeper than that a schema is filled with null, since it may contain itself. */
    private static final int MAX_DEPTH = 8;

    static StubAnswer toChat(JsonObject request) {
        return of(request, list(request.get("messages")), object(request.get("response_format")));
    }

    static StubAnswer toResponses(JsonObject request) {
        JsonValue input = request.getOrDefault("input", JsonValue.NULL);
        var items = input instanceof JsonArray array ? array : List.of(Json.createObjectBuilder().add("content", input).build());
        return of(request, items, object(object(request.get("text")).get("format")));
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
            JsonValue arguments = parameters.isEmpty() ? parameters : filled(parameters, parameters, 0);
            return new StubAnswer(arguments.toString(), function.get().getString("name", ""), "call_stub_" + turns.size());
        }
        String said = "You said: " + text(last.get(last.containsKey("output") ? "output" : "content"));
        String text = switch (format.getString("type", "text")) {
            case "json_object" -> Json.createObjectBuilder().add("answer", said).build().toString();
            case "json_schema" -> {
                JsonObject schema = object(unwrapped(format, "json_schema").get("schema"));
                yield filled(schema, schema, 0).toString();
            }
            default -> said;
        };
        return new StubAnswer(text, null, null);
    }

    /** The function that {@code tool_choice} names, else the first one. */
    private static Optional<JsonObject> functionToCall(JsonObject request) {
        JsonValue choice = request.get("tool_choice");
        if (choice instanceof JsonString text && text.getString().equals("none")) {
            return Optional.empty();
        }
        String name = unwrapped(object(choice), "function").getString("name", null);
        var functions = list(request.get("tools")).stream().map(StubAnswer::object).filter(tool -> is(tool, "type", "function"))
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

    /** The least value that satisfies the schema. Formats, patterns and lengths of strings are not looked at. */
    private static JsonValue filled(JsonObject schema, JsonObject root, int depth) {
        if (depth > MAX_DEPTH) {
            return JsonValue.NULL;
        }
        if (schema.containsKey("const")) {
            return schema.get("const");
        }
        if (!list(schema.get("enum")).isEmpty()) {
            return schema.getJsonArray("enum").get(0);
        }
        if (schema.get("$ref") instanceof JsonString reference) {
            return filled(referred(reference.getString(), root), root, depth + 1);
        }
        for (String alternatives : List.of("anyOf", "oneOf", "allOf")) {
            if (!list(schema.get(alternatives)).isEmpty()) {
                return filled(object(schema.getJsonArray(alternatives).get(0)), root, depth + 1);
            }
        }
        return switch (type(schema)) {
            case "object" -> filledObject(schema, root, depth);
            case "array" -> filledArray(schema, root, depth);
            case "number", "integer" -> atLeast(schema.get("minimum"));
            case "boolean" -> JsonValue.TRUE;
            case "null" -> JsonValue.NULL;
            default -> Json.createValue("stub");
        };
    }

    private static JsonObject filledObject(JsonObject schema, JsonObject root, int depth) {
        JsonObject properties = object(schema.get("properties"));
        var filled = Json.createObjectBuilder();
        for (JsonValue required : list(schema.get("required"))) {
            if (required instanceof JsonString name) {
                filled.add(name.getString(), filled(object(properties.get(name.getString())), root, depth + 1));
            }
        }
        return filled.build();
    }

    private static JsonArray filledArray(JsonObject schema, JsonObject root, int depth) {
        var filled = Json.createArrayBuilder();
        for (int i = 0; i < Math.min(schema.getInt("minItems", 0), 100); i++) {
            filled.add(filled(object(schema.get("items")), root, depth + 1));
        }
        return filled.build();
    }

    private static JsonValue atLeast(JsonValue minimum) {
        boolean above = minimum instanceof JsonNumber number && number.bigDecimalValue().compareTo(BigDecimal.ONE) > 0;
        return above ? minimum : Json.createValue(1);
    }

    /** The first of the types that is not null; an object where none is named and there are properties. */
    private static String type(JsonObject schema) {
        return list(schema.get("type")).stream().filter(JsonString.class::isInstance).map(type -> ((JsonString) type).getString())
                .filter(type -> !type.equals("null")).findFirst()
                .orElseGet(() -> schema.getString("type", schema.containsKey("properties") ? "object" : ""));
    }

    private static JsonObject referred(String reference, JsonObject root) {
        String pointer = reference.substring(1);
        boolean found = reference.startsWith("#") && Json.createPointer(pointer).containsValue(root);
        return found ? object(Json.createPointer(pointer).getValue(root)) : JsonValue.EMPTY_JSON_OBJECT;
    }

    private static boolean is(JsonObject object, String name, String value) {
        return value != null && object.get(name) instanceof JsonString text && text.getString().equals(value);
    }

    private static JsonObject object(JsonValue value) {
        return value instanceof JsonObject object ? object : JsonValue.EMPTY_JSON_OBJECT;
    }

    private static JsonArray list(JsonValue value) {
        return value instanceof JsonArray array ? array : JsonValue.EMPTY_JSON_ARRAY;
    }
}
