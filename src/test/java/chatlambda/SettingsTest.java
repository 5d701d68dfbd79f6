package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.Settings.ResponseMode;
import chatlambda.SettingsReader.ByClient;
import chatlambda.SettingsReader.ClientKey;
import chatlambda.access.Access;
import chatlambda.access.Client;
import chatlambda.access.Cors;
import chatlambda.budget.Budgets;
import chatlambda.budget.Ledger;
import chatlambda.budget.Prices;
import chatlambda.chat.ChatError;
import chatlambda.chat.Limits;
import chatlambda.chat.Models;
import chatlambda.chat.Route;
import chatlambda.chat.UpstreamKey;
import io.smallrye.config.EnvConfigSource;
import io.smallrye.config.SmallRyeConfigBuilder;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SettingsTest {

    private static final String DEFAULT = "google/gemini-2.5-pro-preview-05-06";

    private static Settings settings(Map<String, String> variables) throws Settings.Invalid {
        var all = new HashMap<>(Map.of("CHAT_API_KEY", "k"));
        all.putAll(variables);
        all.values().removeIf("absent"::equals);
        var config = new SmallRyeConfigBuilder().addDefaultInterceptors().withProfile("prod")
                .withSources(new EnvConfigSource(all, 300)).build();
        return Settings.of(name -> Main.text(config, name), all);
    }

    private static String refused(Map<String, String> variables) {
        return assertThrows(Settings.Invalid.class, () -> settings(variables)).getMessage();
    }

    @Test
    void aKeyIsAllThatIsNeeded() throws Settings.Invalid {
        Settings read = settings(Map.of());
        assertEquals(Map.of(), read.stored().arns());
        assertEquals(new Settings(Access.Mode.KEYS, List.of(), new ByClient<>(List.of(), Map.of()), new ByClient<>(0L, Map.of()),
                new ByClient<>(0L, Map.of()), "max_tokens", URI.create("https://api.aimlapi.com/v1"), "k",
                new Models(DEFAULT, Map.of(), List.of(), "google/gemini-pro-latest"), Set.of(Route.values()), List.of(), new Cors(Set.of()),
                Duration.ofSeconds(3), Duration.ofMinutes(15), Duration.ofMillis(500), ResponseMode.BUFFERED, Duration.ofMinutes(5),
                Duration.ofSeconds(15), Duration.ofSeconds(30), Duration.ofSeconds(2), 1, Duration.ofSeconds(10), true,
                false, 16 * 1024 * 1024, 1, Budgets.NONE, null, Prices.NONE, Ledger.OnFailure.REFUSE, read.stored()), read);
    }

    @Test
    void aQuarterOfTheMemoryIsForRequestsAndAnswers() throws Settings.Invalid {
        assertEquals(512 * 1024 * 1024, settings(Map.of("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "2048")).maxBytesInFlight());
        assertEquals(16 * 1024 * 1024, settings(Map.of("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "32")).maxBytesInFlight(), "but at least 16 MB");
        assertEquals(5, settings(Map.of("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "2048", "CHAT_MAX_BYTES_IN_FLIGHT", "5")).maxBytesInFlight());
    }

    @ParameterizedTest
    @CsvSource({ "1, 1", "64, 64", "1600, 1600", "absent, 1" })
    void lambdaSaysHowManyInvocationsThereMayBeAtATime(String given, int workers) throws Settings.Invalid {
        assertEquals(workers, settings(Map.of("AWS_LAMBDA_MAX_CONCURRENCY", given)).workers());
    }

    @ParameterizedTest
    @ValueSource(strings = { "", "0", "1601", "99999999999", "-1", "+8", "08", "8.0", "1e2", " 8", "many", "\u0668" })
    void whatIsNoNumberOfInvocationsIsRefused(String given) {
        assertEquals("AWS_LAMBDA_MAX_CONCURRENCY (in dev mode LOCAL_WORKERS, or -Dlocal.workers) is \"" + given
                + "\", not a whole number from 1 to 1600: set it to a number such as 64, or remove it",
                refused(Map.of("AWS_LAMBDA_MAX_CONCURRENCY", given)));
    }

    @Test
    void aSettingMayComeFromAnyOfTheConfigurationsSources() throws Settings.Invalid {
        assertEquals("m", settings(Map.of("_PROD_CHAT_MODEL", "m")).models().standard());
        assertEquals("m", settings(Map.of("CHAT_MODEL", "${THE_MODEL}", "THE_MODEL", "m")).models().standard());
        var configured = Map.of("api-key", "k", "max-tokens-cap", "7", "auth", "iam");
        assertEquals("k", Settings.of(configured::get, Map.of()).apiKey());
        assertEquals("variable", Settings.of(configured::get, Map.of("CHAT_API_KEY", "variable")).apiKey());
        assertEquals(7, Settings.of(configured::get, Map.of()).maxTokensCap().everybodys());
    }

    /** An unknown {@code CHAT_...} stops the start, so the documents and the template must name none. */
    @Test
    void theDocumentNamesAllSettingsAndReadmeAndTemplateNoOthers() throws Settings.Invalid, IOException {
        var read = new TreeSet<String>();
        Settings.of(name -> {
            read.add("CHAT_" + name.replace('-', '_').toUpperCase(Locale.ROOT));
            return name.equals("api-key") ? "k" : null;
        }, Map.of());
        assertEquals(read, matches("(?m)^\\| `(CHAT_[A-Z_]+)` \\|", "docs/settings.md"));
        assertTrue(read.containsAll(matches("\\b(CHAT_[A-Z_]+)", "README.md")));
        var named = matches("\\b(CHAT_[A-Z_]+)", "template.yaml");
        assertTrue(named.contains("CHAT_API_KEY") && read.containsAll(named), named::toString);
    }

    private static Set<String> matches(String pattern, String file) throws IOException {
        return Pattern.compile(pattern).matcher(Files.readString(Path.of(file))).results().map(match -> match.group(1))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    @ParameterizedTest
    @CsvSource({ "https://h, https://h/v1", "https://h/, https://h/v1", "https://h/v1, https://h/v1", "https://h/v1/, https://h/v1",
            "https://h//, https://h/v1", "http://127.0.0.1:8081/openai/, http://127.0.0.1:8081/openai",
            "https://generativelanguage.googleapis.com/v1beta/openai, https://generativelanguage.googleapis.com/v1beta/openai",
            "https://h/api/paas/v4/, https://h/api/paas/v4", "https://h/inference, https://h/inference",
            "https://h/v1/chat/completions, https://h/v1", "https://h/chat/completions/, https://h/v1",
            "https://h/x/chat/completions, https://h/x", "https://h:8443, https://h:8443/v1", "https://h/v1/chat, https://h/v1/chat",
            "https://h/chat/completions/v1, https://h/chat/completions/v1", "HTTPS://h, https://h/v1",
            "http://h/é/v1, http://h/%C3%A9/v1" })
    void theUrlIsWhatAnOpenAiSdkTakesAsItsBase(String given, String base) throws Settings.Invalid {
        assertEquals(URI.create(base), settings(Map.of("CHAT_URL", given)).upstream());
    }

    @ParameterizedTest
    @CsvSource({ "https://h, false", "http://h, true", "http://10.0.0.1:8000/v1, true", "http://127.0.0.1.example.com, true",
            "http://localhost:11434, false", "http://127.0.0.2, false", "http://[::1]:80, false", "HTTP://LOCALHOST, false",
            "http://mock.localhost, false" })
    void anUpstreamElsewhereWithoutTlsIsInTheClear(String url, boolean isInTheClear) throws Settings.Invalid {
        assertEquals(isInTheClear, settings(Map.of("CHAT_URL", url)).isUpstreamInTheClear());
    }

    @Test
    void metricsKnowTheModelsThatAreNamedExactly() throws Settings.Invalid {
        assertEquals(Set.of(DEFAULT, "google/gemini-pro-latest"), settings(Map.of()).namedModels());
        assertEquals(Set.of("s", "f", "real", "a", "d", "p"), settings(Map.of("CHAT_MODEL", "s", "CHAT_FALLBACK_MODELS", "f",
                "CHAT_MODEL_ALIASES", "alias=real", "CHAT_ALLOWED_MODELS", "a,b*,direct=d", "CHAT_PRICES", "p=1/2,q/*=1/2")).namedModels());
    }

    @ParameterizedTest
    @CsvSource(nullValues = "-", textBlock = """
            -, -, -, true
            https://api.aimlapi.com, google/gemini-2.5-pro-preview-05-06, -, true
            https://api.aimlapi.com/v1/, -, -, true
            https://api.openai.com, -, -, false
            -, google/gemini-2.5-pro, -, false
            -, -, openai/gpt-4o, false
            -, -, '', false
            """)
    void onlyTheDefaultModelOfTheDefaultUpstreamHasASuccessor(String url, String model, String fallbacks, boolean succeeds)
            throws Settings.Invalid {
        var given = new HashMap<String, String>();
        given.put("CHAT_URL", url);
        given.put("CHAT_MODEL", model);
        given.put("CHAT_FALLBACK_MODELS", fallbacks);
        given.values().removeIf(value -> value == null);
        assertEquals(succeeds ? "google/gemini-pro-latest" : null, settings(given).models().successor());
    }

    @Test
    void aDefaultModelThatIsMadeAnAliasHasNoSuccessor() throws Settings.Invalid {
        var models = settings(Map.of("CHAT_MODEL_ALIASES", DEFAULT + "=openai/gpt-5")).models();
        assertEquals(new Models("openai/gpt-5", Map.of(DEFAULT, "openai/gpt-5"), List.of(), null), models);
    }

    @Test
    void anAliasStandsForAModelWhereverOneIsNamed() throws Settings.Invalid {
        var models = settings(Map.of("CHAT_MODEL_ALIASES", "fast=a/b, gpt-4=openai/gpt-5=x", "CHAT_MODEL", "fast",
                "CHAT_FALLBACK_MODELS", "gpt-4,c", "CHAT_ALLOWED_MODELS", "a/*")).models();
        assertEquals(new Models("a/b", Map.of("fast", "a/b", "gpt-4", "openai/gpt-5=x"), List.of("openai/gpt-5=x", "c"), null), models);
        assertEquals(List.of("fast", "gpt-4"), List.copyOf(models.aliases().keySet()), "as they were given");
    }

    @Test
    void aModelMayBeNamedAsAnAliasIsIfThatIsAnothersRealName() throws Settings.Invalid {
        var settings = settings(Map.of("CHAT_MODEL_ALIASES", "a=b", "CHAT_ALLOWED_MODELS", "b"));
        assertEquals("b", settings.models().real("a"));
        String said = refused(Map.of("CHAT_MODEL_ALIASES", "a=b", "CHAT_ALLOWED_MODELS", "direct=a"));
        assertTrue(said.contains("chat.allowed-models (environment variable CHAT_ALLOWED_MODELS) names a, an alias"), said);
    }

    @Test
    void routesHeadersAndOriginsAreLists() throws Settings.Invalid {
        assertEquals(Set.of("http://[::1]:3000"), settings(Map.of("CHAT_CORS_ORIGINS", "http://[::1]:3000")).cors().origins());
        var settings = settings(Map.of("CHAT_ROUTES", "chat, models", "CHAT_FORWARD_HEADERS", "X-Session-Id, traceparent",
                "CHAT_CORS_ORIGINS", "https://App.example.com, http://localhost:3000,chrome-extension://abc", "CHAT_AUTH", "iam"));
        assertEquals(Set.of(Route.CHAT, Route.MODELS), settings.routes());
        assertEquals(List.of("x-session-id", "traceparent"), settings.forwardHeaders());
        assertEquals(Set.of("https://app.example.com", "http://localhost:3000", "chrome-extension://abc"), settings.cors().origins());
        assertEquals(Set.of("*"), settings(Map.of("CHAT_CORS_ORIGINS", "*")).cors().origins());
    }

    @ParameterizedTest
    @ValueSource(strings = { "authorization", "X-Api-Key", "api-key", "x-goog-api-key", "cookie", "host", "accept", "accept-encoding",
            "accept-language", "x-amz-date", "x-amzn-trace-id", "x-forwarded-for", "forwarded", "proxy-authorization", "content-type",
            "content-length", "content-encoding", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect",
            "chat-lambda-exchange" })
    void whatIsOfKeysOrOfTheConnectionIsNotForwarded(String header) {
        String said = refused(Map.of("CHAT_FORWARD_HEADERS", "x-mine," + header));
        assertTrue(said.contains("has " + header + ", which is the function's to say"), said);
    }

    @Test
    void whatIsJustWithinALimitIsTaken() throws Settings.Invalid {
        for (int retries : new int[] { 0, 9, 10 }) {
            assertEquals(retries, settings(Map.of("CHAT_RETRIES", Integer.toString(retries))).retries());
        }
        assertEquals(List.of("!~"), settings(Map.of("CHAT_FALLBACK_MODELS", "!~")).models().fallbacks());
        assertEquals("!~", settings(Map.of("CHAT_API_KEY", "!~")).apiKey());
        assertEquals(URI.create("http://h:65535/v1"), settings(Map.of("CHAT_URL", "http://h:65535")).upstream());
        assertEquals(Duration.ofMillis(1), settings(Map.of("CHAT_CONNECT_TIMEOUT", "1ms")).connectTimeout());
        assertEquals(Duration.ofDays(1), settings(Map.of("CHAT_CONNECT_TIMEOUT", "1d")).connectTimeout());
    }

    @Test
    void aKeyOrAModelWithALineEndIsTakenWithoutIt() throws Settings.Invalid {
        assertEquals("k", settings(Map.of("CHAT_API_KEY", "k\n")).apiKey());
        assertEquals("m", settings(Map.of("CHAT_MODEL", "m\n")).models().standard());
    }

    @Test
    void modelsAreSeparatedByCommas() throws Settings.Invalid {
        assertEquals(List.of("a", "b/c"), settings(Map.of("CHAT_FALLBACK_MODELS", " a, b/c ")).models().fallbacks());
        assertEquals(List.of(), settings(Map.of("CHAT_FALLBACK_MODELS", " ")).models().fallbacks());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            CHAT_URL | api.aimlapi.com | chat.url (environment variable CHAT_URL) is "api.aimlapi.com", not an http or https address
            CHAT_URL | ftp://h | is "ftp://h", not an http or https address
            CHAT_URL | https://h?x=1 | holds a user name, a password or a query (its value is not shown)
            CHAT_URL | https://a b | is "https://a b", not an address
            CHAT_API_KEY | absent | chat.api-key (environment variable CHAT_API_KEY) is missing: set it to
            CHAT_API_KEY | 'a b' | chat.api-key (environment variable CHAT_API_KEY) has a character that no HTTP header can carry
            CHAT_API_KEY | 'kü' | has a character that no HTTP header can carry
            CHAT_MODEL | '' | chat.model (environment variable CHAT_MODEL) is empty: set it to
            CHAT_MODEL | ${NOPE} | chat.model (environment variable CHAT_MODEL) is "${NOPE}", an expression of which a part is not set
            CHAT_ALLOWED_MODELS | gpt-4o,${NOPE} | is "gpt-4o,${NOPE}", an expression of which a part is not set
            CHAT_MAX_TOKENS_CAP | ${NOPE | is "${NOPE", an expression of which a part is not set
            CHAT_MAX_REQUEST_BYTES | ${NOPE} | is "${NOPE}", an expression of which a part is not set
            CHAT_MODEL_ALIASES | a=b,c=${NOPE} | is "a=b,c=${NOPE}", an expression of which a part is not set
            CHAT_CORS_ORIGINS | ${NOPE} | is "${NOPE}", an expression of which a part is not set
            CHAT_FALLBACK_MODELS | ${NOPE} | is "${NOPE}", an expression of which a part is not set
            CHAT_CLIENT_KEYS | ${NOPE} | an expression of which a part is not set
            CHAT_CORS_ORIGINS | https://münchen.de | in which "https://münchen.de" is no origin
            CHAT_CORS_ORIGINS | https://a:99999 | in which "https://a:99999" is no origin
            CHAT_ALLOWED_MODELS | a b | has "a b", with a space, a control character or two dots in a row, which no model's name has
            CHAT_ALLOWED_MODELS | direct=a..* | has "a..*", with a space
            CHAT_MODEL_ALIASES | a=g/* | has the item "a=g/*", which is no pair of plain names
            CHAT_URL | http://h/v1#x | is "http://h/v1#x", with something behind its path
            CHAT_API_KEY | '' | chat.api-key (environment variable CHAT_API_KEY) is blank: set it to
            CHAT_URL | ' ' | chat.url (environment variable CHAT_URL) is empty: set it to
            CHAT_RESERVE | '' | chat.reserve (environment variable CHAT_RESERVE) is empty: set it to
            CHAT_RESERVE | ' ' | is " ", not a time: set it to
            CHAT_RETRIES | ' ' | chat.retries (environment variable CHAT_RETRIES) is empty: set it to
            CHAT_AUTH | '' | chat.auth (environment variable CHAT_AUTH) is empty: set it to
            CHAT_CONNECT_TIMEOUT | soon | chat.connect-timeout (environment variable CHAT_CONNECT_TIMEOUT) is "soon", not a time: set it to
            CHAT_TIMEOUT | 0s | is "0s", not more than 0
            CHAT_RESERVE | PT-1S | is "PT-1S", not 0 or more
            CHAT_RESPONSE_MODE | chunky | is "chunky", none of buffered, stream: set it to buffered, or to stream
            CHAT_STREAM_IDLE_TIMEOUT | -1 | is "-1", not more than 0
            CHAT_URL | http://localhost:99999 | is "http://localhost:99999", not an http or https address
            CHAT_CONNECT_TIMEOUT | 30d | is "30d", not at most 1d: set it to a time such as 500ms, 3s or 15m
            CHAT_CONNECT_TIMEOUT | PT0.0001S | is "PT0.0001S", not between 1ms and 1d
            CHAT_PRIME_TIMEOUT | 365000d | is "365000d", not at most 1d
            CHAT_TIMEOUT | 24h1s | is "24h1s", not at most 1d
            CHAT_TIMEOUT | PT24H1S | is "PT24H1S", not at most 1d
            CHAT_KEEP_ALIVE | 9223372036854775807d | is "9223372036854775807d", not a time
            CHAT_RETRY_AFTER_MAX | PT99999999999999999999S | is "PT99999999999999999999S", not a time
            CHAT_RETRIES | 11 | is "11", not a number from 0 to 10: set it to 1, or to 0 for none
            CHAT_RETRIES | -1 | is "-1", not a number from 0 to 10
            CHAT_FALLBACK_MODELS | a,,b | is "a,,b", which names no model, or one that is not plain ASCII, between two commas
            CHAT_FALLBACK_MODELS | a b | is "a b", which names no model
            CHAT_AUTH | open | is "open", none of keys, iam, passthrough: set it to keys, to iam where the front door authenticates
            CHAT_AUTH | passthrough | chat.api-key (environment variable CHAT_API_KEY) is set, while chat.auth (CHAT_AUTH) is passthrough
            CHAT_CLIENT_KEYS | secret | has an item that does not begin with a client's name and =
            CHAT_CLIENT_KEYS | app=secret | has for app what is no SHA-256 in hex (it is not shown): set it to name=hash, where the hash is what this prints: printf %s "$KEY" | sha256sum
            CHAT_CLIENT_KEYS | direct=00 | direct, iam, passthrough, none and all are no client's names
            CHAT_ALLOWED_MODELS | a,,b | has an empty item
            CHAT_ALLOWED_MODELS | =a | names the client "": set it to values, or to client=value for one whom CHAT_CLIENT_KEYS names
            CHAT_ALLOWED_MODELS | app=a | chat.allowed-models (environment variable CHAT_ALLOWED_MODELS) names the client "app": set it
            CHAT_MAX_REQUEST_BYTES | 1M | is "1M", not one whole number above 0
            CHAT_MAX_REQUEST_BYTES | 0 | is "0", not one whole number above 0
            CHAT_MAX_TOKENS_CAP | '1,2' | is "1,2", not one whole number above 0
            CHAT_MAX_TOKENS_CAP | direct=x | is "x" for direct, not one whole number above 0
            CHAT_ROUTES | chat,images | is "chat,images", in which "images" is no route: set it to some of chat,responses,embeddings,models
            CHAT_ROUTES | '' | chat.routes (environment variable CHAT_ROUTES) is empty
            CHAT_MAX_TOKENS_MEMBER | max_output_tokens | is "max_output_tokens": set it to max_tokens or max_completion_tokens
            CHAT_MODEL_ALIASES | fast | has the item "fast", which is no pair of plain names: set it to name=model pairs
            CHAT_MODEL_ALIASES | a=b,a=c | has a twice
            CHAT_MODEL_ALIASES | a=b,b=c | says that a is b, which is an alias itself: name its model
            CHAT_MODEL_ALIASES | a b=c | has the item "a b=c", which is no pair of plain names
            CHAT_FORWARD_HEADERS | x-* | is "x-*", in which "x-*" is no header's name
            CHAT_FORWARD_HEADERS | a:b | is "a:b", in which "a:b" is no header's name
            CHAT_FORWARD_HEADERS | 'a,,b' | is "a,,b", in which "" is no header's name
            CHAT_CORS_ORIGINS | https://a/ | is "https://a/", in which "https://a/" is no origin that a browser sends
            CHAT_CORS_ORIGINS | https://a:443 | is "https://a:443", in which "https://a:443" is no origin that a browser sends
            CHAT_CORS_ORIGINS | https://*.a | is "https://*.a", in which
            CHAT_CORS_ORIGINS | null | is "null", in which "null" is no origin
            CHAT_CORS_ORIGINS | '*,https://a' | is "*,https://a", in which * does not stand alone
            CHAT_METRICS | yes | is "yes": set it to true or false
            CHAT_PROPAGATE_TRACE | '' | chat.propagate-trace (environment variable CHAT_PROPAGATE_TRACE) is empty: set it to true or false
            CHAT_API_KEY | arn:aws:s3:::bucket | is "arn:aws:s3:::bucket", an ARN of neither a secret nor a parameter
            CHAT_TIMOUT | 1s | CHAT_TIMOUT is not a setting: remove it, or correct it to one of CHAT_ALLOWED_MODELS, CHAT_API_KEY,
            """)
    void aWrongSettingIsNamedWithItsVariableItsValueAndTheRemedy(String variable, String value, String message) {
        String said = refused(Map.of(variable, value));
        assertTrue(said.contains(message), said);
    }

    @ParameterizedTest
    @ValueSource(strings = { "https://user:hidden%ss@host/v1", "https://user:hidden@my_host/v1",
            "https://h/v1?key=hidden", "https://user:hidden@h" })
    void anAddressThatMayHoldASecretIsNotShown(String url) {
        assertFalse(refused(Map.of("CHAT_URL", url)).contains("hidden"));
    }

    @ParameterizedTest
    @ValueSource(strings = { "a$$b", "x${nope:dflt}y", "sk-${x}" })
    void theKeyIsTakenAsItIs(String key) throws Settings.Invalid {
        assertEquals(key, settings(Map.of("CHAT_API_KEY", key)).apiKey());
    }

    private static final String HASH = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    @Test
    void clientsHaveKeysOfTheirOwnAndLimitsOfTheirOwnOrEverybodys() throws Settings.Invalid, ChatError {
        var settings = settings(Map.of("CHAT_CLIENT_KEYS",
                "app=" + HASH + ", batch=" + HASH.replace('2', 'F') + ",app=" + HASH.replace('2', '0'),
                "CHAT_ALLOWED_MODELS", "google/*, batch=a, batch=b*, direct=c", "CHAT_MAX_REQUEST_BYTES", "batch=5",
                "CHAT_MAX_TOKENS_CAP", "100,batch=7"));
        assertEquals(List.of("app", "batch", "app"), settings.clientKeys().stream().map(ClientKey::client).toList());
        UpstreamKey ours = () -> "ours";
        var access = settings.access(ours);
        var app = new Client("app", ours, new Limits(List.of("google/*"), 0, 100, "max_tokens"));
        assertEquals(List.of(app, new Client("batch", ours, new Limits(List.of("a", "b*"), 5, 7, "max_tokens")), app),
                access.keys().stream().map(Access.Key::client).toList());
        assertEquals(app, access.admit(Map.of("authorization", "Bearer secret")));
        assertEquals(new Client("direct", ours, new Limits(List.of("c"), 0, 100, "max_tokens")), access.admitDirect());
        assertEquals(new Limits(List.of("google/*"), 0, 100, "max_tokens"), access.others().limits());
    }

    @Test
    void whoIsNotKnownByAKeyOfOursHasEverybodysLimits() throws Settings.Invalid, ChatError {
        UpstreamKey ours = () -> "ours";
        var limits = new Limits(List.of(), 5, 0, "max_tokens");
        var iam = settings(Map.of("CHAT_AUTH", "iam", "CHAT_MAX_REQUEST_BYTES", "5")).access(ours);
        assertEquals(new Client("iam", ours, limits), iam.admit(Map.of()));
        var passthrough = settings(Map.of("CHAT_AUTH", "passthrough", "CHAT_API_KEY", "absent", "CHAT_MAX_REQUEST_BYTES", "5"))
                .access(ours);
        var caller = passthrough.admit(Map.of("x-api-key", "theirs"));
        assertEquals("theirs", caller.key().value());
        assertEquals(new Client("passthrough", caller.key(), limits), caller);
    }

    @ParameterizedTest
    @CsvSource({ "arn:aws:secretsmanager:eu-central-1:123456789012:secret:chat/key-AbCdEf",
            "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/a/b" })
    void theKeyMayBeInASecretOrAParameter(String arn) throws Settings.Invalid {
        assertEquals(arn, settings(Map.of("CHAT_API_KEY", arn)).apiKey());
    }

    @Test
    void callersWhoBringTheirOwnKeysNeedNoneOfOurs() throws Settings.Invalid {
        assertEquals(null, settings(Map.of("CHAT_AUTH", "passthrough", "CHAT_API_KEY", "absent")).apiKey());
    }

    @Test
    void anyPageMayNotAskWhereNobodyAsksForAKey() {
        String problem = refused(Map.of("CHAT_AUTH", "iam", "CHAT_CORS_ORIGINS", "*"));
        assertTrue(problem.contains("is *, while chat.auth (CHAT_AUTH) is iam: any page could spend the upstream's key"), problem);
    }

    @Test
    void whatIsNotLookedAtIsRefused() {
        String problem = refused(Map.of("CHAT_AUTH", "iam", "CHAT_CLIENT_KEYS", "app=" + HASH));
        assertTrue(problem.contains("is set, and not looked at while chat.auth"));
    }

    @Test
    void aKeyInTheClearIsNotShown() {
        for (String name : List.of("CHAT_CLIENT_KEYS", "CHAT_URL")) {
            String unset = refused(Map.of(name, "hidden,app=hidden,${NOPE}"));
            assertTrue(unset.contains("is an expression of which a part is not set (its value is not shown)"), unset);
            assertFalse(unset.contains("hidden"), unset);
        }
        String said = refused(Map.of("CHAT_CLIENT_KEYS", "hidden,app=hidden,hidden key=" + HASH));
        assertFalse(said.contains("hidden"), said);
    }

    @Test
    void allProblemsAreToldAtOnceAndNoSecretIs() {
        String said = refused(Map.of("CHAT_API_KEY", "se cret", "CHAT_URL", "https://user:hidden@h", "CHAT_TIMEOUT", "x"));
        assertTrue(said.contains("CHAT_API_KEY") && said.contains("CHAT_URL") && said.contains("CHAT_TIMEOUT"), said);
        assertFalse(said.contains("se cret") || said.contains("hidden"), said);
    }
}
