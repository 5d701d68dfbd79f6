package chatlambda.local;

import java.io.IOException;

/** Who invoked the function, told of the answer as it arrives; a caller that is slow to return slows the function. */
public interface Caller {

    Caller NONE = chunk -> {
    };

    /** @param contentType as the function posted it */
    default void begin(String contentType) throws IOException {
    }

    void chunk(byte[] chunk) throws IOException;
}
