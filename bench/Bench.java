import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;
import jakarta.json.JsonObjectBuilder;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.DoubleStream;
import java.util.zip.ZipFile;

/**
 * Starts each contender again and again as a fresh process, in turns, against one {@code Neighbour}, and measures its start, its first
 * answer and warm ones; the same over TLS to an upstream 20 ms away; and what a longer request or answer costs more.
 *
 * <p>{@code java -cp ... Bench.java OUT ROUNDS WARM all|starts NAME=COMMAND...}: OUT is the JSON file to write, WARM the number of warm
 * answers in each start, {@code starts} leaves out growth. Needs Linux's /proc, and {@code target/bench/keys.p12} and {@code ca.pem} as
 * {@code bench/run} makes them.
 */
public final class Bench {

    /** What is measured in one start without and one with TLS, in this order. A cold time is the start's and the first answer's. */
    private static final List<String> PLAIN = List.of("start_wall_ms", "start_cpu_ms", "first_wall_ms", "first_cpu_ms", "cold_wall_ms",
            "cold_cpu_ms", "warm_p50_ms", "warm_p99_ms", "warm_cpu_ms", "resident_mb", "faults");
    private static final List<String> TLS = List.of("tls_start_ms", "tls_first_ms", "tls_cold_ms", "tls_cold_cpu_ms", "tls_faults");

    private static final String PEER = "go";

    /** Growth: bytes of the upstream's request or answer, as large as Lambda's 6 MB take them once they are escaped in an event. */
    private static final int[] SIZES = { 1 << 10, 256 << 10, 1 << 20, 2 << 20, 5 << 20 };
    private static final int GROWTH_ROUNDS = 3;
    private static final int GROWTH_ANSWERS = 9;

    private static final int PAGE = 4096;
    private static final int FAULT_ROUNDS = 21;
    private static final int FAULT_PAGES = 1024;

    private final Path folder = Path.of("target", "bench").toAbsolutePath();
    private final Map<String, List<String>> contenders = new LinkedHashMap<>();
    private final PrintStream toNeighbour;
    private final BufferedReader fromNeighbour;
    private final String[] upstreams; // at hand, away over TLS, of any size

    public static void main(String[] args) throws Exception {
        new Bench(Arrays.copyOfRange(args, 4, args.length)).run(Path.of(args[0]), Integer.parseInt(args[1]), Integer.parseInt(args[2]),
                args[3].equals("all"));
    }

