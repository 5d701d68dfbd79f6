package chatlambda.upstream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.chat.ChatError;
import chatlambda.chat.ChatRequest;
import chatlambda.chat.Limits;
import chatlambda.chat.UpstreamKey;
import chatlambda.chat.Usage;
import chatlambda.upstream.Attempts.Ask;
import chatlambda.upstream.Attempts.Made;
import chatlambda.upstream.Failure.Retryability;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AttemptsTest {

    private static final Instant NOW = Instant.parse("2026-11-22T12:00:00Z");
    private static final Completion FINE = new Completion(200, Map.of(), new byte[0], Usage.NONE);

    private static Failure failure(Retryability retryability) {
        return failure(retryability, Map.of());
    }

    private static Failure failure(Retryability retryability, Map<String, String> headers) {
        return new Failure(ChatError.unusable("no").with(headers), retryability, "no");
    }

    /** The attempts of one invocation, whose outcomes are given. */
    private record Attempted(int retries, List<String> fallbacks, Deadline deadline, UpstreamKey key) {

        /** Asks with the given outcomes, one after the other; tells which models were asked. */
        List<String> models(Object... outcomes) {
            var asked = new ArrayList<String>();
            Iterator<Object> next = Arrays.asList(outcomes).iterator();
            try {
                var made = make((each, sender, until) -> {
                    asked.add(each.model());
                    assertTrue(new String(each.body(), StandardCharsets.UTF_8).startsWith("{\"model\":\"" + each.model() + "\","));
                    return outcome(next.next());
                });
                assertSame(outcomes[asked.size() - 1], made.answer());
                assertEquals(asked.size(), made.requests());
                assertEquals(asked.get(asked.size() - 1), made.model());
                asked.add("answered");
            } catch (Failure e) {
                assertSame(((Failure) outcomes[asked.size() - 1]).error(), e.error(), "the last failure is the one that is told");
                assertEquals(asked.size(), e.requests());
                assertEquals(asked.get(asked.size() - 1), e.model());
            }
            return asked;
        }

        Made make(Ask upstream) throws Failure {
            return Attempts.make(upstream, request(), retries, fallbacks, new Sender("r", key, null, null), deadline);
        }

        Attempted until(Duration left) {
            return new Attempted(retries, fallbacks, Deadline.at(Instant.now().plus(left), "wait"), key);
        }

        /** @param found whether there is another key, each time that one is looked for */
        Attempted renewing(Boolean... found) {
            Iterator<Boolean> next = List.of(found).iterator();
            return new Attempted(retries, fallbacks, deadline, new UpstreamKey() {
                @Override
                public String value() {
                    return "sk-test-key";
                }

                @Override
                public boolean renew(Duration limit) {
                    return next.next();
                }
            });
        }
    }

    private static Deadline deadline(Duration left) {
        return Deadline.at(Instant.now().plus(left), "wait");
    }

    private static ChatRequest request() {
        try {
            String body = "{\"model\":\"a\",\"messages\":[{\"role\":\"user\"}]}";
            return ChatRequest.of(body.getBytes(StandardCharsets.UTF_8), "d", Limits.NONE);
        } catch (ChatError e) {
            throw new AssertionError(e);
        }
    }

    private static Answer outcome(Object outcome) throws Failure {
        if (outcome instanceof Failure failure) {
            throw failure;
        }
        return (Answer) outcome;
    }

    private static Attempted attempts(int retries, String... fallbacks) {
        return new Attempted(retries, List.of(fallbacks), deadline(Duration.ofMinutes(1)), () -> "sk-test-key");
    }

    @Test
    void anAnswerIsTheEndOfIt() {
        assertEquals(List.of("a", "answered"), attempts(1, "b").models(FINE));
    }

    /** Without a byte on its way it was no request: it counts neither as one nor as a retry. */
    @Test
    void whatWasNotSentIsSentOverAnotherConnectionEvenWithoutRetries() throws Failure {
        var outcomes = List.of(failure(Retryability.UNSENT), FINE).iterator();
        var made = attempts(0).make((each, sender, until) -> outcome(outcomes.next()));
        assertSame(FINE, made.answer());
        assertEquals(1, made.requests());
    }

    @Test
    void whatMayHaveCostMoneyIsNotAskedAgain() {
        assertEquals(List.of("a"), attempts(3, "b").models(failure(Retryability.NEVER)));
    }

    @ParameterizedTest
    @CsvSource({ "0, a", "1, a a", "3, a a a a" })
    void aModelIsAskedAgainAsOftenAsIsSet(int retries, String asked) {
        Object[] failures = new Object[10];
        Arrays.setAll(failures, i -> failure(Retryability.AT_ONCE));
        assertEquals(List.of(asked.split(" ")), attempts(retries).models(failures));
    }

    @Test
    void eachModelIsAskedAgainBeforeTheNextOne() {
        Object[] failures = new Object[10];
        Arrays.setAll(failures, i -> failure(Retryability.LATER, Map.of("retry-after", "0")));
        assertEquals(List.of("a", "a", "b", "b", "c", "c"), attempts(1, "b", "a", "c", "b").models(failures));
    }

    @Test
    void aModelThatIsGoneIsNotAskedAgain() {
        assertEquals(List.of("a", "b", "answered"), attempts(3, "b").models(failure(Retryability.ANOTHER_MODEL), FINE));
        assertEquals(List.of("a"), attempts(3).models(failure(Retryability.ANOTHER_MODEL)));
    }

    @Test
    void anUpstreamThatCannotBeReachedIsNotAskedForAnotherModel() {
        assertEquals(List.of("a"), attempts(0, "b").models(failure(Retryability.CONNECT)));
    }

    @Test
    void whatTurnsIntoAnotherFailureIsJudgedAnew() {
        assertEquals(List.of("a", "a"), attempts(3, "b").models(failure(Retryability.AT_ONCE), failure(Retryability.NEVER)));
    }

    @Test
    void aRefusedKeyIsReplacedWhereThereIsAnotherAndThatIsNoRetry() {
        assertEquals(List.of("a", "a"), attempts(0, "b").renewing(true, false).models(failure(Retryability.ANOTHER_KEY),
                failure(Retryability.ANOTHER_KEY)));
        assertEquals(List.of("a"), attempts(3, "b").models(failure(Retryability.ANOTHER_KEY)));
        assertEquals(List.of("a", "a", "a", "answered"), attempts(1).renewing(true).models(failure(Retryability.ANOTHER_KEY),
                failure(Retryability.AT_ONCE), FINE));
    }

    @Test
    void nothingIsAskedAgainBeyondTheDeadline() {
        Failure late = failure(Retryability.LATER, Map.of("retry-after", "5"));
        assertEquals(List.of("a"), attempts(1).until(Duration.ofSeconds(5)).models(late));
        assertEquals(List.of("a", "b", "answered"), attempts(1, "b").until(Duration.ofSeconds(5)).models(late, FINE));
    }

    @Test
    void aFailureAtTheDeadlineIsTheLastOne() {
        Attempted attempts = attempts(1, "b").until(Duration.ofMillis(300));
        var failure = assertThrows(Failure.class, () -> attempts.make((each, sender, until) -> {
            while (!until.isOver()) {
                Thread.onSpinWait();
            }
            throw failure(Retryability.LATER, Map.of("retry-after", "0"));
        }));
        assertEquals("no 1 a", failure.error().getMessage() + " " + failure.requests() + " " + failure.model());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            NEVER         | - | - | 0 | 0.5 | -
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
    void theWaitIsWhatTheUpstreamAsksForOrAShareOfWhatDoubles(Retryability retryability, String retryAfter, String millis, int again,
            double share, Duration wait) {
        var headers = new TreeMap<String, String>();
        if (retryAfter != null) {
            headers.put("retry-after", retryAfter);
        }
        if (millis != null) {
            headers.put("retry-after-ms", millis);
        }
        assertEquals(Optional.ofNullable(wait), Attempts.wait(failure(retryability, headers), again, NOW, share));
    }

    @Test
    void anUpstreamThatWantsNoRetryGetsNone() {
        var answer = new UpstreamAnswer(429, Map.of("x-should-retry", "false"), new byte[0], "sk-test-key", () -> "sk-test-key");
        assertEquals(Retryability.ANOTHER_MODEL, assertThrows(Failure.class, answer::completion).retryability());
    }

    @Test
    void withoutTimeLeftNothingIsAsked() {
        var failure = assertThrows(Failure.class, () -> attempts(1, "b").until(Duration.ZERO).make((each, sender, until) -> FINE));
        assertEquals("504 0 null", failure.error().status() + " " + failure.requests() + " " + failure.model());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            429 | {} | LATER
            502 | {} | LATER
            503 | {"message":"The server is no longer available"} | LATER
            500 | {} | NEVER
            504 | {"message":"Generation timeout"} | NEVER
            400 | {} | NEVER
            401 | {"message":"no longer available"} | ANOTHER_KEY
            403 | {} | NEVER
            408 | {} | NEVER
            404 | {} | ANOTHER_MODEL
            400 | {"message":"google/x is no longer available for API calls"} | ANOTHER_MODEL
            500 | {"message":"400 Unable to access model gpt-4o-mini. "} | ANOTHER_MODEL
            403 | {"error":{"message":"no","code":"model_not_found"}} | ANOTHER_MODEL
            200 | {"error":{"message":"it is no longer available"}} | NEVER
            302 | {} | NEVER
            """)
    void theUpstreamsAnswerTellsWhatMayBeDone(int status, String body, Retryability retryability) {
        var answer = new UpstreamAnswer(status, Map.of(), body.getBytes(StandardCharsets.UTF_8), "sk-test-key", () -> "sk-test-key");
        assertEquals(retryability, assertThrows(Failure.class, answer::completion).retryability());
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
        var answer = new UpstreamAnswer(status, Map.of(), body.getBytes(StandardCharsets.UTF_8), "sk-test-key", () -> "sk-test-key");
        assertEquals(said, assertThrows(Failure.class, answer::completion).error().headers().get("x-should-retry"));
    }
}
