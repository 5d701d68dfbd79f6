package chatlambda.event;

import java.util.Map;

/**
 * An Application Load Balancer's request to a target.
 *
 * @param multiValue whether the target group's attribute {@code lambda.multi_value_headers.enabled} is on: the response must then have
 *        its headers in the same form
 * @see <a href="https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html">Lambda functions
 *      as targets</a>
 */
record Alb(String method, String path, Map<String, String> headers, Body content, boolean multiValue) implements Event.Http {

    @Override
    public byte[] reply(int status, Map<String, String> headers, byte[] body) {
        var out = Envelope.begin(status).raw(",\"statusDescription\":").string(status + " " + reason(status));
        if (multiValue) {
            out.raw(",\"multiValueHeaders\":").strings(headers, "[", "]");
        } else {
            out.raw(",\"headers\":").strings(headers, "", "");
        }
        return Envelope.end(out, body);
    }

    /** The whole JSON document may have 1 MB. */
    @Override
    public int replyLimit() {
        return 1024 * 1024;
    }

    @Override
    public boolean isHealthCheck() {
        return headers.getOrDefault("user-agent", "").startsWith("ELB-HealthChecker/") && !headers.containsKey("x-forwarded-for");
    }

    @Override
    public String door() {
        return "alb";
    }

    private static String reason(int status) {
        return switch (status) {
            case 200 -> "OK";
            case 204 -> "No Content";
            case 400 -> "Bad Request";
            case 401 -> "Unauthorized";
            case 402 -> "Payment Required";
            case 403 -> "Forbidden";
            case 404 -> "Not Found";
            case 405 -> "Method Not Allowed";
            case 408 -> "Request Timeout";
            case 409 -> "Conflict";
            case 413 -> "Content Too Large";
            case 415 -> "Unsupported Media Type";
            case 422 -> "Unprocessable Content";
            case 429 -> "Too Many Requests";
            case 500 -> "Internal Server Error";
            case 502 -> "Bad Gateway";
            case 503 -> "Service Unavailable";
            case 504 -> "Gateway Timeout";
            default -> {
                if (status >= 500) {
                    yield "Server Error";
                }
                yield status >= 300 ? "Client Error" : "OK";
            }
        };
    }
}
