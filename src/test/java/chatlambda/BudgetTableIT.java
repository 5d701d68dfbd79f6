package chatlambda;

import static chatlambda.BudgetIT.CHAT;
import static chatlambda.BudgetIT.chat;
import static chatlambda.BudgetIT.completion;
import static chatlambda.BudgetIT.errors;
import static chatlambda.BudgetIT.header;
import static chatlambda.BudgetIT.key;
import static chatlambda.BudgetIT.keysOf;
import static chatlambda.BudgetIT.quarter;
import static chatlambda.BudgetIT.sha256;
import static chatlambda.BudgetIT.thenCloses;
import static chatlambda.Deployed.error;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.ScriptedUpstream.Request;
import chatlambda.ScriptedUpstream.Script;
import chatlambda.http.HttpReader;
import chatlambda.local.LocalLambda.InvokeMode;
import com.fasterxml.jackson.databind.JsonNode;
import jakarta.json.Json;
import jakarta.json.JsonObject;
import jakarta.json.JsonObjectBuilder;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import software.amazon.awssdk.auth.credentials.AwsSessionCredentials;
import software.amazon.awssdk.auth.signer.Aws4Signer;
import software.amazon.awssdk.auth.signer.params.Aws4SignerParams;
import software.amazon.awssdk.http.SdkHttpFullRequest;
import software.amazon.awssdk.http.SdkHttpMethod;
import software.amazon.awssdk.regions.Region;

/**
 * A table that is slow, refuses, throttles, vanishes or answers nonsense, and what goes over the wire to it: DynamoDB is played here. No
 * test waits for a time: what is held back is held until the function has said what it made of it.
 */
class BudgetTableIT {

    private static final String TYPE = "application/x-amz-json-1.0";
    private static final String BUDGETS = "app=1000000tokens/month,app=1000requests/month,one=1000000tokens/month,"
            + "lone=1000requests/month,minute=5requests/minute,direct=1000requests/month";
    private static final String ANSWER_TOKENS = "8";
    private static final Script ANSWER = completion(3, 5);

    private static PlayedTable played;
    private static ScriptedUpstream table;
    private static ScriptedUpstream upstream;
    private static Deployed refusing;
    private static Deployed allowing;
    private static SSLContext identity;

    /**
     * One {@code UpdateItem}, as far as a table has to understand it.
     *
     * @param amount that is added to {@code used}
     * @param most that {@code used} may be before; null: it is not asked
     * @param tells whether a condition that fails tells the item
     */
    record Update(String pk, BigDecimal amount, BigDecimal most, boolean tells) {

        private static final Pattern ADD = Pattern.compile("ADD\\s+([\\w#]+)\\s+(:\\w+)");
        private static final Pattern AT_MOST = Pattern.compile("([\\w#]+)\\s*<=\\s*(:\\w+)");

        static Update of(Request request) {
            JsonObject json = Events.json(request.text());
            Matcher add = ADD.matcher(json.getString("UpdateExpression"));
            assertTrue(add.find(), request.text());
            Matcher most = AT_MOST.matcher(json.getString("ConditionExpression", ""));
            assertEquals("used", name(json, add.group(1)));
            return new Update(json.getJsonObject("Key").getJsonObject("pk").getString("S"), number(json, add.group(2)),
                    most.find() ? number(json, most.group(2)) : null,
                    json.getString("ReturnValuesOnConditionCheckFailure", "").equals("ALL_OLD"));
        }

        private static String name(JsonObject json, String name) {
            return name.startsWith("#") ? json.getJsonObject("ExpressionAttributeNames").getString(name) : name;
        }

        private static BigDecimal number(JsonObject json, String name) {
            return new BigDecimal(json.getJsonObject("ExpressionAttributeValues").getJsonObject(name).getString("N"));
        }

        /** What is settled is never refused. */
        boolean isReservation() {
            return most != null;
        }
    }

    /** A table in memory. */
    static final class PlayedTable implements Script {

        private final Map<String, BigDecimal> used = new TreeMap<>();

        @Override
        public void answer(Request request, Socket connection) throws IOException {
            say(update(request)).answer(request, connection);
        }

        /** Does what the request asks for. */
        synchronized JsonObject update(Request request) {
            var update = Update.of(request);
            BigDecimal before = used.get(update.pk);
            if (update.most != null && before != null && before.compareTo(update.most) > 0) {
                var failure = Json.createObjectBuilder()
                        .add("__type", "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException")
                        .add("message", "The conditional request failed");
                if (update.tells) {
                    failure.add("Item", item(before).add("pk", Json.createObjectBuilder().add("S", update.pk)));
                }
                return failure.build();
            }
            used.merge(update.pk, update.amount, BigDecimal::add);
            return Json.createObjectBuilder().add("Attributes", item(used.get(update.pk))).build();
        }

