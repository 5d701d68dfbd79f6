package chatlambda.local;

import chatlambda.Main;
import chatlambda.Settings;
import chatlambda.Startup;
import chatlambda.access.Cors;
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
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import org.eclipse.microprofile.config.Config;
import org.jboss.logging.Logger;

/**
 * {@code ./mvnw quarkus:dev}: starts a local Lambda service on port 8080 ({@code LOCAL_PORT} for another), with a page to chat, and the
 * function as its client, with 8 workers ({@code LOCAL_WORKERS}). Without {@code CHAT_API_KEY} it starts a stub endpoint too, which the
 * function asks. What is wrong with a setting, or the port, is one line, and the end.
 */
@ApplicationScoped
@IfBuildProfile("dev")
public class DevMode {

    private static final Logger LOG = Logger.getLogger(DevMode.class);

    /** Relative to the project's directory, in which dev mode runs. The page is read there on each request, and is in no artefact. */
    private static final Path PAGE = Path.of("src/main/playground");

    private StubChat stub;
    private LocalLambda lambda;

    void start(@Observes StartupEvent event, Config config, TlsConfigurationRegistry tls, Vertx vertx) {
        try {
            start(config, tls, vertx);
        } catch (Settings.Invalid | Secret.Unavailable | PortUnusable e) {
            LOG.error(e.getMessage());
            Runtime.getRuntime().halt(1); // Quarkus would print where it was thrown, and wait for the code to change
        }
    }

    private void start(Config config, TlsConfigurationRegistry tls, Vertx vertx)
            throws Settings.Invalid, Secret.Unavailable, PortUnusable {
        boolean callersKeys = config.getOptionalValue("chat.auth", String.class).orElse("").equalsIgnoreCase("passthrough");
        var stubs = new HashMap<String, String>();
        if (config.getOptionalValue("chat.api-key", String.class).isEmpty() && !callersKeys) {
            stub = StubChat.forDevMode();
            stubs.put("api-key", "of-no-use-but-to-the-stub");
            stubs.put("url", stub.url().toString());
        }
        var environment = new HashMap<>(System.getenv());
        environment.put("AWS_LAMBDA_MAX_CONCURRENCY", config.getOptionalValue("local.workers", String.class).orElse("8"));
        var settings = Settings.of(name -> stubs.containsKey(name) ? stubs.get(name) : Main.text(config, name), environment);
        var mode = settings.responseMode() == Settings.ResponseMode.STREAM ? InvokeMode.RESPONSE_STREAM : InvokeMode.BUFFERED;
        lambda = serve(config.getOptionalValue("local.port", String.class).orElse("8080"), mode, settings.cors());
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
        if (stub != null) {
            LOG.info("CHAT_API_KEY is not set: answers come from a stub, which repeats what you say");
        }
        LOG.infof("Chat with it at %1$s/, or POST chat requests to %1$s/v1/chat/completions", lambda.url());
    }

    private LocalLambda serve(String port, InvokeMode mode, Cors cors) throws PortUnusable {
        if (!port.matches("[0-9]{1,5}") || Integer.parseInt(port) > 65_535) {
            throw new PortUnusable("LOCAL_PORT is \"" + port + "\", not a port from 1 to 65535, or 0 for any free one");
        }
        try {
            return LocalLambda.start(Integer.parseInt(port), mode, Duration.ofMinutes(15), new LocalLambda.Page(PAGE, stub != null),
                    cors);
        } catch (UncheckedIOException e) {
            throw new PortUnusable(e.getMessage() + ": choose another one, such as LOCAL_PORT=8181 ./mvnw quarkus:dev");
        }
    }

    void stop(@Observes ShutdownEvent event) {
        if (lambda != null) {
            lambda.close();
        }
        if (stub != null) {
            stub.close();
        }
    }

    private static final class PortUnusable extends Exception {

        private static final long serialVersionUID = 1;

        PortUnusable(String message) {
            super(message);
        }
    }
}
