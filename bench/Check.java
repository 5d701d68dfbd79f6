import jakarta.json.Json;
import jakarta.json.JsonObject;
import jakarta.json.JsonObjectBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Compares a run with what was committed, and fails for what has become more than 10 % worse: {@code Check.java BASELINE RUN}; with a
 * third argument it writes the baseline instead.
 *
 * <p>Sizes, resident memory and the page faults of the start are compared as they are: they are the same on each machine. CPU
 * to the first answer is not, and its share of a peer's is not either: where a page fault is dear, one binary had 0.23 times Python's on
 * one machine and 0.50 times on another. So both are printed for the reader, and fail nothing.
 */
public final class Check {

    private static final double BOUND = 1.1;
    private static final String US = "chat-lambda";
    private static final String CPU = "cold_cpu_ms";

    public static void main(String[] args) throws IOException {
        Path baseline = Path.of(args[0]);
        var met = figures(read(Path.of(args[1])));
        if (args.length > 2) {
            Files.writeString(baseline, met.toString().replace("{\"", "{\n  \"").replace(",\"", ",\n  \"").replace("}", "\n}") + "\n");
            System.out.println("bench: " + baseline + " is renewed");
        } else if (!holds(met, read(baseline), baseline)) {
            System.exit(1);
        }
    }

    private static JsonObject read(Path file) throws IOException {
        try (var reader = Json.createReader(Files.newBufferedReader(file))) {
            return reader.readObject();
        }
    }

    /** What is compared; the date, the machine and the milliseconds of CPU are for the reader. */
    private static JsonObject figures(JsonObject run) {
        JsonObjectBuilder figures = Json.createObjectBuilder().add("date", run.get("date")).add("machine", run.get("machine"))
                .add("binary_bytes", run.get("binary_bytes"))
                .add("faults", run.getJsonObject("contenders").getJsonObject(US).getJsonObject("faults").get("median"));
        if (run.containsKey("zip_bytes")) {
            figures.add("zip_bytes", run.get("zip_bytes"));
        }
        JsonObject contenders = run.getJsonObject("contenders");
        JsonObject ours = contenders.getJsonObject(US);
        figures.add("resident_mb", ours.getJsonObject("resident_mb").get("median"));
        figures.add("cpu_to_first_answer_ms", ours.getJsonObject(CPU).get("median"));
        for (String peer : contenders.keySet()) {
            if (!peer.equals(US)) {
                var mine = ours.getJsonObject(CPU).getJsonArray("all");
                var its = contenders.getJsonObject(peer).getJsonObject(CPU).getJsonArray("all");
                double[] shares = new double[mine.size()];
                Arrays.setAll(shares, i -> mine.getJsonNumber(i).doubleValue() / its.getJsonNumber(i).doubleValue());
                Arrays.sort(shares);
                figures.add("cpu_to_first_answer_of_" + peer, Math.round(shares[shares.length / 2] * 1000) / 1000.0);
            }
        }
        return figures.build();
    }

    private static boolean holds(JsonObject met, JsonObject committed, Path baseline) {
        List<String> worse = new ArrayList<>();
        for (var entry : committed.entrySet()) {
            String figure = entry.getKey();
            boolean share = figure.startsWith("cpu_to_first_answer_of_");
            if (figure.equals("date") || figure.equals("machine") || figure.equals("cpu_to_first_answer_ms")) {
                continue;
            }
            if (!met.containsKey(figure)) {
                System.out.println("bench: " + figure + " is not compared: " + (share ? "that peer is not here"
                        : "target/function.zip is not the binary's"));
                continue;
            }
            double now = met.getJsonNumber(figure).doubleValue();
            double then = committed.getJsonNumber(figure).doubleValue();
            String verdict = now > then * BOUND ? ", worse than 10 %" : "";
            System.out.printf(Locale.ROOT, "bench: %s is %s, committed %s: %+.1f %%%s%n", figure, met.get(figure), committed.get(figure),
                    (now / then - 1) * 100, share ? ", which depends on the machine" : verdict);
            if (!share && now > then * BOUND) {
                worse.add(figure);
            }
        }
        met.keySet().stream().filter(figure -> !committed.containsKey(figure))
                .forEach(figure -> System.out.println("bench: " + figure + " is " + met.get(figure) + ", and not in " + baseline));
        if (!worse.isEmpty()) {
            System.out.println("bench: more than 10 % worse than in " + baseline + ": " + String.join(", ", worse)
                    + ". If that is meant, renew it with `bench/run baseline` and commit it; if not, look at what the last commits added.");
        }
        return worse.isEmpty();
    }
}
