package chatlambda.chat;

import chatlambda.json.JsonOut;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/**
 * Why there is no completion, in the form that the OpenAI SDKs parse: {@code {"error":{"message","type","param","code"}}}.
 * The message is written for the caller: what was met, what was expected, what to do next; never a key or a prompt.
 *
 * @see <a href="https://platform.openai.com/docs/guides/error-codes">Error codes</a>
 */
public final class ChatError extends Exception {

    private static final long serialVersionUID = 1;

    /** The code of an upstream's 401. */
    public static final String KEY_REJECTED = "upstream_key_rejected";

    /** The header by which the OpenAI SDKs are told whether to ask again. */
    public static final String SHOULD_RETRY = "x-should-retry";

    private static final String INCOMPLETE = "upstream_incomplete";

    /** What a caller without an HTTP status, another Lambda, tells failures apart by: {@code errorType} is {@code Chat.<name>}. */
    public enum Kind {
        InvalidRequest, UpstreamError, UpstreamTimeout, UpstreamUnreachable, ResponseTooLarge, Overloaded, BudgetExceeded, BudgetUnavailable
    }

    private final Kind kind;
    private final int status;
    private final String type;
    private final String param;
    private final String code;
    private final transient Map<String, String> headers;
    private final transient Map<String, String> members;

    public ChatError(Kind kind, int status, String type, String param, String code, String message) {
        this(kind, status, type, param, code, message, Map.of(), Map.of());
    }

    private ChatError(Kind kind, int status, String type, String param, String code, String message, Map<String, String> headers,
            Map<String, String> members) {
        super(message, null, false, false);
        this.kind = kind;
        this.status = status;
        this.type = type;
        this.param = param;
        this.code = code;
        this.headers = headers;
        this.members = members;
    }

    /** The caller's fault. */
    public static ChatError invalid(int status, String param, String message) {
        return new ChatError(Kind.InvalidRequest, status, "invalid_request_error", param, null, message);
    }

    /** The caller's fault, with a code that programs can act on. */
    public static ChatError refused(int status, String param, String code, String message) {
        String type = status == 403 ? "permission_error" : "invalid_request_error";
        return new ChatError(Kind.InvalidRequest, status, type, param, code, message);
    }

    /** No key, or none that is known; type and code are OpenAI's. */
    public static ChatError unauthorized(String message) {
        return refused(401, null, "invalid_api_key", message);
    }

    public static ChatError unreachable(String message) {
        return new ChatError(Kind.UpstreamUnreachable, 502, "api_error", null, "upstream_unreachable", message);
    }

    /** No answer in time; asking again would cost as much again. */
    public static ChatError timeout(String message) {
        return new ChatError(Kind.UpstreamTimeout, 504, "timeout_error", null, "upstream_timeout", message).notRetryable();
    }

    /**
     * @param size of the whole response, in bytes
     * @param limit the front door's, likewise
     */
    public static ChatError tooLarge(long size, long limit) {
        return new ChatError(Kind.ResponseTooLarge, 502, "api_error", null, "response_too_large", "the answer takes " + size
                + " bytes and this front door passes on at most " + limit
                + ": ask for fewer tokens or inputs, or use a Function URL that streams").notRetryable();
    }

    /** @param limit bytes of the upstream's answer that are read */
    public static ChatError tooLong(int limit) {
        return new ChatError(Kind.ResponseTooLarge, 502, "api_error", null, "response_too_large",
                "the upstream's answer goes on after " + limit + " bytes, and this front door passes on no more: ask for fewer tokens or"
                        + " inputs, or use a Function URL that streams").notRetryable();
    }

    /**
     * Other invocations hold what memory there is for requests and answers.
     *
     * @param paid whether the upstream has answered already: asking again would cost as much again
     */
    public static ChatError overloaded(boolean paid) {
        String advice = "raise chat.max-bytes-in-flight (CHAT_MAX_BYTES_IN_FLIGHT) or the function's memory";
        var error = new ChatError(Kind.Overloaded, 503, "server_error", null, "overloaded", paid
                ? "the answer was given up, since this instance holds as many bytes of other requests and answers as it may: " + advice
                : "this instance holds as many bytes of other requests and answers as it may: ask again in a second, or " + advice);
        return paid ? error.notRetryable() : error.with("retry-after", "1");
    }

