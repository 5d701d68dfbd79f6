package chatlambda.secret;

import chatlambda.chat.UpstreamKey;
import chatlambda.json.Json;
import chatlambda.json.JsonOut;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.quarkus.rest.client.reactive.QuarkusRestClientBuilder;
import io.smallrye.mutiny.Uni;
import org.jboss.logging.Logger;
import org.jboss.resteasy.reactive.RestResponse;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The upstream's key as AWS Secrets Manager or Systems Manager's Parameter Store holds it, kept in memory. It is read when the
 * function starts, from the extension where its layer is there, else from the service itself. It is read again when the upstream
 * refuses it, at most once a minute, and then from the service, since the extension answers from a cache.
 */
public final class Secret implements UpstreamKey {

    private static final Logger LOG = Logger.getLogger(Secret.class);

    /** {@code arn:partition:service:region:account:...} */
    private static final Pattern ARN = Pattern.compile(
            "arn:(aws|aws-cn|aws-us-gov):(?:(secretsmanager):([a-z0-9-]+):\\d{12}:secret:.+|(ssm):([a-z0-9-]+):\\d{12}:parameter/.+)");
    private static final Duration BETWEEN = Duration.ofMinutes(1);
    /** Both together well below the 10 s that Lambda gives a start. */
    private static final Duration PATIENCE = Duration.ofSeconds(5);
    private static final Duration EXTENSIONS_PATIENCE = Duration.ofSeconds(2);

    private final String arn;
    private final String partition;
    private final boolean isParameter;
    private final String region;
    private final Map<String, String> environment;
    private final Duration connectTimeout;
    private String value;
    private Instant renewed = Instant.EPOCH;

    /** Why there is no key. */
    public static final class Unavailable extends Exception {

        private static final long serialVersionUID = 1;

        Unavailable(String message) {
            super(message, null, false, false);
        }
    }

    private Secret(String arn, Matcher parts, Map<String, String> environment, Duration connectTimeout) {
        this.arn = arn;
        this.partition = parts.group(1);
        this.isParameter = parts.group(2) == null;
        this.region = isParameter ? parts.group(5) : parts.group(3);
        this.environment = environment;
        this.connectTimeout = connectTimeout;
    }

    /** Whether a setting is meant as the name of a secret, rather than as one. */
    public static boolean looksLikeArn(String setting) {
        return setting.startsWith("arn:");
    }

    /** One of Secrets Manager's, or of the Parameter Store's. */
    public static boolean isArn(String setting) {
        return ARN.matcher(setting).matches();
    }

    /**
     * Begins to read it, while the function starts.
     *
     * @param arn one that {@link #isArn}
     * @param environment Lambda's: credentials, the extension's port, and an endpoint that stands in for a service's
     * @param connectTimeout to the extension, and to the service
     * @return for {@link #await}
     */
    public static Future<Secret> read(String arn, Map<String, String> environment, Duration connectTimeout) {
        Matcher parts = ARN.matcher(arn);
        if (!parts.matches()) {
            throw new IllegalArgumentException(arn);
        }
        var secret = new Secret(arn, parts, environment, connectTimeout);
        var reading = new FutureTask<>(() -> {
            String found = secret.fromExtension();
            secret.value = secret.key(found != null ? found : secret.fromService(PATIENCE));
            return secret;
        });
        var thread = new Thread(reading, "secret");
        thread.setDaemon(true);
        thread.start();
        return reading;
    }

