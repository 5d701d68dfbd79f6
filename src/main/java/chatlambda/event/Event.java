package chatlambda.event;

import java.util.Map;

/** What Lambda delivers: one record for each front door that can be told apart by the event alone. */
public sealed interface Event permits Event.Http, Direct {

    /** The content type of a streamed answer that begins with a prelude. */
    String PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response";

    /** @throws UnsupportedEvent neither an HTTP request nor a chat request; the message says what it was taken for */
    static Event read(byte[] event) throws UnsupportedEvent {
        return EventReader.read(event);
    }

    /**
     * The chat request as the caller sent it, in its own bytes.
     *
     * @throws IllegalArgumentException not base64 where the event says so, or half of a surrogate pair
     */
    byte[] body();

    /** What the front door is called in the log. */
    String door();

    /** An HTTP request by way of a front door, which expects the answer in an envelope of its own. */
    sealed interface Http extends Event permits HttpApi, RestApi, Alb {

        String method();

        /** The path under which the chat route would be found: without stage and base path. */
        String path();

        /** By lower-case name; of a repeated header the last value, or all of them joined with commas. */
        Map<String, String> headers();

        /** The whole response that the front door turns into HTTP. */
        default byte[] reply(int status, Map<String, String> headers, byte[] body) {
            return Envelope.of(status, headers, body);
        }

        /**
         * What goes ahead of a streamed body: status and headers, which must be strings, in JSON without a NUL, then eight NULs.
         *
         * @see <a href="https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html">Set up a
         *      Lambda proxy integration with response streaming</a>
         */
        default byte[] prelude(int status, Map<String, String> headers) {
            return Envelope.prelude(status, headers);
        }

        /** How large {@link #reply} may be, in bytes. */
        default int replyLimit() {
            return Envelope.LAMBDA_LIMIT;
        }

        /** A probe of the front door's own, to be answered 200 without any work. */
        default boolean isHealthCheck() {
            return false;
        }
    }
}
