package chatlambda.upstream;

import chatlambda.chat.ApiRequest;
import chatlambda.chat.ChatError;
import chatlambda.chat.EventStream;
import chatlambda.chat.Redaction;
import chatlambda.chat.Route;
import chatlambda.upstream.Failure.Retryability;
import chatlambda.upstream.UpstreamBody.Source;
import io.netty.buffer.Unpooled;
import io.quarkus.rest.client.reactive.runtime.QuarkusRestClientBuilderImpl;
import io.quarkus.rest.client.reactive.runtime.RestClientBuilderImpl;
import io.quarkus.tls.TlsConfiguration;
import io.smallrye.mutiny.Multi;
import io.smallrye.mutiny.TimeoutException;
import io.smallrye.mutiny.Uni;
import io.vertx.core.Future;
import io.vertx.core.MultiMap;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.RequestOptions;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.jboss.resteasy.reactive.RestResponse;
import org.jboss.resteasy.reactive.client.api.QuarkusRestClientProperties;

/**
 * The upstream: one request to it at a time, its wait bounded and its failure named. Whole answers come by the REST client {@link
 * OpenAiApi}, streams by the Vert.x client below it, on the same connections and by the same rules.
 */
public final class Upstream {

    private static final byte[] NO_BODY = {};
    private static final String USER_AGENT = "chat-lambda";
    private static final String RAISE_TIMEOUT = "raise chat.timeout (CHAT_TIMEOUT), or ask for less";
    private static final Duration A_WHILE = Duration.ofMinutes(1);
    /** The client copies a body of bytes twice; what is larger goes through it in slices, uncopied. */
    private static final int SLICE = 64 * 1024;
    /** Of an answer; a sound server sends far fewer. */
    private static final int MAX_FIELDS = 200;

    /**
     * @param base the address that a route's path is added to
     * @param timeout of one answer, from its request to its last byte
     * @param streamIdleTimeout how long a stream may be silent
     * @param firstEvent how long an answer may wait for a stream's first event, which tells its status
     * @param keepAlive how long a connection may have been idle, by the clock on the wall, to be used again
     * @param streams whether a request for a stream is answered as it comes; else its text comes whole
     */
    public record Options(URI base, Duration connectTimeout, Duration timeout, Duration streamIdleTimeout, Duration firstEvent,
            Duration keepAlive, boolean streams) {
    }

    private final Options options;
    private final URI base;
    private final Reasons reasons;
    private final OpenAiApi api;
    private final HttpClient client;
    private final Connections connections;
    private final boolean direct;

    /**
     * @param number tells its connections from those of others
     * @param tls trust settings other than the built-in ones
     */
    public Upstream(int number, Options options, Optional<TlsConfiguration> tls, Vertx vertx) {
        this.options = options;
        this.base = options.base;
        this.reasons = reasons(base, options);
        this.connections = new Connections(vertx, options.keepAlive, SLICE);
        var clientOptions = new AtomicReference<HttpClientOptions>();
        // As QuarkusRestClientBuilder.newBuilder() does, without its search of the class path for listeners, of which there are none.
        var builder = new QuarkusRestClientBuilderImpl(new RestClientBuilderImpl())
                .baseUri(base)
                .userAgent(USER_AGENT)
                .connectTimeout(options.connectTimeout.toMillis(), TimeUnit.MILLISECONDS)
                .readTimeout(0, TimeUnit.MILLISECONDS) // each call has its own bound
                .followRedirects(false) // the key must not travel
                .property(QuarkusRestClientProperties.NAME, "chat-" + number) // streams share its connections
                .property(QuarkusRestClientProperties.SHARED, true)
                .httpClientOptionsCustomizer(clientOptions::set);
        tls.ifPresent(builder::tlsConfiguration);
        api = builder.build(OpenAiApi.class);
        direct = clientOptions.get().getProxyOptions() == null;
        client = vertx.httpClientBuilder().with(clientOptions.get()).withConnectHandler(connections::add).build();
    }

    private Upstream(URI base, Upstream real) {
        this.options = real.options;
        this.base = base;
        this.reasons = reasons(base, real.options);
        this.connections = real.connections;
        this.api = real.api;
        this.client = real.client;
        this.direct = real.direct;
    }

    /** The same client asked for another address: one on loopback, in this process. */
    public Upstream standIn(URI loopback) {
        return new Upstream(loopback, this);
    }

    private static Reasons reasons(URI base, Options options) {
        String host = base.getPort() < 0 ? base.getHost() : base.getHost() + ":" + base.getPort();
        return new Reasons(host, options.connectTimeout);
    }

    /**
     * Resolves the upstream's name, connects and shakes hands, and sends nothing: the first request finds the connection open.
     *
     * @return completes on the event loop when that is done, or with why it could not be, for {@link #reason}; within the connect timeout
     */
    public CompletableFuture<Void> connect() {
        long begun = System.nanoTime();
        connections.priming(true);
        var connected = new CompletableFuture<Void>();
        if (direct) {
            EarlyConnection.offer(base);
        }
        request(Route.CHAT).onComplete(done -> {
            EarlyConnection.drop(); // there may have been no channel
            connections.priming(false);
            if (done.failed()) {
                connected.completeExceptionally(done.cause());
                return;
            }
            connections.primed(done.result().connection(), begun);
            done.result().reset();
            connected.complete(null);
        });
        EarlyConnection.awaitTaken();
        return connected;
    }

