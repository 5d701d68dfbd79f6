package chatlambda.local;

import jakarta.json.Json;
import jakarta.json.JsonArray;
import jakarta.json.JsonNumber;
import jakarta.json.JsonObject;
import jakarta.json.JsonPointer;
import jakarta.json.JsonString;
import jakarta.json.JsonValue;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A value for a JSON schema, the least that satisfies it: what a model would fill in. Patterns of strings, conditions, and what must not
 * be there are not looked at, unless the schema names an example.
 */
final class StubSchema {

    /** Deeper than that a schema is filled with null, since it may contain itself. */
    private static final int MAX_DEPTH = 8;
    private static final int MAX_ITEMS = 100;
    private static final int MAX_LENGTH = 1_000;

    private static final Map<String, String> FORMATS = Map.of("date-time", "2026-01-01T00:00:00Z", "date", "2026-01-01",
            "time", "00:00:00Z", "duration", "P1D", "email", "stub@example.com", "hostname", "example.com", "ipv4", "127.0.0.1",
            "ipv6", "::1", "uri", "https://example.com/", "uuid", "00000000-0000-4000-8000-000000000000");

    private final JsonObject root;

    private StubSchema(JsonObject root) {
        this.root = root;
    }

    static JsonValue filled(JsonObject schema) {
        return new StubSchema(schema).fill(schema, 0);
    }

    private JsonValue fill(JsonObject given, int depth) {
        if (depth > MAX_DEPTH) {
            return JsonValue.NULL;
        }
        JsonObject schema = flat(given, depth);
        if (schema.containsKey("const")) {
            return schema.get("const");
        }
        var named = Stream.of("enum", "examples").flatMap(name -> list(schema.get(name)).stream()).findFirst();
        if (named.isPresent() || schema.containsKey("default")) {
            return named.orElseGet(() -> schema.get("default"));
        }
        return switch (type(schema)) {
            case "object" -> fillObject(schema, depth);
            case "array" -> fillArray(schema, depth);
            case "number" -> number(schema, false);
            case "integer" -> number(schema, true);
            case "boolean" -> JsonValue.TRUE;
            case "null" -> JsonValue.NULL;
            default -> string(schema);
        };
    }

    /** One schema of it, of what it refers to, of all that must hold too, and of the first of its alternatives. */
    private JsonObject flat(JsonObject schema, int depth) {
        if (depth > MAX_DEPTH) {
            return JsonValue.EMPTY_JSON_OBJECT;
        }
        JsonObject flat = schema;
        if (schema.get("$ref") instanceof JsonString reference) {
            flat = both(flat, flat(referred(reference.getString()), depth + 1));
        }
        for (JsonValue each : list(schema.get("allOf"))) {
            flat = both(flat, flat(object(each), depth + 1));
        }
        for (String alternatives : List.of("anyOf", "oneOf")) {
            for (JsonValue first : list(schema.get(alternatives)).stream().limit(1).toList()) {
                flat = both(flat, flat(object(first), depth + 1));
            }
        }
        return flat;
    }

    private JsonObject referred(String reference) {
        if (!reference.startsWith("#") || reference.length() > 1 && reference.charAt(1) != '/') {
            return JsonValue.EMPTY_JSON_OBJECT;
        }
        JsonPointer pointer = Json.createPointer(reference.substring(1));
        return pointer.containsValue(root) ? object(pointer.getValue(root)) : JsonValue.EMPTY_JSON_OBJECT;
    }

    private static JsonObject both(JsonObject one, JsonObject other) {
        var both = Json.createObjectBuilder(one);
        other.forEach((name, value) -> {
            if (value instanceof JsonObject more && one.get(name) instanceof JsonObject some) {
                both.add(name, Json.createObjectBuilder(some).addAll(Json.createObjectBuilder(more)));
            } else if (value instanceof JsonArray more && one.get(name) instanceof JsonArray some) {
                both.add(name, Json.createArrayBuilder(some).addAll(Json.createArrayBuilder(more)));
            } else {
                both.add(name, value);
            }
        });
        return both.build();
    }

