package chatlambda.aws;

import chatlambda.json.Json;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.quarkus.rest.client.reactive.QuarkusRestClientBuilder;
import io.smallrye.mutiny.Uni;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.HeaderParam;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.eclipse.microprofile.rest.client.inject.RegisterRestClient;
import org.jboss.logging.Logger;
import org.jboss.resteasy.reactive.RestResponse;

/**
 * A call of an AWS service that speaks AWS JSON 1.1. Any thread may send it, any number of times.
 *
 * @param service its name in host names, signatures and policies, for example {@code ssm}
 * @param endpointVariable the AWS SDKs' variable that names another endpoint for this service, for example
 *        {@code AWS_ENDPOINT_URL_SSM}
 * @param target the service's name in this protocol and the operation, for example {@code AmazonSSM.GetParameter}
 * @param request JSON
 * @see <a href="https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html">AWS JSON 1.1 protocol</a>
 */
public record AwsCall(String service, String region, String endpointVariable, String target, byte[] request) {

    private static final Logger LOG = Logger.getLogger(AwsCall.class);

    /** An answer of any status, and the host that gave it. */
    public record Answer(String host, int status, byte[] body) {

        /**
         * @return the first member of this name, at any depth; null if there is none, or if it is no string
         * @throws IOException the body is not JSON
         */
        public String member(String name) throws IOException {
            try (JsonParser parser = Json.parser(body)) {
                while (parser.nextToken() != null) {
                    if (parser.currentToken() == JsonToken.FIELD_NAME && parser.currentName().equals(name)) {
                        return parser.nextToken() == JsonToken.VALUE_STRING ? parser.getText() : null;
                    }
                }
                return null;
            }
        }

        /** For example {@code ResourceNotFoundException}; empty if the body names none. The error's message may quote anything. */
        public String errorType() {
            try {
                String type = member("__type");
                return type == null ? "" : type.substring(type.indexOf('#') + 1).replaceAll("[^A-Za-z0-9]", "");
            } catch (IOException e) {
                return "";
            }
        }
    }

    public static boolean hasCredentials(Map<String, String> environment) {
        return environment.get("AWS_ACCESS_KEY_ID") != null && environment.get("AWS_SECRET_ACCESS_KEY") != null;
    }

    /**
     * Sends the call over a connection of its own and waits for the whole answer.
     *
     * @param environment Lambda's, which {@link #hasCredentials}
     * @param timeout for all of it, the connection included
     * @throws IOException there is no answer: the message says what was met and what to do, and quotes nothing that was sent or read
     */
    public Answer send(Map<String, String> environment, Duration connectTimeout, Duration timeout) throws IOException {
        URI endpoint = endpoint(service, region, endpointVariable, environment);
        String date = SigV4.date(Instant.now());
        String token = environment.get("AWS_SESSION_TOKEN");
        var headers = new TreeMap<>(Map.of("content-type", AwsJson.TYPE, "host", endpoint.getRawAuthority(), "x-amz-date", date,
                "x-amz-target", target));
        if (token != null) {
            headers.put("x-amz-security-token", token);
        }
        String authorization = SigV4.authorization(environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY"), region,
                service, "POST", headers, request);
        var builder = QuarkusRestClientBuilder.newBuilder().baseUri(endpoint).followRedirects(false)
                .connectTimeout(connectTimeout.toMillis(), TimeUnit.MILLISECONDS).readTimeout(0, TimeUnit.MILLISECONDS);
        try (var client = builder.build(AwsJson.class)) {
            RestResponse<?> response = client.call(target, date, token, authorization, request).await().atMost(timeout);
            Object body = response.getEntity();
            if (body instanceof InputStream stream) { // so is an error's, whatever type the method declares
                body = stream.readAllBytes();
            }
            return new Answer(endpoint.getHost(), response.getStatus(), body == null ? new byte[0] : (byte[]) body);
        } catch (RuntimeException | IOException e) {
            throw new IOException(endpoint.getHost() + " did not answer (" + e.getClass().getSimpleName()
                    + "): check that the function's network reaches it");
        }
    }

    /**
     * Where a service is: at an address that a variable of the AWS SDKs names, or at AWS's own.
     *
     * @throws IOException the variable holds no address
     */
    public static URI endpoint(String service, String region, String endpointVariable, Map<String, String> environment)
            throws IOException {
        String given = environment.getOrDefault(endpointVariable, environment.get("AWS_ENDPOINT_URL"));
        String suffix = region.startsWith("cn-") ? ".amazonaws.com.cn" : ".amazonaws.com";
        try {
            var endpoint = new URI(given != null ? given : "https://" + service + "." + region + suffix);
            if (endpoint.getHost() != null) {
                return endpoint;
            }
        } catch (URISyntaxException e) {
            LOG.debug(e.getReason());
        }
        throw new IOException("the endpoint in AWS_ENDPOINT_URL (or that of this service) is no address: remove it, or correct it");
    }
}

/** What goes out. A header that is null is not sent; every status comes back as a response. */
@RegisterRestClient(configKey = "aws")
@Path("/")
@Consumes(AwsJson.TYPE)
interface AwsJson extends Closeable {

    String TYPE = "application/x-amz-json-1.1";

    @POST
    Uni<RestResponse<byte[]>> call(@HeaderParam("X-Amz-Target") String target, @HeaderParam("X-Amz-Date") String date,
            @HeaderParam("X-Amz-Security-Token") String token, @HeaderParam("Authorization") String authorization, byte[] request);
}
