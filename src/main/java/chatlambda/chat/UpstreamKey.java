package chatlambda.chat;

import java.time.Duration;

/** The key that goes upstream. */
public interface UpstreamKey {

    String value();

    /**
     * After the upstream has refused it.
     *
     * @param limit how long that may take
     * @return whether it is another one now
     */
    default boolean renew(Duration limit) {
        return false;
    }
}
