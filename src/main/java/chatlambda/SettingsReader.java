package chatlambda;

import chatlambda.access.Access;
import chatlambda.access.Cors;
import chatlambda.budget.Budget;
import chatlambda.budget.Budgets;
import chatlambda.budget.Period;
import chatlambda.budget.Prices;
import chatlambda.budget.Prices.Price;
import chatlambda.budget.Unit;
import chatlambda.chat.Limits;
import chatlambda.chat.Models;
import chatlambda.chat.Route;
import chatlambda.chat.UpstreamKey;
import chatlambda.secret.Secret;
import io.quarkus.runtime.configuration.DurationConverter;
import java.math.BigDecimal;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.DateTimeException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Makes values of the settings' texts. It remembers which settings were read, and collects all problems, each with the setting's names, its
 * text and the remedy. What a method returns after a problem is of no use.
 */
final class SettingsReader {

    /** One item of {@code chat.client-keys}: a client's name and the SHA-256 of one of its keys. */
    record ClientKey(String client, byte[] sha256) {
    }

    /**
     * What the setting of a limit says.
     *
     * @param everybodys for each client without a value of its own
     * @param own by the client's name
     */
    record ByClient<T>(T everybodys, Map<String, T> own) {
        T of(String client) {
            return own.getOrDefault(client, everybodys);
        }
    }

    private static final Pattern CLIENT = Pattern.compile("[A-Za-z0-9._-]{1,64}");
    /** Settings that may be the ARN of a parameter which holds their text. */
    private static final Set<String> MAY_BE_STORED = Set.of("client-keys", "budgets", "prices");
    private static final Pattern AMOUNT = Pattern.compile("([0-9]{1,12}(?:\\.[0-9]{1,9})?)([a-z]+)/([a-z]+)");
    private static final Pattern PRICE = Pattern.compile("[0-9]{1,9}(?:\\.[0-9]{1,9})?");
    /** DynamoDB's. */
    private static final Pattern TABLE = Pattern.compile("[A-Za-z0-9_.-]{3,255}");
    /** Settings in which a key may stand, be it in the wrong place. */
    private static final Set<String> MAY_HOLD_KEYS = Set.of("api-key", "client-keys", "url");
    private static final Pattern SHA_256 = Pattern.compile("[0-9a-fA-F]{64}");
    private static final Pattern NUMBER = Pattern.compile("0*[1-9][0-9]{0,14}");

    /** As browsers send one: in lower case and without the scheme's own port. */
    private static final Pattern ORIGIN = Pattern.compile("(?!http://.*:80$)(?!https://.*:443$)[a-z][a-z0-9+.-]*://"
            + "(?:\\[[0-9a-f:]+]|[a-z0-9._-]+)(?::[1-9][0-9]{0,4})?", Pattern.CASE_INSENSITIVE);
    private static final Pattern PORT = Pattern.compile("[0-9]{1,9}");
    private static final int MAX_PORT = 65_535;
    private static final Pattern HEADER = Pattern.compile("[a-z0-9!#$%&'*+.^_`|~-]{1,100}");
    /** Keys, what this side of the connection says, and what front doors add. */
    private static final Pattern NEVER_FORWARDED = Pattern.compile("authorization|x-api-key|api-key|x-goog-api-key|cookie|host|accept.*"
            + "|x-amzn?-.*|x-forwarded-.*|forwarded|proxy-.*|content-.*|connection|keep-alive|te|trailer|transfer-encoding|upgrade"
            + "|expect|http2-settings|chat-lambda-exchange");

    /** Who may have a budget although no key is its own. */
    private static final Set<String> BUDGETED = Set.of(Access.DIRECT, Access.IAM, Access.PASSTHROUGH, Budget.EACH, Budget.ALL);

