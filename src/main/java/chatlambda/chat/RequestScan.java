package chatlambda.chat;

import chatlambda.json.Json;
import chatlambda.json.JsonOut;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** One pass over the body of a request: it is checked, and what is to be replaced or filled in of it is noted. For one request. */
final class RequestScan {

    private static final String BACKGROUND = "background";
    private static final String STREAM_OPTIONS = "stream_options";
    private static final byte[] INCLUDED = "{\"include_usage\":true}".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] TRUE = "true".getBytes(StandardCharsets.US_ASCII);

    /** Members that some upstreams read in place of the model, or of {@code n}. */
    private static final List<String> OTHERS = List.of("models", "route", "fallbacks", "best_of");

    /**
     * A member that may be replaced.
     *
     * @param nameAt where its name begins, with the quote
     * @param from where its value begins
     * @param to where its value ends
     * @param isNull whether the value is null, or in the model's case an empty text: it says nothing
     * @param number NaN: the value is none
     */
    private record Member(String name, int nameAt, int from, int to, boolean isNull, double number) {
    }

    /** What comes in the place of bytes of the body. */
    private record Edit(int from, int to, byte[] json) {
    }

    private final Route route;
    private final JsonParser parser;
    private final Limits limits;
    private final String example;
    /** The members that limits depend on, by their plain names, with how each is to be written; null: it is refused. */
    private final Map<String, String> limited;
    private final Set<String> seen = new HashSet<>();
    private final List<Member> members = new ArrayList<>();
    private final List<Edit> edits = new ArrayList<>();
    private String model;
    private boolean stream;
    private boolean hasRequired;
    /** The member {@code n}: how many answers the upstream is to write. */
    private double choices = 1;
    /** The most tokens of one answer that goes upstream; 0: the request has no such limit. */
    private double answerTokens;
    /** What makes the member {@code stream_options} ask for the usage; null: there is no such member. */
    private List<Edit> usageEdits;

    RequestScan(Route route, JsonParser parser, Limits limits, String example) {
        this.route = route;
        this.parser = parser;
        this.limits = limits;
        this.example = example;
        this.limited = limited(route, limits);
    }

    private static Map<String, String> limited(Route route, Limits limits) {
        if (!limits.dependOnMembers()) {
            boolean isCounted = limits.counted() != Limits.Counted.NOTHING;
            return isCounted && route == Route.RESPONSES ? Map.of(BACKGROUND, BACKGROUND) : Map.of();
        }
        var limited = new HashMap<String, String>();
        var known = new ArrayList<>(route.tokenLimits());
        known.addAll(List.of("model", "n"));
        if (route == Route.RESPONSES) {
            known.add(BACKGROUND);
        } else if (route == Route.CHAT && limits.counted() == Limits.Counted.USAGE) {
            known.add(STREAM_OPTIONS);
        }
        known.forEach(name -> limited.put(plain(name), name));
        OTHERS.forEach(name -> limited.put(plain(name), null));
        route.otherTokenLimits().forEach(name -> limited.put(plain(name), null));
        return limited;
    }

    /**
     * As the most lenient of upstreams' parsers compare names: without underscores, control characters and case. Go's takes U+017F for an
     * s.
     */
    private static String plain(String name) {
        var plain = new StringBuilder(name.length());
        for (int i = 0; i < name.length(); i++) {
            char c = name.charAt(i);
            if (c != '_' && !Character.isISOControl(c)) {
                plain.append(c);
            }
        }
        return plain.toString().toUpperCase(Locale.ROOT).toLowerCase(Locale.ROOT);
    }

    ApiRequest request(byte[] body, Models models) throws IOException, ChatError {
        JsonToken first = parser.nextToken();
        if (first != JsonToken.START_OBJECT) {
            throw ChatError.invalid(400, null, "the request body is " + (first == null ? "blank" : kind(first))
                    + ", not a JSON object: " + example);
        }
        int brace = Json.offset(parser);
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            readMember();
        }
        if (parser.nextToken() != null) {
            var at = parser.currentTokenLocation();
            throw ChatError.invalid(400, null, "the request body goes on after its JSON object, at line " + at.getLineNr()
                    + ", column " + at.getColumnNr() + ": send one object");
        }
        if (!hasRequired) {
            String required = String.join(", ", route.required());
            throw ChatError.invalid(400, route.required().get(0), (route.required().size() > 1 ? "none of " + required + " is there: "
                    : required + " is missing: ") + example);
        }
        var added = new JsonOut(64);
        String asked = model != null ? model : models.standard();
        String real = models.real(asked);
        limits.requireModel(asked, real);
        nameModel(real, added);
        limitTokens(added);
        boolean streams = stream && route.streams();
        boolean usageAdded = streams && route == Route.CHAT && limits.counted() == Limits.Counted.USAGE && askForUsage(added);
        if (!added.isEmpty()) {
            edits.add(0, new Edit(brace + 1, brace + 1, added.toBytes())); // ahead of a name that begins there
        }
        var metering = limits.counted() == Limits.Counted.USAGE ? Metering.of(body, answerTokens * choices, usageAdded) : null;
        return new ApiRequest(route, edits.isEmpty() ? body : edited(body), real, streams, metering);
    }

    private void readMember() throws IOException, ChatError {
        int nameAt = Json.offset(parser);
        String name = parser.currentName();
        JsonToken value = parser.nextToken();
        int from = Json.offset(parser);
        requireLimited(name, value);
        double number = Double.NaN;
        switch (name) {
            case "model" -> readModel(value);
            case "stream" -> readStream(value);
            default -> {
            }
        }
        boolean isCapped = limits.dependOnTokens() && !route.tokenLimits().isEmpty() && value != JsonToken.VALUE_NULL;
        if (isCapped && name.equals("n")) {
            choices = Math.ceil(number(name, value)); // an upstream may round up
        } else if (isCapped && route.tokenLimits().contains(name)) {
            number = number(name, value);
        }
        if (route.required().contains(name) && (value != JsonToken.VALUE_NULL || route == Route.CHAT)) {
            readRequired(name, value);
        }
        if (limits.counted() == Limits.Counted.USAGE && name.equals(STREAM_OPTIONS)) {
            readStreamOptions(value, from);
        }
        parser.skipChildren();
        if (name.equals("model") || route.tokenLimits().contains(name)) {
            parser.finishToken();
            boolean isNull = value == JsonToken.VALUE_NULL || name.equals("model") && parser.getText().isEmpty();
            members.add(new Member(name, nameAt, from, Json.end(parser), isNull, number));
        }
    }

    /**
     * For a caller with limits: refuses a duplicate of a limited member, a name that some upstreams take for a limited one's, and members
     * that some upstreams read in place of a limited one: which value counts is not known then.
     */
    private void requireLimited(String name, JsonToken value) throws ChatError {
        String plain = limited.isEmpty() ? "" : plain(name);
        if (!limited.containsKey(plain)) {
            return;
        }
        String known = limited.get(plain);
        if (known == null) {
            throw ChatError.invalid(400, name, name + " is not taken of a caller whose models or tokens are limited, since some upstreams"
                    + " read it in place of what is limited: leave it out");
        }
        if (!known.equals(name)) {
            throw ChatError.invalid(400, name, name + " is no member of such a request: write " + known);
        }
        if (!seen.add(name)) {
            throw ChatError.invalid(400, name, name + " is there twice: say it once");
        }
        boolean isPaid = limits.dependOnTokens() || limits.counted() != Limits.Counted.NOTHING;
        if (known.equals(BACKGROUND) && isPaid && value != JsonToken.VALUE_FALSE && value != JsonToken.VALUE_NULL) {
            throw ChatError.invalid(400, name, "background is not for a caller with a token cap or a budget, since what it costs comes"
                    + " after the answer: leave it out");
        }
    }

    /** Notes what makes it ask for the usage, however lenient the upstream's parser is. */
    private void readStreamOptions(JsonToken value, int from) throws IOException {
        usageEdits = new ArrayList<>();
        if (value != JsonToken.START_OBJECT) {
            parser.skipChildren();
            parser.finishToken();
            usageEdits.add(new Edit(from, Json.end(parser), INCLUDED));
            return;
        }
        boolean isEmpty = true;
        boolean isThere = false;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            isEmpty = false;
            isThere |= parser.currentName().equals("include_usage");
            boolean isUsage = plain(parser.currentName()).equals("includeusage");
            boolean isTrue = parser.nextToken() == JsonToken.VALUE_TRUE;
            int at = Json.offset(parser);
            parser.skipChildren();
            if (isUsage && !isTrue) {
                parser.finishToken();
                usageEdits.add(new Edit(at, Json.end(parser), TRUE));
            }
        }
        if (!isThere) {
            usageEdits.add(new Edit(from + 1, from + 1, json(isEmpty, "\"include_usage\":true")));
        }
    }

    private static byte[] json(boolean isLast, String member) {
        return (isLast ? member : member + ",").getBytes(StandardCharsets.US_ASCII);
    }

    /** Returns whether the caller did not do so. */
    private boolean askForUsage(JsonOut added) {
        if (usageEdits == null) {
            added.raw("\"stream_options\":{\"include_usage\":true},");
            return true;
        }
        edits.addAll(usageEdits);
        return !usageEdits.isEmpty();
    }

    private double number(String name, JsonToken value) throws IOException, ChatError {
        double number = value.isNumeric() ? parser.getDoubleValue() : Double.NaN;
        if (!(number >= 1)) { // some upstreams take 0 or -1 for "no limit"
            String met = value.isNumeric() ? "less than 1" : kind(value);
            throw ChatError.invalid(400, name, name + " is " + met + ": set it to a number");
        }
        return number;
    }

    private void readModel(JsonToken value) throws IOException, ChatError {
        if (value == JsonToken.VALUE_NULL) {
            return;
        }
        if (value != JsonToken.VALUE_STRING) {
            throw ChatError.invalid(400, "model", "model is " + kind(value)
                    + ", not a string: name a model, or leave it out for the default one");
        }
        model = parser.getText().isEmpty() ? model : parser.getText();
    }

    private void readStream(JsonToken value) throws ChatError {
        if (!value.isBoolean() && value != JsonToken.VALUE_NULL) {
            throw ChatError.invalid(400, "stream", "stream is " + kind(value) + ", not a boolean: set it to true or false");
        }
        stream = value == JsonToken.VALUE_TRUE;
    }

    private void readRequired(String name, JsonToken value) throws IOException, ChatError {
        if (name.equals("messages")) {
            readMessages(value);
        } else if (name.equals("input") && value != JsonToken.VALUE_STRING && value != JsonToken.START_ARRAY) {
            throw ChatError.invalid(400, "input", "input is " + kind(value) + ", neither a string nor an array: " + example);
        }
        hasRequired = true;
    }

    private void readMessages(JsonToken value) throws IOException, ChatError {
        if (value != JsonToken.START_ARRAY) {
            throw ChatError.invalid(400, "messages", "messages is " + kind(value) + ", not an array: " + example);
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
            throw ChatError.invalid(400, "messages", "messages is an empty array: " + example);
        }
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

    static String kind(JsonToken token) {
        return switch (token) {
            case START_OBJECT -> "an object";
            case START_ARRAY -> "an array";
            case VALUE_STRING -> "a string";
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> "a number";
            case VALUE_TRUE, VALUE_FALSE -> "a boolean";
            default -> token.asString();
        };
    }

    /** Writes the model's real name where the request has another one, an empty one, or none. */
    private void nameModel(String real, JsonOut added) {
        boolean isThere = false;
        for (Member member : members) {
            if (member.name.equals("model")) {
                isThere = true;
                if (member.isNull || !real.equals(model)) { // all of several: upstream parsers disagree which one counts
                    edits.add(new Edit(member.from, member.to, json(real)));
                }
            }
        }
        if (!isThere) {
            added.raw("\"model\":").string(real).raw(",");
        }
    }

    /** Holds the answer's tokens to the cap; where the request names no limit, the cap is filled in. */
    private void limitTokens(JsonOut added) throws ChatError {
        if (!limits.dependOnTokens() || route.tokenLimits().isEmpty()) {
            return;
        }
        String name = limits.tokensMember(route);
        Member own = null;
        Member other = null;
        for (Member member : members) {
            own = member.name.equals(name) ? member : own;
            other = member.name.equals(name) || member.name.equals("model") ? other : member;
        }
        boolean ownSays = own != null && !own.isNull;
        boolean otherSays = other != null && !other.isNull;
        boolean isCapped = limits.tokens() > 0;
        if (!ownSays && !otherSays) {
            if (isCapped) {
                answerTokens = limits.tokensOfEach(choices);
                fillIn((long) answerTokens, name, own != null ? own : other, added);
            }
            return;
        }
        Member largest = !ownSays || otherSays && other.number > own.number ? other : own;
        answerTokens = largest.number;
        if (!isCapped) {
            return;
        }
        limits.requireTokens(largest.name, largest.number, choices);
        if (!ownSays) {
            rename(other, name);
            if (own != null) {
                rename(own, other.name); // or the name would be there twice
            }
        }
    }

    private void fillIn(long tokens, String name, Member inPlace, JsonOut added) {
        String number = Long.toString(tokens);
        if (inPlace == null) {
            added.raw("\"" + name + "\":" + number + ",");
        } else {
            if (!inPlace.name.equals(name)) {
                rename(inPlace, name);
            }
            edits.add(new Edit(inPlace.from, inPlace.to, new JsonOut(20).raw(number).toBytes()));
        }
    }

    private void rename(Member member, String name) {
        edits.add(new Edit(member.nameAt, -1, json(name)));
    }

    private static byte[] json(String text) {
        return new JsonOut(text.length() + 2).string(text).toBytes();
    }

    private byte[] edited(byte[] body) {
        edits.sort((a, b) -> Integer.compare(a.from, b.from));
        var out = new JsonOut(body.length + 256);
        int copied = 0;
        for (Edit edit : edits) {
            out.raw(body, copied, edit.from).raw(edit.json, 0, edit.json.length);
            copied = edit.to >= 0 ? edit.to : endOfString(body, edit.from);
        }
        return out.raw(body, copied, body.length).toBytes();
    }

    /** Behind the closing quote of the string that begins at {@code quote}. */
    private static int endOfString(byte[] json, int quote) {
        int at = quote + 1;
        while (json[at] != '"') {
            at += json[at] == '\\' ? 2 : 1;
        }
        return at + 1;
    }
}
