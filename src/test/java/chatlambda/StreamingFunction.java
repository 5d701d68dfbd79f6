package chatlambda;

import static chatlambda.ScriptedUpstream.answering;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import chatlambda.local.LocalLambda.InvokeMode;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;

/** The packaged function in response mode stream, behind a Function URL that streams, and one in mode buffered. */
abstract class StreamingFunction {

    static final String CHAT = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
    static final String STREAM = "{\"stream\":true," + CHAT.substring(1);
    static final String DONE = "data: [DONE]\n\n";

    static ScriptedUpstream upstream;
    static Deployed function;
    static Deployed buffered;

    @BeforeAll
    static void start() {
        upstream = ScriptedUpstream.start(answering(200, "application/json", "{}"));
        function = Deployed.against(upstream.url(), Map.of("CHAT_RESPONSE_MODE", "stream", "CHAT_STREAM_IDLE_TIMEOUT", "1s", "CHAT_TIMEOUT",
                "10s"), InvokeMode.RESPONSE_STREAM);
        buffered = Deployed.against(upstream.url(), Map.of());
    }

    @AfterAll
    static void stop() {
        buffered.close();
        function.close();
        upstream.close();
    }

    @AfterEach
    void theNextInvocationWorks() throws Exception {
        upstream.script(answering(200, "application/json", "{\"next\":1}"));
        assertEquals("{\"next\":1}", function.post(CHAT).body());
        assertFalse(function.process.output().contains(Deployed.KEY), function.process.output());
    }

    /** The event of an answer that has ended. */
    static String event(int n) {
        return "data: {\"n\":" + n + ",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\n\n";
    }

    /** The event of an answer that goes on. */
    static String begun(int n) {
        return event(n).replace("\"stop\"", "null");
    }

    /** What the operator sees of the last invocation. */
    static void requireLine(Deployed of, int status, String code) throws InterruptedException {
        JsonNode line = of.accessLine();
        assertEquals(status + " " + code + (code == null && status < 500 ? " INFO 0" : " ERROR 1"), line.path("status").asInt() + " "
                + line.path("code").asText(null) + " " + line.path("level").asText() + " " + line.path("Errors").asInt(), line.toString());
    }

    static void requireCode(Deployed of, String code) throws InterruptedException {
        assertEquals(code, of.accessLine().path("code").asText());
    }
}
