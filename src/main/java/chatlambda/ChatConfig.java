package chatlambda;

import io.quarkus.runtime.configuration.DurationConverter;
import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;

import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The settings as they were given: text, so that {@link Settings#of} can tell of all that is wrong with them at once, each with
 * its names, its value and the remedy.
 */
@ConfigMapping(prefix = "chat")
public interface ChatConfig {

    /** Upstream base; requests go to {@code {url}/v1/chat/completions}. A base that ends in {@code /v1} works too. */
    @WithDefault("https://api.aimlapi.com")
    Optional<String> url();

    /** The upstream's bearer key. Required. */
    Optional<String> apiKey();

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

    /** How answers go out: {@code chat.response-mode}. */
    enum ResponseMode {
        /** Whole, at most 6 MB: HTTP API, ALB, Function URL with BUFFERED, {@code Invoke}. */
        BUFFERED,
        /** As they come: Function URL with RESPONSE_STREAM, REST API with ResponseTransferMode STREAM, InvokeWithResponseStream. */
        STREAM
    }

    /** What the function works with: every value is there and sound. */
    record Settings(URI upstream, String apiKey, String model, Duration connectTimeout, Duration timeout, Duration reserve,
            ResponseMode responseMode, Duration streamIdleTimeout, Duration keepAlive, Duration primeTimeout, int retries,
            List<String> fallbackModels) {

        private static final Set<String> VARIABLES = Set.of("CHAT_URL", "CHAT_API_KEY", "CHAT_MODEL", "CHAT_CONNECT_TIMEOUT",
                "CHAT_TIMEOUT", "CHAT_RESERVE", "CHAT_RESPONSE_MODE", "CHAT_STREAM_IDLE_TIMEOUT", "CHAT_KEEP_ALIVE", "CHAT_PRIME_TIMEOUT",
                "CHAT_RETRIES", "CHAT_FALLBACK_MODELS");

        /**
         * @param variables the environment: one that begins with {@code CHAT_} and is not known is a typo, and the key is taken from
         *        there as it is, where a setting's value may hold expressions
         * @throws Invalid with all that is wrong
         */
        public static Settings of(ChatConfig config, Map<String, String> variables) throws Invalid {
            var problems = new ArrayList<String>();
            var settings = new Settings(
                    upstream(config.url(), problems),
                    apiKey(Optional.ofNullable(variables.get("CHAT_API_KEY")).or(config::apiKey), problems),
                    model(config.model(), problems),
                    connectTimeout(config.connectTimeout(), problems),
                    duration("timeout", config.timeout(), false, problems),
                    duration("reserve", config.reserve(), true, problems),
                    responseMode(config.responseMode(), problems),
                    duration("stream-idle-timeout", config.streamIdleTimeout(), false, problems),
                    duration("keep-alive", config.keepAlive(), true, problems),
                    duration("prime-timeout", config.primeTimeout(), true, problems),
                    retries(config.retries(), problems),
                    fallbackModels(config.fallbackModels(), problems));
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

        private static String apiKey(Optional<String> given, List<String> problems) {
            String remedy = "set it to the upstream's key, in a deployment from AWS Secrets Manager (see template.yaml)";
            if (given.isEmpty() || given.get().isBlank()) {
                problems.add(problem("api-key", given.isEmpty() ? "is missing" : "is blank", remedy));
                return null;
            }
            String key = given.get().strip(); // secrets are often stored with a line end
            if (key.chars().anyMatch(c -> c <= ' ' || c > '~')) {
                problems.add(problem("api-key", "has a character that no HTTP header can carry (its value is not shown)", remedy));
            }
            return key;
        }

        private static String model(Optional<String> given, List<String> problems) {
            if (given.isEmpty() || given.get().isBlank()) {
                problems.add(problem("model", "is empty", "set it to a model's id, such as google/gemini-2.5-pro"));
            }
            return given.orElse(null);
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
            if (given.isEmpty() || given.get().isBlank()) {
                return List.of();
            }
            List<String> models = Arrays.stream(given.get().split(",", -1)).map(String::strip).toList();
            if (models.stream().anyMatch(model -> model.isEmpty() || model.chars().anyMatch(c -> c <= ' ' || c > '~'))) {
                problems.add(problem("fallback-models", "is \"" + given.get() + "\", which names no model, or one that is not plain ASCII,"
                        + " between two commas", "set it to models' ids such as google/gemini-2.5-pro,openai/gpt-4o"));
            }
            return models;
        }

        private static ResponseMode responseMode(Optional<String> given, List<String> problems) {
            for (ResponseMode mode : ResponseMode.values()) {
                if (mode.name().equalsIgnoreCase(given.orElse("").strip())) {
                    return mode;
                }
            }
            problems.add(problem("response-mode", given.isEmpty() ? "is empty" : "is \"" + given.get() + "\", not a response mode",
                    "set it to buffered, or to stream where the front door streams"));
            return null;
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
            return "chat." + name + " (environment variable CHAT_" + name.replace('-', '_').toUpperCase(java.util.Locale.ROOT) + ") "
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
