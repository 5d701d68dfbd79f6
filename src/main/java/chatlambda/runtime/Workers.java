package chatlambda.runtime;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jboss.logging.Logger;

/**
 * As many invocation loops as the environment may have invocations at a time, each on a thread of its own. The first that fails ends
 * them all.
 *
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html">Building custom runtimes for Lambda Managed
 *      Instances</a>
 */
public final class Workers {

    private static final Logger LOG = Logger.getLogger(Workers.class);

    /** Of one worker: two connections to the Runtime API, each with a selector, which takes two more; two to the upstream, or more. */
    private static final int DESCRIPTORS = 8;
    /** What is left for everything else. */
    private static final int SPARE_DESCRIPTORS = 32;
    /** Vert.x resolves names on up to 20 threads, and what it cannot begin there it forgets. */
    private static final int SPARE_THREADS = 24;
    /** The limit that the process has now. */
    private static final Pattern OPEN_FILES = Pattern.compile("Max open files +(\\d+)");

    private final int count;
    private final int others;
    private final IntFunction<InvocationLoop> maker;
    private final Queue<InvocationLoop> loops = new ConcurrentLinkedQueue<>();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();

    /**
     * @param others how many connections to others than the Runtime API and the upstream one worker may have
     * @param maker of the loop with that number, from 0; called on the thread that will run it
     */
    public Workers(int count, int others, IntFunction<InvocationLoop> maker) {
        this.count = count;
        this.others = others;
        this.maker = maker;
    }

    /**
     * Runs them all, number 0 on this thread, until one fails. Then the others' polls are closed; what they are answering is finished
     * first, by its deadline.
     *
     * @throws IOException the Runtime API is broken: the process should end
     */
    public void run() throws IOException {
        List<Thread> others = count == 1 ? List.of() : startOthers(Math.min(count, allowedByDescriptors()));
        work(0);
        for (Thread other : others) {
            try {
                other.join();
            } catch (InterruptedException e) {
                throw new IOException("interrupted", e);
            }
        }
        if (failure.get() instanceof IOException broken) {
            throw broken;
        }
        throw new IOException(RuntimeApi.where(failure.get()));
    }

    private List<Thread> startOthers(int all) {
        var started = new ArrayList<Thread>();
        var room = new CountDownLatch(1);
        try {
            for (int i = 0; i < SPARE_THREADS; i++) { // these end at once when all have started, for others to begin
                start("spare", () -> await(room));
            }
            for (int number = 1; number < all; number++) {
                int its = number;
                started.add(start("worker-" + number, () -> work(its)));
            }
        } catch (OutOfMemoryError e) { // there can be no more threads
            all = started.size() + 1;
        } finally {
            room.countDown();
        }
        if (all < count) {
            LOG.warnf("this environment has threads and descriptors for %d of %d invocations at a time (AWS_LAMBDA_MAX_CONCURRENCY):"
                    + " lower that number, or raise its limits", all, count);
        }
        return started;
    }

    private static Thread start(String name, Runnable work) {
        var thread = new Thread(work, name);
        thread.start();
        return thread;
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private int allowedByDescriptors() {
        try {
            Matcher limit = OPEN_FILES.matcher(Files.readString(Path.of("/proc/self/limits")));
            String[] open = Path.of("/proc/self/fd").toFile().list();
            if (limit.find() && open != null) {
                return Math.max(1, (int) ((Long.parseLong(limit.group(1)) - open.length - SPARE_DESCRIPTORS) / (DESCRIPTORS + others)));
            }
        } catch (IOException e) {
            LOG.debug(e);
        }
        return Integer.MAX_VALUE; // not Linux, or no limit
    }

    private void work(int number) {
        try {
            InvocationLoop loop = maker.apply(number);
            loops.add(loop);
            if (failure.get() == null) { // or it would not be among those that were stopped
                loop.run();
            }
        } catch (IOException | RuntimeException | Error e) {
            if (failure.compareAndSet(null, e)) {
                loops.forEach(InvocationLoop::stop);
            }
        }
    }
}
