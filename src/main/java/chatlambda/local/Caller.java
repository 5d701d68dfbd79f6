package chatlambda.local;

import java.io.IOException;

/** Takes the answer of an invocation as it arrives. While a method runs, no more of the answer is read from the function. */
public interface Caller {

    Caller NONE = chunk -> {
    };

    /** @param contentType as the function posted it */
    default void begin(String contentType) throws IOException {
    }

    void chunk(byte[] chunk) throws IOException;
}
