package chatlambda.upstream;

import chatlambda.chat.ChatError;
import chatlambda.chat.EventStream;
import chatlambda.chat.UpstreamKey;
import chatlambda.chat.Usage;
import chatlambda.chat.UsageReader;
import chatlambda.json.Json;
import chatlambda.upstream.Failure.Retryability;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * What the upstream answered, byte for byte, and its reading: a completion, or an error in whatever form.
 *
 * @param headers by lower-case name
 * @param key that was sent, which an upstream may quote: it is taken out of headers and errors, while a completion stays as it is
 * @param owner whose key that was
 */
record UpstreamAnswer(int status, Map<String, String> headers, byte[] body, String key, UpstreamKey owner) {

    /** AI/ML API's 500 for a model's own 4xx: "400 Unable to access model gpt-4o-mini. " (aimlapi/api-docs#3). */
    private static final Pattern CLIENT_ERROR = Pattern.compile("\\s*4(?!08|09|29)\\d\\d\\b");
    private static final Pattern MODEL_GONE = Pattern.compile("no longer available|unable to access model", Pattern.CASE_INSENSITIVE);

    private static final String QUOTED = "[key]";
    /** Characters of an error's further members: an error larger than Lambda takes would reach nobody. */
    private static final int MAX_MEMBERS = 64_000;

    UpstreamAnswer {
        for (String value : headers.values()) {
            if (value.contains(key)) {
                headers = new TreeMap<>(headers);
                headers.replaceAll((name, each) -> each.replace(key, QUOTED));
                break;
            }
        }
    }

    /** @throws Failure an error status, an error under a 2xx, or a 2xx that is not JSON */
    Completion completion() throws Failure {
        if (status < 200 || status > 299) {
            throw error();
        }
        if (isCompletionStream()) {
            byte[] events = ended(body);
            return new Completion(200, streamHeaders(), events, UsageReader.ofEvents(events).withPrice(headers.get(Usage.PRICE)));
        }
        Usage usage = usageOfCompletion();
        var passed = passedOn();
        passed.put("content-type", "application/json");
        return new Completion(status == 201 ? 200 : status, passed, body, usage.withPrice(headers.get(Usage.PRICE)));
    }

    /** A 2xx with server-sent events. */
    boolean isCompletionStream() {
        String type = headers.getOrDefault("content-type", "").toLowerCase(Locale.ROOT);
        return status >= 200 && status < 300 && type.startsWith("text/event-stream");
    }

    Map<String, String> streamHeaders() {
        var passed = passedOn();
        passed.put("content-type", headers.getOrDefault("content-type", "text/event-stream"));
        passed.put("cache-control", "no-cache");
        return passed;
    }

    private static byte[] ended(byte[] events) {
        var stream = new EventStream();
        int length = stream.accept(events);
        byte[] missing = stream.end();
        if (length == events.length && missing.length == 0) {
            return events;
        }
        byte[] whole = Arrays.copyOf(events, length + missing.length);
        System.arraycopy(missing, 0, whole, length, missing.length);
        return whole;
    }

    /** What callers need of the headers: the upstream's id of the request, and what it says of limits, retries and cost. */
    Map<String, String> passedOn() {
        var passed = new TreeMap<String, String>();
        headers.forEach((name, value) -> {
            if (name.startsWith("x-ratelimit-") || name.startsWith("ratelimit") || name.startsWith("retry-after")
                    || name.startsWith("x-aimlapi-") || name.equals("x-should-retry")) {
                passed.put(name, value);
            }
        });
        String id = headers.getOrDefault("x-request-id", headers.get("x-inference-id"));
        if (id != null) {
            passed.put("x-request-id", id);
        }
        return passed;
    }

    /** @throws Failure the body is no completion */
    private Usage usageOfCompletion() throws Failure {
        var usage = new UsageReader();
        try (JsonParser parser = Json.parser(body)) {
            boolean isObject = parser.nextToken() == JsonToken.START_OBJECT;
            boolean isError = false;
            while (isObject && parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                isError |= parser.nextToken() != JsonToken.VALUE_NULL && name.equals("error");
                usage.read(name, parser);
                parser.skipChildren();
            }
            if (!isObject || parser.nextToken() != null) {
                throw unusable("is not a JSON object");
            }
            if (isError) {
                throw error();
            }
            return usage.usage();
        } catch (JsonProcessingException e) {
            throw unusable("is not JSON");
        } catch (IOException e) {
            throw new UncheckedIOException(e); // cannot happen: the body is in memory
        }
    }

    private Failure unusable(String what) {
        return new Failure(ChatError.unusable("the upstream answered " + status + " with a body that " + what
                + " (" + describedBody() + ")").with(passedOn()));
    }

    private String describedBody() {
        return body.length + " bytes, content type " + headers.getOrDefault("content-type", "none");
    }

    private Failure error() {
        String outline = "the upstream's " + status;
        if (status == 401) {
            return new Failure(owner.rejection(passedOn()), Retryability.ANOTHER_KEY, outline);
        }
        var told = UpstreamError.read(withoutKey());
        int answered = status < 400 || status > 599 ? 502 : status; // an error under a 2xx, a redirect, or no HTTP status
        String type = type(answered);
        String members = told.members(type);
        ChatError error = new ChatError(ChatError.Kind.UpstreamError, answered, type, told.param(), told.codeOrId(),
                message(told.message())).withMembers(members.length() > MAX_MEMBERS ? "" : members).with(passedOn());
        boolean hopeless = answered >= 500 && (status < 400 || CLIENT_ERROR.matcher(error.getMessage()).lookingAt());
        return new Failure(hopeless ? error.notRetryable() : error, retryability(error.getMessage(), told.code()), outline);
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

    /** The body, for an error, with the key taken out as it is and as some write it in JSON. */
    private byte[] withoutKey() {
        String text = new String(body, StandardCharsets.ISO_8859_1); // each byte a character, and the same byte again
        return text.replace(key, QUOTED).replace(key.replace("/", "\\/"), QUOTED).getBytes(StandardCharsets.ISO_8859_1);
    }

    private Retryability retryability(String message, String code) {
        if (status == 429 || status == 502 || status == 503) {
            return "false".equals(headers.get("x-should-retry")) ? Retryability.ANOTHER_MODEL : Retryability.LATER;
        }
        boolean gone = status == 404 || status >= 400 && ("model_not_found".equals(code) || MODEL_GONE.matcher(message).find());
        return gone ? Retryability.ANOTHER_MODEL : Retryability.NEVER;
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
