package chatlambda;

import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.streaming;
import static chatlambda.ScriptedUpstream.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.ScriptedUpstream.Script;
import chatlambda.local.LocalLambda.InvokeMode;
import io.quarkus.runtime.configuration.DurationConverter;
import java.io.IOException;
import java.net.Socket;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * Mixed traffic of which a twentieth meets a fault, for as long as is asked for:
 * {@code ./mvnw verify -Dnative -Dit.test=SoakIT -Dsoak=30m}.
 */
@EnabledIfSystemProperty(named = "soak", matches = "\\d+[smh]")
class SoakIT {

    private static final Pattern MARK = Pattern.compile("mark-(\\d+)-");
    private static final String[] DOORS = { null, "http-api", "rest-api", "alb", "alb-multi-value", "function-url" };

    /** What a fault does, and which statuses the caller may see then. */
    private record Fault(Script script, List<Integer> statuses) {
    }

    private final Random random = new Random(42);
    private final List<Fault> faults = List.of(
            new Fault(SoakIT::close, List.of(200, 502)), // a kept connection's request is sent again, to an upstream that does the same
            new Fault((request, connection) -> {
                connection.setSoLinger(true, 0);
                connection.close();
            }, List.of(200, 502)),
            new Fault((request, connection) -> {
                write(connection, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{");
                connection.close();
            }, List.of(502)),
            new Fault((request, connection) -> {
                write(connection, STREAM_HEAD + chunk("data: {"));
                connection.close();
            }, List.of(200, 502)), // in mid-stream there is no other status any more
            new Fault(answering(429, "application/json", "{\"message\":\"no\"}", "Retry-After: 0"), List.of(429)),
            new Fault(answering(503, "text/html", "<html>", "Retry-After: 0"), List.of(503)),
            new Fault(answering(500, "application/json", "{\"message\":\"no\"}"), List.of(500)),
            new Fault(answering(200, "text/html", "<html>"), List.of(502)),
            new Fault((request, connection) -> write(connection, "HTTP/1.1 200 OK\r\nContent-Length: no\r\n\r\n"), List.of(502)),
            new Fault(new Script() { // says nothing, now and then: it takes 2 s
                private int count;

                @Override
                public void answer(ScriptedUpstream.Request request, Socket connection) throws IOException {
                    if (count++ % 20 != 0) {
                        SoakIT.close(request, connection);
                    }
                }
            }, List.of(200, 502, 504)));

    private static void close(ScriptedUpstream.Request request, Socket connection) throws IOException {
        connection.close();
    }

    private static void echo(ScriptedUpstream.Request request, Socket connection) throws IOException {
        String text = request.text();
        Matcher mark = MARK.matcher(text);
        assertTrue(mark.find(), text);
        if (text.contains("\"stream\":true")) {
            streaming("data: {\"echo\":\"mark-" + mark.group(1) + "-\"}\n\n").answer(request, connection);
        } else {
            answering(200, "application/json", "{\"echo\":\"mark-" + mark.group(1) + "-\"}").answer(request, connection);
        }
    }

    @Test
    void noAnswerIsWrongAndNothingGrows() throws IOException {
        long duration = DurationConverter.parseDuration(System.getProperty("soak")).toNanos();
        var settings = Map.of("CHAT_TIMEOUT", "2s");
        var streaming = new HashMap<>(settings);
        streaming.put("CHAT_RESPONSE_MODE", "stream");
        try (var upstream = ScriptedUpstream.start(SoakIT::echo);
                var buffered = Deployed.against(upstream.url(), settings);
                var streamed = Deployed.against(upstream.url(), streaming, InvokeMode.RESPONSE_STREAM)) {
            long start = System.nanoTime();
            var minutes = new ArrayList<long[]>();
            int failed = 0;
            int i = 0;
            for (; System.nanoTime() - start < duration; i++) {
                Fault fault = random.nextInt(20) == 0 ? faults.get(random.nextInt(faults.size())) : null;
                upstream.script(fault == null ? SoakIT::echo : fault.script);
                failed += fault == null ? 0 : 1;
                invoke(random.nextBoolean() ? buffered : streamed, i, fault);
                if (i % 1000 == 0) {
                    upstream.connections.removeIf(Socket::isClosed);
                }
                if (System.nanoTime() - start > minutes.size() * 60_000_000_000L) {
                    minutes.add(new long[] { i, buffered.process.memory("VmRSS"), streamed.process.memory("VmRSS"),
                            buffered.process.openFiles(), streamed.process.openFiles() });
                    System.out.println("soak: minute " + (minutes.size() - 1) + ", invocation " + i + ", resident kB "
                            + minutes.get(minutes.size() - 1)[1] + " and " + minutes.get(minutes.size() - 1)[2] + ", open files "
                            + minutes.get(minutes.size() - 1)[3] + " and " + minutes.get(minutes.size() - 1)[4]);
                }
            }
            for (var function : List.of(buffered, streamed)) {
                System.out.println("soak: jq has read " + function.process.linesThatJqReads() + " lines of the log");
            }
            System.out.println("soak: " + i + " invocations, " + failed + " of them with a fault, no wrong answer");
            long[] then = minutes.get(Math.min(5, minutes.size() - 1));
            assertTrue(buffered.process.memory("VmRSS") < then[1] * 1.05, "resident memory grows");
            assertTrue(streamed.process.memory("VmRSS") < then[2] * 1.05, "resident memory grows, with streams");
            assertTrue(buffered.process.openFiles() <= then[3] + 2 && streamed.process.openFiles() <= then[4] + 2, "open files");
        }
    }

    private void invoke(Deployed function, int i, Fault fault) {
        String body = "{\"model\":\"m\"," + (random.nextInt(3) == 0 ? "\"stream\":true," : "")
                + "\"messages\":[{\"role\":\"user\",\"content\":\"mark-" + i + "- " + "x".repeat(random.nextInt(2) * random.nextInt(30_000))
                + "\"}]}";
        String door = DOORS[random.nextInt(DOORS.length)];
        var outcome = function.invoke(door == null ? body : Events.asChat(Events.json(Events.file(door)), body));
        String text = outcome.text();
        boolean answered = text.contains("mark-" + i + "-");
        if (fault == null) {
            assertTrue(answered && !outcome.functionError(), () -> text);
        } else if (door == null) {
            assertTrue(outcome.functionError() || answered || fault.statuses.contains(200), () -> text);
        } else {
            Matcher status = Pattern.compile("\"statusCode\":(\\d+)").matcher(text);
            assertTrue(status.find() && fault.statuses.contains(Integer.parseInt(status.group(1))), () -> fault.statuses + " " + text);
        }
        Matcher other = MARK.matcher(text);
        while (other.find()) {
            assertEquals(Integer.toString(i), other.group(1), "another invocation's answer");
        }
        assertFalse(text.contains(Deployed.KEY));
    }
}
