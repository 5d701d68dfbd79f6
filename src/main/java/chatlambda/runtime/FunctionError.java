package chatlambda.runtime;

/** An invocation that ends as a function error; what the caller gets to see of it. */
public final class FunctionError extends Exception {

    private static final long serialVersionUID = 1;

    private final String type;
    private final transient byte[] last;

    /** @param type {@code Category.Reason} */
    public FunctionError(String type, String message) {
        this(type, message, new byte[0]);
    }

    /** @param last bytes of a streamed response that go out before the error is told in its trailers */
    public FunctionError(String type, String message, byte[] last) {
        super(message, null, false, false);
        this.type = type;
        this.last = last;
    }

    String type() {
        return type;
    }

    byte[] last() {
        return last;
    }
}
