import chatlambda.http.HttpReader;
import chatlambda.local.LocalLambda;
import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.Outcome;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObjectBuilder;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/**
 * Measures many invocations at a time in one process of each contender: memory, CPU and chunk latency of many streams beside those of one,
 * and how long as many whole answers take. Contenders in turns, a fresh process for each figure of memory.
 *
 * <p>{@code java -cp ... Many.java OUT ROUNDS NAME=COMMAND...}: OUT is the JSON file to write, beside which a Markdown table is written;
 * the environment's STREAMS is how many at a time, by default 64. Needs Linux's /proc.
 *
 * <p>The Lambda service and the upstream are in this process, which does nothing else while streams run: it writes and reads some 640
 * chunks a second, and {@code bench/run} gives it a young generation that does not fill within a stream. A second process would wake up no
 * fewer threads. What this side takes of a chunk's latency is measured too, by reading the same streams straight from the upstream.
 */
public final class Many {

    private static final int STREAMS = Integer.parseInt(System.getenv().getOrDefault("STREAMS", "64"));
    private static final int CHUNKS = 200;
    private static final Duration PACE = Duration.ofMillis(100);
    private static final Duration WHOLE_ANSWER = Duration.ofSeconds(1);
    /** Instead of both, to warm this process up. */
    private static final Duration WARM = Duration.ofMillis(10);
    private static final int WARM_STREAMS = 3;
    private static final int WARM_ANSWERS = 20;
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final String PEER = "go";

    private final Path folder = Path.of("target", "bench").toAbsolutePath();
    private final Map<String, List<String>> contenders = new LinkedHashMap<>();
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final Upstream upstream = new Upstream(threads);

    public static void main(String[] args) {
        try {
            new Many(Arrays.copyOfRange(args, 2, args.length)).run(Path.of(args[0]), Integer.parseInt(args[1]));
            System.exit(0); // the servers' threads would go on
        } catch (Exception e) {
            e.printStackTrace();
            System.exit(1);
        }
    }

    private Many(String[] commands) throws IOException {
        for (String contender : commands) {
            String[] parts = contender.split("=", 2);
            contenders.put(parts[0], List.of(parts[1].split(" ")));
        }
    }

    private void run(Path out, int rounds) throws Exception {
        for (String name : contenders.keySet()) {
            warm(name);
        }
        System.err.print("bench: warm");
        var figures = new Figures(contenders.keySet());
        var order = new ArrayList<>(contenders.keySet());
        for (int round = 0; round < rounds; round++) {
            var straight = new LinkedHashMap<String, Double>();
            putLatencies("one", straight(1), straight);
            putLatencies("many", straight(STREAMS), straight);
            figures.straight.add(straight);
            for (String name : order) {
                figures.add(name, measure(name));
                System.err.print(".");
            }
            Collections.reverse(order); // what drifts within a round evens out between two
        }
        System.err.println();
        figures.compareWithPeer();
        Files.writeString(out, figures.json());
        String markdown = figures.markdown();
        Files.writeString(Path.of(out.toString().replace(".json", ".md")), markdown);
        System.out.println(markdown);
    }

    /** This process's code is compiled, and the contender's file is in memory. */
    private void warm(String name) throws Exception {
        try (var start = new Start(name, true, WARM)) {
            for (int i = 0; i < WARM_STREAMS; i++) {
                start.streams(STREAMS);
            }
        }
        try (var start = new Start(name, false, WARM)) {
            for (int i = 0; i < WARM_ANSWERS; i++) {
                start.wholeAnswers();
            }
        }
    }

    private Map<String, Double> measure(String name) throws Exception {
        var figures = new LinkedHashMap<String, Double>();
        try (var start = new Start(name, true, PACE)) {
            figures.put("first_poll_ms", start.firstPoll);
            figures.put("all_poll_ms", start.allPoll);
            figures.put("idle_mb", start.memory("VmRSS"));
            streams("one", 1, start, figures);
        }
        try (var start = new Start(name, true, PACE)) {
            streams("many", STREAMS, start, figures);
        }
        figures.put("many_more_mb", figures.get("many_peak_mb") - figures.get("one_peak_mb"));
        try (var start = new Start(name, false, WHOLE_ANSWER)) {
            figures.put("whole_first_ms", start.wholeAnswers());
            figures.put("whole_again_ms", start.wholeAnswers());
        }
        return figures;
    }

