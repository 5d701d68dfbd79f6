package chatlambda.upstream;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.channel.CombinedChannelDuplexHandler;
import io.netty.channel.nio.AbstractNioChannel;
import io.netty.handler.codec.DecoderException;
import io.netty.handler.codec.http.DefaultHttpHeaders;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.DefaultLastHttpContent;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMessage;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpRequestEncoder;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseDecoder;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpStatusClass;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import io.vertx.core.http.HttpConnection;
import java.nio.channels.ClosedChannelException;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The HTTP/1.1 codec of one connection to the upstream, one request at a time. It replaces Netty's {@code HttpClientCodec} for two
 * reasons. Vert.x 4.5 takes every interim answer but 100 and 103 for the answer itself, and the real one then goes to the next request;
 * here all of them are skipped. And only a decoder knows of bytes behind an answer, but {@code HttpClientCodec} hides its own.
 *
 * <p>The connection is used again only after one whole, well-formed, final answer to a request that was out, with not a byte behind it.
 * Everything else closes it: what is left on a connection would be taken for the answer to the next caller's request.
 *
 * <p>All handlers run on the connection's event loop; the methods that tell of a failure may be called from any thread.
 *
 * @see <a href="https://www.rfc-editor.org/rfc/rfc9110#section-15.2">RFC 9110, 15.2: interim answers</a>
 * @see <a href="https://www.rfc-editor.org/rfc/rfc9112#section-9.2">RFC 9112, 9.2: associating a response to a request</a>
 */
final class UpstreamCodec extends CombinedChannelDuplexHandler<HttpResponseDecoder, HttpRequestEncoder> {

    /** Bytes of an answer's head, and of all interim answers before it. */
    static final int MAX_HEAD = 64 * 1024;

    /** A request beyond this may lie unread in the system's buffers when an error answers it. */
    private static final int SURELY_READ = 16 * 1024;
    /** How long a connection that is to be closed after its answer may stay open. */
    private static final long SHUTDOWN_MILLIS = 1_000;

    private final Connections connections;
    private final HttpConnection connection;
    private final long openedAt = System.nanoTime();

    /** Whose answer is awaited; null: nobody's. */
    private Exchange exchange;
    /** Whether a request begins, and looks first at what has arrived by now. */
    private boolean looking;

    private volatile long openNanos;
    private volatile boolean wanted;
    private volatile long lastUsed = System.currentTimeMillis();
    private volatile End end;

    /**
     * How the connection ended.
     *
     * @param failure null: it was simply closed
     * @param byPeer whether the upstream reset or closed it
     * @param at by {@link System#nanoTime}
     */
    record End(Throwable failure, boolean byPeer, long at) {
    }

    /**
     * @param primed whether it was opened ahead, for no request
     * @param maxChunk bytes of a body that go on in one piece
     */
    UpstreamCodec(Connections connections, HttpConnection connection, boolean primed, int maxChunk) {
        this.connections = connections;
        this.connection = connection;
        this.wanted = primed;
        init(new Decoder(maxChunk), new Encoder());
    }

    /** What the upstream answered that no request of ours can be answered with; the message is ours, and quotes nothing. */
    static final class Refused extends DecoderException {

        private static final long serialVersionUID = 1;

        Refused(String message) {
            super(message);
        }
    }

    /** @param begun when the opening of the connection began (name, TCP and TLS), by {@link System#nanoTime} */
    void openedSince(long begun) {
        openNanos = openedAt - begun;
    }

    /** How long the connection took to open. */
    long openNanos() {
        return openNanos;
    }

    /** @param time by {@link System#nanoTime} */
    boolean wasOpenBefore(long time) {
        return openedAt - time < 0;
    }

    /** Whether any request came, or is to come, over it. */
    boolean isWanted() {
        return wanted;
    }

    /** By the clock on the wall, in milliseconds. */
    long lastUsed() {
        return lastUsed;
    }

    /** Null: it has not ended. */
    End end() {
        return end;
    }

    private void begin(ChannelHandlerContext context, Exchange begun) {
        // What has arrived by now is no answer to this request, and is looked at first: an end, or bytes that nobody asked for.
        if (context.channel().unsafe() instanceof AbstractNioChannel.NioUnsafe now) {
            looking = true;
            now.read();
            looking = false;
        }
        if (!context.channel().isActive()) {
            return; // the write fails, and nothing of the request goes out
        }
        if (!wasOpenBefore(begun.askedAt())) {
            openedSince(begun.askedAt());
        }
        wanted = true;
        exchange = begun;
        lastUsed = System.currentTimeMillis();
        begun.begin(this);
    }

