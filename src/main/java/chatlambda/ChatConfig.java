package chatlambda;

import chatlambda.access.Access;
import chatlambda.chat.Limits;
import chatlambda.secret.Secret;
import io.quarkus.runtime.configuration.DurationConverter;
import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;

import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The settings as they were given: text, so that {@link Settings#of} can tell of all that is wrong with them at once, each with
 * its names, its value and the remedy.
 */
@ConfigMapping(prefix = "chat")
public interface ChatConfig {

    /** Upstream base; requests go to {@code {url}/v1/chat/completions}. A base that ends in {@code /v1} works too. */
    @WithDefault("https://api.aimlapi.com")
    Optional<String> url();

    /** The upstream's bearer key, or the ARN of the secret that holds it. Required, but for callers who bring their own. */
    Optional<String> apiKey();

    /** How callers over HTTP are known. */
    @WithDefault("keys")
    Optional<String> auth();

    /** Who may call: {@code name=sha256hex}, separated by commas; one name may have several keys. */
    Optional<String> clientKeys();

    /** Globs, separated by commas; {@code name=glob} is for that client alone, and no other glob is then. */
    Optional<String> allowedModels();

    /** How long a request may be, in bytes: for all, or {@code name=bytes} for one client; separated by commas. */
    Optional<String> maxRequestBytes();

    /** How many tokens a request may ask for: for all, or {@code name=tokens} for one client; separated by commas. */
    Optional<String> maxTokensCap();

    /** Used when a request names no model. */
    @WithDefault("google/gemini-2.5-pro-preview-05-06")
    Optional<String> model();

    /** To the upstream. */
    @WithDefault("3s")
    Optional<String> connectTimeout();

    /** Upper bound on one upstream answer; the invocation's deadline less the reserve bounds it too. */
    @WithDefault("15m")
    Optional<String> timeout();

    /** Kept back from the deadline so that our own answer still gets out. */
    @WithDefault("500ms")
    Optional<String> reserve();

    /** How every answer goes out; the event does not tell how the front door invokes. */
    @WithDefault("buffered")
    Optional<String> responseMode();

    /** How long a streamed answer may be silent. */
    @WithDefault("60s")
    Optional<String> streamIdleTimeout();

    /** How long a connection to the upstream may have been idle, frozen time included, to be used again. */
    @WithDefault("30s")
    Optional<String> keepAlive();

    /** How long the start may wait for the upstream to be connected; 0 leaves it to the first request. */
    @WithDefault("2s")
    Optional<String> primeTimeout();

    /** How often a model is asked again where nothing can have been generated, or the upstream has no room; 0 is never. */
    @WithDefault("1")
    Optional<String> retries();

    /** Models to ask, in this order, when the one asked for is not to be had; separated by commas. */
    Optional<String> fallbackModels();

    /** Whether the access log carries metrics in CloudWatch's embedded format. */
    @WithDefault("true")
    Optional<String> metrics();

    /** Whether the caller's {@code traceparent} and X-Ray's trace id go upstream. */
    @WithDefault("false")
    Optional<String> propagateTrace();

    /** How answers go out: {@code chat.response-mode}. */
    enum ResponseMode {
        /** Whole, at most 6 MB: HTTP API, ALB, Function URL with BUFFERED, {@code Invoke}. */
        BUFFERED,
        /** As they come: Function URL with RESPONSE_STREAM, REST API with ResponseTransferMode STREAM, InvokeWithResponseStream. */
        STREAM
    }

    /**
     * What the function works with: every value is there and sound.
     *
     * @param apiKey the key, or the ARN of the secret that holds it; null where callers bring their own
     */
    record Settings(URI upstream, String apiKey, Access access, String model, Duration connectTimeout, Duration timeout, Duration reserve,
            ResponseMode responseMode, Duration streamIdleTimeout, Duration keepAlive, Duration primeTimeout, int retries,
            List<String> fallbackModels, boolean metrics, boolean propagateTrace) {

        private static final Pattern CLIENT = Pattern.compile("[A-Za-z0-9._-]{1,64}");
        private static final Pattern SHA_256 = Pattern.compile("[0-9a-fA-F]{64}");
        private static final Pattern NUMBER = Pattern.compile("0*[1-9][0-9]{0,14}");
        private static final Set<String> VARIABLES = Set.of("CHAT_URL", "CHAT_API_KEY", "CHAT_MODEL", "CHAT_CONNECT_TIMEOUT",
                "CHAT_TIMEOUT", "CHAT_RESERVE", "CHAT_RESPONSE_MODE", "CHAT_STREAM_IDLE_TIMEOUT", "CHAT_KEEP_ALIVE", "CHAT_PRIME_TIMEOUT",
                "CHAT_RETRIES", "CHAT_FALLBACK_MODELS", "CHAT_AUTH", "CHAT_CLIENT_KEYS", "CHAT_ALLOWED_MODELS",
                "CHAT_MAX_REQUEST_BYTES", "CHAT_MAX_TOKENS_CAP", "CHAT_METRICS", "CHAT_PROPAGATE_TRACE");

        /**
         * @param variables the environment: one that begins with {@code CHAT_} and is not known is a typo, and the key is taken from
         *        there as it is, where a setting's value may hold expressions
         * @throws Invalid with all that is wrong
         */
        public static Settings of(ChatConfig config, Map<String, String> variables) throws Invalid {
            var problems = new ArrayList<String>();
            Access access = access(config, problems);
            var settings = new Settings(
                    upstream(config.url(), problems),
                    apiKey(Optional.ofNullable(variables.get("CHAT_API_KEY")).or(config::apiKey), access, problems),
                    access,
                    model(config.model(), problems),
                    connectTimeout(config.connectTimeout(), problems),
                    duration("timeout", config.timeout(), false, problems),
                    duration("reserve", config.reserve(), true, problems),
                    responseMode(config.responseMode(), problems),
                    duration("stream-idle-timeout", config.streamIdleTimeout(), false, problems),
                    duration("keep-alive", config.keepAlive(), true, problems),
                    duration("prime-timeout", config.primeTimeout(), true, problems),
                    retries(config.retries(), problems),
                    fallbackModels(config.fallbackModels(), problems),
                    isTrue("metrics", config.metrics(), problems),
                    isTrue("propagate-trace", config.propagateTrace(), problems));
            variables.keySet().stream().filter(name -> name.startsWith("CHAT_") && !VARIABLES.contains(name)).sorted()
                    .forEach(name -> problems.add(name + " is not a setting: remove it, or correct it to one of "
                            + String.join(", ", VARIABLES.stream().sorted().toList())));
            if (!problems.isEmpty()) {
                throw new Invalid(problems);
            }
            return settings;
        }

        private static URI upstream(Optional<String> given, List<String> problems) {
            String remedy = "set it to an address such as https://api.aimlapi.com";
            if (given.isEmpty() || given.get().isBlank()) {
                problems.add(problem("url", "is empty", remedy));
                return null;
            }
            try {
                var url = new URI(given.get().strip());
                if (given.get().indexOf('@') >= 0 || url.getRawQuery() != null) {
                    problems.add(problem("url", "holds a user name, a password or a query (its value is not shown)",
                            "give the key in CHAT_API_KEY, and nothing behind the path"));
                } else if (url.getPort() == 0 || url.getPort() > 65_535 || url.getHost() == null || url.getRawFragment() != null
                        || !("https".equals(url.getScheme()) || "http".equals(url.getScheme()))) {
                    problems.add(problem("url", "is \"" + given.get() + "\", not an http or https address", remedy));
                }
                String base = url.toString();
                while (base.endsWith("/")) {
                    base = base.substring(0, base.length() - 1);
                }
                return new URI(base.endsWith("/v1") ? base : base + "/v1");
            } catch (URISyntaxException e) {
                boolean secret = given.get().indexOf('@') >= 0 || given.get().indexOf('?') >= 0;
                problems.add(problem("url", secret ? "is not an address (its value is not shown)"
                        : "is \"" + given.get() + "\", not an address", remedy));
                return null;
            }
        }

        private static String apiKey(Optional<String> given, Access access, List<String> problems) {
            String remedy = "set it to the ARN of the secret that holds the upstream's key (see template.yaml), or to the key itself";
            if (access.mode() == Access.Mode.PASSTHROUGH) {
                if (given.isPresent()) {
                    problems.add(problem("api-key", "is set, while chat.auth (CHAT_AUTH) is passthrough, which sends the callers' own keys"
                            + " upstream", "remove one of the two"));
                }
                return null;
            }
            if (given.isEmpty() || given.get().isBlank()) {
                problems.add(problem("api-key", given.isEmpty() ? "is missing" : "is blank", remedy));
                return null;
            }
            String key = given.get().strip(); // secrets are often stored with a line end
            if (key.chars().anyMatch(c -> c <= ' ' || c > '~')) {
                problems.add(problem("api-key", "has a character that no HTTP header can carry (its value is not shown)", remedy));
            }
            if (Secret.looksLikeArn(key) && !Secret.isArn(key)) {
                problems.add(problem("api-key", "is \"" + key + "\", an ARN of neither a secret nor a parameter",
                        "set it to arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME or arn:aws:ssm:REGION:ACCOUNT:parameter/NAME"));
            }
            return key;
        }

        private static Access access(ChatConfig config, List<String> problems) {
            var mode = oneOf(Access.Mode.values(), "auth", config.auth(), problems,
                    "set it to keys, to iam where the front door authenticates, or to passthrough");
            List<Access.Key> keys = clientKeys(config.clientKeys(), problems);
            if (mode != Access.Mode.KEYS && !keys.isEmpty()) {
                problems.add(problem("client-keys", "is set, and not looked at while chat.auth (CHAT_AUTH) is not keys", "remove one of the two"));
            }
            Set<String> clients = Stream.concat(keys.stream().map(Access.Key::client), Stream.of(Access.DIRECT)).collect(Collectors.toSet());
            var models = byClient("allowed-models", config.allowedModels(), clients, problems);
            var bytes = numbers("max-request-bytes", config.maxRequestBytes(), clients, problems);
            var tokens = numbers("max-tokens-cap", config.maxTokensCap(), clients, problems);
            var limits = new HashMap<String, Limits>();
            for (String client : Stream.of(models, bytes, tokens).flatMap(each -> each.keySet().stream()).collect(Collectors.toSet())) {
                limits.put(client, new Limits(limit(models, client, List.of()), limit(bytes, client, 0L), limit(tokens, client, 0L)));
            }
            return new Access(mode == null ? Access.Mode.KEYS : mode, keys, limits);
        }

        private static <T> T limit(Map<String, T> limits, String client, T none) {
            T own = limits.get(client);
            return own != null ? own : limits.getOrDefault(Access.EVERYBODY_ELSE, none);
        }

        private static List<Access.Key> clientKeys(Optional<String> given, List<String> problems) {
            String remedy = "set it to name=hash, where the hash is what this prints: printf %s \"$KEY\" | sha256sum";
            var keys = new ArrayList<Access.Key>();
            for (String item : items(given)) {
                String name = item.substring(0, Math.max(0, item.indexOf('='))).strip();
                String hash = item.substring(item.indexOf('=') + 1).strip();
                if (!CLIENT.matcher(name).matches() || Access.RESERVED.contains(name)) {
                    problems.add(problem("client-keys", "has an item that does not begin with a client's name and = (it is not shown;"
                            + " direct, iam, passthrough and none are no client's names)", remedy));
                } else if (!SHA_256.matcher(hash).matches()) {
                    problems.add(problem("client-keys", "has for " + name + " what is no SHA-256 in hex (it is not shown)", remedy));
                } else {
                    keys.add(new Access.Key(name, HexFormat.of().parseHex(hash)));
                }
            }
            return keys;
        }

        /** {@code value} for all, {@code client=value} for one. */
        private static Map<String, List<String>> byClient(String name, Optional<String> given, Set<String> clients, List<String> problems) {
            var values = new HashMap<String, List<String>>();
            for (String item : items(given)) {
                int equals = item.indexOf('=');
                String client = equals < 0 ? Access.EVERYBODY_ELSE : item.substring(0, equals).strip();
                String value = item.substring(equals + 1).strip();
                if (equals >= 0 && !clients.contains(client) || value.isEmpty()) {
                    problems.add(problem(name, value.isEmpty() ? "has an empty item" : "names the client \"" + client + "\"",
                            "set it to values, or to client=value for one whom CHAT_CLIENT_KEYS names"));
                }
                values.computeIfAbsent(client, none -> new ArrayList<>()).add(value);
            }
            return values;
        }

        private static Map<String, Long> numbers(String name, Optional<String> given, Set<String> clients, List<String> problems) {
            var numbers = new HashMap<String, Long>();
            byClient(name, given, clients, problems).forEach((client, values) -> {
                String value = String.join(",", values);
                if (NUMBER.matcher(value).matches()) {
                    numbers.put(client, Long.parseLong(value));
                } else {
                    problems.add(problem(name, "is \"" + value + "\"" + (client.isEmpty() ? "" : " for " + client) + ", not one whole number above 0",
                            "set it to a number such as 100000"));
                }
            });
            return numbers;
        }

        private static List<String> items(Optional<String> given) {
            return given.isEmpty() || given.get().isBlank() ? List.of()
                    : Arrays.stream(given.get().split(",", -1)).map(String::strip).toList();
        }

        private static String model(Optional<String> given, List<String> problems) {
            if (given.isEmpty() || given.get().isBlank()) {
                problems.add(problem("model", "is empty", "set it to a model's id, such as google/gemini-2.5-pro"));
            }
            return given.map(String::strip).orElse(null);
        }

        private static int retries(Optional<String> given, List<String> problems) {
            String text = given.orElse("").strip();
            if (text.equals("10") || text.length() == 1 && text.charAt(0) >= '0' && text.charAt(0) <= '9') {
                return Integer.parseInt(text);
            }
            problems.add(problem("retries", text.isEmpty() ? "is empty" : "is \"" + given.get() + "\", not a number from 0 to 10",
                    "set it to 1, or to 0 for none"));
            return 0;
        }

        private static List<String> fallbackModels(Optional<String> given, List<String> problems) {
            List<String> models = items(given);
            if (models.stream().anyMatch(model -> model.isEmpty() || model.chars().anyMatch(c -> c <= ' ' || c > '~'))) {
                problems.add(problem("fallback-models", "is \"" + given.get() + "\", which names no model, or one that is not plain ASCII,"
                        + " between two commas", "set it to models' ids such as google/gemini-2.5-pro,openai/gpt-4o"));
            }
            return models;
        }

        private static ResponseMode responseMode(Optional<String> given, List<String> problems) {
            return oneOf(ResponseMode.values(), "response-mode", given, problems,
                    "set it to buffered, or to stream where the front door streams");
        }

        private static <T extends Enum<T>> T oneOf(T[] all, String name, Optional<String> given, List<String> problems, String remedy) {
            for (T each : all) {
                if (each.name().equalsIgnoreCase(given.orElse("").strip())) {
                    return each;
                }
            }
            problems.add(problem(name, given.isEmpty() ? "is empty" : "is \"" + given.get() + "\", none of "
                    + Arrays.stream(all).map(each -> each.name().toLowerCase(Locale.ROOT)).collect(Collectors.joining(", ")), remedy));
            return null;
        }

        private static boolean isTrue(String name, Optional<String> given, List<String> problems) {
            String text = given.orElse("").strip();
            if (!text.equals("true") && !text.equals("false")) {
                problems.add(problem(name, given.isEmpty() ? "is empty" : "is \"" + given.get() + "\"", "set it to true or false"));
            }
            return text.equals("true");
        }

        private static Duration connectTimeout(Optional<String> given, List<String> problems) {
            Duration duration = duration("connect-timeout", given, false, problems);
            if (duration != null && (duration.compareTo(Duration.ofMillis(1)) < 0 || duration.compareTo(Duration.ofDays(1)) > 0)) {
                problems.add(problem("connect-timeout", "is \"" + given.get() + "\", not between 1ms and 1d",
                        "set it to a time such as 500ms or 3s"));
            }
            return duration;
        }

        private static Duration duration(String name, Optional<String> given, boolean zeroToo, List<String> problems) {
            String remedy = "set it to a time such as 500ms, 3s or 15m";
            if (given.isEmpty()) {
                problems.add(problem(name, "is empty", remedy));
                return null;
            }
            try {
                Duration duration = DurationConverter.parseDuration(given.get().strip());
                if (duration != null && !duration.isNegative() && (zeroToo || !duration.isZero())) {
                    return duration;
                }
                problems.add(problem(name, "is \"" + given.get() + "\", not " + (zeroToo ? "0 or more" : "more than 0"), remedy));
            } catch (IllegalArgumentException e) {
                problems.add(problem(name, "is \"" + given.get() + "\", not a time", remedy));
            }
            return null;
        }

        private static String problem(String name, String what, String remedy) {
            return "chat." + name + " (environment variable CHAT_" + name.replace('-', '_').toUpperCase(Locale.ROOT) + ") "
                    + what + ": " + remedy;
        }
    }

    /** All that is wrong with the settings, one sentence each. */
    final class Invalid extends Exception {

        private static final long serialVersionUID = 1;

        Invalid(List<String> problems) {
            super(String.join("; ", problems), null, false, false);
        }
    }
}