    private Bench(String[] commands) throws IOException {
        for (String contender : commands) {
            String[] parts = contender.split("=", 2);
            contenders.put(parts[0], List.of(parts[1].split(" ")));
        }
        // One collector thread and a young generation for many large answers: its pauses are few, and never beside a contender.
        var neighbour = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:+UseSerialGC",
                "-Xms768m", "-Xmn512m", "-cp", System.getProperty("java.class.path"), "bench/Neighbour.java", folder + "/keys.p12")
                .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        toNeighbour = new PrintStream(neighbour.getOutputStream(), true, StandardCharsets.UTF_8);
        fromNeighbour = new BufferedReader(new InputStreamReader(neighbour.getInputStream(), StandardCharsets.UTF_8));
        upstreams = fromNeighbour.readLine().split(" ");
    }

    private String ask(String command) throws IOException {
        toNeighbour.println(command);
        String answer = fromNeighbour.readLine();
        if (answer == null) {
            throw new IOException("the neighbour has died at: " + command);
        }
        return answer;
    }

    /** @return in milliseconds, how long each answer took */
    private double[] answers(int count, int bytes) throws IOException {
        return Arrays.stream(ask("answer " + count + " " + bytes).split(" ")).mapToDouble(nanos -> Long.parseLong(nanos) / 1e6).toArray();
    }

    private void run(Path out, int rounds, int warm, boolean all) throws Exception {
        var results = new LinkedHashMap<String, List<double[]>>();
        contenders.keySet().forEach(name -> results.put(name, new ArrayList<>()));
        var order = new ArrayList<>(contenders.keySet());
        for (int round = -1; round < rounds; round++) { // one round to warm the neighbour and the page cache up
            for (String name : order) {
                double[] figures = DoubleStream.concat(Arrays.stream(plain(name, warm)), Arrays.stream(tls(name))).toArray();
                if (round >= 0) {
                    results.get(name).add(figures);
                }
            }
            Collections.reverse(order); // what drifts within a round evens out between two
            System.err.print(round < 0 ? "bench: warm" : ".");
        }
        var json = Json.createObjectBuilder().add("date", LocalDate.now().toString()).add("machine", machine())
                .add("tools", System.getenv("TOOLS")).add("rounds", rounds)
                .add("warm_answers", warm).add("fault_us", rounded(faultMicros()));
        sizes(json);
        json.add("contenders", figures(results));
        if (all) {
            json.add("growth", growth());
        }
        System.err.println();
        Files.createDirectories(out.toAbsolutePath().getParent());
        Files.writeString(out, json.build() + "\n");
    }

    private double[] plain(String name, int warm) throws Exception {
        try (var start = new Start(name, upstreams[0])) {
            double startCpu = cpu(start.pid());
            long faults = faults(start.pid());
            double first = answers(1, 0)[0];
            double firstCpu = cpu(start.pid()) - startCpu;
            double[] times = answers(warm, 0);
            double warmCpu = (cpu(start.pid()) - startCpu - firstCpu) / warm;
            Arrays.sort(times);
            return new double[] { start.wall, startCpu, first, firstCpu, start.wall + first, startCpu + firstCpu, times[warm / 2],
                    times[warm * 99 / 100], warmCpu, memory(start.pid(), "VmRSS"), faults };
        }
    }

    private double[] tls(String name) throws Exception {
        try (var start = new Start(name, upstreams[1])) {
            double first = answers(1, 0)[0];
            return new double[] { start.wall, first, start.wall + first, cpu(start.pid()), faults(start.pid()) };
        }
    }

    /** One contender's process, from its start to its end; constructed when it has polled. */
    private final class Start implements AutoCloseable {

        private final Process process;
        private final AtomicBoolean wanted = new AtomicBoolean(true);

        /** Milliseconds from the start to the first poll. */
        final double wall;

        Start(String name, String upstream) throws IOException {
            File log = folder.resolve(name + ".log").toFile();
            var builder = new ProcessBuilder(contenders.get(name)).redirectErrorStream(true).redirectOutput(log);
            builder.environment().clear();
            builder.environment().putAll(Map.of("AWS_LAMBDA_RUNTIME_API", ask("open"), "CHAT_API_KEY", "k", "CHAT_CLIENT_KEYS",
                    "bench=1b32c28cb38c05480eccc1bd60ff97029b57a05c96718b96dad7e9d84894f549", "CHAT_URL", upstream, "PATH",
                    System.getenv("PATH"), "DISABLE_SIGNAL_HANDLERS", "true"));
            if (upstream.startsWith("https:")) { // whom to trust; no folder, so that Go is spared the machine's 140 certificates
                String pem = folder + "/ca.pem";
                builder.environment().putAll(Map.of("QUARKUS_TLS_TRUST_STORE_PEM_CERTS", pem, "SSL_CERT_FILE", pem, "SSL_CERT_DIR",
                        "/nonexistent", "REQUESTS_CA_BUNDLE", pem, "NODE_EXTRA_CA_CERTS", pem));
                if (name.equals("stock-quarkus")) {
                    builder.environment().putAll(Map.of("QUARKUS_TLS_OWN_TRUST_STORE_PEM_CERTS", pem,
                            "QUARKUS_REST_CLIENT_CHAT_TLS_CONFIGURATION_NAME", "own"));
                }
            }
            long spawned = System.nanoTime();
            process = builder.start();
            process.onExit().thenRun(() -> {
                if (wanted.get()) {
                    System.err.println("bench: " + name + " ended by itself, see " + log);
                    Runtime.getRuntime().halt(1);
                }
            });
            wall = (Long.parseLong(ask("poll")) - spawned) / 1e6;
        }

        long pid() {
            return process.pid();
        }

        @Override
        public void close() throws Exception {
            wanted.set(false);
            process.destroyForcibly().waitFor();
            ask("close");
        }
    }

    private JsonObjectBuilder figures(Map<String, List<double[]>> results) {
        var json = Json.createObjectBuilder();
        var names = new ArrayList<>(PLAIN);
        names.addAll(TLS);
        results.forEach((name, starts) -> {
            var figures = Json.createObjectBuilder();
            for (int i = 0; i < starts.get(0).length; i++) {
                int figure = i;
                double[] values = starts.stream().mapToDouble(start -> start[figure]).toArray();
                var statistics = statistics(values);
                if (results.containsKey(PEER) && !name.equals(PEER)) { // pair by pair: what slows one round down slows both
                    double[] ratios = new double[values.length];
                    Arrays.setAll(ratios, round -> values[round] / results.get(PEER).get(round)[figure]);
                    statistics.add("to_" + PEER, statistics(ratios));
                }
                figures.add(names.get(i), statistics.add("all", array(values)));
            }
            json.add(name, figures);
        });
        return json;
    }

    private static JsonObjectBuilder statistics(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return Json.createObjectBuilder().add("min", rounded(sorted[0])).add("median", rounded(sorted[sorted.length / 2]))
                .add("p90", rounded(sorted[(int) (sorted.length * 0.9)]));
    }

    /** What one answer costs warm, by the size of its request and by that of the upstream's answer; every size in fresh processes. */
    private JsonObjectBuilder growth() throws Exception {
        var costs = new LinkedHashMap<String, double[][][]>(); // by round, by request or answer and size, by cost
        contenders.keySet().forEach(name -> costs.put(name, new double[GROWTH_ROUNDS][2 * SIZES.length][]));
        for (int round = 0; round < GROWTH_ROUNDS; round++) {
            for (int i = 0; i < 2 * SIZES.length; i++) {
                int size = SIZES[i % SIZES.length];
                boolean request = i < SIZES.length;
                for (var cost : costs.entrySet()) {
                    cost.getValue()[round][i] = grown(cost.getKey(), request ? size : 0, request ? 0 : size);
                }
            }
            System.err.print("+");
        }
        var json = Json.createObjectBuilder().add("bytes", array(Arrays.stream(SIZES).asDoubleStream().toArray()));
        costs.forEach((name, rounds) -> json.add(name, Json.createObjectBuilder()
                .add("request", growth(rounds, 0)).add("answer", growth(rounds, SIZES.length))));
        return json;
    }

    private double[] grown(String name, int request, int answer) throws Exception {
        try (var start = new Start(name, upstreams[2] + "/" + answer)) {
            answers(3, request);
            double cpu = cpu(start.pid());
            double[] times = answers(GROWTH_ANSWERS, request);
            Arrays.sort(times);
            return new double[] { times[GROWTH_ANSWERS / 2], (cpu(start.pid()) - cpu) / GROWTH_ANSWERS, memory(start.pid(), "VmHWM") };
        }
    }

    private static JsonObjectBuilder growth(double[][][] rounds, int from) {
        return Json.createObjectBuilder().add("wall_ms", line(rounds, from, 0)).add("cpu_ms", line(rounds, from, 1))
                .add("peak_mb", line(rounds, from, 2));
    }

    /** The medians by size, and the straight line nearest to them (least squares): 1 of r2 is a line, 0 has nothing of one. */
    private static JsonObjectBuilder line(double[][][] rounds, int from, int cost) {
        double[] x = Arrays.stream(SIZES).mapToDouble(bytes -> bytes / 1048576.0).toArray();
        double[] y = new double[x.length];
        Arrays.setAll(y, size -> Arrays.stream(rounds).mapToDouble(round -> round[from + size][cost]).sorted()
                .toArray()[rounds.length / 2]);
        double xMean = Arrays.stream(x).average().orElseThrow();
        double yMean = Arrays.stream(y).average().orElseThrow();
        double xx = 0;
        double xy = 0;
        double yy = 0;
        for (int i = 0; i < x.length; i++) {
            xx += (x[i] - xMean) * (x[i] - xMean);
            xy += (x[i] - xMean) * (y[i] - yMean);
            yy += (y[i] - yMean) * (y[i] - yMean);
        }
        return Json.createObjectBuilder().add("per_mb", rounded(xy / xx)).add("r2", rounded(xy * xy / xx / yy)).add("medians", array(y));
    }

    /**
     * Milliseconds of all threads that live, by the scheduler's own count. What an ended thread has used is missing: half a millisecond
     * of this binary's start, for its rehearsal, and nothing of Go's.
     */
    private static double cpu(long pid) throws IOException {
        double nanos = 0;
        try (var tasks = Files.list(Path.of("/proc/" + pid + "/task"))) {
            for (Path task : tasks.toList()) {
                nanos += Double.parseDouble(Files.readString(task.resolve("schedstat")).split(" ")[0]);
            }
        }
        return nanos / 1e6;
    }

    /** In units of 1,048,576 bytes, as Lambda's. */
    private static double memory(long pid, String name) throws IOException {
        return Files.readAllLines(Path.of("/proc/" + pid + "/status")).stream().filter(line -> line.startsWith(name + ":"))
                .mapToDouble(line -> Double.parseDouble(line.replaceAll("[^0-9]", "")) / 1024).findFirst().orElseThrow();
    }

    /** Minor ones, so far. */
    private static long faults(long pid) throws IOException {
        String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
        return Long.parseLong(stat.substring(stat.lastIndexOf(')') + 2).split(" ")[7]);
    }

    /**
     * Microseconds of CPU for one minor fault on this machine: the first write to a page of a private mapping of a file, as a binary
     * writes to its data. Such pages are never huge ones. What the same loop takes over pages that are there already is taken off.
     */
    private double faultMicros() throws IOException {
        Path file = folder.resolve("pages");
        Files.write(file, new byte[FAULT_PAGES * PAGE]);
        double[] micros = new double[FAULT_ROUNDS];
        for (int round = 0; round < FAULT_ROUNDS; round++) {
            try (var channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                ByteBuffer pages = channel.map(FileChannel.MapMode.PRIVATE, 0, FAULT_PAGES * PAGE);
                long before = faults(ProcessHandle.current().pid());
                double fresh = touch(pages);
                long faults = faults(ProcessHandle.current().pid()) - before; // as counted; a few are the JVM's own
                micros[round] = (fresh - touch(pages)) / faults;
            }
        }
        Arrays.sort(micros);
        return micros[FAULT_ROUNDS / 2];
    }

    /** @return microseconds of this thread's CPU, which a loaded machine does not lengthen as it does the time that passes */
    private static double touch(ByteBuffer pages) {
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadCpuTime();
        for (int page = 0; page < FAULT_PAGES; page++) {
            pages.put(page * PAGE, (byte) 1);
        }
        return (threads.getCurrentThreadCpuTime() - before) / 1e3;
    }

    /** Of the first contender's file, and of the zip if the binary was what was zipped last. */
    private void sizes(JsonObjectBuilder json) throws IOException {
        json.add("binary_bytes", Files.size(Path.of(contenders.values().iterator().next().get(0))));
        Path zip = Path.of("target", "function.zip");
        if (Files.exists(zip)) {
            try (var file = new ZipFile(zip.toFile())) {
                if (file.getEntry("bootstrap") != null) {
                    json.add("zip_bytes", Files.size(zip));
                }
            }
        }
    }

    private static String machine() {
        return Runtime.getRuntime().availableProcessors() + " cores, " + System.getProperty("os.name") + " "
                + System.getProperty("os.version") + ", " + System.getProperty("os.arch");
    }

    private static JsonArrayBuilder array(double[] values) {
        JsonArrayBuilder all = Json.createArrayBuilder();
        for (double value : values) {
            all.add(rounded(value));
        }
        return all;
    }

    private static double rounded(double value) {
        return Math.round(value * 1000) / 1000.0;
    }
}
