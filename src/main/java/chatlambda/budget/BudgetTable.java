package chatlambda.budget;

import chatlambda.aws.AwsCall;
import chatlambda.aws.SigV4;
import chatlambda.json.Json;
import chatlambda.json.JsonOut;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The DynamoDB table with what has been used of each budget: one item for each client, unit, period and window. Updates go out all at
 * once, each on a connection of its own, which is kept. Any thread may call, any number of them at a time.
 *
 * @see <a href="https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html">UpdateItem</a>
 */
public final class BudgetTable {

    /** Connections that may be opened at a time, each on a thread: a name's resolution may hang for long. */
    private static final int MAX_OPENING = 1_000;
    private static final long PAUSE_MILLIS = 50;
    /** Characters of a number, and its decimals: DynamoDB's have 38 digits, and exponents from -130 to 125. */
    private static final int MAX_DIGITS = 170;
    private static final String SERVICE = "dynamodb";
    private static final String TARGET = "DynamoDB_20120810.UpdateItem";
    private static final String TYPE = "application/x-amz-json-1.0";
    private static final Set<String> THROTTLED = Set.of("ProvisionedThroughputExceededException", "ThrottlingException",
            "RequestLimitExceeded");

    /**
     * Adds to an item.
     *
     * @param item its key
     * @param amount may be negative
     * @param most that may have been used before; null: whatever has been
     */
    record Update(String item, Instant expires, BigDecimal amount, BigDecimal most) {
    }

    /**
     * What became of an update.
     *
     * @param used after it, or where it was refused as it stands; null: not known
     * @param reason in words for the operator, which quote nothing that was sent or read; null where it was done or refused
     */
    record Result(Kind kind, BigDecimal used, String reason) {

        enum Kind {
            DONE,
            /** More has been used than it allows. */
            REFUSED,
            /** It has certainly not been done, and may be a moment later. */
            NOT_NOW,
            /** It has certainly not been done. */
            NOT_DONE,
            /** It was sent, and its answer is lost: it may have been done. */
            UNKNOWN
        }

        private static Result of(Kind kind, String reason) {
            return new Result(kind, null, reason);
        }
    }

    private final String name;
    private final Map<String, String> environment;
    private final Duration connectTimeout;
    private final Duration keepAlive;
    private final AtomicInteger opening = new AtomicInteger();
    private final Deque<TableConnection> kept = new ConcurrentLinkedDeque<>();

    /**
     * @param environment Lambda's: region, credentials, and variables that name another endpoint
     * @param keepAlive how long a connection may have been idle to be used again
     */
    public BudgetTable(String name, Map<String, String> environment, Duration connectTimeout, Duration keepAlive) {
        this.name = name;
        this.environment = environment;
        this.connectTimeout = connectTimeout;
        this.keepAlive = keepAlive;
    }

    /**
     * Opens so many connections, each on a thread of its own.
     *
     * @return completes with null, or with why there is none, in words for the operator
     */
    public List<FutureTask<String>> connect(int count) {
        var connecting = new ArrayList<FutureTask<String>>();
        for (int i = 0; i < count; i++) {
            var opening = new FutureTask<>(() -> {
                try {
                    kept.push(open(System.nanoTime() + connectTimeout.toNanos()));
                    // What signs is set up while Lambda still gives a whole core.
                    request(new Update("", Instant.EPOCH, BigDecimal.ZERO, null));
                    return null;
                } catch (IOException e) {
                    return reason(e);
                }
            });
            start(opening);
            connecting.add(opening);
        }
        return connecting;
    }

    private static void start(Runnable opening) {
        var thread = new Thread(opening, "budgets");
        thread.setDaemon(true);
        thread.start();
    }

    /**
     * Makes all these updates. What was certainly not done, and may be a moment later, is tried once more.
     *
     * @param limit how long all of it may take, connections included
     * @return one for each, in their order
     */
    List<Result> update(List<Update> updates, Duration limit) {
        long end = System.nanoTime() + limit.toNanos();
        List<Result> results = tryOnce(updates, end);
        if (results.stream().anyMatch(result -> result.kind == Result.Kind.REFUSED)) {
            return results; // what else could be reserved would be given back
        }
        var again = new ArrayList<Integer>();
        for (int i = 0; i < results.size(); i++) {
            if (results.get(i).kind == Result.Kind.NOT_NOW) {
                again.add(i);
            }
        }
        if (again.isEmpty() || !pause(end)) {
            return results;
        }
        List<Result> second = tryOnce(again.stream().map(updates::get).toList(), end);
        for (int i = 0; i < again.size(); i++) {
            results.set(again.get(i), second.get(i));
        }
        return results;
    }

