package chatlambda.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.http.HttpReader;
import chatlambda.runtime.Response.Whole;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The Runtime API's contract, against a server that says each answer as written here, one for each request. */
class RuntimeApiTest {

    private static final String ACCEPTED = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
    /** Closes the connection instead of answering. */
    private static final String HANG_UP = "";
    /** Says nothing until the other side closes the connection. */
    private static final String SILENCE = " ";

    private final List<String> requests = new CopyOnWriteArrayList<>();
    private final List<String> bodies = new CopyOnWriteArrayList<>();
    private final List<String> closed = new CopyOnWriteArrayList<>();
    private ServerSocket server;
    private volatile int connections;
    private RuntimeApi api;

    @BeforeEach
    void listen() throws IOException {
        server = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        api = new RuntimeApi("127.0.0.1:" + server.getLocalPort());
    }

    @AfterEach
    void stop() throws IOException {
        api.close();
        server.close();
    }

    private void answers(String... answers) {
        var thread = new Thread(() -> {
            int next = 0;
            while (next < answers.length) {
                try (Socket connection = server.accept()) {
                    connections++;
                    var reader = new HttpReader(connection.getInputStream());
                    for (HttpReader.Head head; next < answers.length && (head = reader.head()) != null;) {
                        requests.add(head.startLine() + " " + new TreeMap<>(head.fields()));
                        bodies.add(new String(reader.body(head), StandardCharsets.UTF_8));
                        String answer = answers[next++];
                        if (answer.equals(HANG_UP)) {
                            break;
                        }
                        if (answer.equals(SILENCE)) {
                            connection.getInputStream().read();
                            break;
                        }
                        connection.getOutputStream().write(answer.getBytes(StandardCharsets.UTF_8));
                    }
                } catch (IOException e) {
                    return;
                }
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    private interface Answering {
        Response answer(String event) throws FunctionError;
    }

    private InvocationLoop.Function turns(Answering function) {
        return invocation -> new Turn() {
            @Override
            public Instant end() {
                return invocation.deadline();
            }

            @Override
            public Response respond() throws FunctionError {
                return function.answer(new String(invocation.event()));
            }

            @Override
            public void close(Delivery delivery) {
                closed.add(new String(invocation.event()) + " " + delivery);
            }
        };
    }

    private void respond(Invocation invocation, String contentType, byte[] answer) throws IOException {
        api.respond(invocation, invocation.deadline(), contentType, answer);
    }

    private void fail(Invocation invocation, String type, String message) throws IOException {
        api.fail(invocation, invocation.deadline(), type, message);
    }

    private static String event(String fields, String body) {
        return "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: r1\r\nLAMBDA-RUNTIME-DEADLINE-MS: 1700000000123\r\n" + fields
                + "Content-Length: " + body.length() + "\r\n\r\n" + body;
    }

    @Test
    void anInvocationIsReadWhateverTheCaseOfItsHeaders() throws IOException {
        answers(event("Lambda-Runtime-Trace-Id: Root=1-2\r\nLambda-Runtime-Invocation-Id: i1\r\n", "{}"));
        var invocation = api.next();
        assertEquals("r1", invocation.requestId());
        assertEquals("i1", invocation.invocationId());
        assertEquals(Instant.ofEpochMilli(1700000000123L), invocation.deadline());
        assertEquals("{}", new String(invocation.event()));
        assertEquals("Root=1-2", invocation.traceId());
        assertTrue(requests.get(0).startsWith("GET /2018-06-01/runtime/invocation/next HTTP/1.1 "), requests.get(0));
    }

    @Test
    void aChunkedEventIsReadWholeAndAMissingTraceIdIsNotTheLastOnes() throws IOException {
        answers(event("Lambda-Runtime-Trace-Id: Root=1-2\r\n", "{}"),
                "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r1\r\nLambda-Runtime-Deadline-Ms: 1\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n3\r\n\":1\r\n1\r\n}\r\n0\r\n\r\n");
        api.next();
        var second = api.next();
        assertEquals("{\"\":1}", new String(second.event()));
        assertNull(second.traceId());
    }

    @Test
    void theInvocationIdIsEchoedWithAnswersAndErrorsWhereThereWasOne() throws IOException {
        answers(event("Lambda-Runtime-Invocation-Id: i1\r\n", "{}"), ACCEPTED, ACCEPTED, event("", "{}"), ACCEPTED);
        var first = api.next();
        respond(first, "application/json", "{\"a\":1}".getBytes());
        fail(first, "Chat.X", "m");
        respond(api.next(), "application/json", "{}".getBytes());
        assertTrue(requests.get(1).startsWith("POST /2018-06-01/runtime/invocation/r1/response "), requests.get(1));
        assertTrue(requests.get(1).contains("lambda-runtime-invocation-id=i1"), requests.get(1));
        assertTrue(requests.get(2).contains("lambda-runtime-invocation-id=i1"), requests.get(2));
        assertTrue(!requests.get(4).contains("lambda-runtime-invocation-id"), requests.get(4));
        assertEquals("{\"a\":1}", bodies.get(1));
        assertEquals(1, connections);
    }

    @Test
    void interimAnswersAreSkipped() throws IOException {
        String interim = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 X\r\nA: b\r\n\r\n";
        answers(interim + event("", "{}"), interim + ACCEPTED, event("", "[]"));
        respond(api.next(), "application/json", new byte[0]);
        assertEquals("[]", new String(api.next().event()));
        assertEquals(1, connections);
    }

    @Test
    void bytesThatNobodyAskedForAreNoAnswerToWhatIsAskedNext() throws IOException {
        answers(event("", "{}"), ACCEPTED + event("", "\"of nobody\""), event("", "[]"));
        respond(api.next(), "application/json", new byte[0]);
        assertEquals("[]", new String(api.next().event()));
        assertEquals(2, connections);
    }

    @Test
    @Timeout(60)
    void aPollThatWaitsCanBeCalledOff() throws Exception {
        answers(event("", "{}"), ACCEPTED, SILENCE);
        respond(api.next(), "application/json", new byte[0]);
        var waits = CompletableFuture.supplyAsync(() -> {
            try {
                return Optional.ofNullable(api.next());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        while (requests.size() < 3 && !waits.isDone()) {
            Thread.sleep(1);
        }
        api.stop();
        assertEquals(Optional.empty(), waits.get());
        assertNull(api.next());
    }

    @Test
    void whatIsAnsweredWhenItIsCalledOffStillGoesOut() throws IOException {
        answers(event("", "{}"), ACCEPTED, event("", "[]"));
        var invocation = api.next();
        api.stop();
        respond(invocation, "application/json", "1".getBytes());
        assertEquals("1", bodies.get(1));
        assertNull(api.next());
        assertEquals(2, requests.size());
    }

    @Test
    void whatWasCalledOffAtOnceConnectsNowhere() throws IOException {
        api.stop();
        assertNull(api.next());
        assertEquals(0, connections);
    }

    /** An event of which no more comes is no event. */
    @Test
    @Timeout(60)
    void anEventThatDoesNotArriveWholeEndsThePoll() {
        answers("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r1\r\nLambda-Runtime-Deadline-Ms: 1\r\nContent-Length: 10\r\n\r\n{",
                SILENCE);
        assertThrows(TimedSocket.Stalled.class, api::next);
    }

    @Test
    void anOutcomeThatIsNotTakenByItsDeadlineIsGivenUp() throws Exception {
        answers(event("", "{}"));
        var invocation = api.next();
        Instant end = Instant.now().plusMillis(1_500);
        assertThrows(TimedSocket.Stalled.class, () -> api.respond(invocation, end, "application/json", new byte[50_000_000]));
        assertTrue(!Instant.now().isBefore(end));
        assertThrows(TimedSocket.Stalled.class, () -> api.respond(invocation, end, "application/json", new byte[0]),
                "taken, but not answered");
    }

    /** Half of an answer came; its other half must not be taken for the next one's beginning. */
    @Test
    void anAnswerThatStallsHalfwayLeavesNoConnectionBehind() throws IOException {
        answers(event("", "{}"), "HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\nhalf", event("", "[]"));
        var invocation = api.next();
        assertThrows(TimedSocket.Stalled.class, () -> api.respond(invocation, Instant.now(), "application/json", new byte[0]));
        assertEquals("[]", new String(api.next().event()));
        assertEquals(2, connections);
    }

    @Test
    void aFunctionErrorNamesItsTypeInHeaderAndBody() throws IOException {
        answers(event("", "{}"), ACCEPTED);
        fail(api.next(), "Chat.UpstreamTimeout", "too \"late\"");
        assertTrue(requests.get(1).startsWith("POST /2018-06-01/runtime/invocation/r1/error "), requests.get(1));
        assertTrue(requests.get(1).contains("lambda-runtime-function-error-type=Chat.UpstreamTimeout"), requests.get(1));
        assertEquals("{\"errorMessage\":\"too \\\"late\\\"\",\"errorType\":\"Chat.UpstreamTimeout\",\"stackTrace\":[]}", bodies.get(1));
    }

    @Test
    void aRefusedAnswerIsLostButTheNextInvocationIsNot() throws IOException {
        for (int status : new int[] { 400, 403, 410, 413 }) {
            requests.clear();
            answers(event("", "{}"), "HTTP/1.1 " + status + " No\r\nContent-Length: 2\r\n\r\n{}", event("", "{}"));
            respond(api.next(), "application/json", new byte[0]);
            assertEquals("r1", api.next().requestId());
            api.close();
            api = new RuntimeApi("127.0.0.1:" + server.getLocalPort());
        }
    }

    @Test
    void aBrokenServiceEndsTheLoop() {
        answers(event("", "{}"), "HTTP/1.1 500 Container error\r\nContent-Length: 0\r\n\r\n");
        var loop = new InvocationLoop(api, turns(event -> new Whole("application/json", new byte[0])));
        assertTrue(assertThrows(IOException.class, loop::run).getMessage().contains("500"));
    }

    @Test
    void anAnswerToNextThatIsNoEventEndsTheLoop() {
        answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        var loop = new InvocationLoop(api, turns(event -> new Whole("application/json", new byte[0])));
        assertTrue(assertThrows(IOException.class, loop::run).getMessage().contains("Lambda-Runtime-Aws-Request-Id"));
    }

    @Test
    void aConnectionClosedBetweenTwoRequestsIsOpenedAgain() throws IOException {
        answers(event("", "{}"), HANG_UP, ACCEPTED, event("Connection: close\r\n", "{}"), event("", "{}"));
        respond(api.next(), "application/json", new byte[0]);
        api.next();
        api.next();
        assertEquals(3, connections);
    }

    @Test
    void aServiceThatIsGoneIsNotAskedForEver() {
        answers(HANG_UP);
        assertThrows(IOException.class, api::next);
    }

    @Test
    void whatFailsInsideIsAFunctionErrorAndTheLoopGoesOn() {
        answers(event("", "1"), ACCEPTED, event("", "2"), ACCEPTED, event("", "3"), ACCEPTED,
                "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
        var loop = new InvocationLoop(api, turns(event -> {
            switch (event) {
                case "1" -> throw new IllegalStateException("secret prompt");
                case "2" -> throw new FunctionError("Chat.InvalidRequest", "said");
                default -> {
                    return new Whole("application/json", "done".getBytes());
                }
            }
        }));
        assertThrows(IOException.class, loop::run);
        assertTrue(bodies.get(1).contains("\"errorType\":\"Chat.Internal\"") && !bodies.get(1).contains("secret"), bodies.get(1));
        assertTrue(bodies.get(3).contains("\"errorMessage\":\"said\",\"errorType\":\"Chat.InvalidRequest\""), bodies.get(3));
        assertEquals("done", bodies.get(5));
        assertEquals(List.of("1 HANDED_OVER", "2 HANDED_OVER", "3 HANDED_OVER"), closed);
    }

    private Response streamed(String... chunks) {
        var left = List.of(chunks).iterator();
        return new Response.Streamed("text/plain", new Response.Chunks() {
            @Override
            public byte[] next(Duration patience) throws FunctionError {
                String next = left.hasNext() ? left.next() : null;
                if ("broken".equals(next)) {
                    throw new FunctionError("Chat.X", "why", "its last words".getBytes());
                }
                if ("mistake".equals(next)) {
                    throw new IllegalStateException("secret prompt");
                }
                return next == null ? null : next.getBytes();
            }

            @Override
            public void close() {
                closed.add("source");
            }
        });
    }

    @Test
    void aStreamIsPulledToItsEndAndThenItsTurnIsClosed() {
        answers(event("Connection: close\r\n", "1"), ACCEPTED, "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
        assertThrows(IOException.class, new InvocationLoop(api, turns(event -> streamed("a", "", "bc")))::run);
        assertEquals("abc", bodies.get(1));
        assertEquals(List.of("source", "1 HANDED_OVER"), closed);
    }

    @Test
    void whatAStreamBreaksOffWithGoesOutBeforeItsTrailers() {
        answers(event("Connection: close\r\n", "1"), ACCEPTED, "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
        assertThrows(IOException.class, new InvocationLoop(api, turns(event -> streamed("a", "broken")))::run);
        assertEquals("aits last words", bodies.get(1));
        assertEquals(List.of("source", "1 HANDED_OVER"), closed);
    }

    @Test
    void aMistakeWhileAStreamIsReadLosesThatStreamAlone() {
        answers(event("Connection: close\r\n", "1"), "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
        assertThrows(IOException.class, new InvocationLoop(api, turns(event -> streamed("mistake")))::run);
        assertEquals(List.of("source", "1 LOST"), closed);
    }

    @Test
    void whyTheFunctionCannotStartIsPosted() throws IOException {
        answers(ACCEPTED);
        api.failInit("Runtime.InvalidConfiguration", "chat.api-key is missing");
        assertTrue(requests.get(0).startsWith("POST /2018-06-01/runtime/init/error "), requests.get(0));
        assertTrue(requests.get(0).contains("lambda-runtime-function-error-type=Runtime.InvalidConfiguration"), requests.get(0));
    }
}
