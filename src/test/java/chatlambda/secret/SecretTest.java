package chatlambda.secret;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SecretTest {

    @ParameterizedTest
    @CsvSource({ "PT59S, false", "PT60S, true", "PT24H, true", "PT-5S, false" })
    void aSecretIsReadAgainAtMostOnceAMinute(Duration since, boolean due) {
        Instant renewed = Instant.parse("2026-11-22T00:00:00Z");
        assertEquals(due, Secret.isDue(renewed, renewed.plus(since)));
    }
}
