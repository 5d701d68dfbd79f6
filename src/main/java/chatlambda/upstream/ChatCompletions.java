package chatlambda.upstream;

import io.quarkus.rest.client.reactive.Url;
import io.smallrye.mutiny.Multi;
import io.smallrye.mutiny.Uni;
import io.vertx.mutiny.core.buffer.Buffer;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.HeaderParam;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.Produces;
import jakarta.ws.rs.core.MediaType;
import org.eclipse.microprofile.rest.client.inject.RegisterRestClient;
import org.jboss.resteasy.reactive.RestResponse;

/**
 * The upstream: any endpoint that speaks OpenAI's chat completions. Bytes both ways, because nothing that either side says may be
 * lost; a header that is null is not sent. {@link Upstream} bounds the wait and names the failures.
 *
 * <p>Every status comes back as a response; connection and TLS failures fail the {@code Uni}; cancelling it ends the request.
 *
 * @see <a href="https://docs.aimlapi.com/api-references/text-models-llm/chat-completion">AI/ML API, chat completion</a>
 */
@RegisterRestClient(configKey = "chat")
@Path("/chat/completions")
@Consumes(MediaType.APPLICATION_JSON)
@Produces({ MediaType.APPLICATION_JSON, MediaType.SERVER_SENT_EVENTS })
interface ChatCompletions {

    /** Names the {@link Exchange} to {@link UpstreamCodec}, which takes it out: the upstream never sees it. */
    String EXCHANGE = "chat-lambda-exchange";
    /** W3C's header. */
    String TRACEPARENT = "traceparent";
    /** X-Ray's header. */
    String TRACE_ID = "X-Amzn-Trace-Id";

    /** @param base what {@code /chat/completions} is added to: the upstream, or while the path is rehearsed a stand-in */
    @POST
    Uni<RestResponse<byte[]>> create(@Url String base, @HeaderParam(EXCHANGE) String exchange,
            @HeaderParam("Authorization") String authorization, @HeaderParam(TRACEPARENT) String traceparent,
            @HeaderParam(TRACE_ID) String traceId, byte[] request);

    /** The same for a request of some size, which goes out in slices as the connection takes them. */
    @POST
    Uni<RestResponse<byte[]>> create(@Url String base, @HeaderParam(EXCHANGE) String exchange,
            @HeaderParam("Authorization") String authorization, @HeaderParam(TRACEPARENT) String traceparent,
            @HeaderParam(TRACE_ID) String traceId, @HeaderParam("Content-Length") int length, Multi<Buffer> request);
}
