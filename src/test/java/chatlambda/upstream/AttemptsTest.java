package chatlambda.upstream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.chat.ChatError;
import chatlambda.chat.ChatError.Recourse;
import chatlambda.chat.ChatRequest;
import chatlambda.chat.Limits;
import chatlambda.chat.Usage;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AttemptsTest {

    private static final Instant NOW = Instant.parse("2026-11-22T12:00:00Z");
    private static final Completion FINE = new Completion(200, Map.of(), new byte[0], new Usage());

    private static ChatError failure(Recourse recourse) {
        return ChatError.unusable("no").with(recourse);
    }

    /** Asks with the given outcomes, one after the other; tells which models were asked. */
    private static List<String> models(Attempts attempts, Object... outcomes) {
        var asked = new ArrayList<String>();
        Iterator<Object> next = Arrays.asList(outcomes).iterator();
        try {
            var request = ChatRequest.of("{\"model\":\"a\",\"messages\":[{\"role\":\"user\"}]}".getBytes(StandardCharsets.UTF_8), "d", Limits.NONE);
            var answer = attempts.make(request, (each, left) -> {
                asked.add(each.model());
                assertTrue(new String(each.body(), StandardCharsets.UTF_8).startsWith("{\"model\":\"" + each.model() + "\","));
                Object outcome = next.next();
                if (outcome instanceof ChatError error) {
                    throw error;
                }
                return (Answer) outcome;
            });
            assertSame(outcomes[asked.size() - 1], answer);
            asked.add("answered");
        } catch (ChatError e) {
            assertSame(outcomes[asked.size() - 1], e, "the last failure is the one that is told");
        }
        assertEquals(asked.size() - (asked.contains("answered") ? 1 : 0), attempts.count());
        return asked;
    }

    private static Attempts attempts(int retries, String... fallbacks) {
        return new Attempts("r", retries, List.of(fallbacks), () -> Duration.ofMinutes(1), () -> false);
    }

    @Test
    void anAnswerIsTheEndOfIt() {
        assertEquals(List.of("a", "answered"), models(attempts(1, "b"), FINE));
    }

    /** Without a byte on its way it was no request: it counts neither as one nor as a retry. */
    @Test
    void whatWasNotSentIsSentOverAnotherConnectionEvenWithoutRetries() throws ChatError {
        var attempts = attempts(0);
        var outcomes = List.of(failure(Recourse.UNSENT), FINE).iterator();
        var request = ChatRequest.of("{\"messages\":[{\"role\":\"user\"}]}".getBytes(StandardCharsets.UTF_8), "d", Limits.NONE);
        assertSame(FINE, attempts.make(request, (each, left) -> {
            Object outcome = outcomes.next();
            if (outcome instanceof ChatError error) {
                throw error;
            }
            return (Answer) outcome;
        }));
        assertEquals(1, attempts.count());
    }

    @Test
    void whatMayHaveCostMoneyIsNotAskedAgain() {
        assertEquals(List.of("a"), models(attempts(3, "b"), failure(Recourse.NONE)));
    }

    @ParameterizedTest
    @CsvSource({ "0, a", "1, a a", "3, a a a a" })
    void aModelIsAskedAgainAsOftenAsIsSet(int retries, String asked) {
        Object[] failures = new Object[10];
        Arrays.setAll(failures, i -> failure(Recourse.AT_ONCE));
        assertEquals(List.of(asked.split(" ")), models(attempts(retries), failures));
    }

    @Test
    void eachModelIsAskedAgainBeforeTheNextOne() {
        var attempts = attempts(1, "b", "a", "c", "b");
        Object[] failures = new Object[10];
        Arrays.setAll(failures, i -> ChatError.unusable("no").with("retry-after", "0").with(Recourse.LATER));
        assertEquals(List.of("a", "a", "b", "b", "c", "c"), models(attempts, failures));
        assertEquals("c", attempts.model());
    }

    @Test
    void aModelThatIsGoneIsNotAskedAgain() {
        assertEquals(List.of("a", "b", "answered"), models(attempts(3, "b"), failure(Recourse.ANOTHER_MODEL), FINE));
        assertEquals(List.of("a"), models(attempts(3), failure(Recourse.ANOTHER_MODEL)));
    }

    @Test
    void anUpstreamThatCannotBeReachedIsNotAskedForAnotherModel() {
        assertEquals(List.of("a"), models(attempts(0, "b"), failure(Recourse.CONNECT)));
    }

    @Test
    void whatTurnsIntoAnotherFailureIsJudgedAnew() {
        assertEquals(List.of("a", "a"), models(attempts(3, "b"), failure(Recourse.AT_ONCE), failure(Recourse.NONE)));
    }

    @Test
    void aRefusedKeyIsReplacedWhereThereIsAnotherAndThatIsNoRetry() {
        var attempts = new Attempts("r", 0, List.of("b"), () -> Duration.ofMinutes(1), List.of(true, false).iterator()::next);
        assertEquals(List.of("a", "a"), models(attempts, failure(Recourse.ANOTHER_KEY), failure(Recourse.ANOTHER_KEY)));
        assertEquals(List.of("a"), models(attempts(3, "b"), failure(Recourse.ANOTHER_KEY)));
        assertEquals(List.of("a", "a", "a", "answered"), models(new Attempts("r", 1, List.of(), () -> Duration.ofMinutes(1),
                List.of(true).iterator()::next), failure(Recourse.ANOTHER_KEY), failure(Recourse.AT_ONCE), FINE));
    }

    @Test
    void nothingIsAskedAgainBeyondTheDeadline() {
        var late = ChatError.unusable("no").with("retry-after", "5").with(Recourse.LATER);
        assertEquals(List.of("a"), models(new Attempts("r", 1, List.of(), () -> Duration.ofSeconds(5), () -> false), late));
        Iterator<Duration> left = List.of(Duration.ofSeconds(9), Duration.ofSeconds(9), Duration.ZERO).iterator();
        assertEquals(List.of("a"), models(new Attempts("r", 1, List.of("b"), left::next, () -> false),
                ChatError.unusable("no").with("retry-after", "0").with(Recourse.LATER)), "the wait took longer than was left");
        assertEquals(List.of("a", "b", "answered"), models(new Attempts("r", 1, List.of("b"), () -> Duration.ofSeconds(5), () -> false), late, FINE));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            NONE          | - | - | 0 | 0.5 | -
            ANOTHER_MODEL | - | - | 0 | 0.5 | -
            AT_ONCE       | - | - | 0 | 0.5 | PT0S
            CONNECT       | - | - | 0 | 0.5 | PT0.25S
            LATER         | - | - | 0 | 0.0 | PT0S
            LATER         | - | - | 0 | 1.0 | PT0.5S
            LATER         | - | - | 1 | 1.0 | PT1S
            LATER         | - | - | 3 | 1.0 | PT4S
            LATER         | - | - | 4 | 1.0 | PT8S
            LATER         | - | - | 5 | 1.0 | PT8S
            LATER         | - | - | 99 | 0.5 | PT4S
            LATER         | 7 | - | 0 | 0.5 | PT7S
            LATER         | 0 | - | 0 | 0.5 | PT0S
            LATER         | 1.5 | - | 0 | 0.5 | PT1.5S
            LATER         | ' 7 ' | - | 0 | 0.5 | PT7S
            LATER         | 7 | 250 | 0 | 0.5 | PT0.25S
            LATER         | 7 | soon | 0 | 0.5 | PT7S
            LATER         | -7 | - | 0 | 0.5 | PT0.25S
            LATER         | soon | - | 0 | 0.5 | PT0.25S
            LATER         | NaN | - | 0 | 0.5 | PT0.25S
            LATER         | Infinity | - | 0 | 0.5 | PT0.25S
            LATER         | 1e300 | - | 0 | 0.5 | PT0.25S
            LATER         | Sun, 22 Nov 2026 12:00:20 GMT | - | 0 | 0.5 | PT20S
            LATER         | Sun, 22 Nov 2026 11:00:00 GMT | - | 0 | 0.5 | PT0S
            LATER         | Mon, 22 Nov 2026 11:00:00 GMT | - | 0 | 0.5 | PT0.25S
            """)
    void theWaitIsWhatTheUpstreamAsksForOrAShareOfWhatDoubles(Recourse recourse, String retryAfter, String millis, int again, double share,
            Duration wait) {
        ChatError failure = failure(recourse);
        if (retryAfter != null) {
            failure.with("retry-after", retryAfter);
        }
        if (millis != null) {
            failure.with("retry-after-ms", millis);
        }
        assertEquals(Optional.ofNullable(wait), Attempts.wait(failure, again, NOW, share));
    }

    @Test
    void anUpstreamThatWantsNoRetryGetsNone() {
        var answer = new UpstreamAnswer(429, Map.of("x-should-retry", "false"), new byte[0], "sk-test-key");
        assertEquals(Recourse.ANOTHER_MODEL, assertThrows(ChatError.class, answer::completion).recourse());
    }

    @Test
    void withoutTimeLeftNothingIsAsked() {
        var attempts = new Attempts("r", 1, List.of("b"), () -> Duration.ZERO, () -> false);
        var failure = assertThrows(ChatError.class,
                () -> attempts.make(ChatRequest.of("{\"messages\":[{\"role\":\"user\"}]}".getBytes(), "d", Limits.NONE), (each, left) -> FINE));
        assertEquals(504, failure.status());
        assertEquals(0, attempts.count());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            429 | {} | LATER
            502 | {} | LATER
            503 | {"message":"The server is no longer available"} | LATER
            500 | {} | NONE
            504 | {"message":"Generation timeout"} | NONE
            400 | {} | NONE
            401 | {"message":"no longer available"} | ANOTHER_KEY
            403 | {} | NONE
            408 | {} | NONE
            404 | {} | ANOTHER_MODEL
            400 | {"message":"google/x is no longer available for API calls"} | ANOTHER_MODEL
            500 | {"message":"400 Unable to access model gpt-4o-mini. "} | ANOTHER_MODEL
            403 | {"error":{"message":"no","code":"model_not_found"}} | ANOTHER_MODEL
            200 | {"error":{"message":"it is no longer available"}} | NONE
            302 | {} | NONE
            """)
    void theUpstreamsAnswerTellsWhatMayBeDone(int status, String body, Recourse recourse) {
        var answer = new UpstreamAnswer(status, Map.of(), body.getBytes(StandardCharsets.UTF_8), "sk-test-key");
        assertEquals(recourse, assertThrows(ChatError.class, answer::completion).recourse());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            500 | {"message":"400 Bad schema"} | false
            503 | {"message":"429 Too many"} | -
            503 | {"message":"404 No such thing"} | false
            500 | {"message":"The model is under maintenance"} | -
            500 | {"message":"4000 tokens were too many"} | -
            400 | {"message":"400 Bad schema"} | -
            401 | {} | false
            302 | {} | false
            """)
    void theSdksAreToldWhereAskingAgainCannotHelp(int status, String body, String said) {
        var answer = new UpstreamAnswer(status, Map.of(), body.getBytes(StandardCharsets.UTF_8), "sk-test-key");
        assertEquals(said, assertThrows(ChatError.class, answer::completion).headers().get("x-should-retry"));
    }
}
