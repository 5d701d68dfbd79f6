package chatlambda.upstream;

import chatlambda.chat.ChatError;
import chatlambda.chat.EventStream;
import chatlambda.chat.Redaction;
import chatlambda.chat.Route;
import chatlambda.chat.UpstreamKey;
import chatlambda.chat.Usage;
import chatlambda.chat.UsageReader;
import chatlambda.json.Json;
import chatlambda.json.JsonString;
import chatlambda.upstream.Failure.Retryability;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * What the upstream answered, byte for byte, and its reading: what was asked for, or an error in whatever form.
 *
 * @param route that was asked
 * @param headers by lower-case name
 * @param redaction of the key that was sent, which an upstream may quote: it is taken out of headers and errors, while a completion
 *        stays as it is
 * @param owner whose key that was
 */
record UpstreamAnswer(Route route, int status, Map<String, String> headers, byte[] body, Redaction redaction, UpstreamKey owner) {

    /** AI/ML API's 500 for a model's own 4xx: "400 Unable to access model gpt-4o-mini. " (aimlapi/api-docs#3). */
    private static final Pattern CLIENT_ERROR = Pattern.compile("\\s*4(?!08|09|29)\\d\\d\\b");
    private static final Pattern GONE_ERROR = Pattern.compile("\\s*4(?:00|03|04|10)\\b");
    private static final Pattern MODEL_GONE = Pattern.compile(
            "model_not_found|no longer available|unable to access model|model\\b.*\\b(?:does not exist|decommissioned)",
            Pattern.CASE_INSENSITIVE);
    /** What else a request on {@link Route#RESPONSES} may name, and the upstream may not have. */
    private static final Pattern OF_ANOTHER = Pattern.compile(
            "\\b(?:response|conversation|item|prompt|file|container)s?\\b.*\\b(?:not found|not exist)", Pattern.CASE_INSENSITIVE);
    /** Characters of an error's message in which it may say that a model is gone: further behind it may quote the prompt. */
    private static final int MAX_GONE = 100;
    /** What OpenAI's 429 is called when the account, and not a limit for a time, is exhausted. */
    private static final List<String> ACCOUNT_EXHAUSTED =
            List.of("insufficient_quota", "billing_hard_limit_reached", "billing_not_active");
    /** Of the headers that go on, as JSON: API Gateway takes 10 KB of headers, and Lambda's prelude 16 KB. */
    private static final int MAX_HEADERS = 8 * 1024;
    private static final int MAX_HEADER = 1024;
    /** Characters of what a message quotes of a header. */
    private static final int MAX_QUOTE = 100;
    private static final String REQUEST_ID = "x-request-id";

    UpstreamAnswer {
        for (String value : headers.values()) {
            if (redaction.isIn(value)) {
                headers = new TreeMap<>(headers);
                headers.replaceAll((name, each) -> redaction.ofHeader(each));
                break;
            }
        }
    }

    /**
     * The same without the coding that it should not have.
     *
     * @param limit bytes of the plain body; of an error's that many are taken
     * @param held what the invocation holds, to which the plain body is added, unless it is an error's
     * @throws Failure the coding is not known, or a stream has one
     */
    UpstreamAnswer decoded(int limit, BytesInFlight.Share held) throws Failure {
        String coding = coding();
        if (coding.isEmpty() || status == 401 || body.length == 0) { // what a 401 says is not looked at
            return this;
        }
        requirePlainStream();
        if (!ContentCoding.isKnown(coding)) {
            throw unsupported(coding);
        }
        byte[] plain;
        try {
            plain = ContentCoding.decode(coding, body, limit, !isSuccess(), read -> !isSuccess() || held.take(read));
        } catch (ContentCoding.NoRoom e) {
            throw new Failure(ChatError.overloaded(true));
        } catch (IOException e) {
            throw unusable("cannot be decoded as " + coding);
        }
        if (plain.length > limit && isSuccess()) {
            throw new Failure(ChatError.tooLong(limit).with(passedOn()));
        }
        byte[] taken = plain.length > limit ? Arrays.copyOf(plain, limit) : plain;
        var answer = new UpstreamAnswer(route, status, headers, taken, redaction, owner);
        if (answer.isEvents()) {
            throw unsupported(coding);
        }
        return answer;
    }

    /** @throws Failure what is said to be a stream has a coding */
    void requirePlainStream() throws Failure {
        String coding = coding();
        if (!coding.isEmpty() && isLabelledAsEvents()) {
            throw unsupported(coding);
        }
    }

    /** Whether its first bytes can tell that it is a stream. */
    boolean mayBeEvents() {
        return isSuccess() && coding().isEmpty();
    }

    private String coding() {
        return ContentCoding.of(headers.getOrDefault("content-encoding", ""));
    }

