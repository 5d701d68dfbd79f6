package chatlambda.event;

import chatlambda.json.JsonOut;
import chatlambda.json.JsonString;

import java.util.Map;

/** What the front doors' response documents have in common. */
final class Envelope {

    /** 6 MB and 100 bytes: what Lambda takes as a buffered response; more is refused with 413. */
    static final int LAMBDA_LIMIT = 6 * 1024 * 1024 + 100;

    private static final String TEXT = ",\"isBase64Encoded\":false}";
    private static final String BASE64 = ",\"isBase64Encoded\":true}";

    private Envelope() {
    }

    /** What API Gateway and Function URLs take alike: no multi-value headers, since no answer of ours repeats a header. */
    static byte[] of(int status, Map<String, String> headers, byte[] body) {
        var out = new JsonOut(512).raw("{\"statusCode\":").raw(Integer.toString(status));
        return body(out.raw(",\"headers\":").strings(headers, "", ""), body);
    }

    /** Completes the document with the body, byte for byte: in base64 where it is not UTF-8, which JSON could not carry. */
    static byte[] body(JsonOut out, byte[] body) {
        out.raw(",\"body\":");
        return JsonString.isUtf8(body)
                ? out.string(body, TEXT.length()).raw(TEXT).toBytes()
                : out.base64(body, BASE64.length()).raw(BASE64).toBytes();
    }

    static byte[] prelude(int status, Map<String, String> headers) {
        return new JsonOut(512).raw("{\"statusCode\":").raw(Integer.toString(status)).raw(",\"headers\":").strings(headers, "", "")
                .raw("}\0\0\0\0\0\0\0\0").toBytes();
    }

    static String reason(int status) {
        return switch (status) {
            case 200 -> "OK";
            case 400 -> "Bad Request";
            case 401 -> "Unauthorized";
            case 402 -> "Payment Required";
            case 403 -> "Forbidden";
            case 404 -> "Not Found";
            case 405 -> "Method Not Allowed";
            case 408 -> "Request Timeout";
            case 409 -> "Conflict";
            case 413 -> "Content Too Large";
            case 415 -> "Unsupported Media Type";
            case 422 -> "Unprocessable Content";
            case 429 -> "Too Many Requests";
            case 500 -> "Internal Server Error";
            case 502 -> "Bad Gateway";
            case 503 -> "Service Unavailable";
            case 504 -> "Gateway Timeout";
            default -> status < 300 ? "OK" : status < 500 ? "Client Error" : "Server Error";
        };
    }
}