        static Script say(JsonObject said) {
            return answering(said.containsKey("__type") ? 400 : 200, TYPE, said.toString());
        }

        private static JsonObjectBuilder item(BigDecimal used) {
            return Json.createObjectBuilder().add("used", Json.createObjectBuilder().add("N", used.toPlainString()))
                    .add("expires", Json.createObjectBuilder().add("N", "1"));
        }

        /** Of all items whose key begins so. */
        synchronized BigDecimal used(String beginning) {
            return used.entrySet().stream().filter(each -> each.getKey().startsWith(beginning)).map(Map.Entry::getValue)
                    .reduce(BigDecimal.ZERO, BigDecimal::add);
        }

        synchronized void clear() {
            used.clear();
        }
    }

    @BeforeAll
    static void start() {
        played = new PlayedTable();
        table = ScriptedUpstream.start(played);
        upstream = ScriptedUpstream.start(ANSWER);
        var settings = Dynalite.settings(table.url(), "budgets", BUDGETS, "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keysOf(BUDGETS),
                "CHAT_KEEP_ALIVE", "10m");
        refusing = Deployed.against(upstream.url(), settings);
        settings.put("CHAT_BUDGET_ON_FAILURE", "allow");
        allowing = Deployed.against(upstream.url(), settings);
    }

    @AfterAll
    static void stop() {
        allowing.close();
        refusing.close();
        upstream.close();
        table.close();
    }

    @BeforeEach
    void allIsWell() throws InterruptedException {
        refusing.lambda.awaitPoll();
        allowing.lambda.awaitPoll();
        played.clear();
        table.script(played);
        upstream.script(ANSWER);
    }

    private static void requireUsed(String amount, String beginning) {
        BigDecimal used = played.used(beginning);
        assertEquals(0, new BigDecimal(amount).compareTo(used), () -> "not " + amount + " but " + used + " of " + beginning);
    }

    private static Script failure(String type) {
        return answering(400, TYPE, "{\"__type\":\"com.amazonaws.dynamodb.v20120810#" + type + "\",\"message\":\"no\"}");
    }

    /** Of each budget the first request meets the fault, the others are served. */
    private static Script once(Script fault) {
        var met = new TreeMap<String, Boolean>();
        return (request, connection) -> {
            boolean isFirst;
            synchronized (met) {
                isFirst = met.put(Update.of(request).pk, true) == null;
            }
            (isFirst ? fault : played).answer(request, connection);
        };
    }

    private static Script settlements(Script script) {
        return (request, connection) -> (Update.of(request).isReservation() ? played : script).answer(request, connection);
    }

    private static Script only(String unit, Script script) {
        return (request, connection) -> (Update.of(request).pk.contains("#" + unit + "#") ? script : played).answer(request, connection);
    }

    private static long asked(String unit) {
        return table.requests.stream().filter(request -> Update.of(request).pk.contains("#" + unit + "#")).count();
    }

    /** Lines of level ERROR that a call has added. */
    private static List<String> errorsOf(Deployed instance, Call call) throws Exception {
        instance.lambda.awaitPoll();
        int before = errors(instance).size();
        call.run();
        instance.lambda.awaitPoll();
        List<String> errors = errors(instance);
        return errors.subList(before, errors.size());
    }

    private interface Call {
        void run() throws Exception;
    }

    private static void requireUnavailable(JsonObject reply) {
        assertEquals(503, reply.getInt("statusCode"), reply.toString());
        assertEquals("budget_unavailable server_error 5", String.join(" ", error(reply).getString("code"), error(reply).getString("type"),
                header(reply, "retry-after")));
        assertEquals(0, upstream.requests.size());
    }

    private static void requireMention(List<String> errors, String... words) {
        assertTrue(errors.stream().anyMatch(error -> Stream.of(words).allMatch(error::contains)), () -> List.of(words) + " in " + errors);
    }

    private static void requireNothingPrivate(List<String> lines) {
        assertFalse(lines.toString().contains("a prompt"), lines.toString());
    }

    // What goes over the wire.

    @Test
    void eachBudgetIsOneSignedUpdateItem() throws Exception {
        assertEquals(200, refusing.reply(chat("app", CHAT)).getInt("statusCode"));
        refusing.lambda.awaitPoll();
        for (Request request : table.requests) {
            assertEquals("POST / HTTP/1.1", request.head().startLine());
            assertEquals("DynamoDB_20120810.UpdateItem", request.head().field("x-amz-target"));
            assertEquals(TYPE, request.head().field("content-type"));
            assertEquals("session-token", request.head().field("x-amz-security-token"));
            assertEquals("budgets", Events.json(request.text()).getString("TableName"));
            assertEquals(authorizationOfTheSdk(request), request.head().field("authorization"));
        }
        var reservations = table.requests.stream().map(Update::of).filter(Update::isReservation).toList();
        assertEquals(2, reservations.size());
        assertEquals(3, table.requests.size(), "the requests are settled as they were reserved");
        requireUsed("1", "app#requests#month#");
        requireUsed(ANSWER_TOKENS, "app#tokens#month#");
    }

