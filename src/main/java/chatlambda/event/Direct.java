package chatlambda.event;

/** A chat request of its own, from another Lambda or {@code aws lambda invoke}: the answer is the completion itself. */
public record Direct(byte[] body) implements Event {

    /** How large the answer may be, in bytes, unless it is streamed. */
    public static final int REPLY_LIMIT = Envelope.LAMBDA_LIMIT;

    @Override
    public String door() {
        return "direct";
    }
}
