package chatlambda.chat;

import chatlambda.json.JsonOut;
import java.nio.charset.StandardCharsets;
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

    /** What a caller without an HTTP status, another Lambda, tells failures apart by: {@code errorType} is {@code Chat.<name>}. */
    public enum Kind {
        InvalidRequest, UpstreamError, UpstreamTimeout, UpstreamUnreachable, ResponseTooLarge
    }

    private final Kind kind;
    private final int status;
    private final String type;
    private final String param;
    private final String code;
    private final transient Map<String, String> headers;
    private final String members;

    public ChatError(Kind kind, int status, String type, String param, String code, String message) {
        this(kind, status, type, param, code, message, Map.of(), "");
    }

    private ChatError(Kind kind, int status, String type, String param, String code, String message, Map<String, String> headers,
            String members) {
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
                + ": ask for fewer tokens, or stream the answer from a Function URL").notRetryable();
    }

    public static ChatError tooLong(int limit) {
        return new ChatError(Kind.ResponseTooLarge, 502, "api_error", null, "response_too_large",
                "the upstream's answer goes on after " + limit + " bytes, and no more of one are read: ask for fewer tokens")
                .notRetryable();
    }

    /** An upstream 2xx that is no completion. */
    public static ChatError unusable(String message) {
        return new ChatError(Kind.UpstreamError, 502, "api_error", null, null, message).notRetryable();
    }

    /** The same with these headers too, which go with the answer. */
    public ChatError with(Map<String, String> more) {
        var all = new TreeMap<>(headers);
        all.putAll(more);
        return new ChatError(kind, status, type, param, code, getMessage(), all, members);
    }

    public ChatError with(String name, String value) {
        return with(Map.of(name, value));
    }

    /** @param more members of the error object, each as {@code ,"name":value} */
    public ChatError withMembers(String more) {
        return new ChatError(kind, status, type, param, code, getMessage(), headers, more);
    }

    /** Tells the SDKs, which ask again after any 5xx, that asking again cannot help, or would cost as much again. */
    public ChatError notRetryable() {
        return with("x-should-retry", "false");
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

    /** The body: one JSON object. */
    public byte[] json() {
        var out = new JsonOut(256 + getMessage().length() + members.length());
        out.raw("{\"error\":{\"message\":").string(getMessage()).raw(",\"type\":").string(type).raw(",\"param\":").string(param)
                .raw(",\"code\":").string(code);
        byte[] more = members.getBytes(StandardCharsets.UTF_8);
        return out.raw(more, 0, more.length).raw("}}").toBytes();
    }
}