    private static void streams(String prefix, int count, Start start, Map<String, Double> figures) throws Exception {
        double cpu = start.cpu();
        double[] latencies = start.streams(count);
        figures.put(prefix + "_cpu_ms", (start.cpu() - cpu) / count);
        figures.put(prefix + "_peak_mb", start.memory("VmHWM"));
        figures.put(prefix + "_last_mb", start.memory("VmRSS"));
        putLatencies(prefix, latencies, figures);
    }

    private static void putLatencies(String prefix, double[] sorted, Map<String, Double> figures) {
        figures.put(prefix + "_p50_ms", sorted[sorted.length / 2]);
        figures.put(prefix + "_p99_ms", sorted[sorted.length * 99 / 100]);
        figures.put(prefix + "_max_ms", sorted[sorted.length - 1]);
    }

    /** What chunks take from the upstream to a reader with no function between, sorted: this side's own share. */
    private double[] straight(int count) throws Exception {
        System.gc();
        var arrivals = arrivals(count);
        atOnce(count, number -> {
            try (var connection = new Socket(InetAddress.getLoopbackAddress(), upstream.port())) {
                String request = request(arrivals[number].caller, true);
                Upstream.write(connection, "POST " + path(PACE) + "/v1/chat/completions HTTP/1.1\r\nContent-Length: " + request.length()
                        + "\r\n\r\n" + request);
                var reader = new HttpReader(connection.getInputStream());
                reader.head();
                for (byte[] chunk; (chunk = reader.chunk()) != null;) {
                    arrivals[number].add(chunk);
                }
            }
        });
        return latencies(arrivals);
    }

    private interface Call {
        void make(int number) throws Exception;
    }

    /**
     * Makes calls at the same time, each on a thread of its own.
     *
     * @return milliseconds from the first one's begin to the last one's end
     */
    private double atOnce(int count, Call call) throws Exception {
        var ready = new CountDownLatch(count);
        var begin = new CountDownLatch(1);
        var calls = new ArrayList<Future<?>>();
        for (int i = 0; i < count; i++) {
            int number = i;
            calls.add(threads.submit(() -> {
                ready.countDown();
                begin.await();
                call.make(number);
                return null;
            }));
        }
        ready.await();
        long begun = System.nanoTime();
        begin.countDown();
        for (Future<?> each : calls) {
            each.get();
        }
        return (System.nanoTime() - begun) / 1e6;
    }

    private static String path(Duration pause) {
        return "/" + pause.toMillis();
    }

    /** A chat request by a caller of that name, which the upstream echoes. */
    private static String request(String caller, boolean stream) {
        return "{\"model\":\"" + caller + "\",\"stream\":" + stream + ",\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}";
    }

    /** As from a Function URL. */
    private static byte[] event(String caller, boolean stream) {
        return ("{\"version\":\"2.0\",\"rawPath\":\"/v1/chat/completions\","
                + "\"headers\":{\"content-type\":\"application/json\",\"authorization\":\"Bearer bench\"},"
                + "\"requestContext\":{\"domainName\":\"x.lambda-url.eu-central-1.on.aws\",\"http\":{\"method\":\"POST\",\"path\":"
                + "\"/v1/chat/completions\"},\"stage\":\"$default\"},\"body\":\"" + request(caller, stream).replace("\"", "\\\"")
                + "\",\"isBase64Encoded\":false}").getBytes(StandardCharsets.US_ASCII);
    }

    private static Arrivals[] arrivals(int count) {
        var arrivals = new Arrivals[count];
        Arrays.setAll(arrivals, number -> new Arrivals("caller-" + number));
        return arrivals;
    }

    /** In milliseconds, sorted. */
    private static double[] latencies(Arrivals[] arrivals) {
        Arrays.stream(arrivals).forEach(Arrivals::requireComplete);
        return Arrays.stream(arrivals).flatMapToLong(each -> LongStream.of(each.nanos)).sorted().mapToDouble(nanos -> nanos / 1e6)
                .toArray();
    }

