package chatlambda.log;

import java.io.IOException;
import java.io.OutputStream;
import java.time.Instant;
import java.util.Map;
import java.util.Set;
import java.util.logging.Level;
import java.util.regex.Pattern;
import org.jboss.logging.Logger;

/** Where access lines go: whole, each in one write, so that they cannot mix with other lines. For any thread. */
public final class AccessLog {

    private static final Logger LOG = Logger.getLogger(AccessLog.class);

    /** What CloudWatch takes as a dimension's value, and no more of it than a model's name needs. */
    private static final Pattern DIMENSION = Pattern.compile("[!-~]{1,256}");

    private final OutputStream out;
    private final boolean metrics;
    private final boolean showsInfo;
    private final boolean showsErrors;
    private boolean cold = true;

    /**
     * @param environment Lambda's, with its log level
     */
    public AccessLog(OutputStream out, boolean metrics, Map<String, String> environment) {
        this.out = out;
        this.metrics = metrics;
        this.showsInfo = JsonLines.shows(Level.INFO, environment);
        this.showsErrors = JsonLines.shows(Level.SEVERE, environment);
    }

    /**
     * Writes the line of one invocation, if the log level asks for it.
     *
     * @param models that metrics know by name: each is a metric of its own in CloudWatch, and paid for, and callers could make up any
     *        number of names; null: metrics do not count this invocation
     */
    public void write(AccessLine line, Set<String> models) {
        boolean first = isFirst(); // also where nothing is written: a later line would tell of a start that was not its own
        if (!(line.isError() ? showsErrors : showsInfo)) {
            return;
        }
        String dimension = metrics && models != null ? dimension(line, models) : null;
        byte[] json = line.toJson(Instant.ofEpochMilli(System.currentTimeMillis()), first, dimension);
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

    private static String dimension(AccessLine line, Set<String> models) {
        String model = line.answered().model() != null ? line.answered().model() : line.asked().model();
        if (model == null) {
            return "none";
        }
        return models.contains(model) && DIMENSION.matcher(model).matches() ? model : "other";
    }
}
