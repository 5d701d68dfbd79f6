package chatlambda.upstream;

import chatlambda.chat.ChatError;
import chatlambda.chat.ChatRequest;
import io.netty.buffer.Unpooled;
import io.netty.channel.ConnectTimeoutException;
import io.netty.handler.codec.DecoderException;
import io.netty.handler.codec.TooLongFrameException;
import io.netty.handler.ssl.NotSslRecordException;
import io.quarkus.rest.client.reactive.QuarkusRestClientBuilder;
import io.quarkus.tls.TlsConfiguration;
import io.smallrye.mutiny.Multi;
import io.smallrye.mutiny.TimeoutException;
import io.vertx.core.Future;
import io.vertx.core.MultiMap;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpClosedException;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.RequestOptions;
import jakarta.ws.rs.ProcessingException;
import org.jboss.resteasy.reactive.RestResponse;
import org.jboss.resteasy.reactive.client.api.QuarkusRestClientProperties;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.channels.ClosedChannelException;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;

import javax.net.ssl.SSLException;

/** The one place that talks upstream: {@link ChatCompletions} with the wait bounded and each failure named. */
public final class Upstream {

    private static final byte[] NO_BODY = {};
    private static final String USER_AGENT = "chat-lambda";
    /** The client copies a body of bytes twice; what is larger goes through it in slices, uncopied. */
    private static final int SLICE = 64 * 1024;
    /** What is no stream is read whole, to see whether it is a completion. */
    private static final int MAX_WHOLE = 32 * 1024 * 1024;

    /** No server that means well sends more. */
    private static final int MAX_FIELDS = 200;

    private final ChatCompletions completions;
    private final URI base;
    private final String host;
    private final Duration connectTimeout;
    private final HttpClient client;
    private final Connections connections;

    /**
     * @param base the address that {@code /chat/completions} is added to
     * @param keepAlive how long a connection may have been idle, by the clock on the wall, to be used again
     * @param tls trust settings other than the built-in ones
     */
    public Upstream(URI base, Duration connectTimeout, Duration keepAlive, Optional<TlsConfiguration> tls, Vertx vertx) {
        this.base = base;
        this.host = host(base);
        this.connectTimeout = connectTimeout;
        this.connections = new Connections(vertx, keepAlive, SLICE);
        var options = new AtomicReference<HttpClientOptions>();
        var builder = QuarkusRestClientBuilder.newBuilder()
                .baseUri(base)
                .userAgent(USER_AGENT)
                .connectTimeout(connectTimeout.toMillis(), TimeUnit.MILLISECONDS)
                .readTimeout(0, TimeUnit.MILLISECONDS) // each call has its own bound
                .followRedirects(false) // the key must not travel
                .property(QuarkusRestClientProperties.NAME, "chat") // streams share its connections
                .property(QuarkusRestClientProperties.SHARED, true)
                .httpClientOptionsCustomizer(options::set);
        tls.ifPresent(builder::tlsConfiguration);
        completions = builder.build(ChatCompletions.class);
        client = vertx.httpClientBuilder().with(options.get()).withConnectHandler(connections::add).build();
    }

    private Upstream(URI base, Upstream real) {
        this.base = base;
        this.host = host(base);
        this.connectTimeout = real.connectTimeout;
        this.connections = real.connections;
        this.completions = real.completions;
        this.client = real.client;
    }

    /** The same client asked for another address: one on loopback, in this process. */
    public Upstream standIn(URI loopback) {
        return new Upstream(loopback, this);
    }

    private static String host(URI base) {
        return base.getPort() < 0 ? base.getHost() : base.getHost() + ":" + base.getPort();
    }

    /**
     * Resolves the upstream's name, connects and shakes hands, and sends nothing: the first request finds the connection open.
     *
     * @return completes when that is done, or why it could not be
     */
    public Future<Void> connect() {
        long begun = System.nanoTime();
        connections.priming(true);
        return request().onComplete(done -> connections.priming(false)).map(unsent -> {
            connections.primed(unsent.connection(), begun);
            unsent.reset();
            return null;
        });
    }

    /**
     * What goes upstream beside the request.
     *
     * @param key the bearer key
     * @param traceparent W3C's, or null
     * @param traceId X-Ray's, or null
     */
    public record Sender(String key, String traceparent, String traceId) {

