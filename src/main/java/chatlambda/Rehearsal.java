package chatlambda;

import chatlambda.ChatConfig.Settings;
import chatlambda.access.Access;
import chatlambda.http.HttpReader;
import chatlambda.log.AccessLog;
import chatlambda.runtime.InvocationLoop;
import chatlambda.runtime.RuntimeApi;
import chatlambda.upstream.Upstream;
import org.jboss.logging.Logger;

import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs the whole path once before the first event, while Lambda still gives a whole core: one made-up event from a stand-in for the
 * Runtime API to a stand-in for the upstream, both on loopback; meanwhile the real upstream is connected, and sent nothing. What
 * fails here is a log line.
 */
final class Rehearsal implements Closeable {

    private static final Logger LOG = Logger.getLogger(Rehearsal.class);

    private static final String CHAT = "{\\\"messages\\\":[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"\\\"}]%s}";
    private static final String EVENT = "{\"rawPath\":\"/v1/chat/completions\",\"headers\":{\"content-type\":\"application/json\","
            + "\"authorization\":\"Bearer rehearsal\"},"
            + "\"requestContext\":{\"http\":{\"method\":\"POST\"}},\"body\":\"" + CHAT + "\",\"isBase64Encoded\":false}";

    private static final Access ACCESS = new Access(Access.Mode.KEYS, List.of(new Access.Key("rehearsal", HexFormat.of().parseHex(
            "2bcd3e14dca8fdb18ca3d4e958bb1c4df002598ae6e5d80fc9d9824a6b5dc450"))), Map.of());

    private final ServerSocket server = new ServerSocket(0, 4, InetAddress.getLoopbackAddress());
    private final boolean streams;

    private Rehearsal(boolean streams) throws IOException {
        this.streams = streams;
    }

    static void run(Settings settings, Upstream upstream) {
        long start = System.nanoTime();
        var connected = new CompletableFuture<Void>();
        upstream.connect().onComplete(done -> {
            if (done.succeeded()) {
                connected.complete(null);
            } else {
                connected.completeExceptionally(done.cause());
            }
        });
        try (var rehearsal = new Rehearsal(settings.responseMode() == ChatConfig.ResponseMode.STREAM)) {
            rehearsal.play(settings, upstream);
        } catch (IOException e) {
            LOG.warnf("no rehearsal: %s", e.getMessage());
        }
        try {
            connected.get(settings.primeTimeout().toNanos() - (System.nanoTime() - start), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            LOG.warnf("%s: the first request will try again", upstream.reason(e.getCause()));
        } catch (TimeoutException e) {
            LOG.warnf("the upstream was not connected within %s ms (chat.prime-timeout): the first request will try again",
                    settings.primeTimeout().toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void play(Settings settings, Upstream upstream) throws IOException {
        var thread = new Thread(this::accept, "rehearsal");
        thread.setDaemon(true);
        thread.start();
        String address = "127.0.0.1:" + server.getLocalPort();
        try (var api = new RuntimeApi(address)) {
            var log = new AccessLog(OutputStream.nullOutputStream(), settings.metrics(), List.of(settings.model()), Map.of());
            var function = new ChatFunction(settings, ACCESS, upstream.standIn(URI.create("http://" + address)), () -> "rehearsal", log);
            new InvocationLoop(api, function).turn();
        }
    }

    private void accept() {
        try {
            while (true) {
                Socket connection = server.accept();
                var thread = new Thread(() -> serve(connection), "rehearsal");
                thread.setDaemon(true);
                thread.start();
            }
        } catch (IOException e) {
            LOG.debug("the rehearsal is over");
        }
    }

    private void serve(Socket connection) {
        try (connection) {
            var reader = new HttpReader(connection.getInputStream());
            for (HttpReader.Head head; (head = reader.head()) != null;) {
                byte[] said = reader.body(head);
                if (head.startLine().contains("/invocation/rehearsal/") && said.length > 0
                        && !new String(said, StandardCharsets.UTF_8).contains("\"statusCode\":200")) {
                    LOG.warn("the rehearsal was not answered with 200: the first event will be slower");
                }
                boolean next = head.startLine().startsWith("GET");
                boolean chat = head.startLine().contains("completions");
                String body = next ? EVENT.formatted(streams ? ",\\\"stream\\\":true" : "")
                        : chat ? streams ? "data: {}\n\ndata: [DONE]\n\n" : "{\"choices\":[]}" : "{}";
                String type = chat && streams ? "text/event-stream" : "application/json";
                connection.getOutputStream().write(("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: rehearsal\r\nContent-Type: " + type
                        + "\r\nLambda-Runtime-Deadline-Ms: " + (System.currentTimeMillis() + TimeUnit.DAYS.toMillis(1))
                        + "\r\nContent-Length: " + body.length() + "\r\n\r\n" + body).getBytes(StandardCharsets.US_ASCII));
            }
        } catch (IOException e) {
            LOG.debug("the rehearsal is over");
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
    }
}
