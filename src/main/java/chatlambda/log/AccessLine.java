package chatlambda.log;

import chatlambda.chat.Route;
import chatlambda.chat.Usage;
import chatlambda.json.JsonOut;
import java.time.Instant;

/**
 * What one invocation came to, as one line of JSON: who, which model, how long, how much; never what was said. With metrics it is an
 * event in CloudWatch's embedded metric format too, namespace {@code ChatLambda}, dimensions {@code Model} and {@code Client}.
 *
 * @param requestId Lambda's
 * @param traceId X-Ray's header, or null
 * @param door by which front door the event came, or null: unknown
 * @param client by name, or null: unknown
 * @see <a href="https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html">
 *      Embedded metric format</a>
 */
public record AccessLine(String requestId, String traceId, String door, String client, Asked asked, Answered answered, Times times) {

    private static final String NAMESPACE = "ChatLambda";
    /** Characters of a model's name: what a model is called is shorter; what a caller asks for need not be. */
    private static final int MAX_MODEL = 256;

    /**
     * The request.
     *
     * @param route by name, or null: none, or unknown
     * @param model that it asks for, or null: unknown
     * @param bytes of its body, decoded; -1: unknown
     */
    public record Asked(String route, String model, boolean stream, long bytes) {
    }

    /**
     * What became of it.
     *
     * @param status as HTTP has it, for direct invocations too
     * @param code of the error; null: there was none
     * @param attempts requests to the upstream
     * @param model that was asked last, and answered; null: none did
     * @param usage null: unknown
     * @param bytes of the answer's body, with what was added to a stream
     * @param isEstimated whether the usage is, since the answer does not tell it
     * @param isBudgetRefused whether a budget refused the request
     */
    public record Answered(int status, String code, int attempts, String model, Usage usage, long bytes, boolean isEstimated,
            boolean isBudgetRefused) {

        /** Without budgets. */
        public Answered(int status, String code, int attempts, String model, Usage usage, long bytes) {
            this(status, code, attempts, model, usage, bytes, false, false);
        }
    }

    /**
     * In nanoseconds, -1 where there was no such thing.
     *
     * @param upstream for all attempts, to the end of the answer
     * @param firstChunk from the event's arrival to the first chunk of a stream
     * @param total from the event's arrival until the answer was handed over
     * @param remainingMillis until the deadline; less than nothing after it
     */
    public record Times(long upstream, long firstChunk, long total, long remainingMillis) {
    }

    /** A server's fault, or an answer that broke off. */
    boolean isError() {
        return answered.status >= 500 || answered.status < 400 && answered.code != null;
    }

    /** Whether nobody knows how many tokens an answer took: of a stream the upstream tells them only when asked to. */
    private boolean isUncounted() {
        boolean takesTokens = asked.route != null && !asked.route.equals(Route.MODELS.label());
        boolean isTold = answered.usage != null && (answered.usage.promptTokens() >= 0 || answered.usage.completionTokens() >= 0);
        return answered.status < 300 && takesTokens && !isTold;
    }

    /**
     * @param cold whether it is the first of this instance
     * @param metricModel the model as a dimension of metrics, each value of which costs money, or null: no metrics
     * @return the line and its end
     */
    byte[] toJson(Instant now, boolean cold, String metricModel) {
        var out = new JsonOut(1024);
        out.raw("{\"timestamp\":").string(now.toString()).raw(",\"level\":").string(isError() ? "ERROR" : "INFO");
        text(out, "requestId", requestId);
        text(out, "traceId", root(traceId));
        text(out, "door", door);
        text(out, "client", client);
        text(out, "route", asked.route);
        text(out, "model", shortened(asked.model));
        Usage usage = answered.usage;
        text(out, "answeredModel", shortened(usage != null && usage.model() != null ? usage.model() : answered.model));
        out.raw(",\"stream\":").raw(Boolean.toString(asked.stream));
        number(out, "status", answered.status);
        text(out, "code", answered.code);
        number(out, "attempts", answered.attempts);
        millis(out, "upstreamMs", times.upstream);
        millis(out, "totalMs", times.total);
        millis(out, "firstChunkMs", times.firstChunk);
        number(out, "requestBytes", asked.bytes);
        number(out, "responseBytes", answered.bytes);
        if (usage != null) {
            number(out, "promptTokens", usage.promptTokens());
            number(out, "completionTokens", usage.completionTokens());
            number(out, "reasoningTokens", usage.reasoningTokens());
        }
        if (answered.isEstimated) {
            out.raw(",\"estimated\":true");
        }
        if (cold) {
            out.raw(",\"cold\":true");
        }
        out.raw(",\"remainingMs\":").raw(Long.toString(times.remainingMillis));
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
        metric(definitions, values, "BudgetRefused", "Count", answered.isBudgetRefused ? "1" : null);
        metric(definitions, values, "Uncounted", "Count", isUncounted() ? "1" : null);
        metric(definitions, values, "UpstreamLatency", "Milliseconds", millis(times.upstream));
        metric(definitions, values, "FirstChunkLatency", "Milliseconds", millis(times.firstChunk));
        Usage usage = answered.usage;
        if (usage != null) {
            metric(definitions, values, "PromptTokens", "Count", count(usage.promptTokens()));
            metric(definitions, values, "CompletionTokens", "Count", count(usage.completionTokens()));
            metric(definitions, values, "UsdSpent", "None", usage.usd() == null ? null : usage.usd().toString());
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
        return name == null || name.length() <= MAX_MODEL ? name : name.substring(0, MAX_MODEL);
    }
}
