package chatlambda.chat;

import chatlambda.json.Json;
import chatlambda.json.JsonOut;
import chatlambda.json.JsonString;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * A valid chat request: the caller's own bytes, and what the function reads of them. The body is never rebuilt, so members that the
 * function does not know, number forms, key order and duplicates go upstream as they came.
 *
 * @param body the JSON object that goes upstream, in UTF-8
 * @param model the model that the body names
 * @param stream whether the body asks for a stream of chunks
 */
public record ChatRequest(byte[] body, String model, boolean stream) {

    private static final String EXAMPLE = "POST JSON such as {\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}";

    /** Jackson's messages by how they begin, in our words. Jackson's own may quote 256 characters of the input, which may be a prompt. */
    private static final Map<String, String> PROBLEMS = Map.of(
            "Unexpected end-of-input", "it ends too early",
            "Unrecognized token", "a word that is not true, false, null or in quotes",
            "Illegal unquoted character", "a control character inside a string",
            "Document nesting depth", "it nests deeper than " + Json.MAX_NESTING);

    /**
     * Checks a request in one pass.
     *
     * @param body what the caller sent
     * @param defaultModel put in front of the other members when the caller names no model
     * @throws ChatError 400: not a chat request; 400, 403 or 413: beyond the limits
     */
    public static ChatRequest of(byte[] body, String defaultModel, Limits limits) throws ChatError {
        limits.requireBytes(body.length);
        if (body.length == 0) {
            throw ChatError.invalid(400, null, "the request body is empty: " + EXAMPLE);
        }
        if (!JsonString.isUtf8(body) || body.length > 1 && (body[0] == 0 || body[1] == 0)) {
            throw ChatError.invalid(400, null, "the request body is not UTF-8 text: " + EXAMPLE);
        }
        try (JsonParser parser = Json.parser(body)) {
            return new Scan(parser, limits).request(body, defaultModel);
        } catch (JsonProcessingException e) {
            throw ChatError.invalid(400, null, "the request body is not JSON: " + problem(e) + ": " + EXAMPLE);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // cannot happen: the body is in memory
        }
    }

