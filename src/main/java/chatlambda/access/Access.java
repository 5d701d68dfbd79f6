package chatlambda.access;

import chatlambda.chat.ChatError;
import chatlambda.chat.UpstreamKey;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Who may call. A request over HTTP is let in by the key that it brings, or its front door has let it in before. Another Lambda is let in
 * by IAM. Any thread may call.
 *
 * @param keys of the clients, for {@link Mode#KEYS}
 * @param direct whoever may invoke the function without a front door, such as another Lambda
 * @param others whom the front door has let in; a caller who brings the upstream's key has the same limits
 */
public record Access(Mode mode, List<Key> keys, Client direct, Client others) {

    public static final String DIRECT = "direct";
    public static final String IAM = "iam";
    public static final String PASSTHROUGH = "passthrough";
    /** Names that no client can have: of other callers, and of all together. */
    public static final Set<String> RESERVED = Set.of(DIRECT, IAM, PASSTHROUGH, "none", "all");

    private static final String BEARER = "bearer ";
    /** Where a key may be beside {@code Authorization}. */
    private static final List<String> HEADERS = List.of("x-api-key", "api-key");
    /** Is cloned for each use, since it is not safe for threads. To look it up each time would cost the start. */
    private static final MessageDigest SHA_256 = sha256();

    /** How callers over HTTP are known: {@code chat.auth}. */
    public enum Mode {
        /**
         * By a key of ours: {@code Authorization: Bearer}, or {@code x-api-key} where a Function URL with AWS_IAM owns the other, or
         * {@code api-key}, as Azure's clients send it. One that is right is enough.
         */
        KEYS,
        /** The front door has let them in: IAM, or an authorizer. */
        IAM,
        /** By the upstream, whose key they bring. */
        PASSTHROUGH
    }

    /**
     * A client and the SHA-256 of its key; the key itself is not kept. A client may have several.
     *
     * @param sha256 32 bytes
     */
    public record Key(Client client, byte[] sha256) {
    }

    /** A key that a caller has brought: it is never renewed, and its rejection is the caller's to mend. */
    record CallersKey(String value) implements UpstreamKey {
        @Override
        public ChatError rejection(Map<String, String> headers) {
            return ChatError.unauthorized("the upstream rejected this API key: use one of the upstream's");
        }
    }

    public Access {
        keys = List.copyOf(keys);
    }

    /**
     * @param headers of the request, by lower-case name
     * @throws ChatError 401
     */
    public Client admit(Map<String, String> headers) throws ChatError {
        return switch (mode) {
            case KEYS -> byKey(headers);
            case IAM -> others;
            case PASSTHROUGH -> new Client(PASSTHROUGH, callersKey(headers), others.limits());
        };
    }

    /**
     * Another Lambda, or whoever else may invoke the function.
     *
     * @throws ChatError 401 with {@link Mode#PASSTHROUGH}, since nobody brings a key here
     */
    public Client admitDirect() throws ChatError {
        if (mode == Mode.PASSTHROUGH) {
            throw ChatError.unauthorized("a direct invocation brings no key to pass on (CHAT_AUTH=passthrough):"
                    + " invoke a function that has a CHAT_API_KEY");
        }
        return direct;
    }

    /** Whether the request has a key of ours in it, right or wrong. */
    public boolean isKeyPresented(Map<String, String> headers) {
        try {
            return mode == Mode.KEYS && !presented(headers).isEmpty();
        } catch (ChatError e) {
            return false;
        }
    }

    private Client byKey(Map<String, String> headers) throws ChatError {
        Client client = null;
        for (String key : presented(headers)) {
            Client found = find(key);
            client = client != null ? client : found;
        }
        if (client == null) {
            throw ChatError.unauthorized("incorrect API key: use one that this function's operator has given out");
        }
        return client;
    }

    private static UpstreamKey callersKey(Map<String, String> headers) throws ChatError {
        String key = presented(headers).get(0);
        if (!UpstreamKey.fitsHeader(key)) {
            throw ChatError.unauthorized("incorrect API key: it has a character that no key has");
        }
        return new CallersKey(key);
    }

    /** What may be a key, the likeliest first; never empty. */
    private static List<String> presented(Map<String, String> headers) throws ChatError {
        String authorization = headers.getOrDefault("authorization", "");
        boolean isBearer = authorization.regionMatches(true, 0, BEARER, 0, BEARER.length());
        var keys = new ArrayList<String>();
        keys.add(isBearer ? authorization.substring(BEARER.length()).strip() : "");
        for (String name : HEADERS) {
            keys.add(headers.getOrDefault(name, "").strip());
        }
        keys.removeIf(String::isEmpty);
        if (keys.isEmpty()) {
            throw ChatError.unauthorized("no API key: send it as \"Authorization: Bearer <key>\", as \"x-api-key: <key>\" or as"
                    + " \"api-key: <key>\"");
        }
        return keys;
    }

    /** The client whose key this is, or null. Every key is compared, each in constant time, so that the time taken tells nothing of any. */
    Client find(String key) {
        byte[] hash = clone(SHA_256).digest(key.getBytes(StandardCharsets.UTF_8));
        Client found = null;
        for (Key each : keys) {
            found = MessageDigest.isEqual(each.sha256, hash) ? each.client : found;
        }
        return found;
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // cannot happen: every Java has it
        }
    }

    private static MessageDigest clone(MessageDigest digest) {
        try {
            return (MessageDigest) digest.clone();
        } catch (CloneNotSupportedException e) {
            throw new IllegalStateException(e); // cannot happen: the JDK's own can be cloned
        }
    }
}
