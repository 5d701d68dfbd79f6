package chatlambda;

import chatlambda.ChatConfig.Settings;
import chatlambda.completion.ChatError;
import chatlambda.completion.ChatRequest;
import chatlambda.completion.Completion;
import chatlambda.completion.Upstream;
import chatlambda.event.Direct;
import chatlambda.event.Event;
import chatlambda.event.UnsupportedEvent;
import chatlambda.runtime.Invocation;
import chatlambda.runtime.InvocationLoop;
import chatlambda.runtime.InvocationLoop.FunctionError;
import io.quarkus.tls.TlsConfiguration;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.Optional;
import java.util.TreeMap;

/** The whole path: event in, chat request, upstream, completion, reply out. */
public final class ChatFunction implements InvocationLoop.Function {

    private static final byte[] NO_BODY = {};

    private final Settings settings;
    private final Upstream upstream;

    /** @param tls trust settings for the upstream other than the built-in ones */
    public ChatFunction(Settings settings, Optional<TlsConfiguration> tls) {
        this.settings = settings;
        this.upstream = new Upstream(settings.upstream(), settings.apiKey(), settings.connectTimeout(), tls);
    }

    @Override
    public byte[] handle(Invocation invocation) throws FunctionError {
        try {
            Event event = Event.read(invocation.event());
            return event instanceof Event.Http http ? reply(http, invocation) : completion((Direct) event, invocation);
        } catch (UnsupportedEvent e) {
            throw new FunctionError("Chat.UnsupportedEvent", e.getMessage());
        }
    }

    /** To another Lambda: the completion itself, or a function error that says in JSON what an HTTP caller would have got. */
    private byte[] completion(Direct event, Invocation invocation) throws FunctionError {
        try {
            var completion = create(event, invocation);
            return fitting(completion.body(), 6 * 1024 * 1024 + 100);
        } catch (ChatError e) {
            throw new FunctionError("Chat." + e.kind(), new String(e.json(), StandardCharsets.UTF_8));
        }
    }

    private byte[] reply(Event.Http event, Invocation invocation) {
        var headers = new TreeMap<String, String>();
        headers.put("x-request-id", invocation.requestId());
        if (event.isHealthCheck()) {
            return event.reply(200, headers, NO_BODY);
        }
        try {
            requireChatRoute(event);
            long asked = System.nanoTime();
            var completion = create(event, invocation);
            headers.putAll(completion.headers());
            headers.put("server-timing", "upstream;dur=" + milliseconds(asked) + ", total;dur=" + milliseconds(invocation.arrived()));
            return fitting(event.reply(completion.status(), headers, completion.body()), event.replyLimit());
        } catch (ChatError e) {
            headers.putAll(e.headers());
            headers.put("content-type", "application/json");
            return event.reply(e.status(), headers, e.json());
        }
    }

    private Completion create(Event event, Invocation invocation) throws ChatError {
        ChatRequest request;
        try {
            request = ChatRequest.of(event.body(), settings.model());
        } catch (IllegalArgumentException e) {
            throw ChatError.invalid(400, null, "the request body cannot be decoded: " + e.getMessage());
        }
        Duration left = Duration.between(Instant.now(), invocation.deadline()).minus(settings.reserve());
        boolean bySetting = settings.timeout().compareTo(left) < 0;
        if (left.isNegative() || left.isZero()) {
            throw ChatError.timeout("no time left to ask the upstream: raise the function's timeout (Timeout in template.yaml)");
        }
        return upstream.create(request, bySetting ? settings.timeout() : left, bySetting
                ? "raise chat.timeout (CHAT_TIMEOUT), or ask for fewer tokens"
                : "raise the function's timeout (Timeout in template.yaml), or ask for fewer tokens");
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
        long micros = (System.nanoTime() - since) / 1000;
        return micros / 1000 + "." + micros % 1000 / 100;
    }
}
