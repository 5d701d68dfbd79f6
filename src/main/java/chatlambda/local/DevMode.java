package chatlambda.local;

import chatlambda.ChatConfig;
import chatlambda.Main;
import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.runtime.RuntimeApi;
import chatlambda.secret.Secret;
import io.quarkus.arc.profile.IfBuildProfile;
import io.quarkus.runtime.ShutdownEvent;
import io.quarkus.runtime.StartupEvent;
import io.quarkus.tls.TlsConfigurationRegistry;
import io.smallrye.config.PropertiesConfigSource;
import io.smallrye.config.SmallRyeConfig;
import io.smallrye.config.SmallRyeConfigBuilder;
import io.vertx.core.Vertx;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import org.jboss.logging.Logger;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;

/**
 * {@code ./mvnw quarkus:dev}: the function beside a Lambda service of its own, on port 8080 ({@code -Dlocal.port=...} for another),
 * with a page to chat with it, and without {@code CHAT_API_KEY} beside a stub endpoint too.
 */
@ApplicationScoped
@IfBuildProfile("dev")
public class DevMode {

    private static final Logger LOG = Logger.getLogger(DevMode.class);

    /** In the project, whose directory dev mode runs in, and read there each time: it is in no artefact. */
    private static final Path PAGE = Path.of("src/main/playground");

    private StubChat stub;
    private LocalLambda lambda;

    void start(@Observes StartupEvent event, SmallRyeConfig config, TlsConfigurationRegistry tls, Vertx vertx)
            throws ChatConfig.Invalid, Secret.Unavailable {
        boolean callersKeys = config.getOptionalValue("chat.auth", String.class).orElse("").equalsIgnoreCase("passthrough");
        if (config.getOptionalValue("chat.api-key", String.class).isEmpty() && !callersKeys) {
            stub = StubChat.start(Duration.ofMillis(60));
            config = with(config, Map.of("chat.api-key", "of-no-use-but-to-the-stub", "chat.url", stub.url().toString()));
            LOG.info("CHAT_API_KEY is not set: answers come from a stub, which repeats what you say");
        }
        var settings = ChatConfig.Settings.of(config.getConfigMapping(ChatConfig.class), System.getenv());
        var mode = settings.responseMode() == ChatConfig.ResponseMode.STREAM ? InvokeMode.RESPONSE_STREAM : InvokeMode.BUFFERED;
        lambda = LocalLambda.start(config.getOptionalValue("local.port", Integer.class).orElse(8080), mode, Duration.ofMinutes(15),
                PAGE);
        var loop = Main.start(new RuntimeApi(lambda.runtimeApi()), settings, System.getenv(), System.out, tls, vertx);
        var thread = new Thread(() -> {
            try {
                loop.run();
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

    private static SmallRyeConfig with(SmallRyeConfig config, Map<String, String> values) {
        var builder = new SmallRyeConfigBuilder().addDefaultInterceptors().withProfiles(config.getProfiles());
        config.getConfigSources().forEach(builder::withSources);
        return builder.withSources(new PropertiesConfigSource(values, "stub", Integer.MAX_VALUE)).withMapping(ChatConfig.class).build();
    }
}
