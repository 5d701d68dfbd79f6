package chatlambda;

import static chatlambda.ScriptedUpstream.LAST_CHUNK;
import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.FaultIT.Fault;
import chatlambda.local.LocalLambda.InvokeMode;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * 64 workers, 64 named callers, each invocation with a name of its own in its request and in its answer, a twentieth of them with a fault
 * of {@link FaultIT}'s: nothing that anybody gets, and no line of the log, has another's name. {@code -Dmany=100000} for more of them.
 */
class ManyNamedIT {

    private static final int CALLERS = 64;
    /** Of a request that names none, as some of the callers' faults do. */
    private static final String NOBODYS_MODEL = "nobodys";
    private static final int INVOCATIONS = Integer.getInteger("many", 3_000);
    private static final Pattern NAME = Pattern.compile("I am (c\\d+n\\d+)");
    private static final Pattern FAULT = Pattern.compile("fault (\\d+);");
    private static final Pattern ANY_NAME = Pattern.compile("c\\d+n\\d+");
    private static final Pattern REQUEST_ID = Pattern.compile(" x-request-id: ([0-9a-f-]{36}) ");
    private static final Pattern ANY_REQUEST_ID = Pattern.compile("(?:request |invocation[ /])([0-9a-f-]{36})");

    private final List<Fault> faults = FaultIT.faults().filter(fault -> !fault.freezes()).toList();
    private final AtomicInteger count = new AtomicInteger();
    private final AtomicInteger sound = new AtomicInteger();
    private final AtomicInteger answered = new AtomicInteger();
    /** By the request id that the answer's header tells. */
    private final Map<String, Integer> callers = new ConcurrentHashMap<>();

    private ScriptedUpstream upstream;

    private static String key(int caller) {
        return "sk-test-caller-" + caller;
    }

    private static Map<String, String> settings(InvokeMode mode) throws NoSuchAlgorithmException {
        var keys = new ArrayList<String>();
        for (int caller = 0; caller < CALLERS; caller++) {
            byte[] hash = MessageDigest.getInstance("SHA-256").digest(key(caller).getBytes(StandardCharsets.UTF_8));
            keys.add("caller-" + caller + "=" + HexFormat.of().formatHex(hash));
        }
        var settings = new HashMap<>(Map.of("AWS_LAMBDA_MAX_CONCURRENCY", Integer.toString(CALLERS), "CHAT_AUTH", "keys",
                "CHAT_CLIENT_KEYS", String.join(",", keys), "CHAT_TIMEOUT", "3s", "CHAT_STREAM_IDLE_TIMEOUT", "2s"));
        settings.put("CHAT_MAX_BYTES_IN_FLIGHT", "4000000000");
        settings.put("CHAT_MODEL", NOBODYS_MODEL);
        settings.put("CHAT_RESPONSE_MODE", mode == InvokeMode.BUFFERED ? "buffered" : "stream");
        return settings;
    }

    @ParameterizedTest
    @EnumSource(InvokeMode.class)
    void nobodyGetsAnothersAnswer(InvokeMode mode) throws Exception {
        try (var started = ScriptedUpstream.start(this::answer);
                var function = Deployed.against(started.url(), settings(mode), mode, Duration.ofSeconds(60))) {
            upstream = started;
            function.lambda.awaitPolls(CALLERS);
            var pool = Executors.newFixedThreadPool(CALLERS);
            var all = new ArrayList<CompletableFuture<Void>>();
            long start = System.nanoTime();
            for (int caller = 0; caller < CALLERS; caller++) {
                int its = caller;
                all.add(CompletableFuture.runAsync(() -> call(function, its), pool));
            }
            CompletableFuture.allOf(all.toArray(new CompletableFuture<?>[0])).get(60, TimeUnit.MINUTES);
            pool.shutdown();
            function.lambda.awaitPolls(CALLERS);
            System.out.printf("%s: %d invocations, %d with a fault, in %d ms; of %d sound ones %d were answered well%n", mode, INVOCATIONS,
                    INVOCATIONS - sound.get(), (System.nanoTime() - start) / 1_000_000, sound.get(), answered.get());
            assertTrue(answered.get() > sound.get() * 0.95, answered + " of " + sound);
            checkLog(function.process.output());
        }
    }

    private void call(Deployed function, int caller) {
        var random = new Random(caller);
        for (int n; (n = count.getAndIncrement()) < INVOCATIONS;) {
            String name = "c" + caller + "n" + n;
            boolean isDirect = random.nextInt(10) == 0;
            if (random.nextInt(20) == 0) {
                int fault = random.nextInt(faults.size());
                check(caller, name, ask(function, caller, body(caller, name, fault)));
            } else if (isDirect) {
                String said = function.lambda.invoke(body(caller, name, -1).getBytes(StandardCharsets.UTF_8)).text();
                requireNoOther(name, said);
                judge(said.contains(name), said);
            } else {
                String said = ask(function, caller, body(caller, name, -1));
                check(caller, name, said);
                judge(said.startsWith("200 ") && said.contains(name) && said.contains(" x-aimlapi-name: " + name + " "), said);
            }
        }
    }

