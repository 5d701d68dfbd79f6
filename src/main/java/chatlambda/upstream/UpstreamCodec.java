package chatlambda.upstream;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.channel.CombinedChannelDuplexHandler;
import io.netty.channel.nio.AbstractNioChannel;
import io.netty.handler.codec.DecoderException;
import io.netty.handler.codec.http.DefaultHttpHeaders;
import io.netty.handler.codec.http.DefaultHttpResponse;
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
import io.vertx.core.http.HttpConnection;

import java.nio.channels.ClosedChannelException;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The HTTP/1.1 codec of one connection to the upstream, one request at a time, and what went over the connection. It stands in the
 * place of Netty's {@code HttpClientCodec}, for two reasons. Vert.x 4.5 takes every interim answer but 100 and 103 for the answer
 * itself, and the real one then goes to the next request; here all of them are skipped. And only a decoder knows of bytes behind an
 * answer, but {@code HttpClientCodec} hides its own.
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

    /** How much longer than the connection took to open the news may take that it was closed before the request arrived. */
    private static final long REFUSAL_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
    /** A request beyond this may lie unread in the system's buffers when an error answers it. */
    private static final int SURELY_READ = 16 * 1024;
    /** How long a connection that is to be closed after its answer may stay open. */
    private static final long SHUTDOWN_MILLIS = 1_000;

    private final Connections connections;
    private final HttpConnection connection;
    private final long openedAt = System.nanoTime();

    /** Whether a request has begun, and its answer has not ended. */
    private boolean awaiting;
    /** Whether a request begins, and looks first at what has arrived by now. */
    private boolean looking;
    /** Whether the head of the final answer has arrived. */
    private boolean headed;
    /** Whether the connection may be used again after this answer, as far as its head tells. */
    private boolean reusable;
    /** Bytes of the request's body that have been written. */
    private long written;
    /** Bytes of the final answer's head, as far as it has arrived, and of all interim answers before it. */
    private long ahead;

    private volatile long openNanos;
    private volatile boolean wanted;
    private volatile boolean sent;
    private volatile long sentAt;
    private volatile boolean heard;
    private volatile long read;
    private volatile long lastUsed = System.currentTimeMillis();
    private volatile boolean ended;
    private volatile boolean endedByPeer;
    private volatile Throwable failure;
    private volatile long endedAt;

    /**
     * @param askedAt when the request began for which the connection was opened, by {@link System#nanoTime}
     * @param primed whether it was opened ahead, for no request
     * @param maxChunk bytes of a body that go on in one piece
     */
    UpstreamCodec(Connections connections, HttpConnection connection, long askedAt, boolean primed, int maxChunk) {
        this.connections = connections;
        this.connection = connection;
        this.openNanos = openedAt - askedAt;
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

    /**
     * Corrects how long the connection took to open (name, TCP and TLS) where it was opened ahead.
     *
     * @param begun when that began, by {@link System#nanoTime}
     */
    void openedSince(long begun) {
        openNanos = openedAt - begun;
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

    /** Bytes that have arrived since the last request began. */
    long read() {
        return read;
    }

    /** What went wrong on the connection, or null where it simply ended, or is open still. */
    Throwable failure() {
        return failure;
    }

    /**
     * Whether the upstream reset or ended the connection before it had read the request that was written to it: not a byte of an answer
     * arrived, and the end came no later after the request's last byte than a refusal takes on its way. What ends later may have been
     * worked on, and paid for.
     */
    boolean refusedUnread() {
        return ended && endedByPeer && !heard && (!sent || endedAt - sentAt <= openNanos + REFUSAL_NANOS);
    }

    private void begin(ChannelHandlerContext context) {
        // What has arrived by now is no answer to this request, and is looked at first: an end, or bytes that nobody asked for.
        if (context.channel().unsafe() instanceof AbstractNioChannel.NioUnsafe now) {
            looking = true;
            now.read();
            looking = false;
        }
        if (!context.channel().isActive()) {
            return; // the write fails, and nothing of the request goes out
        }
        wanted = true;
        awaiting = true;
        headed = false;
        ahead = 0;
        written = 0;
        sent = false;
        heard = false;
        read = 0;
        lastUsed = System.currentTimeMillis();
        connections.begun(this);
    }

    /** @param cause of the connection's end, or null where it simply ends */
    private void ended(Throwable cause) {
        if (!ended) {
            endedAt = System.nanoTime();
            failure = cause;
            endedByPeer = cause == null || cause instanceof ClosedChannelException || cause.getMessage() != null
                    && (cause.getMessage().startsWith("Connection reset") || cause.getMessage().startsWith("Broken pipe"));
            ended = true;
        }
    }

    private final class Encoder extends HttpRequestEncoder {

        @Override
        public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) throws Exception {
            if (message instanceof HttpRequest) {
                begin(context);
            }
            if (message instanceof HttpContent content) {
                written += content.content().readableBytes();
            }
            boolean last = message instanceof LastHttpContent;
            super.write(context, message, promise.unvoid().addListener(done -> {
                if (!done.isSuccess()) {
                    ended(done.cause());
                } else if (last) {
                    sentAt = System.nanoTime();
                    sent = true;
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
            if (!awaiting) {
                boolean unasked = bytes.isReadable();
                bytes.release();
                if (unasked) {
                    connection.close(); // out of the pool
                    context.close(); // at once, whatever waits to be written
                }
                return;
            }
            heard = true;
            lastUsed = System.currentTimeMillis();
            read += bytes.readableBytes();
            if (read > connections.bound()) {
                bytes.release();
                context.close();
                return;
            }
            super.channelRead(context, message);
        }

        @Override
        protected void decode(ChannelHandlerContext context, ByteBuf in, List<Object> out) throws Exception {
            if (!awaiting) { // bytes behind the answer: the connection is about to be closed for them
                in.skipBytes(in.readableBytes());
                return;
            }
            int before = in.readableBytes();
            int first = out.size();
            super.decode(context, in, out);
            if (!headed) {
                ahead += before - in.readableBytes();
            }
            if (out.size() == first) {
                return;
            }
            if (out.get(first) instanceof HttpResponse head && head.decoderResult().isSuccess()) {
                if (head.status().codeClass() == HttpStatusClass.INFORMATIONAL) {
                    skip(head.status(), out, first);
                    return;
                }
                headed = true;
                requireKnownCoding(head.headers());
                boolean unread = head.status().code() >= 400 && written > SURELY_READ; // refused by its head, perhaps
                reusable = sent && !unread && HttpUtil.isKeepAlive(head);
            }
            if (out.get(out.size() - 1) instanceof LastHttpContent last && last.decoderResult().isSuccess()) {
                endAnswer(context, in.isReadable());
            }
        }

        /** An interim answer: the decoder has made of it a head and an end without a body. */
        private void skip(HttpResponseStatus status, List<Object> out, int first) {
            while (out.size() > first) {
                out.remove(out.size() - 1);
            }
            if (status.code() == HttpResponseStatus.SWITCHING_PROTOCOLS.code()) {
                throw refused("it answered with 101, another protocol, which the request did not ask for");
            }
            if (ahead > MAX_HEAD) {
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
            awaiting = false;
            return new Refused(what);
        }

        /** Called before the end is passed on, with which Vert.x gives the connection back to its pool. */
        private void endAnswer(ChannelHandlerContext context, boolean moreBehind) {
            awaiting = false;
            if (!reusable || moreBehind) {
                connection.shutdown(SHUTDOWN_MILLIS); // Vert.x then closes it after this answer
            }
            if (!sent) {
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