        private String authorization() {
            return "Bearer " + key;
        }
    }

    /**
     * Asks for one whole completion, or the whole text of a stream.
     *
     * @param limit how long to wait for the whole answer
     * @param advice what to change when that was too short
     * @throws ChatError the upstream's own error, or why there was no answer
     */
    public Completion create(ChatRequest request, Sender sender, Duration limit, String advice) throws ChatError {
        connections.asking(MAX_WHOLE + 2 * UpstreamCodec.MAX_HEAD); // of the answer, and of interim ones
        byte[] body = request.body();
        RestResponse<byte[]> response;
        try {
            var answer = body.length <= SLICE
                    ? completions.create(base.toString(), sender.authorization(), sender.traceparent, sender.traceId, body)
                    : completions.create(base.toString(), sender.authorization(), sender.traceparent, sender.traceId, body.length, slices(body));
            response = answer.await().atMost(limit);
        } catch (TimeoutException e) {
            throw ChatError.timeout(late(limit, advice));
        } catch (RuntimeException e) {
            throw failed(e);
        }
        requireSane(response.getStringHeaders().values().stream().mapToInt(List::size).sum());
        var headers = new TreeMap<String, String>();
        response.getStringHeaders().forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), String.join(", ", values)));
        return new UpstreamAnswer(response.getStatus(), headers, body(response), sender.key).completion();
    }

    /**
     * Asks for a stream of chunks.
     *
     * @param limit how long to wait for the answer's beginning, or for the whole of one that is no stream
     * @param advice what to change when that was too short
     * @return the stream, or whole what the upstream answered instead
     * @throws ChatError the upstream's own error, or why there was no answer
     */
    public Answer stream(ChatRequest request, Sender sender, Duration limit, String advice) throws ChatError {
        long start = System.nanoTime();
        connections.asking(Long.MAX_VALUE); // a stream may go on for ever
        var begun = new CompletableFuture<Begun>();
        request().onFailure(begun::completeExceptionally)
                .onSuccess(sent -> {
                    if (begun.isDone()) {
                        sent.reset(); // it took too long to connect
                        return;
                    }
                    begun.whenComplete((answer, failure) -> {
                        if (failure != null) {
                            sent.reset(); // nobody waits for it any more
                        }
                    });
                    sent.response().onFailure(begun::completeExceptionally)
                            .onSuccess(response -> begun.complete(new Begun(sent, response, CompletionStream.queue(response))));
                    if (sender.traceparent != null) {
                        sent.putHeader(ChatCompletions.TRACEPARENT, sender.traceparent);
                    }
                    if (sender.traceId != null) {
                        sent.putHeader(ChatCompletions.TRACE_ID, sender.traceId);
                    }
                    sent.putHeader("Authorization", sender.authorization()).putHeader("Content-Type", "application/json")
                            .putHeader("Accept", "text/event-stream, application/json").putHeader("User-Agent", USER_AGENT)
                            .send(buffer(request.body(), 0, request.body().length));
                });
        Begun answer;
        try {
            answer = begun.get(limit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (java.util.concurrent.TimeoutException | InterruptedException e) {
            begun.completeExceptionally(e);
            begun.thenAccept(tooLate -> tooLate.request.reset()); // it began in the very moment that was the last
            if (e instanceof InterruptedException) {
                Thread.currentThread().interrupt();
            }
            throw ChatError.timeout(late(limit, advice));
        } catch (ExecutionException e) {
            throw failed(e.getCause());
        }
        int fields = answer.response.headers().entries().size();
        if (fields > MAX_FIELDS) {
            answer.request.reset();
            requireSane(fields);
        }
        var headers = headers(answer.response.headers());
        var head = new UpstreamAnswer(answer.response.statusCode(), headers, NO_BODY, sender.key);
        var stream = new CompletionStream(answer.request, answer.response, head.streamHeaders(), this, answer.body, start);
        return head.isCompletionStream() ? stream
                : new UpstreamAnswer(head.status(), headers, rest(stream, limit.minusNanos(System.nanoTime() - start), late(limit, advice)),
                        sender.key).completion();
    }

    private Future<HttpClientRequest> request() {
        boolean tls = "https".equals(base.getScheme());
        return client.request(new RequestOptions().setMethod(HttpMethod.POST).setHost(base.getHost()).setSsl(tls)
                .setPort(base.getPort() >= 0 ? base.getPort() : tls ? 443 : 80).setURI(base.getRawPath() + "/chat/completions"))
                .onSuccess(request -> request.exceptionHandler(failure -> { // what matters of it fails the response; the rest would be logged
                }));
    }

    private record Begun(HttpClientRequest request, HttpClientResponse response, BlockingQueue<Object> body) {
    }

    /** Names host and cause of a connection that could not be had. */
    public String reason(Throwable failure) {
        return "cannot reach the upstream " + host + ": " + cause(failure);
    }

    /**
     * What a failed request comes to, and what may be done about it. Where a kept connection turns out to have been closed, the others are
     * closed too.
     *
     * @param told the failure as the client tells it
     */
    ChatError failed(Throwable told) {
        if (connections.wasTooLong()) {
            return ChatError.tooLong(MAX_WHOLE);
        }
        Throwable seen = connections.failure();
        Throwable failure = seen != null ? seen : told;
        ChatError error = ChatError.unreachable(reason(failure));
        boolean closed = isClosed(failure);
        if (connections.wasRefusedUnread() || closed && connections.nothingSentOnKept()) {
            ChatError.Recourse recourse = connections.nothingSent() ? ChatError.Recourse.UNSENT : ChatError.Recourse.AT_ONCE;
            connections.drop(); // the others are no better
            return error.with(recourse).withOutline("a kept connection that had been closed");
        }
        return connections.nothingSent() && !(root(failure) instanceof GeneralSecurityException)
                ? error.with(ChatError.Recourse.CONNECT) : error;
    }

    private static void requireSane(int fields) throws ChatError {
        if (fields > MAX_FIELDS) {
            throw ChatError.unusable("the upstream's answer has " + fields + " header fields, and at most " + MAX_FIELDS + " are taken");
        }
    }

    private static boolean isClosed(Throwable failure) {
        Throwable root = root(failure);
        return root instanceof HttpClosedException || root instanceof ClosedChannelException
                || "Connection was closed".equals(root.getMessage());
    }

    /** What is wrong with TLS, as the innermost of the exceptions that says anything says it. */
    private String tls(Throwable failure) {
        String said = "it closed the connection in the handshake";
        if (root(failure) instanceof ClosedChannelException) {
            return said;
        }
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof NotSslRecordException) { // its message would quote the answer
                return "its answer is not TLS (check CHAT_URL: is it http://" + host + "?)";
            }
            said = cause.getMessage() != null ? cause.getMessage() : said;
        }
        return said;
    }

    private static Throwable root(Throwable failure) {
        Throwable root = failure;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        return root;
    }

    private String late(Duration limit, String advice) {
        return "no completion from " + host + " within " + seconds(limit) + ": " + advice;
    }

    private static String seconds(Duration duration) {
        return duration.toMillis() / 1000.0 + " s";
    }

    private byte[] rest(CompletionStream stream, Duration limit, String late) throws ChatError {
        var body = new ByteArrayOutputStream();
        long start = System.nanoTime();
        try (stream) {
            for (byte[] chunk; (chunk = stream.next(limit.minusNanos(System.nanoTime() - start), late, () -> {
            })) != null;) {
                body.writeBytes(chunk);
                if (body.size() > MAX_WHOLE) {
                    throw ChatError.tooLong(MAX_WHOLE);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e); // cannot happen: it is always wanted
        }
        return body.toByteArray();
    }

    private static Multi<io.vertx.mutiny.core.buffer.Buffer> slices(byte[] body) {
        return Multi.createFrom().items(IntStream.iterate(0, from -> from < body.length, from -> from + SLICE)
                .mapToObj(from -> io.vertx.mutiny.core.buffer.Buffer.newInstance(buffer(body, from, Math.min(SLICE, body.length - from)))));
    }

    @SuppressWarnings("deprecation") // the others copy
    private static Buffer buffer(byte[] bytes, int from, int length) {
        return Buffer.buffer(Unpooled.wrappedBuffer(bytes, from, length));
    }

    private static Map<String, String> headers(MultiMap fields) {
        var headers = new TreeMap<String, String>();
        fields.forEach((name, value) -> headers.merge(name.toLowerCase(Locale.ROOT), value, (a, b) -> a + ", " + b));
        return headers;
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
}