    /** A sound answer, behind another one's fault, may meet a connection that is closed so late that its request is not sent again. */
    private void judge(boolean isWell, String said) {
        sound.incrementAndGet();
        answered.addAndGet(isWell ? 1 : 0);
        assertTrue(isWell || said.contains("upstream_unreachable"), said);
    }

    private String body(int caller, String name, int fault) {
        if (fault >= 0 && faults.get(fault).isCallers()) {
            return faults.get(fault).body();
        }
        boolean streams = fault >= 0 ? faults.get(fault).streams() : name.hashCode() % 2 == 0;
        String padding = fault >= 0 && faults.get(fault).body().length() > 1_000_000 ? "x".repeat(4_000_000) : "";
        return "{" + (streams ? "\"stream\":true," : "") + "\"model\":\"model-" + caller + "\",\"messages\":[{\"role\":\"user\",\"content\":\"I am "
                + name + (fault >= 0 ? " fault " + fault + ";" : "") + padding + "\"}]}";
    }

    private static String ask(Deployed function, int caller, String body) {
        String event = Events.post(body).replace("\"headers\":{", "\"headers\":{\"authorization\":\"Bearer " + key(caller) + "\",");
        return FaultIT.told(function.lambda.invoke(event.getBytes(StandardCharsets.UTF_8)));
    }

    private void check(int caller, String name, String said) {
        requireNoOther(name, said);
        assertFalse(said.contains("of-an-earlier-caller"), said);
        Matcher model = Pattern.compile(" x-chat-model: (\\S+) ").matcher(said);
        assertTrue(!model.find() || List.of("model-" + caller, NOBODYS_MODEL).contains(model.group(1)), said);
        Matcher id = REQUEST_ID.matcher(said);
        if (id.find()) { // some upstreams send one of their own
            assertNull(callers.put(id.group(1), caller), "a request id of two");
        }
    }

    private static void requireNoOther(String name, String said) {
        Matcher any = ANY_NAME.matcher(said);
        while (any.find()) {
            assertEquals(name, any.group(), () -> said);
        }
    }

    /** Each line of an invocation has its caller's name, model and count of tokens; each other one the id that its text tells. */
    private void checkLog(String log) {
        int lines = 0;
        int cold = 0;
        for (String text : log.lines().toList()) {
            JsonNode line = LogLines.check(text);
            if (!line.has("totalMs")) {
                Matcher id = ANY_REQUEST_ID.matcher(line.path("message").asText());
                assertTrue(!id.find() || id.group(1).equals(line.path("requestId").asText()), text);
                continue;
            }
            lines++;
            cold += line.path("cold").asBoolean() ? 1 : 0;
            String client = line.path("client").asText();
            Integer caller = callers.get(line.path("requestId").asText());
            assertTrue(caller == null || client.equals("caller-" + caller), text);
            if (client.startsWith("caller-") && line.has("model") && !List.of("a", NOBODYS_MODEL).contains(line.path("model").asText())) {
                String number = client.substring("caller-".length());
                assertEquals("model-" + number, line.path("model").asText(), text);
                assertTrue(!line.has("promptTokens") || line.path("promptTokens").asInt() == 1_000 + Integer.parseInt(number)
                        || line.path("promptTokens").asInt() < 1_000, text);
                assertTrue(List.of("model-" + number, "other").contains(line.path("Model").asText()), text);
            }
            assertEquals(client, line.path("Client").asText(), text);
        }
        assertEquals(INVOCATIONS, lines);
        assertEquals(1, cold, "instances have one first invocation");
    }

    private void answer(ScriptedUpstream.Request request, Socket connection) throws IOException {
        upstream.requests.clear(); // they are many
        upstream.connections.removeIf(Socket::isClosed);
        String text = request.text();
        Matcher fault = FAULT.matcher(text);
        if (fault.find()) {
            faults.get(Integer.parseInt(fault.group(1))).script().answer(request, connection);
            return;
        }
        Matcher named = NAME.matcher(text);
        if (!named.find()) { // a caller's fault that is none in the end
            ScriptedUpstream.answering(200, "application/json", "{\"choices\":[]}").answer(request, connection);
            return;
        }
        String name = named.group(1);
        String caller = name.substring(1, name.indexOf('n'));
        String usage = ",\"usage\":{\"prompt_tokens\":" + (1_000 + Integer.parseInt(caller)) + ",\"completion_tokens\":1}";
        String head = "x-aimlapi-name: " + name + "\r\n";
        if (FaultIT.isStream(request)) {
            write(connection, STREAM_HEAD.replace("\r\n\r\n", "\r\n" + head + "\r\n"));
            for (int i = 0; i < 3; i++) {
                write(connection, chunk("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + name + "\"}}]}\n\n"));
            }
            write(connection, chunk("data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}],\"name\":\"" + name + "\"" + usage + "}\n\n"
                    + "data: [DONE]\n\n") + LAST_CHUNK);
        } else {
            write(connection, FaultIT.whole("Content-Type: application/json\r\n" + head, "{\"choices\":[],\"name\":\"" + name + "\"" + usage
                    + "}"));
        }
    }
}
