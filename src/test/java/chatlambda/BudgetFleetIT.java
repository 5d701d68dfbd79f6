package chatlambda;

import static chatlambda.BudgetIT.CHAT;
import static chatlambda.BudgetIT.CHAT_PATH;
import static chatlambda.BudgetIT.DONE;
import static chatlambda.BudgetIT.chat;
import static chatlambda.BudgetIT.completion;
import static chatlambda.BudgetIT.delta;
import static chatlambda.BudgetIT.keysOf;
import static chatlambda.BudgetIT.quarter;
import static chatlambda.BudgetIT.thenCloses;
import static chatlambda.ScriptedUpstream.answering;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.ScriptedUpstream.Request;
import chatlambda.ScriptedUpstream.Script;
import chatlambda.local.LocalLambda.InvokeMode;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.IntFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Many processes that know nothing of each other and share one table: together they hold a budget, and lose count of nothing. Where this
 * machine is too slow for the second that a table has to answer, a caller may get 503, and the log says what may be off; then the counts
 * are as exact as the log says, and otherwise they are exact.
 */
class BudgetFleetIT {

    /** JVMs take long to start. */
    private static final int PROCESSES = Deployed.isNative() ? 8 : 4;
    private static final int CALLERS = 400;
    private static final int LIMIT = 100;
    private static final int INVOCATIONS = 2_000;
    /** A line that says what may be off, and of which item. */
    private static final Pattern UNCERTAIN = Pattern.compile("^(-?[0-9.]+) (?:usd|tokens|requests) .*?(\\w+#\\w+#\\w+)#");
    private static final BigDecimal MILLION = new BigDecimal(1_000_000);
    private static final ExecutorService THREADS = Executors.newCachedThreadPool();

    private static Dynalite dynalite;

    @BeforeAll
    static void start() {
        dynalite = Dynalite.start();
    }

    @AfterAll
    static void stop() {
        THREADS.shutdown();
        if (dynalite != null) {
            dynalite.close();
        }
    }

    /** Processes, each with a Lambda service of its own. */
    private record Fleet(List<Deployed> processes, int workers) implements AutoCloseable {

        static Fleet start(ScriptedUpstream upstream, Map<String, String> settings, int workers, InvokeMode mode)
                throws InterruptedException {
            var environment = new HashMap<>(settings);
            environment.put("AWS_LAMBDA_MAX_CONCURRENCY", Integer.toString(workers));
            environment.put("CHAT_AUTH", "keys");
            environment.put("CHAT_CLIENT_KEYS", keysOf(settings.get("CHAT_BUDGETS")));
            var fleet = new Fleet(IntStream.range(0, PROCESSES)
                    .mapToObj(i -> Deployed.against(upstream.url(), environment, mode, Duration.ofMinutes(3))).toList(), workers);
            fleet.awaitPolls();
            return fleet;
        }

        /** Waits until all of them have settled what they answered. */
        void awaitPolls() throws InterruptedException {
            for (Deployed each : processes) {
                each.lambda.awaitPolls(workers);
            }
        }

        /** So many callers at once, spread over the processes. */
        List<String> ask(int callers, IntFunction<String> event) throws Exception {
            var go = new CountDownLatch(1);
            var answers = new ArrayList<Future<String>>();
            for (int i = 0; i < callers; i++) {
                int number = i;
                answers.add(THREADS.submit(() -> {
                    go.await();
                    return told(processes.get(number % processes.size()), event.apply(number));
                }));
            }
            go.countDown();
            var said = new ArrayList<String>();
            for (var answer : answers) {
                said.add(answer.get());
            }
            awaitPolls();
            return said;
        }

        /** What the log says is not certain of a budget's count, such as of {@code app#usd#month}; nothing unless the machine is slow. */
        BigDecimal uncertain(String budget) {
            return processes.stream().flatMap(each -> BudgetIT.errors(each).stream()).map(UNCERTAIN::matcher)
                    .filter(matcher -> matcher.find() && matcher.group(2).equals(budget))
                    .map(matcher -> new BigDecimal(matcher.group(1)).abs()).reduce(BigDecimal.ZERO, BigDecimal::add);
        }

        void requireUsed(Dynalite.Table table, BigDecimal amount, String client, String unit, String period) {
            BigDecimal off = table.used(client, unit, period).subtract(amount);
            BigDecimal uncertain = uncertain(client + "#" + unit + "#" + period);
            assertTrue(off.abs().compareTo(uncertain) <= 0, () -> off + " off " + amount + " " + unit + " of " + client + ", and "
                    + uncertain + " are uncertain");
        }

