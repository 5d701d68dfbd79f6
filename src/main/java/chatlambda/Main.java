package chatlambda;

import chatlambda.access.Access;
import chatlambda.chat.Redaction;
import chatlambda.chat.UpstreamKey;
import chatlambda.log.AccessLog;
import chatlambda.log.JsonLines;
import chatlambda.runtime.InvocationLoop;
import chatlambda.runtime.RuntimeApi;
import chatlambda.secret.Secret;
import chatlambda.upstream.Upstream;
import io.quarkus.runtime.LaunchMode;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.QuarkusApplication;
import io.quarkus.runtime.annotations.QuarkusMain;
import io.quarkus.tls.TlsConfigurationRegistry;
import io.vertx.core.Vertx;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Map;
import org.eclipse.microprofile.config.Config;
import org.eclipse.microprofile.config.ConfigValue;
import org.jboss.logging.Logger;
import sun.misc.Signal;

/** Starts the function: settings, upstream, loop. In dev mode {@code chatlambda.local} does the same beside a Lambda of its own. */
@QuarkusMain
public final class Main implements QuarkusApplication {

    private static final Duration FIRST_EVENT = Duration.ofSeconds(15);

    private final Config config;
    private final TlsConfigurationRegistry tls;
    private final Vertx vertx;

    public Main(Config config, TlsConfigurationRegistry tls, Vertx vertx) {
        this.config = config;
        this.tls = tls;
        this.vertx = vertx;
    }

    public static void main(String... args) {
        // Otherwise the log manager asks the resolver for this host's name, which no log line of ours shows.
        System.setProperty("jboss.host.name", "lambda");
        endOnSigterm();
        Quarkus.run(Main.class, args);
    }

    /** Lambda's shutdown, 300 ms before it kills: nothing here waits to be written, and no answer would be taken any more. */
    private static void endOnSigterm() {
        Signal.handle(new Signal("TERM"), signal -> Runtime.getRuntime().halt(0));
    }

    @Override
    public int run(String... args) {
        if (LaunchMode.current() != LaunchMode.NORMAL) {
            Quarkus.waitForExit();
            return 0;
        }
        endOnSigterm(); // Quarkus has set a handler of its own meanwhile
        JsonLines.install(System.getenv());
        String address = System.getenv("AWS_LAMBDA_RUNTIME_API");
        if (address == null) {
            System.err.println("This is an AWS Lambda function, and AWS_LAMBDA_RUNTIME_API is not set:"
                    + " deploy it with template.yaml, or try it locally with ./mvnw quarkus:dev");
            return 2;
        }
        try (var api = new RuntimeApi(address)) {
            InvocationLoop loop;
            try {
                var settings = Settings.of(name -> text(config, name), System.getenv());
                loop = start(api, settings, System.getenv(), new FileOutputStream(FileDescriptor.out), tls, vertx);
            } catch (Settings.Invalid | Secret.Unavailable e) {
                log().error(e.getMessage());
                api.failInit(e instanceof Settings.Invalid ? "Runtime.InvalidConfiguration" : "Runtime.SecretUnavailable", e.getMessage());
                return 1;
            }
            loop.run();
            return 0;
        } catch (IOException e) {
            log().errorf("the function ends: %s", e.getMessage() != null ? e.getMessage() : e.getClass().getSimpleName());
            return 1;
        }
    }

    /**
     * A setting's text, for {@link Settings#of}.
     *
     * @param name without {@code chat.}
     * @return null where it is not set; empty where it is set to nothing, or to an expression that names what is not set: no default counts
     *         then, which nobody asked for
     */
    public static String text(Config config, String name) {
        ConfigValue found = config.getConfigValue("chat." + name);
        return found.getValue() == null && found.getRawValue() != null ? "" : found.getValue();
    }

    /** Not a constant: it would set logging up before Quarkus has chosen the log manager. */
    private static Logger log() {
        return Logger.getLogger(Main.class);
    }

    /**
     * The function, connected to its upstream as far as that can be had within {@code chat.prime-timeout}.
     *
     * @param environment Lambda's
     * @param lines where access lines go
     * @throws Secret.Unavailable the upstream's key cannot be read
     */
    public static InvocationLoop start(RuntimeApi api, Settings settings, Map<String, String> environment, OutputStream lines,
            TlsConfigurationRegistry tls, Vertx vertx) throws Secret.Unavailable {
        if (settings.auth() == Access.Mode.KEYS && settings.clientKeys().isEmpty()) {
            log().warn("nobody may call over HTTP: chat.client-keys (CHAT_CLIENT_KEYS) is empty, and chat.auth (CHAT_AUTH) is keys:"
                    + " every such request gets 401");
        }
        String key = settings.apiKey();
        var secret = key != null && Secret.looksLikeArn(key) ? Secret.startReading(key, environment, settings.connectTimeout()) : null;
        var upstream = new Upstream(new Upstream.Options(settings.upstream(), settings.connectTimeout(), settings.timeout(),
                settings.streamIdleTimeout(), firstEvent(settings.streamHeartbeat()), settings.keepAlive(), settings.streams()),
                tls.getDefault(), vertx);
        if (!settings.primeTimeout().isZero()) {
            Rehearsal.run(settings, upstream);
        }
        UpstreamKey upstreamKey = secret == null ? () -> key : Secret.await(secret);
        if (upstreamKey.value() != null && upstreamKey.value().length() < Redaction.MIN_LENGTH) {
            log().warnf("the upstream's key (chat.api-key, CHAT_API_KEY) has fewer than %d characters: it is not looked for in what the"
                    + " upstream says, and so not taken out of errors", Redaction.MIN_LENGTH);
        }
        var models = new ArrayList<>(settings.fallbackModels());
        models.add(settings.model());
        var log = new AccessLog(lines, settings.metrics(), models, environment);
        return new InvocationLoop(api, new ChatFunction(settings, settings.access(upstreamKey), upstream, log));
    }

    /** How long an answer waits for a stream's first event: no longer than anybody waits for a sign of life. */
    private static Duration firstEvent(Duration heartbeat) {
        return heartbeat.isZero() || heartbeat.compareTo(FIRST_EVENT) > 0 ? FIRST_EVENT : heartbeat;
    }
}