    /** @throws Unavailable it could not be read: names it, what was met, and what to do */
    public static Secret await(Future<Secret> reading) throws Unavailable {
        try {
            return reading.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Unavailable unavailable) {
                throw unavailable;
            }
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Unavailable("interrupted");
        }
    }

    @Override
    public String value() {
        return value;
    }

    @Override
    public boolean renew(Duration limit) {
        Instant now = Instant.now();
        if (limit.isNegative() || limit.isZero() || !isDue(renewed, now)) {
            return false;
        }
        renewed = now;
        try {
            String found = key(fromService(limit.compareTo(PATIENCE) < 0 ? limit : PATIENCE));
            boolean another = !found.equals(value);
            value = found;
            LOG.warnf("the upstream refused the key, and the secret holds %s", another ? "another one now" : "the same one still");
            return another;
        } catch (Unavailable e) {
            LOG.errorf("the upstream refused the key, and %s", e.getMessage());
            return false;
        }
    }

    static boolean isDue(Instant renewed, Instant now) {
        return Duration.between(renewed, now).compareTo(BETWEEN) >= 0;
    }

    /** Or null: it is not there, or not yet ready, or cannot. */
    private String fromExtension() {
        String address = "http://localhost:" + environment.getOrDefault("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", "2773");
        String token = environment.getOrDefault("AWS_SESSION_TOKEN", "");
        try (var extension = client(SecretsExtension.class, address)) {
            var response = answer(isParameter ? extension.parameter(address, token, arn, true)
                    : extension.secret(address, token, arn), EXTENSIONS_PATIENCE);
            if (response.getStatus() == 200) {
                return text(body(response));
            }
            LOG.warnf("the secrets extension answered %d: asking the service itself", response.getStatus());
        } catch (RuntimeException | IOException e) {
            LOG.debugf("no secrets extension: %s", e.getClass().getSimpleName()); // a message might quote what was read
        }
        return null;
    }

    private String fromService(Duration limit) throws Unavailable {
        String keyId = environment.get("AWS_ACCESS_KEY_ID");
        String secretKey = environment.get("AWS_SECRET_ACCESS_KEY");
        if (keyId == null || secretKey == null) {
            throw unavailable("there are no credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)",
                    "run on Lambda, or give CHAT_API_KEY the key itself");
        }
        String service = isParameter ? "ssm" : "secretsmanager";
        URI endpoint = endpoint(service);
        byte[] request = new JsonOut(256).raw(isParameter ? "{\"WithDecryption\":true,\"Name\":" : "{\"SecretId\":").string(arn).raw("}")
                .toBytes();
        String target = isParameter ? "AmazonSSM.GetParameter" : "secretsmanager.GetSecretValue";
        String date = SigV4.date(Instant.now());
        String token = environment.get("AWS_SESSION_TOKEN");
        var headers = new TreeMap<>(Map.of("content-type", AwsJson.TYPE, "host", endpoint.getRawAuthority(), "x-amz-date", date,
                "x-amz-target", target));
        if (token != null) {
            headers.put("x-amz-security-token", token);
        }
        String authorization = SigV4.authorization(keyId, secretKey, region, service, "POST", headers, request);
        RestResponse<?> response;
        byte[] answer;
        try (var client = client(AwsJson.class, endpoint.toString())) {
            response = answer(client.call(endpoint.toString(), target, date, token, authorization, request), limit);
            answer = body(response);
        } catch (RuntimeException | IOException e) {
            throw unavailable(endpoint.getHost() + " did not answer (" + e.getClass().getSimpleName() + ")",
                    "check that the function's network reaches it");
        }
        if (response.getStatus() != 200) {
            throw unavailable(endpoint.getHost() + " answered " + response.getStatus() + " " + errorType(answer),
                    "check the ARN, and that the function's role may " + (isParameter ? "ssm:GetParameter" : "secretsmanager:GetSecretValue"));
        }
        try {
            return text(answer);
        } catch (IOException e) {
            throw unavailable(endpoint.getHost() + " gave an answer that is not JSON", "try again");
        }
    }

    /** Where the service is: the AWS SDKs' own variables may name another place. */
    private URI endpoint(String service) throws Unavailable {
        String named = environment.get("AWS_ENDPOINT_URL_" + (isParameter ? "SSM" : "SECRETS_MANAGER"));
        String given = named != null ? named : environment.get("AWS_ENDPOINT_URL");
        try {
            var endpoint = new URI(given != null ? given
                    : "https://" + service + "." + region + (partition.equals("aws-cn") ? ".amazonaws.com.cn" : ".amazonaws.com"));
            if (endpoint.getHost() != null) {
                return endpoint;
            }
        } catch (URISyntaxException e) {
            LOG.debug(e.getReason());
        }
        throw unavailable("the endpoint in AWS_ENDPOINT_URL (or that of this service) is no address", "remove it, or correct it");
    }

    /** The same, found fit to be a key. */
    private String key(String found) throws Unavailable {
        String key = found == null ? "" : found.strip(); // often stored with a line end
        if (key.isEmpty() || key.startsWith("{") || key.chars().anyMatch(c -> c <= ' ' || c > '~')) {
            throw unavailable(key.isEmpty() ? "it holds no text" : key.startsWith("{") ? "it holds a JSON object"
                    : "it holds a character that no HTTP header can carry", "store the key alone, as plain text");
        }
        return key;
    }

    private Unavailable unavailable(String what, String remedy) {
        return new Unavailable("chat.api-key (environment variable CHAT_API_KEY) names " + arn + ", which cannot be read: " + what + ": "
                + remedy);
    }

    private <T> T client(Class<T> type, String address) {
        return QuarkusRestClientBuilder.newBuilder().baseUri(URI.create(address)).followRedirects(false)
                .connectTimeout(connectTimeout.toMillis(), TimeUnit.MILLISECONDS).readTimeout(0, TimeUnit.MILLISECONDS).build(type);
    }

    private static RestResponse<?> answer(Uni<RestResponse<byte[]>> answer, Duration limit) {
        return answer.await().atMost(limit);
    }

    private static byte[] body(RestResponse<?> response) throws IOException {
        Object entity = response.getEntity();
        return entity instanceof byte[] bytes ? bytes : entity instanceof InputStream stream ? stream.readAllBytes() : new byte[0];
    }

    /** {@code SecretString}, or {@code Parameter.Value}; null: there is none. */
    private static String text(byte[] json) throws IOException {
        return member(json, "SecretString", "Value");
    }

    /** {@code ResourceNotFoundException} and the like, with or without its namespace; no more, since a message may say anything. */
    private static String errorType(byte[] json) {
        try {
            String type = member(json, "__type", "__type");
            return type == null ? "" : type.substring(type.indexOf('#') + 1).replaceAll("[^A-Za-z0-9]", "");
        } catch (IOException e) {
            return "";
        }
    }

    private static String member(byte[] json, String one, String other) throws IOException {
        try (JsonParser parser = Json.parser(json)) {
            while (parser.nextToken() != null) {
                if (parser.currentToken() == JsonToken.FIELD_NAME && (parser.currentName().equals(one) || parser.currentName().equals(other))) {
                    return parser.nextToken() == JsonToken.VALUE_STRING ? parser.getText() : null;
                }
            }
            return null;
        }
    }
}
