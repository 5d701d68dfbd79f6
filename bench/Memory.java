import chatlambda.local.LocalLambda;
import chatlambda.local.LocalLambda.InvokeMode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import jakarta.json.Json;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/**
 * The binary with as much memory, and as small a share of a core, as a Lambda function has: whether it lives through the largest
 * requests, answers and streams, and how long they take. {@code Memory.java BINARY KEYS CA MB...}; needs root, and cgroups of version 1.
 *
 * <p>A core for each 1,769 MB is Lambda's. The limit counts what the kernel holds for the process too, and no memory is swapped out; of the
 * microVM's other tenants (Lambda's own runtime client) nothing is here.
 *
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html">Lambda's memory</a>
 */
public final class Memory {

    private static final int MB_OF_A_CORE = 1_769;
    private static final Duration PATIENCE = Duration.ofMinutes(10);
    private static final List<Path> GROUPS = List.of(Path.of("/sys/fs/cgroup/memory/chat-lambda-bench"),
            Path.of("/sys/fs/cgroup/cpu/chat-lambda-bench"));
    private static final int PERIOD_MICROS = 20_000;
    private static final String KEY = "bench-key";

    private final String binary;
    private final String authority;
    private final HttpsServer upstream;

    public static void main(String[] args) throws Exception {
        var memory = new Memory(args[0], args[2], identity(Path.of(args[1])));
        System.out.println("| memory, MB | what | time, s | answer, MB | its own after it, MB | most of the limit, MB | killed |");
        System.out.println("|---:|---|---:|---:|---:|---:|---|");
        for (int i = 3; i < args.length; i++) {
            memory.measure(Integer.parseInt(args[i]));
        }
        System.exit(0);
    }

    private Memory(String binary, String authority, SSLContext identity) throws IOException {
        this.binary = binary;
        this.authority = authority;
        upstream = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        upstream.setHttpsConfigurator(new HttpsConfigurator(identity));
        upstream.setExecutor(Executors.newCachedThreadPool());
        upstream.createContext("/", Memory::answer);
        upstream.start();
    }

