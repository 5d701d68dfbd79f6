import jakarta.json.Json;
import jakarta.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;

/** Makes a Markdown table and an SVG chart of a run: {@code Report.java RUN.json} writes them beside it. */
public final class Report {

    private static final String US = "chat-lambda";
    private static final String PEER = "go";

    private static final List<Map.Entry<String, String>> GOALS = List.of(Map.entry("faults", "page faults to the first answer"),
            Map.entry("cold_cpu_ms", "CPU to the first answer"), Map.entry("cold_wall_ms", "spawn to the first answer"),
            Map.entry("tls_cold_ms", "the same over TLS, 20 ms away"), Map.entry("warm_p50_ms", "warm answer, p50"),
            Map.entry("warm_cpu_ms", "CPU of a warm answer"));

    public static void main(String[] args) throws IOException {
        JsonObject run;
        try (var reader = Json.createReader(Files.newBufferedReader(Path.of(args[0])))) {
            run = reader.readObject();
        }
        String markdown = markdown(run);
        Files.writeString(Path.of(args[0].replace(".json", ".md")), markdown);
        Files.writeString(Path.of(args[0].replace(".json", ".svg")), chart(run));
        System.out.println(markdown);
    }

    private static String markdown(JsonObject run) {
        JsonObject contenders = run.getJsonObject("contenders");
        var text = new StringBuilder("# Run of " + run.getString("date") + "\n\n" + run.getString("machine") + "; " + run.getInt("rounds")
                + " starts of each contender in turns, " + run.getInt("warm_answers") + " warm answers in each; binary "
                + megabytes(run, "binary_bytes") + ", zip " + megabytes(run, "zip_bytes") + ". Made by `bench/run` with "
                + run.getString("tools") + ".\n");
        if (run.containsKey("fault_us")) {
            text.append("\nA minor page fault costs ").append(number(run, "fault_us")).append(" us of CPU here.\n");
        }
        if (contenders.containsKey(US) && contenders.containsKey(PEER)) {
            goals(text, contenders.getJsonObject(US), run);
        }
        text.append("\nMedian (min to p90):\n\n");
        table(text, contenders, Report::spread);
        if (contenders.containsKey(PEER)) {
            text.append("\nRatio to Go in the same round, median (min to p90):\n\n");
            table(text, contenders, figure -> figure.containsKey("to_" + PEER) ? spread(figure.getJsonObject("to_" + PEER)) : "1");
        }
        if (run.containsKey("growth")) {
            growth(text, run.getJsonObject("growth"));
        }
        return text.toString();
    }

    /** The figures that our goals are stated in. Growth is measured in three rounds only: of that it is the ratio of the two lines. */
    private static void goals(StringBuilder text, JsonObject ours, JsonObject run) {
        text.append("\n| " + US + " | times Go's in the same round, median (min to p90) |\n|---|---:|\n");
        GOALS.forEach(goal -> {
            if (ours.containsKey(goal.getKey())) { // older runs have fewer figures
                text.append("| ").append(goal.getValue()).append(" | ")
                        .append(spread(ours.getJsonObject(goal.getKey()).getJsonObject("to_" + PEER))).append(" |\n");
            }
        });
        if (run.containsKey("growth")) {
            text.append("| CPU of each MB of answer | ").append(String.format(Locale.ROOT, "%.2f |%n",
                    cpuOfAnswers(run, US) / cpuOfAnswers(run, PEER)));
        }
    }

    private static double cpuOfAnswers(JsonObject run, String name) {
        return run.getJsonObject("growth").getJsonObject(name).getJsonObject("answer").getJsonObject("cpu_ms").getJsonNumber("per_mb")
                .doubleValue();
    }

    private static String spread(JsonObject figure) {
        return number(figure, "median") + " (" + number(figure, "min") + " to " + number(figure, "p90") + ")";
    }

    /** Figures down, contenders across: there are more figures, and they are read across. */
    private static void table(StringBuilder text, JsonObject contenders, Function<JsonObject, String> cell) {
        text.append("| | ").append(String.join(" | ", contenders.keySet())).append(" |\n|---|").append("---:|".repeat(contenders.size()))
                .append("\n");
        for (String figure : contenders.getJsonObject(contenders.keySet().iterator().next()).keySet()) {
            text.append("| ").append(figure).append(" |");
            contenders.forEach((name, figures) -> text.append(" ").append(cell.apply(figures.asJsonObject().getJsonObject(figure)))
                    .append(" |"));
            text.append("\n");
        }
    }

    private static void growth(StringBuilder text, JsonObject growth) {
        text.append("\nOne warm answer more for each MB (1,048,576 bytes) of request or answer, r2 of the straight line through the medians"
                + " of 1 KB to 5 MB:\n\n| | wall, ms/MB | r2 | CPU, ms/MB | r2 | peak memory, MB/MB | r2 |\n"
                + "|---|---:|---:|---:|---:|---:|---:|\n");
        for (String direction : List.of("request", "answer")) {
            growth.forEach((name, lines) -> {
                if (!name.equals("bytes")) {
                    text.append("| ").append(name).append(", ").append(direction).append(" |");
                    lines.asJsonObject().getJsonObject(direction).forEach((cost, line) -> text.append(" ")
                            .append(number(line.asJsonObject(), "per_mb")).append(" | ").append(number(line.asJsonObject(), "r2"))
                            .append(" |"));
                    text.append("\n");
                }
            });
        }
    }

