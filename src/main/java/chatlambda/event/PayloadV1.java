package chatlambda.event;

import java.util.Map;

/**
 * Payload format 1.0: an API Gateway REST API, or an HTTP API that is set to it. The response has its headers in {@code headers} only,
 * because API Gateway would send one that is also in {@code multiValueHeaders} twice.
 *
 * @see <a href="https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html">
 *      Lambda proxy integrations in API Gateway</a>
 */
record PayloadV1(String method, String path, Map<String, String> headers, Body content) implements Event.Http {

    @Override
    public String door() {
        return "rest-api";
    }
}