    private Failure unsupported(String coding) {
        var failure = new Failure(ChatError.unusable("unsupported_encoding", "the upstream's answer has the content coding " + quote(coding)
                + ", although the request asks for none: set one that compresses nothing between the two").with(passedOn()));
        return isSuccess() ? failure : failure.withCost(Failure.Cost.REQUEST);
    }

    /**
     * A whole completion, which a stream is not.
     *
     * @param asksForStream whether the request does
     * @throws Failure an error status, an error under a 2xx, a 2xx that is not JSON
     */
    Completion completion(boolean asksForStream) throws Failure {
        if (!isSuccess()) {
            throw error("the upstream's " + status);
        }
        if (isEvents()) {
            throw new Failure(ChatError.unusable("unexpected_stream", "the upstream answered with a stream of events, which the request"
                    + " did not ask for (" + describedBody() + ")").with(passedOn()));
        }
        if (asksForStream && EventStream.kind(body, body.length) == EventStream.Kind.UNDECIDED) {
            throw new Failure(ChatError.incomplete(route, false).with(passedOn()));
        }
        var usage = new UsageReader(route);
        boolean hasFailed = readCompletion(usage);
        var passed = passedOn();
        passed.put("content-type", "application/json");
        return new Completion(status == 201 ? 200 : status, passed, body,
                redacted(usage.usage()).withPrice(headers.get(Usage.PRICE)), hasFailed ? told(body) : null);
    }

    boolean isSuccess() {
        return status >= 200 && status < 300;
    }

    /** Whether its label says that it is a stream of server-sent events. */
    boolean isLabelledAsEvents() {
        return isSuccess() && headers.getOrDefault("content-type", "").toLowerCase(Locale.ROOT).startsWith("text/event-stream");
    }

    /** Whether it is one, by its first bytes, or by its label where they do not tell. */
    private boolean isEvents() {
        return isSuccess() && isEvents(body, body.length);
    }

    /** @param begun the first bytes of the body, {@code length} of them */
    boolean isEvents(byte[] begun, int length) {
        return EventStream.kind(begun, length) == EventStream.Kind.EVENTS
                || isLabelledAsEvents() && !JsonString.beginsObject(begun, length);
    }

    Map<String, String> streamHeaders() {
        var passed = passedOn();
        String label = headers.getOrDefault("content-type", "");
        passed.put("content-type", isLabelledAsEvents() && label.length() <= MAX_QUOTE ? label : "text/event-stream");
        passed.put("cache-control", "no-cache");
        return passed;
    }

    /**
     * What callers need of the headers: the upstream's id of the request, and what it says of limits, retries and cost; as much of it as
     * the front doors take.
     */
    Map<String, String> passedOn() {
        var passed = new TreeMap<String, String>();
        String id = headers.getOrDefault(REQUEST_ID, headers.get("x-inference-id"));
        int left = MAX_HEADERS;
        if (id != null) {
            left = pass(REQUEST_ID, id, passed, left);
        }
        if (headers.containsKey("retry-after")) {
            left = pass("retry-after", headers.get("retry-after"), passed, left);
        }
        for (var header : new TreeMap<>(headers).entrySet()) {
            String name = header.getKey();
            if (name.startsWith("x-ratelimit-") || name.startsWith("ratelimit") || name.startsWith("anthropic-ratelimit-")
                    || name.startsWith("retry-after") || name.startsWith("x-aimlapi-") || name.equals(ChatError.SHOULD_RETRY)) {
                left = pass(name, header.getValue(), passed, left);
            }
        }
        return passed;
    }

    private int pass(String name, String value, Map<String, String> passed, int left) {
        int size = name.length() + JsonString.encodedLength(value.getBytes(StandardCharsets.UTF_8));
        if (passed.containsKey(name) || size > MAX_HEADER || size > left || redaction.isInName(name)) {
            return left;
        }
        passed.put(name, value);
        return left - size;
    }

    /** The same without the key in the model's name, which goes to the log. */
    Usage redacted(Usage usage) {
        return usage.withModel(redaction.of(usage.model()));
    }

    /**
     * Reads the body as what was asked for.
     *
     * @return whether it is a response that has failed, which goes to the caller as it is
     * @throws Failure the body is no JSON, or tells an error
     */
    private boolean readCompletion(UsageReader usage) throws Failure {
        try (JsonParser parser = Json.parser(body)) {
            JsonToken first = parser.nextToken();
            boolean isObject = first == JsonToken.START_OBJECT;
            boolean isError = false;
            boolean hasFailed = false;
            while (isObject && parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                JsonToken value = parser.nextToken();
                isError |= value != JsonToken.VALUE_NULL && name.equals("error");
                hasFailed |= route == Route.RESPONSES && name.equals("status") && parser.getText().equals("failed");
                usage.read(name, parser);
                parser.skipChildren();
            }
            if (route == Route.MODELS && first == JsonToken.START_ARRAY) { // as some upstreams list theirs
                isObject = true;
                parser.skipChildren();
            }
            if (!isObject || parser.nextToken() != null) {
                throw unusable("is not a JSON object");
            }
            if (isError && !hasFailed) {
                throw error("the upstream's " + status);
            }
            return hasFailed;
        } catch (JsonProcessingException e) {
            throw unusable("is not JSON");
        } catch (IOException e) {
            throw new UncheckedIOException(e); // cannot happen: the body is in memory
        }
    }

