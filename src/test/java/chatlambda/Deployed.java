package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.local.Caller;
import chatlambda.local.LocalLambda;
import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.Outcome;
import com.fasterxml.jackson.databind.JsonNode;
import io.restassured.RestAssured;
import jakarta.json.JsonObject;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** What was packaged, the JVM application or the native binary, as a process of its own behind a Lambda service on loopback. */
final class Deployed implements AutoCloseable {

    static {
        RestAssured.filters((request, response, context) -> {
            var answer = context.next(request, response);
            assertKeyless(answer.headers() + answer.asString());
            return answer;
        });
    }

    static final String KEY = "sk-test-upstream-key";

    private static final HttpClient HTTP = HttpClient.newHttpClient();

    /** The packaged function: a binary, or a jar. */
    static final String FUNCTION = System.getProperty("chat.function");

    final LocalLambda lambda;
    final FunctionProcess process;
    private volatile boolean keyless = true;

    private Deployed(LocalLambda lambda, FunctionProcess process) {
        this.lambda = lambda;
        this.process = process;
    }

    static Deployed against(URI upstream, Map<String, String> settings) {
        return against(upstream, settings, InvokeMode.BUFFERED);
    }

    static Deployed against(URI upstream, Map<String, String> settings, InvokeMode mode) {
        return against(upstream, settings, mode, Duration.ofSeconds(30));
    }

    static Deployed against(URI upstream, Map<String, String> settings, InvokeMode mode, Duration timeout) {
        return against(upstream, settings, mode, timeout, List.of());
    }

    /** @param command that the function is executed by, with its arguments */
    static Deployed against(URI upstream, Map<String, String> settings, InvokeMode mode, Duration timeout, List<String> command) {
        var lambda = LocalLambda.start(0, mode, timeout);
        var environment = new HashMap<>(Map.of("AWS_LAMBDA_RUNTIME_API", lambda.runtimeApi(), "CHAT_API_KEY", KEY, "CHAT_AUTH", "iam",
                "CHAT_URL", upstream.toString()));
        if ("passthrough".equals(settings.get("CHAT_AUTH"))) {
            environment.remove("CHAT_API_KEY");
        }
        environment.putAll(settings);
        return new Deployed(lambda, FunctionProcess.start(environment, command));
    }

    Outcome invoke(String event) {
        return invoke(event, Caller.NONE);
    }

    /** Every answer that a test does not take over HTTP: none may hold a key, whichever way it goes on. */
    Outcome invoke(String event, Caller caller) {
        var last = new StringBuilder();
        Outcome outcome = lambda.invoke(event.getBytes(StandardCharsets.UTF_8), new Caller() {
            @Override
            public void begin(String contentType) throws IOException {
                caller.begin(contentType);
            }

            @Override
            public void chunk(byte[] chunk) throws IOException {
                last.append(new String(chunk, StandardCharsets.ISO_8859_1));
                keyless &= last.indexOf(LogLines.KEY_PREFIX) < 0;
                last.delete(0, Math.max(0, last.length() - LogLines.KEY_PREFIX.length())); // a key may lie across chunks
                caller.chunk(chunk);
            }
        });
        assertTrue(keyless, "a key in an answer");
        assertKeyless(outcome.text());
        return outcome;
    }

    /** The access line of the last invocation. */
    JsonNode accessLine() throws InterruptedException {
        lambda.awaitPoll(); // the line is written once the answer is gone
        String line = process.end().lines().filter(each -> each.contains("\"totalMs\":")).reduce((first, second) -> second).orElseThrow();
        return LogLines.check(line);
    }

    /** To an event of a front door. */
    JsonObject reply(String event) {
        return Events.json(invoke(event).text());
    }

    static JsonObject error(JsonObject reply) {
        return Events.json(reply.getString("body")).getJsonObject("error");
    }

    HttpResponse<String> post(String body) throws IOException, InterruptedException {
        return post(lambda, body);
    }

    static HttpResponse<String> post(LocalLambda lambda, String body) throws IOException, InterruptedException {
        var answer = HTTP.send(HttpRequest.newBuilder(URI.create(lambda.url() + "/v1/chat/completions"))
                .header("Content-Type", "application/json").POST(HttpRequest.BodyPublishers.ofString(body)).build(),
                HttpResponse.BodyHandlers.ofString());
        assertKeyless(answer.headers().map() + answer.body());
        return answer;
    }

    /** For whoever takes an answer in a way of its own. */
    static void assertKeyless(String answer) {
        assertFalse(answer.contains(LogLines.KEY_PREFIX), "a key in an answer");
    }

    static boolean isNative() {
        return !FUNCTION.endsWith(".jar");
    }

    @Override
    public void close() {
        process.close();
        lambda.close();
    }