    /** The model says what: {@code whole-5000000}, {@code stream-200000000}, {@code error-31000000}, in bytes. */
    private static void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            String head = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.US_ASCII);
            String[] model = head.substring(head.indexOf("\"model\":\"") + 9).split("\"", 2)[0].split("-");
            int bytes = Integer.parseInt(model[1]);
            OutputStream out;
            switch (model[0]) {
            case "stream" -> {
                exchange.getResponseHeaders().set("Content-Type", "text/event-stream");
                exchange.sendResponseHeaders(200, 0);
                out = exchange.getResponseBody();
                byte[] event = ascii("data: {\"choices\":[{\"delta\":{\"content\":\"" + "word ".repeat(200) + "\"}}]}\n\n");
                for (int sent = 0; sent < bytes; sent += event.length) {
                    out.write(event);
                }
                out.write(ascii("data: [DONE]\n\n"));
            }
            default -> {
                exchange.getResponseHeaders().set("Content-Type", "application/json");
                boolean isError = model[0].equals("error");
                String around = isError ? "{\"error\":{\"message\":\"%s\"}}" : "{\"choices\":[{\"message\":{\"content\":\"%s\"}}]}";
                byte[] body = ascii(around.formatted("word ".repeat(bytes / 5)));
                exchange.sendResponseHeaders(isError ? 500 : 200, body.length);
                out = exchange.getResponseBody();
                out.write(body);
            }
            }
        } catch (IOException e) {
            // the function has hung up, or is no more
        }
    }

    private void measure(int mb) throws Exception {
        String small = "\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}";
        String large = "\"messages\":[{\"role\":\"user\",\"content\":\"" + "word ".repeat(5_700_000 / 5) + "\"}]}";
        String fair = large.substring(0, 4_200_000) + "\"}]}";
        try (var function = new Function(mb, false)) {
            function.measure("first answer", http("whole-1000", small), 1_000);
            function.measure("a second one", http("whole-1000", small), 1_000);
            function.measure("request of 5.7 MB", http("whole-1000", large), 1_000);
            function.measure("request of 4.2 MB, in Base64 5.6", event(Base64.getEncoder().encodeToString(ascii(body("whole-1000", fair))),
                    true), 1_000);
            function.measure("request of 5.7 MB from another Lambda", ascii(body("whole-1000", large)), 1_000);
            function.measure("answer of 5.9 MB", http("whole-5900000", small), 5_900_000);
            function.measure("request and answer of 5.7 MB", http("whole-5700000", large), 5_700_000);
            function.measure("answer of 31 MB, which is refused", http("whole-31000000", small), 100);
            function.measure("error of 31 MB", http("error-31000000", small), 100);
        }
        try (var function = new Function(mb, true)) {
            function.measure("stream of 1 MB", http("stream-1000000", "\"stream\":true," + small), 1_000_000);
            function.measure("stream of 200 MB", http("stream-200000000", "\"stream\":true," + small), 200_000_000);
            function.measure("whole answer of 31 MB, in mode stream", http("whole-31000000", small), 31_000_000);
            function.measure("the same, and a request of 5.7 MB", http("whole-31000000", large), 31_000_000);
        }
    }

    private static String body(String model, String rest) {
        return "{\"model\":\"" + model + "\"," + rest;
    }

    private static byte[] http(String model, String rest) {
        return event(body(model, rest), false);
    }

    private static byte[] event(String body, boolean base64) {
        return ascii(Json.createObjectBuilder().add("version", "2.0").add("rawPath", "/v1/chat/completions").add("rawQueryString", "")
                .add("headers", Json.createObjectBuilder().add("content-type", "application/json"))
                .add("requestContext", Json.createObjectBuilder().add("domainName", "x.lambda-url.eu-central-1.on.aws")
                        .add("http", Json.createObjectBuilder().add("method", "POST").add("path", "/v1/chat/completions")))
                .add("body", body).add("isBase64Encoded", base64).build().toString());
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    /** One process in its groups. */
    private final class Function implements AutoCloseable {

        private final int mb;
        private final LocalLambda lambda;
        private final Process process;

        Function(int mb, boolean streams) throws Exception {
            this.mb = mb;
            for (Path group : GROUPS) {
                Files.createDirectories(group);
            }
            Path memory = GROUPS.get(0);
            Files.writeString(memory.resolve("memory.limit_in_bytes"), mb + "M");
            Files.writeString(memory.resolve("memory.swappiness"), "0");
            Files.writeString(GROUPS.get(1).resolve("cpu.cfs_period_us"), "" + PERIOD_MICROS);
            Files.writeString(GROUPS.get(1).resolve("cpu.cfs_quota_us"), "" + Math.max(1_000, PERIOD_MICROS * mb / MB_OF_A_CORE));
            lambda = LocalLambda.start(0, streams ? InvokeMode.RESPONSE_STREAM : InvokeMode.BUFFERED, PATIENCE);
            var builder = new ProcessBuilder("sh", "-c", "for g in \"$@\"; do echo $$ > $g/cgroup.procs; done; exec \"$0\"", binary,
                    GROUPS.get(0).toString(), GROUPS.get(1).toString());
            builder.redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD);
            builder.environment().clear();
            builder.environment().putAll(Map.of("AWS_LAMBDA_RUNTIME_API", lambda.runtimeApi(), "CHAT_API_KEY", KEY, "CHAT_AUTH", "iam",
                    "CHAT_URL", "https://localhost:" + upstream.getAddress().getPort(), "QUARKUS_TLS_TRUST_STORE_PEM_CERTS", authority,
                    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "" + mb, "CHAT_RESPONSE_MODE", streams ? "stream" : "buffered"));
            long begun = System.nanoTime();
            process = builder.start();
            lambda.awaitPoll();
            report("start", begun, 0, "");
        }

        /** @param least bytes of what the function hands over */
        void measure(String what, byte[] event, long least) throws Exception {
            if (!process.isAlive()) {
                return;
            }
            var bytes = new AtomicLong();
            long begun = System.nanoTime();
            var outcome = lambda.invoke(event, chunk -> bytes.addAndGet(chunk.length));
            report(what, begun, bytes.get(), outcome.functionError() || bytes.get() < least ? ", WHICH FAILED" : "");
        }

        private void report(String what, long begun, long bytes, String said) throws Exception {
            double seconds = (System.nanoTime() - begun) / 1e9;
            boolean ended = process.waitFor(100, TimeUnit.MILLISECONDS);
            String most = Files.readString(GROUPS.get(0).resolve("memory.max_usage_in_bytes")).strip();
            System.out.printf(Locale.ROOT, "| %d | %s%s | %.2f | %.1f | %s | %.1f | %s |%n", mb, what, said, seconds, bytes / 1e6,
                    ended ? "" : resident(), Long.parseLong(most) / 1048576.0, ended ? "with " + process.exitValue() : "no");
            Files.writeString(GROUPS.get(0).resolve("memory.max_usage_in_bytes"), "0");
        }

        /** Anonymous memory: the binary's pages can be read again. */
        private String resident() throws IOException {
            return Files.readAllLines(Path.of("/proc/" + process.pid() + "/status")).stream().filter(line -> line.startsWith("RssAnon"))
                    .map(line -> "%.1f".formatted(Long.parseLong(line.replaceAll("\\D+", "")) / 1024.0)).findFirst().orElse("");
        }

        @Override
        public void close() throws Exception {
            process.destroyForcibly().waitFor();
            lambda.close();
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
}
