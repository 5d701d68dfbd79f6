package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.local.LocalLambda.InvokeMode;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;

class DeadlineIT {

    private static final String CHAT = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";

    @Test
    void ourOwn504GetsOutBeforeLambdaGivesUp() throws InterruptedException {
        try (var upstream = ScriptedUpstream.start((request, connection) -> {
        });
                var function = Deployed.against(upstream.url(), Map.of("CHAT_RESERVE", "2s"), InvokeMode.BUFFERED,
                        Duration.ofSeconds(5))) {
            function.lambda.awaitPoll(); // the start takes time of its own
            var reply = function.reply(Events.post(CHAT));
            assertEquals(504, reply.getInt("statusCode"));
            assertTrue(reply.getString("body").contains("raise the function's timeout"), reply.getString("body"));
        }
    }

    @Test
    void withLessThanTheReserveLeftTheUpstreamIsNotAsked() {
        try (var upstream = ScriptedUpstream.start((request, connection) -> {
        });
                var function = Deployed.against(upstream.url(), Map.of("CHAT_RESERVE", "1m"))) {
            assertEquals(504, function.reply(Events.post(CHAT)).getInt("statusCode"));
            assertTrue(upstream.requests.isEmpty());
        }
    }
}
