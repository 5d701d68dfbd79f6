package chatlambda.event;

/** An event that is neither an HTTP request nor a chat request. The message is for the operator: it says what the event is. */
public final class UnsupportedEvent extends Exception {

    private static final long serialVersionUID = 1;

    UnsupportedEvent(String met) {
        super(met + " is not a chat request: send {\"messages\": [...]} or an HTTP request from API Gateway, a Function URL"
                + " or an ALB", null, false, false);
    }
}
