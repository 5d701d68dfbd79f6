package chatlambda.chat;

import chatlambda.json.Json;
import chatlambda.json.JsonOut;
import chatlambda.json.JsonString;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;

/**
 * A valid request: the caller's own bytes, and what the function reads of them. The body is never rebuilt, so members that the function
 * does not know, number forms, key order and duplicates go upstream as they came. Replaced or filled in are only the model's value, for a
 * caller with a token cap the token limit, and for one with a budget of tokens or dollars that a stream tells its usage.
 *
 * @param body the JSON object that goes upstream, in UTF-8; empty on {@link Route#MODELS}
 * @param model the model that the body names; null on {@link Route#MODELS}
 * @param stream whether the body asks for a stream of events
 * @param metering for budgets of tokens or dollars; null: the caller has none
 */
public record ApiRequest(Route route, byte[] body, String model, boolean stream, Metering metering) {

    /** For the list of models. */
    public static final ApiRequest OF_MODELS = new ApiRequest(Route.MODELS, new byte[0], null, false, null);

    /** Jackson's messages by how they begin, in our words. Jackson's own may quote 256 characters of the input, which may be a prompt. */
    private static final Map<String, String> PROBLEMS = Map.of(
            "Unexpected end-of-input", "it ends too early",
            "Unrecognized token", "a word that is not true, false, null or in quotes",
            "Illegal unquoted character", "a control character inside a string",
            "Document nesting depth", "it nests deeper than " + Json.MAX_NESTING);

    /**
     * Checks a request in one pass.
     *
     * @param route that takes a body
     * @param body what the caller sent
     * @param models the standard one is put in front of the other members when the caller names none; aliases are replaced
     * @throws ChatError 400: no request of that route; 400, 403 or 413: beyond the limits
     */
    public static ApiRequest of(Route route, byte[] body, Models models, Limits limits) throws ChatError {
        limits.requireBytes(body.length);
        String example = "POST JSON such as " + route.example();
        if (body.length == 0) {
            throw ChatError.invalid(400, null, "the request body is empty: " + example);
        }
        if (!JsonString.isUtf8(body) || body.length > 1 && (body[0] == 0 || body[1] == 0)) {
            throw ChatError.invalid(400, null, "the request body is not UTF-8 text: " + example);
        }
        try (JsonParser parser = Json.parser(body)) {
            return new RequestScan(route, parser, limits, example).request(body, models);
        } catch (JsonProcessingException e) {
            throw ChatError.invalid(400, null, "the request body is not JSON: " + problem(e) + ": " + example);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // cannot happen: the body is in memory
        }
    }

    /** The same request for another model. Only the model's value is replaced. */
    public ApiRequest withModel(String other) {
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
            return new ApiRequest(route, out.raw(body, copied, body.length).toBytes(), other, stream, metering);
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
}