    private static final long MIN_IN_FLIGHT = 16 * 1024 * 1024;
    private static final String MAX_CONCURRENCY = "AWS_LAMBDA_MAX_CONCURRENCY";
    private static final Pattern WORKERS = Pattern.compile("[1-9][0-9]{0,3}");
    /** AWS's own limit for one environment. */
    private static final int MAX_WORKERS = 1600;
    /** No invocation lasts that long, and sums of it with an instant are still instants. */
    private static final Duration MAX_DURATION = Duration.ofDays(1);

    private final Function<String, String> given;
    private final Map<String, String> variables;
    private final Set<String> known = new TreeSet<>();
    private final List<String> problems = new ArrayList<>();
    /** Who may have limits. */
    private final Set<String> clients = new HashSet<>(Set.of(Access.DIRECT));
    /** ARNs of the parameters that hold settings' texts, by the settings' names. */
    private final Map<String, String> stored = new TreeMap<>();
    /** Those whose texts have been read by now. */
    private final Set<String> read;

    /** @param read names of the settings whose texts have been read from parameters */
    SettingsReader(Function<String, String> given, Map<String, String> variables, Set<String> read) {
        this.given = given;
        this.variables = variables;
        this.read = read;
    }

    /** Upper and lower case are the same. */
    <T extends Enum<T>> T oneOf(T[] all, String name, String otherwise, String remedy) {
        String text = text(name, otherwise);
        var names = new ArrayList<String>();
        for (T each : all) {
            if (each.name().equalsIgnoreCase(text.strip())) {
                return each;
            }
            names.add(each.name().toLowerCase(Locale.ROOT));
        }
        return problem(name, is(text, ", none of " + String.join(", ", names)), "set it to " + remedy);
    }

    List<ClientKey> clientKeys(String name, Access.Mode auth) {
        String remedy = "set it to name=hash, where the hash is what this prints: printf %s \"$KEY\" | sha256sum";
        var keys = new ArrayList<ClientKey>();
        for (String item : items(text(name, ""))) {
            int equals = item.indexOf('=');
            String client = item.substring(0, Math.max(0, equals)).strip();
            String hash = item.substring(equals + 1).strip();
            if (!CLIENT.matcher(client).matches() || Access.RESERVED.contains(client)) {
                problem(name, "has an item that does not begin with a client's name and = (it is not shown;"
                        + " direct, iam, passthrough, none and all are no client's names)", remedy);
            } else if (!SHA_256.matcher(hash).matches()) {
                problem(name, "has for " + client + " what is no SHA-256 in hex (it is not shown)", remedy);
            } else {
                keys.add(new ClientKey(client, HexFormat.of().parseHex(hash)));
                clients.add(client);
            }
        }
        if (auth != Access.Mode.KEYS && !keys.isEmpty()) {
            problem(name, "is set, and not looked at while chat.auth (CHAT_AUTH) is not keys", "remove one of the two");
        }
        return keys;
    }

    /** {@code value} for everybody, {@code client=value} for a client that {@link #clientKeys} has read, or {@code direct}. */
    ByClient<List<String>> texts(String name) {
        var everybodys = new ArrayList<String>();
        var own = new HashMap<String, List<String>>();
        for (String item : items(text(name, ""))) {
            int equals = item.indexOf('=');
            String client = item.substring(0, Math.max(0, equals)).strip();
            String value = item.substring(equals + 1).strip();
            if (value.isEmpty() || equals >= 0 && !isClient(client)) {
                problem(name, value.isEmpty() ? "has an empty item" : "names the client \"" + client + "\"",
                        "set it to values, or to client=value for one whom CHAT_CLIENT_KEYS names");
            }
            (equals < 0 ? everybodys : own.computeIfAbsent(client, none -> new ArrayList<>())).add(value);
        }
        return new ByClient<>(everybodys, own);
    }

