package chatlambda.completion;

import io.quarkus.rest.client.reactive.QuarkusRestClientBuilder;
import io.quarkus.tls.TlsConfiguration;
import io.smallrye.mutiny.TimeoutException;
import io.vertx.core.http.HttpClosedException;
import jakarta.ws.rs.ProcessingException;
import jakarta.ws.rs.core.MultivaluedHashMap;
import org.jboss.resteasy.reactive.RestResponse;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;

import javax.net.ssl.SSLException;

/** The one place that talks upstream: {@link ChatCompletions} with the key added, the wait bounded and each failure named. */
public final class Upstream {

    private static final byte[] NO_BODY = {};

    private final ChatCompletions completions;
    private final String host;
    private final Duration connectTimeout;

    /**
     * @param base the address that {@code /chat/completions} is added to
     * @param tls trust settings other than the built-in ones
     */
    public Upstream(URI base, String key, Duration connectTimeout, Optional<TlsConfiguration> tls) {
        this.host = base.getPort() < 0 ? base.getHost() : base.getHost() + ":" + base.getPort();
        this.connectTimeout = connectTimeout;
        var headers = new MultivaluedHashMap<String, String>();
        headers.putSingle("Authorization", "Bearer " + key);
        var builder = QuarkusRestClientBuilder.newBuilder()
                .baseUri(base)
                .userAgent("chat-lambda")
                .connectTimeout(connectTimeout.toMillis(), TimeUnit.MILLISECONDS)
                .readTimeout(0, TimeUnit.MILLISECONDS) // each call has its own bound
                .followRedirects(false) // the key must not travel
                .clientHeadersFactory((incoming, outgoing) -> headers);
        tls.ifPresent(builder::tlsConfiguration);
        completions = builder.build(ChatCompletions.class);
    }

    /**
     * Asks for one completion.
     *
     * @param limit how long to wait for the whole answer
     * @param advice what to change when that was too short
     * @throws ChatError the upstream's own error, or why there was no answer
     */
    public Completion create(ChatRequest request, Duration limit, String advice) throws ChatError {
        RestResponse<byte[]> response;
        try {
            response = completions.create(request.body()).await().atMost(limit);
        } catch (TimeoutException e) {
            throw ChatError.timeout("no completion from " + host + " within " + seconds(limit) + ": " + advice);
        } catch (RuntimeException e) {
            throw ChatError.unreachable("cannot reach the upstream " + host + ": " + cause(e));
        }
        var headers = new TreeMap<String, String>();
        response.getStringHeaders().forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), String.join(", ", values)));
        return new UpstreamAnswer(response.getStatus(), headers, body(response)).completion();
    }

    /** Whatever the method's type says, the client reads the body of a 2xx only: that of another status is a stream, in memory. */
    private static byte[] body(RestResponse<?> response) {
        Object entity = response.getEntity();
        try {
            return entity == null ? NO_BODY : entity instanceof InputStream stream ? stream.readAllBytes() : (byte[]) entity;
        } catch (IOException e) {
            throw new UncheckedIOException(e); // cannot happen: the body is in memory
        }
    }

    private String cause(RuntimeException failure) {
        Throwable cause = failure;
        while (cause.getCause() != null && (cause instanceof CompletionException || cause instanceof ProcessingException)) {
            cause = cause.getCause();
        }
        if (cause instanceof UnknownHostException) {
            return "its name is not known (check CHAT_URL)";
        }
        if (cause instanceof SSLException) {
            Throwable root = cause;
            while (root.getCause() != null) {
                root = root.getCause();
            }
            return "TLS failed: " + root.getMessage();
        }
        if (cause instanceof io.netty.channel.ConnectTimeoutException) {
            return "no connection within " + seconds(connectTimeout) + " (chat.connect-timeout, CHAT_CONNECT_TIMEOUT)";
        }
        if (cause instanceof HttpClosedException || "Connection was closed".equals(cause.getMessage())) {
            return "it closed the connection before its answer was complete";
        }
        return cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
    }

    private static String seconds(Duration duration) {
        return duration.toMillis() / 1000.0 + " s";
    }
}
