package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.local.StubChat;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EnduranceIT {

    private static final String CHAT = "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"Invocation %d\"}]}";

    /** On a JVM the heap's own growth says nothing, so there only the answers count, and fewer of them. */
    @Test
    void thousandsOfInvocationsLeaveNothingBehind() throws IOException {
        int rounds = Deployed.isNative() ? 10_000 : 2_000;
        String[] doors = { null, Events.file("http-api"), Events.file("rest-api"), Events.file("alb"), Events.file("alb-multi-value"),
                Events.file("function-url"), Events.file("http-api-base64") };
        try (var stub = StubChat.start(Duration.ZERO); var function = Deployed.against(stub.url(), Map.of("CHAT_RETRIES", "0"))) {
            long[] memory = new long[rounds];
            int files = 0;
            for (int i = 0; i < rounds; i++) {
                String door = doors[i % doors.length];
                int status = i % 11 == 0 ? 429 : i % 13 == 0 ? 500 : i % 17 == 0 ? 400 : 200;
                String body = CHAT.formatted(status > 400 ? "stub/" + status : "stub/echo", i);
                if (status == 400) {
                    body = body.substring(1);
                }
                if (door == null && status == 400) {
                    continue; // an event that is not JSON cannot come from Lambda
                }
                var outcome = function.invoke(door == null ? body : Events.asChat(Events.json(door), body));
                if (door == null) {
                    assertEquals(status != 200, outcome.functionError(), outcome.text());
                } else {
                    assertEquals(status, Events.json(outcome.text()).getInt("statusCode"), outcome.text());
                }
                assertTrue(status != 200 || outcome.text().contains("You said: Invocation " + i), outcome.text());
                memory[i] = function.process.memory("VmRSS");
                files = i == rounds / 2 ? function.process.openFiles() : files;
            }
            System.out.printf("resident memory over %d invocations: first %d, middle %d, last %d kB, highest %d kB%n", rounds, memory[1],
                    memory[rounds / 2], memory[rounds - 1], function.process.memory("VmHWM"));
            int filesNow = function.process.openFiles();
            assertTrue(filesNow <= files + 2, files + " open files became " + filesNow); // a connection more or less is kept now and then
            if (Deployed.isNative()) {
                assertTrue(memory[rounds - 1] < memory[rounds / 2] * 1.05, "resident memory grows");
            }
            assertEquals(List.of(), function.process.messages());
        }
    }

    @Test
    @EnabledIf("chatlambda.Deployed#isNative")
    void aLargestRequestTakesLessThanFourTimesItsSize() throws IOException {
        String image = "data:image/png;base64," + "iVBORw0KGgo".repeat(6 * 1024 * 1024 / 11 - 100);
        String body = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"" + image
                + "\"}}]}]}";
        for (String event : new String[] { body, Events.post(body) }) {
            try (var upstream = ScriptedUpstream.start(ScriptedUpstream.answering(200, "application/json", "{\"id\":\"c\"}"));
                    var function = Deployed.against(upstream.url(), Map.of())) {
                for (int i = 0; i < 20; i++) {
                    function.invoke(Events.post(CHAT.formatted("m", i)));
                }
                long before = function.process.memory("VmRSS");
                upstream.script(ScriptedUpstream.answering(200, "application/json", "{\"id\":\"c\"}"));
                assertTrue(function.invoke(event).text().contains("id"));
                assertEquals(body.length(), upstream.request().body().length);
                double times = (function.process.memory("VmHWM") - before) / (event.length() / 1024.0);
                System.out.printf("a request of %d bytes took %.1f times its size in extra memory%n", event.length(), times);
                assertTrue(times < 4, times + " times its size");
            }
        }
    }

    /** The least that Lambda gives a function is 128 MB. */
    @ParameterizedTest
    @CsvSource({ "200, response_too_large", "500, xxx..." })
    @EnabledIf("chatlambda.Deployed#isNative")
    void noMoreIsReadOfAnAnswerThanTheDoorTakes(int status, String says) throws IOException {
        String body = "{\"message\":\"" + "x".repeat(31_000_000) + "\"}";
        try (var upstream = ScriptedUpstream.start(ScriptedUpstream.answering(status, "application/json", body));
                var function = Deployed.against(upstream.url(), Map.of())) {
            String said = function.invoke(Events.post(CHAT.formatted("m", 1))).text();
            assertTrue(said.contains(says), said);
            long most = function.process.memory("VmHWM");
            System.out.printf("an answer of 31 MB with status %d: at most %d kB resident%n", status, most);
            assertTrue(most < 110 * 1024, most + " kB");
        }
    }
}