        void requireUsed(Dynalite.Table table, long amount, String client, String unit) {
            requireUsed(table, BigDecimal.valueOf(amount), client, unit, "month");
        }

        /** Each line of level ERROR says what is uncertain, or that a request was refused since the table could not be asked. */
        void requireNoOtherErrors() {
            var errors = processes.stream().flatMap(each -> BudgetIT.errors(each).stream()).toList();
            if (!errors.isEmpty()) {
                System.out.println("Counts are not exact, since this machine is too slow: " + errors.size() + " errors, such as "
                        + errors.get(0));
            }
            errors.forEach(error -> assertTrue(UNCERTAIN.matcher(error).find() || error.startsWith("a request was refused"), error));
        }

        @Override
        public void close() {
            processes.forEach(Deployed::close);
        }
    }

    /** An HTTP status first, or what another Lambda is told. */
    private static String told(Deployed process, String event) {
        var outcome = process.invoke(event);
        return event.contains("requestContext") ? FaultIT.told(outcome) : outcome.functionError() + " " + outcome.text();
    }

    private static long count(List<String> answers, String beginning) {
        return answers.stream().filter(answer -> answer.startsWith(beginning)).count();
    }

    @ParameterizedTest
    @ValueSource(ints = { 1, 8 })
    void exactlyAsManyGetThroughAsABudgetOfRequestsAllows(int workers) throws Exception {
        var table = dynalite.table();
        var budgets = "app=" + LIMIT + "requests/month,app=1000000tokens/month,warm=1000000requests/month,warm=1000000tokens/month";
        try (var upstream = ScriptedUpstream.start(completion(3, 5));
                var fleet = Fleet.start(upstream, table.settings(budgets), workers, InvokeMode.BUFFERED)) {
            long warm = count(fleet.ask(CALLERS / 4, i -> chat("warm", CHAT)), "200 ");
            upstream.requests.clear();
            var answers = fleet.ask(CALLERS, i -> chat("app", CHAT));
            long through = count(answers, "200 ");
            long unavailable = count(answers, "503 ");
            assertEquals(CALLERS, through + count(answers, "429 ") + unavailable);
            assertTrue(through > 0 && through <= LIMIT && through + unavailable >= LIMIT, through + " got through, and " + unavailable + " are unknown");
            assertEquals(through, upstream.requests.size());
            fleet.requireUsed(table, through, "app", "requests");
            fleet.requireUsed(table, 8 * through, "app", "tokens");
            fleet.requireUsed(table, warm, "warm", "requests");
            fleet.requireUsed(table, 8 * warm, "warm", "tokens");
            fleet.requireNoOtherErrors();
        }
    }

    /** What a request is charged, at most so many times its reservation. */
    @ParameterizedTest
    @CsvSource({ "1, 1", "8, 1", "1, 3", "8, 3" })
    void aBudgetOfDollarsIsExceededByNoMoreThanWhatIsInFlight(int workers, int times) throws Exception {
        var table = dynalite.table();
        var limit = new BigDecimal("2");
        String body = "{\"max_tokens\":10," + CHAT.substring(1);
        BigDecimal reserve = BigDecimal.valueOf(quarter(body)).multiply(new BigDecimal("0.001")).add(new BigDecimal("0.1"));
        var charged = new ArrayList<BigDecimal>();
        var random = new Random(16);
        Script charges = (request, connection) -> {
            BigDecimal charge;
            synchronized (charged) {
                int micros = reserve.movePointRight(6).intValueExact() * times;
                charge = BigDecimal.valueOf(micros / 4 + random.nextInt(micros * 3 / 4 + 1), 6);
                charged.add(charge);
            }
            completion(3, 5, "x-aimlapi-usd-spent: " + charge.toPlainString()).answer(request, connection);
        };
        try (var upstream = ScriptedUpstream.start(charges);
                var fleet = Fleet.start(upstream, table.settings("app=" + limit + "usd/month", "CHAT_PRICES", "m=1000/10000"), workers,
                        InvokeMode.BUFFERED);
                var watch = new Watch(table)) {
            var answers = fleet.ask(CALLERS, i -> chat("app", body));
            BigDecimal most = watch.most();
            BigDecimal sum = charged.stream().reduce(BigDecimal.ZERO, BigDecimal::add);
            fleet.requireUsed(table, sum, "app", "usd", "month");
            long unavailable = count(answers, "503 ");
            assertEquals(CALLERS, count(answers, "200 ") + count(answers, "429 ") + unavailable);
            assertEquals(charged.size(), count(answers, "200 "));
            assertTrue(charged.size() > 0);
            int inFlight = PROCESSES * workers;
            BigDecimal more = reserve.multiply(BigDecimal.valueOf(times - 1)).multiply(BigDecimal.valueOf(inFlight));
            assertTrue(sum.compareTo(limit.add(more)) <= 0, sum + " of " + limit + " and " + more);
            assertTrue(most.compareTo(limit.add(more)) <= 0, most + " of " + limit + " and " + more);
            int least = limit.divideToIntegralValue(reserve.multiply(BigDecimal.valueOf(times))).intValueExact();
            assertTrue(charged.size() + unavailable >= least, charged.size() + " got through, and " + least + " could have");
            fleet.requireNoOtherErrors();
        }
    }

