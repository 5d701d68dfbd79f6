package chatlambda.local;

import chatlambda.Main;
import chatlambda.Settings;
import chatlambda.Startup;
import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.secret.Secret;
import io.quarkus.arc.profile.IfBuildProfile;
import io.quarkus.runtime.ShutdownEvent;
import io.quarkus.runtime.StartupEvent;
import io.quarkus.tls.TlsConfigurationRegistry;
import io.vertx.core.Vertx;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import org.eclipse.microprofile.config.Config;
import org.jboss.logging.Logger;

/**
 * {@code ./mvnw quarkus:dev}: starts a local Lambda service on port 8080 ({@code -Dlocal.port=...} for another), with a page to chat, and
 * the function as its client, with 8 workers ({@code -Dlocal.workers=...}, or {@code LOCAL_WORKERS}). Without {@code CHAT_API_KEY} it
 * starts a stub endpoint too, which the function asks.
 */
@ApplicationScoped
@IfBuildProfile("dev")
public class DevMode {

    private static final Logger LOG = Logger.getLogger(DevMode.class);

    /** Relative to the project's directory, in which dev mode runs. The page is read there on each request, and is in no artefact. */
    private static final Path PAGE = Path.of("src/main/playground");

    private StubChat stub;
    private LocalLambda lambda;

    void start(@Observes StartupEvent event, Config config, TlsConfigurationRegistry tls, Vertx vertx)
            throws Settings.Invalid, Secret.Unavailable {
        boolean callersKeys = config.getOptionalValue("chat.auth", String.class).orElse("").equalsIgnoreCase("passthrough");
        var stubs = new HashMap<String, String>();
        if (config.getOptionalValue("chat.api-key", String.class).isEmpty() && !callersKeys) {
            stub = StubChat.start(Duration.ofMillis(60));
            stubs.put("api-key", "of-no-use-but-to-the-stub");
            stubs.put("url", stub.url().toString());
            LOG.info("CHAT_API_KEY is not set: answers come from a stub, which repeats what you say");
        }
        var environment = new HashMap<>(System.getenv());
        environment.put("AWS_LAMBDA_MAX_CONCURRENCY", config.getOptionalValue("local.workers", String.class).orElse("8"));
        var settings = Settings.of(name -> stubs.containsKey(name) ? stubs.get(name) : Main.text(config, name), environment);
        var mode = settings.responseMode() == Settings.ResponseMode.STREAM ? InvokeMode.RESPONSE_STREAM : InvokeMode.BUFFERED;
        lambda = LocalLambda.start(config.getOptionalValue("local.port", Integer.class).orElse(8080), mode, Duration.ofMinutes(15),
                PAGE, settings.cors());
        var workers = Startup.workers(lambda.runtimeApi(), settings, environment, System.out, tls.getDefault(), vertx);
        var thread = new Thread(() -> {
            try {
                workers.run();
            } catch (IOException e) {
                LOG.debugf("the local function ends: %s", e.getMessage()); // with its Lambda, at a restart
            }
        }, "function");
        thread.setDaemon(true);
        thread.start();
        LOG.infof("Chat with it at %1$s/, or POST chat requests to %1$s/v1/chat/completions", lambda.url());
    }

    void stop(@Observes ShutdownEvent event) {
        if (lambda != null) {
            lambda.close();
        }
        if (stub != null) {
            stub.close();
        }
    }
}
