package chatlambda;

import chatlambda.access.Client;
import chatlambda.budget.Budget;
import chatlambda.budget.Prices.Price;
import chatlambda.budget.Reservation;
import chatlambda.budget.Spent;
import chatlambda.chat.ApiRequest;
import chatlambda.chat.ChatError;
import chatlambda.chat.ModelList;
import chatlambda.chat.Redaction;
import chatlambda.chat.Route;
import chatlambda.chat.UpstreamKey;
import chatlambda.chat.Usage;
import chatlambda.event.Direct;
import chatlambda.event.Event;
import chatlambda.event.UnsupportedEvent;
import chatlambda.event.Warmup;
import chatlambda.json.JsonOut;
import chatlambda.log.AccessLine;
import chatlambda.log.AccessLine.Answered;
import chatlambda.log.AccessLine.Asked;
import chatlambda.log.AccessLine.Times;
import chatlambda.log.JsonLines;
import chatlambda.runtime.FunctionError;
import chatlambda.runtime.Invocation;
import chatlambda.runtime.Response;
import chatlambda.runtime.Response.Chunks;
import chatlambda.runtime.Turn;
import chatlambda.upstream.Answer;
import chatlambda.upstream.Attempts;
import chatlambda.upstream.BytesInFlight;
import chatlambda.upstream.Completion;
import chatlambda.upstream.CompletionStream;
import chatlambda.upstream.Deadline;
import chatlambda.upstream.Failure;
import chatlambda.upstream.Sender;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;

/** One invocation: event, client, request, answer, reply; in the end its access line. */
final class ChatTurn implements Turn {