    /** Reads again and again what the table says. */
    private static final class Watch implements AutoCloseable {

        private final AtomicBoolean ended = new AtomicBoolean();
        private final Future<BigDecimal> most;

        Watch(Dynalite.Table table) {
            most = THREADS.submit(() -> {
                BigDecimal highest = BigDecimal.ZERO;
                while (!ended.get()) {
                    highest = highest.max(table.used("app", "usd", "month"));
                    Thread.sleep(5);
                }
                return highest;
            });
        }

        BigDecimal most() throws Exception {
            ended.set(true);
            return most.get();
        }

        @Override
        public void close() {
            ended.set(true);
        }
    }

    // Nothing is lost, whatever happens.

    private enum Kind {
        CHAT, CHAT_STREAM, RESPONSES, RESPONSES_STREAM, EMBEDDINGS, DIRECT;

        boolean streams() {
            return this == CHAT_STREAM || this == RESPONSES_STREAM;
        }

        String path() {
            return switch (this) {
                case RESPONSES, RESPONSES_STREAM -> "/v1/responses";
                case EMBEDDINGS -> "/v1/embeddings";
                default -> CHAT_PATH;
            };
        }

        /** The members of a request, but for the model. */
        String members(int limit, int choices) {
            return switch (this) {
                case RESPONSES -> "\"input\":\"Hi\",\"max_output_tokens\":" + limit;
                case RESPONSES_STREAM -> "\"stream\":true,\"input\":\"Hi\",\"max_output_tokens\":" + limit;
                case EMBEDDINGS -> "\"input\":[\"Hi\",\"there\"]";
                case CHAT_STREAM -> "\"stream\":true,\"max_tokens\":" + limit + ",\"messages\":[{\"content\":\"Grüß Gott\"}]";
                default -> "\"max_completion_tokens\":" + limit + ",\"n\":" + choices + ",\"messages\":[{\"role\":\"user\"}]";
            };
        }
    }

    private enum Fault {
        NONE, ERROR_500, ERROR_504, CUT, CUT_AFTER_USAGE, BUSY_ONCE, INVALID
    }

    /** How the upstream tells what it charges: in a header, in the body, or not at all. */
    private enum Price {
        HEADER, BODY, UNTOLD
    }

    /** What a request has come to. */
    private record Charge(BigDecimal tokens, BigDecimal usd) {

        static final Charge NONE = new Charge(BigDecimal.ZERO, BigDecimal.ZERO);
    }

