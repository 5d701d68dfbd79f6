package chatlambda.local;

import static org.junit.jupiter.api.Assertions.assertEquals;

import chatlambda.local.LocalLambda.InvokeMode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** No function polls until a test does so itself: who waits for an outcome waits for longer than the test's patience. */
class InvokeApiTest {

    private static final Duration PATIENCE = Duration.ofMinutes(1);

    private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final LocalLambda lambda = LocalLambda.start(0, InvokeMode.BUFFERED, Duration.ofMinutes(15));

    @AfterEach
    void close() {
        lambda.close();
    }

    @Test
    void anEventIsAcceptedAtOnceAndWorkedOnAfterwards() throws Exception {
        var accepted = invoke("Event", "\"in the background\"");
        assertEquals(202, accepted.statusCode());
        assertEquals("", accepted.body());
        var taken = next();
        assertEquals("\"in the background\"", taken.body());
        assertEquals(202, answer(taken, "{}"));
    }

    @Test
    void aDryRunInvokesNothing() throws Exception {
        assertEquals(204, invoke("DryRun", "\"dry\"").statusCode());
        assertEquals(202, invoke("Event", "\"after it\"").statusCode());
        assertEquals("\"after it\"", next().body());
    }

    @Test
    void withoutATypeTheCallerGetsTheOutcome() throws Exception {
        var answered = http.sendAsync(request("/2015-03-31/functions/chat/invocations", "\"and wait\"").build(),
                HttpResponse.BodyHandlers.ofString());
        var taken = next();
        assertEquals("\"and wait\"", taken.body());
        answer(taken, "\"the outcome\"");
        assertEquals(200, answered.get().statusCode());
        assertEquals("\"the outcome\"", answered.get().body());
    }

    private HttpResponse<String> invoke(String type, String event) throws IOException, InterruptedException {
        return http.send(request("/2015-03-31/functions/chat/invocations", event).header("X-Amz-Invocation-Type", type).build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private HttpRequest.Builder request(String path, String body) {
        return HttpRequest.newBuilder(URI.create(lambda.url() + path)).timeout(PATIENCE).POST(HttpRequest.BodyPublishers.ofString(body));
    }

    private HttpResponse<String> next() throws IOException, InterruptedException {
        return http.send(HttpRequest.newBuilder(runtime("next")).timeout(PATIENCE).build(), HttpResponse.BodyHandlers.ofString());
    }

    private int answer(HttpResponse<String> event, String outcome) throws IOException, InterruptedException {
        String requestId = event.headers().firstValue("Lambda-Runtime-Aws-Request-Id").orElseThrow();
        var request = HttpRequest.newBuilder(runtime(requestId + "/response")).POST(HttpRequest.BodyPublishers.ofString(outcome)).build();
        return http.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
    }

    private URI runtime(String path) {
        return URI.create("http://" + lambda.runtimeApi() + "/2018-06-01/runtime/invocation/" + path);
    }
}