    /** The function's own process, with an environment of nothing but what is given. */
    static final class FunctionProcess implements AutoCloseable {

        private final Process process;
        private final Path log;
        private final Path errors;
        private final boolean json;

        private FunctionProcess(Process process, Path log, Path errors, boolean json) {
            this.process = process;
            this.log = log;
            this.errors = errors;
            this.json = json;
        }

        static FunctionProcess start(Map<String, String> environment) {
            return start(environment, List.of());
        }

        private static FunctionProcess start(Map<String, String> environment, List<String> before) {
            List<String> command = new ArrayList<>(before);
            if (!isNative()) {
                command.addAll(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-jar"));
            }
            command.add(FUNCTION);
            try {
                Path log = Files.createTempFile("function", ".log");
                Path errors = Files.createTempFile("function", ".errors");
                var builder = new ProcessBuilder(command).redirectOutput(log.toFile()).redirectError(errors.toFile());
                builder.environment().clear();
                builder.environment().putAll(environment);
                return new FunctionProcess(builder.start(), log, errors, !"Text".equals(environment.get("AWS_LAMBDA_LOG_FORMAT")));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /** All it has printed so far. */
        String output() {
            try {
                return Files.readString(log) + Files.readString(errors);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /** The last lines of what it has printed. */
        String end() {
            try (var file = new RandomAccessFile(log.toFile(), "r")) {
                byte[] end = new byte[(int) Math.min(file.length(), 64 * 1024)];
                file.seek(file.length() - end.length);
                file.readFully(end);
                return new String(end, StandardCharsets.UTF_8);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /** How many lines of its log jq takes for objects with a time: all of them, or it fails. */
        long linesThatJqReads() throws IOException {
            var jq = new ProcessBuilder("jq", "has(\"timestamp\")", log.toString()).redirectError(ProcessBuilder.Redirect.INHERIT).start();
            long read = jq.inputReader().lines().filter("true"::equals).count();
            try (var lines = Files.lines(log)) {
                assertEquals(lines.count(), read);
            }
            return read;
        }

        /** What it has printed but for its access lines, as far as the lines are whole. */
        List<String> messages() {
            return output().lines().filter(line -> !line.contains("\"totalMs\":")).toList();
        }

        int exitCode() throws InterruptedException {
            if (!process.waitFor(30, TimeUnit.SECONDS)) {
                throw new AssertionError("the function still runs; it printed: " + output());
            }
            return process.exitValue();
        }

        boolean isAlive() {
            return process.isAlive();
        }

        long pid() {
            return process.pid();
        }

        /**
         * Returns from {@code STOP} when each thread has stopped: under load one may go on for as long as an answer takes.
         *
         * @param name {@code STOP} and {@code CONT}, as Lambda freezes and thaws, or {@code TERM}
         */
        void signal(String name) throws IOException, InterruptedException {
            if (new ProcessBuilder("kill", "-" + name, Long.toString(pid())).start().waitFor() != 0) {
                throw new IOException("no process to send " + name + " to");
            }
            while (name.equals("STOP") && !isStopped()) {
                Thread.onSpinWait();
            }
        }

        private boolean isStopped() throws IOException {
            try (var threads = Files.list(Path.of("/proc/" + pid() + "/task"))) {
                for (Path thread : threads.toList()) {
                    String stat = Files.readString(thread.resolve("stat"));
                    if (stat.charAt(stat.lastIndexOf(')') + 2) != 'T') {
                        return false;
                    }
                }
            }
            return true;
        }

        /** Resident memory in kilobytes; {@code name} is {@code VmRSS} or, for the highest so far, {@code VmHWM}. */
        long memory(String name) throws IOException {
            return Files.readAllLines(Path.of("/proc/" + pid() + "/status")).stream().filter(line -> line.startsWith(name + ":"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", ""))).findFirst().orElseThrow();
        }

        /** Once it stays the same: the function closes a stream's connection a moment after its caller has the stream's end. */
        int openFiles() throws IOException {
            int files = openFilesNow();
            for (int same = 0, looks = 0; same < 5 && looks < 100; looks++) {
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
                int now = openFilesNow();
                same = now == files ? same + 1 : 0;
                files = now;
            }
            return files;
        }

        private int openFilesNow() throws IOException {
            try (var files = Files.list(Path.of("/proc/" + pid() + "/fd"))) {
                return (int) files.count();
            }
        }

        @Override
        public void close() {
            process.destroyForcibly().onExit().join();
            try {
                if (json) {
                    LogLines.check(log);
                } else {
                    assertFalse(Files.readString(log).contains(LogLines.KEY_PREFIX), "a key in the log");
                }
                assertFalse(Files.readString(errors).contains(LogLines.KEY_PREFIX), "a key on the error stream");
                Files.delete(log);
                Files.delete(errors);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
