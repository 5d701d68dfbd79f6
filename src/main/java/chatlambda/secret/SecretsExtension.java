package chatlambda.secret;

import io.quarkus.rest.client.reactive.Url;
import io.smallrye.mutiny.Uni;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.HeaderParam;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.QueryParam;
import org.eclipse.microprofile.rest.client.inject.RegisterRestClient;
import org.jboss.resteasy.reactive.RestResponse;

import java.io.Closeable;

/**
 * The AWS Parameters and Secrets Lambda Extension, a process beside the function where its layer is there.
 *
 * @see <a href="https://docs.aws.amazon.com/secretsmanager/latest/userguide/retrieving-secrets_lambda.html">Use AWS Secrets Manager
 *      secrets in AWS Lambda functions</a>
 */
@RegisterRestClient(configKey = "secrets-extension")
interface SecretsExtension extends Closeable {

    String TOKEN = "X-Aws-Parameters-Secrets-Token";

    @GET
    @Path("/secretsmanager/get")
    Uni<RestResponse<byte[]>> secret(@Url String address, @HeaderParam(TOKEN) String token, @QueryParam("secretId") String arn);

    @GET
    @Path("/systemsmanager/parameters/get")
    Uni<RestResponse<byte[]>> parameter(@Url String address, @HeaderParam(TOKEN) String token, @QueryParam("name") String arn,
            @QueryParam("withDecryption") boolean decrypted);
}
