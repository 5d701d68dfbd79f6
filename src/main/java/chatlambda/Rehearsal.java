package chatlambda;

import chatlambda.access.Access;
import chatlambda.access.Client;
import chatlambda.chat.Limits;
import chatlambda.chat.Route;
import chatlambda.http.HttpReader;
import chatlambda.log.AccessLog;
import chatlambda.runtime.FunctionError;
import chatlambda.runtime.Invocation;
import chatlambda.runtime.Response;
import chatlambda.runtime.Turn;
import chatlambda.upstream.BytesInFlight;
import chatlambda.upstream.Deadline;
import chatlambda.upstream.Upstream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jboss.logging.Logger;

/**
 * Runs the whole path once before the first event, while Lambda still gives a whole core: one made-up event, answered by a stand-in for
 * the upstream on loopback; meanwhile the real upstream is connected, and sent nothing. What fails here is a log line.
 */
final class Rehearsal {

    private static final Logger LOG = Logger.getLogger(Rehearsal.class);

    /** Enough for each route that takes a body. */
    private static final String CHAT = "{\\\"messages\\\":[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"\\\"}],\\\"input\\\":\\\"\\\"%s}";
    private static final String EVENT = "{\"rawPath\":\"/v1%s\",\"headers\":{\"content-type\":\"application/json\","
            + "\"authorization\":\"Bearer rehearsal\"},"
            + "\"requestContext\":{\"http\":{\"method\":\"POST\"}},\"body\":\"" + CHAT + "\",\"isBase64Encoded\":false}";
    private static final String KEY_SHA_256 = "2bcd3e14dca8fdb18ca3d4e958bb1c4df002598ae6e5d80fc9d9824a6b5dc450";

    private Rehearsal() {
    }

    /** Returns when both are done, or {@code chat.prime-timeout} is over. */
    static void run(Settings settings, Upstream upstream) {
        var deadline = Deadline.at(Instant.now().plus(settings.primeTimeout()), "raise chat.prime-timeout");
        var connected = upstream.connect();
        try {
            for (Route route : settings.routes()) { // the first one that takes a body, which all others share their way with
                if (route.method().equals("POST")) {
                    play(route, settings, upstream);
                    break;
                }
            }
        } catch (IOException e) {
            LOG.warnf("no rehearsal: %s", e.getMessage());
        } catch (RuntimeException e) { // the first event may fare better
            LOG.warnf("no rehearsal: %s", e.getClass().getName());
        }
        try {
            connected.get(deadline.left().toNanos(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            LOG.warnf("%s: the first request will try again", upstream.reason(e.getCause()));
        } catch (TimeoutException e) {
            LOG.warnf("the upstream was not connected within %s ms (chat.prime-timeout): the first request will try again",
                    settings.primeTimeout().toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static void play(Route route, Settings settings, Upstream upstream) throws IOException {
        boolean streams = settings.streams() && route != Route.EMBEDDINGS;
        Turn turn = null;
        try (var server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            var thread = new Thread(() -> answerOnce(server, streams), "rehearsal");
            thread.setDaemon(true);
            thread.start();
            var client = new Client("rehearsal", () -> "rehearsal", Limits.NONE);
            var key = new Access.Key(client, HexFormat.of().parseHex(KEY_SHA_256));
            var access = new Access(Access.Mode.KEYS, List.of(key), client, client);
            var log = new AccessLog(OutputStream.nullOutputStream(), settings.metrics(), Map.of());
            var standIn = upstream.standIn(URI.create("http://127.0.0.1:" + server.getLocalPort()));
            String event = EVENT.formatted(route.path(), streams ? ",\\\"stream\\\":true" : "");
            var function = new ChatFunction(settings, new Rules(access), null, new BytesInFlight(0), log, standIn);
            turn = function.begin(new Invocation("rehearsal", null, null,
                    Instant.now().plus(Duration.ofDays(1)), System.nanoTime(), event.getBytes(StandardCharsets.US_ASCII)));
            if (!beginning(turn.respond()).contains("\"statusCode\":200")) {
                LOG.warn("the rehearsal was not answered with 200: the first event will be slower");
            }
        } catch (FunctionError e) {
            throw new IOException(e.getMessage());
        } finally {
            if (turn != null) {
                turn.close(Turn.Delivery.HANDED_OVER);
            }
        }
    }

    /** A whole response, or a stream's first bytes, which hold its status; the others are read too. */
    private static String beginning(Response response) throws FunctionError {
        if (response instanceof Response.Whole whole) {
            return new String(whole.document(), StandardCharsets.UTF_8);
        }
        try (var chunks = ((Response.Streamed) response).chunks()) {
            byte[] first = chunks.next(Duration.ZERO);
            byte[] next = first;
            while (next != null) {
                next = chunks.next(Duration.ofSeconds(1));
            }
            return new String(first, StandardCharsets.UTF_8);
        }
    }

    private static void answerOnce(ServerSocket server, boolean streams) {
        try (Socket connection = server.accept()) {
            var reader = new HttpReader(connection.getInputStream());
            reader.body(reader.head());
            String type = streams ? "text/event-stream" : "application/json";
            String body = streams ? "data: {\"type\":\"response.completed\"}\n\ndata: [DONE]\n\n" : "{\"choices\":[]}";
            connection.getOutputStream().write(("HTTP/1.1 200 OK\r\nContent-Type: " + type + "\r\nContent-Length: " + body.length()
                    + "\r\n\r\n" + body).getBytes(StandardCharsets.US_ASCII));
        } catch (IOException e) {
            LOG.debug("the rehearsal is over");
        }
    }
}
