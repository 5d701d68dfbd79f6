package chatlambda.budget;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.budget.Prices.Price;
import chatlambda.chat.ChatError;
import chatlambda.chat.Metering;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.jboss.logmanager.formatters.PatternFormatter;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The ledger against a table that keeps what {@code UpdateItem} promises, on connections that the test watches and spoils. */
class LedgerTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration KEEP_ALIVE = Duration.ofSeconds(30);
    private static final String SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    private static final PatternFormatter MESSAGE = new PatternFormatter("%s");

    private final Table table;
    private final List<String> logged = Collections.synchronizedList(new ArrayList<>());
    private final Handler log = new Handler() {
        @Override
        public void publish(LogRecord line) {
            logged.add(line.getLevel() + " " + MESSAGE.format(line));
        }

        @Override
        public void flush() {
            // nothing is kept back
        }

        @Override
        public void close() {
            // nothing is open
        }
    };
    private Instant now = Instant.parse("2026-11-25T07:54:31.250Z");
    private Ledger ledger;

    LedgerTest() throws IOException {
        table = new Table();
    }

    /** The first signature of a JVM takes a good part of the second that there is. */
    @BeforeAll
    static void warmUp() throws Exception {
        try (var one = new Table()) {
            assertNull(budgetTable(one, KEEP_ALIVE).connect(1).get(0).get(30, TimeUnit.SECONDS));
        }
    }

    @BeforeEach
    void begin() {
        Logger.getLogger(Ledger.class.getName()).addHandler(log);
        ledger = ledger(Ledger.OnFailure.REFUSE, KEEP_ALIVE);
    }

    @AfterEach
    void end() {
        Logger.getLogger(Ledger.class.getName()).removeHandler(log);
        table.close();
        assertEquals(Set.of(), table.surprises);
        assertFalse(logged.toString().contains(SECRET), "a secret in the log");
    }

    private BudgetTable budgetTable(Duration keepAlive) {
        return budgetTable(table, keepAlive);
    }

    private static BudgetTable budgetTable(Table table, Duration keepAlive) {
        return new BudgetTable("chat-budgets", Map.of("AWS_ENDPOINT_URL_DYNAMODB", table.url(), "AWS_REGION", "eu-central-1",
                "AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY", SECRET), Duration.ofSeconds(1), keepAlive);
    }

    private Ledger ledger(Ledger.OnFailure onFailure, Duration keepAlive) {
        return new Ledger(budgetTable(keepAlive), onFailure, () -> now);
    }

    private static Budget budget(String client, String limit, Unit unit, Period period) {
        return new Budget(client, new BigDecimal(limit), unit, period);
    }

    private static Budget usd(String limit, Period period) {
        return budget("app", limit, Unit.USD, period);
    }

    private static Budget tokens(String limit, Period period) {
        return budget("app", limit, Unit.TOKENS, period);
    }

    private static Budget requests(String limit, Period period) {
        return budget("app", limit, Unit.REQUESTS, period);
    }

    /** Of the invocation. */
    private static final Duration LEFT = Duration.ofMinutes(1);
    private static final Metering SMALL = new Metering(10, 20, false);
    /** A dollar for a million, of both. */
    private static final Price DOLLAR = new Price("*", BigDecimal.ONE, BigDecimal.ONE);

    private Reservation reserve(Budget... budgets) {
        return reserve(List.of(budgets), SMALL, DOLLAR);
    }

    private Reservation reserve(List<Budget> budgets, Metering request, Price price) {
        return ledger.reserve(budgets, request, price, LEFT);
    }

    private void settle(Reservation reservation, Spent spent) {
        ledger.settle(reservation, spent, LEFT);
    }

    /** @param millionths of a dollar */
    private static Metering costing(long millionths) {
        return new Metering(millionths, 0, false);
    }

    private static Spent spent(String tokens, String usd) {
        return new Spent(true, tokens == null ? null : new BigDecimal(tokens), usd == null ? null : new BigDecimal(usd));
    }

    private static ChatError refusal(Reservation reservation) {
        assertNotNull(reservation.refusal(), "it was not refused");
        return reservation.refusal();
    }

    // What goes to the table.

    @Test
    void anUpdateAddsToTheWindowsItemIfThatHasRoom() throws IOException {
        assertNull(reserve(tokens("100", Period.DAY)).refusal());
        assertEquals(JSON.readTree("""
                {"TableName": "chat-budgets", "Key": {"pk": {"S": "app#tokens#day#2026-11-25"}},
                 "UpdateExpression": "ADD #u :a SET #e = :e", "ConditionExpression": "attribute_not_exists(#u) OR #u <= :m",
                 "ReturnValuesOnConditionCheckFailure": "ALL_OLD", "ExpressionAttributeNames": {"#u": "used", "#e": "expires"},
                 "ExpressionAttributeValues": {":a": {"N": "30"}, ":e": {"N": "1795737600"}, ":m": {"N": "70"}},
                 "ReturnValues": "UPDATED_NEW"}
                """), table.asked.get(0));
        Map<String, String> head = table.heads.get(0);
        assertEquals("DynamoDB_20120810.UpdateItem", head.get("x-amz-target"));
        assertEquals("application/x-amz-json-1.0", head.get("content-type"));
        assertTrue(head.get("authorization").matches("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\\d{8}/eu-central-1/dynamodb/aws4_request,"
                + " .*"));
        assertEquals(Instant.parse("2026-11-27T00:00:00Z").getEpochSecond(), 1_795_737_600L, "the window's end plus a day");
    }

    @ParameterizedTest
    @CsvSource({ "MINUTE, 2026-11-25T07:54Z", "HOUR, 2026-11-25T07Z", "DAY, 2026-11-25", "MONTH, 2026-11" })
    void eachUnitIsReservedInItsOwnItem(Period period, String window) {
        assertNull(reserve(requests("5", period), tokens("100", period), usd("1", period), budget("all", "9", Unit.USD, period)).refusal());
        String in = "#" + period.label() + "#" + window;
        assertEquals(Map.of("app#requests" + in, "1", "app#tokens" + in, "30", "app#usd" + in, "0.00003", "all#usd" + in, "0.00003"),
                table.used());
    }

    @Test
    void withoutAPriceNoDollarsAreReserved() {
        assertNull(reserve(List.of(usd("1", Period.DAY)), SMALL, null).refusal());
        assertEquals(Map.of("app#usd#day#2026-11-25", "0"), table.used());
    }

    @Test
    void allBudgetsAreAskedAtOnceEachOnAConnectionOfItsOwn() {
        table.together = new CountDownLatch(4);
        assertNull(reserve(requests("5", Period.MINUTE), requests("5", Period.HOUR), requests("5", Period.DAY), requests("5", Period.MONTH))
                .refusal());
        assertEquals(4, table.opened.get());
        assertEquals(4, table.asked.size());
    }

    // Windows.

    @ParameterizedTest
    @CsvSource({ "MINUTE, 2026-11-25T07:55:00Z, 2026-11-25T07:54Z, 2026-11-25T07:55Z",
            "HOUR, 2026-11-25T08:00:00Z, 2026-11-25T07Z, 2026-11-25T08Z", "DAY, 2026-11-26T00:00:00Z, 2026-11-25, 2026-11-26",
            "DAY, 2028-03-01T00:00:00Z, 2028-02-29, 2028-03-01", "MONTH, 2026-12-01T00:00:00Z, 2026-11, 2026-12",
            "MONTH, 2027-01-01T00:00:00Z, 2026-12, 2027-01" })
    void theLastNanosecondOfAWindowAndTheFirstOfTheNextCountInTwoItems(Period period, Instant edge, String before, String after) {
        Budget budget = requests("1", period);
        String item = "app#requests#" + period.label() + "#";
        now = edge.minusNanos(1);
        assertNull(reserve(budget).refusal());
        assertEquals("1", refusal(reserve(budget)).headers().get("retry-after"));
        now = edge;
        assertNull(reserve(budget).refusal(), "a new window has room");
        assertNotNull(reserve(budget).refusal());
        assertEquals(Map.of(item + before, "1", item + after, "1"), table.used());
    }

    @Test
    void aRequestIsSettledInTheWindowInWhichItWasReserved() {
        now = Instant.parse("2026-11-30T23:59:59.999999999Z");
        Reservation old = reserve(tokens("100", Period.DAY), tokens("1000", Period.MONTH));
        now = Instant.parse("2026-12-01T00:00:00Z");
        Reservation young = reserve(tokens("100", Period.DAY), tokens("1000", Period.MONTH));
        now = Instant.parse("2026-12-02T00:00:00Z");
        settle(old, spent("7", null));
        settle(young, spent("90", null));
        assertEquals(Map.of("app#tokens#day#2026-11-30", "7", "app#tokens#month#2026-11", "7", "app#tokens#day#2026-12-01", "90",
                "app#tokens#month#2026-12", "90"), table.used());
        assertEquals(Instant.parse("2026-12-02T00:00:00Z").getEpochSecond(), table.items.get("app#tokens#day#2026-11-30").expires);
        assertEquals(Instant.parse("2027-01-05T00:00:00Z").getEpochSecond(), table.items.get("app#tokens#month#2026-11").expires);
    }

    // Limits.

    @Test
    void aBudgetOfThreeRequestsLetsThreeThrough() {
        for (int i = 0; i < 3; i++) {
            assertNull(reserve(requests("3", Period.MINUTE)).refusal());
        }
        for (int i = 0; i < 2; i++) {
            assertNotNull(reserve(requests("3", Period.MINUTE)).refusal());
        }
        assertEquals(Map.of("app#requests#minute#2026-11-25T07:54Z", "3"), table.used());
    }

    /** As binary floating point three times 0.1 is more than 0.3. */
    @Test
    void dollarsAreCountedExactlyUpToTheLimitAndNoFurther() {
        Budget budget = usd("0.3", Period.DAY);
        for (int i = 0; i < 3; i++) {
            assertNull(reserve(List.of(budget), costing(100_000), DOLLAR).refusal());
        }
        assertEquals(Map.of("app#usd#day#2026-11-25", "0.3"), table.used());
        assertNotNull(reserve(List.of(budget), costing(1), DOLLAR).refusal());
        assertNull(reserve(List.of(budget), costing(0), DOLLAR).refusal(), "what may take nothing has room in a full budget");
    }

    @Test
    void manyCallersAtOnceGetNoMoreThanTheBudget() throws InterruptedException {
        var through = new AtomicInteger();
        var callers = Executors.newFixedThreadPool(8);
        for (int i = 0; i < 200; i++) {
            callers.execute(() -> {
                if (reserve(requests("100", Period.MONTH)).refusal() == null) {
                    through.incrementAndGet();
                }
            });
        }
        callers.shutdown();
        assertTrue(callers.awaitTermination(60, TimeUnit.SECONDS));
        assertEquals(100, through.get());
        assertEquals(Map.of("app#requests#month#2026-11", "100"), table.used());
        assertTrue(table.opened.get() <= 8, () -> table.opened + " connections for 8 callers");
    }

    @Test
    void aReserveAboveTheLimitIsRefusedWithoutAsking() {
        Reservation reservation = reserve(requests("5", Period.MONTH), tokens("29", Period.DAY));
        ChatError refused = refusal(reservation);
        assertEquals("this request may take more than all of the budget app=29tokens/day, which begins anew at 2026-11-26T00:00Z: send"
                + " less, or ask for fewer tokens (max_tokens)", refused.getMessage());
        assertEquals("429 budget_exceeded insufficient_quota BudgetExceeded", told(refused));
        assertEquals("false", refused.headers().get("x-should-retry"));
        assertTrue(reservation.isUsedUp());
        assertEquals("", reservation.header());
        settle(reservation, Spent.NOTHING);
        assertEquals(List.of(), table.asked);
        assertNull(reserve(tokens("30", Period.DAY)).refusal(), "as much as the limit fits");
    }

    /** The same request would not fit a minute later either. */
    @Test
    void aRequestThatIsTooLargeForAMinuteIsNotAskedAgain() {
        ChatError refused = refusal(reserve(tokens("29", Period.MINUTE)));
        assertEquals("429 rate_limit_exceeded rate_limit_error BudgetExceeded", told(refused));
        assertEquals("false", refused.headers().get("x-should-retry"));
        assertEquals("29", refused.headers().get("retry-after"));
    }

    private static String told(ChatError error) {
        return error.status() + " " + error.code() + " " + error.type() + " " + error.kind();
    }

    @Test
    void aRefusalNamesTheBudgetItsLimitWhenItBeginsAnewAndWhatIsUsed() {
        table.put("app#usd#month#2026-11", "19.500");
        ChatError refused = refusal(reserve(List.of(usd("20", Period.MONTH)), costing(750_000), DOLLAR));
        assertEquals("the budget app=20usd/month, which begins anew at 2026-12-01T00:00Z, has no room for this request: 19.5 of 20 usd are"
                + " used, and this request may take 0.75", refused.getMessage());
        assertEquals("429 budget_exceeded insufficient_quota BudgetExceeded", told(refused));
        assertEquals(Map.of("retry-after", "489929", "x-should-retry", "false"), refused.headers());
    }

    @Test
    void aTableThatDoesNotTellWhatIsUsedIsEnoughToRefuse() {
        table.tellsUsed = false;
        table.put("app#requests#hour#2026-11-25T07Z", "1");
        assertEquals("the budget app=1requests/hour, which begins anew at 2026-11-25T08:00Z, has no room for this request",
                refusal(reserve(requests("1", Period.HOUR))).getMessage());
    }

    @Test
    void aBudgetForAMinuteIsARateThatTheSdksMayWaitFor() {
        table.put("app#tokens#minute#2026-11-25T07:54Z", "100");
        ChatError refused = refusal(reserve(tokens("100", Period.MINUTE)));
        assertEquals("429 rate_limit_exceeded rate_limit_error BudgetExceeded", told(refused));
        assertEquals(Map.of("retry-after", "29"), refused.headers());
    }

    @ParameterizedTest
    @CsvSource({ "2026-11-25T07:54:00Z, 60", "2026-11-25T07:54:00.000000001Z, 60", "2026-11-25T07:54:00.999999999Z, 60",
            "2026-11-25T07:54:01Z, 59", "2026-11-25T07:54:58.999Z, 2", "2026-11-25T07:54:59Z, 1", "2026-11-25T07:54:59.999999999Z, 1" })
    void retryAfterIsRoundedUpToWholeSeconds(Instant at, String seconds) {
        now = at;
        table.put("app#requests#minute#2026-11-25T07:54Z", "1");
        assertEquals(seconds, refusal(reserve(requests("1", Period.MINUTE))).headers().get("retry-after"));
    }

    @Test
    void ofSeveralThatRefuseTheOneWhoseWindowEndsLastAnswers() {
        table.put("app#requests#minute#2026-11-25T07:54Z", "1");
        table.put("app#requests#month#2026-11", "1");
        table.put("app#requests#day#2026-11-25", "1");
        var all = List.of(requests("1", Period.MINUTE), requests("1", Period.MONTH), requests("1", Period.DAY), requests("1", Period.HOUR));
        for (int i = 0; i < all.size(); i++) {
            var turned = new ArrayList<>(all);
            Collections.rotate(turned, i);
            ChatError refused = refusal(reserve(turned, SMALL, DOLLAR));
            assertTrue(refused.getMessage().startsWith("the budget app=1requests/month, which begins anew at 2026-12-01T00:00Z, "),
                    refused::getMessage);
            assertEquals("budget_exceeded", refused.code());
        }
        ChatError refused = refusal(reserve(requests("1", Period.MINUTE), requests("1", Period.DAY)));
        assertTrue(refused.getMessage().startsWith("the budget app=1requests/day, "), refused::getMessage);
    }

    @Test
    void theSharedBudgetsRefusalTellsNoAmounts() {
        table.put("all#tokens#month#2026-11", "71");
        Budget shared = budget("all", "100", Unit.TOKENS, Period.MONTH);
        ChatError refused = refusal(reserve(shared, requests("5", Period.DAY)));
        assertEquals("the budget that all callers share, which begins anew at 2026-12-01T00:00Z, has no room for this request",
                refused.getMessage());
        assertEquals("429 budget_exceeded insufficient_quota BudgetExceeded", told(refused));
        ChatError tooLarge = refusal(reserve(budget("all", "29", Unit.TOKENS, Period.MONTH)));
        assertEquals("this request may take more than the budget that all callers share, which begins anew at 2026-12-01T00:00Z: send less,"
                + " or ask for fewer tokens (max_tokens)", tooLarge.getMessage());
    }

    @Test
    void whatARefusedRequestHadReservedElsewhereIsGivenBack() {
        table.put("app#requests#day#2026-11-25", "9");
        Reservation reservation = reserve(requests("10", Period.MONTH), requests("9", Period.DAY), tokens("100", Period.HOUR),
                budget("all", "5", Unit.USD, Period.DAY));
        assertNotNull(reservation.refusal());
        settle(reservation, Spent.NOTHING);
        assertEquals(Map.of("app#requests#month#2026-11", "0", "app#requests#day#2026-11-25", "9", "app#tokens#hour#2026-11-25T07Z", "0",
                "all#usd#day#2026-11-25", "0"), table.used());
        assertEquals(4 + 3, table.asked.size());
        assertEquals(List.of(), logged);
    }

    // What callers are told.

    @Test
    void callersAreToldWhatIsUsedOfTheirOwnBudgetsWithThisRequest() {
        table.put("app#usd#month#2026-11", "3.20997");
        table.put("all#requests#day#2026-11-25", "77");
        Reservation reservation = reserve(usd("20.50", Period.MONTH), budget("all", "1000", Unit.REQUESTS, Period.DAY),
                requests("60", Period.MINUTE), tokens("100000", Period.DAY));
        assertEquals("20.50usd/month;used=3.21, 60requests/minute;used=1, 100000tokens/day;used=30", reservation.header());
        assertFalse(reservation.isUsedUp());
        assertEquals("", reserve(budget("all", "1000", Unit.REQUESTS, Period.DAY)).header());
    }

    @ParameterizedTest
    @CsvSource({ "0, 0", "0.000, 0", "1.500, 1.5", "100, 100", "1E+3, 1000", "1E-9, 0.000000001", "-2.50, -2.5", "1000.00, 1000" })
    void amountsAreToldWithoutExponentsAndWithoutZerosBehind(String amount, String told) {
        assertEquals(told, Ledger.plain(new BigDecimal(amount)));
    }

    // Settlement.

    @Test
    void theDifferenceToWhatWasTakenIsAdded() {
        Reservation reservation = reserve(requests("5", Period.DAY), tokens("100", Period.DAY), usd("1", Period.DAY));
        settle(reservation, spent("12", "0.5"));
        assertEquals(Map.of("app#requests#day#2026-11-25", "1", "app#tokens#day#2026-11-25", "12", "app#usd#day#2026-11-25", "0.5"),
                table.used());
        assertEquals(3 + 2, table.asked.size(), "requests never change");
        JsonNode ofTokens = table.asked.stream().skip(3).filter(each -> each.at("/Key/pk/S").asText().contains("tokens")).findFirst()
                .orElseThrow();
        assertEquals("-18", ofTokens.at("/ExpressionAttributeValues/:a/N").asText());
        assertTrue(table.asked.stream().skip(3).noneMatch(each -> each.has("ConditionExpression")), "whatever has been used by then");
    }

    @Test
    void whatWasTakenBeyondTheLimitCountsAllTheSame() {
        settle(reserve(tokens("30", Period.DAY)), spent("5000", null));
        assertEquals(Map.of("app#tokens#day#2026-11-25", "5000"), table.used());
        assertNotNull(reserve(tokens("30", Period.DAY)).refusal());
    }

    @Test
    void nothingIsSentWhereTheReservationWasRight() {
        Reservation reservation = reserve(requests("5", Period.DAY), tokens("100", Period.DAY), usd("1", Period.DAY));
        settle(reservation, spent("30", "0.000030000"));
        assertEquals(3, table.asked.size());
    }

    @Test
    void whatNobodyKnowsKeepsItsReservation() {
        Budget[] budgets = { requests("5", Period.DAY), tokens("100", Period.DAY), usd("1", Period.DAY) };
        settle(reserve(budgets), Spent.UNKNOWN);
        settle(reserve(budgets), spent("8", null));
        assertEquals(Map.of("app#requests#day#2026-11-25", "2", "app#tokens#day#2026-11-25", "38", "app#usd#day#2026-11-25", "0.00006"),
                table.used());
    }

    @Test
    void anErrorOfTheUpstreamsCostsARequestAndWhatNeverWentThereNothing() {
        Budget[] budgets = { requests("5", Period.DAY), tokens("100", Period.DAY), usd("1", Period.DAY) };
        settle(reserve(budgets), Spent.REQUEST);
        assertEquals(Map.of("app#requests#day#2026-11-25", "1", "app#tokens#day#2026-11-25", "0", "app#usd#day#2026-11-25", "0"),
                table.used());
        settle(reserve(budgets), Spent.NOTHING);
        assertEquals("1", table.used().get("app#requests#day#2026-11-25"));
    }

    @Test
    void theTableHoldsNothingElseAboutAnybody() {
        settle(reserve(requests("5", Period.DAY), tokens("100", Period.DAY), usd("1", Period.MONTH)), spent("1", "0.1"));
        for (JsonNode each : table.asked) {
            var allowed = new ObjectMapper().createObjectNode();
            allowed.set("pk", each.at("/Key/pk"));
            assertEquals(allowed, each.get("Key"));
            assertEquals(Set.of("used", "expires"), Set.of(each.at("/ExpressionAttributeNames/#u").asText(),
                    each.at("/ExpressionAttributeNames/#e").asText()));
        }
    }

    // Tables that cannot be asked.

    /** Each, with how often the update is sent: what may have been done is not sent again, and what cannot be done neither. */
    @ParameterizedTest
    @CsvSource({ "THROTTLED, 2", "RATE, 2", "ERROR, 1", "NONSENSE, 1", "OTHER_JSON, 1", "NO_NUMBER, 1", "CUT, 1", "LOST, 1", "DENIED, 1",
            "NO_TABLE, 1", "LATE, 1", "HUGE, 1", "MOVED, 1" })
    void whileTheTableCannotBeAskedRequestsAreRefused(Fault fault, int sent) {
        table.always = fault;
        long began = System.nanoTime();
        Reservation reservation = reserve(requests("5", Period.DAY));
        long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
        requireUnavailable(reservation);
        assertEquals(sent, table.asked.size());
        assertTrue(millis < 19_000, () -> "the table is not waited for: " + millis);
        assertEquals(1, logged.size(), logged::toString);
        assertTrue(logged.get(0).startsWith("ERROR a request was refused, since the budget app=5requests/day could not be looked at"
                + " (CHAT_BUDGET_ON_FAILURE is refuse): the table's service "), logged.get(0));
    }

    private static void requireUnavailable(Reservation reservation) {
        ChatError refused = refusal(reservation);
        assertEquals("503 budget_unavailable server_error BudgetUnavailable", told(refused));
        assertEquals(Map.of("retry-after", "5"), refused.headers());
        assertEquals("the budgets cannot be looked at now: ask again in 5 seconds", refused.getMessage());
        assertFalse(reservation.isUsedUp());
        assertEquals("", reservation.header());
    }

    /** Each: what is left of the invocation's time, and how long is waited at least; the table would answer if it were waited for. */
    @ParameterizedTest
    @CsvSource({ "60000, 950", "400, 350", "0, 150", "-5000, 150" })
    void theTableIsNotWaitedForBeyondTheInvocationsTime(long left, long least) {
        ledger.settle(reserve(requests("5", Period.DAY)), Spent.NOTHING, Duration.ofMillis(left));
        assertEquals(2, table.asked.size(), "there is always some time");
        table.always = Fault.LATE;
        long began = System.nanoTime();
        requireUnavailable(ledger.reserve(List.of(requests("5", Period.DAY)), SMALL, DOLLAR, Duration.ofMillis(left)));
        long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
        assertTrue(millis >= least, () -> millis + " ms");
    }

    @Test
    void requestsAreCountedWithoutAnEstimate() {
        Reservation reservation = reserve(List.of(requests("1", Period.DAY)), null, null);
        assertNull(reservation.refusal());
        settle(reservation, Spent.UNKNOWN);
        assertEquals(Map.of("app#requests#day#2026-11-25", "1"), table.used());
        assertNotNull(reserve(List.of(requests("1", Period.DAY)), null, null).refusal());
    }

    @Test
    void whileThereIsNoTableAtAllRequestsAreRefused() {
        table.close();
        requireUnavailable(reserve(requests("5", Period.DAY)));
        assertTrue(logged.get(0).contains("the table's service cannot be reached: "), logged::toString);
    }

    @ParameterizedTest
    @ValueSource(strings = { "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY" })
    void withoutCredentialsOrARegionRequestsAreRefused(String missing) {
        var environment = new HashMap<>(Map.of("AWS_ENDPOINT_URL_DYNAMODB", table.url(), "AWS_REGION", "eu-central-1", "AWS_ACCESS_KEY_ID",
                "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY", SECRET));
        environment.remove(missing);
        var bare = new BudgetTable("chat-budgets", environment, Duration.ofSeconds(1), KEEP_ALIVE);
        ledger = new Ledger(bare, Ledger.OnFailure.REFUSE, () -> now);
        requireUnavailable(reserve(requests("5", Period.DAY)));
        assertTrue(logged.get(0).contains("there are no credentials or no region"), logged::toString);
    }

    @ParameterizedTest
    @EnumSource(value = Fault.class, names = { "THROTTLED", "RATE" })
    void whatIsThrottledOnceIsSentAgainAndCountsOnce(Fault fault) {
        table.faults.add(fault);
        Reservation reservation = reserve(requests("5", Period.DAY));
        assertNull(reservation.refusal());
        assertEquals("5requests/day;used=1", reservation.header());
        assertEquals(2, table.asked.size());
        table.faults.add(fault);
        settle(reservation, Spent.NOTHING);
        assertEquals(Map.of("app#requests#day#2026-11-25", "0"), table.used());
        assertEquals(List.of(), logged);
    }

    /** The answer was lost on its way: it has been counted, and is not counted again; since nobody knows, the log tells. */
    @Test
    void anUpdateWhoseAnswerIsLostIsNotSentTwice() {
        table.faults.add(Fault.LOST);
        Reservation reservation = reserve(requests("5", Period.DAY));
        requireUnavailable(reservation);
        settle(reservation, Spent.NOTHING);
        assertEquals(1, table.asked.size());
        assertEquals(Map.of("app#requests#day#2026-11-25", "1"), table.used());
        assertEquals("ERROR 1 requests may stay counted in app#requests#day#2026-11-25, for a request that was refused: the table's service"
                + " closed the connection before it answered", logged.get(1));
        assertNull(reserve(requests("5", Period.DAY)).refusal(), "the next one has a new connection");
    }

    @Test
    void aRequestThatIsRefusedForAnUnknownBudgetGivesBackWhatItReserved() {
        table.faultsOf.put("app#requests#month#2026-11", Fault.ERROR);
        Reservation reservation = reserve(requests("5", Period.DAY), requests("5", Period.MONTH));
        assertEquals("budget_unavailable", refusal(reservation).code());
        settle(reservation, Spent.NOTHING);
        assertEquals(Map.of("app#requests#day#2026-11-25", "0"), table.used());
    }

    @Test
    void aBudgetThatRefusesAnswersAlsoWhereAnotherCannotBeAsked() {
        table.put("app#requests#day#2026-11-25", "5");
        table.faultsOf.put("app#requests#month#2026-11", Fault.THROTTLED);
        assertEquals("budget_exceeded", refusal(reserve(requests("5", Period.MONTH), requests("5", Period.DAY))).code());
        assertEquals(2, table.asked.size(), "what would be given back is not asked again");
        ledger = ledger(Ledger.OnFailure.ALLOW, KEEP_ALIVE);
        assertEquals("budget_exceeded", refusal(reserve(requests("5", Period.MONTH), requests("5", Period.DAY))).code());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            THROTTLED  | are not    | answered 400 ProvisionedThroughputExceededException: one item takes about 1,000 updates a second
            ERROR      | may not be | answered 500 InternalServerError
            NONSENSE   | may not be | closed the connection amid its answer, or does not speak HTTP
            LOST       | may not be | closed the connection before it answered
            DENIED     | are not    | answered 400 AccessDeniedException: check CHAT_BUDGET_TABLE, and that the function's role may dynamodb:UpdateItem on it
            OTHER_JSON | may not be | answered with what is no answer to an update
            """)
    void whereThatIsAllowedRequestsGoOnAndTheLogTellsWhatIsNotCounted(Fault fault, String counted, String reason) {
        ledger = ledger(Ledger.OnFailure.ALLOW, KEEP_ALIVE);
        table.always = fault;
        Reservation reservation = reserve(requests("5", Period.DAY), tokens("100", Period.DAY), usd("1", Period.DAY));
        assertNull(reservation.refusal());
        assertEquals("", reservation.header());
        assertEquals(List.of(), logged, "what it took is not known yet");
        int sent = table.asked.size();
        settle(reservation, spent("77", null));
        assertEquals(sent, table.asked.size(), "it is not counted half");
        String end = " counted in app#UNIT#day#2026-11-25 (CHAT_BUDGET_ON_FAILURE is allow): the table's service " + reason;
        assertEquals(List.of("ERROR 1 requests " + counted + end.replace("UNIT", "requests"),
                "ERROR 77 tokens " + counted + end.replace("UNIT", "tokens"),
                "ERROR 0.00003 usd " + counted + end.replace("UNIT", "usd")), logged);
    }

    @Test
    void whereThatIsAllowedTheBudgetsThatCouldBeAskedCount() {
        ledger = ledger(Ledger.OnFailure.ALLOW, KEEP_ALIVE);
        table.faultsOf.put("app#tokens#day#2026-11-25", Fault.ERROR);
        Reservation reservation = reserve(requests("5", Period.DAY), tokens("100", Period.DAY), tokens("500", Period.MONTH));
        assertNull(reservation.refusal());
        assertEquals("5requests/day;used=1, 500tokens/month;used=30", reservation.header());
        settle(reservation, spent("50", null));
        assertEquals(Map.of("app#requests#day#2026-11-25", "1", "app#tokens#month#2026-11", "50"), table.used());
        assertEquals(1, logged.size(), logged::toString);
    }

    /** Each: what meets the settlement, how often it is sent, and what the log says of it. */
    @ParameterizedTest
    @CsvSource({ "THROTTLED, 2, were not added", "ERROR, 1, may not have been added", "LOST, 1, may not have been added",
            "NONSENSE, 1, may not have been added", "LATE, 1, may not have been added", "DENIED, 1, were not added",
            "MOVED, 1, may not have been added" })
    void aSettlementThatFailsIsAnErrorWithItsAmounts(Fault fault, int sent, String what) {
        Reservation reservation = reserve(usd("1", Period.MONTH));
        table.always = fault;
        settle(reservation, spent("1", "0.00001"));
        assertEquals(1 + sent, table.asked.size());
        assertEquals(1, logged.size(), logged::toString);
        assertTrue(logged.get(0).startsWith("ERROR -0.00002 usd " + what + " to app#usd#month#2026-11, to settle a reservation of 0.00003:"
                + " the table's service "), logged.get(0));
    }

    @Test
    void aSettlementWithoutATableIsAnErrorWithItsAmounts() throws InterruptedException {
        Reservation reservation = reserve(tokens("100", Period.DAY));
        table.close();
        assertTrue(table.isClosedByPeer(0));
        settle(reservation, spent("99", null));
        assertEquals(1, logged.size(), logged::toString);
        assertTrue(logged.get(0).startsWith("ERROR 69 tokens were not added to app#tokens#day#2026-11-25, to settle a reservation of 30:"
                + " the table's service cannot be reached: "), logged.get(0));
    }

    @Test
    void aModelWithoutAPriceIsToldOnceAndOnlyWhereDollarsAreCounted() {
        Reservation dollars = reserve(usd("1", Period.DAY), requests("9", Period.DAY));
        ledger.tellUnpriced(reserve(requests("9", Period.DAY)), "m-1");
        assertEquals(List.of(), logged);
        ledger.tellUnpriced(dollars, "m-1");
        ledger.tellUnpriced(dollars, "m-1");
        ledger.tellUnpriced(dollars, "m-2");
        ledger.tellUnpriced(dollars, null);
        assertEquals(List.of("m-1", "m-2"), logged.stream().map(line -> line.replaceAll("WARN\\w* what (\\S+) answers is not .*", "$1"))
                .toList());
    }

    // Connections.

    @Test
    void connectionsThatTheStartOpenedAreUsedAndUsedAgain() throws Exception {
        BudgetTable kept = budgetTable(KEEP_ALIVE);
        ledger = new Ledger(kept, Ledger.OnFailure.REFUSE, () -> now);
        for (FutureTask<String> opening : kept.connect(2)) {
            assertNull(opening.get(5, TimeUnit.SECONDS));
        }
        table.awaitOpened(2);
        assertEquals(List.of(), table.asked, "nothing is counted by the start");
        for (int i = 0; i < 3; i++) {
            settle(reserve(requests("9", Period.DAY), tokens("999", Period.DAY)), spent("1", null));
        }
        assertEquals(2, table.opened.get());
        assertEquals(9, table.asked.size());
    }

    @Test
    void aStartWithoutATableGoesOnAndIsToldWhy() throws Exception {
        table.close();
        String reason = budgetTable(KEEP_ALIVE).connect(1).get(0).get(5, TimeUnit.SECONDS);
        assertTrue(reason.startsWith("the table's service cannot be reached: ConnectException"), reason);
    }

    @Test
    void aConnectionThatWasIdleForTooLongIsNotUsed() throws InterruptedException {
        ledger = ledger(Ledger.OnFailure.REFUSE, Duration.ofMillis(300));
        assertNull(reserve(requests("9", Period.DAY)).refusal());
        Thread.sleep(400);
        assertNull(reserve(requests("9", Period.DAY)).refusal());
        assertEquals(2, table.opened.get());
        assertTrue(table.isClosedByPeer(0), "the idle one is closed");
    }

    @ParameterizedTest
    @EnumSource(value = Fault.class, names = { "CLOSES_BEHIND", "SAYS_CLOSE", "SAYS_TOO_MUCH", "SAYS_MORE_LATER", "HTTP_1_0" })
    void aConnectionThatCannotBeUsedAgainIsReplaced(Fault fault) throws InterruptedException {
        table.faults.add(fault);
        assertNull(reserve(requests("9", Period.DAY)).refusal(), "its answer counts");
        table.awaitAnswered();
        assertTrue(fault != Fault.CLOSES_BEHIND || table.isClosedByPeer(0));
        Reservation reservation = reserve(requests("9", Period.DAY));
        assertNull(reservation.refusal());
        assertEquals("9requests/day;used=2", reservation.header());
        assertEquals(2, table.opened.get());
        assertEquals(2, table.asked.size(), "nothing was sent on the old one");
        assertEquals(List.of(), logged);
    }

    @ParameterizedTest
    @EnumSource(value = Fault.class, names = { "THROTTLED", "ERROR", "DENIED", "CHUNKED", "INTERIM" })
    void aConnectionIsUsedAgainBehindAnyWholeAnswer(Fault fault) {
        table.faults.add(fault);
        reserve(requests("9", Period.DAY));
        assertNull(reserve(requests("9", Period.DAY)).refusal());
        assertEquals(1, table.opened.get());
    }

    @ParameterizedTest
    @EnumSource(value = Fault.class, names = { "NONSENSE", "CUT", "LOST", "LATE" })
    void aConnectionIsNotUsedAgainBehindHalfAnAnswer(Fault fault) {
        table.faults.add(fault);
        assertNotNull(reserve(requests("9", Period.DAY)).refusal());
        assertNull(reserve(requests("9", Period.DAY)).refusal());
        assertEquals(2, table.opened.get());
    }

    /** What may become of an update. */
    enum Fault {
        THROTTLED, RATE, ERROR, NONSENSE, OTHER_JSON, NO_NUMBER, CUT, LOST, DENIED, NO_TABLE, LATE, HUGE, MOVED,
        // These are answers all the same.
        CLOSES_BEHIND, SAYS_CLOSE, SAYS_TOO_MUCH, SAYS_MORE_LATER, HTTP_1_0, CHUNKED, INTERIM
    }

    /** Does what {@code UpdateItem} does with the expressions that we send, one update after the other. */
    private static final class Table implements Closeable {

        private static final class Item {
            private BigDecimal used;
            private long expires;
        }

        private final ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        private final Map<String, Item> items = new TreeMap<>();
        private final List<JsonNode> asked = Collections.synchronizedList(new ArrayList<>());
        private final List<Map<String, String>> heads = Collections.synchronizedList(new ArrayList<>());
        private final List<Socket> connections = Collections.synchronizedList(new ArrayList<>());
        private final AtomicInteger opened = new AtomicInteger();
        /** What was sent that UpdateItem would not take. */
        private final Set<String> surprises = Collections.synchronizedSet(new TreeSet<>());
        private final Deque<Fault> faults = new ConcurrentLinkedDeque<>();
        private final Map<String, Fault> faultsOf = new HashMap<>();
        private volatile Fault always;
        private volatile boolean tellsUsed = true;
        private final CountDownLatch answered = new CountDownLatch(1);
        /** Null: no update waits for others. */
        private volatile CountDownLatch together;

        Table() throws IOException {
            start(() -> {
                while (true) {
                    Socket connection = listener.accept();
                    connections.add(connection);
                    opened.incrementAndGet();
                    start(() -> serve(connection));
                }
            });
        }

        private interface Work {
            void run() throws Exception;
        }

        private void start(Work work) {
            var thread = new Thread(() -> {
                try {
                    work.run();
                } catch (IOException e) {
                    // closed, by one side or the other
                } catch (Exception e) {
                    surprises.add(e.toString());
                }
            });
            thread.setDaemon(true);
            thread.start();
        }

        String url() {
            return "http://127.0.0.1:" + listener.getLocalPort();
        }

        synchronized void put(String item, String used) {
            var put = new Item();
            put.used = new BigDecimal(used);
            items.put(item, put);
        }

        /** As DynamoDB tells a number: without zeros behind. */
        synchronized Map<String, String> used() {
            var used = new TreeMap<String, String>();
            items.forEach((name, item) -> used.put(name, plain(item.used)));
            return used;
        }

        private static String plain(BigDecimal number) {
            return number.signum() == 0 ? "0" : number.stripTrailingZeros().toPlainString();
        }

        void awaitOpened(int count) throws InterruptedException {
            for (int i = 0; i < 100 && opened.get() < count; i++) {
                Thread.sleep(20);
            }
            assertEquals(count, opened.get());
        }

        /** That the first answer has been written, with what comes behind it. */
        void awaitAnswered() throws InterruptedException {
            assertTrue(answered.await(60, TimeUnit.SECONDS));
        }

        boolean isClosedByPeer(int connection) throws InterruptedException {
            for (int i = 0; i < 100 && !connections.get(connection).isClosed(); i++) {
                Thread.sleep(20);
            }
            return connections.get(connection).isClosed();
        }

        private void serve(Socket connection) throws Exception {
            try (connection) {
                InputStream in = connection.getInputStream();
                for (Map<String, String> head; (head = head(in)) != null;) {
                    byte[] body = in.readNBytes(Integer.parseInt(head.get("content-length")));
                    JsonNode update = JSON.readTree(body);
                    heads.add(head);
                    asked.add(update);
                    CountDownLatch others = together;
                    if (others != null) {
                        others.countDown();
                        others.await();
                    }
                    String name = update.at("/Key/pk/S").asText();
                    Fault fault = faultsOf.getOrDefault(name, always != null ? always : faults.poll());
                    if (!answer(connection, name, update, fault)) {
                        return;
                    }
                }
            }
        }

        /** Returns whether the connection stays. */
        private boolean answer(Socket connection, String name, JsonNode update, Fault fault) throws Exception {
            String answer = error(fault);
            if (answer == null) {
                answer = spoilt(response(update(name, update)), fault);
            }
            if (fault == Fault.LOST) {
                return false;
            }
            if (fault == Fault.LATE) {
                Thread.sleep(20_000); // nobody waits for that
            }
            connection.getOutputStream().write(answer.getBytes(UTF_8));
            if (fault == Fault.SAYS_MORE_LATER) {
                Thread.sleep(50);
                connection.getOutputStream().write(answer.getBytes(UTF_8));
            }
            answered.countDown();
            return fault != Fault.CUT && fault != Fault.NONSENSE && fault != Fault.CLOSES_BEHIND;
        }

        private static String spoilt(String answer, Fault fault) {
            if (fault == null) {
                return answer;
            }
            String body = answer.substring(answer.indexOf("\r\n\r\n") + 4);
            return switch (fault) {
                case CUT -> answer.substring(0, answer.length() - 5);
                case HUGE -> response("200 OK\n" + " ".repeat(100_000) + body);
                case SAYS_CLOSE -> answer.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
                case SAYS_TOO_MUCH -> answer + answer;
                case HTTP_1_0 -> answer.replace("HTTP/1.1", "HTTP/1.0");
                case CHUNKED -> answer.replaceAll("(?i)content-length: \\d+", "Transfer-Encoding: chunked").replace(body,
                        Integer.toHexString(body.length()) + "\r\n" + body + "\r\n0\r\n\r\n");
                case INTERIM -> "HTTP/1.1 100 Continue\r\n\r\n" + answer;
                default -> answer;
            };
        }

        /** Null: that is no answer in place of the update's. */
        private static String error(Fault fault) {
            if (fault == null) {
                return null;
            }
            return switch (fault) {
                case THROTTLED -> error(400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException");
                case RATE -> error(400, "com.amazon.coral.availability#ThrottlingException");
                case ERROR -> error(500, "com.amazonaws.dynamodb.v20120810#InternalServerError");
                case DENIED -> error(400, "com.amazon.coral.service#AccessDeniedException");
                case NO_TABLE -> error(400, "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException");
                case MOVED -> response("307 Temporary Redirect\n{}");
                case NONSENSE -> "220 mail.example.com ESMTP\r\n";
                case OTHER_JSON -> response("200 OK\n{\"Attributes\":{}}");
                case NO_NUMBER -> response("200 OK\n{\"Attributes\":{\"used\":{\"N\":\"much\"}}}");
                default -> null;
            };
        }

        private static String error(int status, String type) {
            return response(status + " Error\n{\"__type\":\"" + type + "\",\"message\":\"of " + SECRET + "\"}");
        }

        /** @param answer the status and, on the next line, the body */
        private static String response(String answer) {
            String body = answer.substring(answer.indexOf('\n') + 1);
            return "HTTP/1.1 " + answer.substring(0, answer.indexOf('\n'))
                    + "\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: "
                    + body.length() + "\r\n\r\n" + body;
        }

        private synchronized String update(String name, JsonNode update) {
            boolean isConditional = update.has("ConditionExpression");
            if (!update.path("UpdateExpression").asText().equals("ADD #u :a SET #e = :e")
                    || isConditional && !update.path("ConditionExpression").asText().equals("attribute_not_exists(#u) OR #u <= :m")
                    || isConditional != update.at("/ExpressionAttributeValues").has(":m")) {
                surprises.add(update.toString()); // DynamoDB refuses a value that no expression uses
            }
            Item item = items.computeIfAbsent(name, none -> new Item());
            var most = isConditional ? new BigDecimal(update.at("/ExpressionAttributeValues/:m/N").asText()) : null;
            if (most != null && item.used != null && item.used.compareTo(most) > 0) {
                String old = tellsUsed ? ",\"Item\":{\"pk\":{\"S\":\"" + name + "\"},\"expires\":{\"N\":\"" + item.expires
                        + "\"},\"used\":{\"N\":\""
                        + plain(item.used) + "\"}}" : "";
                return "400 Bad Request\n{\"__type\":\"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException\","
                        + "\"message\":\"The conditional request failed\"" + old + "}";
            }
            BigDecimal before = item.used == null ? BigDecimal.ZERO : item.used;
            item.used = before.add(new BigDecimal(update.at("/ExpressionAttributeValues/:a/N").asText()));
            item.expires = Long.parseLong(update.at("/ExpressionAttributeValues/:e/N").asText());
            return "200 OK\n{\"Attributes\":{\"expires\":{\"N\":\"" + item.expires + "\"},\"used\":{\"N\":\"" + plain(item.used) + "\"}}}";
        }

        /** The fields by lower-case name; null: the peer has closed the connection. */
        private static Map<String, String> head(InputStream in) throws IOException {
            var head = new ByteArrayOutputStream();
            while (!head.toString(UTF_8).endsWith("\r\n\r\n")) {
                int read = in.read();
                if (read < 0) {
                    return null;
                }
                head.write(read);
            }
            var fields = new HashMap<String, String>();
            head.toString(UTF_8).lines().skip(1).filter(line -> !line.isEmpty()).forEach(line -> fields.put(
                    line.substring(0, line.indexOf(':')).toLowerCase(Locale.ROOT), line.substring(line.indexOf(':') + 1).strip()));
            return fields;
        }

        @Override
        public void close() {
            try {
                listener.close();
                for (Socket connection : List.copyOf(connections)) {
                    connection.close();
                }
            } catch (IOException e) {
                surprises.add(e.toString());
            }
        }
    }
}