    /** The same with one number each; 0 where none is given. */
    ByClient<Long> numbers(String name) {
        ByClient<List<String>> texts = texts(name);
        long everybodys = texts.everybodys().isEmpty() ? 0 : number(name, "", texts.everybodys());
        var own = new HashMap<String, Long>();
        for (var entry : texts.own().entrySet()) {
            own.put(entry.getKey(), number(name, " for " + entry.getKey(), entry.getValue()));
        }
        return new ByClient<>(everybodys, own);
    }

    private long number(String name, String whose, List<String> values) {
        String text = String.join(",", values);
        if (NUMBER.matcher(text).matches()) {
            return Long.parseLong(text);
        }
        problem(name, "is \"" + text + "\"" + whose + ", not one whole number above 0", "set it to a number such as 100000");
        return 0;
    }

    /** Where a parameter holds the clients' keys they come and go, and other settings may name any. */
    private boolean isClient(String client) {
        boolean clientsVary = stored.containsKey("client-keys") || read.contains("client-keys");
        return clients.contains(client)
                || clientsVary && CLIENT.matcher(client).matches() && !Access.RESERVED.contains(client);
    }

    /** {@code client=AMOUNTunit/period}, separated by commas. */
    Budgets budgets(String name) {
        var budgets = new ArrayList<Budget>();
        for (String item : items(text(name, ""))) {
            int equals = item.indexOf('=');
            String client = item.substring(0, Math.max(0, equals)).strip();
            Budget budget = budget(name, item, client, item.substring(equals + 1).strip());
            if (budget != null && budgets.stream().anyMatch(each -> each.client().equals(client)
                    && each.isFor(budget.unit(), budget.period()))) {
                problem(name, "has two budgets of " + client + " in " + budget.unit().label() + " for a " + budget.period().label(),
                        "leave one of them");
            }
            if (budget != null) {
                budgets.add(budget);
            }
        }
        return new Budgets(budgets);
    }

    private Budget budget(String name, String item, String client, String amount) {
        String remedy = "set it to client=AMOUNTunit/period items such as app=20usd/month,*=60requests/minute, with one of usd, tokens,"
                + " requests and one of minute, hour, day, month";
        Matcher parts = AMOUNT.matcher(amount);
        Unit unit = parts.matches() ? named(Unit.values(), parts.group(2)) : null;
        Period period = parts.matches() ? named(Period.values(), parts.group(3)) : null;
        if (client.isEmpty() || unit == null || period == null || unit != Unit.USD && amount.indexOf('.') >= 0) {
            return problem(name, "has the item \"" + item + "\", which is no budget", remedy);
        }
        if (!BUDGETED.contains(client) && !isClient(client)) {
            return problem(name, "names the client \"" + client + "\"", "name one whom CHAT_CLIENT_KEYS names, direct, iam, passthrough,"
                    + " * for each client, or all for the sum");
        }
        var limit = new BigDecimal(parts.group(1));
        if (limit.signum() == 0) {
            return problem(name, "has the item \"" + item + "\", a budget of 0", "set it to more, or take the client's key away");
        }
        return new Budget(client, limit, unit, period);
    }

    private static <T extends Enum<T>> T named(T[] all, String label) {
        for (T each : all) {
            if (each.name().toLowerCase(Locale.ROOT).equals(label)) {
                return each;
            }
        }
        return null;
    }

    /** Whether it is set to something, right or wrong. */
    boolean isSet(String name) {
        String text = given.apply(name);
        return text != null && !text.isBlank();
    }

    /** @param isRequired whether there are budgets, or may be */
    String table(String name, boolean isRequired) {
        String text = text(name, "").strip();
        String remedy = "set it to the name of a DynamoDB table in the function's region (see template.yaml)";
        if (text.isEmpty()) {
            return isRequired ? problem(name, "is not set, while CHAT_BUDGETS is", remedy) : null;
        }
        return TABLE.matcher(text).matches() ? text : problem(name, is(text, ", not the name of a table"), remedy);
    }

