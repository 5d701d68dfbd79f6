package chatlambda.event;

import chatlambda.json.JsonString;
import java.util.Base64;
import java.util.Map;

/** What Lambda delivers, and the form of the response it expects: one record for each front door that the event alone can tell apart. */
public sealed interface Event permits Event.Http, Direct, Warmup {

    /** The content type of a streamed response that begins with a prelude. */
    String PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response";

    /** @throws UnsupportedEvent neither an HTTP request nor a chat request; the message says what was met */
    static Event read(byte[] event) throws UnsupportedEvent {
        return EventReader.read(event);
    }

    /**
     * The chat request as the caller sent it, in its own bytes.
     *
     * @throws IllegalArgumentException no text, not base64 where the event says so, or half of a surrogate pair
     */
    byte[] body();

    /** The front door's name in the log. */
    String door();

    /**
     * The content type of the response to Lambda.
     *
     * @param streamed whether the response is a prelude and what follows it, not a whole reply
     * @param answers the content type of the answer to the caller
     */
    String contentType(boolean streamed, String answers);

    /** The whole response to Lambda, in the form that the front door turns into an answer. */
    byte[] reply(int status, Map<String, String> headers, byte[] body);

    /** What goes ahead of a streamed body; empty if nothing does. */
    byte[] prelude(int status, Map<String, String> headers);

    /** The largest {@link #reply} that is accepted, in bytes. A streamed response has no such limit. */
    default int replyLimit() {
        return Envelope.LAMBDA_LIMIT;
    }

    /** True if the front door itself sent the request to see whether the function is well. It is to be answered with 200 and no work. */
    default boolean isHealthCheck() {
        return false;
    }

    /** An HTTP request by way of a front door, which expects status, headers and body in a JSON document. */
    sealed interface Http extends Event permits PayloadV2, PayloadV1, Alb {

        /** In upper case; empty if the event has none. */
        String method();

        /** As the event has it, with a stage or base path where that is part of it; {@code /} if there is none. */
        String path();

        /** By lower-case name. A repeated header has all its values joined with commas, as far as the front door sends them. */
        Map<String, String> headers();

        /** Where the event has what {@link #body} returns. */
        Body content();

        @Override
        default byte[] body() {
            return content().decode();
        }

        @Override
        default String contentType(boolean streamed, String answers) {
            return streamed ? PRELUDE_TYPE : "application/json";
        }

        /** The form that API Gateway and Function URLs share. It has no multi-value headers, because no answer repeats a header. */
        @Override
        default byte[] reply(int status, Map<String, String> headers, byte[] body) {
            return Envelope.end(Envelope.begin(status).raw(",\"headers\":").strings(headers, "", ""), body);
        }

        /**
         * Status and headers in JSON, then eight NULs. The JSON itself must have no NUL, and each header must be a string.
         *
         * @see <a href="https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html">Set up a
         *      Lambda proxy integration with response streaming</a>
         */
        @Override
        default byte[] prelude(int status, Map<String, String> headers) {
            return Envelope.begin(status).raw(",\"headers\":").strings(headers, "", "").raw("}\0\0\0\0\0\0\0\0").toBytes();
        }

        /**
         * Where an event has the request's body. It is decoded only on demand, so that a refused request costs nothing.
         *
         * @param event the whole event
         * @param quote position of the body's opening quote, or -1 if the body is absent or null
         * @param kind what the body is, if neither of that nor a text, which a front door would send; else null
         * @param base64 whether the body is in base64, which a front door uses for what it does not take for text
         */
        record Body(byte[] event, int quote, String kind, boolean base64) {

            private byte[] decode() {
                if (kind != null) {
                    throw new IllegalArgumentException("the event's body is " + kind + ", and front doors send a string: put the request's"
                            + " JSON in one");
                }
                byte[] text = quote < 0 ? new byte[0] : JsonString.decode(event, quote);
                return base64 ? Base64.getDecoder().decode(text) : text;
            }
        }
    }
}
