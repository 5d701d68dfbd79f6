package chatlambda.chat;

import java.time.Duration;
import java.util.Map;

/** A key that goes upstream. Any thread may call. */
public interface UpstreamKey {

    /** Whether a header can carry that as it is: visible ASCII only. */
    static boolean fitsHeader(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) <= ' ' || text.charAt(i) > '~') {
                return false;
            }
        }
        return true;
    }

    /** Never null. It may be another one after {@link #renew}. */
    String value();

    /**
     * Called after the upstream has refused the key.
     *
     * @param refused the key that was: meanwhile it may be another one
     * @param limit how long the caller can wait
     * @return whether it is another one now
     */
    default boolean renew(String refused, Duration limit) {
        return false;
    }

    /**
     * What a caller is told when the upstream has refused this key.
     *
     * @param headers of the upstream's answer, those that are passed on
     */
    default ChatError rejection(Map<String, String> headers) {
        return new ChatError(ChatError.Kind.UpstreamError, 500, "server_error", null, ChatError.KEY_REJECTED,
                "the upstream rejected this function's own key: set CHAT_API_KEY to a valid one").with(headers).notRetryable();
    }
}