    /** {@code model=IN/OUT}, separated by commas. */
    Prices prices(String name) {
        var prices = new ArrayList<Price>();
        for (String item : items(text(name, ""))) {
            int equals = item.lastIndexOf('=');
            String models = item.substring(0, Math.max(0, equals)).strip();
            String[] amounts = item.substring(equals + 1).split("/", -1);
            boolean isPrice = amounts.length == 2 && PRICE.matcher(amounts[0].strip()).matches()
                    && PRICE.matcher(amounts[1].strip()).matches();
            if (!isPrice || models.isEmpty() || !Limits.isName(models)) {
                problem(name, "has the item \"" + item + "\", which is no price", "set it to model=IN/OUT items, in US dollars per million"
                        + " prompt and completion tokens, such as openai/gpt-5*=1.25/10,*=3/15");
            } else {
                prices.add(new Price(models, new BigDecimal(amounts[0].strip()), new BigDecimal(amounts[1].strip())));
            }
        }
        return new Prices(prices);
    }

    /** ARNs of the parameters that hold settings' texts, by the settings' names. */
    Map<String, String> stored() {
        return stored;
    }

    /** What an OpenAI SDK takes as its base URL: a bare host gets {@code /v1}; a chat endpoint's address is taken without its route. */
    URI url(String name, String otherwise) {
        String remedy = "set it to an address such as https://api.aimlapi.com";
        String text = text(name, otherwise);
        if (text.isBlank()) {
            return problem(name, "is empty", remedy);
        }
        try {
            var url = new URI(text.strip());
            if (text.indexOf('@') >= 0 || url.getRawQuery() != null) {
                return problem(name, "holds a user name, a password or a query (its value is not shown)",
                        "give the key in CHAT_API_KEY, and nothing behind the path");
            }
            String scheme = String.valueOf(url.getScheme()).toLowerCase(Locale.ROOT);
            if (url.getPort() == 0 || url.getPort() > MAX_PORT || url.getHost() == null || !Set.of("http", "https").contains(scheme)) {
                return problem(name, is(text, ", not an http or https address"), remedy);
            }
            if (url.getRawFragment() != null) {
                return problem(name, is(text, ", with something behind its path"), remedy);
            }
            String base = withoutSlashes(scheme + url.toASCIIString().substring(scheme.length()));
            String chat = Route.CHAT.path();
            base = base.endsWith(chat) ? withoutSlashes(base.substring(0, base.length() - chat.length())) : base;
            boolean isBare = base.indexOf('/', "https://".length()) < 0;
            return new URI(isBare ? base + "/v1" : base);
        } catch (URISyntaxException e) {
            boolean secret = text.indexOf('@') >= 0 || text.indexOf('?') >= 0;
            return problem(name, secret ? "is not an address (its value is not shown)" : is(text, ", not an address"), remedy);
        }
    }

    private static String withoutSlashes(String base) {
        int end = base.length();
        while (base.charAt(end - 1) == '/') {
            end--;
        }
        return base.substring(0, end);
    }

    /** By default all. */
    Set<Route> routes(String name) {
        String text = text(name, null);
        if (text == null) {
            return EnumSet.allOf(Route.class);
        }
        var byLabel = new LinkedHashMap<String, Route>();
        for (Route route : Route.values()) {
            byLabel.put(route.label(), route);
        }
        String remedy = "set it to some of " + String.join(",", byLabel.keySet());
        var routes = EnumSet.noneOf(Route.class);
        for (String item : items(text)) {
            if (byLabel.containsKey(item)) {
                routes.add(byLabel.get(item));
            } else {
                problem(name, is(text, ", in which \"" + item + "\" is no route"), remedy);
            }
        }
        if (text.isBlank()) {
            problem(name, "is empty", remedy);
        }
        return routes;
    }

    /** The member of a chat request in which a token limit goes upstream. */
    String tokensMember(String name) {
        List<String> members = Route.CHAT.tokenLimits();
        String text = text(name, members.get(0)).strip();
        return members.contains(text) ? text : problem(name, is(text, ""), "set it to " + String.join(" or ", members));
    }

