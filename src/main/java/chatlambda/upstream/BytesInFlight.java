package chatlambda.upstream;

import java.io.Closeable;
import java.util.concurrent.atomic.AtomicLong;

/**
 * How many bytes of requests and whole answers all invocations together hold in memory, and may. One that alone holds any may hold as many
 * as it likes. For any thread; nobody waits.
 */
public final class BytesInFlight {

    /** What a closed share holds. */
    private static final long CLOSED = -1;

    private final long max;
    private final AtomicLong all = new AtomicLong();

    /** @param max bytes that may be held while more than one invocation holds any */
    public BytesInFlight(long max) {
        this.max = max;
    }

    /** For one invocation, which holds nothing yet. */
    public Share begin() {
        return new Share();
    }

    /** What one invocation holds. The worker and its upstream's event loop may use it at once. */
    public final class Share implements Closeable {

        private final AtomicLong mine = new AtomicLong();

        private Share() {
        }

        /**
         * Holds so many more, until it is closed.
         *
         * @return false: there is no room for them, or it is closed; nothing has changed then
         */
        public boolean take(long bytes) {
            long held = mine.get();
            long now;
            do {
                now = all.get();
                boolean othersHoldAny = now > held;
                if (held == CLOSED || othersHoldAny && now + bytes > max) {
                    return false;
                }
            } while (!all.compareAndSet(now, now + bytes));
            if (mine.compareAndSet(held, held + bytes)) { // one thread after the other takes, so that only its end can come between
                return true;
            }
            all.addAndGet(-bytes);
            return false;
        }

        @Override
        public void close() {
            long held = mine.getAndSet(CLOSED);
            if (held > 0) {
                all.addAndGet(-held);
            }
        }
    }
}
