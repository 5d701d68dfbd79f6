package chatlambda;

import static chatlambda.Deployed.error;
import static chatlambda.ScriptedUpstream.STREAM_HEAD;
import static chatlambda.ScriptedUpstream.answering;
import static chatlambda.ScriptedUpstream.chunk;
import static chatlambda.ScriptedUpstream.streaming;
import static chatlambda.ScriptedUpstream.write;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import chatlambda.ScriptedUpstream.Script;
import chatlambda.local.LocalLambda;
import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.Outcome;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import jakarta.json.Json;
import jakarta.json.JsonObject;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.YearMonth;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;

/**
 * What one instance holds its callers to, rule by rule, against a DynamoDB that nobody here wrote. A test has clients of its own, so that
 * it alone uses their budgets; all but a few are for a month, so that no window ends amid a test, but once a month.
 */
class BudgetIT {

    static final String CHAT_PATH = "/v1/chat/completions";
    static final String CHAT = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a prompt\"}]}";
    static final String DONE = "data: [DONE]\n\n";
    private static final String RESPONSES_PATH = "/v1/responses";
    private static final String EMBEDDINGS_PATH = "/v1/embeddings";
    private static final String STREAM = "{\"stream\":true," + CHAT.substring(1);
    /** A request with a reservation of tokens and dollars. */
    private static final String DEAR = "{\"max_tokens\":10," + CHAT.substring(1).replace("\"m\"", "\"priced\"");
    private static final String DEAR_STREAM = "{\"stream\":true," + DEAR.substring(1);
    private static final String USAGE = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":8}}\n\n";
    /** How a stream of responses ends. */
    private static final String COMPLETED = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":"
            + "\"completed\"}}\n\n";
    private static final String ARN = "arn:aws:ssm:eu-west-1:123456789012:parameter/chat/";
    private static final Script ANSWER = completion(3, 5);
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern BUDGET = Pattern.compile(
            "(\\d+(?:\\.\\d+)?(?:usd|tokens|requests)/(?:minute|hour|day|month));used=(\\d+(?:\\.\\d+)?)");
    /** What a window's end looks like in a message. */
    private static final Pattern MINUTE = Pattern.compile("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\dZ");

    /** Of the two instances that most tests share. All of a client's budgets but those for {@code requests} are large. */
    private static final String BUDGETS = String.join(",",
            "item=1000requests/minute", "item=1000requests/hour", "item=1000requests/day", "item=1000requests/month",
            "item=1000000tokens/month", "item=1000usd/month",
            "told=20usd/month", "told=1000000tokens/month", "told=1000requests/month",
            "reserves=1000000tokens/month", "capped=1000000tokens/month", "prices=1000usd/month", "unpriced=0.4usd/month",
            "exact=20.5usd/month", "odd=1000000tokens/month", "odd=1000usd/month", "odd=1000requests/month",
            "once=1requests/month", "spent=0.01usd/month", "few=100tokens/month", "large=100tokens/month", "often=1requests/minute",
            "toolarge=10tokens/minute", "several=1requests/hour", "several=1requests/month", "several=1requests/day",
            "back=1requests/month", "back=1000000tokens/month", "back=1000usd/month",
            "strict=1000000tokens/month", "mistaken=1000requests/month", "mistaken=1000000tokens/month", "mistaken=1000usd/month",
            "failed=1000requests/month", "failed=1000000tokens/month", "failed=1000usd/month",
            "kept=1000requests/month", "kept=1000000tokens/month", "kept=1000usd/month",
            "asks=1000000tokens/month", "counts=1000usd/month", "counted=1000requests/month", "guess=1000000tokens/month",
            "guess=1000usd/month", "doors=1000requests/month", "routes=1000000tokens/month", "routes=1000usd/month",
            "routes=1000requests/month", "cli=1requests/month", "lists=1requests/month",
            "direct=3requests/month", "direct=1000000tokens/month");

    /** Of an instance that a test has for itself. */
    private static final String ONE = "one=1000requests/month,one=1000000tokens/month,one=1000usd/month";
    private static final String PRICES = "priced=1000/10000,glob/*=2/8,glob/one=900/900,odd=0.075/0.3";

    private static Dynalite dynalite;
    private static Dynalite.Table table;
    private static ScriptedUpstream upstream;
    private static Deployed function;
    private static Deployed streams;

    @BeforeAll
    static void start() {
        dynalite = Dynalite.start();
        table = dynalite.table();
        upstream = ScriptedUpstream.start(ANSWER);
        var settings = table.settings(BUDGETS, "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keysOf(BUDGETS) + ",free=" + sha256(key("free")),
                "CHAT_PRICES", PRICES, "CHAT_RETRIES", "0", "CHAT_MAX_TOKENS_CAP", "capped=50", "CHAT_ALLOWED_MODELS", "mistaken=m",
                "CHAT_MODEL", "m", "CHAT_FALLBACK_MODELS", "", "CHAT_MODEL_ALIASES", "dear=priced");
        function = Deployed.against(upstream.url(), settings);
        settings.put("CHAT_RESPONSE_MODE", "stream");
        streams = Deployed.against(upstream.url(), settings, InvokeMode.RESPONSE_STREAM);
    }

    @AfterAll
    static void stop() {
        if (dynalite == null) {
            return;
        }
        streams.close();
        function.close();
        upstream.close();
        dynalite.close();
    }

    /** A client's key. */
    static String key(String client) {
        return LogLines.KEY_PREFIX + client;
    }

    static String sha256(String key) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /** A key for each client that the budgets name. */
    static String keysOf(String budgets) {
        var clients = Stream.of(budgets.split(",")).map(budget -> budget.split("=")[0]).collect(Collectors.toCollection(TreeSet::new));
        clients.removeAll(Set.of("*", "all", "direct", "iam", "passthrough"));
        return keys(clients.toArray(String[]::new));
    }

    static String keys(String... clients) {
        return Stream.of(clients).map(client -> client + "=" + sha256(key(client))).collect(Collectors.joining(","));
    }

    /** A client's request at a Function URL. */
    static String event(String client, String path, String body) {
        return withKey(Events.http(path.endsWith("models") ? "GET" : "POST", path, "application/json", body), key(client));
    }

    static String chat(String client, String body) {
        return event(client, CHAT_PATH, body);
    }

    private static String withKey(String event, String key) {
        var json = Events.json(event);
        var changed = Json.createObjectBuilder(json);
        for (String field : List.of("headers", "multiValueHeaders")) {
            if (json.get(field) instanceof JsonObject given) {
                var headers = Json.createObjectBuilder();
                given.forEach((name, value) -> {
                    if (!name.equalsIgnoreCase("authorization")) {
                        headers.add(name, value);
                    }
                });
                String bearer = "Bearer " + key;
                headers.add("authorization", field.equals("headers") ? Json.createValue(bearer)
                        : Json.createArrayBuilder().add(bearer).build());
                changed.add(field, headers);
            }
        }
        return changed.build().toString();
    }

    /** The tokens that the bytes of a request are reserved as. */
    static long quarter(String body) {
        return (body.getBytes(StandardCharsets.UTF_8).length + 3) / 4;
    }

    static String completionBody(long promptTokens, long completionTokens) {
        return "{\"choices\":[{\"message\":{\"content\":\"an answer\"}}],\"usage\":{\"prompt_tokens\":" + promptTokens
                + ",\"completion_tokens\":" + completionTokens + "}}";
    }

    static Script completion(long promptTokens, long completionTokens, String... fields) {
        return answering(200, "application/json", completionBody(promptTokens, completionTokens), fields);
    }

    static String delta(String content) {
        return "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + content + "\"}}]}\n\n";
    }

    /** Closes the connection after these bytes. */
    static Script thenCloses(String... parts) {
        return (request, connection) -> {
            for (String part : parts) {
                write(connection, part);
            }
            connection.close();
        };
    }

    static String header(JsonObject reply, String name) {
        return reply.getJsonObject("headers").getString(name, null);
    }

    /** What {@code x-chat-budget} tells, such as {@code 20usd/month} and what of it is used. */
    static Map<String, BigDecimal> told(JsonObject reply) {
        String header = header(reply, "x-chat-budget");
        assertNotNull(header, reply.toString());
        var told = new TreeMap<String, BigDecimal>();
        for (String budget : header.split(", ")) {
            var matcher = BUDGET.matcher(budget);
            assertTrue(matcher.matches(), header);
            told.put(matcher.group(1), new BigDecimal(matcher.group(2)));
        }
        return told;
    }

    private static void requireEqual(String expected, BigDecimal actual) {
        assertEquals(0, new BigDecimal(expected).compareTo(actual), () -> "not " + expected + " but " + actual);
    }

    private static BigDecimal dollars(String amount) {
        return new BigDecimal(amount);
    }

    /** What one request did to a budget for a month, once it was settled. */
    private static BigDecimal settled(Deployed instance, String client, String unit, Runnable request) throws InterruptedException {
        instance.lambda.awaitPoll();
        BigDecimal before = table.used(client, unit, "month");
        request.run();
        instance.lambda.awaitPoll();
        return table.used(client, unit, "month").subtract(before);
    }

