import chatlambda.local.LocalLambda;
import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.Outcome;
import chatlambda.local.StubChat;
import jakarta.json.Json;
import jakarta.json.JsonArrayBuilder;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Starts each contender again and again as a fresh process, in turns, against one Lambda service and one stub endpoint, which live in
 * this process, and measures the start, the first answer and warm ones.
 *
 * <p>{@code java -cp ... Bench.java ROUNDS WARM name=command...}; writes {@code bench/results/DATE.json} and {@code .md}.
 */
public final class Bench {

    /** What is measured in one start, in this order. */
    private static final List<String> FIGURES = List.of("start_wall_ms", "start_cpu_ms", "first_wall_ms", "first_cpu_ms", "cold_wall_ms",
            "warm_p50_ms", "warm_p99_ms", "resident_mb", "faults");

    private static final String EVENT = "{\"version\":\"2.0\",\"rawPath\":\"/v1/chat/completions\",\"headers\":{\"content-type\":"
            + "\"application/json\"},\"requestContext\":{\"domainName\":\"x.lambda-url.eu-central-1.on.aws\",\"http\":{\"method\":\"POST\","
            + "\"path\":\"/v1/chat/completions\"},\"stage\":\"$default\"},\"body\":\"{\\\"model\\\":\\\"m\\\",\\\"messages\\\":[{\\\"role\\\":"
            + "\\\"user\\\",\\\"content\\\":\\\"Hello\\\"}]}\",\"isBase64Encoded\":false}";

    public static void main(String[] args) throws Exception {
        int rounds = Integer.parseInt(args[0]);
        int warm = Integer.parseInt(args[1]);
        var contenders = new LinkedHashMap<String, List<String>>();
        for (String contender : Arrays.copyOfRange(args, 2, args.length)) {
            String[] parts = contender.split("=", 2);
            contenders.put(parts[0], List.of(parts[1].split(" ")));
        }
        var results = new LinkedHashMap<String, List<double[]>>();
        for (int round = -1; round < rounds; round++) { // one round to warm this process and the page cache up
            for (var contender : contenders.entrySet()) {
                double[] figures = start(contender.getValue(), warm);
                if (round >= 0) {
                    results.computeIfAbsent(contender.getKey(), name -> new ArrayList<>()).add(figures);
                }
            }
            System.err.print(round < 0 ? "warm" : ".");
        }
        System.err.println();
        write(results, rounds, warm);
    }

    private static double[] start(List<String> command, int warm) throws Exception {
        try (var stub = StubChat.start(Duration.ZERO);
                var lambda = LocalLambda.start(0, InvokeMode.BUFFERED, Duration.ofSeconds(60))) {
            var builder = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD);
            builder.environment().clear();
            builder.environment().putAll(Map.of("AWS_LAMBDA_RUNTIME_API", lambda.runtimeApi(), "CHAT_API_KEY", "k", "CHAT_URL",
                    stub.url().toString(), "PATH", System.getenv("PATH"), "DISABLE_SIGNAL_HANDLERS", "true"));
            long spawned = System.nanoTime();
            Process process = builder.start();
            try {
                lambda.awaitPoll();
                long polled = System.nanoTime();
                double startCpu = cpu(process.pid());
                long faults = faults(process.pid());
                long asked = System.nanoTime();
                answer(lambda);
                long answered = System.nanoTime();
                lambda.awaitPoll();
                double firstCpu = cpu(process.pid()) - startCpu;
                double[] times = new double[warm];
                for (int i = 0; i < warm; i++) {
                    long start = System.nanoTime();
                    answer(lambda);
                    times[i] = (System.nanoTime() - start) / 1e6;
                }
                Arrays.sort(times);
                double start = (polled - spawned) / 1e6;
                double first = (answered - asked) / 1e6;
                return new double[] { start, startCpu, first, firstCpu, start + first, times[warm / 2], times[warm * 99 / 100],
                        resident(process.pid()), faults };
            } finally {
                process.destroyForcibly().waitFor();
            }
        }
    }

    private static void answer(LocalLambda lambda) {
        Outcome outcome = lambda.invoke(EVENT.getBytes(StandardCharsets.UTF_8));
        if (outcome.functionError() || !outcome.text().contains("You said: Hello")) {
            throw new IllegalStateException("wrong answer: " + outcome.text());
        }
    }

    /** Milliseconds of all threads, by the scheduler's own count. */
    private static double cpu(long pid) throws IOException {
        double nanos = 0;
        try (var tasks = Files.list(Path.of("/proc/" + pid + "/task"))) {
            for (Path task : tasks.toList()) {
                nanos += Double.parseDouble(Files.readString(task.resolve("schedstat")).split(" ")[0]);
            }
        }
        return nanos / 1e6;
    }

    private static double resident(long pid) throws IOException {
        return Files.readAllLines(Path.of("/proc/" + pid + "/status")).stream().filter(line -> line.startsWith("VmRSS"))
                .mapToDouble(line -> Double.parseDouble(line.replaceAll("[^0-9]", "")) / 1024).sum();
    }

    private static long faults(long pid) throws IOException {
        String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
        return Long.parseLong(stat.substring(stat.lastIndexOf(')') + 2).split(" ")[7]);
    }

    private static double percentile(List<double[]> starts, int figure, double share) {
        double[] values = starts.stream().mapToDouble(start -> start[figure]).sorted().toArray();
        return values[(int) Math.min(values.length - 1, values.length * share)];
    }

    private static void write(Map<String, List<double[]>> results, int rounds, int warm) throws IOException {
        String machine = Runtime.getRuntime().availableProcessors() + " cores, " + System.getProperty("os.name") + " "
                + System.getProperty("os.version") + ", " + System.getProperty("os.arch");
        var json = Json.createObjectBuilder().add("date", LocalDate.now().toString()).add("machine", machine).add("rounds", rounds)
                .add("warm_answers", warm);
        var table = new StringBuilder("Medians of " + rounds + " starts in turns, " + warm + " warm answers each; " + LocalDate.now() + ", "
                + machine + ".\n\n| contender | " + String.join(" | ", FIGURES) + " |\n|---|" + "---:|".repeat(FIGURES.size()) + "\n");
        for (var result : results.entrySet()) {
            var figures = Json.createObjectBuilder();
            for (int i = 0; i < FIGURES.size(); i++) {
                JsonArrayBuilder all = Json.createArrayBuilder();
                for (double[] start : result.getValue()) {
                    all.add(Math.round(start[i] * 1000) / 1000.0);
                }
                figures.add(FIGURES.get(i), Json.createObjectBuilder().add("min", percentile(result.getValue(), i, 0))
                        .add("median", percentile(result.getValue(), i, 0.5)).add("p90", percentile(result.getValue(), i, 0.9))
                        .add("all", all));
            }
            json.add(result.getKey(), figures);
            table.append("| ").append(result.getKey()).append(" | ").append(java.util.stream.IntStream.range(0, FIGURES.size())
                    .mapToObj(i -> String.format(Locale.ROOT, "%.2f", percentile(result.getValue(), i, 0.5)))
                    .collect(Collectors.joining(" | "))).append(" |\n");
        }
        Path folder = Files.createDirectories(Path.of("bench", "results"));
        Files.writeString(folder.resolve(LocalDate.now() + ".json"), json.build().toString() + "\n");
        Files.writeString(folder.resolve(LocalDate.now() + ".md"), table);
        System.out.println(table);
    }
}