    /** Origins in lower case, or {@link Cors#ANY}. */
    Cors cors(String name, Access.Mode auth) {
        String remedy = "set it to origins such as https://app.example.com, without a path and separated by commas, or to * alone";
        String text = text(name, null);
        if (text == null) {
            return new Cors(Set.of());
        }
        List<String> origins = items(text);
        if (origins.contains(Cors.ANY)) {
            if (origins.size() > 1) {
                problem(name, is(text, ", in which * does not stand alone"), remedy);
            } else if (auth == Access.Mode.IAM) {
                problem(name, "is *, while chat.auth (CHAT_AUTH) is iam: any page could spend the upstream's key",
                        "name the origins, or set CHAT_AUTH=keys");
            }
        } else {
            for (String origin : origins) {
                String port = origin.substring(origin.lastIndexOf(':') + 1);
                boolean hasPort = PORT.matcher(port).matches();
                if (!ORIGIN.matcher(origin).matches() || hasPort && Integer.parseInt(port) > MAX_PORT) {
                    problem(name, is(text, ", in which \"" + origin + "\" is no origin that a browser sends"), remedy);
                }
            }
        }
        origins.replaceAll(each -> each.toLowerCase(Locale.ROOT));
        return new Cors(Set.copyOf(origins));
    }

    /** Headers' names in lower case. */
    List<String> headers(String name) {
        var names = new ArrayList<String>();
        String text = text(name, "");
        for (String item : items(text)) {
            String lower = item.toLowerCase(Locale.ROOT);
            if (!HEADER.matcher(lower).matches() || lower.contains("*")) {
                problem(name, is(text, ", in which \"" + item + "\" is no header's name"), "set it to names such as x-session-id");
            } else if (NEVER_FORWARDED.matcher(lower).matches()) {
                problem(name, "has " + item + ", which is the function's to say, or tells of the caller's way here", "leave it out");
            }
            names.add(lower);
        }
        return names;
    }

    /** Null with {@link Access.Mode#PASSTHROUGH}. The variable counts as it is written: a key may look like an expression. */
    String apiKey(String name, Access.Mode auth) {
        String remedy = "set it to the ARN of the secret that holds the upstream's key (see template.yaml), or to the key itself";
        known.add(variable(name));
        String literal = variables.get(variable(name));
        String text = literal != null ? literal : text(name, "");
        String key = text.strip(); // secrets are often stored with a line end
        boolean isMissing = literal == null && text.isEmpty();
        if (auth == Access.Mode.PASSTHROUGH) {
            return isMissing ? null : problem(name, "is set, while chat.auth (CHAT_AUTH) is passthrough, which sends the callers' own keys"
                    + " upstream", "remove one of the two");
        }
        if (key.isEmpty()) {
            return problem(name, isMissing ? "is missing" : "is blank", remedy);
        }
        if (!UpstreamKey.fitsHeader(key)) {
            problem(name, "has a character that no HTTP header can carry (its value is not shown)", remedy);
        }
        if (Secret.looksLikeArn(key) && !Secret.isArn(key)) {
            problem(name, "is \"" + key + "\", an ARN of neither a secret nor a parameter",
                    "set it to arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME or arn:aws:ssm:REGION:ACCOUNT:parameter/NAME");
        }
        return key;
    }

    /**
     * The models that are named, by the settings {@code model}, {@code model-aliases} and {@code fallback-models}.
     *
     * @param standard of a request that names none; the default
     * @param successor of the default, where nothing else was set
     * @param upstream has its default value
     */
    Models models(String standard, String successor, boolean upstream) {
        String model = text("model", standard).strip();
        if (model.isEmpty()) {
            problem("model", "is empty", "set it to a model's id, such as google/gemini-2.5-pro");
        }
        Map<String, String> aliases = aliases("model-aliases");
        boolean noFallbacks = text("fallback-models", null) == null;
        var fallbacks = new ArrayList<String>();
        fallbackModels("fallback-models").forEach(each -> fallbacks.add(aliases.getOrDefault(each, each)));
        String real = aliases.getOrDefault(model, model);
        boolean isDefault = upstream && noFallbacks && model.equals(standard) && real.equals(standard);
        return new Models(real, aliases, fallbacks, isDefault ? successor : null);
    }

