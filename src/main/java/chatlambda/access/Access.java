package chatlambda.access;

import chatlambda.chat.ChatError;
import chatlambda.chat.Limits;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Who may call. A request over HTTP is let in by the key it brings, or was by its front door; another Lambda's by IAM.
 *
 * @param keys of clients, for {@link Mode#KEYS}
 * @param limits by client, and under {@link #EVERYBODY_ELSE} of all who have none of their own
 */
public record Access(Mode mode, List<Key> keys, Map<String, Limits> limits) {

    public static final String EVERYBODY_ELSE = "";
    public static final String DIRECT = "direct";
    private static final String IAM = "iam";
    private static final String PASSTHROUGH = "passthrough";
    /** Names of callers that no client can have. */
    public static final Set<String> RESERVED = Set.of(DIRECT, IAM, PASSTHROUGH, "none");

    /** How callers over HTTP are known: {@code chat.auth}. */
    public enum Mode {
        /** By a key of ours: {@code Authorization: Bearer}, or {@code x-api-key} where a Function URL with AWS_IAM owns the other. */
        KEYS,
        /** The front door has let them in: IAM, or an authorizer. */
        IAM,
        /** By the upstream, whose key they bring. */
        PASSTHROUGH
    }

    /**
     * A client's key, which is not here.
     *
     * @param sha256 of the key; what is kept in configurations opens nothing
     */
    public record Key(String client, byte[] sha256) {
    }

    private static final String BEARER = "bearer ";
    /** Not looked up at run time, for which a start would pay. */
    private static final MessageDigest SHA_256 = sha256();

    public Access {
        keys = List.copyOf(keys);
        limits = Map.copyOf(limits);
    }

    /**
     * @param headers of the request, by lower-case name
     * @throws ChatError 401
     */
    public Client admit(Map<String, String> headers) throws ChatError {
        return switch (mode) {
            case KEYS -> byKey(headers);
            case IAM -> client(IAM, null);
            case PASSTHROUGH -> client(PASSTHROUGH, upstreamKey(headers));
        };
    }

    /** Another Lambda, or whoever else may invoke the function. */
    public Client direct() throws ChatError {
        if (mode == Mode.PASSTHROUGH) {
            throw ChatError.unauthorized("a direct invocation brings no key to pass on (CHAT_AUTH=passthrough):"
                    + " invoke a function that has a CHAT_API_KEY");
        }
        return client(DIRECT, null);
    }

    private Client client(String name, String upstreamKey) {
        Limits own = limits.get(name);
        return new Client(name, upstreamKey, own != null ? own : limits.getOrDefault(EVERYBODY_ELSE, Limits.NONE));
    }

    private Client byKey(Map<String, String> headers) throws ChatError {
        String name = find(presented(headers));
        if (name == null) {
            throw ChatError.unauthorized("incorrect API key: use one that this function's operator has given out");
        }
        return client(name, null);
    }

    private static String upstreamKey(Map<String, String> headers) throws ChatError {
        String key = presented(headers);
        if (key.chars().anyMatch(c -> c <= ' ' || c > '~')) {
            throw ChatError.unauthorized("incorrect API key: it has a character that no key has");
        }
        return key;
    }

    private static String presented(Map<String, String> headers) throws ChatError {
        String authorization = headers.getOrDefault("authorization", "");
        String key = authorization.regionMatches(true, 0, BEARER, 0, BEARER.length()) ? authorization.substring(BEARER.length()).strip()
                : headers.getOrDefault("x-api-key", "").strip();
        if (key.isEmpty()) {
            throw ChatError.unauthorized("no API key: send it as \"Authorization: Bearer <key>\", or as \"x-api-key: <key>\"");
        }
        return key;
    }

    /** The client whose key this is, or null; how long it takes tells nothing of any key. */
    String find(String key) {
        byte[] hash = SHA_256.digest(key.getBytes(StandardCharsets.UTF_8));
        String found = null;
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
}
