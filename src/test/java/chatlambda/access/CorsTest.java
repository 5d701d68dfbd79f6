package chatlambda.access;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CorsTest {

    private static final Cors NONE = new Cors(Set.of());
    private static final Cors SOME = new Cors(Set.of("https://a.example", "http://localhost:3000"));
    private static final Cors ANY = new Cors(Set.of("*"));

    @Test
    void withoutTheSettingNothingIsSaid() {
        assertEquals(Map.of(), NONE.headers(Map.of("origin", "https://a.example")));
        assertFalse(NONE.isPreflight(true, Map.of("origin", "https://a.example", "access-control-request-method", "POST")));
    }

    @Test
    void aListedOriginIsNamedAndMayReadOurHeaders() {
        var headers = SOME.headers(Map.of("origin", "http://localhost:3000"));
        assertEquals(Set.of("vary", "access-control-allow-origin", "access-control-expose-headers"), headers.keySet());
        assertEquals("origin http://localhost:3000", headers.get("vary") + " " + headers.get("access-control-allow-origin"));
        assertTrue(headers.get("access-control-expose-headers")
                .startsWith("x-request-id, x-chat-model, x-chat-attempts, x-chat-budget, server-timing"));
        assertEquals("*", ANY.headers(Map.of("origin", "https://any.example")).get("access-control-allow-origin"));
    }

    @ParameterizedTest
    @ValueSource(strings = { "https://b.example", "https://a.example.evil.example", "http://a.example", "https://a.example:8443", "null",
            "", "*", "HTTPS://A.EXAMPLE" })
    void anotherOriginGetsNoneOfIt(String origin) {
        assertEquals(Map.of("vary", "origin"), SOME.headers(Map.of("origin", origin)));
        assertFalse(SOME.isPreflight(true, Map.of("origin", origin, "access-control-request-method", "POST")));
    }

    @Test
    void whoIsNoPageGetsOnlyWhatCachesNeed() {
        assertEquals(Map.of("vary", "origin"), SOME.headers(Map.of()));
        assertEquals(Map.of("vary", "origin"), ANY.headers(Map.of("origin", "null")), "null is no origin");
    }

    @Test
    void aPreflightIsToldWhatItAskedFor() {
        var request = Map.of("origin", "https://a.example", "access-control-request-method", "POST", "access-control-request-headers",
                "authorization,content-type, x-stainless-os");
        assertTrue(SOME.isPreflight(true, request));
        assertFalse(SOME.isPreflight(false, request));
        assertFalse(SOME.isPreflight(true, Map.of("origin", "https://a.example")));
        assertEquals(Map.of("access-control-allow-methods", "GET, POST", "access-control-max-age", "7200", "access-control-allow-headers",
                "authorization,content-type, x-stainless-os"), SOME.preflight(request));
        assertFalse(SOME.preflight(Map.of("access-control-request-headers", "a\r\nb")).containsKey("access-control-allow-headers"));
    }
}
