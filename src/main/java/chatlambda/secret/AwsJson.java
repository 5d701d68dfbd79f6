package chatlambda.secret;

import io.quarkus.rest.client.reactive.Url;
import io.smallrye.mutiny.Uni;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.HeaderParam;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import org.eclipse.microprofile.rest.client.inject.RegisterRestClient;
import org.jboss.resteasy.reactive.RestResponse;

import java.io.Closeable;

/**
 * One call of an AWS service that speaks AWS JSON 1.1, as Secrets Manager and Systems Manager do.
 *
 * @see <a href="https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html">AWS JSON 1.1 protocol</a>
 */
@RegisterRestClient(configKey = "aws")
@Path("/")
@Consumes(AwsJson.TYPE)
interface AwsJson extends Closeable {

    String TYPE = "application/x-amz-json-1.1";

    /**
     * @param target service and operation
     * @param token of the credentials, or null
     */
    @POST
    Uni<RestResponse<byte[]>> call(@Url String endpoint, @HeaderParam("X-Amz-Target") String target, @HeaderParam("X-Amz-Date") String date,
            @HeaderParam("X-Amz-Security-Token") String token, @HeaderParam("Authorization") String authorization, byte[] request);
}