    /** The chunks of one caller's stream, wherever what arrives is cut: all of them, in order, and nobody else's. For one thread. */
    private static final class Arrivals {

        private static final String EVENT = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
                + "\"model\":\"%s\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%d %020d\"},\"finish_reason\":null}]}";
        private static final String FINISH = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
                + "\"model\":\"%s\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}";
        private static final String DONE = "data: [DONE]";
        private static final Pattern SENT_AT = Pattern.compile("\"content\":\"\\d+ (\\d{20})\"");

        final String caller;
        /** By chunk, from its writing by the upstream to its arrival here. */
        final long[] nanos = new long[CHUNKS];
        private final StringBuilder text = new StringBuilder();
        private int count;

        Arrivals(String caller) {
            this.caller = caller;
        }

        void add(byte[] bytes) {
            long now = System.nanoTime();
            text.append(new String(bytes, StandardCharsets.ISO_8859_1));
            int from = 0;
            for (int end; (end = text.indexOf("\n\n", from)) >= 0; from = end + 2) {
                String event = text.substring(from, end);
                event(event.substring(event.lastIndexOf('\0') + 1), now); // a prelude ends with zeros
            }
            text.delete(0, from);
        }

        private void event(String event, long now) {
            Matcher sent = SENT_AT.matcher(event);
            long at = sent.find() ? Long.parseLong(sent.group(1)) : 0;
            if (!event.equals(expected(at))) {
                throw new IllegalStateException(caller + " got, after " + count + " events: " + event);
            }
            if (count < CHUNKS) {
                nanos[count] = now - at;
            }
            count++;
        }

        private String expected(long at) {
            if (count < CHUNKS) {
                return EVENT.formatted(caller, count, at);
            }
            return count == CHUNKS ? FINISH.formatted(caller) : DONE;
        }

        void requireComplete() {
            if (count != CHUNKS + 2 || !text.isEmpty()) {
                throw new IllegalStateException(caller + " got " + count + " events, and then: " + text);
            }
        }
    }

    /** One contender's process, from its start to its end; constructed when all its workers poll. */
    private final class Start implements AutoCloseable {

        private final LocalLambda lambda;
        private final Process process;
        private final AtomicBoolean wanted = new AtomicBoolean(true);

        /** Milliseconds from the start to the first poll, and until all workers poll. */
        final double firstPoll;
        final double allPoll;

        /** @param pause the upstream's between two chunks, or before a whole answer */
        Start(String name, boolean streams, Duration pause) throws Exception {
            System.gc(); // now, rather than while somebody is measured
            lambda = LocalLambda.start(0, InvokeMode.RESPONSE_STREAM, Duration.ofSeconds(60));
            File log = folder.resolve(name + ".log").toFile();
            var builder = new ProcessBuilder(contenders.get(name)).redirectErrorStream(true).redirectOutput(log);
            builder.environment().clear();
            builder.environment().putAll(Map.of("AWS_LAMBDA_RUNTIME_API", lambda.runtimeApi(), "CHAT_API_KEY", "k", "CHAT_CLIENT_KEYS",
                    "bench=1b32c28cb38c05480eccc1bd60ff97029b57a05c96718b96dad7e9d84894f549", "CHAT_URL",
                    "http://127.0.0.1:" + upstream.port() + path(pause), "CHAT_RESPONSE_MODE", streams ? "stream" : "buffered", "PATH",
                    System.getenv("PATH"), "DISABLE_SIGNAL_HANDLERS", "true", "AWS_LAMBDA_MAX_CONCURRENCY", Integer.toString(STREAMS),
                    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "2048"));
            long spawned = System.nanoTime();
            process = builder.start();
            process.onExit().thenRun(() -> {
                if (wanted.get()) {
                    System.err.println("bench: " + name + " ended by itself, see " + log);
                    Runtime.getRuntime().halt(1);
                }
            });
            firstPoll = (polled(1) - spawned) / 1e6;
            allPoll = (polled(STREAMS) - spawned) / 1e6;
        }

