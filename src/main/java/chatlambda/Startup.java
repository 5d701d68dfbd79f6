package chatlambda;

import chatlambda.access.Access;
import chatlambda.chat.Redaction;
import chatlambda.chat.UpstreamKey;
import chatlambda.log.AccessLog;
import chatlambda.runtime.InvocationLoop;
import chatlambda.runtime.RuntimeApi;
import chatlambda.runtime.Workers;
import chatlambda.secret.Secret;
import chatlambda.upstream.BytesInFlight;
import chatlambda.upstream.Upstream;
import io.quarkus.tls.TlsConfiguration;
import io.vertx.core.Vertx;
import java.io.OutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Map;
import java.util.Optional;
import org.jboss.logging.Logger;

/** From the settings to the function's workers: what they share is made here, and each one's upstream. */
public final class Startup {

    private static final Logger LOG = Logger.getLogger(Startup.class);

    private static final Duration FIRST_EVENT = Duration.ofSeconds(15);

    private Startup() {
    }

    /**
     * The workers, the first of which is connected to its upstream as far as that can be had within {@code chat.prime-timeout}; the others
     * connect for their first event.
     *
     * @param runtimeApi host and port
     * @param environment Lambda's
     * @param lines where access lines go
     * @param tls trust settings other than the built-in ones
     * @throws Secret.Unavailable the upstream's key cannot be read
     */
    public static Workers workers(String runtimeApi, Settings settings, Map<String, String> environment, OutputStream lines,
            Optional<TlsConfiguration> tls, Vertx vertx) throws Secret.Unavailable {
        if (settings.auth() == Access.Mode.KEYS && settings.clientKeys().isEmpty()) {
            LOG.warn("nobody may call over HTTP: chat.client-keys (CHAT_CLIENT_KEYS) is empty, and chat.auth (CHAT_AUTH) is keys:"
                    + " every such request gets 401");
        }
        String key = settings.apiKey();
        var secret = key != null && Secret.looksLikeArn(key) ? Secret.startReading(key, environment, settings.connectTimeout()) : null;
        var upstream = new Upstream(0, options(settings), tls, vertx);
        if (!settings.primeTimeout().isZero()) {
            Rehearsal.run(settings, upstream);
        }
        UpstreamKey upstreamKey = secret == null ? () -> key : Secret.await(secret);
        if (upstreamKey.value() != null && upstreamKey.value().length() < Redaction.MIN_LENGTH) {
            LOG.warnf("the upstream's key (chat.api-key, CHAT_API_KEY) has fewer than %d characters: it is not looked for in what the"
                    + " upstream says, and so not taken out of errors", Redaction.MIN_LENGTH);
        }
        var models = new ArrayList<>(settings.models().fallbacks());
        models.addAll(settings.models().aliases().values());
        models.add(settings.models().standard());
        var first = new ChatFunction(settings, settings.access(upstreamKey), new BytesInFlight(settings.maxBytesInFlight()),
                new AccessLog(lines, settings.metrics(), models, environment), upstream);
        return new Workers(settings.workers(), number -> new InvocationLoop(new RuntimeApi(runtimeApi),
                number == 0 ? first : first.with(new Upstream(number, options(settings), tls, vertx))));
    }

    private static Upstream.Options options(Settings settings) {
        return new Upstream.Options(settings.upstream(), settings.connectTimeout(), settings.timeout(), settings.streamIdleTimeout(),
                firstEvent(settings.streamHeartbeat()), settings.keepAlive(), settings.streams());
    }

    /** How long an answer waits for a stream's first event: no longer than anybody waits for a sign of life. */
    private static Duration firstEvent(Duration heartbeat) {
        return heartbeat.isZero() || heartbeat.compareTo(FIRST_EVENT) > 0 ? FIRST_EVENT : heartbeat;
    }
}