    /**
     * A budget of the caller's has no room for the request.
     *
     * @param isRate whether that is one of a minute, which the SDKs may wait for
     * @param mayHelp whether the same request can be answered once the budget begins anew
     * @param seconds until it does
     */
    public static ChatError budgetExceeded(boolean isRate, boolean mayHelp, String message, long seconds) {
        var error = new ChatError(Kind.BudgetExceeded, 429, isRate ? "rate_limit_error" : "insufficient_quota", null,
                isRate ? "rate_limit_exceeded" : "budget_exceeded", message).with("retry-after", Long.toString(seconds));
        return isRate && mayHelp ? error : error.notRetryable();
    }

    /** Whether the caller's budgets have room for the request cannot be found out. */
    public static ChatError budgetUnavailable(String message) {
        return new ChatError(Kind.BudgetUnavailable, 503, "server_error", null, "budget_unavailable", message);
    }

    /** An upstream 2xx that is no completion. */
    public static ChatError unusable(String message) {
        return unusable(null, message);
    }

    /** The same with a code that programs can act on. */
    public static ChatError unusable(String code, String message) {
        return new ChatError(Kind.UpstreamError, 502, "api_error", null, code, message).notRetryable();
    }

    /**
     * A stream that ended before its answer did.
     *
     * @param begun whether there was an event at all
     */
    public static ChatError incomplete(Route route, boolean begun) {
        if (!begun) {
            return unusable(INCOMPLETE, "the upstream's stream ended without an event: ask again");
        }
        return unusable(INCOMPLETE, "the upstream's stream ended before its answer did, without " + (route == Route.RESPONSES
                ? "response.completed, response.failed or response.incomplete" : "[DONE] and without a finish_reason for each choice")
                + ": ask again");
    }

    /** The same with these headers too, which go with the answer. That asking again is of no use stays said. */
    public ChatError with(Map<String, String> more) {
        var all = new TreeMap<>(headers);
        all.putAll(more);
        if ("false".equals(headers.get(SHOULD_RETRY))) {
            all.put(SHOULD_RETRY, "false");
        }
        return new ChatError(kind, status, type, param, code, getMessage(), all, members);
    }

    public ChatError with(String name, String value) {
        return with(Map.of(name, value));
    }

    /** @param more members of the error object by name, each as JSON: {@code "name":value} */
    public ChatError withMembers(Map<String, String> more) {
        var all = new LinkedHashMap<>(members);
        all.putAll(more);
        return new ChatError(kind, status, type, param, code, getMessage(), headers, all);
    }

    /** Tells the SDKs, which ask again after any 5xx, that asking again cannot help, or would cost as much again. */
    public ChatError notRetryable() {
        return with(SHOULD_RETRY, "false");
    }

    public Kind kind() {
        return kind;
    }

    /** Of the HTTP answer. */
    public int status() {
        return status;
    }

    public String type() {
        return type;
    }

    public String code() {
        return code;
    }

    /** By lower-case name; not to be changed. */
    public Map<String, String> headers() {
        return headers;
    }

    /** The same with more to say at the message's end. */
    public ChatError withAdvice(String advice) {
        return new ChatError(kind, status, type, param, code, getMessage() + advice, headers, members);
    }

    /** The body: one JSON object. */
    public byte[] json() {
        return new JsonOut(512 + getMessage().length()).raw("{").raw(member()).raw("}").toBytes();
    }

    /** The data of an event of type {@code error} in a response's stream. */
    byte[] responseEvent(long sequence) {
        return new JsonOut(1024 + 2 * getMessage().length()).raw("{\"type\":\"error\",\"code\":").string(code).raw(",\"message\":")
                .string(getMessage()).raw(",\"param\":").string(param).raw(",\"sequence_number\":").raw(Long.toString(sequence)).raw(",")
                .raw(member()).raw("}").toBytes();
    }

    private JsonOut member() {
        var out = new JsonOut(512 + getMessage().length());
        out.raw("\"error\":{\"message\":").string(getMessage()).raw(",\"type\":").string(type).raw(",\"param\":").string(param)
                .raw(",\"code\":").string(code);
        for (String member : members.values()) {
            byte[] more = member.getBytes(StandardCharsets.UTF_8);
            out.raw(",").raw(more, 0, more.length);
        }
        return out.raw("}");
    }
}
