package chatlambda.log;

import chatlambda.chat.Usage;
import chatlambda.json.JsonOut;

import java.time.Instant;

/**
 * What one invocation came to, as one line of JSON: who, which model, how long, how much; never what was said. With metrics it is an
 * event in CloudWatch's embedded metric format too, namespace {@code ChatLambda}, dimensions {@code Model} and {@code Client}.
 *
 * @see <a href="https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html">
 *      Embedded metric format</a>
 */
public final class AccessLine {

    private static final String NAMESPACE = "ChatLambda";
    /** What a model is called is shorter; what a caller asks for need not be. */
    private static final int LONGEST = 256;

    // What is not known stays as it is here: null or less than nothing is not written.
    public String requestId;
    public String traceId;
    /** By which front door. */
    public String door;
    public String client;
    /** That the request asked for. */
    public String model;
    /** That was asked last, and answered. */
    public String lastModel;
    public boolean stream;
    /** As HTTP has it, for direct invocations too; until something is known, that it went wrong. */
    public int status = 500;
    public String code = "internal_error";
    public int attempts;
    public long requestBytes = -1;
    public long responseBytes;
    /** Nanoseconds; for all attempts, to the end of the answer. */
    public long upstreamNanos = -1;
    /** Nanoseconds from the event's arrival to the first chunk of a stream. */
    public long firstChunkNanos = -1;
    /** Nanoseconds from the event's arrival until the answer was handed over. */
    public long totalNanos = -1;
    public Usage usage;
    /** Not worth a line. */
    public boolean isHealthCheck;
    /** Whether it is the first of this instance. */
    public boolean cold;
    public long remainingMillis;

    /** A server's fault, or an answer that broke off. */
    public boolean isError() {
        return status >= 500 || status < 400 && code != null;
    }

    /**
     * @param metricModel the model as a dimension of metrics, each value of which costs money, or null: no metrics
     * @return the line and its end
     */
    byte[] toJson(Instant now, String metricModel) {
        var out = new JsonOut(1024);
        out.raw("{\"timestamp\":").string(now.toString()).raw(",\"level\":").string(isError() ? "ERROR" : "INFO");
        text(out, "requestId", requestId);
        text(out, "traceId", root(traceId));
        text(out, "door", door);
        text(out, "client", client);
        text(out, "model", shortened(model));
        text(out, "answeredModel", shortened(usage != null && usage.model() != null ? usage.model() : lastModel));
        out.raw(",\"stream\":").raw(Boolean.toString(stream));
        number(out, "status", status);
        text(out, "code", code);
        number(out, "attempts", attempts);
        millis(out, "upstreamMs", upstreamNanos);
        millis(out, "totalMs", totalNanos);
        millis(out, "firstChunkMs", firstChunkNanos);
        number(out, "requestBytes", requestBytes);
        number(out, "responseBytes", responseBytes);
        if (usage != null) {
            number(out, "promptTokens", usage.promptTokens());
            number(out, "completionTokens", usage.completionTokens());
            number(out, "reasoningTokens", usage.reasoningTokens());
        }
        if (cold) {
            out.raw(",\"cold\":true");
        }
        out.raw(",\"remainingMs\":").raw(Long.toString(remainingMillis));
        if (metricModel != null) {
            metrics(out, now, metricModel);
        }
        return out.raw("}\n").toBytes();
    }

    private void metrics(JsonOut out, Instant now, String metricModel) {
        var definitions = new JsonOut(512);
        var values = new JsonOut(256);
        metric(definitions, values, "Requests", "Count", "1");
        metric(definitions, values, "Errors", "Count", isError() ? "1" : "0");
        metric(definitions, values, "UpstreamLatency", "Milliseconds", millis(upstreamNanos));
        metric(definitions, values, "FirstChunkLatency", "Milliseconds", millis(firstChunkNanos));
        if (usage != null) {
            metric(definitions, values, "PromptTokens", "Count", count(usage.promptTokens()));
            metric(definitions, values, "CompletionTokens", "Count", count(usage.completionTokens()));
            metric(definitions, values, "UsdSpent", "None", Double.isNaN(usage.usd()) ? null : Double.toString(usage.usd()));
        }
        out.raw(",\"_aws\":{\"Timestamp\":").raw(Long.toString(now.toEpochMilli())).raw(",\"CloudWatchMetrics\":[{\"Namespace\":\"")
                .raw(NAMESPACE).raw("\",\"Dimensions\":[[\"Model\",\"Client\"]],\"Metrics\":[").raw(definitions).raw("]}]}");
        text(out, "Model", metricModel);
        text(out, "Client", client == null ? "none" : client);
        out.raw(values);
    }

    private static void metric(JsonOut definitions, JsonOut values, String name, String unit, String value) {
        if (value != null) {
            definitions.raw(definitions.isEmpty() ? "" : ",").raw("{\"Name\":\"").raw(name).raw("\",\"Unit\":\"").raw(unit).raw("\"}");
            values.raw(",\"").raw(name).raw("\":").raw(value);
        }
    }

    private static void text(JsonOut out, String name, String value) {
        if (value != null) {
            out.raw(",\"").raw(name).raw("\":").string(value);
        }
    }

    private static void number(JsonOut out, String name, long value) {
        if (value >= 0) {
            out.raw(",\"").raw(name).raw("\":").raw(Long.toString(value));
        }
    }

    private static void millis(JsonOut out, String name, long nanos) {
        if (nanos >= 0) {
            out.raw(",\"").raw(name).raw("\":").raw(millis(nanos));
        }
    }

    private static String count(long value) {
        return value < 0 ? null : Long.toString(value);
    }

    /** With one digit after the point; null for less than nothing. */
    public static String millis(long nanos) {
        return nanos < 0 ? null : nanos / 1_000_000 + "." + nanos / 100_000 % 10;
    }

    /** The trace's id, without parent and sampling. */
    private static String root(String header) {
        int at = header == null ? -1 : header.indexOf("Root=");
        return at < 0 ? null : header.substring(at + 5).split(";", 2)[0];
    }

    private static String shortened(String name) {
        return name == null || name.length() <= LONGEST ? name : name.substring(0, LONGEST);
    }
}
