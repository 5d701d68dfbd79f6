package chatlambda.log;

import java.io.IOException;
import java.io.OutputStream;
import java.time.Instant;
import java.util.Collection;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.logging.Level;
import java.util.regex.Pattern;
import org.jboss.logging.Logger;

/** Where access lines go: whole, each in one write, so that they cannot mix with other lines. For any thread. */
public final class AccessLog {

    private static final Logger LOG = Logger.getLogger(AccessLog.class);

    /** Each is a metric of its own in CloudWatch, and paid for; callers could make up any number of names. */
    private static final int MAX_MODELS = 100;
    /** What CloudWatch takes as a dimension's value, and no more of it than a model's name needs. */
    private static final Pattern DIMENSION = Pattern.compile("[!-~]{1,256}");

    private final OutputStream out;
    private final boolean metrics;
    private final boolean showsInfo;
    private final boolean showsErrors;
    private final Set<String> models;
    private boolean cold = true;

    /**
     * @param models that are expected; what else has answered becomes known
     * @param environment Lambda's, with its log level
     */
    public AccessLog(OutputStream out, boolean metrics, Collection<String> models, Map<String, String> environment) {
        this.out = out;
        this.metrics = metrics;
        this.models = new HashSet<>(models);
        this.showsInfo = JsonLines.shows(Level.INFO, environment);
        this.showsErrors = JsonLines.shows(Level.SEVERE, environment);
    }

    /**
     * Writes the line of one invocation, if the log level asks for it.
     *
     * @param counts whether metrics count it, where there are any
     */
    public void write(AccessLine line, boolean counts) {
        boolean first = isFirst(); // also where nothing is written: a later line would tell of a start that was not its own
        if (!(line.isError() ? showsErrors : showsInfo)) {
            return;
        }
        byte[] json = line.toJson(Instant.ofEpochMilli(System.currentTimeMillis()), first, metrics && counts ? dimension(line) : null);
        try {
            synchronized (this) {
                out.write(json);
            }
        } catch (IOException e) {
            LOG.debugf("no access line: %s", e.getMessage());
        }
    }

    /** An invocation that is not worth a line, such as a health check. */
    public void skip() {
        isFirst();
    }

    private synchronized boolean isFirst() {
        boolean first = cold;
        cold = false;
        return first;
    }

    private synchronized String dimension(AccessLine line) {
        String model = line.answered().model() != null ? line.answered().model() : line.asked().model();
        if (model == null) {
            return "none";
        }
        if (line.answered().status() < 300 && DIMENSION.matcher(model).matches() && models.size() < MAX_MODELS) {
            models.add(model);
        }
        return models.contains(model) && DIMENSION.matcher(model).matches() ? model : "other";
    }
}