        /** @return when so many workers polled at once, by {@link System#nanoTime} */
        private long polled(int workers) throws Exception {
            Future<Long> polled = threads.submit(() -> {
                lambda.awaitPolls(workers);
                return System.nanoTime();
            });
            try {
                return polled.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
            } catch (TimeoutException e) {
                close();
                throw new IllegalStateException("no " + workers + " polls at once within " + PATIENCE, e);
            }
        }

        /** @return latencies of all their chunks in milliseconds, sorted */
        double[] streams(int count) throws Exception {
            var arrivals = arrivals(count);
            atOnce(count, number -> {
                Outcome outcome = lambda.invoke(event(arrivals[number].caller, true), arrivals[number]::add);
                if (outcome.functionError() || !outcome.streamed() || outcome.trailer() != null) {
                    throw wrong(outcome);
                }
            });
            polled(STREAMS);
            return latencies(arrivals);
        }

        /** @return milliseconds until all are here */
        double wholeAnswers() throws Exception {
            double wall = atOnce(STREAMS, number -> {
                String caller = "caller-" + number;
                Outcome outcome = lambda.invoke(event(caller, false));
                if (outcome.functionError() || !outcome.text().contains("You are " + caller + ".")) {
                    throw wrong(outcome);
                }
            });
            polled(STREAMS);
            return wall;
        }

        private static IllegalStateException wrong(Outcome outcome) {
            String text = outcome.text();
            return new IllegalStateException("wrong answer: " + text.substring(0, Math.min(500, text.length())) + ", " + outcome.trailer());
        }

        /** Milliseconds of all threads that live, by the scheduler's own count. What an ended thread has used is missing. */
        double cpu() throws IOException {
            double nanos = 0;
            try (var tasks = Files.list(Path.of("/proc/" + process.pid() + "/task"))) {
                for (Path task : tasks.toList()) {
                    nanos += nanos(task);
                }
            }
            return nanos / 1e6;
        }

        private static double nanos(Path task) throws IOException {
            try {
                return Double.parseDouble(Files.readString(task.resolve("schedstat")).split(" ")[0]);
            } catch (NoSuchFileException e) {
                return 0; // it has ended since they were listed
            }
        }

        /** In units of 1,048,576 bytes, as Lambda's. */
        double memory(String name) throws IOException {
            return Files.readAllLines(Path.of("/proc/" + process.pid() + "/status")).stream().filter(line -> line.startsWith(name + ":"))
                    .mapToDouble(line -> Double.parseDouble(line.replaceAll("[^0-9]", "")) / 1024).findFirst().orElseThrow();
        }

        @Override
        public void close() throws Exception {
            wanted.set(false);
            process.destroyForcibly().waitFor();
            lambda.close();
        }
    }

    /**
     * Answers a request for a stream with {@link #CHUNKS} chunks, any other with a whole answer. Between two chunks, or before the answer
     * are as many milliseconds as the path's first part says. A thread for each connection reads requests; one thread for all writes
     * chunks, at times that are spread evenly. A chunk that is written late is not slower for it: it tells when it was written.
     */
    private static final class Upstream {

        private static final int BACKLOG = 1_024;
        private static final String COMPLETION = "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1700000000,"
                + "\"model\":\"%s\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"You are %s.\"},"
                + "\"finish_reason\":\"stop\"}]}";

        private final ServerSocket server = new ServerSocket(0, BACKLOG, InetAddress.getLoopbackAddress());
        private final ScheduledExecutorService writer = Executors.newSingleThreadScheduledExecutor();
        private final AtomicLong streams = new AtomicLong();

        Upstream(ExecutorService threads) throws IOException {
            threads.submit(() -> {
                while (true) {
                    Socket connection = server.accept();
                    threads.submit(() -> serve(connection));
                }
            });
        }

        int port() {
            return server.getLocalPort();
        }