    /** As the AWS SDK for Java would have sent what has arrived. */
    @SuppressWarnings("deprecation") // its successor signs one more header, x-amz-content-sha256, which DynamoDB does not ask for
    private static String authorizationOfTheSdk(Request request) {
        var unsigned = SdkHttpFullRequest.builder().method(SdkHttpMethod.POST).uri(table.url().resolve("/"))
                .putHeader("content-type", request.head().field("content-type"))
                .putHeader("x-amz-target", request.head().field("x-amz-target"))
                .contentStreamProvider(() -> new ByteArrayInputStream(request.body())).build();
        var then = LocalDateTime.parse(request.head().field("x-amz-date"), DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'"));
        return Aws4Signer.create().sign(unsigned, Aws4SignerParams.builder()
                .awsCredentials(AwsSessionCredentials.create(Dynalite.ACCESS_KEY, Dynalite.SECRET_KEY, "session-token"))
                .signingName("dynamodb").signingRegion(Region.of(Dynalite.REGION))
                .signingClockOverride(Clock.fixed(then.toInstant(ZoneOffset.UTC), ZoneOffset.UTC)).build())
                .firstMatchingHeader("Authorization").orElseThrow();
    }

    @Test
    void noPromptNoKeyAndNoKeysHashGoesToTheTable() throws Exception {
        for (String body : List.of(CHAT, "{\"max_tokens\":5000000," + CHAT.substring(1), "{")) {
            refusing.reply(chat("app", body));
        }
        refusing.invoke(CHAT);
        refusing.lambda.awaitPoll();
        assertFalse(table.requests.isEmpty());
        for (Request request : table.requests) {
            String sent = request.head() + request.text();
            assertFalse(sent.contains(LogLines.KEY_PREFIX) || sent.contains(sha256(key("app"))) || sent.contains("prompt"), sent);
            assertFalse(sent.contains(Dynalite.SECRET_KEY), sent);
        }
    }

    @Test
    void allBudgetsAreAskedAtOnceEachOnAConnectionOfItsOwn() {
        var barrier = new CyclicBarrier(2);
        table.script((request, connection) -> {
            if (Update.of(request).isReservation()) {
                await(barrier);
            }
            played.answer(request, connection);
        });
        assertEquals(200, refusing.reply(chat("app", CHAT)).getInt("statusCode"), "neither waits for the other");
    }

    private static void await(CyclicBarrier barrier) throws IOException {
        try {
            barrier.await(20, TimeUnit.SECONDS);
        } catch (Exception e) {
            throw new IOException("not at once", e);
        }
    }

    @Test
    void asManyConnectionsAreOpenedInTheStartAsOneCallerHasBudgets() throws Exception {
        String budgets = "one=5requests/day,two=5requests/day,two=5requests/month,*=5tokens/month,all=5usd/month";
        try (var its = ScriptedUpstream.start(played);
                var instance = Deployed.against(upstream.url(), Dynalite.settings(its.url(), "budgets", budgets, "CHAT_AUTH", "keys",
                        "CHAT_CLIENT_KEYS", keysOf(budgets)))) {
            instance.lambda.awaitPoll();
            assertEquals(4, its.connections.size(), "two's own, the star's and that of all");
            assertEquals(0, its.requests.size());
            instance.reply(chat("two", CHAT));
            instance.lambda.awaitPoll();
            assertEquals(4, its.connections.size());
        }
    }

    @Test
    void withoutBudgetsTheTableIsNotConnected() throws Exception {
        try (var its = ScriptedUpstream.start(played);
                var instance = Deployed.against(upstream.url(), Map.of("AWS_REGION", Dynalite.REGION, "AWS_ACCESS_KEY_ID",
                        Dynalite.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY", Dynalite.SECRET_KEY, "AWS_ENDPOINT_URL_DYNAMODB",
                        its.url().toString()))) {
            var reply = instance.reply(Events.post(CHAT));
            instance.lambda.awaitPoll();
            assertEquals("200 null", reply.getInt("statusCode") + " " + header(reply, "x-chat-budget"));
            assertEquals(0, its.connections.size());
        }
    }

    @Test
    void theEndpointForAllServicesCountsWhereItHasNoneOfItsOwn() {
        var settings = Dynalite.settings(table.url(), "budgets", "iam=5requests/month", "AWS_ENDPOINT_URL", table.url().toString());
        settings.remove("AWS_ENDPOINT_URL_DYNAMODB");
        try (var instance = Deployed.against(upstream.url(), settings)) {
            assertEquals(200, instance.reply(Events.post(CHAT)).getInt("statusCode"));
            requireUsed("1", "iam#requests#month#");
        }
    }

    /** In the item that the table tells when its condition fails. */
    @Test
    void aRefusalTellsWhatIsUsedWhereTheTableTellsIt() {
        refusing.reply(chat("lone", CHAT));
        table.script((request, connection) -> {
            assertTrue(Update.of(request).tells);
            PlayedTable.say(Json.createObjectBuilder().add("__type", "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException")
                    .add("Item", PlayedTable.item(new BigDecimal("987654.25"))).build()).answer(request, connection);
        });
        var reply = refusing.reply(chat("lone", CHAT));
        assertEquals("429 budget_exceeded", reply.getInt("statusCode") + " " + error(reply).getString("code"));
        assertTrue(error(reply).getString("message").contains("987654.25"), reply.toString());
        reply = refusing.reply(chat("minute", CHAT));
        assertEquals("429 rate_limit_exceeded null", reply.getInt("statusCode") + " " + error(reply).getString("code") + " "
                + header(reply, "x-should-retry"));
    }

    // The reservation.

    /** Sent, and nobody knows whether it was done: it is never sent again. */
    static Stream<Case> lostAnswers() {
        return Stream.of(
                new Case("closes the connection", thenCloses("")),
                new Case("closes it after it has done so", (request, connection) -> {
                    played.update(request);
                    connection.close();
                }),
                new Case("resets the connection", (request, connection) -> {
                    connection.setSoLinger(true, 0);
                    connection.close();
                }),
                new Case("closes in the answer", thenCloses("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Attributes\":")),
                new Case("answers 500", answering(500, TYPE, "{\"__type\":\"com.amazonaws.dynamodb.v20120810#InternalServerError\"}")),
                new Case("answers 503", answering(503, "text/html", "<html>")),
                new Case("answers HTML", answering(200, "text/html", "<html>")),
                new Case("answers an array", answering(200, TYPE, "[]")),
                new Case("answers JSON cut short", answering(200, TYPE, "{\"Attributes\":{\"used\":{\"N\":\"1")),
                new Case("answers words for a number", answering(200, TYPE, "{\"Attributes\":{\"used\":{\"N\":\"many\"}}}")),
                new Case("speaks another protocol", thenCloses("SSH-2.0-OpenSSH_9.2\r\n")),
                new Case("answers 204", answering(204, TYPE, "")),
                new Case("redirects", answering(302, "text/html", "", "Location: http://127.0.0.1:1/")),
                new Case("sends 20 MB", answering(200, TYPE, "{\"Attributes\":{\"a\":\"" + "x".repeat(20_000_000) + "\"}}")),
                new Case("drips for ever", (request, connection) -> {
                    write(connection, "HTTP/1.1 200 OK\r\nX-Slow: ");
                    while (!connection.isClosed()) {
                        write(connection, "a");
                        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
                    }
                }),
                new Case("says nothing", (request, connection) -> {
                }));
    }

    private record Case(String name, Script script) {

        @Override
        public String toString() {
            return name;
        }
    }

    @ParameterizedTest
    @MethodSource("lostAnswers")
    void aReservationWhoseAnswerIsLostIsNotSentAgainAndTheCallerIsRefused(Case lost) throws Exception {
        table.script(lost.script);
        List<String> errors = errorsOf(refusing, () -> requireUnavailable(refusing.reply(chat("one", CHAT))));
        assertEquals(1, table.requests.size(), lost.name);
        requireMention(errors, Long.toString(quarter(CHAT)), "one");
        requireNothingPrivate(refusing.process.messages());
        JsonNode line = refusing.accessLine();
        assertEquals("503 budget_unavailable ERROR 0", String.join(" ", line.path("status").asText(), line.path("code").asText(),
                line.path("level").asText(), line.path("attempts").asText()));
        table.script(played);
        assertEquals(200, refusing.reply(chat("one", CHAT)).getInt("statusCode"), "the next one is served");
    }

    @ParameterizedTest
    @MethodSource("lostAnswers")
    void aReservationWhoseAnswerIsLostIsNotSentAgainAndTheRequestGoesOnWhereThatIsAllowed(Case lost) throws Exception {
        table.script((request, connection) -> (Update.of(request).isReservation() ? lost.script : played).answer(request, connection));
        List<String> errors = errorsOf(allowing, () -> assertEquals(200, allowing.reply(chat("one", CHAT)).getInt("statusCode")));
        assertEquals(1, table.requests.stream().map(Update::of).filter(Update::isReservation).count(), lost.name);
        assertEquals(1, upstream.requests.size());
        assertFalse(errors.isEmpty());
        requireMention(errors, "one");
        requireNothingPrivate(allowing.process.messages());
    }

    @ParameterizedTest
    @ValueSource(strings = { "ResourceNotFoundException", "AccessDeniedException", "UnrecognizedClientException", "ValidationException",
            "ExpiredTokenException" })
    void whatTheTableRefusesWasNotDoneAndIsNotAskedAgain(String type) throws Exception {
        table.script(failure(type));
        List<String> errors = errorsOf(refusing, () -> requireUnavailable(refusing.reply(chat("one", CHAT))));
        assertEquals(1, table.requests.size());
        requireMention(errors, type);
        upstream.script(ANSWER);
        table.script(failure(type));
        errors = errorsOf(allowing, () -> assertEquals(200, allowing.reply(chat("one", CHAT)).getInt("statusCode")));
        requireMention(errors, type);
        requireMention(errors, ANSWER_TOKENS);
        requireUsed("0", "one#");
    }

    @ParameterizedTest
    @ValueSource(strings = { "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded" })
    void aReservationThatIsThrottledIsTriedOnceMore(String type) throws Exception {
        table.script(once(failure(type)));
        var reply = refusing.reply(chat("app", CHAT));
        assertEquals(200, reply.getInt("statusCode"), reply.toString());
        refusing.lambda.awaitPoll();
        requireUsed("1", "app#requests#month#");
        requireUsed(ANSWER_TOKENS, "app#tokens#month#");
        upstream.script(ANSWER);
        table.script(failure(type));
        requireUnavailable(refusing.reply(chat("app", CHAT)));
        assertEquals("2 2", asked("tokens") + " " + asked("requests"));
        refusing.lambda.awaitPoll();
        requireUsed("1", "app#requests#month#");
        requireUsed(ANSWER_TOKENS, "app#tokens#month#");
    }

    /** What the other has reserved is given back. */
    @Test
    void ifOneBudgetCannotBeAskedNothingOfTheOthersIsKept() throws Exception {
        table.script(only("requests", failure("AccessDeniedException")));
        requireUnavailable(refusing.reply(chat("app", CHAT)));
        refusing.lambda.awaitPoll();
        requireUsed("0", "app#tokens#month#");
    }

    @Test
    void ifOneRefusesAndAnotherCannotBeAskedTheRefusalAnswers() throws Exception {
        for (Script unavailable : List.of(failure("AccessDeniedException"), answering(500, TYPE, "{}"), thenCloses(""))) {
            for (Deployed each : List.of(refusing, allowing)) {
                upstream.script(ANSWER);
                table.script((request, connection) -> (Update.of(request).pk.contains("#tokens#") ? unavailable
                        : failure("ConditionalCheckFailedException")).answer(request, connection));
                var reply = each.reply(chat("app", CHAT));
                assertEquals("429 budget_exceeded", reply.getInt("statusCode") + " " + error(reply).getString("code"));
                assertEquals(0, upstream.requests.size());
                each.lambda.awaitPoll();
            }
        }
    }

    @Test
    void anotherLambdaIsToldThatTheTableCannotBeAsked() {
        table.script(failure("AccessDeniedException"));
        var outcome = refusing.invoke(CHAT);
        assertTrue(outcome.functionError(), outcome.text());
        var said = Events.json(outcome.text());
        assertEquals("Chat.BudgetUnavailable", said.getString("errorType"));
        assertEquals("budget_unavailable", Events.json(said.getString("errorMessage")).getJsonObject("error").getString("code"));
    }

    @ParameterizedTest
    @ValueSource(strings = { "refuse", "allow" })
    void theProcessStartsAlthoughTheTableCannotBeReached(String onFailure) throws Exception {
        int closed;
        try (var socket = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            closed = socket.getLocalPort();
        }
        try (var instance = Deployed.against(upstream.url(), Dynalite.settings(URI.create("http://127.0.0.1:" + closed), "budgets", BUDGETS,
                "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keysOf(BUDGETS), "CHAT_BUDGET_ON_FAILURE", onFailure))) {
            instance.lambda.awaitPoll();
            List<String> errors = errorsOf(instance, () -> {
                var reply = instance.reply(chat("app", CHAT));
                if (onFailure.equals("refuse")) {
                    requireUnavailable(reply);
                } else {
                    assertEquals(200, reply.getInt("statusCode"));
                }
            });
            assertFalse(errors.isEmpty(), instance.process.output());
            if (onFailure.equals("allow")) {
                requireMention(errors, "app", ANSWER_TOKENS, "tokens");
                requireMention(errors, "app", "1", "requests");
            }
        }
    }

    @Test
    void aTableThatVanishesAndComesBackIsUsedAgain() throws Exception {
        var its = ScriptedUpstream.start(played);
        var settings = Dynalite.settings(its.url(), "budgets", "app=1000requests/month", "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS",
                keysOf(BUDGETS), "CHAT_KEEP_ALIVE", "10m");
        try (var instance = Deployed.against(upstream.url(), settings)) {
            assertEquals(200, instance.reply(chat("app", CHAT)).getInt("statusCode"));
            instance.lambda.awaitPoll();
            its.close();
            upstream.script(ANSWER);
            requireUnavailable(instance.reply(chat("app", CHAT)));
            try (var server = new ServerSocket(its.url().getPort(), 50, InetAddress.getByName("127.0.0.1"))) {
                CompletableFuture.runAsync(() -> serve(server));
                assertEquals(200, instance.reply(chat("app", CHAT)).getInt("statusCode"));
            }
        }
        requireUsed("2", "app#requests#month#");
    }

    /** One request on each connection, until it is closed. */
    private static void serve(ServerSocket server) {
        while (!server.isClosed()) {
            try (Socket connection = server.accept()) {
                var reader = new HttpReader(connection.getInputStream());
                HttpReader.Head head = reader.head();
                if (head != null) {
                    played.answer(new Request(head, reader.body(head)), connection);
                }
            } catch (IOException e) {
                // closed, or the function went away
            }
        }
    }

    /** The table gives up connections that were idle for too long. */
    @Test
    void aConnectionThatTheTableHasClosedMeanwhileCostsNobodyAnything() throws Exception {
        for (int i = 0; i < 3; i++) {
            assertEquals(200, refusing.reply(chat("app", CHAT)).getInt("statusCode"));
            refusing.lambda.awaitPoll();
            closeAll(table);
        }
        assertEquals(200, refusing.reply(chat("app", CHAT)).getInt("statusCode"));
        refusing.lambda.awaitPoll();
        requireUsed("4", "app#requests#month#");
        requireUsed("32", "app#tokens#month#");
    }

    private static void closeAll(ScriptedUpstream its) throws IOException {
        for (Socket connection : its.connections) {
            connection.close();
        }
        its.connections.clear();
    }

    /** While Lambda freezes the process it notices nothing. The request has not gone out when the connection is found to have ended. */
    @Test
    void aConnectionThatEndedDuringAFreezeCostsNobodyAnything() throws Exception {
        try (var its = ScriptedUpstream.start(played);
                var instance = Deployed.against(upstream.url(), Dynalite.settings(its.url(), "budgets", "app=1000requests/month",
                        "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keysOf(BUDGETS), "CHAT_KEEP_ALIVE", "10m"))) {
            for (int i = 1; i <= 10; i++) {
                assertEquals(200, instance.reply(chat("app", CHAT)).getInt("statusCode"));
                instance.lambda.awaitPoll();
                instance.process.signal("STOP");
                closeAll(its);
                var waiting = CompletableFuture.supplyAsync(() -> instance.reply(chat("app", CHAT)));
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20)); // for the event to be there too; if it is late, nothing is lost
                instance.process.signal("CONT");
                var reply = waiting.get(30, TimeUnit.SECONDS);
                assertEquals(200, reply.getInt("statusCode"), reply.toString());
                instance.lambda.awaitPoll();
                requireUsed(Integer.toString(2 * i), "app#requests#month#");
            }
        }
    }

    /** What is left behind an answer would be taken for the answer to the next request. */
    @Test
    void whatIsLeftBehindAnAnswerIsNobodysAnswer() throws Exception {
        table.script((request, connection) -> {
            played.answer(request, connection);
            failure("ConditionalCheckFailedException").answer(request, connection);
        });
        for (int i = 1; i <= 4; i++) {
            assertEquals(200, refusing.reply(chat("lone", CHAT)).getInt("statusCode"));
            refusing.lambda.awaitPoll();
        }
        requireUsed("4", "lone#requests#month#");
    }

    @Test
    void aTableThatClosesAfterEachAnswerIsConnectedAnew() throws Exception {
        table.script((request, connection) -> {
            answering(200, TYPE, played.update(request).toString(), "Connection: close").answer(request, connection);
            connection.close();
        });
        for (int i = 1; i <= 5; i++) {
            assertEquals(200, refusing.reply(chat("app", CHAT)).getInt("statusCode"));
        }
        refusing.lambda.awaitPoll();
        requireUsed("5", "app#requests#month#");
        requireUsed("40", "app#tokens#month#");
    }

    @Test
    void aConnectionThatWasIdleForTooLongIsNotUsed() throws Exception {
        try (var its = ScriptedUpstream.start(played);
                var instance = Deployed.against(upstream.url(), Dynalite.settings(its.url(), "budgets", "app=1000requests/month",
                        "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keysOf(BUDGETS), "CHAT_KEEP_ALIVE", "1ms"))) {
            instance.lambda.awaitPoll();
            for (int i = 1; i <= 3; i++) {
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(50)); // if it is longer, nothing is lost
                assertEquals(200, instance.reply(chat("app", CHAT)).getInt("statusCode"));
                instance.lambda.awaitPoll();
                assertEquals(1 + i, its.connections.size());
            }
        }
    }

    // The same over TLS, as the real one is.

    @TempDir
    private static Path keys;

    /** The JDK's own trust: the table's connections know no other. The arguments go in front of the function's in both modes. */
    private static Deployed trusting(URI dynamo, String... more) {
        String store = keys.resolve("keys.p12").toString();
        var command = List.of("sh", "-c", "exec \"$0\" -Djavax.net.ssl.trustStore=" + store
                + " -Djavax.net.ssl.trustStorePassword=password -Djavax.net.ssl.trustStoreType=PKCS12 \"$@\"");
        var settings = Dynalite.settings(dynamo, "budgets", "app=1000requests/month", "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS",
                keysOf(BUDGETS), "CHAT_KEEP_ALIVE", "10m", "CHAT_PRIME_TIMEOUT", "20s", "CHAT_CONNECT_TIMEOUT", "20s");
        for (int i = 0; i < more.length; i += 2) {
            settings.put(more[i], more[i + 1]);
        }
        return Deployed.against(upstream.url(), settings, InvokeMode.BUFFERED, Duration.ofSeconds(30), command);
    }

    private static synchronized SSLContext identity() throws Exception {
        if (identity == null) {
            identity = new TestAuthority(keys).certified("localhost");
        }
        return identity;
    }

    @ParameterizedTest
    @ValueSource(strings = { "TLSv1.3", "TLSv1.2" })
    void aTableOverTlsKeepsItsConnection(String protocol) throws Exception {
        try (var its = ScriptedUpstream.startTls(identity(), played, protocol); var instance = trusting(its.url())) {
            for (int i = 1; i <= 5; i++) {
                var reply = instance.reply(chat("app", CHAT));
                assertEquals(200, reply.getInt("statusCode"), reply + instance.process.output());
                instance.lambda.awaitPoll();
            }
            assertEquals(1, its.connections.size());
            requireUsed("5", "app#requests#month#");
        }
    }

    /** Its farewell and its end may come together. */
    @ParameterizedTest
    @ValueSource(strings = { "TLSv1.3", "TLSv1.2" })
    void aTlsConnectionThatTheTableHasClosedMeanwhileCostsNobodyAnything(String protocol) throws Exception {
        try (var its = ScriptedUpstream.startTls(identity(), played, protocol); var instance = trusting(its.url())) {
            for (int i = 1; i <= 5; i++) {
                var reply = instance.reply(chat("app", CHAT));
                assertEquals(200, reply.getInt("statusCode"), reply + instance.process.output());
                instance.lambda.awaitPoll();
                requireUsed(Integer.toString(i), "app#requests#month#");
                closeAll(its);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = { "TLSv1.3", "TLSv1.2" })
    void aTlsConnectionThatEndedDuringAFreezeCostsNobodyAnything(String protocol) throws Exception {
        try (var its = ScriptedUpstream.startTls(identity(), played, protocol); var instance = trusting(its.url())) {
            for (int i = 1; i <= 5; i++) {
                assertEquals(200, instance.reply(chat("app", CHAT)).getInt("statusCode"));
                instance.lambda.awaitPoll();
                instance.process.signal("STOP");
                closeAll(its);
                var waiting = CompletableFuture.supplyAsync(() -> instance.reply(chat("app", CHAT)));
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
                instance.process.signal("CONT");
                var reply = waiting.get(30, TimeUnit.SECONDS);
                assertEquals(200, reply.getInt("statusCode"), reply + instance.process.output());
                instance.lambda.awaitPoll();
                requireUsed(Integer.toString(2 * i), "app#requests#month#");
            }
        }
    }

    @Test
    void aTableWhoseCertificateIsNotTrustedOrOfAnotherHostIsNotAsked() throws Exception {
        try (var its = ScriptedUpstream.startTls(identity(), played)) {
            URI otherHost = URI.create(its.url().toString().replace("localhost", "127.0.0.1"));
            try (var stranger = Deployed.against(upstream.url(), Dynalite.settings(its.url(), "budgets", "app=1000requests/month",
                    "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keysOf(BUDGETS))); var elsewhere = trusting(otherHost)) {
                for (Deployed each : List.of(stranger, elsewhere)) {
                    List<String> errors = errorsOf(each, () -> requireUnavailable(each.reply(chat("app", CHAT))));
                    assertFalse(errors.isEmpty());
                }
                assertEquals(0, its.requests.size());
            }
        }
    }

    /** A handshake that does not come to its end is a connection that is not to be had. */
    @Test
    void aTableThatShakesNoHandsHoldsUpNobodyForLong() throws Exception {
        try (var silent = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
                var instance = trusting(URI.create("https://localhost:" + silent.getLocalPort()), "CHAT_PRIME_TIMEOUT", "0s")) {
            requireUnavailable(instance.reply(chat("app", CHAT)));
            requireUnavailable(instance.reply(chat("app", CHAT)));
        }
    }

    // The settlement.

    @ParameterizedTest
    @CsvSource({ "buffered, BUFFERED", "stream, RESPONSE_STREAM" })
    void anAnswerDoesNotWaitForItsSettlement(String responseMode, InvokeMode mode) throws Exception {
        var answered = new CountDownLatch(1);
        var settled = new AtomicInteger();
        try (var its = ScriptedUpstream.start(settlements((request, connection) -> {
            ScriptedUpstream.await(answered);
            settled.incrementAndGet();
            played.answer(request, connection);
        }));
                var instance = Deployed.against(upstream.url(), Dynalite.settings(its.url(), "budgets", BUDGETS, "CHAT_AUTH", "keys",
                        "CHAT_CLIENT_KEYS", keysOf(BUDGETS), "CHAT_RESPONSE_MODE", responseMode), mode)) {
            String said = FaultIT.told(instance.invoke(chat("one", CHAT)));
            assertTrue(said.startsWith("200"), said);
            answered.countDown();
            instance.lambda.awaitPoll();
            assertEquals(1, settled.get(), "before the next event is polled");
            assertEquals(List.of(), errors(instance), "had the answer waited, the settlement would have had no answer in time");
        }
    }

    @ParameterizedTest
    @MethodSource("lostAnswers")
    void aSettlementWhoseAnswerIsLostIsNotSentAgainAndItsAmountIsAnErrorLine(Case lost) throws Exception {
        table.script(settlements(lost.script));
        List<String> errors = errorsOf(refusing, () -> assertEquals(200, refusing.reply(chat("one", CHAT)).getInt("statusCode")));
        assertEquals(2, table.requests.size(), lost.name);
        long difference = quarter(CHAT) - 8;
        requireMention(errors, "one", Long.toString(difference), "tokens");
        requireNothingPrivate(refusing.process.messages());
        assertEquals("200 INFO", refusing.accessLine().path("status").asText() + " " + refusing.accessLine().path("level").asText());
    }

    @ParameterizedTest
    @ValueSource(strings = { "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded" })
    void aSettlementThatIsThrottledIsTriedOnceMore(String type) throws Exception {
        var failures = new AtomicInteger();
        table.script(settlements((request, connection) -> (failures.getAndIncrement() == 0 ? failure(type) : played)
                .answer(request, connection)));
        List<String> errors = errorsOf(refusing, () -> assertEquals(200, refusing.reply(chat("one", CHAT)).getInt("statusCode")));
        assertEquals(List.of(), errors);
        requireUsed(ANSWER_TOKENS, "one#tokens#month#");
        table.script(settlements(failure(type)));
        errors = errorsOf(refusing, () -> assertEquals(200, refusing.reply(chat("one", CHAT)).getInt("statusCode")));
        assertEquals(3, table.requests.size());
        requireMention(errors, "one", Long.toString(quarter(CHAT) - 8), "tokens");
    }

    @Test
    void whatWasReservedExactlyIsNotSettled() throws Exception {
        upstream.script(completion(quarter(CHAT) - 2, 2));
        refusing.reply(chat("app", CHAT));
        refusing.lambda.awaitPoll();
        assertEquals(2, table.requests.size());
        requireUsed(Long.toString(quarter(CHAT)), "app#tokens#month#");
    }

    @Test
    void whatIsGivenBackAfterARefusalIsNotInTheCallersWay() throws Exception {
        var answered = new CountDownLatch(1);
        var back = new AtomicInteger();
        table.script((request, connection) -> {
            var update = Update.of(request);
            if (update.pk.contains("#requests#")) {
                failure("ConditionalCheckFailedException").answer(request, connection);
            } else if (update.isReservation()) {
                played.answer(request, connection);
            } else {
                ScriptedUpstream.await(answered);
                back.incrementAndGet();
                played.answer(request, connection);
            }
        });
        int errors = errors(refusing).size();
        assertEquals(429, refusing.reply(chat("app", CHAT)).getInt("statusCode"));
        answered.countDown();
        refusing.lambda.awaitPoll();
        assertEquals(1, back.get());
        assertEquals(errors, errors(refusing).size(), "had the answer waited, the settlement would have had no answer in time");
        requireUsed("0", "app#tokens#month#");
    }

    /** A settlement of which the table's answer does not come takes a second, and no more. */
    @Test
    void aTableThatHangsDoesNotStopTheFunction() throws Exception {
        table.script(settlements((request, connection) -> {
        }));
        for (int i = 0; i < 3; i++) {
            assertEquals(200, refusing.reply(chat("app", CHAT)).getInt("statusCode"));
        }
        refusing.lambda.awaitPoll();
        assertNotNull(refusing.accessLine());
        assertEquals(9, table.requests.size());
    }
}
