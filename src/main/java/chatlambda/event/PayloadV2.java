package chatlambda.event;

import java.util.Map;

/**
 * Payload format 2.0: an API Gateway HTTP API or a Lambda Function URL.
 *
 * @param functionUrl whether a Function URL sent it, not an HTTP API
 * @see <a href="https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html">
 *      Lambda proxy integrations for HTTP APIs</a>
 */
record PayloadV2(String method, String path, Map<String, String> headers, Body content, boolean functionUrl) implements Event.Http {

    @Override
    public String door() {
        return functionUrl ? "function-url" : "http-api";
    }
}
