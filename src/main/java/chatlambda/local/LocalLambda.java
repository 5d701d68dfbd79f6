package chatlambda.local;

import com.sun.net.httpserver.HttpServer;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * A Lambda service on loopback, for dev mode, the tests and the benchmark. It has the Runtime API, which the function polls, and on
 * one other port the Invoke API ({@code aws lambda invoke --endpoint-url}) and a Function URL (every other path).
 */
public final class LocalLambda implements Closeable {

    static {
        // Without it, each small answer of the JDK's server waits 40 ms for the client's delayed acknowledgement.
        System.setProperty("sun.net.httpserver.nodelay", "true");
    }

    /** How the Function URL invokes: {@code InvokeMode} of its configuration. */
    public enum InvokeMode {
        BUFFERED, RESPONSE_STREAM
    }

    private final LocalRuntimeApi runtimeApi;
    private final HttpServer front;
    private final ExecutorService threads;

    private LocalLambda(LocalRuntimeApi runtimeApi, HttpServer front, ExecutorService threads) {
        this.runtimeApi = runtimeApi;
        this.front = front;
        this.threads = threads;
    }

    /**
     * Starts it, without a page.
     *
     * @param port of the Invoke API and the Function URL; 0: any free one
     * @param mode of the Function URL
     * @param timeout of an invocation, from its event's arrival
     * @throws UncheckedIOException the port is taken
     */
    public static LocalLambda start(int port, InvokeMode mode, Duration timeout) {
        return start(port, mode, timeout, null);
    }

    /**
     * Starts it, with a page.
     *
     * @param page the directory of the page to chat with the function by hand; null: no page
     */
    public static LocalLambda start(int port, InvokeMode mode, Duration timeout, Path page) {
        try {
            var threads = daemons("local-lambda");
            var runtimeApi = new LocalRuntimeApi(threads, timeout);
            var front = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
            front.setExecutor(threads);
            var filter = new LoopbackOnlyFilter();
            front.createContext("/", page == null ? new FunctionUrl(runtimeApi, mode) : new Playground(page, runtimeApi, mode))
                    .getFilters().add(filter);
            var invokeApi = new InvokeApi(runtimeApi);
            front.createContext("/2015-03-31/functions/", invokeApi).getFilters().add(filter);
            front.createContext("/2021-11-15/functions/", invokeApi).getFilters().add(filter);
            front.start();
            return new LocalLambda(runtimeApi, front, threads);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot listen on port " + port + ": " + e.getMessage(), e);
        }
    }

    /** Threads for as long as there is work, none of which keeps the process alive. */
    static ExecutorService daemons(String name) {
        return Executors.newCachedThreadPool(task -> {
            var thread = new Thread(task, name);
            thread.setDaemon(true);
            return thread;
        });
    }

    /** Host and port of the Runtime API, for the function's {@code AWS_LAMBDA_RUNTIME_API}. */
    public String runtimeApi() {
        return runtimeApi.address();
    }

    /** The Function URL, and the endpoint of the Invoke API. */
    public URI url() {
        return URI.create("http://localhost:" + front.getAddress().getPort());
    }

    /** Invokes the function and waits for the outcome, at most until its timeout. */
    public Outcome invoke(byte[] event) {
        return invoke(event, Caller.NONE);
    }

    /** As above, and hands the answer to {@code caller} as it comes, on another thread. */
    public Outcome invoke(byte[] event, Caller caller) {
        return runtimeApi.invoke(UUID.randomUUID().toString(), event, caller);
    }

    /** Waits until the function polls and there is no event for it: it has started, or has finished the last invocation. */
    public void awaitPoll() throws InterruptedException {
        runtimeApi.awaitPoll();
    }

    /** Waits until the function reports that it cannot start, and returns the report: {@code errorType: errorMessage}. */
    public String initError(Duration patience) {
        return runtimeApi.initError(patience);
    }

    @Override
    public void close() {
        front.stop(0);
        runtimeApi.close();
        threads.shutdown(); // its connections are closed, so its threads end
    }
}