        private Void serve(Socket connection) throws Exception {
            try (connection) {
                connection.setTcpNoDelay(true);
                var reader = new HttpReader(connection.getInputStream());
                for (HttpReader.Head head; (head = reader.head()) != null;) {
                    var request = Json.createReader(new ByteArrayInputStream(reader.body(head))).readObject();
                    String caller = request.getString("model");
                    long pause = TimeUnit.MILLISECONDS.toNanos(Long.parseLong(head.startLine().split("/")[1]));
                    if (request.getBoolean("stream", false)) {
                        new Stream(connection, caller, pause).run();
                    } else {
                        TimeUnit.NANOSECONDS.sleep(pause);
                        String completion = COMPLETION.formatted(caller, caller);
                        write(connection, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + completion.length()
                                + "\r\n\r\n" + completion);
                    }
                }
            }
            return null;
        }

        static void write(Socket connection, String text) throws IOException {
            connection.getOutputStream().write(text.getBytes(StandardCharsets.US_ASCII));
        }

        /** One stream of chunks, each an HTTP chunk with one event. */
        private final class Stream {

            private final Socket connection;
            private final String caller;
            private final long pace;
            private final CompletableFuture<Void> ended = new CompletableFuture<>();
            private long due;
            private int count;

            /** @param pace nanoseconds from chunk to chunk */
            Stream(Socket connection, String caller, long pace) {
                this.connection = connection;
                this.caller = caller;
                this.pace = pace;
                long now = System.nanoTime();
                long phase = pace * (streams.getAndIncrement() % STREAMS) / STREAMS;
                due = now + pace - Math.floorMod(now - phase, pace);
            }

            /** Returns when all is written. */
            void run() throws Exception {
                write(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
                schedule();
                ended.get();
            }

            private void schedule() {
                writer.schedule(this::next, due - System.nanoTime(), TimeUnit.NANOSECONDS);
            }

            private void next() {
                try {
                    if (count == CHUNKS) {
                        event(Arrivals.FINISH.formatted(caller));
                        event(Arrivals.DONE);
                        write(connection, "0\r\n\r\n");
                        ended.complete(null);
                        return;
                    }
                    event(Arrivals.EVENT.formatted(caller, count, System.nanoTime()));
                    count++;
                    due += pace;
                    schedule();
                } catch (IOException e) { // the contender is gone
                    ended.completeExceptionally(e);
                }
            }

            private void event(String event) throws IOException {
                write(connection, Integer.toHexString(event.length() + 2) + "\r\n" + event + "\n\n\r\n");
            }
        }
    }

    /** What all rounds have measured, and whether it is what was aimed at. */
    private static final class Figures {

        /** @param bound of the figure's median */
        private record Goal(String text, String figure, double bound) {
        }

        private static final String CPU_RATIO = "many_cpu_to_" + PEER;
        private static final List<Goal> GOALS = List.of(
                new Goal("memory of all streams at most 30 MB above that of one", "many_more_mb", 30),
                new Goal("CPU per stream at most 1.5 times that of " + PEER, CPU_RATIO, 1.5),
                new Goal("p99 of a chunk below 5 ms", "many_p99_ms", 5),
                new Goal("all whole answers within 1.2 s, on new connections", "whole_first_ms", 1200),
                new Goal("all whole answers within 1.2 s, on kept connections", "whole_again_ms", 1200));

        private final Map<String, List<Map<String, Double>>> contenders = new LinkedHashMap<>();
        final List<Map<String, Double>> straight = new ArrayList<>();

        Figures(Iterable<String> names) {
            names.forEach(name -> contenders.put(name, new ArrayList<>()));
        }

        void add(String name, Map<String, Double> round) {
            contenders.get(name).add(round);
        }

        /** Round by round: what slows one round down slows both. To be called when all are added. */
        void compareWithPeer() {
            List<Map<String, Double>> peer = contenders.getOrDefault(PEER, List.of());
            for (int i = 0; i < peer.size(); i++) {
                for (List<Map<String, Double>> rounds : contenders.values()) {
                    rounds.get(i).put(CPU_RATIO, rounds.get(i).get("many_cpu_ms") / peer.get(i).get("many_cpu_ms"));
                }
            }
        }

        /** Of one figure, sorted. */
        private static double[] sorted(List<Map<String, Double>> rounds, String figure) {
            return rounds.stream().mapToDouble(round -> round.get(figure)).sorted().toArray();
        }