    /** Names host and cause of a connection that could not be had. */
    public String reason(Throwable failure) {
        return reasons.of(failure);
    }

    /**
     * Asks once.
     *
     * @return a stream, where the request asks for one, the upstream answers with one, and it may go on as it comes; else all of it
     * @throws Failure the upstream's own error, or why there was no answer
     */
    public Answer ask(ApiRequest request, Sender sender, Deadline deadline) throws Failure {
        Deadline bound = deadline.within(options.timeout, RAISE_TIMEOUT);
        boolean stream = request.stream();
        // A stream may go on for ever; what must be read whole of an answer to such a request is counted where it is read.
        try (Exchange exchange = stream ? connections.begin(Integer.MAX_VALUE, null, sender.headers())
                : connections.begin(sender.maxAnswer(), sender.held(), sender.headers())) {
            String key = sender.key().value();
            return stream ? stream(exchange, request, sender, key, bound) : whole(exchange, request, sender, key, bound);
        }
    }

    private Completion whole(Exchange exchange, ApiRequest request, Sender sender, String key, Deadline bound) throws Failure {
        String authorization = "Bearer " + key;
        RestResponse<Void> response;
        try {
            var answer = send(request, exchange.id(), authorization);
            response = answer.await().atMost(bound.span());
        } catch (TimeoutException e) {
            throw late(exchange, bound);
        } catch (RuntimeException e) {
            throw failed(exchange, e);
        }
        requireFewFields(response.getStringHeaders().values().stream().mapToInt(List::size).sum());
        var headers = new TreeMap<String, String>();
        response.getStringHeaders().forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), String.join(", ", values)));
        byte[] body = exchange.content();
        var answer = new UpstreamAnswer(request.route(), response.getStatus(), headers, body, new Redaction(key), sender.key());
        return decoded(answer, sender).completion(false);
    }

    private Uni<RestResponse<Void>> send(ApiRequest request, String exchange, String authorization) {
        byte[] body = request.body();
        String to = base.toString();
        return switch (request.route()) {
            case CHAT -> body.length <= SLICE ? api.chat(to, exchange, authorization, body)
                    : api.chat(to, exchange, authorization, body.length, slices(body));
            case RESPONSES -> api.responses(to, exchange, authorization, body.length, slices(body));
            case EMBEDDINGS -> api.embeddings(to, exchange, authorization, body.length, slices(body));
            case MODELS -> api.models(to, exchange, authorization);
        };
    }

    private static UpstreamAnswer decoded(UpstreamAnswer answer, Sender sender) throws Failure {
        return answer.decoded(answer.isSuccess() ? sender.maxAnswer() : UpstreamError.MAX_BODY, sender.held());
    }

    private Answer stream(Exchange exchange, ApiRequest request, Sender sender, String key, Deadline bound) throws Failure {
        Source source = begin(exchange, request, sender, key, bound);
        int fields = source.response().headers().entries().size();
        if (fields > MAX_FIELDS) {
            source.request().reset();
            requireFewFields(fields);
        }
        var headers = headers(source.response().headers());
        var head = new UpstreamAnswer(request.route(), source.response().statusCode(), headers, NO_BODY, new Redaction(key), sender.key());
        long begunAt = System.nanoTime();
        var body = new UpstreamBody(source, exchange, reasons, new Deadline(bound.at(), bound.span(), reasons.late(bound)));
        boolean streams = false;
        try {
            head.requirePlainStream();
            Deadline until = bound; // it may be a whole answer: before its first bytes nothing of it can go out
            if (head.isLabelledAsEvents()) {
                expectEvents(body, bound);
                until = firstEvent();
            }
            byte[] begun = head.mayBeEvents() ? beginning(body, until) : NO_BODY;
            if (head.mayBeEvents() && head.isEvents(begun, begun.length)) {
                expectEvents(body, bound);
                var stream = new CompletionStream(head, body, begunAt, begun, request.metering());
                if (!options.streams) {
                    return stream.whole(sender.maxAnswer(), sender.held());
                }
                stream.awaitFirstEvent(head.isLabelledAsEvents() ? until : firstEvent());
                streams = true;
                return stream;
            }
            byte[] whole = readAll(body, begun, sender.maxAnswer(), head.isSuccess() ? sender.held() : null);
            var answer = new UpstreamAnswer(head.route(), head.status(), headers, whole, head.redaction(), sender.key());
            return decoded(answer, sender).completion(true);
        } finally {
            if (!streams) {
                body.close();
            }
        }
    }

    /** How long the answer's status may wait for it. */
    private Deadline firstEvent() {
        return Deadline.at(Instant.now().plus(options.firstEvent), "");
    }

    private void expectEvents(UpstreamBody body, Deadline bound) {
        body.bound(new Deadline(bound.at(), bound.span(), "the stream had no end in time: " + bound.remedy()), options.streamIdleTimeout,
                "the stream was silent for " + Reasons.seconds(options.streamIdleTimeout)
                        + ": raise chat.stream-idle-timeout (CHAT_STREAM_IDLE_TIMEOUT)");
    }

    /** As many of the first bytes as tell whether they are events, if they come in time. */
    private static byte[] beginning(UpstreamBody body, Deadline until) throws Failure {
        byte[] begun = NO_BODY;
        while (EventStream.kind(begun, begun.length) == EventStream.Kind.UNDECIDED && begun.length < SLICE && !until.isOver()) {
            byte[] chunk = body.next(until.left());
            if (chunk == null) {
                break;
            }
            int length = begun.length;
            begun = Arrays.copyOf(begun, length + chunk.length);
            System.arraycopy(chunk, 0, begun, length, chunk.length);
        }
        return begun;
    }

    /** Sends the request and waits for the answer's head. */
    private Source begin(Exchange exchange, ApiRequest request, Sender sender, String key, Deadline bound) throws Failure {
        var begun = new CompletableFuture<Source>();
        request(request.route()).onFailure(begun::completeExceptionally)
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
                            .onSuccess(response -> begun.complete(Source.of(sent, response)));
                    addHeaders(sent.headers(), exchange, key);
                    sent.send(buffer(request.body(), 0, request.body().length));
                });
        try {
            return begun.get(bound.span().toNanos(), TimeUnit.NANOSECONDS);
        } catch (java.util.concurrent.TimeoutException | InterruptedException e) {
            begun.completeExceptionally(e);
            begun.thenAccept(tooLate -> tooLate.request().reset()); // it began in the very moment that was the last
            if (e instanceof InterruptedException) {
                Thread.currentThread().interrupt();
            }
            throw late(exchange, bound);
        } catch (ExecutionException e) {
            throw failed(exchange, e.getCause());
        }
    }

    private Failure late(Exchange exchange, Deadline bound) {
        exchange.close(); // from here on nothing of it goes out
        var late = new Failure(ChatError.timeout(reasons.late(bound)));
        return exchange.nothingSent() ? late.withCost(Failure.Cost.NOTHING) : late;
    }

    private static void addHeaders(MultiMap headers, Exchange exchange, String key) {
        headers.add(OpenAiApi.EXCHANGE, exchange.id()).add("Authorization", "Bearer " + key).add("Content-Type", "application/json")
                .add("Accept", "text/event-stream, application/json").add("User-Agent", USER_AGENT);
    }

    private Future<HttpClientRequest> request(Route route) {
        boolean tls = "https".equals(base.getScheme());
        int port = tls ? 443 : 80;
        return client.request(new RequestOptions().setMethod(HttpMethod.POST).setHost(base.getHost()).setSsl(tls)
                .setPort(base.getPort() >= 0 ? base.getPort() : port).setURI(base.getRawPath() + route.path()))
                .onSuccess(request -> request.exceptionHandler(failure -> { // what matters fails the response; the rest would be logged
                }));
    }

    /**
     * What a failed request comes to. Where a kept connection turns out to have been closed, the others are closed too.
     *
     * @param told the failure as the client tells it
     */
    private Failure failed(Exchange exchange, Throwable told) {
        if (exchange.isTooLong()) {
            return new Failure(exchange.hadNoRoom() ? ChatError.overloaded(true) : ChatError.tooLong(exchange.bound()));
        }
        Throwable seen = exchange.failure();
        Throwable failure = seen != null ? seen : told;
        ChatError error = ChatError.unreachable(reasons.of(failure));
        if (exchange.refusedUnread() || Reasons.isClosed(failure) && exchange.nothingSentOnKept()) {
            connections.drop(); // the others are no better
            Retryability retryability = exchange.nothingSent() ? Retryability.UNSENT : Retryability.AT_ONCE;
            return new Failure(error, retryability, Failure.Cost.NOTHING, "a kept connection that had been closed");
        }
        boolean neverConnected = exchange.nothingSent() && !(Reasons.root(failure) instanceof GeneralSecurityException);
        return new Failure(error, neverConnected ? Retryability.CONNECT : Retryability.NEVER,
                exchange.nothingSent() ? Failure.Cost.NOTHING : Failure.Cost.UNKNOWN, error.getMessage());
    }

    private static void requireFewFields(int fields) throws Failure {
        if (fields > MAX_FIELDS) {
            throw new Failure(ChatError.unusable("the upstream's answer has " + fields + " header fields, and at most " + MAX_FIELDS
                    + " are taken"));
        }
    }

    /** @param held null for an error's body, of which little is read */
    private static byte[] readAll(UpstreamBody body, byte[] begun, int limit, BytesInFlight.Share held) throws Failure {
        var all = new ByteArrayOutputStream();
        for (byte[] chunk = begun; chunk != null; chunk = body.next(A_WHILE)) {
            if (held != null && !held.take(chunk.length)) {
                throw new Failure(ChatError.overloaded(true));
            }
            all.writeBytes(chunk);
            if (all.size() > limit) {
                throw new Failure(ChatError.tooLong(limit));
            }
        }
        return all.toByteArray();
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
}
