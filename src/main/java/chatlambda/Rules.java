package chatlambda;

import chatlambda.access.Access;
import chatlambda.budget.Budgets;
import chatlambda.budget.Prices;
import chatlambda.chat.UpstreamKey;
import chatlambda.secret.Secret;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jboss.logging.Logger;

/**
 * Who may call, and what they may spend. Where parameters of AWS Systems Manager say so, they are read in the start, again after five
 * minutes of use, and, at most once a minute, when a caller's key is unknown. One that cannot be read, or holds what is no setting, is an
 * error in the log, and what it held before goes on to count. Any thread may call.
 */
final class Rules {

    private static final Logger LOG = Logger.getLogger(Rules.class);

    private static final Duration RENEWAL = Duration.ofMinutes(5);
    private static final Duration RENEWAL_FOR_KEY = Duration.ofMinutes(1);
    /** What is older, after an idle time, an invocation waits for: a key that was taken away must not be good once more. */
    private static final Duration STALE = Duration.ofMinutes(10);
    private static final Duration PATIENCE = Duration.ofSeconds(1);

    /**
     * As they are now.
     *
     * @param models that settings name exactly
     */
    record Current(Access access, Budgets budgets, Prices prices, Set<String> models) {
    }

    /**
     * What was read of the parameters.
     *
     * @param texts by the settings' names
     * @param settings with these texts
     */
    record Read(Map<String, String> texts, Settings settings) {
    }

    private final Settings.Stored stored;
    private final Map<String, String> environment;
    private final Duration connectTimeout;
    private final UpstreamKey key;
    private volatile Current current;
    private Map<String, String> texts; // only what reads them uses it
    // By the clock on the wall, which goes on while the process is frozen:
    private volatile long readAt = System.currentTimeMillis();
    private volatile long triedAt; // the start's reading does not count: a key may have been added since
    private volatile FutureTask<Void> reading;

    /**
     * @param environment Lambda's
     * @param key the upstream's
     */
    Rules(Read read, Map<String, String> environment, UpstreamKey key) {
        this.stored = read.settings.stored();
        this.environment = environment;
        this.connectTimeout = read.settings.connectTimeout();
        this.key = key;
        this.texts = read.texts;
        this.current = of(read.settings);
    }

    /** Rules that never change. */
    Rules(Access access) {
        this.stored = new Settings.Stored(Map.of(), name -> null, Map.of());
        this.environment = Map.of();
        this.connectTimeout = Duration.ZERO;
        this.key = null;
        this.texts = Map.of();
        this.current = new Current(access, Budgets.NONE, Prices.NONE, Set.of());
    }

    private Current of(Settings settings) {
        return new Current(settings.access(key), settings.budgets(), settings.prices(), settings.namedModels());
    }

    /**
     * Reads all parameters that the settings name, at once, in at most 5 s.
     *
     * @throws Secret.Unavailable one cannot be read
     * @throws Settings.Invalid one holds what is no setting
     */
    static Read read(Settings settings, Map<String, String> environment) throws Secret.Unavailable, Settings.Invalid {
        Map<String, String> arns = settings.stored().arns();
        if (arns.isEmpty()) {
            return new Read(Map.of(), settings);
        }
        var readings = startReading(arns, environment, settings.connectTimeout());
        var texts = new TreeMap<String, String>();
        for (var each : readings.entrySet()) {
            texts.put(each.getKey(), Secret.await(each.getValue()));
        }
        return new Read(texts, settings.stored().with(texts));
    }

    private static Map<String, FutureTask<String>> startReading(Map<String, String> arns, Map<String, String> environment,
            Duration connectTimeout) {
        var readings = new TreeMap<String, FutureTask<String>>();
        arns.forEach((name, arn) -> {
            var its = new FutureTask<>(() -> Secret.readParameter(name, arn, environment, connectTimeout));
            start(its);
            readings.put(name, its);
        });
        return readings;
    }

    private static void start(Runnable reading) {
        var thread = new Thread(reading, "parameters");
        thread.setDaemon(true);
        thread.start();
    }

    /**
     * For an invocation that begins.
     *
     * @param left of its time
     */
    Current current(Duration left) {
        if (stored.arns().isEmpty()) {
            return current;
        }
        Duration age = since(readAt);
        FutureTask<Void> renewal = age.compareTo(RENEWAL) >= 0 ? renewal(RENEWAL_FOR_KEY) : null;
        if (age.compareTo(STALE) >= 0) {
            await(renewal, shorter(PATIENCE, left));
        }
        return current;
    }

    /**
     * For an invocation that ends: what is being read is read now, since the process may be frozen next, and its connection be lost.
     *
     * @param left of its time
     */
    void finishReading(Duration left) {
        if (reading != null) {
            await(reading, shorter(PATIENCE, left));
        }
    }

    private static Duration shorter(Duration a, Duration b) {
        return a.compareTo(b) < 0 ? a : b;
    }

    /**
     * For a caller whose key is unknown: what the parameters say by now, if they have not been read within the last minute.
     *
     * @param limit how long may be waited for that
     */
    Current renewed(Duration limit) {
        if (stored.arns().containsKey("client-keys")) {
            await(renewal(RENEWAL_FOR_KEY), limit);
        }
        return current;
    }

    /** How long ago that was; long ago where the clock was set back. */
    private static Duration since(long time) {
        long millis = System.currentTimeMillis() - time;
        return millis < 0 ? STALE : Duration.ofMillis(millis);
    }

    /** The reading that goes on, or one that begins; null: the last one began less than {@code interval} ago, and has ended. */
    private synchronized FutureTask<Void> renewal(Duration interval) {
        if (reading != null && !reading.isDone()) {
            return reading;
        }
        if (since(triedAt).compareTo(interval) < 0) {
            return null;
        }
        triedAt = System.currentTimeMillis();
        var next = new FutureTask<Void>(this::readAgain, null);
        try {
            start(next);
        } catch (OutOfMemoryError e) { // there can be no more threads now
            return null;
        }
        reading = next;
        return next;
    }

    private static void await(FutureTask<Void> renewal, Duration limit) {
        if (renewal == null) {
            return;
        }
        try {
            renewal.get(Math.max(0, limit.toNanos()), TimeUnit.NANOSECONDS);
        } catch (ExecutionException | TimeoutException e) {
            LOG.debug("the parameters were not read in time"); // the thread that reads goes on, and says what it finds
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void readAgain() {
        long begun = System.currentTimeMillis();
        boolean isRead = true;
        for (var each : startReading(stored.arns(), environment, connectTimeout).entrySet()) {
            String name = each.getKey();
            try {
                String text = Secret.await(each.getValue());
                if (!text.equals(texts.get(name))) {
                    var changed = new TreeMap<>(texts);
                    changed.put(name, text);
                    current = of(stored.with(changed));
                    texts = changed;
                    LOG.infof("chat.%s has changed, and counts from here on", name);
                }
            } catch (Settings.Invalid e) {
                LOG.errorf("%s; what it held before goes on to count", e.getMessage());
            } catch (Secret.Unavailable e) {
                isRead = false;
                LOG.errorf("%s; what it held before goes on to count", e.getMessage());
            } catch (RuntimeException e) { // never its message, which may quote anything
                isRead = false;
                LOG.errorf("chat.%s cannot be read again (%s); what it held before goes on to count", name, e.getClass().getName());
            }
        }
        readAt = isRead ? begun : readAt;
    }
}
