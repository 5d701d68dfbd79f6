package chatlambda;

import chatlambda.ChatConfig.Settings;
import chatlambda.completion.Upstream;
import chatlambda.runtime.InvocationLoop;
import chatlambda.runtime.RuntimeApi;
import io.quarkus.runtime.LaunchMode;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.QuarkusApplication;
import io.quarkus.runtime.annotations.QuarkusMain;
import io.quarkus.tls.TlsConfigurationRegistry;
import io.vertx.core.Vertx;
import org.jboss.logging.Logger;
import sun.misc.Signal;

import java.io.IOException;

/** Starts the function: settings, upstream, loop. In dev mode {@code chatlambda.local} does the same beside a Lambda of its own. */
@QuarkusMain
public final class Main implements QuarkusApplication {

    private final ChatConfig config;
    private final TlsConfigurationRegistry tls;
    private final Vertx vertx;

    public Main(ChatConfig config, TlsConfigurationRegistry tls, Vertx vertx) {
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
        String address = System.getenv("AWS_LAMBDA_RUNTIME_API");
        if (address == null) {
            System.err.println("This is an AWS Lambda function, and AWS_LAMBDA_RUNTIME_API is not set:"
                    + " deploy it with template.yaml, or try it locally with ./mvnw quarkus:dev");
            return 2;
        }
        try (var api = new RuntimeApi(address)) {
            Settings settings;
            try {
                settings = Settings.of(config, System.getenv());
            } catch (ChatConfig.Invalid e) {
                log().error(e.getMessage());
                api.failInit("Runtime.InvalidConfiguration", e.getMessage());
                return 1;
            }
            start(api, settings, tls, vertx).run();
            return 0;
        } catch (IOException e) {
            log().errorf("the function ends: %s", e.getMessage());
            return 1;
        }
    }

    /** Not a constant: it would set logging up before Quarkus has chosen the log manager. */
    private static Logger log() {
        return Logger.getLogger(Main.class);
    }

    /** The function, connected to its upstream as far as that can be had within {@code chat.prime-timeout}. */
    public static InvocationLoop start(RuntimeApi api, Settings settings, TlsConfigurationRegistry tls, Vertx vertx) {
        var upstream = new Upstream(settings.upstream(), settings.apiKey(), settings.connectTimeout(), settings.keepAlive(),
                tls.getDefault(), vertx);
        if (!settings.primeTimeout().isZero()) {
            Rehearsal.run(settings, upstream);
        }
        return new InvocationLoop(api, new ChatFunction(settings, upstream));
    }
}