    private static String number(JsonObject from, String name) {
        double value = from.getJsonNumber(name).doubleValue();
        int decimals = 0;
        if (value < 100) {
            decimals = value < 10 ? 2 : 1;
        }
        return String.format(Locale.ROOT, "%." + decimals + "f", value);
    }

    private static String megabytes(JsonObject run, String name) {
        return run.containsKey(name) ? String.format(Locale.ROOT, "%.1f MB", run.getJsonNumber(name).doubleValue() / 1e6) : "not here";
    }

    private static final int LEFT = 150;
    private static final int SCALE = 480; // pixels of the whole axis
    private static final int ROW = 34;

    /** Bars of cold wall time, shortest first. The axis is for natives and scripts: a bar that outgrows it is cut and says so. */
    private static String chart(JsonObject run) {
        JsonObject contenders = run.getJsonObject("contenders");
        var names = contenders.keySet().stream()
                .sorted((a, b) -> Double.compare(median(contenders, a, "cold_wall_ms"), median(contenders, b, "cold_wall_ms"))).toList();
        double shortest = median(contenders, names.contains(US) ? US : names.get(0), "cold_wall_ms");
        double axis = axis(Math.min(7 * shortest, 1.2 * median(contenders, names.get(names.size() - 1), "cold_wall_ms")));
        int height = 92 + ROW * names.size() + 34;
        var words = new StringBuilder();
        var bars = new StringBuilder();
        int y = 84;
        for (String name : names) {
            double start = median(contenders, name, "start_wall_ms");
            double cold = median(contenders, name, "cold_wall_ms");
            words.append(String.format(Locale.ROOT, " %s %.1f ms and %.1f ms.", name, start, cold - start));
            double to = LEFT + SCALE * Math.min(1, start / axis);
            double end = LEFT + SCALE * Math.min(1, cold / axis);
            bars.append(String.format(Locale.ROOT, "<text x=\"%d\" y=\"%d\" class=\"name%s\">%s</text>%n", LEFT - 10, y + 15,
                    name.equals(US) ? " us" : "", name));
            bars.append(bar("start", LEFT, to, y));
            if (end - to > 2) { // with a gap, so that the two are told apart without colour too
                bars.append(bar("first", to + 2, end, y));
            }
            if (cold > axis) {
                bars.append(String.format(Locale.ROOT, "<path d=\"M%.1f %dl6 -24m9 0l-6 24\" class=\"cut\"/>%n", end - 28, y + 22));
            }
            bars.append(String.format(Locale.ROOT, "<text x=\"%.1f\" y=\"%d\" class=\"value\">%.1f ms</text>%n", end + 6, y + 15, cold));
            y += ROW;
        }
        for (int tick = 0; tick <= 5; tick++) {
            double x = LEFT + SCALE * tick / 5.0;
            bars.insert(0, String.format(Locale.ROOT, "<path d=\"M%.1f 76V%d\" class=\"grid\"/><text x=\"%.1f\" y=\"%d\" class=\"tick\">"
                    + "%.0f</text>%n", x, y - 4, x, y + 14, axis * tick / 5));
        }
        return """
                <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 %d" width="720" height="%d" role="img" aria-labelledby="t d">
                <title id="t">Cold start: from the process's start to its first answer, milliseconds</title>
                <desc id="d">Medians of %d starts each, %s. Start to first poll, and first answer:%s</desc>
                <style>
                text{font:13px system-ui,sans-serif;fill:#0b0b0b}
                .head{font-size:16px;font-weight:600}.tick{font-size:11px;text-anchor:middle}.name{text-anchor:end}.us{font-weight:700}
                .back{fill:#fcfcfb}.soft,.tick{fill:#52514e}.start{fill:#2a78d6}.first{fill:#eb6834}.grid{stroke:#e1e0d9}
                .cut{fill:none;stroke:#fcfcfb;stroke-width:4}
                @media (prefers-color-scheme:dark){text{fill:#fff}.back{fill:#1a1a19}.soft,.tick{fill:#c3c2b7}.start{fill:#3987e5}
                .first{fill:#d95926}.grid{stroke:#2c2c2a}.cut{stroke:#1a1a19}}
                </style>
                <rect class="back" width="720" height="%d" rx="6"/>
                <text x="16" y="28" class="head">Cold start, milliseconds until the first answer is delivered</text>
                <rect class="start" x="16" y="43" width="12" height="12" rx="2"/><text x="34" y="54">start to first poll</text>
                <rect class="first" x="166" y="43" width="12" height="12" rx="2"/><text x="184" y="54">first answer</text>
                <text x="704" y="54" text-anchor="end" class="soft">median of %d starts, %s</text>
                %s</svg>
                """.formatted(height, height, run.getInt("rounds"), run.getString("machine"), words, height, run.getInt("rounds"),
                run.getString("date"), bars);
    }

    private static String bar(String part, double from, double to, int y) {
        return String.format(Locale.ROOT, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"20\" rx=\"2\"/>%n", part, from, y,
                Math.max(0.5, to - from));
    }

    /** The next length that five ticks divide well. */
    private static double axis(double atLeast) {
        double five = Math.pow(10, Math.floor(Math.log10(atLeast))) / 2;
        return Math.ceil(atLeast / five) * five;
    }

    private static double median(JsonObject contenders, String name, String figure) {
        return contenders.getJsonObject(name).getJsonObject(figure).getJsonNumber("median").doubleValue();
    }
}
