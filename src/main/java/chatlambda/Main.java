package chatlambda;

import chatlambda.log.JsonLines;
import chatlambda.runtime.RuntimeApi;
import chatlambda.runtime.Workers;
import chatlambda.secret.Secret;
import chatlambda.upstream.EarlyConnection;
import io.quarkus.runtime.LaunchMode;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.QuarkusApplication;
import io.quarkus.runtime.annotations.QuarkusMain;
import io.quarkus.tls.TlsConfigurationRegistry;
import io.vertx.core.Vertx;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.Map;
import org.eclipse.microprofile.config.Config;
import org.eclipse.microprofile.config.ConfigValue;
import org.jboss.logging.Logger;
import sun.misc.Signal;

/** The function's process, from its start to its end. In dev mode {@code chatlambda.local} runs the function instead. */
@QuarkusMain
public final class Main implements QuarkusApplication {

    /** Netty's pools of buffers are for thousands of connections: what they set up took 400 KB of the start, each page of it a fault. */
    private static final Map<String, String> NETTY = Map.of("io.netty.allocator.numHeapArenas", "0",
            "io.netty.allocator.numDirectArenas", "0");

    private final Config config;
    private final TlsConfigurationRegistry tls;
    private final Vertx vertx;

    public Main(Config config, TlsConfigurationRegistry tls, Vertx vertx) {
        this.config = config;
        this.tls = tls;
        this.vertx = vertx;
    }

    public static void main(String... args) {
        Heap.fit(System.getenv());
        beginConnecting(System.getenv());
        // Otherwise the log manager asks the resolver for this host's name, which no log line of ours shows.
        System.setProperty("jboss.host.name", "lambda");
        NETTY.forEach(System::setProperty);
        endOnSigterm();
        Quarkus.run(Main.class, args);
    }

    /**
     * Begins to connect to the upstream while Quarkus starts: in the native image, whose first channel takes the connection over, and
     * where a variable names the upstream, since the settings have not been read yet.
     */
    private static void beginConnecting(Map<String, String> environment) {
        String url = environment.get("CHAT_URL");
        if (url != null && !environment.containsKey("CHAT_PRIME_TIMEOUT") && System.getProperty("chat.url") == null
                && System.getProperty("org.graalvm.nativeimage.imagecode") != null) {
            EarlyConnection.begin(url);
        }
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
        Map<String, String> environment = System.getenv();
        JsonLines.install(environment);
        String runtimeApi = environment.get("AWS_LAMBDA_RUNTIME_API");
        if (runtimeApi == null) {
            System.err.println("This is an AWS Lambda function, and AWS_LAMBDA_RUNTIME_API is not set:"
                    + " deploy it with template.yaml, or try it locally with ./mvnw quarkus:dev");
            return 2;
        }
        try {
            serve(runtimeApi, environment);
        } catch (IOException e) {
            log().errorf("the function ends: %s", e.getMessage() != null ? e.getMessage() : e.getClass().getSimpleName());
        }
        return 1;
    }

    /** Returns where it cannot start, and has told Lambda why. */
    private void serve(String runtimeApi, Map<String, String> environment) throws IOException {
        Workers workers;
        try {
            var settings = Settings.of(name -> text(config, name), environment);
            workers = Startup.workers(runtimeApi, settings, environment, new FileOutputStream(FileDescriptor.out), tls.getDefault(), vertx);
        } catch (Settings.Invalid | Secret.Unavailable e) {
            log().error(e.getMessage());
            try (var api = new RuntimeApi(runtimeApi)) {
                api.failInit(e instanceof Settings.Invalid ? "Runtime.InvalidConfiguration" : "Runtime.SecretUnavailable", e.getMessage());
            }
            return;
        }
        workers.run();
    }

    /**
     * A setting's text, for {@link Settings#of}.
     *
     * @param name without {@code chat.}
     * @return null where it is not set; as it is written where it is set to nothing, or to an expression that names what is not set: no
     *         default counts then, which nobody asked for
     */
    public static String text(Config config, String name) {
        ConfigValue found = config.getConfigValue("chat." + name);
        return found.getValue() == null ? found.getRawValue() : found.getValue();
    }

    /** Not a constant: it would set logging up before Quarkus has chosen the log manager. */
    private static Logger log() {
        return Logger.getLogger(Main.class);
    }
}
