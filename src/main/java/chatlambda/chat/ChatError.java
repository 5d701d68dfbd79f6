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

    /** What may be done about it without paying twice. */
    public enum Recourse {
        /** Nothing: something may have been generated, or the same would come again. */
        NONE,
        /** Not a byte of the request went out: its connection closed in that moment. There is another, and this was no request. */
        UNSENT,
        /** The request was not read: its connection had been closed before. */
        AT_ONCE,
        /** There was no connection. */
        CONNECT,
        /** The upstream has no room now. */
        LATER,
        /** This model is not to be had. */
        ANOTHER_MODEL,
        /** The key was refused, before anything was generated. */
        ANOTHER_KEY;

        /** One that cannot be reached for one model cannot be for another. */
        public boolean anotherModel() {
            return this == LATER || this == ANOTHER_MODEL;
        }
    }

    private final Kind kind;
    private final int status;
    private final String type;
    private final String param;
    private final String code;
    private final transient Map<String, String> headers = new TreeMap<>();
    private String more = "";
    private Recourse recourse = Recourse.NONE;
    private String outline;

    public ChatError(Kind kind, int status, String type, String param, String code, String message) {
        super(message, null, false, false);
        this.kind = kind;
        this.status = status;
        this.type = type;
        this.param = param;
        this.code = code;
    }

    /** The caller's fault. */
    public static ChatError invalid(int status, String param, String message) {
        return new ChatError(Kind.InvalidRequest, status, "invalid_request_error", param, null, message);
    }

    /** The caller's fault, with a code by which a program can tell which. */
    public static ChatError refused(int status, String param, String code, String message) {
        return new ChatError(Kind.InvalidRequest, status, status == 403 ? "permission_error" : "invalid_request_error", param, code, message);
    }

    /** Nobody that is known, as OpenAI says it. */
    public static ChatError unauthorized(String message) {
        return refused(401, null, "invalid_api_key", message);
    }

    public static ChatError unreachable(String message) {
        return new ChatError(Kind.UpstreamUnreachable, 502, "api_error", null, "upstream_unreachable", message);
    }

    /** No answer in time; asking again would cost as much again. */
    public static ChatError timeout(String message) {
        return new ChatError(Kind.UpstreamTimeout, 504, "timeout_error", null, "upstream_timeout", message).hopeless();
    }

    /**
     * @param size of the whole response, in bytes
     * @param limit the front door's, likewise
     */
    public static ChatError tooLarge(long size, long limit) {
        return new ChatError(Kind.ResponseTooLarge, 502, "api_error", null, "response_too_large", "the answer takes " + size
                + " bytes and this front door passes on at most " + limit
                + ": ask for fewer tokens, or stream the answer from a Function URL").hopeless();
    }

    public static ChatError tooLong(int limit) {
        return new ChatError(Kind.ResponseTooLarge, 502, "api_error", null, "response_too_large",
                "the upstream's answer goes on after " + limit + " bytes, and no more of one are read: ask for fewer tokens").hopeless();
    }

    /** An upstream 2xx that is no completion. */
    public static ChatError unusable(String message) {
        return new ChatError(Kind.UpstreamError, 502, "api_error", null, null, message).hopeless();
    }

    /** A header to go with the answer. */
    public ChatError with(String name, String value) {
        headers.put(name, value);
        return this;
    }

    /** @param members further members of the error object, each as {@code ,"name":value} */
    public ChatError withMembers(String members) {
        more = members;
        return this;
    }

    /** Tells the SDKs, which ask again after any 5xx, that it cannot help, or would cost as much again. */
    public ChatError hopeless() {
        return with("x-should-retry", "false");
    }

    public ChatError with(Recourse found) {
        recourse = found;
        return this;
    }

    public Recourse recourse() {
        return recourse;
    }

    /** For the log: what happened, in words of ours; the message of an upstream may quote a prompt. */
    public ChatError withOutline(String text) {
        outline = text;
        return this;
    }

    public String outline() {
        return outline == null ? getMessage() : outline;
    }

    public Kind kind() {
        return kind;
    }

    public int status() {
        return status;
    }

    public String type() {
        return type;
    }

    public String code() {
        return code;
    }

    public Map<String, String> headers() {
        return headers;
    }

    /** The body: one JSON object. */
    public byte[] json() {
        var out = new JsonOut(256 + getMessage().length() + more.length());
        out.raw("{\"error\":{\"message\":").string(getMessage()).raw(",\"type\":").string(type).raw(",\"param\":").string(param)
                .raw(",\"code\":").string(code);
        byte[] members = more.getBytes(StandardCharsets.UTF_8);
        return out.raw(members, 0, members.length).raw("}}").toBytes();
    }
}
