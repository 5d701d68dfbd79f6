package chatlambda.event;

/** A chat request of its own, from another Lambda or {@code aws lambda invoke}: the answer is the completion itself. */
public record Direct(byte[] body) implements Event {
}