    private static boolean pause(long end) {
        try {
            if (end - System.nanoTime() < TimeUnit.MILLISECONDS.toNanos(2 * PAUSE_MILLIS)) {
                return false;
            }
            TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private List<Result> tryOnce(List<Update> updates, long end) {
        var calls = new ArrayList<Call>();
        for (Update update : updates) {
            calls.add(new Call(update, end));
        }
        var results = new ArrayList<Result>();
        for (Call call : calls) {
            results.add(call.result());
        }
        return results;
    }

    /** One update under way. */
    private final class Call {

        private final Update update;
        private final long end;
        /** Whether the update goes out, or never will: whoever sets it first says which. */
        private final AtomicBoolean decided = new AtomicBoolean();
        private final FutureTask<TableConnection> sending;
        private boolean isStarted = true;

        Call(Update update, long end) {
            this.update = update;
            this.end = end;
            TableConnection found = takeKept();
            this.sending = new FutureTask<>(() -> send(found));
            if (found != null) {
                sending.run();
                return;
            }
            try {
                isStarted = opening.get() < MAX_OPENING;
                if (isStarted) {
                    start(sending);
                }
            } catch (OutOfMemoryError e) { // there can be no more threads
                isStarted = false;
            }
        }

        /** @param found null: one is to be opened */
        private TableConnection send(TableConnection found) throws IOException {
            TableConnection connection = found != null ? found : openCounted();
            try {
                byte[] request = request(update);
                if (System.nanoTime() - end >= 0 || !decided.compareAndSet(false, true)) {
                    throw new SocketTimeoutException();
                }
                connection.send(request);
                return connection;
            } catch (IOException | RuntimeException e) {
                connection.close();
                throw e;
            }
        }

        private TableConnection openCounted() throws IOException {
            opening.incrementAndGet();
            try {
                return open(end);
            } finally {
                opening.decrementAndGet();
            }
        }

        Result result() {
            if (!isStarted) {
                return Result.of(Result.Kind.NOT_NOW, "too many connections to the table's service are being opened");
            }
            TableConnection connection;
            try {
                connection = sent();
            } catch (ExecutionException e) {
                boolean isKnown = e.getCause() instanceof IOException;
                return Result.of(Result.Kind.NOT_NOW, isKnown ? reason((IOException) e.getCause()) : e.getCause().getClass().getName());
            } catch (TimeoutException e) {
                return Result.of(Result.Kind.NOT_NOW, reason(new SocketTimeoutException()));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return Result.of(decided.compareAndSet(false, true) ? Result.Kind.NOT_DONE : Result.Kind.UNKNOWN, "interrupted");
            }
            try {
                TableConnection.Answer answer = connection.receive(end);
                if (answer == null) {
                    connection.close();
                    return Result.of(Result.Kind.UNKNOWN, "the table's service closed the connection before it answered");
                }
                keep(connection);
                return read(answer);
            } catch (SocketTimeoutException e) {
                connection.close();
                return Result.of(Result.Kind.UNKNOWN, reason(e));
            } catch (IOException e) { // its message might quote what was read
                connection.close();
                return Result.of(Result.Kind.UNKNOWN, "the table's service closed the connection amid its answer, or does not speak HTTP");
            } catch (RuntimeException e) {
                connection.close();
                return Result.of(Result.Kind.UNKNOWN, e.getClass().getName());
            }
        }

        /** @throws TimeoutException nothing was sent in time, nor will be */
        private TableConnection sent() throws ExecutionException, InterruptedException, TimeoutException {
            try {
                return sending.get(Math.max(0, end - System.nanoTime()), TimeUnit.NANOSECONDS);
            } catch (TimeoutException e) {
                if (decided.compareAndSet(false, true)) {
                    throw e;
                }
                return sending.get(); // it goes out in this moment
            }
        }
    }

    /** With it goes one of those from a busier time, if nobody has used that for too long. */
    private void keep(TableConnection connection) {
        kept.push(connection);
        TableConnection last = kept.pollLast();
        if (last != null && last.isExpired(keepAlive)) {
            last.close();
        } else if (last != null) {
            kept.addLast(last);
        }
    }

    private TableConnection takeKept() {
        for (TableConnection next; (next = kept.poll()) != null;) {
            if (next.isUsable(keepAlive)) {
                return next;
            }
            next.close();
        }
        return null;
    }

    private TableConnection open(long end) throws IOException {
        URI endpoint = endpoint();
        boolean tls = "https".equalsIgnoreCase(endpoint.getScheme());
        int port = tls ? 443 : 80;
        return TableConnection.open(endpoint.getHost(), endpoint.getPort() >= 0 ? endpoint.getPort() : port, tls, end);
    }

    private URI endpoint() throws IOException {
        String region = environment.get("AWS_REGION");
        if (region == null || !AwsCall.hasCredentials(environment)) {
            throw new IOException("there are no credentials or no region (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION):"
                    + " run on Lambda, or set them");
        }
        return AwsCall.endpoint(SERVICE, region, "AWS_ENDPOINT_URL_DYNAMODB", environment);
    }

    private byte[] request(Update update) throws IOException {
        var condition = update.most == null ? "" : ",\"ConditionExpression\":\"attribute_not_exists(#u) OR #u <= :m\""
                + ",\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\"";
        var most = update.most == null ? "" : ",\":m\":{\"N\":\"" + update.most.toPlainString() + "\"}";
        byte[] body = new JsonOut(512).raw("{\"TableName\":").string(name).raw(",\"Key\":{\"pk\":{\"S\":").string(update.item)
                .raw("}},\"UpdateExpression\":\"ADD #u :a SET #e = :e\"").raw(condition)
                .raw(",\"ExpressionAttributeNames\":{\"#u\":\"used\",\"#e\":\"expires\"},\"ExpressionAttributeValues\":{\":a\":{\"N\":\"")
                .raw(update.amount.toPlainString()).raw("\"},\":e\":{\"N\":\"").raw(Long.toString(update.expires.getEpochSecond()))
                .raw("\"}").raw(most).raw("},\"ReturnValues\":\"UPDATED_NEW\"}").toBytes();
        String date = SigV4.date(Instant.now());
        URI endpoint = endpoint();
        var headers = new TreeMap<>(Map.of("content-type", TYPE, "host", endpoint.getRawAuthority(), "x-amz-date", date,
                "x-amz-target", TARGET));
        String token = environment.get("AWS_SESSION_TOKEN");
        if (token != null) {
            headers.put("x-amz-security-token", token);
        }
        String authorization = SigV4.authorization(environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY"),
                environment.get("AWS_REGION"), SERVICE, "POST", headers, body);
        var head = new StringBuilder("POST / HTTP/1.1\r\n");
        headers.forEach((field, value) -> head.append(field).append(": ").append(value).append("\r\n"));
        head.append("authorization: ").append(authorization).append("\r\nuser-agent: chat-lambda\r\ncontent-length: ").append(body.length)
                .append("\r\n\r\n");
        byte[] first = head.toString().getBytes(StandardCharsets.ISO_8859_1);
        return new JsonOut(first.length + body.length).raw(first, 0, first.length).raw(body, 0, body.length).toBytes();
    }

    private static Result read(TableConnection.Answer answer) {
        String type = new AwsCall.Answer("", answer.status(), answer.body()).errorType();
        String reason = "the table's service answered " + (type.isEmpty() ? answer.status() : answer.status() + " " + type);
        if (answer.status() == 200) {
            BigDecimal used = used(answer.body());
            return used != null ? new Result(Result.Kind.DONE, used, null)
                    : Result.of(Result.Kind.UNKNOWN, "the table's service answered with what is no answer to an update");
        }
        if (type.equals("ConditionalCheckFailedException")) {
            return new Result(Result.Kind.REFUSED, used(answer.body()), null);
        }
        if (THROTTLED.contains(type)) {
            return Result.of(Result.Kind.NOT_NOW, reason + ": one item takes about 1,000 updates a second");
        }
        boolean isRefused = answer.status() >= 400 && answer.status() < 500;
        return isRefused ? Result.of(Result.Kind.NOT_DONE, reason + ": check CHAT_BUDGET_TABLE, and that the function's role may"
                + " dynamodb:UpdateItem on it") : Result.of(Result.Kind.UNKNOWN, reason);
    }

    /** The attribute {@code used} of an answer; null: it has none. */
    private static BigDecimal used(byte[] answer) {
        try (JsonParser parser = Json.parser(answer)) {
            while (parser.nextToken() != null) {
                if (parser.currentToken() != JsonToken.FIELD_NAME || !parser.currentName().equals("used")) {
                    continue;
                }
                boolean isNumber = parser.nextToken() == JsonToken.START_OBJECT && "N".equals(parser.nextFieldName())
                        && parser.nextToken() == JsonToken.VALUE_STRING;
                var used = isNumber && parser.getTextLength() <= MAX_DIGITS ? new BigDecimal(parser.getText()) : null;
                return used == null || Math.abs(used.scale()) > MAX_DIGITS ? null : used;
            }
            return null;
        } catch (IOException | NumberFormatException e) {
            return null;
        }
    }

    /** Never the words of an exception that might quote an answer. */
    private static String reason(IOException failure) {
        if (failure instanceof UnknownHostException) {
            return "the name of the table's service is not known (AWS_REGION, AWS_ENDPOINT_URL_DYNAMODB)";
        }
        if (failure instanceof SocketTimeoutException) {
            return "the table's service did not answer in time";
        }
        String message = failure.getMessage() == null ? "" : ": " + failure.getMessage();
        return "the table's service cannot be reached: " + failure.getClass().getSimpleName() + message;
    }
}
