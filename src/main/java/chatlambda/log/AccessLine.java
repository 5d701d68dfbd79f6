package chatlambda.log;

import chatlambda.completion.Usage;
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

    private JsonOut out;
    private StringBuilder definitions;
    private JsonOut values;

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
    public byte[] toJson(Instant now, String metricModel) {
        out = new JsonOut(1024);
        out.raw("{\"timestamp\":").string(now.toString()).raw(",\"level\":").string(isError() ? "ERROR" : "INFO");
        text("requestId", requestId);
        text("traceId", root(traceId));
        text("door", door);
        text("client", client);
        text("model", shortened(model));
        text("answeredModel", shortened(usage != null && usage.model() != null ? usage.model() : lastModel));
        out.raw(",\"stream\":").raw(Boolean.toString(stream));
        number("status", status);
        text("code", code);
        number("attempts", attempts);
        millis("upstreamMs", upstreamNanos);
        millis("totalMs", totalNanos);
        millis("firstChunkMs", firstChunkNanos);
        number("requestBytes", requestBytes);
        number("responseBytes", responseBytes);
        if (usage != null) {
            number("promptTokens", usage.promptTokens());
            number("completionTokens", usage.completionTokens());
            number("reasoningTokens", usage.reasoningTokens());
        }
        if (cold) {
            out.raw(",\"cold\":true");
        }
        out.raw(",\"remainingMs\":").raw(Long.toString(remainingMillis));
        if (metricModel != null) {
            metrics(now, metricModel);
        }
        return out.raw("}\n").toBytes();
    }

    private void metrics(Instant now, String metricModel) {
        definitions = new StringBuilder();
        values = new JsonOut(256);
        metric("Requests", "Count", "1");
        metric("Errors", "Count", isError() ? "1" : "0");
        metric("UpstreamLatency", "Milliseconds", millis(upstreamNanos));
        metric("FirstChunkLatency", "Milliseconds", millis(firstChunkNanos));
        if (usage != null) {
            metric("PromptTokens", "Count", count(usage.promptTokens()));
            metric("CompletionTokens", "Count", count(usage.completionTokens()));
            metric("UsdSpent", "None", Double.isNaN(usage.usd()) ? null : Double.toString(usage.usd()));
        }
        out.raw(",\"_aws\":{\"Timestamp\":").raw(Long.toString(now.toEpochMilli())).raw(",\"CloudWatchMetrics\":[{\"Namespace\":\"")
                .raw(NAMESPACE).raw("\",\"Dimensions\":[[\"Model\",\"Client\"]],\"Metrics\":[").raw(definitions.toString()).raw("]}]}");
        text("Model", metricModel);
        text("Client", client == null ? "none" : client);
        byte[] told = values.toBytes();
        out.raw(told, 0, told.length);
    }

    private void metric(String name, String unit, String value) {
        if (value != null) {
            definitions.append(definitions.length() == 0 ? "" : ",").append("{\"Name\":\"").append(name).append("\",\"Unit\":\"").append(unit)
                    .append("\"}");
            values.raw(",\"").raw(name).raw("\":").raw(value);
        }
    }

    private void text(String name, String value) {
        if (value != null) {
            out.raw(",\"").raw(name).raw("\":").string(value);
        }
    }

    private void number(String name, long value) {
        if (value >= 0) {
            out.raw(",\"").raw(name).raw("\":").raw(Long.toString(value));
        }
    }

    private void millis(String name, long nanos) {
        if (nanos >= 0) {
            out.raw(",\"").raw(name).raw("\":").raw(millis(nanos));
        }
    }

    private static String count(long value) {
        return value < 0 ? null : Long.toString(value);
    }

    /** With one digit after the point. */
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
