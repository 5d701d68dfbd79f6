package stock;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.events.APIGatewayV2HTTPEvent;
import com.amazonaws.services.lambda.runtime.events.APIGatewayV2HTTPResponse;
import jakarta.inject.Inject;
import java.util.Map;
import org.eclipse.microprofile.rest.client.inject.RestClient;

public class ChatFunction implements RequestHandler<APIGatewayV2HTTPEvent, APIGatewayV2HTTPResponse> {

    @Inject
    @RestClient
    ChatCompletions upstream;

    @Override
    public APIGatewayV2HTTPResponse handleRequest(APIGatewayV2HTTPEvent event, Context context) {
        try (var answer = upstream.create(event.getBody())) {
            return APIGatewayV2HTTPResponse.builder().withStatusCode(answer.getStatus())
                    .withHeaders(Map.of("content-type", "application/json")).withBody(answer.readEntity(String.class)).build();
        }
    }
}