    /** One invocation, and what its upstream makes of it; all from its number. */
    private record Plan(int number, String client, Kind kind, String model, Fault fault, Price price, int promptTokens,
            int completionTokens, String usd, String body) {

        private static final List<String> CLIENTS = List.of("app", "ci", "batch", "other", "tiny");
        private static final List<String> MODELS = List.of("listed", "gpt-a", "gpt-b", "unlisted");

        static Plan of(int number) {
            var random = new Random(number);
            var kind = Kind.values()[random.nextInt(Kind.values().length)];
            String client = kind == Kind.DIRECT ? "direct" : CLIENTS.get(random.nextInt(CLIENTS.size()));
            String model = MODELS.get(random.nextInt(MODELS.size()));
            int completionTokens = kind == Kind.EMBEDDINGS ? 0 : random.nextInt(1_000);
            String usd = BigDecimal.valueOf(random.nextInt(100_000), 6).toPlainString();
            var fault = fault(random, kind);
            String members = kind.members(1 + random.nextInt(500), 1 + random.nextInt(3));
            String body = "{\"model\":\"" + model + "\",\"user\":\"u" + number + "\"," + members + (fault == Fault.INVALID ? "" : "}");
            var price = Price.values()[random.nextInt(3)];
            if (kind == Kind.RESPONSES_STREAM && price == Price.BODY) {
                price = Price.UNTOLD; // no upstream is known that would tell it there
            }
            return new Plan(number, client, kind, model, fault, price, random.nextInt(1_000), completionTokens, usd, body);
        }

        /** Of a hundred five that cost or not, one that is asked again, and one that is no request. */
        private static Fault fault(Random random, Kind kind) {
            int percent = random.nextInt(100);
            if (percent >= 7) {
                return Fault.NONE;
            }
            if (percent == 4) {
                return kind.streams() ? Fault.CUT_AFTER_USAGE : Fault.CUT;
            }
            return List.of(Fault.ERROR_500, Fault.ERROR_500, Fault.ERROR_504, Fault.CUT, Fault.CUT, Fault.BUSY_ONCE, Fault.INVALID)
                    .get(percent);
        }

        String event() {
            return kind == Kind.DIRECT ? body : BudgetIT.event(client, kind.path(), body);
        }

        /** What it has come to once it was answered. */
        Charge charge() {
            return switch (fault) {
                case ERROR_500 -> Charge.NONE;
                case ERROR_504, CUT -> reserved();
                default -> new Charge(BigDecimal.valueOf(promptTokens + completionTokens),
                        price == Price.UNTOLD ? listed(promptTokens, completionTokens) : new BigDecimal(usd));
            };
        }

        private Charge reserved() {
            long limit = number("max_tokens") + number("max_completion_tokens") + number("max_output_tokens");
            long completion = limit * Math.max(1, number("n"));
            return new Charge(BigDecimal.valueOf(quarter(body) + completion), listed(quarter(body), completion));
        }

        private long number(String member) {
            Matcher found = Pattern.compile("\"" + member + "\":(\\d+)").matcher(body);
            return found.find() ? Long.parseLong(found.group(1)) : 0;
        }

        private BigDecimal listed(long prompt, long completion) {
            if (model.equals("unlisted")) {
                return BigDecimal.ZERO;
            }
            boolean isListed = model.equals("listed");
            return new BigDecimal(isListed ? "0.15" : "2.5").multiply(BigDecimal.valueOf(prompt))
                    .add(new BigDecimal(isListed ? "0.6" : "10").multiply(BigDecimal.valueOf(completion))).divide(MILLION);
        }

        private String usage() {
            boolean isResponses = kind == Kind.RESPONSES || kind == Kind.RESPONSES_STREAM;
            String completion = kind == Kind.EMBEDDINGS ? ""
                    : ",\"" + (isResponses ? "output" : "completion") + "_tokens\":" + completionTokens;
            return "\"usage\":{\"" + (isResponses ? "input" : "prompt") + "_tokens\":" + promptTokens + completion + "}"
                    + (price == Price.BODY ? ",\"meta\":{\"usage\":{\"usd_spent\":" + usd + "}}" : "");
        }

        void answer(Request request, Socket connection, boolean first) throws IOException {
            String told = price == Price.HEADER ? "x-aimlapi-usd-spent: " + usd : "x-other: 1";
            script(request, told, first).answer(request, connection);
        }

        private Script script(Request request, String told, boolean first) {
            switch (fault) {
                case ERROR_500:
                    return answering(500, "application/json", "{\"error\":{\"message\":\"no\"}}");
                case ERROR_504:
                    return answering(504, "application/json", "{\"error\":{\"message\":\"no\"}}");
                case BUSY_ONCE:
                    if (first) {
                        return answering(503, "application/json", "{}", "retry-after: 0");
                    }
                    break;
                case CUT:
                    return kind.streams() ? thenCloses(streamHead("x-other: 1"), chunk(text()))
                            : thenCloses("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"choices\":[");
                default:
                    break;
            }
            if (!kind.streams()) {
                String body = kind == Kind.RESPONSES ? "{\"object\":\"response\",\"status\":\"completed\",\"output\":[]," + usage() + "}"
                        : "{\"choices\":[]," + usage() + "}";
                return answering(200, "application/json", body, told);
            }
            String[] events = kind == Kind.CHAT_STREAM ? chatEvents(request) : responseEvents();
            return fault == Fault.CUT_AFTER_USAGE ? thenCloses(streamHead(told), chunk(text()), chunk(events[1]))
                    : thenCloses(streamHead(told), chunk(text()), chunk(events[1]), chunk(events[2]), ScriptedUpstream.LAST_CHUNK);
        }

        private static String chunk(String event) {
            return event.isEmpty() ? "" : ScriptedUpstream.chunk(event);
        }

        private static String streamHead(String field) {
            return ScriptedUpstream.STREAM_HEAD.replace("Content-Type", field + "\r\nContent-Type");
        }

        private String text() {
            return kind == Kind.CHAT_STREAM ? delta("Hi")
                    : "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n";
        }

        /** The usage only comes to whom asks for it. */
        private String[] chatEvents(Request request) {
            boolean asked = request.text().contains("\"include_usage\":true");
            return new String[] { text(), asked ? "data: {\"choices\":[]," + usage() + "}\n\n" : "", DONE };
        }

        private String[] responseEvents() {
            String completed = "{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"," + usage() + "}}";
            return new String[] { text(), "event: response.completed\ndata: " + completed + "\n\n", "" };
        }
    }

    @Test
    void whatIsUsedIsWhatTheUpstreamChargedAndTheReservationsThatAreKept() throws Exception {
        var table = dynalite.table();
        int workers = 2;
        String budgets = String.join(",", "app=90000000tokens/month", "app=90000usd/month", "app=90000requests/month",
                "ci=90000000tokens/month", "batch=90000usd/month", "batch=90000usd/day", "*=90000requests/month",
                "all=90000usd/month", "all=90000000tokens/month",
                "tiny=20requests/month", "tiny=90000000tokens/month", "other=90000000tokens/minute");
        var plans = IntStream.range(0, INVOCATIONS).mapToObj(Plan::of).toList();
        Map<Integer, Charge> charges = new ConcurrentHashMap<>();
        var user = Pattern.compile("\"user\":\"u(\\d+)\"");
        Script script = (request, connection) -> {
            Matcher number = user.matcher(request.text());
            assertTrue(number.find(), request.text());
            Plan plan = plans.get(Integer.parseInt(number.group(1)));
            boolean first = charges.put(plan.number, plan.charge()) == null;
            plan.answer(request, connection, first);
        };
        try (var upstream = ScriptedUpstream.start(script);
                var fleet = Fleet.start(upstream, table.settings(budgets, "CHAT_PRICES", "listed=0.15/0.6,gpt*=2.5/10,gpt-b=9/9",
                        "CHAT_RESPONSE_MODE", "stream"), workers, InvokeMode.RESPONSE_STREAM)) {
            var answers = new ArrayList<String>();
            for (int from = 0; from < INVOCATIONS; from += 50) { // so many at a time
                int begin = from;
                answers.addAll(fleet.ask(50, i -> plans.get(begin + i).event()));
            }
            long unavailable = answers.stream().filter(answer -> answer.contains("budget_unavailable")).count();
            var sums = new TreeMap<String, BigDecimal>();
            charges.forEach((number, charge) -> {
                Plan plan = plans.get(number);
                sums.merge(plan.client + " requests", BigDecimal.ONE, BigDecimal::add);
                for (String client : List.of(plan.client, "all")) {
                    sums.merge(client + " tokens", charge.tokens, BigDecimal::add);
                    sums.merge(client + " usd", charge.usd, BigDecimal::add);
                }
            });
            System.out.println(INVOCATIONS + " mixed invocations of " + PROCESSES + " processes: " + charges.size()
                    + " were asked upstream, " + sums);
            for (String budget : List.of("app tokens", "app usd", "app requests", "ci tokens", "ci requests", "batch usd", "batch requests",
                    "other requests", "direct requests", "all usd", "all tokens", "tiny requests", "tiny tokens")) {
                fleet.requireUsed(table, sums.get(budget), budget.split(" ")[0], budget.split(" ")[1], "month");
            }
            fleet.requireUsed(table, sums.get("batch usd"), "batch", "usd", "day");
            long tiny = sums.get("tiny requests").longValue();
            assertTrue(tiny <= 20 && tiny + unavailable >= 20, tiny + " requests, and 20 are allowed");
            fleet.requireNoOtherErrors();
        }
    }
}
