package chatlambda;

import chatlambda.ChatConfig.Settings;
import chatlambda.access.Access;
import chatlambda.access.Client;
import chatlambda.chat.ChatError;
import chatlambda.chat.ChatRequest;
import chatlambda.chat.EventStream;
import chatlambda.chat.UpstreamKey;
import chatlambda.chat.Usage;
import chatlambda.event.Direct;
import chatlambda.event.Event;
import chatlambda.event.UnsupportedEvent;
import chatlambda.log.AccessLine;
import chatlambda.log.AccessLog;
import chatlambda.log.JsonLines;
import chatlambda.runtime.Invocation;
import chatlambda.runtime.InvocationLoop;
import chatlambda.runtime.InvocationLoop.FunctionError;
import chatlambda.runtime.InvocationLoop.Response;
import chatlambda.runtime.ResponseStream;
import chatlambda.upstream.Answer;
import chatlambda.upstream.Attempts;
import chatlambda.upstream.Completion;
import chatlambda.upstream.CompletionStream;
import chatlambda.upstream.Upstream;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/** The whole path: event in, chat request, upstream, completion, reply out. */
final class ChatFunction implements InvocationLoop.Function {

    private static final byte[] NO_BODY = {};
    /** API Gateway takes 10 KB of headers. */
    private static final int LONGEST_MODEL = 256;

    private static final String RAISE_SETTING = "raise chat.timeout (CHAT_TIMEOUT), or ask for fewer tokens";
    private static final String RAISE_TIMEOUT = "raise the function's timeout (Timeout in template.yaml), or ask for fewer tokens";

