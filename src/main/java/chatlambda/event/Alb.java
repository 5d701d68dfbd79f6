package chatlambda.event;

import chatlambda.json.JsonOut;

import java.util.Map;

/**
 * An Application Load Balancer's target request.
 *
 * @param multiValue the target group's attribute {@code lambda.multi_value_headers.enabled}: the answer must use the same form
 * @see <a href="https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html">Lambda functions
 *      as targets</a>
 */
record Alb(String method, String path, Map<String, String> headers, Body content, boolean multiValue)
        implements Event.Http {

    /** One JSON document of at most 1 MB, where every other front door takes Lambda's 6 MB. */
    private static final int LIMIT = 1024 * 1024;

    @Override
    public byte[] body() {
        return content.decode();
    }

    @Override
    public byte[] reply(int status, Map<String, String> headers, byte[] body) {
        var out = new JsonOut(512).raw("{\"statusCode\":").raw(Integer.toString(status))
                .raw(",\"statusDescription\":").string(status + " " + Envelope.reason(status));
        if (multiValue) {
            out.raw(",\"multiValueHeaders\":").strings(headers, "[", "]");
        } else {
            out.raw(",\"headers\":").strings(headers, "", "");
        }
        return Envelope.body(out, body);
    }

    @Override
    public int replyLimit() {
        return LIMIT;
    }

    @Override
    public boolean isHealthCheck() {
        return headers.getOrDefault("user-agent", "").startsWith("ELB-HealthChecker/");
    }

    @Override
    public String door() {
        return "alb";
    }
}