    // The item, and what an answer tells of it.

    @Test
    void anItemHoldsItsKeyWhatWasUsedAndWhenItExpiresAndNothingElse() throws Exception {
        upstream.script(completion(3, 5, "x-aimlapi-usd-spent: 0.25"));
        Instant before = Instant.now();
        assertEquals(200, function.reply(chat("item", CHAT)).getInt("statusCode"));
        function.lambda.awaitPoll();
        Instant after = Instant.now();
        var items = table.items("item#");
        assertEquals(6, items.size(), items.toString());
        for (var item : items) {
            assertEquals(Set.of("pk", "used", "expires"), item.keySet());
            assertEquals(List.of(AttributeValue.Type.S, AttributeValue.Type.N, AttributeValue.Type.N),
                    List.of(item.get("pk").type(), item.get("used").type(), item.get("expires").type()));
            String[] key = item.get("pk").s().split("#");
            assertEquals(4, key.length, item.toString());
            var windows = Stream.of(before, after).map(instant -> window(key[2], instant)).toList();
            assertTrue(windows.stream().anyMatch(window -> window.name.equals(key[3])
                    && Long.toString(window.expires).equals(item.get("expires").n())), () -> item + " is none of " + windows);
            requireEqual(Map.of("requests", "1", "tokens", "8", "usd", "0.25").get(key[1]), new BigDecimal(item.get("used").n()));
        }
        assertEquals(Set.of("requests#minute", "requests#hour", "requests#day", "requests#month", "tokens#month", "usd#month"),
                items.stream().map(item -> item.get("pk").s().replaceAll("^item#|#[^#]*$", "")).collect(Collectors.toSet()));
    }

    private record Window(String name, long expires) {
    }

