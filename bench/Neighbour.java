import chatlambda.local.LocalLambda;
import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.Outcome;
import chatlambda.local.StubChat;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.StringJoiner;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/**
 * All that a contender talks to: the Lambda service and the upstream. One process for the whole benchmark, warmed up by its first
 * round, so that the state of its compiler and heap is the same for every contender; its clock is the one of {@code Bench}, because
 * {@code System.nanoTime} is Linux's CLOCK_MONOTONIC in every process.
 *
 * <p>Started by {@code Bench} with the key store of the upstream. It prints the upstream's three URLs (at hand; over TLS and
 * {@link #AWAY away}; with answers of the size that its path names), then answers each line that it reads by one line:
 *
 * <table>
 * <tr><td>{@code open}</td><td>a new Lambda service's {@code AWS_LAMBDA_RUNTIME_API}: a new one, since in an old one the poll of a
 * killed function might take its successor's event</td></tr>
 * <tr><td>{@code poll}</td><td>the time of the function's first poll, in nanoseconds; waits for it</td></tr>
 * <tr><td>{@code answer COUNT BYTES}</td><td>for each of COUNT invocations with a chat request of BYTES the nanoseconds from the
 * event's arrival to the whole response; each event waits for the function's poll, as Lambda's do</td></tr>
 * <tr><td>{@code close}</td><td>{@code closed}</td></tr>
 * </table>
 */
public final class Neighbour {

    /** A round trip to the upstream over TLS. */
    private static final Duration AWAY = Duration.ofMillis(20);

    /** What fills large messages: some of it is escaped in JSON, as in prose. */
    private static final String LINE = "It is a truth, \\\"universally\\\" acknowledged, "
            + "that a body of this size wants to be passed on.\\n";
    private static final String ANSWER = "You said: Hello";

    private final Map<Integer, byte[]> completions = new ConcurrentHashMap<>();

    public static void main(String[] args) {
        try {
            serve(Path.of(args[0]));
            System.exit(0); // the servers' threads would go on
        } catch (Exception e) {
            e.printStackTrace();
            System.exit(1);
        }
    }

    private static void serve(Path keys) throws Exception {
        var neighbour = new Neighbour();
        System.out.println(StubChat.start(Duration.ZERO).url() + " "
                + relay(StubChat.start(Duration.ZERO, identity(keys)).url()) + " " + neighbour.sized());
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        LocalLambda lambda = null;
        for (String line; (line = in.readLine()) != null;) {
            String[] words = line.split(" ");
            switch (words[0]) {
            case "open":
                System.gc(); // now, rather than while somebody is measured
                lambda = LocalLambda.start(0, InvokeMode.BUFFERED, Duration.ofSeconds(60));
                System.out.println(lambda.runtimeApi());
                break;
            case "poll":
                lambda.awaitPoll();
                System.out.println(System.nanoTime());
                break;
            case "answer":
                System.out.println(answer(lambda, Integer.parseInt(words[1]), event(Integer.parseInt(words[2]))));
                break;
            case "close":
                lambda.close();
                System.out.println("closed");
                break;
            default:
                throw new IllegalArgumentException(line);
            }
        }
    }

    private static String answer(LocalLambda lambda, int count, byte[] event) throws InterruptedException {
        var times = new StringJoiner(" ");
        long[] answered = new long[1];
        for (int i = 0; i < count; i++) {
            long arrived = System.nanoTime();
            Outcome outcome = lambda.invoke(event, response -> answered[0] = System.nanoTime());
            if (outcome.functionError() || !outcome.text().contains(ANSWER)) {
                String text = outcome.text();
                throw new IllegalStateException("wrong answer: " + text.substring(0, Math.min(500, text.length())));
            }
            times.add(Long.toString(answered[0] - arrived));
            lambda.awaitPoll();
        }
        return times.toString();
    }

    /** As from a Function URL, around a chat request of at least that many bytes. */
    private static byte[] event(int bytes) {
        String chat = "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"" + LINE.repeat(bytes / LINE.length())
                + "\"},{\"role\":\"user\",\"content\":\"Hello\"}]}";
        return ("{\"version\":\"2.0\",\"rawPath\":\"/v1/chat/completions\","
                + "\"headers\":{\"content-type\":\"application/json\",\"authorization\":\"Bearer bench\"},"
                + "\"requestContext\":{\"domainName\":\"x.lambda-url.eu-central-1.on.aws\",\"http\":{\"method\":\"POST\",\"path\":"
                + "\"/v1/chat/completions\"},\"stage\":\"$default\"},\"body\":\"" + chat.replace("\\", "\\\\").replace("\"", "\\\"")
                + "\",\"isBase64Encoded\":false}").getBytes(StandardCharsets.UTF_8);
    }

    /** An upstream whose {@code /BYTES/v1/chat/completions} answers with so many, and does nothing else that grows with a size. */
    private URI sized() throws IOException {
        var server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/", this::complete);
        server.start();
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    private void complete(HttpExchange exchange) throws IOException {
        try (exchange) {
            exchange.getRequestBody().transferTo(OutputStream.nullOutputStream());
            int bytes = Integer.parseInt(exchange.getRequestURI().getPath().split("/")[1]);
            byte[] completion = completions.computeIfAbsent(bytes, size -> ("{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\","
                    + "\"created\":1700000000,\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\""
                    + LINE.repeat(size / LINE.length()) + ANSWER + "\"},\"finish_reason\":\"stop\"}]}").getBytes(StandardCharsets.UTF_8));
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.sendResponseHeaders(200, completion.length);
            exchange.getResponseBody().write(completion);
        }
    }

    private static SSLContext identity(Path keys) throws IOException, GeneralSecurityException {
        char[] password = "password".toCharArray();
        var managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        managers.init(KeyStore.getInstance(keys.toFile(), password), password);
        var context = SSLContext.getInstance("TLS");
        context.init(managers.getKeyManagers(), null, null);
        return context;
    }

    /**
     * Puts distance before the upstream: every byte takes half a round trip in its direction, TLS's flights included, whatever the
     * bandwidth. Loopback has connected before the relay knows of it, so TCP's own handshake is made up for after the fact: nothing
     * that a client sends is taken until a round trip has passed since it connected. Name lookup, loss and slow start are not modelled.
     */
    private static URI relay(URI upstream) throws IOException {
        var server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        var threads = Executors.newCachedThreadPool();
        threads.submit(() -> {
            while (true) {
                Socket client = server.accept();
                threads.submit(() -> {
                    var there = new Socket(InetAddress.getLoopbackAddress(), upstream.getPort());
                    TimeUnit.NANOSECONDS.sleep(AWAY.toNanos());
                    threads.submit(() -> pass(there, client));
                    return pass(client, there);
                });
            }
        });
        return URI.create("https://localhost:" + server.getLocalPort());
    }

    private static Void pass(Socket from, Socket to) throws IOException {
        var line = new ScheduledThreadPoolExecutor(1); // a single thread keeps the order
        to.setTcpNoDelay(true);
        byte[] buffer = new byte[65_536];
        try (to; from) {
            for (int n; (n = from.getInputStream().read(buffer)) >= 0;) {
                byte[] bytes = Arrays.copyOf(buffer, n);
                line.schedule(() -> {
                    to.getOutputStream().write(bytes);
                    return null;
                }, AWAY.toNanos() / 2, TimeUnit.NANOSECONDS);
            }
        } finally {
            line.shutdownNow(); // a contender that was killed: nobody waits for what is under way
        }
        return null;
    }
}
