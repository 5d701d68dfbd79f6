package chatlambda;

import java.util.Map;
import java.util.regex.Pattern;

/**
 * The young generation of the heap, which is 8 MB where one invocation runs at a time, and a 64th of the memory where many do. With 64
 * streams at a time 8, 32 and 64 MB take 27.5, 26.2 and 26.1 ms of CPU for a stream of 200 chunks, and 44, 62 and 86 MB of memory.
 */
final class Heap {

    /** In MB. */
    private static final int COMPILED_IN = 8;
    private static final Pattern MEMORY = Pattern.compile("[1-9][0-9]{0,5}");
    private static final Pattern MANY = Pattern.compile("[2-9]|[1-9][0-9]{1,3}");

    private Heap() {
    }

    /**
     * Where many invocations run at a time, executes this process once more with a larger young generation, and does not return then: the
     * size that is compiled in cannot be changed by a process that runs.
     *
     * @param environment Lambda's
     */
    static void fit(Map<String, String> environment) {
        int young = young(environment);
        if (young > COMPILED_IN) {
            execute(young);
        }
    }

    /** In MB. */
    static int young(Map<String, String> environment) {
        String memory = environment.getOrDefault("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "");
        if (!MANY.matcher(environment.getOrDefault("AWS_LAMBDA_MAX_CONCURRENCY", "")).matches() || !MEMORY.matcher(memory).matches()) {
            return COMPILED_IN;
        }
        return Math.max(COMPILED_IN, Integer.parseInt(memory) / 64);
    }

    /** On a JVM, whose heap sizes itself, nothing; {@code image} has another body for the native image. */
    private static void execute(int young) {
    }
}