    private JsonObject fillObject(JsonObject schema, int depth) {
        JsonObject properties = object(schema.get("properties"));
        var filled = Json.createObjectBuilder();
        for (JsonValue required : list(schema.get("required"))) {
            if (required instanceof JsonString name) {
                filled.add(name.getString(), fill(object(properties.get(name.getString())), depth + 1));
            }
        }
        return filled.build();
    }

    private JsonArray fillArray(JsonObject schema, int depth) {
        var filled = Json.createArrayBuilder();
        JsonArray first = list(schema.get("prefixItems"));
        int items = Math.max(first.size(), (int) Math.min(decimal(schema, "minItems", "0").longValue(), MAX_ITEMS));
        for (int i = 0; i < items; i++) {
            filled.add(fill(object(i < first.size() ? first.get(i) : schema.get("items")), depth + 1));
        }
        return filled.build();
    }

    private static JsonValue string(JsonObject schema) {
        String text = FORMATS.getOrDefault(schema.getString("format", ""), "stub");
        int least = (int) Math.min(decimal(schema, "minLength", "0").longValue(), MAX_LENGTH);
        int most = (int) Math.min(decimal(schema, "maxLength", "1000").longValue(), MAX_LENGTH);
        return Json.createValue((text + ".".repeat(Math.max(0, least - text.length()))).substring(0, Math.min(most, Math.max(least,
                text.length()))));
    }

    /** 1, or what is nearest to it. */
    private static JsonValue number(JsonObject schema, boolean whole) {
        BigDecimal step = decimal(schema, "multipleOf", whole ? "1" : "0.001").abs();
        BigDecimal least = decimal(schema, "minimum", null);
        BigDecimal above = decimal(schema, "exclusiveMinimum", null);
        BigDecimal most = decimal(schema, "maximum", null);
        BigDecimal below = decimal(schema, "exclusiveMaximum", null);
        BigDecimal number = BigDecimal.ONE;
        if (step.signum() > 0) {
            number = steps(number, step, RoundingMode.CEILING);
            if (least != null && number.compareTo(least) < 0) {
                number = steps(least, step, RoundingMode.CEILING);
            }
            if (above != null && number.compareTo(above) <= 0) {
                number = steps(above, step, RoundingMode.FLOOR).add(step);
            }
            if (most != null && number.compareTo(most) > 0) {
                number = steps(most, step, RoundingMode.FLOOR);
            }
            if (below != null && number.compareTo(below) >= 0) {
                number = steps(below, step, RoundingMode.CEILING).subtract(step);
            }
        }
        return Json.createValue(new BigDecimal(number.stripTrailingZeros().toPlainString()));
    }

    /** The multiple of the step that is next to the number. */
    private static BigDecimal steps(BigDecimal number, BigDecimal step, RoundingMode mode) {
        return number.divide(step, 0, mode).multiply(step);
    }

    /** A number that is none, or of an order that nobody means, is as if it were not there. */
    private static BigDecimal decimal(JsonObject schema, String name, String otherwise) {
        boolean isThere = schema.get(name) instanceof JsonNumber number && Math.abs(number.bigDecimalValue().precision()
                - number.bigDecimalValue().scale()) < 20 && Math.abs(number.bigDecimalValue().scale()) < 20;
        if (isThere) {
            return schema.getJsonNumber(name).bigDecimalValue();
        }
        return otherwise == null ? null : new BigDecimal(otherwise);
    }

    /** The first of the types that is not null; what the other members speak of where none is named. */
    private static String type(JsonObject schema) {
        if (schema.get("type") instanceof JsonString type) {
            return type.getString();
        }
        String implied = Stream.of("properties", "required").anyMatch(schema::containsKey) ? "object" : "";
        return list(schema.get("type")).stream().filter(JsonString.class::isInstance).map(type -> ((JsonString) type).getString())
                .filter(type -> !type.equals("null")).findFirst().orElse(implied);
    }

    static JsonObject object(JsonValue value) {
        return value instanceof JsonObject object ? object : JsonValue.EMPTY_JSON_OBJECT;
    }

    static JsonArray list(JsonValue value) {
        return value instanceof JsonArray array ? array : JsonValue.EMPTY_JSON_ARRAY;
    }
}