    private Map<String, String> aliases(String name) {
        var aliases = new LinkedHashMap<String, String>();
        String remedy = "set it to name=model pairs such as fast=google/gemini-3-flash,smart=openai/gpt-5";
        for (String item : items(text(name, ""))) {
            int equals = item.indexOf('=');
            String alias = item.substring(0, Math.max(0, equals)).strip();
            String model = item.substring(equals + 1).strip();
            boolean isPair = UpstreamKey.fitsHeader(alias) && UpstreamKey.fitsHeader(model) && !alias.isEmpty() && !model.isEmpty();
            if (!isPair || item.contains("*") || item.contains("..")) {
                problem(name, "has the item \"" + item + "\", which is no pair of plain names", remedy);
            } else if (aliases.put(alias, model) != null) {
                problem(name, "has " + alias + " twice", remedy);
            }
        }
        for (var alias : aliases.entrySet()) {
            if (aliases.containsKey(alias.getValue())) {
                problem(name, "says that " + alias.getKey() + " is " + alias.getValue() + ", which is an alias itself", "name its model");
            }
        }
        return aliases;
    }

    /** @param allowed by exact names or globs, for all or for one client: an alias's name among them would never match */
    void requireNames(String name, ByClient<List<String>> allowed, Models models) {
        var all = new ArrayList<>(allowed.everybodys());
        allowed.own().values().forEach(all::addAll);
        for (String model : all) {
            if (!Limits.isName(model)) {
                problem(name, "has \"" + model + "\", with a space, a control character or two dots in a row, which no model's name has",
                        "name models, in which * stands for any characters");
            }
            if (models.aliases().containsKey(model) && !models.aliases().containsValue(model)) {
                problem(name, "names " + model + ", an alias, and looks at real names only", "name " + models.real(model));
            }
        }
    }

    private List<String> fallbackModels(String name) {
        List<String> models = items(text(name, ""));
        for (String model : models) {
            if (model.isEmpty() || !UpstreamKey.fitsHeader(model)) {
                problem(name, is(text(name, ""), ", which names no model, or one that is not plain ASCII, between two commas"),
                        "set it to models' ids such as google/gemini-2.5-pro,openai/gpt-4o");
                return List.of();
            }
        }
        return models;
    }

    int retries(String name, String otherwise) {
        String text = text(name, otherwise);
        int retries = List.of("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10").indexOf(text.strip());
        if (retries < 0) {
            problem(name, text.isBlank() ? "is empty" : is(text, ", not a number from 0 to 10"), "set it to 1, or to 0 for none");
        }
        return retries;
    }

    boolean isTrue(String name, String otherwise) {
        String text = text(name, otherwise);
        boolean isTrue = text.strip().equals("true");
        if (!isTrue && !text.strip().equals("false")) {
            problem(name, is(text, ""), "set it to true or false");
        }
        return isTrue;
    }

