package chatlambda.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.chat.ChatError.Kind;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ChatErrorTest {

    private static void assertError(Kind kind, int status, String rest, ChatError error) {
        assertEquals(kind, error.kind());
        assertEquals(status, error.status());
        assertEquals("{\"error\":{\"message\":\"" + error.getMessage() + "\"," + rest + "}}",
                new String(error.json(), StandardCharsets.UTF_8));
    }

    @Test
    void everyKindHasItsStatusTypeAndCode() {
        assertError(Kind.InvalidRequest, 404, "\"type\":\"invalid_request_error\",\"param\":\"p\",\"code\":null",
                ChatError.invalid(404, "p", "m"));
        assertError(Kind.UpstreamUnreachable, 502, "\"type\":\"api_error\",\"param\":null,\"code\":\"upstream_unreachable\"",
                ChatError.unreachable("m"));
        assertError(Kind.UpstreamTimeout, 504, "\"type\":\"timeout_error\",\"param\":null,\"code\":\"upstream_timeout\"",
                ChatError.timeout("m"));
        assertError(Kind.ResponseTooLarge, 502, "\"type\":\"api_error\",\"param\":null,\"code\":\"response_too_large\"",
                ChatError.tooLarge(8, 7));
        assertError(Kind.UpstreamError, 502, "\"type\":\"api_error\",\"param\":null,\"code\":null", ChatError.unusable("m"));
    }

    @Test
    void anAnswerThatIsTooLargeIsToldWithSizeAndLimit() {
        String message = ChatError.tooLarge(8, 7).getMessage();
        assertTrue(message.contains("8 bytes") && message.contains("at most 7"), message);
    }

    @Test
    void whatIsRefusedHasACodeAndATypeByItsStatus() {
        assertError(Kind.InvalidRequest, 403, "\"type\":\"permission_error\",\"param\":\"model\",\"code\":\"c\"",
                ChatError.refused(403, "model", "c", "m"));
        assertError(Kind.InvalidRequest, 401, "\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_api_key\"",
                ChatError.unauthorized("m"));
        assertEquals("permission_error", ChatError.refused(403, null, null, "m").type());
    }

    @Test
    void headersGoWithTheError() {
        assertEquals(Map.of("allow", "POST"), ChatError.invalid(405, null, "m").with("allow", "POST").headers());
    }
}
