package chatlambda;

import chatlambda.SettingsReader.ByClient;
import chatlambda.SettingsReader.ClientKey;
import chatlambda.access.Access;
import chatlambda.access.Client;
import chatlambda.access.Cors;
import chatlambda.budget.Budget;
import chatlambda.budget.Budgets;
import chatlambda.budget.Ledger;
import chatlambda.budget.Prices;
import chatlambda.budget.Unit;
import chatlambda.chat.Limits;
import chatlambda.chat.Limits.Counted;
import chatlambda.chat.Models;
import chatlambda.chat.Route;
import chatlambda.chat.UpstreamKey;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * What the function works with: every value is there and valid. {@link #of} names each setting once, with its reader, its default and its
 * meaning.
 *
 * @param upstream the base that a route's path is added to
 * @param maxTokensMember of a chat request, in which a token limit goes upstream
 * @param apiKey the key, or the ARN of the secret that holds it; null where callers bring their own
 * @param routes that are served
 * @param forwardHeaders of the caller's, by lower-case name, that go upstream
 * @param budgetTable null where there are no budgets
 * @param stored settings whose texts are elsewhere, and empty here
 */
public record Settings(Access.Mode auth, List<ClientKey> clientKeys, ByClient<List<String>> allowedModels, ByClient<Long> maxRequestBytes,
        ByClient<Long> maxTokensCap, String maxTokensMember, URI upstream, String apiKey, Models models, Set<Route> routes,
        List<String> forwardHeaders, Cors cors, Duration connectTimeout, Duration timeout, Duration reserve, ResponseMode responseMode,
        Duration streamIdleTimeout, Duration streamHeartbeat, Duration keepAlive, Duration primeTimeout, int retries,
        Duration retryAfterMax, boolean metrics, boolean propagateTrace, long maxBytesInFlight, int workers, Budgets budgets,
        String budgetTable, Prices prices, Ledger.OnFailure budgetOnFailure, Stored stored) {

    /** Where the default model is. */
    private static final String DEFAULT_URL = "https://api.aimlapi.com";
    /** Its maker has shut it down; it stays the default because it is what this function was made for, and so it has a successor. */
    private static final String DEFAULT_MODEL = "google/gemini-2.5-pro-preview-05-06";
    private static final String SUCCESSOR = "google/gemini-pro-latest";
    private static final Pattern LOOPBACK = Pattern.compile("(?i)(.+\\.)?localhost|127(\\.[0-9]+){3}|\\[::1]");

    /** How answers go out: {@code chat.response-mode}. */
    public enum ResponseMode {
        /** Whole, at most 6 MB: HTTP API, ALB, Function URL with BUFFERED, {@code Invoke}. */
        BUFFERED,
        /** As they come: Function URL with RESPONSE_STREAM, REST API with ResponseTransferMode STREAM, InvokeWithResponseStream. */
        STREAM
    }

    /**
     * Settings whose texts parameters of AWS Systems Manager hold.
     *
     * @param arns of the parameters, by the settings' names
     * @param given the texts of all settings, as for {@link Settings#of}
     */
    public record Stored(Map<String, String> arns, Function<String, String> given, Map<String, String> variables) {

        /**
         * The settings with these texts.
         *
         * @param texts by the settings' names, one for each of {@link #arns}
         */
        Settings with(Map<String, String> texts) throws Invalid {
            return of(name -> texts.containsKey(name) ? texts.get(name) : given.apply(name), variables, this);
        }
    }

    /** All that is wrong with the settings, one sentence each. */
    public static final class Invalid extends Exception {

        private static final long serialVersionUID = 1;

        Invalid(List<String> problems) {
            super(String.join("; ", problems), null, false, false);
        }
    }

    /**
     * @param given the text of a setting by its name, which is {@code url} for {@code chat.url}; null where it is not set
     * @param variables the environment: a variable that begins with {@code CHAT_} and was not read is refused as a typo. The upstream's key
     *        is taken from it, since a key may look like an expression, which {@code given} expands
     * @throws Invalid with all that is wrong
     */
    public static Settings of(Function<String, String> given, Map<String, String> variables) throws Invalid {
        return of(given, variables, null);
    }

    /** @param stored what was found in the first reading, for which {@code given} has the texts by now; null: this is the first */
    private static Settings of(Function<String, String> given, Map<String, String> variables, Stored stored) throws Invalid {
        var read = new SettingsReader(given, variables, stored == null ? Set.of() : stored.arns.keySet());
        // How callers over HTTP are known.
        var auth = read.oneOf(Access.Mode.values(), "auth", "keys", "keys, to iam where the front door authenticates, or to passthrough");
        List<ClientKey> keys = read.clientKeys("client-keys", auth); // who may call: name=sha256hex,...; a name may have several keys
        URI upstream = read.url("url", DEFAULT_URL); // of the upstream, as an OpenAI SDK takes it; a bare host gets /v1
        // What callers may spend: client=AMOUNTunit/period,...; the table in which it is counted; model=IN/OUT,... in dollars per million
        // tokens, where the upstream does not tell its price.
        Budgets budgets = read.budgets("budgets");
        String table = read.table("budget-table", read.isSet("budgets"));
        Prices prices = read.prices("prices");
        // model: of a request that names none. model-aliases: name=model,...: where a request names the left one, the right one is asked.
        // fallback-models: to be asked, in this order, when the one asked for is not available.
        Models models = read.models(DEFAULT_MODEL, SUCCESSOR, upstream != null && upstream.toString().equals(DEFAULT_URL + "/v1"));
        var settings = new Settings(auth, keys,
                // The next three limit everybody; client=value limits that client, or direct, instead.
                read.texts("allowed-models"), // globs of models that may be asked for; none: any
                read.numbers("max-request-bytes"), // of a request's body; none: as many as the front door takes
                read.numbers("max-tokens-cap"), // that a request may ask for, filled in where it does not say; none: as many as it likes
                read.tokensMember("max-tokens-member"), // of a chat request that is held to a cap: max_tokens or max_completion_tokens
                upstream,
                read.apiKey("api-key", auth), // the upstream's bearer key, or the ARN of its secret; required, but not with passthrough
                models,
                read.routes("routes"), // that are served: chat, responses, embeddings, models
                read.headers("forward-headers"), // names of the caller's headers that go upstream
                read.cors("cors-origins", auth), // origins of the pages in browsers that may call; none: no CORS
                read.connectTimeout("connect-timeout", "3s"), // to the upstream, and to the service that holds its key
                read.duration("timeout", "15m"), // upper bound on one upstream answer; the deadline less the reserve bounds it too
                read.durationOrZero("reserve", "500ms"), // kept back from the deadline so that our own answer still gets out
                // How every answer goes out; the event does not tell how the front door invokes.
                read.oneOf(ResponseMode.values(), "response-mode", "buffered", "buffered, or to stream where the front door streams"),
                read.duration("stream-idle-timeout", "5m"), // how long a streamed answer may be silent
                read.durationOrZero("stream-heartbeat", "15s"), // after how much silence a comment goes to the caller; 0: never
                read.durationOrZero("keep-alive", "30s"), // how long a reused connection may have been idle, frozen time included
                read.durationOrZero("prime-timeout", "2s"), // how long the start may wait for the connection; 0: the first request makes it
                read.retries("retries", "1"), // how often is asked again when that cannot cost twice, or there is no room; 0 to 10
                read.durationOrZero("retry-after-max", "10s"), // how long an invocation may wait, in all, before it asks again
                read.isTrue("metrics", "true"), // whether access lines carry metrics in CloudWatch's embedded format
                read.isTrue("propagate-trace", "false"), // whether the caller's traceparent and X-Ray's trace id go upstream
                // Bytes of requests and whole answers that all invocations together may hold; none: a quarter of the function's memory.
                read.bytesInFlight("max-bytes-in-flight"),
                read.workers(), // how many invocations Lambda may hand over at a time
                budgets, table, prices,
                // What happens to callers with budgets while the table cannot be asked.
                read.oneOf(Ledger.OnFailure.values(), "budget-on-failure", "refuse", "refuse, or to allow"),
                stored != null ? stored : new Stored(read.stored(), given, variables));
        read.requireNames("allowed-models", settings.allowedModels, models);
        if (!read.problems().isEmpty()) {
            throw new Invalid(read.problems());
        }
        return settings;
    }

    /** Whether that is the default model, asked of the default upstream: it has been shut down. */
    boolean isShutDown(String asked) {
        return DEFAULT_MODEL.equals(asked) && upstream.toString().equals(DEFAULT_URL + "/v1");
    }

    boolean streams() {
        return responseMode == ResponseMode.STREAM;
    }

    /** Whether callers may have budgets. */
    boolean hasBudgets() {
        return !budgets.all().isEmpty() || stored.arns.containsKey("budgets");
    }

    /** Models that are named exactly, by what an alias stands for. */
    Set<String> namedModels() {
        var named = new HashSet<>(models.fallbacks());
        named.add(models.standard());
        named.addAll(models.aliases().values());
        named.addAll(allowedModels.everybodys());
        allowedModels.own().values().forEach(named::addAll);
        prices.all().forEach(price -> named.add(price.models()));
        if (models.successor() != null) {
            named.add(models.successor());
        }
        named.removeIf(model -> model.indexOf('*') >= 0);
        return named;
    }

    /** Whether the upstream's key and what callers say go over a network unencrypted. */
    boolean isUpstreamInTheClear() {
        return upstream.getScheme().equals("http") && !LOOPBACK.matcher(upstream.getHost()).matches();
    }

    /** @param ours the upstream's key, for all who bring none */
    Access access(UpstreamKey ours) {
        var keys = new ArrayList<Access.Key>();
        for (ClientKey key : clientKeys) {
            keys.add(new Access.Key(client(key.client(), ours), key.sha256()));
        }
        return new Access(auth, keys, client(Access.DIRECT, ours),
                client(auth == Access.Mode.PASSTHROUGH ? Access.PASSTHROUGH : Access.IAM, ours));
    }

    private Client client(String name, UpstreamKey key) {
        Counted counted = Counted.NOTHING;
        for (Budget budget : budgets.of(name)) {
            counted = counted == Counted.USAGE || budget.unit() != Unit.REQUESTS ? Counted.USAGE : Counted.REQUESTS;
        }
        return new Client(name, key, new Limits(allowedModels.of(name), maxRequestBytes.of(name), maxTokensCap.of(name), maxTokensMember,
                counted));
    }
}