    private Failure unusable(String what) {
        return new Failure(ChatError.unusable("the upstream answered " + status + " with a body that " + what
                + " (" + describedBody() + ")").with(passedOn())).withCost(isSuccess() ? Failure.Cost.UNKNOWN : Failure.Cost.REQUEST);
    }

    private String describedBody() {
        return body.length + " bytes, content type " + quote(headers.getOrDefault("content-type", "none"));
    }

    private static String quote(String header) {
        return header.length() <= MAX_QUOTE ? header : header.substring(0, MAX_QUOTE) + "...";
    }

    /** What an error in the first event comes to: the status that it names, or 502. */
    Failure firstEvent(byte[] data) {
        int named = UpstreamError.read(data, redaction).status(502);
        return new UpstreamAnswer(route, named, headers, data, redaction, owner).error("an error in the first event, " + named);
    }

    /** An error in a later event, for the log; null where {@code data} is null. */
    ChatError told(byte[] data) {
        return data == null ? null : new UpstreamAnswer(route, 502, headers, data, redaction, owner).told("an error in an event").error();
    }

    private Failure error(String outline) {
        return status == 401 ? new Failure(owner.rejection(passedOn()), Retryability.ANOTHER_KEY, Failure.Cost.REQUEST, outline)
                : told(outline);
    }

    /** The error as the upstream tells it. */
    private Failure told(String outline) {
        var told = UpstreamError.read(body, redaction);
        int answered = status < 400 || status > 599 ? 502 : status; // an error under a 2xx, a redirect, or no HTTP status
        String type = type(answered);
        var error = new ChatError(ChatError.Kind.UpstreamError, answered, type, told.param(), told.code(), message(told.message()))
                .withMembers(told.members(type)).with(passedOn());
        if (!error.headers().containsKey(REQUEST_ID) && told.requestId() != null && told.requestId().length() <= MAX_QUOTE
                && UpstreamKey.fitsHeader(told.requestId())) {
            error = error.with(REQUEST_ID, told.requestId());
        }
        boolean isExhausted = status == 429 && ACCOUNT_EXHAUSTED.stream().anyMatch(told::is);
        boolean isFinal = isExhausted || answered >= 500 && (status < 400 || CLIENT_ERROR.matcher(error.getMessage()).lookingAt());
        var retryability = isExhausted ? Retryability.NEVER : retryability(error);
        // Cloudflare's 524 is a 504 of its own: whoever is behind it has worked on that for long.
        var cost = answered == 504 || answered == 524 ? Failure.Cost.UNKNOWN : Failure.Cost.REQUEST;
        return new Failure(isFinal ? error.notRetryable() : error, retryability, cost, outline);
    }

    /** @param told by the upstream, or null */
    private String message(String told) {
        if (status >= 300 && status < 400) {
            return "the upstream answered " + status + ", a redirect, which is not followed because the key must not travel:"
                    + " set CHAT_URL to the final address";
        }
        if (told != null) {
            return told;
        }
        String met = body.length == 0 ? "an empty body" : "no error message (" + describedBody() + ")";
        return "the upstream answered " + status + " with " + met;
    }

    private Retryability retryability(ChatError error) {
        boolean asksForIt = status == 502 && RetryAfter.of(headers, Instant.now()).isPresent();
        if (status == 429 || status == 503 || status == 529 || asksForIt) {
            return "false".equals(headers.get(ChatError.SHOULD_RETRY)) ? Retryability.ANOTHER_MODEL : Retryability.LATER;
        }
        return isModelGone(error) ? Retryability.MODEL_GONE : Retryability.NEVER;
    }

    private boolean isModelGone(ChatError error) {
        String message = error.getMessage();
        String beginning = message.substring(0, Math.min(message.length(), MAX_GONE));
        boolean mayTell = status == 400 || status == 403 || status == 500 && GONE_ERROR.matcher(message).lookingAt();
        boolean tells = List.of("model_not_found", "model_decommissioned").contains(String.valueOf(error.code()))
                || MODEL_GONE.matcher(beginning).find();
        boolean isOfAnother = route == Route.RESPONSES && OF_ANOTHER.matcher(beginning).find();
        return tells && (mayTell || status == 404) || status == 410 || status == 404 && !isOfAnother;
    }

    private static String type(int status) {
        return switch (status) {
            case 402, 403 -> "permission_error";
            case 408, 504 -> "timeout_error";
            case 429 -> "rate_limit_error";
            case 502 -> "api_error";
            default -> status < 500 ? "invalid_request_error" : "server_error";
        };
    }
}