    /** The same request for another model. Only the model's value is replaced. */
    public ChatRequest withModel(String other) {
        try (JsonParser parser = Json.parser(body)) {
            var out = new JsonOut(body.length + other.length());
            int copied = 0;
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                // all of several: upstream parsers disagree which one counts
                boolean isModel = parser.currentName().equals("model");
                parser.nextToken();
                int from = Json.offset(parser);
                parser.skipChildren();
                if (isModel) {
                    parser.finishToken();
                    out.raw(body, copied, from).string(other);
                    copied = Json.end(parser);
                }
            }
            return new ChatRequest(out.raw(body, copied, body.length).toBytes(), other, stream);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // cannot happen: it was read before
        }
    }

    /** What is wrong with the JSON, and where. */
    private static String problem(JsonProcessingException e) {
        String problem = problem(e.getOriginalMessage());
        var at = e.getLocation();
        return at == null ? problem : problem + " at line " + at.getLineNr() + ", column " + at.getColumnNr();
    }

    private static String problem(String jacksonsMessage) {
        if (jacksonsMessage.startsWith("Unexpected character")) { // this message quotes one character only
            return "u" + jacksonsMessage.substring(1);
        }
        for (var problem : PROBLEMS.entrySet()) {
            if (jacksonsMessage.startsWith(problem.getKey())) {
                return problem.getValue();
            }
        }
        return jacksonsMessage.contains("surrogate") ? "half of a surrogate pair in a name" : "malformed text";
    }

    /** One pass over a body, for one request. */
    private static final class Scan {

        /** The members that {@link Limits} depend on. */
        private static final Set<String> LIMITED = Set.of("model", "max_tokens", "max_completion_tokens", "n");

        private final JsonParser parser;
        private final Limits limits;
        private String model;
        private boolean stream;
        private boolean messages;
        /** The larger one of the two members that limit an answer's tokens; NaN: the body has neither. */
        private double tokens = Double.NaN;
        /** The member {@code n}: how many answers the upstream is to write. */
        private double choices = 1;
        private final Set<String> seen = new HashSet<>();

        Scan(JsonParser parser, Limits limits) {
            this.parser = parser;
            this.limits = limits;
        }

        ChatRequest request(byte[] body, String defaultModel) throws IOException, ChatError {
            JsonToken first = parser.nextToken();
            if (first != JsonToken.START_OBJECT) {
                throw ChatError.invalid(400, null, "the request body is " + (first == null ? "blank" : kind(first))
                        + ", not a JSON object: " + EXAMPLE);
            }
            int brace = Json.offset(parser);
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                JsonToken value = parser.nextToken();
                switch (name) {
                    case "model" -> readModel(value);
                    case "messages" -> readMessages(value);
                    case "stream" -> stream = value == JsonToken.VALUE_TRUE;
                    default -> {
                    }
                }
                if (limits.dependOnMembers()) {
                    readLimited(name, value);
                }
                parser.skipChildren();
            }
            if (parser.nextToken() != null) {
                var at = parser.currentTokenLocation();
                throw ChatError.invalid(400, null, "the request body goes on after its JSON object, at line " + at.getLineNr()
                        + ", column " + at.getColumnNr() + ": send one object");
            }
            if (!messages) {
                throw ChatError.invalid(400, "messages", "messages is missing: " + EXAMPLE);
            }
            limits.requireTokens(tokens, choices);
            if (model == null) {
                limits.requireModel(defaultModel);
                return new ChatRequest(withModel(body, brace, defaultModel), defaultModel, stream);
            }
            return new ChatRequest(body, model, stream);
        }

        /**
         * Refuses a duplicate of a limited member, and a name that differs from a limited member's only in case: upstream parsers
         * disagree which value counts.
         */
        private void readLimited(String name, JsonToken value) throws IOException, ChatError {
            String known = name.toUpperCase(Locale.ROOT).toLowerCase(Locale.ROOT); // ignores case as Go's parser does: there ſ equals s
            if (!LIMITED.contains(known)) {
                return;
            }
            if (!known.equals(name)) {
                throw ChatError.invalid(400, name, name + " is no member of a chat request: write " + known);
            }
            if (!seen.add(name)) {
                throw ChatError.invalid(400, name, name + " is there twice: say it once");
            }
            if (known.equals("model")) {
                limits.requireModel(model);
            } else if (value != JsonToken.VALUE_NULL && limits.tokens() > 0) {
                double number = value.isNumeric() ? parser.getDoubleValue() : Double.NaN;
                if (!(number >= 1)) { // some upstreams take 0 or -1 for "no limit"
                    String met = value.isNumeric() ? "less than 1" : kind(value);
                    throw ChatError.invalid(400, name, name + " is " + met + ": set it to a number");
                }
                if (known.equals("n")) {
                    choices = number;
                } else {
                    tokens = Double.isNaN(tokens) ? number : Math.max(tokens, number);
                }
            }
        }

        private void readModel(JsonToken value) throws IOException, ChatError {
            if (value != JsonToken.VALUE_STRING) {
                throw ChatError.invalid(400, "model", "model is " + kind(value)
                        + ", not a string: name a model, or leave it out for the default one");
            }
            model = parser.getText();
        }

        private void readMessages(JsonToken value) throws IOException, ChatError {
            if (value != JsonToken.START_ARRAY) {
                throw ChatError.invalid(400, "messages", "messages is " + kind(value) + ", not an array: " + EXAMPLE);
            }
            int count = 0;
            for (JsonToken item; (item = parser.nextToken()) != JsonToken.END_ARRAY; count++) {
                String param = "messages[" + count + "]";
                if (item != JsonToken.START_OBJECT) {
                    throw ChatError.invalid(400, param, param + " is " + kind(item)
                            + ", not an object: each message is such as {\"role\": \"user\", \"content\": \"Hello\"}");
                }
                readMessage(param);
            }
            if (count == 0) {
                throw ChatError.invalid(400, "messages", "messages is an empty array: " + EXAMPLE);
            }
            messages = true;
        }

        private void readMessage(String param) throws IOException, ChatError {
            boolean role = false;
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                boolean isRole = parser.currentName().equals("role");
                JsonToken value = parser.nextToken();
                if (isRole && value != JsonToken.VALUE_STRING) {
                    throw ChatError.invalid(400, param + ".role", param + ".role is " + kind(value)
                            + ", not a string: it is one of user, assistant, system, developer or tool");
                }
                role |= isRole;
                parser.skipChildren();
            }
            if (!role) {
                throw ChatError.invalid(400, param + ".role", param
                        + ".role is missing: it is one of user, assistant, system, developer or tool");
            }
        }

        private static String kind(JsonToken token) {
            return switch (token) {
                case START_OBJECT -> "an object";
                case START_ARRAY -> "an array";
                case VALUE_STRING -> "a string";
                case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> "a number";
                case VALUE_TRUE, VALUE_FALSE -> "a boolean";
                default -> token.asString();
            };
        }

        private static byte[] withModel(byte[] body, int brace, String model) {
            byte[] member = new JsonOut(64).raw("\"model\":").string(model).raw(",").toBytes();
            byte[] spliced = new byte[body.length + member.length];
            System.arraycopy(body, 0, spliced, 0, brace + 1);
            System.arraycopy(member, 0, spliced, brace + 1, member.length);
            System.arraycopy(body, brace + 1, spliced, brace + 1 + member.length, body.length - brace - 1);
            return spliced;
        }
    }
}