    /** W3C's: version, trace, parent and flags. */
    private static final Pattern TRACEPARENT = Pattern.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}");
    /** A code of the upstream's that is one, and so fit for the log. */
    private static final Pattern CODE = Pattern.compile("[A-Za-z0-9_.:-]{1,64}");

    private final Settings settings;
    private final Access access;
    private final Upstream upstream;
    private final UpstreamKey key;
    private final AccessLog log;
    private final boolean streams;

    /** Of the invocation that is being answered: there is one at a time. */
    private AccessLine line;

    /** @param key of the upstream, for callers who bring none */
    ChatFunction(Settings settings, Access access, Upstream upstream, UpstreamKey key, AccessLog log) {
        this.settings = settings;
        this.access = access;
        this.upstream = upstream;
        this.key = key;
        this.log = log;
        this.streams = settings.responseMode() == ChatConfig.ResponseMode.STREAM;
    }

    @Override
    public Response handle(Invocation invocation) throws FunctionError {
        JsonLines.belongTo(invocation.requestId());
        line = new AccessLine();
        line.requestId = invocation.requestId();
        line.traceId = invocation.traceId();
        try {
            Event event = Event.read(invocation.event());
            line.door = event.door();
            return event instanceof Event.Http http ? reply(http, invocation) : completion((Direct) event, invocation);
        } catch (UnsupportedEvent e) {
            line.status = 400;
            line.code = "unsupported_event";
            throw new FunctionError("Chat.UnsupportedEvent", e.getMessage());
        }
    }

    @Override
    public Instant end(Invocation invocation) {
        return invocation.deadline().minus(settings.reserve());
    }

    @Override
    public void stalled(Invocation invocation) {
        line.code = "reader_stalled";
    }

    @Override
    public void done(Invocation invocation) {
        line.totalNanos = System.nanoTime() - invocation.arrived();
        line.remainingMillis = Duration.between(Instant.now(), invocation.deadline()).toMillis();
        log.write(line);
        JsonLines.belongTo(null);
    }

    /** To another Lambda: the completion itself, or a function error that says in JSON what an HTTP caller would have got. */
    private Response completion(Direct event, Invocation invocation) throws FunctionError {
        try {
            Client client = access.direct();
            line.client = client.name();
            Answer answer = ask(event, client, invocation, new TreeMap<>());
            String contentType = answer.headers().get("content-type");
            if (answer instanceof CompletionStream stream) {
                return new Response.Streamed(contentType, out -> relay(stream, invocation, out), stream);
            }
            byte[] body = ((Completion) answer).body();
            Response response = streams ? new Response.Streamed(contentType, out -> out.write(body, body.length), null)
                    : new Response.Whole(contentType, fitting(body, Direct.REPLY_LIMIT));
            answered(answer.status(), body.length);
            return response;
        } catch (ChatError e) {
            throw new FunctionError("Chat." + e.kind(), new String(failed(e), StandardCharsets.UTF_8));
        }
    }

    private Response reply(Event.Http event, Invocation invocation) {
        var headers = new TreeMap<String, String>();
        headers.put("x-request-id", invocation.requestId());
        try {
            if (event.isHealthCheck()) {
                line.isHealthCheck = true;
                return reply(event, 200, headers, NO_BODY);
            }
            Client client = access.admit(event.headers());
            line.client = client.name();
            requireChatRoute(event);
            long asked = System.nanoTime();
            Answer answer = ask(event, client, invocation, headers);
            headers.putAll(answer.headers());
            headers.put("server-timing", "upstream;dur=" + milliseconds(asked) + ", total;dur="
                    + milliseconds(invocation.arrived()));
            if (answer instanceof CompletionStream stream) {
                byte[] prelude = event.prelude(200, headers);
                return new Response.Streamed(Event.PRELUDE_TYPE, out -> {
                    out.write(prelude, prelude.length);
                    relay(stream, invocation, out);
                }, stream);
            }
            byte[] body = ((Completion) answer).body();
            Response response = reply(event, answer.status(), headers, body);
            answered(answer.status(), body.length);
            return response;
        } catch (ChatError e) {
            headers.putAll(e.headers());
            headers.put("content-type", "application/json");
            byte[] body = failed(e);
            return streams ? streamed(event, e.status(), headers, body)
                    : new Response.Whole("application/json", event.reply(e.status(), headers, body));
        }
    }

    private Response reply(Event.Http event, int status, Map<String, String> headers, byte[] body) throws ChatError {
        return streams ? streamed(event, status, headers, body)
                : new Response.Whole("application/json", fitting(event.reply(status, headers, body), event.replyLimit()));
    }

    private static Response streamed(Event.Http event, int status, Map<String, String> headers, byte[] body) {
        byte[] prelude = event.prelude(status, headers);
        return new Response.Streamed(Event.PRELUDE_TYPE, out -> {
            out.write(prelude, prelude.length);
            out.write(body, body.length);
        }, null);
    }

    private void answered(int status, int length) {
        line.status = status;
        line.code = null;
        line.responseBytes = length;
    }

    /** @return what the caller gets to read */
    private byte[] failed(ChatError e) {
        byte[] body = e.json();
        line.status = e.status();
        line.code = e.code() != null && CODE.matcher(e.code()).matches() ? e.code() : e.type();
        line.responseBytes = body.length;
        return body;
    }

    /** @param headers to which is added what was done for the answer, or for the error */
    private Answer ask(Event event, Client client, Invocation invocation, Map<String, String> headers) throws ChatError {
        byte[] body;
        try {
            body = event.body();
        } catch (IllegalArgumentException e) {
            throw ChatError.invalid(400, null, "the request body cannot be decoded: " + e.getMessage());
        }
        line.requestBytes = body.length;
        ChatRequest request = ChatRequest.of(body, settings.model(), client.limits());
        line.model = request.model();
        line.stream = request.stream();
        String traceparent = settings.propagateTrace() && event instanceof Event.Http http ? http.headers().get("traceparent") : null;
        var attempts = new Attempts(invocation.requestId(), settings.retries(),
                settings.fallbackModels().stream().filter(client.limits()::allow).toList(), () -> left(invocation),
                () -> client.upstreamKey() == null && key.renew(left(invocation)));
        long start = System.nanoTime();
        try {
            Answer answer = attempts.make(request, (asked, left) -> ask(asked, new Upstream.Sender(
                    client.upstreamKey() != null ? client.upstreamKey() : key.value(),
                    traceparent != null && TRACEPARENT.matcher(traceparent).matches() ? traceparent : null,
                    settings.propagateTrace() ? invocation.traceId() : null), left));
            line.lastModel = attempts.model();
            if (answer instanceof Completion completion) {
                line.usage = completion.usage();
            } else {
                line.status = 200;
                line.code = "answer_lost"; // until it has gone out
            }
            return answer;
        } catch (ChatError e) {
            throw client.upstreamKey() == null || !ChatError.KEY_REJECTED.equals(e.code()) ? e
                    : ChatError.unauthorized("the upstream rejected this API key: use one of the upstream's");
        } finally {
            line.upstreamNanos = System.nanoTime() - start;
            line.attempts = attempts.count();
            headers.put("x-chat-attempts", Integer.toString(attempts.count()));
            String model = attempts.model();
            if (model != null && model.length() <= LONGEST_MODEL && model.chars().allMatch(c -> c > ' ' && c <= '~')) {
                headers.put("x-chat-model", model); // what a caller names may be no header
            }
        }
    }

    private Answer ask(ChatRequest request, Upstream.Sender sender, Duration left) throws ChatError {
        boolean bySetting = settings.timeout().compareTo(left) < 0;
        Duration limit = bySetting ? settings.timeout() : left;
        String advice = bySetting ? RAISE_SETTING : RAISE_TIMEOUT;
        return streams && request.stream() ? upstream.stream(request, sender, limit, advice)
                : upstream.create(request, sender, limit, advice);
    }

    private Duration left(Invocation invocation) {
        return Duration.between(Instant.now(), end(invocation));
    }

    /** Chunk by chunk, as they come; what breaks the stream off is told in it, to the client, and behind it, to the operator. */
    private void relay(CompletionStream stream, Invocation invocation, ResponseStream out) throws IOException {
        var events = new EventStream();
        long begun = System.nanoTime();
        Instant settled = Instant.now().minusNanos(System.nanoTime() - stream.asked()).plus(settings.timeout());
        boolean bySetting = settled.isBefore(end(invocation));
        Instant end = bySetting ? settled : end(invocation);
        Duration idle = settings.streamIdleTimeout();
        String silent = "the stream was silent for " + idle.toMillis() / 1000.0
                + " s: raise chat.stream-idle-timeout (CHAT_STREAM_IDLE_TIMEOUT)";
        String late = "the stream had no end in time: " + (bySetting ? RAISE_SETTING : RAISE_TIMEOUT);
        try {
            while (!events.isDone()) {
                Duration left = Duration.between(Instant.now(), end);
                boolean idleFirst = idle.compareTo(left) < 0;
                byte[] chunk = stream.next(idleFirst ? idle : left, idleFirst ? silent : late, out::requireOpen);
                if (chunk == null) {
                    break;
                }
                int length = events.accept(chunk);
                out.write(chunk, length);
                line.responseBytes += length;
                if (line.firstChunkNanos < 0) {
                    line.firstChunkNanos = System.nanoTime() - invocation.arrived();
                }
            }
            byte[] missing = events.end();
            out.write(missing, missing.length);
            out.end();
            line.responseBytes += missing.length;
            line.code = null;
            stream.finish();
        } catch (ChatError e) {
            out.endBy(invocation.deadline()); // the reserve is for this
            byte[] last = events.end(e);
            out.write(last, last.length);
            line.responseBytes += last.length;
            line.code = events.isMarked() ? null : e.code();
            if (!events.isMarked()) {
                out.end("Chat." + e.kind(), new String(e.json(), StandardCharsets.UTF_8));
            }
        } finally {
            line.upstreamNanos += System.nanoTime() - begun;
            line.usage = events.usage().withPrice(stream.headers().get(Usage.PRICE));
        }
    }

    private static void requireChatRoute(Event.Http event) throws ChatError {
        String path = event.path().endsWith("/") ? event.path().substring(0, event.path().length() - 1) : event.path();
        if (!path.equals("/v1/chat/completions") && !path.equals("/chat/completions")) {
            throw ChatError.invalid(404, null, "no such path: " + event.path() + ": use POST /v1/chat/completions");
        }
        if (!event.method().equals("POST")) {
            throw ChatError.invalid(405, null, event.method() + " is not allowed here: use POST").with("allow", "POST");
        }
        String type = event.headers().getOrDefault("content-type", "application/json");
        String media = type.split(";", 2)[0].strip().toLowerCase(Locale.ROOT);
        if (!media.equals("application/json") && !media.endsWith("+json")) {
            throw ChatError.invalid(415, null, "the content type is " + type + ": use application/json");
        }
    }

    private static byte[] fitting(byte[] response, int limit) throws ChatError {
        if (response.length > limit) {
            throw ChatError.tooLarge(response.length, limit);
        }
        return response;
    }

    private static String milliseconds(long since) {
        return AccessLine.millis(System.nanoTime() - since);
    }
}
