package chatlambda;

import chatlambda.access.Access;
import chatlambda.budget.BudgetTable;
import chatlambda.budget.Ledger;
import chatlambda.chat.Redaction;
import chatlambda.chat.UpstreamKey;
import chatlambda.log.AccessLog;
import chatlambda.runtime.InvocationLoop;
import chatlambda.runtime.RuntimeApi;
import chatlambda.runtime.Workers;
import chatlambda.secret.Secret;
import chatlambda.upstream.BytesInFlight;
import chatlambda.upstream.EarlyConnection;
import chatlambda.upstream.Upstream;
import io.quarkus.tls.TlsConfiguration;
import io.vertx.core.Vertx;
import java.io.OutputStream;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
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
     * @throws Secret.Unavailable the upstream's key, or a parameter with a setting, cannot be read
     * @throws Settings.Invalid such a parameter holds what is no setting
     */
    public static Workers workers(String runtimeApi, Settings settings, Map<String, String> environment, OutputStream lines,
            Optional<TlsConfiguration> tls, Vertx vertx) throws Secret.Unavailable, Settings.Invalid {
        var table = settings.hasBudgets() ? new BudgetTable(settings.budgetTable(), environment, settings.connectTimeout(),
                settings.keepAlive()) : null;
        FutureTask<Prepared> preparing = settings.stored().arns().isEmpty() ? null : startPreparing(settings, environment, table);
        Prepared ready = preparing == null ? prepared(settings, environment, table) : null;
        Instant primed = Instant.now().plus(settings.primeTimeout());
        String key = settings.apiKey();
        var secret = key != null && Secret.looksLikeArn(key) ? Secret.startReading(key, environment, settings.connectTimeout()) : null;
        if (preparing != null || secret != null) {
            EarlyConnection.drop(); // the next channel may be theirs, which is to another host
        }
        var upstream = new Upstream(0, options(settings), tls, vertx);
        if (!settings.primeTimeout().isZero()) {
            Rehearsal.run(settings, upstream);
        }
        EarlyConnection.drop();
        Prepared prepared = preparing == null ? ready : await(preparing);
        Settings read = prepared.read.settings();
        if (read.auth() == Access.Mode.KEYS && read.clientKeys().isEmpty()) {
            LOG.warn("nobody may call over HTTP: chat.client-keys (CHAT_CLIENT_KEYS) is empty, and chat.auth (CHAT_AUTH) is keys:"
                    + " every such request gets 401");
        }
        UpstreamKey upstreamKey = secret == null ? () -> key : Secret.await(secret);
        if (upstreamKey.value() != null && upstreamKey.value().length() < Redaction.MIN_LENGTH) {
            LOG.warnf("the upstream's key (chat.api-key, CHAT_API_KEY) has fewer than %d characters: it is not looked for in what the"
                    + " upstream says, and so not taken out of errors", Redaction.MIN_LENGTH);
        }
        if (settings.isUpstreamInTheClear()) {
            LOG.warnf("the upstream's key, requests and answers go unencrypted to %s: use https in chat.url (CHAT_URL)",
                    settings.upstream().getHost());
        }
        await(prepared.connecting, primed);
        var ledger = table == null ? null : new Ledger(table, settings.budgetOnFailure(), InstantSource.system());
        var rules = new Rules(prepared.read, environment, upstreamKey);
        var first = new ChatFunction(settings, rules, ledger, new BytesInFlight(settings.maxBytesInFlight()),
                new AccessLog(lines, settings.metrics(), environment), upstream);
        return new Workers(settings.workers(), read.budgets().most(), number -> new InvocationLoop(new RuntimeApi(runtimeApi),
                number == 0 ? first : first.with(new Upstream(number, options(settings), tls, vertx))));
    }

    /** What the start does beside the rehearsal. */
    private record Prepared(Rules.Read read, List<FutureTask<String>> connecting) {
    }

    /** @param table null: there are no budgets */
    private static Prepared prepared(Settings settings, Map<String, String> environment, BudgetTable table)
            throws Secret.Unavailable, Settings.Invalid {
        Rules.Read read = Rules.read(settings, environment);
        boolean connects = table != null && !settings.primeTimeout().isZero();
        return new Prepared(read, connects ? table.connect(read.settings().budgets().most()) : List.of());
    }

    private static FutureTask<Prepared> startPreparing(Settings settings, Map<String, String> environment, BudgetTable table) {
        var preparing = new FutureTask<>(() -> prepared(settings, environment, table));
        var thread = new Thread(preparing, "preparing");
        thread.setDaemon(true);
        thread.start();
        return preparing;
    }

    private static Prepared await(Future<Prepared> preparing) throws Secret.Unavailable, Settings.Invalid {
        try {
            return preparing.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Settings.Invalid invalid) {
                throw invalid;
            }
            return Secret.await(preparing);
        } catch (InterruptedException e) {
            return Secret.await(preparing);
        }
    }

    /** Waits for the table's connections; who has not one by then makes one for its first request. */
    private static void await(List<FutureTask<String>> connecting, Instant end) {
        String failure = null;
        for (var each : connecting) {
            try {
                String its = each.get(Math.max(0, Duration.between(Instant.now(), end).toNanos()), TimeUnit.NANOSECONDS);
                failure = its != null ? its : failure;
            } catch (TimeoutException | ExecutionException e) {
                failure = e instanceof TimeoutException ? "not in time (chat.prime-timeout)" : e.getCause().getClass().getName();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
        if (failure != null) {
            LOG.warnf("the budgets' table was not connected: %s: the first request will try again", failure);
        }
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