        private static double median(List<Map<String, Double>> rounds, String figure) {
            return sorted(rounds, figure)[rounds.size() / 2];
        }

        String json() {
            var json = Json.createObjectBuilder().add("date", LocalDate.now().toString()).add("machine", machine())
                    .add("tools", System.getenv("TOOLS")).add("rounds", straight.size()).add("streams", STREAMS)
                    .add("straight", json(straight));
            var all = Json.createObjectBuilder();
            contenders.forEach((name, rounds) -> all.add(name, json(rounds)));
            return json.add("contenders", all).build() + "\n";
        }

        private static JsonObjectBuilder json(List<Map<String, Double>> rounds) {
            var json = Json.createObjectBuilder();
            for (String figure : rounds.get(0).keySet()) {
                JsonArrayBuilder all = Json.createArrayBuilder();
                rounds.forEach(round -> all.add(rounded(round.get(figure))));
                json.add(figure, Json.createObjectBuilder().add("median", rounded(median(rounds, figure))).add("all", all));
            }
            return json;
        }

        String markdown() {
            var text = new StringBuilder("# " + STREAMS + " at a time, run of " + LocalDate.now() + "\n\n" + machine() + "; "
                    + straight.size() + " rounds, contenders in turns, each start a fresh process with AWS_LAMBDA_MAX_CONCURRENCY="
                    + STREAMS + ". One: a stream of " + CHUNKS + " chunks alone, one each " + PACE.toMillis() + " ms. Many: " + STREAMS
                    + " of them at once, CPU for each. Whole: " + STREAMS + " whole answers at once, from an upstream that takes "
                    + WHOLE_ANSWER.toMillis() + " ms. Latency is from the upstream's writing of a chunk to its arrival at the Lambda"
                    + " service. Made by `bench/run many` with " + System.getenv("TOOLS") + ".\n\nMedian (min to max):\n\n");
            row(text, "", contenders.keySet());
            text.append("|---|").append("---:|".repeat(contenders.size())).append("\n");
            for (String figure : contenders.values().iterator().next().get(0).keySet()) {
                row(text, figure, contenders.values().stream().map(rounds -> range(rounds, figure)).toList());
            }
            text.append("\nThe bench's own share, from streams read straight from the upstream:");
            text.append(straight.get(0).keySet().stream().map(figure -> " " + figure + " " + range(straight, figure))
                    .collect(Collectors.joining(",", "", ".\n\n")));
            row(text, "goal", contenders.keySet());
            text.append("|---|").append("---|".repeat(contenders.size())).append("\n");
            for (Goal goal : GOALS) {
                row(text, goal.text, contenders.values().stream().map(rounds -> verdict(rounds, goal)).toList());
            }
            return text.toString();
        }

        private static void row(StringBuilder text, String first, Iterable<String> others) {
            text.append("| ").append(first).append(" | ").append(String.join(" | ", others)).append(" |\n");
        }

        private static String range(List<Map<String, Double>> rounds, String figure) {
            double[] sorted = sorted(rounds, figure);
            return number(median(rounds, figure)) + " (" + number(sorted[0]) + " to " + number(sorted[sorted.length - 1]) + ")";
        }

        private static String verdict(List<Map<String, Double>> rounds, Goal goal) {
            if (!rounds.get(0).containsKey(goal.figure)) {
                return "no " + PEER + " in this run";
            }
            double median = median(rounds, goal.figure);
            return (median <= goal.bound ? "met: " : "missed: ") + number(median);
        }

        private static String number(double value) {
            int decimals = 0;
            if (value < 100) {
                decimals = value < 10 ? 2 : 1;
            }
            return String.format(Locale.ROOT, "%." + decimals + "f", value);
        }

        private static double rounded(double value) {
            return Math.round(value * 1000) / 1000.0;
        }

        private static String machine() {
            return Runtime.getRuntime().availableProcessors() + " cores, " + System.getProperty("os.name") + " "
                    + System.getProperty("os.version") + ", " + System.getProperty("os.arch");
        }
    }
}
