import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;

/** What the Java clients' cases have in common, as {@code cases.mjs} has for Node's. */
final class Cases {

    static final String BASE_URL = System.getenv("OPENAI_BASE_URL");
    static final String KEY = System.getenv("OPENAI_API_KEY");
    static final String KEY_OF_NOBODY = "sk-test-of-nobody";
    static final String MODEL = "google/gemini-2.5-pro-preview-05-06";
    static final String LIMITED = "stub/429";

    /** Where the stub is asked for a tool or for JSON, it fills in what the schema requires. */
    record City(String city, int days) {
        static final City FILLED = new City("stub", 1);
    }

    /** A case fails by what it throws. */
    interface Case {
        void run() throws Exception;
    }

    private final Map<String, Case> cases = new LinkedHashMap<>();

    private Cases() {
    }

    static Cases of() {
        return new Cases();
    }

    Cases with(String name, Case test) {
        cases.put(name, test);
        return this;
    }

    /** Without an argument the names of the cases, a line each; with a name that case: it prints "ok NAME", or what it throws. */
    void main(String[] args) {
        if (args.length == 0) {
            cases.keySet().forEach(System.out::println);
            return;
        }
        int status = 0;
        try {
            cases.get(args[0]).run();
            System.out.println("ok " + args[0]);
        } catch (Throwable e) {
            e.printStackTrace();
            status = 1;
        }
        System.exit(status); // an HTTP client's idle threads would keep the process for a minute
    }

    static void equal(Object expected, Object actual) {
        if (!Objects.equals(expected, actual)) {
            throw new AssertionError("not " + expected + " but " + actual);
        }
    }

    static void contains(String expected, String text) {
        if (text == null || !text.contains(expected)) {
            throw new AssertionError("no " + expected + " in " + text);
        }
    }

    /** Three words take three deltas: what comes in one piece was no stream. */
    static void isStreamed(List<String> pieces) {
        equal(List.of("You ", "said: ", "Hello"), pieces.stream().filter(piece -> !piece.isEmpty()).toList());
    }

    /** The error of that type, on the way to whose cause the call fails. */
    static <E extends Throwable> E failure(Class<E> type, Callable<?> call) {
        Object result;
        try {
            result = call.call();
        } catch (Throwable e) {
            var seen = new ArrayList<String>();
            for (Throwable each = e; each != null; each = each.getCause()) {
                if (type.isInstance(each)) {
                    return type.cast(each);
                }
                seen.add(each.toString());
            }
            throw new AssertionError("no " + type + " among " + seen, e);
        }
        throw new AssertionError("no error but " + result);
    }
}
