package chatlambda.local;

import java.io.IOException;

/**
 * Takes a function's answer as it comes, on the thread that reads it: a method that does not return holds the function up. Its
 * exceptions are logged and change nothing.
 */
public interface Caller {

    /** Takes nothing: the {@link Outcome} is enough. */
    Caller NONE = chunk -> {
    };

    /**
     * The answer begins.
     *
     * @param contentType as the function posted it; may be null
     */
    default void begin(String contentType) throws IOException {
    }

    /** The next bytes of the answer. */
    void chunk(byte[] chunk) throws IOException;
}
