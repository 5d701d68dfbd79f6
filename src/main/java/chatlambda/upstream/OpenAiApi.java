package chatlambda.upstream;

import io.quarkus.rest.client.reactive.Url;
import io.smallrye.mutiny.Multi;
import io.smallrye.mutiny.Uni;
import io.vertx.mutiny.core.buffer.Buffer;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.HeaderParam;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.Produces;
import jakarta.ws.rs.core.MediaType;
import org.eclipse.microprofile.rest.client.inject.RegisterRestClient;
import org.jboss.resteasy.reactive.RestResponse;

/**
 * The upstream: any endpoint that speaks OpenAI's API. Bytes both ways, because nothing that either side says may be lost. {@link
 * Upstream} bounds the wait and names the failures.
 *
 * <p>Every status comes back as a response, whose body the {@link Exchange} has; connection and TLS failures fail the {@code Uni};
 * cancelling it ends the request. A body that is given in slices goes out as the connection takes them. The caller's own headers are
 * added by {@link UpstreamCodec}, since their names are a setting's.
 *
 * @see <a href="https://docs.aimlapi.com/api-references/text-models-llm/chat-completion">AI/ML API, chat completion</a>
 */
@RegisterRestClient(configKey = "chat")
@Consumes(MediaType.APPLICATION_JSON)
@Produces({ MediaType.APPLICATION_JSON, MediaType.SERVER_SENT_EVENTS })
interface OpenAiApi {

    /** Names the {@link Exchange} to {@link UpstreamCodec}, which takes it out: the upstream never sees it. */
    String EXCHANGE = "chat-lambda-exchange";

    /** @param base what the route's path is added to: the upstream, or while the path is rehearsed a stand-in */
    @POST
    @Path("/chat/completions")
    Uni<RestResponse<Void>> chat(@Url String base, @HeaderParam(EXCHANGE) String exchange,
            @HeaderParam("Authorization") String authorization, byte[] request);

    /** The same for a request of some size. */
    @POST
    @Path("/chat/completions")
    Uni<RestResponse<Void>> chat(@Url String base, @HeaderParam(EXCHANGE) String exchange,
            @HeaderParam("Authorization") String authorization, @HeaderParam("Content-Length") int length, Multi<Buffer> request);

    @POST
    @Path("/responses")
    Uni<RestResponse<Void>> responses(@Url String base, @HeaderParam(EXCHANGE) String exchange,
            @HeaderParam("Authorization") String authorization, @HeaderParam("Content-Length") int length, Multi<Buffer> request);

    @POST
    @Path("/embeddings")
    Uni<RestResponse<Void>> embeddings(@Url String base, @HeaderParam(EXCHANGE) String exchange,
            @HeaderParam("Authorization") String authorization, @HeaderParam("Content-Length") int length, Multi<Buffer> request);

    @GET
    @Path("/models")
    Uni<RestResponse<Void>> models(@Url String base, @HeaderParam(EXCHANGE) String exchange,
            @HeaderParam("Authorization") String authorization);
}
