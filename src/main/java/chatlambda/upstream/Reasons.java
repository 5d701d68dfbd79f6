package chatlambda.upstream;

import io.netty.channel.ConnectTimeoutException;
import io.netty.handler.codec.DecoderException;
import io.netty.handler.codec.TooLongFrameException;
import io.netty.handler.ssl.NotSslRecordException;
import io.vertx.core.http.HttpClosedException;
import jakarta.ws.rs.ProcessingException;
import java.net.UnknownHostException;
import java.nio.channels.ClosedChannelException;
import java.time.Duration;
import java.util.concurrent.CompletionException;
import javax.net.ssl.SSLException;

/**
 * Puts into words why the upstream gave no answer: never in those of an exception that might quote it.
 *
 * @param host of the upstream, with its port where that is not the scheme's own
 */
record Reasons(String host, Duration connectTimeout) {

    String of(Throwable failure) {
        return "cannot reach the upstream " + host + ": " + cause(failure);
    }

    String late(Deadline deadline) {
        return "no answer from " + host + " within " + seconds(deadline.span()) + ": " + deadline.remedy();
    }

    static String seconds(Duration duration) {
        return duration.toMillis() / 1000.0 + " s";
    }

    private String cause(Throwable failure) {
        Throwable cause = failure;
        while (cause.getCause() != null && (cause instanceof CompletionException || cause instanceof ProcessingException
                || cause.getCause() instanceof SSLException)) {
            cause = cause.getCause();
        }
        if (cause instanceof UnknownHostException) {
            return "its name is not known (check CHAT_URL)";
        }
        if (cause instanceof UpstreamCodec.Refused) {
            return cause.getMessage();
        }
        if (cause instanceof SSLException) {
            return "TLS failed: " + tls(cause);
        }
        if (cause instanceof ConnectTimeoutException) {
            return "no connection within " + seconds(connectTimeout) + " (chat.connect-timeout, CHAT_CONNECT_TIMEOUT)";
        }
        if (cause instanceof IllegalArgumentException || cause instanceof DecoderException && !(cause instanceof TooLongFrameException)) {
            return "its answer is not HTTP"; // the message would quote it
        }
        if (isClosed(cause)) {
            return "it closed the connection before its answer was complete";
        }
        return cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
    }

    /** What is wrong with TLS, as the innermost of the exceptions that says anything says it. */
    private String tls(Throwable failure) {
        String words = "it closed the connection in the handshake";
        if (root(failure) instanceof ClosedChannelException) {
            return words;
        }
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof NotSslRecordException) { // its message would quote the answer
                return "its answer is not TLS (check CHAT_URL: is it http://" + host + "?)";
            }
            words = cause.getMessage() != null ? cause.getMessage() : words;
        }
        return words;
    }

    static boolean isClosed(Throwable failure) {
        Throwable root = root(failure);
        return root instanceof HttpClosedException || root instanceof ClosedChannelException
                || "Connection was closed".equals(root.getMessage());
    }

    static Throwable root(Throwable failure) {
        Throwable root = failure;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        return root;
    }
}