    private static Window window(String period, Instant instant) {
        LocalDateTime now = LocalDateTime.ofInstant(instant, ZoneOffset.UTC);
        LocalDateTime month = YearMonth.from(now).plusMonths(1).atDay(1).atStartOfDay();
        return switch (period) {
            case "minute" -> new Window(now.format(DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm'Z'")),
                    now.truncatedTo(ChronoUnit.MINUTES).plusMinutes(1).plusDays(1).toEpochSecond(ZoneOffset.UTC));
            case "hour" -> new Window(now.format(DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH'Z'")),
                    now.truncatedTo(ChronoUnit.HOURS).plusHours(1).plusDays(1).toEpochSecond(ZoneOffset.UTC));
            case "day" -> new Window(now.format(DateTimeFormatter.ofPattern("yyyy-MM-dd")),
                    now.truncatedTo(ChronoUnit.DAYS).plusDays(2).toEpochSecond(ZoneOffset.UTC));
            default -> new Window(now.format(DateTimeFormatter.ofPattern("yyyy-MM")), month.plusDays(35).toEpochSecond(ZoneOffset.UTC));
        };
    }

    @Test
    void anAnswerTellsWhatOfEachBudgetIsUsedWithItsOwnReservation() throws Exception {
        BigDecimal tokens = tokensOf(DEAR);
        BigDecimal usd = usdOf(DEAR);
        for (Deployed each : List.of(function, streams)) {
            upstream.script(completion(3, 5, "x-aimlapi-usd-spent: 0.25"));
            each.lambda.awaitPoll();
            BigDecimal requestsBefore = table.used("told", "requests", "month");
            BigDecimal tokensBefore = table.used("told", "tokens", "month");
            BigDecimal usdBefore = table.used("told", "usd", "month");
            var outcome = each.invoke(chat("told", DEAR));
            var told = told(Events.json(outcome.text().split("\0{8}")[0]));
            assertEquals(Set.of("20usd/month", "1000000tokens/month", "1000requests/month"), told.keySet());
            requireEqual(requestsBefore.add(BigDecimal.ONE).toString(), told.get("1000requests/month"));
            requireEqual(tokensBefore.add(tokens).toString(), told.get("1000000tokens/month"));
            requireEqual(usdBefore.add(usd).toString(), told.get("20usd/month"));
            each.lambda.awaitPoll();
            table.requireUsed(requestsBefore.add(BigDecimal.ONE), "told", "requests");
            table.requireUsed(tokensBefore.add(BigDecimal.valueOf(8)), "told", "tokens");
            table.requireUsed(usdBefore.add(dollars("0.25")), "told", "usd");
        }
    }

    @Test
    void aCallerWithoutABudgetIsToldOfNoneAndCountedNowhere() throws Exception {
        upstream.script(ANSWER);
        assertEquals(null, header(function.reply(chat("free", CHAT)), "x-chat-budget"));
        function.lambda.awaitPoll();
        table.requireUntouched("free");
    }

    // What is reserved.

    private record Reserve(String name, String client, String path, String body, long tokens) {

        @Override
        public String toString() {
            return name;
        }
    }

    private static Reserve reserve(String name, String client, String path, String body, long more) {
        return new Reserve(name, client, path, body, quarter(body) + more);
    }

    /** Spaces behind the body, so that four divide the bytes that count: whether a text's quotes count is then all the same. */
    private static Reserve withText(String name, String member, String text) {
        String before = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"x\",\"x\":{\"" + member + "\":\"";
        String body = before + text + "\"}}]}]}";
        long others = body.length() - text.length();
        long spaces = (4 - others % 4) % 4;
        return new Reserve(name, "reserves", CHAT_PATH, body + " ".repeat((int) spaces), (others + spaces + 4_000) / 4);
    }

    static Stream<Reserve> reserves() {
        String members = CHAT.substring(1);
        String umlauts = CHAT.replace("a prompt", "Grüß Gott, 你好");
        var chat = Stream.of(
                reserve("the bytes", "reserves", CHAT_PATH, CHAT, 0),
                reserve("one byte more", "reserves", CHAT_PATH, CHAT + " ", 0),
                reserve("two bytes more", "reserves", CHAT_PATH, CHAT + "  ", 0),
                reserve("three bytes more", "reserves", CHAT_PATH, CHAT + "   ", 0),
                reserve("bytes, not characters", "reserves", CHAT_PATH, umlauts, 0),
                reserve("max_tokens", "reserves", CHAT_PATH, "{\"max_tokens\":100," + members, 100),
                reserve("max_completion_tokens", "reserves", CHAT_PATH, "{\"max_completion_tokens\":100," + members, 100),
                reserve("max_tokens, n times", "reserves", CHAT_PATH, "{\"n\":3,\"max_tokens\":100," + members, 300),
                reserve("n, no limit", "reserves", CHAT_PATH, "{\"n\":3," + members, 0),
                reserve("n and a limit that are null", "reserves", CHAT_PATH, "{\"n\":null,\"max_tokens\":null," + members, 0),
                reserve("a limit, n that is null", "reserves", CHAT_PATH, "{\"n\":null,\"max_tokens\":7," + members, 7),
                reserve("the cap that is filled in", "capped", CHAT_PATH, CHAT, 50),
                reserve("the cap that is filled in, n times", "capped", CHAT_PATH, "{\"n\":2," + members, 50),
                reserve("less than the cap", "capped", CHAT_PATH, "{\"max_tokens\":20," + members, 20),
                reserve("no model: nothing that is filled in counts", "reserves", CHAT_PATH, CHAT.replace("\"model\":\"m\",", ""), 0));
        var texts = Stream.of(
                withText("a data URL", "url", "data:image/png;base64," + "A".repeat(40_000)),
                withText("a data URL that is short", "url", "data:image/png;base64,AAAA"),
                withText("data", "data", "A".repeat(40_001)),
                withText("file_data", "file_data", "A".repeat(40_002)));
        var others = Stream.of(
                reserve("data within a text", "reserves", CHAT_PATH, CHAT.replace("a prompt", "x data:" + "A".repeat(5_000)), 0),
                reserve("responses", "reserves", RESPONSES_PATH, "{\"model\":\"m\",\"input\":\"Hi\",\"max_output_tokens\":100}", 100),
                reserve("responses without a limit", "reserves", RESPONSES_PATH, "{\"model\":\"m\",\"input\":\"Hi\"}", 0),
                reserve("responses with the cap", "capped", RESPONSES_PATH, "{\"model\":\"m\",\"input\":\"Hi\"}", 50),
                reserve("embeddings", "reserves", EMBEDDINGS_PATH, "{\"model\":\"m\",\"input\":[\"Hi\",\"there\"]}", 0));
        return Stream.of(chat, texts, others).flatMap(each -> each);
    }

    @ParameterizedTest
    @MethodSource("reserves")
    void tokensAreReservedByTheBytesAndTheLimit(Reserve reserve) throws Exception {
        upstream.script(answering(200, "application/json", answerOf(reserve.path)));
        function.lambda.awaitPoll();
        BigDecimal before = table.used(reserve.client, "tokens", "month");
        var reply = function.reply(event(reserve.client, reserve.path, reserve.body));
        assertEquals(200, reply.getInt("statusCode"), reply.toString());
        requireEqual(Long.toString(reserve.tokens), told(reply).get("1000000tokens/month").subtract(before));
    }

    private static String answerOf(String path) {
        return switch (path) {
            case RESPONSES_PATH -> "{\"object\":\"response\",\"status\":\"completed\",\"output\":[],"
                    + "\"usage\":{\"input_tokens\":3,\"output_tokens\":5}}";
            case EMBEDDINGS_PATH -> "{\"data\":[{\"embedding\":\"AAAA\"}],\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}";
            default -> completionBody(3, 5);
        };
    }

    /** The caller may be told that it is wrong; it may not get a reservation that is less than its prompt. */
    @ParameterizedTest
    @ValueSource(strings = { "\"max_tokens\":-1000000", "\"max_tokens\":1e400", "\"max_tokens\":-1e400", "\"max_tokens\":\"9\"",
            "\"max_tokens\":0.5", "\"max_tokens\":100,\"n\":-3", "\"max_tokens\":100,\"n\":0", "\"max_tokens\":100,\"n\":0.001",
            "\"max_tokens\":9223372036854775807,\"n\":9223372036854775807", "\"max_completion_tokens\":-5,\"max_tokens\":-5",
            "\"max_tokens\":true", "\"max_tokens\":[5]", "\"max_tokens\":{}" })
    void noLimitMakesAReservationLessThanThePrompt(String members) throws Exception {
        String body = "{" + members + "," + CHAT.substring(1);
        for (String client : List.of("odd", "capped")) {
            upstream.script(ANSWER);
            function.lambda.awaitPoll();
            BigDecimal before = table.used(client, "tokens", "month");
            var reply = function.reply(chat(client, body));
            int status = reply.getInt("statusCode");
            assertTrue(status == 200 || status == 400 || status == 429, reply.toString());
            function.lambda.awaitPoll();
            if (status == 200) {
                BigDecimal reserved = told(reply).get("1000000tokens/month").subtract(before);
                assertTrue(reserved.compareTo(BigDecimal.valueOf(quarter(body))) >= 0, reply.toString());
            } else {
                assertEquals(0, upstream.requests.size());
                table.requireUsed(before, client, "tokens");
            }
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            priced   | 0.001    | 0.01
            dear     | 0.001    | 0.01
            glob/one | 0.000002 | 0.000008
            odd      | 0.000000075 | 0.0000003
            unknown  | 0        | 0
            """)
    void dollarsAreReservedAndCountedAtTheFirstPriceThatFits(String model, String prompt, String completion) throws Exception {
        String body = "{\"max_tokens\":20,\"n\":2,\"model\":\"" + model + "\",\"messages\":[{\"role\":\"user\",\"content\":\"a prompt\"}]}";
        upstream.script(ANSWER);
        function.lambda.awaitPoll();
        BigDecimal before = table.used("prices", "usd", "month");
        var reply = function.reply(chat("prices", body));
        BigDecimal reserved = dollars(prompt).multiply(BigDecimal.valueOf(quarter(body))).add(dollars(completion).multiply(dollars("40")));
        requireEqual(before.add(reserved).toPlainString(), told(reply).get("1000usd/month"));
        function.lambda.awaitPoll();
        BigDecimal spent = dollars(prompt).multiply(dollars("3")).add(dollars(completion).multiply(dollars("5")));
        table.requireUsed(before.add(spent), "prices", "usd");
    }

    @Test
    void whereNoPriceIsKnownNothingIsReservedButWhatTheUpstreamTellsCounts() throws Exception {
        upstream.script(completion(3, 5, "x-aimlapi-usd-spent: 0.5"));
        requireEqual("0", told(function.reply(chat("unpriced", CHAT))).get("0.4usd/month"));
        function.lambda.awaitPoll();
        table.requireUsed("0.5", "unpriced", "usd");
        assertEquals(429, function.reply(chat("unpriced", CHAT)).getInt("statusCode"));
        assertEquals(1, upstream.requests.size());
    }

    @Test
    void dollarsAreAddedExactly() throws Exception {
        for (String spent : List.of("0.1", "0.1", "0.1", "0.2", "0.7", "1e-7", "0.000001", "3.3", "0.123456789012", "0")) {
            boolean inBody = spent.hashCode() % 2 == 0;
            upstream.script(inBody ? answering(200, "application/json", spentInBody(spent))
                    : completion(3, 5, "x-aimlapi-usd-spent: " + spent));
            assertEquals(200, function.reply(chat("exact", CHAT)).getInt("statusCode"));
        }
        function.lambda.awaitPoll();
        table.requireUsed("4.623457889012", "exact", "usd");
    }

    private static String spentInBody(String usd) {
        return "{\"choices\":[],\"meta\":{\"usage\":{\"usd_spent\":" + usd + "}},\"usage\":{\"prompt_tokens\":1e400}}";
    }

    /** A price or a count that is less than nothing would give the caller money. */
    @Test
    void anUpstreamThatTellsLessThanNothingLowersNothing() throws Exception {
        for (Script script : List.of(completion(3, 5, "x-aimlapi-usd-spent: -5"), completion(-300, -500),
                answering(200, "application/json", spentInBody("-7")), answering(200, "application/json", spentInBody("1e400")),
                completion(3, 5, "x-aimlapi-usd-spent: NaN"), completion(3, 5, "x-aimlapi-usd-spent: Infinity"))) {
            upstream.script(script);
            BigDecimal tokens = table.used("odd", "tokens", "month");
            BigDecimal usd = settled(function, "odd", "usd", () -> function.reply(chat("odd", CHAT)));
            assertTrue(usd.signum() >= 0 && usd.compareTo(BigDecimal.ONE) < 0, usd.toString());
            assertTrue(table.used("odd", "tokens", "month").compareTo(tokens) > 0);
        }
    }

    // What is refused.

    private static void requireRefused(JsonObject reply, String code, String type) {
        assertEquals(429, reply.getInt("statusCode"), reply.toString());
        assertEquals(code + " " + type, error(reply).getString("code") + " " + error(reply).getString("type"));
        assertEquals(null, header(reply, "x-chat-budget"));
    }

    /** The end of the window in the message is that of {@code retry-after}. */
    private static Instant requireEnd(JsonObject reply, Instant before, Instant after) {
        var end = MINUTE.matcher(error(reply).getString("message"));
        assertTrue(end.find(), reply.toString());
        Instant ends = Instant.parse(end.group().replace("Z", ":00Z"));
        long retryAfter = Long.parseLong(header(reply, "retry-after"));
        long least = Duration.between(after, ends).toSeconds();
        long most = Duration.between(before, ends).toSeconds() + 1;
        assertTrue(retryAfter >= Math.max(0, least) && retryAfter <= Math.max(1, most), retryAfter + " to " + ends);
        return ends;
    }

    private static Instant nextMonth() {
        return YearMonth.now(ZoneOffset.UTC).plusMonths(1).atDay(1).atStartOfDay().toInstant(ZoneOffset.UTC);
    }

    @ParameterizedTest
    @CsvSource({ "once, 1, requests", "spent, 0.01, usd", "few, 100, tokens" })
    void aSpentBudgetRefusesAndSaysWhichAndUntilWhen(String client, String limit, String unit) throws Exception {
        upstream.script(completion(300, 500, "x-aimlapi-usd-spent: 0.25"));
        assertEquals(200, function.reply(chat(client, CHAT)).getInt("statusCode"));
        function.lambda.awaitPoll();
        BigDecimal used = table.used(client, unit, "month");
        upstream.requests.clear();
        Instant before = Instant.now();
        var reply = function.reply(chat(client, CHAT));
        requireRefused(reply, "budget_exceeded", "insufficient_quota");
        assertEquals(nextMonth(), requireEnd(reply, before, Instant.now()));
        assertEquals("false", header(reply, "x-should-retry"));
        String message = error(reply).getString("message");
        assertTrue(message.contains(limit) && message.contains(unit) && message.contains("month"), message);
        assertFalse(message.contains("a prompt"));
        assertEquals(0, upstream.requests.size());
        JsonNode line = function.accessLine();
        assertEquals("429 budget_exceeded INFO " + client, String.join(" ", line.path("status").asText(), line.path("code").asText(),
                line.path("level").asText(), line.path("client").asText()));
        assertEquals(1, line.path("BudgetRefused").asInt(), line.toString());
        table.requireUsed(used, client, unit);
    }

    @Test
    void aReservationAboveTheLimitIsRefusedWithoutAskingTheTable() throws Exception {
        upstream.script(ANSWER);
        var reply = function.reply(chat("large", "{\"max_tokens\":1000," + CHAT.substring(1)));
        requireRefused(reply, "budget_exceeded", "insufficient_quota");
        assertEquals("false", header(reply, "x-should-retry"));
        function.lambda.awaitPoll();
        table.requireUntouched("large");
        assertEquals(0, upstream.requests.size());
        assertEquals(200, function.reply(chat("large", CHAT)).getInt("statusCode"), "what fits is let through still");
    }

    @Test
    void whoAsksTooOftenInAMinuteIsARateLimitThatTheSdksMayTryAgain() throws Exception {
        upstream.script(ANSWER);
        JsonObject reply;
        Instant before;
        int asked = 0;
        do { // a minute may end in between
            before = Instant.now();
            reply = function.reply(chat("often", CHAT));
            asked++;
        } while (reply.getInt("statusCode") == 200 && asked < 5);
        requireRefused(reply, "rate_limit_exceeded", "rate_limit_error");
        requireEnd(reply, before, Instant.now());
        assertEquals(null, header(reply, "x-should-retry"));
        assertTrue(Long.parseLong(header(reply, "retry-after")) <= 61, reply.toString());
        assertEquals(1, function.accessLine().path("BudgetRefused").asInt());
    }

    @Test
    void whatIsLargerThanAMinutesWholeLimitIsNotWorthAnotherTry() {
        upstream.script(ANSWER);
        var reply = function.reply(chat("toolarge", CHAT));
        requireRefused(reply, "rate_limit_exceeded", "rate_limit_error");
        assertEquals("false", header(reply, "x-should-retry"));
        table.requireUntouched("toolarge");
    }

    @Test
    void ofSeveralThatRefuseTheOneWhoseWindowEndsLastAnswers() throws Exception {
        upstream.script(ANSWER);
        assertEquals(200, function.reply(chat("several", CHAT)).getInt("statusCode"));
        Instant before = Instant.now();
        var reply = function.reply(chat("several", CHAT));
        requireRefused(reply, "budget_exceeded", "insufficient_quota");
        assertEquals(nextMonth(), requireEnd(reply, before, Instant.now()));
        function.lambda.awaitPoll();
        table.requireUsed("1", "several", "requests");
    }

    @Test
    void ifOneRefusesWhatTheOthersReservedIsGivenBack() throws Exception {
        upstream.script(completion(3, 5, "x-aimlapi-usd-spent: 0.25"));
        assertEquals(200, function.reply(chat("back", DEAR)).getInt("statusCode"));
        for (int i = 0; i < 3; i++) {
            requireRefused(function.reply(chat("back", DEAR)), "budget_exceeded", "insufficient_quota");
        }
        function.lambda.awaitPoll();
        table.requireUsed("1", "back", "requests");
        table.requireUsed("8", "back", "tokens");
        table.requireUsed("0.25", "back", "usd");
        assertEquals(1, upstream.requests.size());
    }

    @Test
    void theBudgetOfAllIsNamedButNothingThatTellsOfOthers() throws Exception {
        var its = dynalite.table();
        String budgets = "all=37.5usd/month,all=4000tokens/month,one=1000000tokens/month";
        try (var instance = Deployed.against(upstream.url(),
                its.settings(budgets, "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keys("one", "two")))) {
            upstream.script(completion(3, 5, "x-aimlapi-usd-spent: 37.25"));
            var first = instance.reply(chat("one", CHAT));
            assertEquals(Set.of("1000000tokens/month"), told(first).keySet());
            assertFalse(header(first, "x-chat-budget").contains("37"), first.toString());
            instance.lambda.awaitPoll();
            its.requireUsed("37.25", "all", "usd");
            its.requireUsed("8", "all", "tokens");
            var second = instance.reply(chat("two", CHAT));
            assertEquals("200 null", second.getInt("statusCode") + " " + header(second, "x-chat-budget"));
            instance.lambda.awaitPoll();
            its.requireUsed("74.5", "all", "usd");
            Instant before = Instant.now();
            var refused = instance.reply(chat("two", CHAT));
            requireRefused(refused, "budget_exceeded", "insufficient_quota");
            assertEquals(nextMonth(), requireEnd(refused, before, Instant.now()));
            String message = error(refused).getString("message");
            assertFalse(message.contains("37") || message.contains("74") || message.contains("4000") || message.contains("16"), message);
            instance.lambda.awaitPoll();
            its.requireUsed("74.5", "all", "usd");
            its.requireUsed("16", "all", "tokens");
            its.requireUsed("8", "one", "tokens");
            its.requireUntouched("two");
        }
    }

    @Test
    void theStarIsForEachClientThatHasNoBudgetOfItsOwnForThatUnitAndPeriod() throws Exception {
        var its = dynalite.table();
        String budgets = "*=2requests/month,own=3requests/month,own=1000tokens/day,*=5000tokens/month";
        try (var instance = Deployed.against(upstream.url(),
                its.settings(budgets, "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keys("own", "one", "two")))) {
            upstream.script(ANSWER);
            for (var allowed : Map.of("own", 3, "one", 2, "two", 2).entrySet()) {
                for (int i = 0; i < allowed.getValue(); i++) {
                    assertEquals(200, instance.reply(chat(allowed.getKey(), CHAT)).getInt("statusCode"));
                }
                requireRefused(instance.reply(chat(allowed.getKey(), CHAT)), "budget_exceeded", "insufficient_quota");
                instance.lambda.awaitPoll();
                its.requireUsed(Integer.toString(allowed.getValue()), allowed.getKey(), "requests");
                its.requireUsed(Integer.toString(8 * allowed.getValue()), allowed.getKey(), "tokens");
            }
            assertFalse(instance.invoke(CHAT).functionError());
            assertFalse(instance.invoke(CHAT).functionError());
            assertTrue(instance.invoke(CHAT).text().contains("Chat.BudgetExceeded"));
            instance.lambda.awaitPoll();
            its.requireUsed("2", "direct", "requests");
            requireEqual("24", its.used("own", "tokens", "day"));
            its.requireUntouched("*");
        }
    }

    // Every door, every route, every kind of caller.

    @ParameterizedTest
    @ValueSource(strings = { "http-api", "http-api-stage", "http-api-base64", "rest-api", "rest-api-from-http-api", "alb",
            "alb-multi-value", "function-url", "function-url-responses", "function-url-embeddings" })
    void everyDoorCounts(String door) throws Exception {
        upstream.script(answering(200, "application/json", answerOf(door.contains("responses") ? RESPONSES_PATH
                : CHAT_PATH)));
        String event = withKey(Events.file(door), key("doors"));
        requireEqual("1", settled(function, "doors", "requests", () -> assertEquals(200, function.reply(event).getInt("statusCode"))));
    }

    @ParameterizedTest
    @ValueSource(strings = { CHAT_PATH, RESPONSES_PATH, EMBEDDINGS_PATH, "/openai/deployments/m/chat/completions" })
    void everyRouteCounts(String path) throws Exception {
        String body = path.equals(RESPONSES_PATH) || path.equals(EMBEDDINGS_PATH) ? "{\"model\":\"m\",\"input\":\"Hi\"}" : CHAT;
        for (Deployed each : List.of(function, streams)) {
            upstream.script(answering(200, "application/json", answerOf(path), "x-aimlapi-usd-spent: 0.125"));
            BigDecimal requests = table.used("routes", "requests", "month");
            BigDecimal usd = table.used("routes", "usd", "month");
            requireEqual("8", settled(each, "routes", "tokens", () -> each.invoke(event("routes", path, body))));
            table.requireUsed(requests.add(BigDecimal.ONE), "routes", "requests");
            table.requireUsed(usd.add(dollars("0.125")), "routes", "usd");
        }
    }

    @Test
    void theListOfModelsTakesNothing() throws Exception {
        upstream.script(answering(200, "application/json", "{\"object\":\"list\",\"data\":[{\"id\":\"m\"}]}"));
        for (int i = 0; i < 3; i++) {
            assertEquals(200, function.reply(event("lists", "/v1/models", "")).getInt("statusCode"));
        }
        function.lambda.awaitPoll();
        table.requireUntouched("lists");
    }

    @Test
    void anotherLambdaIsRefusedByAFunctionError() throws Exception {
        upstream.script(ANSWER);
        for (int i = 0; i < 3; i++) {
            assertEquals(completionBody(3, 5), function.invoke(CHAT).text());
        }
        Outcome refused = function.invoke(CHAT);
        assertTrue(refused.functionError(), refused.text());
        var said = Events.json(refused.text());
        assertEquals("Chat.BudgetExceeded", said.getString("errorType"));
        var error = Events.json(said.getString("errorMessage")).getJsonObject("error");
        assertEquals("budget_exceeded insufficient_quota", error.getString("code") + " " + error.getString("type"));
        assertTrue(MINUTE.matcher(error.getString("message")).find(), error.toString());
        assertTrue(streams.invoke(CHAT).text().contains("Chat.BudgetExceeded"), "in mode stream too");
        function.lambda.awaitPoll();
        streams.lambda.awaitPoll();
        table.requireUsed("3", "direct", "requests");
        table.requireUsed("24", "direct", "tokens");
    }

    @ParameterizedTest
    @ValueSource(strings = { "iam", "passthrough" })
    void callersWhomSomebodyElseKnowsAreOneClient(String auth) throws Exception {
        var its = dynalite.table();
        try (var instance = Deployed.against(upstream.url(), its.settings(auth + "=2requests/month", "CHAT_AUTH", auth))) {
            upstream.script(ANSWER);
            var said = new ArrayList<Integer>();
            for (String caller : List.of("one", "two", "three")) {
                said.add(instance.reply(chat(caller, CHAT)).getInt("statusCode"));
            }
            assertEquals(List.of(200, 200, 429), said);
            instance.lambda.awaitPoll();
            its.requireUsed("2", auth, "requests");
        }
    }

    // What costs nothing, what is given back, and what is kept.

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            mistaken | ''
            mistaken | {
            mistaken | {"model":"m"}
            mistaken | {"model":"other","messages":[]}
            strict   | {"model":"m","messages":[],"max_tokens":1,"max_tokens":100000}
            strict   | {"model":"m","messages":[],"max_completion_tokens":1,"max_completion_tokens":100000}
            strict   | {"model":"m","messages":[],"max_tokens":1,"n":1,"n":100}
            strict   | {"model":"m","messages":[],"stream":true,"stream_options":{},"stream_options":{"include_usage":false}}
            strict   | {"model":"m","messages":[],"stream":false,"stream":true}
            """)
    void whatWeRefuseIsNeverReserved(String client, String body) throws Exception {
        upstream.script(ANSWER);
        for (Deployed each : List.of(function, streams)) {
            String said = each.invoke(chat(client, body)).text();
            assertTrue(said.contains("\"statusCode\":40"), said);
            assertFalse(said.contains("x-chat-budget"), said);
            each.lambda.awaitPoll();
        }
        assertEquals(0, upstream.requests.size());
        table.requireUntouched(client);
    }

    @Test
    void whatRunsInTheBackgroundCannotBeCountedAndIsRefused() throws Exception {
        upstream.script(answering(200, "application/json", answerOf(RESPONSES_PATH)));
        String body = "{\"model\":\"m\",\"input\":\"Hi\",\"background\":true}";
        assertEquals(400, function.reply(event("mistaken", RESPONSES_PATH, body)).getInt("statusCode"));
        assertEquals(401, function.reply(event("nobody", RESPONSES_PATH, body)).getInt("statusCode"));
        assertEquals(200, function.reply(event("free", RESPONSES_PATH, body)).getInt("statusCode"), "nobody's budget");
        function.lambda.awaitPoll();
        table.requireUntouched("mistaken");
        table.requireUntouched("nobody");
    }

    private static BigDecimal tokensOf(String body) {
        return BigDecimal.valueOf(quarter(body) + 10);
    }

    private static BigDecimal usdOf(String body) {
        return dollars("0.001").multiply(BigDecimal.valueOf(quarter(body))).add(dollars("0.1"));
    }

    /** @return what it has come to, as requests, tokens and dollars */
    private static List<BigDecimal> costs(Deployed instance, Dynalite.Table its, String client, String body) throws InterruptedException {
        instance.lambda.awaitPoll();
        var before = Stream.of("requests", "tokens", "usd").map(unit -> its.used(client, unit, "month")).toList();
        instance.invoke(chat(client, body));
        instance.lambda.awaitPoll();
        var after = Stream.of("requests", "tokens", "usd").map(unit -> its.used(client, unit, "month")).toList();
        return Stream.of(0, 1, 2).map(i -> after.get(i).subtract(before.get(i)).stripTrailingZeros()).toList();
    }

    private static void requireCosts(String what, List<BigDecimal> costs, String requests, BigDecimal tokens, BigDecimal usd) {
        assertEquals(Stream.of(dollars(requests), tokens, usd).map(BigDecimal::stripTrailingZeros).map(BigDecimal::toPlainString).toList(),
                costs.stream().map(BigDecimal::toPlainString).toList(), what);
    }

    @ParameterizedTest
    @ValueSource(ints = { 400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 529 })
    void whatTheUpstreamAnswersWithAnErrorIsGivenBackButWasARequest(int status) throws Exception {
        for (Deployed each : List.of(function, streams)) {
            for (String body : List.of(DEAR, DEAR_STREAM)) {
                upstream.script(answering(status, "application/json", "{\"error\":{\"message\":\"no\"}}"));
                requireCosts(status + " " + body, costs(each, table, "failed", body), "1", BigDecimal.ZERO, BigDecimal.ZERO);
                String said = FaultIT.told(each.invoke(chat("failed", body)));
                assertTrue(said.contains(" x-chat-budget: 1000requests/month;used="), said);
                each.lambda.awaitPoll(); // the other instance looks at the same items
            }
        }
    }

    @Test
    void whereNoConnectionWasHadAllIsGivenBack() throws Exception {
        var its = dynalite.table();
        int closed;
        try (var socket = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            closed = socket.getLocalPort();
        }
        try (var instance = Deployed.against(URI.create("http://127.0.0.1:" + closed), its.settings(ONE, "CHAT_AUTH", "keys",
                "CHAT_CLIENT_KEYS", keys("one"), "CHAT_PRICES", PRICES, "CHAT_RETRIES", "1"))) {
            requireCosts("", costs(instance, its, "one", DEAR), "0", BigDecimal.ZERO, BigDecimal.ZERO);
            assertEquals("502 upstream_unreachable", instance.accessLine().path("status").asText() + " "
                    + instance.accessLine().path("code").asText());
        }
    }

    private record Fault(String name, String body, boolean streamed, Script script) {

        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<Fault> whatMayHaveCostMoney() {
        String head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
        return Stream.of(
                new Fault("the upstream's own 504", DEAR, false, answering(504, "application/json", "{\"error\":{\"message\":\"no\"}}")),
                new Fault("the upstream's own 504, of a stream", DEAR_STREAM, true, answering(504, "application/json", "{}")),
                new Fault("a connection lost in the answer", DEAR, false, thenCloses(head)),
                new Fault("HTML", DEAR, false, answering(200, "text/html", "<html>")),
                new Fault("HTML where a stream was asked for", DEAR_STREAM, true, answering(200, "text/html", "<html>")),
                new Fault("JSON cut short", DEAR, false, answering(200, "application/json", "{\"choices\":[")),
                new Fault("an empty body", DEAR, false, answering(200, "application/json", "")),
                new Fault("a stream that nobody asked for", DEAR, false, streaming(delta("Hi"), DONE)),
                new Fault("an answer too large to deliver", DEAR, false, answering(200, "application/json", "{\"choices\":[],\"a\":\""
                        + "x".repeat(7_000_000) + "\"}")),
                new Fault("a stream cut after an event", DEAR_STREAM, true, thenCloses(STREAM_HEAD, chunk(delta("Hi")))),
                new Fault("a stream cut within an event", DEAR_STREAM, true, thenCloses(STREAM_HEAD, chunk(delta("Hi") + "data: {\"cho"))),
                new Fault("a stream that ends before its answer", DEAR_STREAM, true, streaming(delta("Hi"))),
                new Fault("a stream with an error after its first event", DEAR_STREAM, true,
                        streaming(delta("Hi"), "data: {\"error\":{\"message\":\"no\"}}\n\n", DONE)));
    }

    @ParameterizedTest
    @MethodSource("whatMayHaveCostMoney")
    void whatMayHaveCostMoneyKeepsItsReservation(Fault fault) throws Exception {
        for (Deployed each : fault.streamed ? List.of(function, streams) : List.of(function)) {
            upstream.script(fault.script);
            requireCosts(fault.name, costs(each, table, "kept", fault.body), "1", tokensOf(fault.body), usdOf(fault.body));
            assertEquals(1, upstream.requests.size());
        }
    }

    @Test
    void whatMayHaveCostMoneyButTellsWhatCountsAsTold() throws Exception {
        String usage = USAGE.replace("}\n\n", ",\"meta\":{\"usage\":{\"usd_spent\":0.5}}}\n\n");
        for (Script script : List.of(thenCloses(STREAM_HEAD, chunk(delta("Hi")), chunk(usage)),
                streaming(delta("Hi"), usage, "data: {\"error\":{\"message\":\"no\"}}\n\n", DONE))) {
            for (Deployed each : List.of(function, streams)) {
                upstream.script(script);
                requireCosts("", costs(each, table, "kept", DEAR_STREAM), "1", dollars("15"), dollars("0.5"));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = { "buffered", "stream" })
    void whatTakesTooLongKeepsItsReservation(String mode) throws Exception {
        var its = dynalite.table();
        var goOn = new CountDownLatch(1);
        try (var instance = Deployed.against(upstream.url(), its.settings(ONE,
                "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keys("one"), "CHAT_PRICES", PRICES, "CHAT_TIMEOUT", "1s",
                "CHAT_RESPONSE_MODE", mode,
                "CHAT_STREAM_IDLE_TIMEOUT", "1s"), mode.equals("stream") ? InvokeMode.RESPONSE_STREAM : InvokeMode.BUFFERED)) {
            for (Script script : List.<Script>of((request, connection) -> ScriptedUpstream.await(goOn), (request, connection) -> {
                write(connection, STREAM_HEAD + chunk(delta("Hi")));
                ScriptedUpstream.await(goOn);
            })) {
                upstream.script(script);
                requireCosts("", costs(instance, its, "one", DEAR_STREAM), "1", tokensOf(DEAR_STREAM), usdOf(DEAR_STREAM));
                assertEquals("upstream_timeout", instance.accessLine().path("code").asText());
            }
        } finally {
            goOn.countDown();
        }
    }

    @Test
    void fallbacksAndRetriesCountForTheModelThatAnswered() throws Exception {
        var its = dynalite.table();
        try (var instance = Deployed.against(upstream.url(), its.settings(ONE,
                "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keys("one"), "CHAT_PRICES", "first=1000/10000,second=1/1", "CHAT_RETRIES", "1",
                "CHAT_FALLBACK_MODELS", "second"))) {
            String body = CHAT.replace("\"m\"", "\"first\"");
            upstream.script((request, connection) -> (request.text().contains("first") ? answering(404, "application/json", "{}") : ANSWER)
                    .answer(request, connection));
            requireCosts("a fallback", costs(instance, its, "one", body), "1", dollars("8"), dollars("0.000008"));
            var attempts = new AtomicInteger();
            upstream.script((request, connection) -> (attempts.getAndIncrement() == 0
                    ? answering(503, "application/json", "{}", "retry-after: 0") : ANSWER).answer(request, connection));
            requireCosts("a retry", costs(instance, its, "one", body), "1", dollars("8"), dollars("0.053"));
            upstream.script(answering(404, "application/json", "{}"));
            requireCosts("none", costs(instance, its, "one", body), "1", BigDecimal.ZERO, BigDecimal.ZERO);
        }
    }

    // What a stream tells.

    static Stream<String> streamOptions() {
        return Stream.of("", "\"stream_options\":{},", "\"stream_options\": { } ,", "\"stream_options\":null,",
                "\"stream_options\":{\"include_usage\":false},", "\"stream_options\":{\"include_usage\":null},",
                "\"stream_options\":{\"include_obfuscation\":false},", "\"stream_options\" : {\"a\":{\"include_usage\":true}, \"b\":[1]},",
                "\"stream_options\":{\"include_usage\":\"yes\",\"x\":1e400},", "\"stream_options\":{\"include_usage\":true},");
    }

    @ParameterizedTest
    @MethodSource("streamOptions")
    void aStreamIsAskedForItsUsageAndOnlyWhoAskedForItSeesIt(String options) throws Exception {
        boolean asked = options.contains("{\"include_usage\":true},") && !options.contains("\"a\"");
        for (String client : List.of("asks", "counts")) {
            for (Deployed each : List.of(function, streams)) {
                upstream.script(streaming(delta("Hi"), USAGE, DONE));
                String body = "{ \"stream\" : true, " + options + CHAT.substring(1);
                each.lambda.awaitPoll();
                String said = FaultIT.told(each.invoke(chat(client, body)));
                assertTrue(said.startsWith("200"), said);
                assertTrue(said.endsWith(delta("Hi") + (asked ? USAGE : "") + DONE), said);
                var sent = (ObjectNode) JSON.readTree(upstream.request().text());
                assertTrue(sent.at("/stream_options/include_usage").asBoolean(), sent.toString());
                assertTrue(sent.at("/stream_options/include_usage").isBoolean(), sent.toString());
                requireOthersAsTheyWere(body, sent);
                if (asked) {
                    assertEquals(body, upstream.request().text());
                }
                JsonNode line = each.accessLine();
                assertEquals("7 8 false", String.join(" ", line.path("promptTokens").asText(), line.path("completionTokens").asText(),
                        Boolean.toString(line.has("estimated"))));
            }
        }
    }

    /** All but {@code include_usage}. */
    private static void requireOthersAsTheyWere(String body, ObjectNode sent) throws IOException {
        var expected = (ObjectNode) JSON.readTree(body);
        for (ObjectNode each : List.of(expected, sent)) {
            if (each.get("stream_options") instanceof ObjectNode options) {
                options.remove("include_usage");
            }
            if (!each.path("stream_options").isObject() || each.path("stream_options").isEmpty()) {
                each.remove("stream_options");
            }
        }
        assertEquals(expected, sent);
    }

    /** Parsers disagree which of several counts; none may read that no usage is asked for. */
    @ParameterizedTest
    @ValueSource(strings = { "\"stream_options\":{\"include_usage\":true,\"include_usage\":false}",
            "\"stream_options\":{\"include_usage\":false,\"include_usage\":true}",
            "\"stream_options\":{\"include_usage\":true,\"include\\u005fusage\":false}",
            "\"stream_options\":{\"include_usage\":true},\"stream\\u005foptions\":{\"include_usage\":false}",
            "\"stream\\u005foptions\":{\"include\\u005fusage\":false}" })
    void nobodyGetsAroundBeingCounted(String members) throws Exception {
        upstream.script(streaming(delta("Hi"), USAGE, DONE));
        String said = FaultIT.told(streams.invoke(chat("asks", "{" + members + "," + STREAM.substring(1))));
        if (said.startsWith("400")) {
            assertEquals(0, upstream.requests.size());
        } else {
            assertFalse(upstream.request().text().contains("false"), upstream.request().text());
            assertTrue(JSON.readTree(upstream.request().text()).at("/stream_options/include_usage").asBoolean());
        }
    }

    @Test
    void theBytesThatAreFilledInAreAllThatChanges() {
        String body = "{ \"stream\" : true, \"x\":1e400, \"messages\":[{\"role\":\"user\",\"content\":\"\\ud83d\"}], \"model\":\"m\" }";
        upstream.script(streaming(delta("Hi"), USAGE, DONE));
        streams.invoke(chat("asks", body));
        String sent = upstream.request().text();
        assertEquals(body, sent.replaceFirst(",?\\s*\"stream_options\":\\{\"include_usage\":true\\},?", ""));
    }

    @ParameterizedTest
    @ValueSource(strings = { "free", "counted" })
    void aStreamOfWhomTokensAndDollarsDoNotMatterIsLeftAsItIs(String client) {
        upstream.script(streaming(delta("Hi"), USAGE, DONE));
        String said = FaultIT.told(streams.invoke(chat(client, STREAM)));
        assertEquals(STREAM, upstream.request().text());
        assertTrue(said.endsWith(delta("Hi") + USAGE + DONE), said);
    }

    @ParameterizedTest
    @ValueSource(strings = { CHAT_PATH, RESPONSES_PATH, EMBEDDINGS_PATH })
    void whatIsNoStreamOfChatIsNotAskedForUsage(String path) {
        String body = path.equals(CHAT_PATH) ? CHAT : "{\"model\":\"m\",\"input\":\"Hi\"}";
        upstream.script(answering(200, "application/json", answerOf(path)));
        streams.invoke(event("asks", path, body));
        assertEquals(body, upstream.request().text());
        if (path.equals(RESPONSES_PATH)) {
            String stream = "{\"stream\":true," + body.substring(1);
            upstream.script(streaming(COMPLETED.replace("}}", ",\"usage\":{\"input_tokens\":3,\"output_tokens\":5}}}")));
            streams.invoke(event("asks", path, stream));
            assertEquals(stream, upstream.request().text());
        }
    }

    /** Only the event that was not asked for goes: Azure begins its streams with an event of no choices. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            no choices, but no usage  | data: {"choices":[],"prompt_filter_results":[]}\\n\\n | true
            choices, and usage        | data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":7,"completion_tokens":8}}\\n\\n | true
            usage, spaces in between  | data: { "usage" : {"prompt_tokens":7,"completion_tokens":8} , "choices" : [ ] }\\n\\n | false
            usage, CR and LF          | data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":8}}\\r\\n\\r\\n | false
            usage, over two lines     | data: {"choices":[],\\ndata: "usage":{"prompt_tokens":7,"completion_tokens":8}}\\n\\n | false
            usage, with an id         | id: 1\\ndata: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":8}}\\n\\n | false
            """)
    void onlyTheEventThatWasNotAskedForIsLeftOut(String what, String given, boolean goesOut) throws Exception {
        String event = given.replace("\\n", "\n").replace("\\r", "\r");
        for (String[] chunks : List.of(new String[] { delta("Hi"), event, DONE }, new String[] { delta("Hi") + event + DONE },
                (delta("Hi") + event + DONE).split("(?s)(?<=\\G.{7})"))) {
            upstream.script(streaming(Arrays.stream(chunks).filter(each -> !each.isEmpty()).toArray(String[]::new)));
            String said = FaultIT.told(streams.invoke(chat("asks", STREAM)));
            assertTrue(said.endsWith(delta("Hi") + (goesOut ? event : "") + DONE), what + ": " + said);
            JsonNode line = streams.accessLine();
            assertEquals(event.contains("usage") ? "7" : "", line.path("estimated").asBoolean() ? "" : line.path("promptTokens").asText());
        }
    }

    @Test
    void aStreamThatTellsNoUsageIsCountedByItsText() throws Exception {
        String priced = STREAM.replace("\"m\"", "\"priced\"");
        upstream.script(streaming(delta("Grüße"), delta("Hi") + delta("12345678"), "data: {\"choices\":[{\"delta\":{}}]}\n\n",
                "data: {\"choices\":[],\"other\":1}\n\n", delta("123456789"), DONE));
        BigDecimal usd = table.used("guess", "usd", "month");
        long text = 2 + 1 + 2 + 1 + 3; // each event by itself
        requireEqual(Long.toString(quarter(priced) + text),
                settled(streams, "guess", "tokens", () -> streams.invoke(chat("guess", priced))));
        table.requireUsed(usd.add(dollars("0.001").multiply(BigDecimal.valueOf(quarter(priced)))).add(
                dollars("0.01").multiply(BigDecimal.valueOf(text))), "guess", "usd");
        assertTrue(streams.accessLine().path("estimated").asBoolean());
    }

    @Test
    void aStreamOfResponsesThatTellsNoUsageIsCountedByItsTextToo() throws Exception {
        String body = "{\"stream\":true,\"model\":\"m\",\"input\":\"Hi\"}";
        upstream.script(streaming(COMPLETED.replace("completed", "created"),
                "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"123456789\"}\n\n",
                "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"1\"}\n\n",
                COMPLETED));
        requireEqual(Long.toString(quarter(body) + 3 + 1),
                settled(streams, "guess", "tokens", () -> streams.invoke(event("guess", RESPONSES_PATH, body))));
        assertTrue(streams.accessLine().path("estimated").asBoolean());
    }

    @Test
    void aWholeAnswerThatTellsNoUsageIsCountedByItsBytes() throws Exception {
        String answer = "{\"choices\":[{\"message\":{\"content\":\"Grüß Gott\"}}]}";
        for (Deployed each : List.of(function, streams)) {
            upstream.script(answering(200, "application/json", answer));
            requireEqual(Long.toString(quarter(CHAT) + quarter(answer)),
                    settled(each, "guess", "tokens", () -> each.invoke(chat("guess", CHAT))));
            assertTrue(each.accessLine().path("estimated").asBoolean());
        }
        upstream.script(ANSWER);
        function.invoke(chat("guess", CHAT));
        assertFalse(function.accessLine().has("estimated"));
    }

    /** Beyond 64 KB an event goes on as it comes. */
    @Test
    void theTextOfALargeEventIsCountedToo() throws Exception {
        for (String text : List.of("x".repeat(100_000), "ü".repeat(100_000))) {
            upstream.script(streaming(delta("Hi"), delta(text), DONE));
            settled(streams, "guess", "usd", () -> streams.invoke(chat("guess", STREAM)));
            BigDecimal tokens = settled(streams, "guess", "tokens", () -> streams.invoke(chat("guess", STREAM)));
            long least = quarter(STREAM) + 1 + quarter(text);
            assertTrue(tokens.longValue() >= least && tokens.longValue() <= least + 100, tokens + " is not " + least);
            assertTrue(streams.accessLine().path("estimated").asBoolean());
        }
    }

    @Test
    void aStreamWhoseFirstEventIsAnErrorIsGivenBack() throws Exception {
        for (Deployed each : List.of(function, streams)) {
            upstream.script(streaming("data: {\"error\":{\"message\":\"no\",\"code\":429}}\n\n", DONE));
            requireCosts("", costs(each, table, "failed", DEAR_STREAM), "1", BigDecimal.ZERO, BigDecimal.ZERO);
        }
    }

    /** DynamoDB keeps 38 digits. What has more than 64 characters is no price. */
    @Test
    void aPriceOfManyDigitsIsCountedToTheMicroDollar() throws Exception {
        for (String digits : List.of("3".repeat(60), "9".repeat(60), "0".repeat(60) + "1")) {
            upstream.script(completion(3, 5, "x-aimlapi-usd-spent: 0." + digits));
            BigDecimal usd = settled(function, "odd", "usd", () -> function.reply(chat("odd", CHAT)));
            BigDecimal off = usd.subtract(new BigDecimal("0." + digits.substring(0, 12))).abs();
            assertTrue(off.compareTo(dollars("0.000001")) < 0, usd.toPlainString());
        }
        upstream.script(completion(3, 5, "x-aimlapi-usd-spent: 0." + "9".repeat(400)));
        requireEqual("0", settled(function, "odd", "usd", () -> function.reply(chat("odd", CHAT))));
        assertEquals(List.of(), errors(function));
    }

    @Test
    void anotherLambdasStreamIsCountedAndHasNoEventThatItDidNotAskFor() throws Exception {
        var its = dynalite.table();
        upstream.script(streaming(delta("Hi"), USAGE, DONE));
        try (var instance = Deployed.against(upstream.url(), its.settings("direct=1000000tokens/month", "CHAT_RESPONSE_MODE", "stream"),
                InvokeMode.RESPONSE_STREAM)) {
            assertEquals(delta("Hi") + DONE, instance.invoke(STREAM).text());
            String asking = "{\"stream_options\":{\"include_usage\":true}," + STREAM.substring(1);
            assertEquals(delta("Hi") + USAGE + DONE, instance.invoke(asking).text());
            instance.lambda.awaitPoll();
            its.requireUsed("30", "direct", "tokens");
        }
    }

    /** What was reserved in a window is settled in it, whichever it is by then, and the next window begins at nothing. */
    @Test
    void aWindowThatEndsAmidAnAnswerKeepsItsOwn() throws Exception {
        var its = dynalite.table();
        var settings = its.settings("edge=1requests/minute,edge=1000000tokens/minute", "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS",
                keys("edge"), "AWS_LAMBDA_MAX_CONCURRENCY", "2");
        var goOn = new CountDownLatch(1);
        var asked = new CountDownLatch(1);
        try (var instance = Deployed.against(upstream.url(), settings, InvokeMode.BUFFERED, Duration.ofMinutes(3))) {
            instance.lambda.awaitPolls(2);
            upstream.script((request, connection) -> {
                if (request.text().contains("held back")) {
                    asked.countDown();
                    assertTrue(latched(goOn));
                }
                ANSWER.answer(request, connection);
            });
            var first = CompletableFuture.supplyAsync(() -> instance.reply(chat("edge", CHAT.replace("a prompt", "held back"))));
            assertTrue(asked.await(60, TimeUnit.SECONDS));
            Set<String> window = windows(its);
            JsonObject second;
            do { // until that minute is over
                second = instance.reply(chat("edge", CHAT));
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(50));
            } while (second.getInt("statusCode") == 429);
            assertEquals(200, second.getInt("statusCode"), second.toString());
            goOn.countDown();
            assertEquals(200, first.get(60, TimeUnit.SECONDS).getInt("statusCode"));
            instance.lambda.awaitPolls(2);
            assertEquals(2, windows(its).size(), () -> its.items("edge#").toString());
            assertTrue(windows(its).containsAll(window));
            for (var item : its.items("edge#requests#")) {
                requireEqual("1", new BigDecimal(item.get("used").n()));
            }
            for (var item : its.items("edge#tokens#")) {
                requireEqual("8", new BigDecimal(item.get("used").n()));
            }
        } finally {
            goOn.countDown();
        }
    }

    private static Set<String> windows(Dynalite.Table its) {
        return its.items("edge#tokens#").stream().map(item -> item.get("pk").s()).collect(Collectors.toSet());
    }

    private static boolean latched(CountDownLatch latch) {
        try {
            return latch.await(2, TimeUnit.MINUTES);
        } catch (InterruptedException e) {
            return false;
        }
    }

    @Test
    void aStreamInABufferedFunctionIsCountedTheSame() throws Exception {
        upstream.script(streaming(delta("Hi"), USAGE, DONE));
        requireEqual("15", settled(function, "asks", "tokens", () -> {
            String said = FaultIT.told(function.invoke(chat("asks", STREAM)));
            assertTrue(said.endsWith(delta("Hi") + DONE), said);
        }));
    }

    // What is left when a process dies.

    @Test
    void aProcessThatIsKilledAmidAnAnswerLeavesItsReservation() throws Exception {
        var its = dynalite.table();
        var asked = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        upstream.script((request, connection) -> {
            asked.countDown();
            ScriptedUpstream.await(goOn);
        });
        try (var instance = Deployed.against(upstream.url(), its.settings(ONE,
                "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keys("one"), "CHAT_PRICES", PRICES))) {
            CompletableFuture.supplyAsync(() -> instance.lambda.invoke(chat("one", DEAR).getBytes(StandardCharsets.UTF_8)));
            assertTrue(asked.await(60, TimeUnit.SECONDS));
            instance.process.signal("KILL");
            instance.process.exitCode();
            its.requireUsed("1", "one", "requests");
            its.requireUsed(tokensOf(DEAR), "one", "tokens");
            its.requireUsed(usdOf(DEAR), "one", "usd");
        } finally {
            goOn.countDown();
        }
    }

    /** Its caller has the answer; the table has not yet heard what it cost. */
    @Test
    void aProcessThatIsKilledBeforeItsSettlementLeavesItsReservation() throws Exception {
        var played = new BudgetTableIT.PlayedTable();
        var settles = new CountDownLatch(1);
        var goOn = new CountDownLatch(1);
        upstream.script(ANSWER);
        try (var dynamo = ScriptedUpstream.start((request, connection) -> {
            if (BudgetTableIT.Update.of(request).isReservation()) {
                played.answer(request, connection);
            } else {
                settles.countDown();
                ScriptedUpstream.await(goOn);
            }
        });
                var instance = Deployed.against(upstream.url(), Dynalite.settings(dynamo.url(), "budgets", "one=1000000tokens/month",
                        "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", keys("one")))) {
            assertEquals(200, instance.reply(chat("one", DEAR)).getInt("statusCode"));
            assertTrue(settles.await(60, TimeUnit.SECONDS));
            instance.process.signal("KILL");
            instance.process.exitCode();
            requireEqual(tokensOf(DEAR).toString(), played.used("one#tokens#month#"));
        } finally {
            goOn.countDown();
        }
    }

    // Settings that the Parameter Store holds.

    /** A Parameter Store whose values change. */
    private static final class Parameters implements AutoCloseable {

        private final Map<String, String> values = new ConcurrentHashMap<>();
        private final ScriptedUpstream ssm = ScriptedUpstream.start((request, connection) -> {
            String name = Events.json(request.text()).getString("Name");
            String value = values.get(name.substring(name.lastIndexOf('/') + 1));
            (value == null ? answering(400, "application/x-amz-json-1.1", "{\"__type\":\"ParameterNotFound\"}")
                    : answering(200, "application/x-amz-json-1.1", Json.createObjectBuilder().add("Parameter", Json.createObjectBuilder()
                            .add("ARN", name).add("Type", "String").add("Value", value)).build().toString())).answer(request, connection);
        });

        private Deployed function(Dynalite.Table its) {
            return Deployed.against(upstream.url(), settings(its));
        }

        private Map<String, String> settings(Dynalite.Table its) {
            return its.settings(ARN + "budgets", "CHAT_AUTH", "keys", "CHAT_CLIENT_KEYS", ARN + "keys", "CHAT_PRICES", ARN + "prices",
                    "AWS_ENDPOINT_URL_SSM", ssm.url().toString());
        }

        private long reads(String name) {
            return ssm.requests.stream().filter(request -> request.text().contains("/" + name + "\"")).count();
        }

        @Override
        public void close() {
            ssm.close();
        }
    }

    private static Parameters parameters() {
        var parameters = new Parameters();
        parameters.values.putAll(Map.of("keys", keys("old"), "budgets", "old=1000requests/month,old=1000usd/month",
                "prices", "priced=1000/10000"));
        return parameters;
    }

    /** Asks with a key that is not known until that makes the function read its parameters once more, which it does once a minute. */
    private static JsonObject awaitReading(Parameters parameters, Deployed instance, String client) {
        long reads = parameters.reads("keys");
        long start = System.nanoTime();
        JsonObject reply;
        do {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(100));
            assertTrue(System.nanoTime() - start < TimeUnit.MINUTES.toNanos(10), "its parameters are not read again");
            reply = instance.reply(chat(client, CHAT));
        } while (parameters.reads("keys") == reads);
        return reply;
    }

    @Test
    void keysBudgetsAndPricesMayBeInTheParameterStore() throws Exception {
        upstream.script(ANSWER);
        var its = dynalite.table();
        try (var parameters = parameters(); var instance = parameters.function(its)) {
            var reply = instance.reply(chat("old", DEAR));
            assertEquals(200, reply.getInt("statusCode"), reply.toString());
            assertEquals(Set.of("1000requests/month", "1000usd/month"), told(reply).keySet());
            instance.lambda.awaitPoll();
            its.requireUsed("0.053", "old", "usd");
            assertEquals("1 1 1", parameters.reads("keys") + " " + parameters.reads("budgets") + " " + parameters.reads("prices"));
        }
    }

    /** All of them in one minute, since nobody may have them read twice in it. */
    @Test
    void whatTheParametersHoldCountsWithoutARestartUnlessItIsWrong() throws Exception {
        upstream.script(ANSWER);
        try (var added = parameters(); var wrong = parameters(); var gone = parameters();
                var withAdded = added.function(dynalite.table());
                var withWrong = wrong.function(dynalite.table());
                var withNone = gone.function(dynalite.table())) {
            for (Deployed each : List.of(withAdded, withWrong, withNone)) {
                assertEquals(200, each.reply(chat("old", CHAT)).getInt("statusCode"));
            }
            added.values.put("keys", keys("new"));
            added.values.put("budgets", "new=5requests/month,new=7usd/month");
            added.values.put("prices", "priced=2000/20000");
            wrong.values.putAll(Map.of("keys", "old", "budgets", "old=0usd/month", "prices", "priced=1"));
            gone.values.clear();
            var reply = awaitReading(added, withAdded, "new");
            assertEquals(200, reply.getInt("statusCode"), reply + withAdded.process.output());
            assertEquals(Set.of("5requests/month", "7usd/month"), told(reply).keySet());
            requireEqual(dollars("0.002").multiply(BigDecimal.valueOf(quarter(DEAR))).add(dollars("0.2")).toString(),
                    told(withAdded.reply(chat("new", DEAR))).get("7usd/month"));
            assertEquals(401, withAdded.reply(chat("old", CHAT)).getInt("statusCode"), "its key has been taken away");
            assertEquals(401, withAdded.reply(chat("nobody", CHAT)).getInt("statusCode"));
            assertEquals(2, added.reads("keys"), "not again within the same minute");
            assertEquals(List.of(), errors(withAdded));

            for (var each : Map.of(wrong, withWrong, gone, withNone).entrySet()) {
                Deployed instance = each.getValue();
                assertEquals(401, awaitReading(each.getKey(), instance, "nobody").getInt("statusCode"));
                reply = instance.reply(chat("old", DEAR));
                assertEquals(Set.of("1000requests/month", "1000usd/month"), told(reply).keySet());
                requireEqual(usdOf(DEAR).toString(), told(reply).get("1000usd/month"));
                for (String variable : List.of("CHAT_CLIENT_KEYS", "CHAT_BUDGETS", "CHAT_PRICES")) {
                    assertTrue(errors(instance).stream().anyMatch(error -> error.contains(variable)), instance.process.output());
                }
            }
        }
    }

    /** The messages of its lines of level ERROR that are no access lines. */
    static List<String> errors(Deployed instance) {
        return instance.process.messages().stream().map(LogLines::check).filter(line -> line.path("level").asText().equals("ERROR"))
                .map(line -> line.path("message").asText()).toList();
    }

    @ParameterizedTest
    @CsvSource({ "keys, CHAT_CLIENT_KEYS", "budgets, CHAT_BUDGETS", "prices, CHAT_PRICES" })
    void aParameterThatCannotBeReadStopsTheStart(String name, String variable) throws Exception {
        var its = dynalite.table();
        try (var parameters = parameters(); var lambda = LocalLambda.start(0, InvokeMode.BUFFERED, Duration.ofSeconds(30))) {
            parameters.values.remove(name);
            var environment = parameters.settings(its);
            environment.putAll(Map.of("AWS_LAMBDA_RUNTIME_API", lambda.runtimeApi(), "CHAT_API_KEY", Deployed.KEY, "CHAT_URL",
                    upstream.url().toString()));
            try (var process = Deployed.FunctionProcess.start(environment)) {
                String error = lambda.initError(Duration.ofSeconds(30));
                assertTrue(error.contains(variable) && error.contains(ARN + name), error);
                assertEquals(1, process.exitCode());
            }
        }
    }

    // What its operator does to a budget.

    /** The recipe as it is printed, for the item of this test and of this month. */
    @Test
    void theAwsCliReadsABudgetAndSetsIt() throws Exception {
        if (!RecipesIT.works("aws", "--version")) {
            boolean mustBeThere = "true".equals(System.getenv("CI")) && System.getenv("RECIPES_LEFT_OUT") == null;
            assertFalse(mustBeThere, "no aws, which .ci/run or .github/tools installs");
            abort("no aws here");
        }
        upstream.script(ANSWER);
        assertEquals(200, function.reply(chat("cli", CHAT)).getInt("statusCode"));
        requireRefused(function.reply(chat("cli", CHAT)), "budget_exceeded", "insufficient_quota");
        function.lambda.awaitPoll();
        String recipe = Events.read(Path.of("recipes/aws-dynamodb-budget.sh"));
        assertTrue(recipe.contains("app#usd#month#2026-11"), recipe);
        var builder = new ProcessBuilder("sh", "-ec", recipe.replace("app#usd#month#2026-11",
                table.items("cli#").get(0).get("pk").s())).redirectErrorStream(true);
        builder.environment().putAll(Map.of("AWS_ACCESS_KEY_ID", Dynalite.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY", Dynalite.SECRET_KEY,
                "AWS_DEFAULT_REGION", Dynalite.REGION, "AWS_PAGER", "", "AWS_ENDPOINT_URL_DYNAMODB", dynalite.url().toString(),
                "TABLE", table.name()));
        var process = builder.start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        assertEquals(0, process.waitFor(), said);
        assertEquals("1", said);
        assertEquals(200, function.reply(chat("cli", CHAT)).getInt("statusCode"));
        requireRefused(function.reply(chat("cli", CHAT)), "budget_exceeded", "insufficient_quota");
    }
}