    /** By default a quarter of the memory that Lambda gives, and at least 16 MB. */
    long bytesInFlight(String name) {
        String memory = variables.getOrDefault("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "");
        long quarter = NUMBER.matcher(memory).matches() ? Long.parseLong(memory) * 1024 * 1024 / 4 : 0;
        String text = text(name, Long.toString(Math.max(quarter, MIN_IN_FLIGHT)));
        return number(name, "", List.of(text.strip()));
    }

    /** Lambda's own variable: 1 where it is not set. */
    int workers() {
        String text = variables.getOrDefault(MAX_CONCURRENCY, "1");
        if (WORKERS.matcher(text).matches() && Integer.parseInt(text) <= MAX_WORKERS) {
            return Integer.parseInt(text);
        }
        problems.add(MAX_CONCURRENCY + " (in dev mode LOCAL_WORKERS, or -Dlocal.workers) is \"" + text + "\", not a whole number from 1 to "
                + MAX_WORKERS + ": set it to a number such as 64, or remove it");
        return 0;
    }

    Duration connectTimeout(String name, String otherwise) {
        Duration duration = duration(name, otherwise);
        if (duration != null && duration.compareTo(Duration.ofMillis(1)) < 0) {
            problem(name, is(text(name, otherwise), ", not between 1ms and 1d"), "set it to a time such as 500ms or 3s");
        }
        return duration;
    }

    Duration duration(String name, String otherwise) {
        return duration(name, otherwise, false);
    }

    Duration durationOrZero(String name, String otherwise) {
        return duration(name, otherwise, true);
    }

    private Duration duration(String name, String otherwise, boolean orZero) {
        String text = text(name, otherwise);
        String expected = "a time";
        try {
            Duration duration = DurationConverter.parseDuration(text.strip());
            boolean isThere = duration != null;
            if (isThere && duration.compareTo(MAX_DURATION) > 0) {
                expected = "at most 1d";
            } else if (isThere && (duration.isNegative() || duration.isZero() && !orZero)) {
                expected = orZero ? "0 or more" : "more than 0";
            } else if (isThere) {
                return duration;
            }
        } catch (IllegalArgumentException | DateTimeException | ArithmeticException e) {
            // it is no time, or one that nobody can wait for
        }
        return problem(name, is(text, ", not " + expected), "set it to a time such as 500ms, 3s or 15m");
    }

    private static List<String> items(String text) {
        var items = new ArrayList<String>(text.isBlank() ? List.of() : List.of(text.split(",", -1)));
        items.replaceAll(String::strip);
        return items;
    }

    private String text(String name, String otherwise) {
        known.add(variable(name));
        String text = given.apply(name);
        if (text != null && MAY_BE_STORED.contains(name) && Secret.looksLikeArn(text.strip())) {
            if (!Secret.isParameterArn(text.strip()) || read.contains(name)) {
                problem(name, is(text.strip(), read.contains(name) ? ", which a parameter holds: store the setting's text there"
                        : ", an ARN of no parameter"), "set it to arn:aws:ssm:REGION:ACCOUNT:parameter/NAME");
            }
            stored.put(name, text.strip());
            return otherwise;
        }
        if (text != null && text.contains("${")) {
            problem(name, MAY_HOLD_KEYS.contains(name) ? "is an expression of which a part is not set (its value is not shown)"
                    : is(text, ", an expression of which a part is not set"), "set that, or write what it stands for");
            return otherwise;
        }
        return text != null ? text : otherwise;
    }

    private static String variable(String name) {
        return "CHAT_" + name.replace('-', '_').toUpperCase(Locale.ROOT);
    }

    private static String is(String text, String wrong) {
        return text.isEmpty() ? "is empty" : "is \"" + text + "\"" + wrong;
    }

    /** @return null, which is the value after a problem */
    private <T> T problem(String name, String what, String remedy) {
        String problem = "chat." + name + " (environment variable " + variable(name) + ") " + what + ": " + remedy;
        if (!problems.contains(problem)) { // a text may be looked at twice
            problems.add(problem);
        }
        return null;
    }

    /** All of them, with the variables that no setting has. To be called when all settings were read. */
    List<String> problems() {
        var all = new ArrayList<>(problems);
        for (String name : new TreeSet<>(variables.keySet())) {
            if (name.startsWith("CHAT_") && !known.contains(name)) {
                all.add(name + " is not a setting: remove it, or correct it to one of " + String.join(", ", known));
            }
        }
        return all;
    }
}
