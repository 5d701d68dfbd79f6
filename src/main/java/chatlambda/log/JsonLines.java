package chatlambda.log;

import chatlambda.json.JsonOut;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Map;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.jboss.logmanager.ExtFormatter;
import org.jboss.logmanager.ExtHandler;
import org.jboss.logmanager.ExtLogRecord;

/**
 * The log as Lambda's log format JSON has it: one object for each line, and a stack trace is no more than that. {@code
 * AWS_LAMBDA_LOG_FORMAT=Text} leaves it as text, {@code AWS_LAMBDA_LOG_LEVEL} says from which level on.
 *
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html">Log-level filtering</a>
 */
public final class JsonLines extends ExtFormatter {

    /** Of the invocation that this thread answers; unset: none. */
    private static final ThreadLocal<String> REQUEST_ID = new ThreadLocal<>();

    /** @param environment Lambda's */
    public static void install(Map<String, String> environment) {
        Level level = level(environment);
        Logger root = Logger.getLogger("");
        if (level != null) {
            root.setLevel(level.intValue() < Level.WARNING.intValue() ? Level.WARNING : level);
            Logger.getLogger("chatlambda").setLevel(level);
        }
        if (!"Text".equalsIgnoreCase(environment.get("AWS_LAMBDA_LOG_FORMAT"))) {
            install(root.getHandlers());
        }
    }

    private static void install(Handler[] handlers) {
        for (Handler handler : handlers) {
            handler.setFormatter(new JsonLines());
            if (handler instanceof ExtHandler outer) {
                install(outer.getHandlers());
            }
        }
    }

    static boolean shows(Level level, Map<String, String> environment) {
        Level least = level(environment);
        return least == null || level.intValue() >= least.intValue();
    }

    private static Level level(Map<String, String> environment) {
        return switch (environment.getOrDefault("AWS_LAMBDA_LOG_LEVEL", "")) {
            case "TRACE" -> Level.FINER;
            case "DEBUG" -> Level.FINE;
            case "INFO" -> Level.INFO;
            case "WARN" -> Level.WARNING;
            case "ERROR" -> Level.SEVERE;
            case "FATAL" -> org.jboss.logmanager.Level.FATAL;
            default -> null;
        };
    }

    /** @param id of the invocation to which this thread's lines belong from here on, or null */
    public static void setRequestId(String id) {
        REQUEST_ID.set(id);
    }

    @Override
    public String format(ExtLogRecord line) {
        var out = new JsonOut(256).raw("{\"timestamp\":").string(Instant.ofEpochMilli(line.getMillis()).toString())
                .raw(",\"level\":").string(name(line.getLevel())).raw(",\"logger\":").string(line.getLoggerName())
                .raw(",\"message\":").string(formatMessage(line));
        String requestId = REQUEST_ID.get();
        if (requestId != null) {
            out.raw(",\"requestId\":").string(requestId);
        }
        if (line.getThrown() != null) {
            var trace = new StringWriter();
            line.getThrown().printStackTrace(new PrintWriter(trace));
            out.raw(",\"stackTrace\":").string(trace.toString());
        }
        return new String(out.raw("}\n").toBytes(), StandardCharsets.UTF_8);
    }

    private static String name(Level level) {
        int value = level.intValue();
        if (value >= Level.SEVERE.intValue()) {
            return "ERROR";
        }
        if (value >= Level.WARNING.intValue()) {
            return "WARN";
        }
        return value >= Level.INFO.intValue() ? "INFO" : "DEBUG";
    }
}
