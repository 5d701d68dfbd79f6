package chatlambda.event;

import chatlambda.json.JsonOut;
import chatlambda.json.JsonString;

/** The parts that the response documents of all front doors share. */
final class Envelope {

    /** 6 MB and 100 bytes: the largest buffered response that Lambda takes. It refuses a larger one with 413. */
    static final int LAMBDA_LIMIT = 6 * 1024 * 1024 + 100;

    private static final String TEXT = ",\"isBase64Encoded\":false}";
    private static final String BASE64 = ",\"isBase64Encoded\":true}";

    private Envelope() {
    }

    static JsonOut begin(int status) {
        return new JsonOut(512).raw("{\"statusCode\":").raw(Integer.toString(status));
    }

    /** Completes the document with the body, byte for byte. A body that is not UTF-8 goes in base64, because JSON cannot carry it. */
    static byte[] end(JsonOut out, byte[] body) {
        out.raw(",\"body\":");
        if (JsonString.isUtf8(body)) {
            return out.string(body, TEXT.length()).raw(TEXT).toBytes();
        }
        return out.base64(body, BASE64.length()).raw(BASE64).toBytes();
    }
}