    /** @param cause of the connection's end, or null where it simply ends */
    private void ended(Throwable cause) {
        if (end == null) {
            String message = cause == null || cause.getMessage() == null ? "" : cause.getMessage();
            boolean byPeer = cause == null || cause instanceof ClosedChannelException || message.startsWith("Connection reset")
                    || message.startsWith("Broken pipe");
            end = new End(cause, byPeer, System.nanoTime());
        }
    }

    private final class Encoder extends HttpRequestEncoder {

        @Override
        public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) throws Exception {
            if (message instanceof HttpRequest request) {
                String id = request.headers().get(OpenAiApi.EXCHANGE);
                request.headers().remove(OpenAiApi.EXCHANGE);
                request.headers().set(HttpHeaderNames.ACCEPT_ENCODING, HttpHeaderValues.IDENTITY); // its bytes go on as they are
                Exchange taken = connections.take(id);
                if (taken == null) { // who asked has given up: nothing goes out
                    ReferenceCountUtil.release(message);
                    promise.tryFailure(new ClosedChannelException());
                    context.close();
                    return;
                }
                taken.headers().forEach(request.headers()::set);
                begin(context, taken);
            }
            Exchange its = exchange;
            if (its != null && message instanceof HttpContent content) {
                its.written += content.content().readableBytes();
            }
            boolean last = message instanceof LastHttpContent;
            super.write(context, message, promise.unvoid().addListener(done -> {
                if (!done.isSuccess()) {
                    ended(done.cause());
                } else if (last && its != null) {
                    its.sent();
                }
            }));
        }
    }

    private final class Decoder extends HttpResponseDecoder {

        Decoder(int maxChunk) {
            super(new HttpDecoderConfig().setMaxInitialLineLength(MAX_HEAD).setMaxHeaderSize(MAX_HEAD).setMaxChunkSize(maxChunk)
                    .setStrictLineParsing(true));
        }

        @Override
        public void channelRead(ChannelHandlerContext context, Object message) throws Exception {
            var bytes = (ByteBuf) message;
            if (exchange == null) {
                boolean unasked = bytes.isReadable();
                bytes.release();
                if (unasked) {
                    connection.close(); // out of the pool
                    context.close(); // at once, whatever waits to be written
                }
                return;
            }
            lastUsed = System.currentTimeMillis();
            exchange.read(bytes.readableBytes());
            super.channelRead(context, message);
        }

        @Override
        protected void decode(ChannelHandlerContext context, ByteBuf in, List<Object> out) throws Exception {
            Exchange its = exchange;
            if (its == null) { // bytes behind the answer: the connection is about to be closed for them
                in.skipBytes(in.readableBytes());
                return;
            }
            int before = in.readableBytes();
            int first = out.size();
            super.decode(context, in, out);
            if (!its.headed) {
                its.ahead += before - in.readableBytes();
            }
            if (out.size() == first) {
                return;
            }
            if (out.get(first) instanceof HttpResponse head && head.decoderResult().isSuccess()) {
                if (head.status().codeClass() == HttpStatusClass.INFORMATIONAL) {
                    skip(its, head.status(), out, first);
                    return;
                }
                its.headed = true;
                its.failed = head.status().codeClass() != HttpStatusClass.SUCCESS;
                requireKnownCoding(head.headers());
                if (!its.failed) {
                    its.announce(HttpUtil.getContentLength(head, -1L));
                }
                boolean unread = head.status().code() >= 400 && its.written > SURELY_READ; // refused by its head, perhaps
                its.reusable = its.isSent() && !unread && HttpUtil.isKeepAlive(head);
            }
            boolean isCut = isCut(its, context, out, first);
            if (its.collects()) {
                collect(its, out, first);
            }
            if (!out.isEmpty() && out.get(out.size() - 1) instanceof LastHttpContent last && last.decoderResult().isSuccess()) {
                endAnswer(its, context, isCut || in.isReadable());
            }
        }

        /**
         * Counts the body's bytes. What is longer than its bound is given up, and its connection closed; but of an error the beginning is
         * the whole answer then.
         */
        private boolean isCut(Exchange its, ChannelHandlerContext context, List<Object> out, int first) {
            int bound = its.failed ? UpstreamError.MAX_BODY : its.bound();
            for (int i = first; i < out.size(); i++) {
                if (!(out.get(i) instanceof HttpContent content)) {
                    continue;
                }
                int left = (int) (bound - its.body);
                int bytes = content.content().readableBytes();
                its.body += bytes;
                if (its.body <= bound && (its.failed || its.keeps(bytes))) {
                    continue;
                }
                Object last = its.failed ? new DefaultLastHttpContent(content.content().readRetainedSlice(left)) : null;
                while (out.size() > i) {
                    ReferenceCountUtil.release(out.remove(out.size() - 1));
                }
                if (last != null) {
                    out.add(last);
                } else {
                    its.tooLong();
                    context.close();
                }
                return true;
            }
            return false;
        }

        /** Takes the body out of what goes on: on its way through the client it would be copied five times. */
        private static void collect(Exchange its, List<Object> out, int first) {
            for (var each = out.listIterator(first); each.hasNext();) {
                if (!(each.next() instanceof HttpContent content) || !content.content().isReadable()) {
                    continue;
                }
                its.collect(content.content());
                if (content instanceof LastHttpContent) {
                    each.set(content.replace(Unpooled.EMPTY_BUFFER));
                } else {
                    each.remove();
                }
                content.release();
            }
        }

        /** What is left when the connection ends belongs to nobody, unless an answer is awaited. */
        @Override
        protected void decodeLast(ChannelHandlerContext context, ByteBuf in, List<Object> out) throws Exception {
            if (exchange != null) {
                super.decodeLast(context, in, out);
            }
        }

        /** An interim answer: the decoder has made of it a head and an end without a body. */
        private void skip(Exchange its, HttpResponseStatus status, List<Object> out, int first) {
            while (out.size() > first) {
                out.remove(out.size() - 1);
            }
            if (status.code() == HttpResponseStatus.SWITCHING_PROTOCOLS.code()) {
                throw refused("it answered with 101, another protocol, which the request did not ask for");
            }
            if (its.ahead > MAX_HEAD) {
                throw refused("its interim answers (1xx) are larger than " + MAX_HEAD + " bytes");
            }
        }

        /** RFC 9112, 6.1: the request accepts no transfer coding, and so the answer can have none but chunked. */
        private void requireKnownCoding(HttpHeaders headers) {
            List<String> codings = headers.getAll(HttpHeaderNames.TRANSFER_ENCODING);
            if (!codings.isEmpty() && (codings.size() > 1 || !HttpHeaderValues.CHUNKED.contentEqualsIgnoreCase(codings.get(0).strip()))) {
                throw refused("its answer has a transfer coding other than chunked");
            }
        }

        private Refused refused(String what) {
            exchange = null;
            return new Refused(what);
        }

        /** Called before the end is passed on, with which Vert.x gives the connection back to its pool. */
        private void endAnswer(Exchange its, ChannelHandlerContext context, boolean moreBehind) {
            exchange = null;
            if (!its.reusable || moreBehind) {
                connection.shutdown(SHUTDOWN_MILLIS, TimeUnit.MILLISECONDS); // Vert.x then closes it after this answer
            }
            if (!its.isSent()) {
                context.executor().execute(context::close); // the rest of the request may never be read
            }
        }

        /** Of an interim answer nothing is kept, whatever its header says. */
        @Override
        protected HttpMessage createMessage(String[] statusLine) {
            int status = Integer.parseInt(statusLine[1]);
            if (statusLine[1].length() != 3 || status < 100) {
                throw new IllegalArgumentException("not a status");
            }
            HttpMessage message = super.createMessage(statusLine);
            return status >= 200 ? message
                    : new DefaultHttpResponse(message.protocolVersion(), ((HttpResponse) message).status(), new NoHeaders());
        }

        /** A request may begin within the read that ended the answer before: for Vert.x, which then flushes, that read goes on. */
        @Override
        public void channelReadComplete(ChannelHandlerContext context) throws Exception {
            if (!looking) {
                super.channelReadComplete(context);
            }
        }

        @Override
        public void channelInactive(ChannelHandlerContext context) throws Exception {
            ended(null);
            super.channelInactive(context);
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) throws Exception {
            ended(cause);
            super.exceptionCaught(context, cause);
        }
    }

    private static final class NoHeaders extends DefaultHttpHeaders {

        @Override
        public HttpHeaders add(CharSequence name, Object value) {
            return this;
        }
    }
}
