package chatlambda.runtime;

import java.io.Closeable;
import java.time.Duration;

/** What becomes of an invocation that does not fail. */
public sealed interface Response {

    /** One document, at most 6 MB: Lambda's limit for a buffered response. */
    record Whole(String contentType, byte[] document) implements Response {
    }

    /** Bytes as they come, at most 200 MB. */
    record Streamed(String contentType, Chunks chunks) implements Response {
    }

    /** What the loop pulls a streamed response from, and closes, whatever happens. For one thread. */
    interface Chunks extends Closeable {

        /**
         * The next bytes, to go out in one write; empty: none came within {@code patience}; null: the end.
         *
         * @throws FunctionError the response breaks off: what goes into its trailers, and the bytes that go out before them
         */
        byte[] next(Duration patience) throws FunctionError;

        @Override
        default void close() {
        }

        /** Those, one after the other. */
        static Chunks of(byte[]... all) {
            return new Chunks() {
                private int given;

                @Override
                public byte[] next(Duration patience) {
                    while (given < all.length && all[given].length == 0) {
                        given++;
                    }
                    return given < all.length ? all[given++] : null;
                }
            };
        }
    }
}
