package chatlambda.local;

import chatlambda.access.Cors;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * A Lambda service on loopback, for dev mode, the tests and the benchmark: the Runtime API that the function polls, and two front
 * doors on one port, the Invoke API ({@code aws lambda invoke --endpoint-url}) and a Function URL (every other path).
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

    /**
     * A page to chat with the function by hand.
     *
     * @param directory of its files
     * @param stub whether a stub answers, of which the page then says so
     */
    public record Page(Path directory, boolean stub) {
    }

    private static final Cors NO_CORS = new Cors(Set.of());

    private final ExecutorService threads = daemons("local-lambda");
    private final LocalRuntimeApi runtimeApi;
    private final HttpServer front;

    private LocalLambda(int port, InvokeMode mode, Duration timeout, Page page, Cors cors) throws IOException {
        runtimeApi = new LocalRuntimeApi(threads, timeout);
        front = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        front.setExecutor(threads);
        var invokeApi = new InvokeApi(runtimeApi, threads);
        var handlers = Map.of("/", page == null ? new FunctionUrl(runtimeApi, mode) : new Playground(page, runtimeApi, mode),
                "/2015-03-31/functions/", invokeApi, "/2021-11-15/functions/", invokeApi);
        handlers.forEach((path, handler) -> front.createContext(path, handler).getFilters()
                .add(new LoopbackOnlyFilter(path.equals("/") ? cors : NO_CORS)));
        front.start();
    }

    /** @param port of the front doors, 0 for any free one */
    public static LocalLambda start(int port, InvokeMode mode, Duration timeout) {
        return start(port, mode, timeout, null, NO_CORS);
    }

    /**
     * The same for callers in browsers.
     *
     * @param page null for none
     * @param cors which pages from elsewhere may use the Function URL
     */
    public static LocalLambda start(int port, InvokeMode mode, Duration timeout, Page page, Cors cors) {
        try {
            return new LocalLambda(port, mode, timeout, page, cors);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot listen on port " + port + ": " + e.getMessage(), e);
        }
    }

    /** Threads that do not keep a process alive. */
    static ExecutorService daemons(String name) {
        return Executors.newCachedThreadPool(task -> {
            var thread = new Thread(task, name);
            thread.setDaemon(true);
            return thread;
        });
    }

    /** @param contentType null where it is set already, or there is none */
    static void send(HttpExchange exchange, int status, String contentType, byte[] body) throws IOException {
        if (contentType != null) {
            exchange.getResponseHeaders().set("Content-Type", contentType);
        }
        boolean empty = body.length == 0 || exchange.getRequestMethod().equals("HEAD");
        exchange.sendResponseHeaders(status, empty ? -1 : body.length);
        if (!empty) {
            exchange.getResponseBody().write(body);
        }
    }

    /** What the function gets as {@code AWS_LAMBDA_RUNTIME_API}. */
    public String runtimeApi() {
        return runtimeApi.address();
    }

    /** The Function URL, and the endpoint of the Invoke API. */
    public URI url() {
        return URI.create("http://localhost:" + front.getAddress().getPort());
    }

    /** Invokes the function and waits for the outcome. */
    public Outcome invoke(byte[] event) {
        return invoke(event, Caller.NONE);
    }

    /** The same, and passes the answer on as it arrives. */
    public Outcome invoke(byte[] event, Caller caller) {
        return runtimeApi.invoke(UUID.randomUUID().toString(), event, caller);
    }

    /** Waits until the function waits for an event: it has started, or has finished the last one. */
    public void awaitPoll() throws InterruptedException {
        awaitPolls(1);
    }

    /** Waits until so many of the function's workers wait for an event at once. */
    public void awaitPolls(int workers) throws InterruptedException {
        runtimeApi.awaitPolls(workers);
    }

    /** Why the function could not start, as {@code errorType: errorMessage}; waits for it. */
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