    private static final byte[] NO_BODY = {};
    private static final byte[] NOTHING = "{}".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] HEALTHY = "{\"status\":\"ok\"}".getBytes(StandardCharsets.US_ASCII);
    /** Bytes of a whole answer that are read where the front door has no limit: it is looked at before it goes on. */
    private static final int MAX_WHOLE = 32 * 1024 * 1024;
    /** Characters of a model's name that go to the caller: API Gateway takes 10 KB of headers. */
    private static final int MAX_MODEL = 256;
    private static final String RAISE_TIMEOUT = "raise the function's timeout (Timeout in template.yaml), or ask for less";
    private static final String SHUT_DOWN = ". The default model has been shut down by its maker%s. Set CHAT_MODEL to one that"
            + " https://api.aimlapi.com/v1/models?id=MODEL tells of, which asks for no key";
    private static final String SUCCEEDED = "; %s is asked in its place where the caller may use that";
    /** A header's value: visible ASCII, with spaces and tabs inside. */
    private static final Pattern HEADER = Pattern.compile("[!-~]([ -~\\t]*[!-~])?");
    /** W3C's: version, trace, parent and flags. */
    private static final Pattern TRACEPARENT = Pattern.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}");
    /** An upstream's code that is fit for the log. */
    private static final Pattern CODE = Pattern.compile("[A-Za-z0-9_.:-]{1,64}");

    private final ChatFunction function;
    private final Settings settings;
    private final Invocation invocation;
    private final boolean streams;
    private final Deadline deadline;
    private final BytesInFlight.Share held;
    private final Map<String, String> headers = new TreeMap<>();
    /** Of the key that the client sends upstream; null: it is not known yet who that is. */
    private Redaction redaction;

    /** Whether it is answered without an access line. */
    private boolean isPing;

    private Rules.Current rules;
    /** Of the caller's budgets; null: it has none, or has not come that far. */
    private Reservation reservation;
    /** How the requests to the upstream failed; null: they did not, or there were none. */
    private Failure failure;
    /** Whether the upstream is asked, or was. */
    private boolean isAsked;

    // What the access line tells, each written by the step that finds it out.
    private Event event;
    private Client client;
    private int requestBytes = -1;
    private Route route;
    private ApiRequest request;
    private int requests;
    private String answeredModel;
    private long askedAt;
    private long answeredAt;
    private Usage usage;
    /** How many tokens the answer's texts are taken for. */
    private long textTokens;
    /** Whether the usage is estimated. */
    private boolean isEstimated;
    private Outcome outcome;
    private Relay relay;

    /** How it ended, unless that is told by the relay. */
    private record Outcome(int status, String code, int bytes) {
    }

    ChatTurn(ChatFunction function, Invocation invocation) {
        this.function = function;
        this.settings = function.settings();
        this.invocation = invocation;
        this.held = function.inFlight().begin();
        this.streams = settings.streams();
        this.deadline = Deadline.at(invocation.deadline().minus(settings.reserve()), RAISE_TIMEOUT);
    }

    @Override
    public Instant end() {
        return deadline.at();
    }

    @Override
    public Response respond() throws FunctionError {
        try {
            event = Event.read(invocation.event());
        } catch (UnsupportedEvent e) {
            outcome = new Outcome(400, "unsupported_event", 0);
            throw new FunctionError("Chat.UnsupportedEvent", e.getMessage());
        }
        headers.put("x-request-id", invocation.requestId());
        if (event instanceof Warmup) {
            outcome = new Outcome(200, null, NOTHING.length);
            return reply(200, NOTHING);
        }
        try {
            Response pinged = ping();
            if (pinged != null) {
                isPing = true;
                return pinged;
            }
            String model = admit();
            redaction = new Redaction(client.key().value());
            if (route == Route.MODELS) {
                return models(model);
            }
            request = ApiRequest.of(route, body(), settings.models().withStandard(model), client.limits());
            if (!held.take(requestBytes)) {
                throw ChatError.overloaded(false);
            }
            Sender sender = sender();
            reserve();
            Answer answer = ask(sender);
            headers.putAll(answer.headers());
            headers.put("server-timing", timing());
            return answer instanceof CompletionStream stream ? streamed(stream) : whole((Completion) answer);
        } catch (ChatError e) {
            return errorReply(e);
        }
    }

    /** What is answered without a key and without an access line: a health check, or a browser's preflight. Null: it is neither. */
    private Response ping() {
        if (!(event instanceof Event.Http http)) {
            return null;
        }
        headers.putAll(settings.cors().headers(http.headers()));
        if (settings.cors().isPreflight(http.method().equals("OPTIONS"), http.headers())) {
            headers.putAll(settings.cors().preflight(http.headers()));
            return reply(204, NO_BODY);
        }
        if (http.isHealthCheck()) {
            return reply(200, NO_BODY);
        }
        if (Target.isHealth(http)) {
            headers.put("content-type", "application/json");
            return reply(200, HEALTHY);
        }
        return null;
    }

    /**
     * Finds out who asks, and for what.
     *
     * @return the model that the path names; null: none
     */
    private String admit() throws ChatError {
        rules = function.rules().current(deadline.left());
        if (!(event instanceof Event.Http http)) {
            client = rules.access().admitDirect();
            route = Route.CHAT;
            if (!settings.routes().contains(Route.CHAT)) {
                throw ChatError.invalid(404, null, "chat requests are not served here: add chat to chat.routes (CHAT_ROUTES)");
            }
            return null;
        }
        client = admitted(http.headers());
        Target target = Target.require(http, settings.routes());
        route = target.route();
        target.requireServed(http);
        return target.model();
    }

    private Client admitted(Map<String, String> given) throws ChatError {
        try {
            return rules.access().admit(given);
        } catch (ChatError e) {
            Rules.Current before = rules;
            if (before.access().isKeyPresented(given)) {
                rules = function.rules().renewed(deadline.left());
            }
            if (rules == before) {
                throw e;
            }
            return rules.access().admit(given);
        }
    }

    /** @throws ChatError a budget of the caller's has no room, or that cannot be found out */
    private void reserve() throws ChatError {
        List<Budget> budgets = function.ledger() == null ? List.of() : rules.budgets().of(client.name());
        if (budgets.isEmpty()) {
            return;
        }
        reservation = function.ledger().reserve(budgets, request.metering(), rules.prices().of(request.model()), deadline.left());
        if (reservation.refusal() != null) {
            throw reservation.refusal();
        }
        String told = reservation.header();
        if (!told.isEmpty()) {
            headers.put("x-chat-budget", told);
        }
    }

    /** @param id of the one that is asked for; null: all of them */
    private Response models(String id) throws ChatError {
        var list = new ModelList(settings.models(), client.limits());
        var passed = new TreeMap<>(Map.of("content-type", "application/json"));
        byte[] all = list.isKnown() ? list.ofSettings() : listOfUpstream(list, passed);
        byte[] body = id == null ? all : ModelList.item(all, id);
        if (body == null) {
            throw ChatError.refused(404, "model", "model_not_found", "the model that the path names is not there, or not for this caller:"
                    + " use one that GET /v1/models lists");
        }
        headers.putAll(passed);
        headers.put("server-timing", timing());
        return whole(new Completion(200, passed, body, Usage.NONE, null));
    }

    /** @param passed gets the headers of the upstream's answer that are passed on */
    private byte[] listOfUpstream(ModelList list, Map<String, String> passed) throws ChatError {
        request = ApiRequest.OF_MODELS;
        Completion answer;
        try {
            answer = (Completion) ask(sender());
        } catch (ChatError e) {
            boolean hasNone = e.kind() == ChatError.Kind.UpstreamError && (e.status() == 404 || e.status() == 405);
            if (hasNone) {
                return list.ofSettings();
            }
            throw e.kind() == ChatError.Kind.ResponseTooLarge
                    ? e.withAdvice(", or name models exactly in CHAT_ALLOWED_MODELS, which are listed without the upstream") : e;
        }
        byte[] all = list.of(answer.body());
        if (all == null) {
            throw ChatError.unusable("the upstream's list of models has no array \"data\": set CHAT_ALLOWED_MODELS to exact names, which"
                    + " are listed without it").with(answer.headers());
        }
        passed.putAll(answer.headers());
        return all;
    }

    private String timing() {
        String upstream = answeredAt == 0 ? "" : "upstream;dur=" + AccessLine.millis(answeredAt - askedAt) + ", ";
        return upstream + "total;dur=" + AccessLine.millis(System.nanoTime() - invocation.arrived());
    }

    private byte[] body() throws ChatError {
        try {
            byte[] body = event.body();
            requestBytes = body.length;
            return body;
        } catch (IllegalArgumentException e) {
            throw ChatError.invalid(400, null, "the request body cannot be decoded: " + e.getMessage());
        }
    }

    private Answer ask(Sender sender) throws ChatError {
        askedAt = System.nanoTime();
        isAsked = true;
        try {
            boolean mayMoveOn = route.hasFallbacks();
            var policy = new Attempts.Policy(settings.retries(), settings.retryAfterMax(), mayMoveOn ? fallbackModels() : List.of(),
                    asksForDefault() && client.limits().allow(settings.models().successor())
                            ? settings.models().successor() : null);
            var made = Attempts.make(function.upstream(), request, policy, sender, deadline);
            noteRequests(made.requests(), made.model());
            answeredModel = made.model();
            return made.answer();
        } catch (Failure e) {
            failure = e;
            noteRequests(e.requests(), e.model());
            ChatError error = e.error();
            if (e.isModelGone() && settings.isShutDown(request.model())) {
                error = error.withAdvice(SHUT_DOWN.formatted(asksForDefault() ? SUCCEEDED.formatted(settings.models().successor()) : ""));
            }
            throw event instanceof Direct && e.model() != null ? error.withMembers(Map.of("model", member(e.model()))) : error;
        }
    }

    /** Whether the request is for the default model, while that has a successor. */
    private boolean asksForDefault() {
        return route.hasFallbacks() && settings.models().successor() != null && settings.models().standard().equals(request.model());
    }

    private void noteRequests(int count, String model) {
        answeredAt = System.nanoTime();
        requests = count;
        headers.put("x-chat-attempts", Integer.toString(count));
        if (model != null && model.length() <= MAX_MODEL && UpstreamKey.fitsHeader(model)) {
            headers.put("x-chat-model", redaction.ofHeader(model)); // what a caller names may be no header
        }
    }

    /** Another Lambda sees no headers, and learns from the error which model told it. */
    private String member(String model) {
        String shortened = model.length() <= MAX_MODEL ? model : model.substring(0, MAX_MODEL);
        return new String(new JsonOut(64).raw("\"model\":").string(redaction.of(shortened)).toBytes(), StandardCharsets.UTF_8);
    }

    private List<String> fallbackModels() {
        var allowed = new ArrayList<String>();
        for (String model : settings.models().fallbacks()) {
            if (client.limits().allow(model)) {
                allowed.add(model);
            }
        }
        return allowed;
    }

    private Sender sender() throws ChatError {
        return new Sender(invocation.requestId(), client.key(), forwarded(),
                streams || route == Route.MODELS ? MAX_WHOLE : event.replyLimit(), held); // of a list of models some may be left out
    }

    /** The caller's headers that go upstream. */
    private Map<String, String> forwarded() throws ChatError {
        if (settings.forwardHeaders().isEmpty() && !settings.propagateTrace()) {
            return Map.of();
        }
        var forwarded = new TreeMap<String, String>();
        Map<String, String> given = event instanceof Event.Http http ? http.headers() : Map.of();
        for (String name : settings.forwardHeaders()) {
            String value = given.get(name);
            boolean isSent = value != null && !value.isBlank();
            if (isSent && !HEADER.matcher(value).matches()) {
                throw ChatError.invalid(400, null, "the header " + name + " has a character that no header can carry: send visible ASCII");
            }
            if (isSent) {
                forwarded.put(name, value);
            }
        }
        if (settings.propagateTrace()) {
            String traceparent = given.get("traceparent");
            if (traceparent != null && TRACEPARENT.matcher(traceparent).matches()) {
                forwarded.put("traceparent", traceparent);
            }
            if (invocation.traceId() != null) {
                forwarded.put("x-amzn-trace-id", invocation.traceId());
            }
        }
        return forwarded;
    }

    private Response streamed(CompletionStream stream) {
        relay = new Relay(event.prelude(200, headers), stream, settings.streamHeartbeat(), invocation.arrived());
        return new Response.Streamed(contentType(), relay);
    }

    private Response whole(Completion completion) throws ChatError {
        usage = completion.usage();
        textTokens = route == Route.EMBEDDINGS ? 0 : completion.textTokens();
        Response reply = reply(completion.status(), completion.body());
        if (reply instanceof Response.Whole whole && whole.document().length > event.replyLimit()) {
            throw ChatError.tooLarge(whole.document().length, event.replyLimit());
        }
        outcome = new Outcome(completion.status(), completion.told() == null ? null : code(completion.told()), completion.body().length);
        return reply;
    }

    /** What the log calls it. */
    private static String code(ChatError e) {
        return e.code() != null && CODE.matcher(e.code()).matches() ? e.code() : e.type();
    }

    /** To HTTP the error; to another Lambda a function error, which says the same in JSON. */
    private Response errorReply(ChatError e) throws FunctionError {
        byte[] body = e.json();
        outcome = new Outcome(e.status(), code(e), body.length);
        if (event instanceof Direct) {
            throw new FunctionError("Chat." + e.kind(), new String(body, StandardCharsets.UTF_8));
        }
        headers.putAll(e.headers());
        headers.put("content-type", "application/json");
        return reply(e.status(), body);
    }

    private Response reply(int replied, byte[] body) {
        return streams ? new Response.Streamed(contentType(), Chunks.of(event.prelude(replied, headers), body))
                : new Response.Whole(contentType(), event.reply(replied, headers, body));
    }

    private String contentType() {
        return event.contentType(streams, headers.get("content-type"));
    }

    @Override
    public void close(Delivery delivery) {
        held.close();
        if (relay != null) {
            usage = relay.usage();
            textTokens = relay.deltaTokens();
        } else if (failure != null) {
            usage = failure.usage();
        }
        boolean isWhole = isWhole(delivery);
        if (reservation != null && isWhole && request.metering() != null) {
            estimate();
        }
        try {
            if (isPing) {
                function.log().skip();
            } else {
                function.log().write(line(delivery), countedModels());
            }
        } finally {
            if (reservation != null) {
                function.ledger().settle(reservation, spent(isWhole), Duration.between(Instant.now(), invocation.deadline()));
            }
            function.rules().finishReading(Duration.between(Instant.now(), deadline.at()));
            JsonLines.setRequestId(null);
        }
    }

    /** Whether an answer came to its end that tells no error. */
    private boolean isWhole(Delivery delivery) {
        if (relay != null) {
            return relay.error() == null && delivery == Delivery.HANDED_OVER;
        }
        return usage != null && failure == null && outcome != null && outcome.status < 300 && outcome.code == null;
    }

    /** Fills in what a whole answer does not tell of its usage. */
    private void estimate() {
        boolean isComplete = usage.promptTokens() >= 0 && (usage.completionTokens() >= 0 || route == Route.EMBEDDINGS);
        if (!isComplete) {
            isEstimated = true;
            usage = new Usage(usage.promptTokens() >= 0 ? usage.promptTokens() : request.metering().promptTokens(),
                    usage.completionTokens() >= 0 ? usage.completionTokens() : textTokens, usage.reasoningTokens(), usage.usd(),
                    usage.model());
        }
    }

    /** @param isWhole whether the answer came to its end */
    private Spent spent(boolean isWhole) {
        if (!isAsked || failure != null && failure.cost() == Failure.Cost.NOTHING) {
            return Spent.NOTHING;
        }
        if (failure != null && failure.cost() == Failure.Cost.REQUEST) {
            return Spent.REQUEST;
        }
        if (usage == null) {
            return Spent.UNKNOWN;
        }
        long prompt = Math.max(0, usage.promptTokens());
        long completion = Math.max(0, usage.completionTokens());
        // A stream that was cut may have told no more than what it began with, and a price of nothing.
        boolean isComplete = usage.promptTokens() >= 0 && (completion > 0 || route == Route.EMBEDDINGS);
        boolean isTold = isWhole ? usage.promptTokens() >= 0 || usage.completionTokens() >= 0 : isComplete;
        String model = failure != null ? failure.model() : answeredModel;
        Price price = rules.prices().of(model);
        price = price == null ? rules.prices().of(usage.model()) : price;
        BigDecimal usd = isTold ? usage.usd() : null;
        if (usd == null && price == null && isTold) {
            function.ledger().tellUnpriced(reservation, redaction.of(model));
        }
        return new Spent(true, isTold ? BigDecimal.valueOf(prompt).add(BigDecimal.valueOf(completion)) : null,
                usd == null && isTold && price != null ? price.of(prompt, completion) : usd);
    }

    /** Those that metrics know by name; null: what keeps an instance warm, and who is nobody, metrics do not count. */
    private Set<String> countedModels() {
        boolean isNobody = client == null && outcome != null && outcome.status == 401;
        if (event instanceof Warmup || isNobody) {
            return null;
        }
        return rules == null ? Set.of() : rules.models();
    }

    private AccessLine line(Delivery delivery) {
        String asksAt = route == null ? null : route.label();
        var asked = request == null ? new Asked(asksAt, null, false, requestBytes)
                : new Asked(asksAt, redaction.of(request.model()), request.stream(), requestBytes);
        String model = redaction == null ? null : redaction.of(answeredModel);
        Outcome end = outcome != null ? outcome : new Outcome(500, "internal_error", 0);
        var answered = new Answered(end.status, code(delivery, end.code), requests, model, usage, end.bytes, isEstimated, isUsedUp());
        long upstreamNanos = answeredAt == 0 ? -1 : answeredAt - askedAt;
        long firstChunkNanos = -1;
        if (relay != null) {
            answered = new Answered(200, code(delivery, relayCode(delivery)), requests, model, usage, relay.bytes(),
                    isEstimated, false);
            upstreamNanos = relay.endedAt() - askedAt;
            firstChunkNanos = relay.firstChunkNanos();
        }
        var times = new Times(upstreamNanos, firstChunkNanos, System.nanoTime() - invocation.arrived(),
                Duration.between(Instant.now(), invocation.deadline()).toMillis());
        return new AccessLine(invocation.requestId(), invocation.traceId(), event == null ? null : event.door(),
                client == null ? null : client.name(), asked, answered, times);
    }

    private boolean isUsedUp() {
        return reservation != null && reservation.isUsedUp();
    }

    private static String code(Delivery delivery, String otherwise) {
        return delivery == Delivery.STALLED ? "reader_stalled" : otherwise;
    }

    private String relayCode(Delivery delivery) {
        if (relay.error() != null) {
            return code(relay.error());
        }
        return delivery == Delivery.LOST ? "answer_lost" : null;
    }
}
