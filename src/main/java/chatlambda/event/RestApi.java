package chatlambda.event;

import java.util.Map;

/**
 * Payload format 1.0: an API Gateway REST API, or an HTTP API set to it. Headers are answered in {@code headers} alone:
 * one that is in {@code multiValueHeaders} too would be sent twice.
 *
 * @see <a href="https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html">
 *      Lambda proxy integrations in API Gateway</a>
 */
record RestApi(String method, String path, Map<String, String> headers, Body content) implements Event.Http {

    @Override
    public byte[] body() {
        return content.decode();
    }

    @Override
    public String door() {
        return "rest-api";
    }
}
