package chatlambda.upstream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.chat.ApiRequest;
import chatlambda.chat.ChatError;
import chatlambda.chat.Limits;
import chatlambda.chat.Models;
import chatlambda.chat.Redaction;
import chatlambda.chat.Route;
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
    private static final Completion FINE = new Completion(200, Map.of(), new byte[0], Usage.NONE, null);

    private static Failure failure(Retryability retryability) {
        return failure(retryability, Map.of());
    }

    private static Failure failure(Retryability retryability, Map<String, String> headers) {
        return new Failure(ChatError.unusable("no").with(headers), retryability, Failure.Cost.REQUEST, "no");
    }

    /** The attempts of one invocation, whose outcomes are given. */
    private record Attempted(Attempts.Policy policy, Deadline deadline, UpstreamKey key) {

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
                assertEquals(((Failure) outcomes[asked.size() - 1]).error().getMessage(), e.error().getMessage());
                assertEquals(asked.size(), e.requests());
                assertEquals(asked.get(asked.size() - 1), e.model());
            }
            return asked;
        }

        Made make(Ask upstream) throws Failure {
            return Attempts.make(upstream, request(), policy, new Sender("r", key, Map.of(), 1, null), deadline);
        }

        Attempted until(Duration left) {
            return new Attempted(policy, Deadline.at(Instant.now().plus(left), "wait"), key);
        }

        Attempted waiting(Duration most) {
            return new Attempted(new Attempts.Policy(policy.retries(), most, policy.fallbackModels(), policy.successor()), deadline, key);
        }

        /** @param found whether there is another key, each time that one is looked for */
        Attempted renewing(Boolean... found) {
            Iterator<Boolean> next = List.of(found).iterator();
            return new Attempted(policy, deadline, new UpstreamKey() {
                @Override
                public String value() {
                    return "sk-test-key";
                }

                @Override
                public boolean renew(String refused, Duration limit) {
                    return next.next();
                }
            });
        }
    }

    private static Deadline deadline(Duration left) {
        return Deadline.at(Instant.now().plus(left), "wait");
    }

    private static ApiRequest request() {
        try {
            String body = "{\"model\":\"a\",\"messages\":[{\"role\":\"user\"}]}";
            return ApiRequest.of(Route.CHAT, body.getBytes(StandardCharsets.UTF_8), Models.only("d"), Limits.NONE);
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
        var policy = new Attempts.Policy(retries, Duration.ofSeconds(10), List.of(fallbacks), null);
        return new Attempted(policy, deadline(Duration.ofMinutes(1)), () -> "sk-test-key");
    }

    private static UpstreamAnswer answer(int status, Map<String, String> headers, byte[] body) {
        return new UpstreamAnswer(Route.CHAT, status, headers, body, new Redaction("sk-test-key"), () -> "sk-test-key");
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
    void aSuccessorIsAskedOnlyWhereTheModelIsGone() {
        var policy = new Attempts.Policy(1, Duration.ofSeconds(10), List.of(), "next");
        var attempted = new Attempted(policy, deadline(Duration.ofMinutes(1)), () -> "sk-test-key");
        assertEquals(List.of("a", "next", "answered"), attempted.models(failure(Retryability.MODEL_GONE), FINE));
        assertEquals(List.of("a", "next"), attempted.models(failure(Retryability.MODEL_GONE), failure(Retryability.MODEL_GONE)));
        assertEquals(List.of("a"), attempted.models(failure(Retryability.ANOTHER_MODEL)));
        assertEquals(List.of("a"), attempted.models(failure(Retryability.NEVER)));
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

    /** The retries are the invocation's: 1 + 3 + 2 requests are the most, in whatever order. */
    @ParameterizedTest
    @CsvSource({ "0, a b c", "1, a a b c", "3, a a a a b c" })
    void retriesAreNotEachModels(int retries, String asked) {
        Object[] failures = new Object[10];
        Arrays.setAll(failures, i -> failure(Retryability.LATER, Map.of("retry-after", "0")));
        assertEquals(List.of(asked.split(" ")), attempts(retries, "b", "a", "c", "b").models(failures));
    }

    @Test
    void aRetryThatWasNotNeededForOneModelIsThereForTheNext() {
        Failure busy = failure(Retryability.LATER, Map.of("retry-after", "0"));
        assertEquals(List.of("a", "b", "b", "answered"), attempts(1, "b").models(failure(Retryability.ANOTHER_MODEL), busy, FINE));
    }

    @Test
    void allWaitsTogetherStayWithinTheirBound() {
        Failure wait = failure(Retryability.LATER, Map.of("retry-after-ms", "40"));
        Object[] failures = new Object[10];
        Arrays.setAll(failures, i -> wait);
        assertEquals(List.of("a", "a", "a"), attempts(9).waiting(Duration.ofMillis(100)).models(failures));
        assertEquals(List.of("a"), attempts(9).waiting(Duration.ofMillis(39)).models(failures));
        assertEquals(List.of("a"), attempts(9).models(failure(Retryability.LATER, Map.of("retry-after", "11"))));
        assertEquals(List.of("a", "a", "answered"), attempts(1).waiting(Duration.ZERO).models(failure(Retryability.LATER), FINE),
                "our own back-off is cut to what is left");
    }

    @Test
    void whereAnotherModelIsLeftNobodyWaitsForMoreThanASecond() {
        Failure long1 = failure(Retryability.LATER, Map.of("retry-after-ms", "1001"));
        assertEquals(List.of("a", "b", "answered"), attempts(1, "b").models(long1, FINE));
        assertEquals(List.of("a", "b", "b", "answered"), attempts(1, "b").models(long1, failure(Retryability.LATER,
                Map.of("retry-after-ms", "1001")), FINE), "the last one is waited for");
    }

    /** What the SDKs are told once an upstream without room was asked again in vain, so that they do not multiply it. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            1 | -   | 429 LATER                       | -
            1 | -   | 429 LATER, 429 LATER            | false
            1 | -   | 503 LATER, 500 NEVER            | false
            1 | -   | 529 LATER, 529 LATER            | false
            1 | -   | 502 LATER, 502 LATER            | -
            0 | b   | 429 LATER, 404 ANOTHER_MODEL    | -
            0 | b   | 503 LATER, 503 LATER            | -
            1 | b   | 503 LATER, 503 LATER, 404 ANOTHER_MODEL | false
            0 | b   | 404 ANOTHER_MODEL, 429 LATER    | -
            1 | -   | 429 LATER, 502 CONNECT          | -
            1 | -   | 502 CONNECT, 502 CONNECT        | -
            """)
    void whatWasAskedAgainInVainIsNotToBeAskedAgain(int retries, String fallback, String outcomes, String said) {
        var failures = new ArrayList<Object>();
        for (String outcome : outcomes.split(", ")) {
            int status = Integer.parseInt(outcome.substring(0, 3));
            var error = new ChatError(ChatError.Kind.UpstreamError, status, "t", null, null, "no").with("retry-after", failures.isEmpty()
                    && outcomes.length() > 12 && retries > 0 ? "0" : "60");
            failures.add(new Failure(error.with("x-should-retry", "true"), Retryability.valueOf(outcome.substring(4)),
                    Failure.Cost.REQUEST, "no"));
        }
        Iterator<Object> next = failures.iterator();
        var attempts = fallback == null ? attempts(retries) : attempts(retries, fallback);
        var failure = assertThrows(Failure.class, () -> attempts.make((each, sender, until) -> outcome(next.next())));
        assertEquals(said == null ? "true" : said, failure.error().headers().get("x-should-retry"));
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
        assertEquals(List.of("a", "a"), attempts(3).renewing(true, true).models(failure(Retryability.ANOTHER_KEY),
                failure(Retryability.ANOTHER_KEY)), "one more for a renewed key, not more");
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
        assertEquals(Optional.ofNullable(wait), Attempts.wait(failure(retryability, headers), again, Duration.ofMinutes(1), NOW, share));
    }

    @Test
    void anUpstreamThatWantsNoRetryGetsNone() {
        var answer = answer(429, Map.of("x-should-retry", "false"), new byte[0]);
        assertEquals(Retryability.ANOTHER_MODEL, assertThrows(Failure.class, () -> answer.completion(true)).retryability());
    }

    @Test
    void withoutTimeLeftNothingIsAsked() {
        var failure = assertThrows(Failure.class, () -> attempts(1, "b").until(Duration.ZERO).make((each, sender, until) -> FINE));
        assertEquals("504 0 null", failure.error().status() + " " + failure.requests() + " " + failure.model());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            429 | {} | LATER
            502 | {} | NEVER
            529 | {} | LATER
            429 | {"error":{"message":"pay","type":"insufficient_quota"}} | NEVER
            429 | {"error":{"message":"pay","code":"billing_hard_limit_reached"}} | NEVER
            429 | {"message":"pay","code":"billing_not_active"} | NEVER
            429 | {"error":{"message":"pay","type":"insufficient\\u005fquota","code":"429"}} | NEVER
            429 | {"code":"insufficient_quota","error":{"message":"pay","code":"429"}} | NEVER
            429 | {"type":"insufficient_quota","error":{"message":"pay","type":"requests"}} | NEVER
            429 | {"error":{"message":"insufficient_quota"}} | LATER
            403 | {"error":{"message":"pay","type":"insufficient_quota"}} | NEVER
            410 | {} | MODEL_GONE
            400 | {"error":{"message":"model_not_found: a","code":"c"}} | MODEL_GONE
            400 | {"error":{"message":"The model `a` does not exist or you do not have access to it.","code":null}} | MODEL_GONE
            400 | {"error":{"message":"The model `a` has been decommissioned","code":"c"}} | MODEL_GONE
            400 | {"error":{"message":"gone","code":"model_decommissioned"}} | MODEL_GONE
            400 | {"error":{"message":"the tool does not exist","code":"c"}} | NEVER
            503 | {"message":"The server is no longer available"} | LATER
            500 | {} | NEVER
            504 | {"message":"Generation timeout"} | NEVER
            400 | {} | NEVER
            401 | {"message":"no longer available"} | ANOTHER_KEY
            403 | {} | NEVER
            408 | {} | NEVER
            404 | {} | MODEL_GONE
            400 | {"message":"google/x is no longer available for API calls"} | MODEL_GONE
            500 | {"message":"400 Unable to access model gpt-4o-mini. "} | MODEL_GONE
            403 | {"error":{"message":"no","code":"model_not_found"}} | MODEL_GONE
            200 | {"error":{"message":"it is no longer available"}} | NEVER
            404 | {"error":{"message":"no","code":"insufficient_quota"}} | MODEL_GONE
            500 | {"message":"404 it is no longer available"} | MODEL_GONE
            500 | {"message":"the model is no longer available"} | NEVER
            500 | {"error":{"message":"no","code":"model_not_found"}} | NEVER
            422 | {"error":{"message":"no longer available","code":"model_not_found"}} | NEVER
            400 | {"message":"this quotes a prompt, which has more than one hundred characters before it says: it is no longer available"} | NEVER
            302 | {} | NEVER
            """)
    void theUpstreamsAnswerTellsWhatMayBeDone(int status, String body, Retryability retryability) {
        var answer = answer(status, Map.of(), body.getBytes(StandardCharsets.UTF_8));
        assertEquals(retryability, assertThrows(Failure.class, () -> answer.completion(true)).retryability());
    }

    /** What else a response's request may name is not there: another model would not have it either. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            {"error":{"message":"Conversation with id 'conv_1' not found."}}                              | NEVER
            {"error":{"message":"Item with id 'rs_1' not found. Items are not persisted when `store` is false."}} | NEVER
            {"error":{"message":"Prompt with id 'pmpt_1' does not exist"}}                                | NEVER
            {"error":{"message":"The model `m` does not exist","code":"model_not_found"}}                 | MODEL_GONE
            {}                                                                                            | MODEL_GONE
            """)
    void ofAResponseMoreThanItsModelMayBeMissing(String body, Retryability retryability) {
        var answer = new UpstreamAnswer(Route.RESPONSES, 404, Map.of(), body.getBytes(StandardCharsets.UTF_8), new Redaction("sk-test-key"),
                () -> "sk-test-key");
        assertEquals(retryability, assertThrows(Failure.class, () -> answer.completion(true)).retryability());
    }

    /** An error in the first event is one of the status that it names. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            {"error":{"message":"no","code":529}}               | 529 | LATER
            {"error":{"message":"no","code":"404"}}             | 404 | MODEL_GONE
            {"error":{"message":"no","status":401}}             | 500 | ANOTHER_KEY
            {"error":{"message":"no","code":"busy","status":"429"}} | 429 | LATER
            {"error":{"message":"no","code":200}}               | 502 | NEVER
            {"error":{"message":"no","code":5030}}              | 502 | NEVER
            {"error":"no","code":503}                           | 503 | LATER
            {"error":true}                                      | 502 | NEVER
            {"error":{"code":429,"type":"insufficient_quota"}}  | 429 | NEVER
            """)
    void theFirstEventsErrorTellsWhatMayBeDone(String data, int status, Retryability retryability) {
        var head = answer(200, Map.of("content-type", "text/event-stream"), new byte[0]);
        var failure = head.firstEvent(data.getBytes(StandardCharsets.UTF_8));
        assertEquals(status + " " + retryability, failure.error().status() + " " + failure.retryability());
    }

    @Test
    void a502IsAskedAgainOnlyWhenItSaysWhen() {
        for (var header : Map.of("retry-after", "1", "retry-after-ms", "1").entrySet()) {
            var answer = answer(502, Map.of(header.getKey(), header.getValue()), new byte[0]);
            assertEquals(Retryability.LATER, assertThrows(Failure.class, () -> answer.completion(true)).retryability());
        }
        var answer = answer(502, Map.of("retry-after", "soon"), new byte[0]);
        assertEquals(Retryability.NEVER, assertThrows(Failure.class, () -> answer.completion(true)).retryability());
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
            429 | {"code":"insufficient_quota"} | false
            """)
    void theSdksAreToldWhereAskingAgainCannotHelp(int status, String body, String said) {
        var answer = answer(status, Map.of(), body.getBytes(StandardCharsets.UTF_8));
        assertEquals(said, assertThrows(Failure.class, () -> answer.completion(true)).error().headers().get("x-should-retry"));
    }
}
