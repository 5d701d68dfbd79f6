package chatlambda.log;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.LogLines;
import com.fasterxml.jackson.databind.JsonNode;
import org.jboss.logmanager.ExtLogRecord;
import org.jboss.logmanager.Level;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JsonLinesTest {

    @AfterEach
    void nothingIsGoingOn() {
        JsonLines.setRequestId(null);
    }

    private static JsonNode line(ExtLogRecord record) {
        record.setLoggerName("chatlambda.X");
        String line = new JsonLines().format(record);
        assertEquals(line.length() - 1, line.indexOf('\n'), line);
        return LogLines.check(line);
    }

    @Test
    void aMessageIsOneLineWhateverIsInIt() {
        JsonNode json = line(new ExtLogRecord(Level.WARN, "a \"b\"\r\nc \u2028 ü", "X"));
        assertEquals("a \"b\"\r\nc \u2028 ü", json.path("message").asText());
        assertEquals("chatlambda.X", json.path("logger").asText());
        assertFalse(json.has("requestId"));
    }

    @Test
    void aStackTraceStaysOnTheLineOfItsMessage() {
        var record = new ExtLogRecord(Level.ERROR, "broken", "X");
        record.setThrown(new IllegalStateException("outer", new RuntimeException("inner")));
        String trace = line(record).path("stackTrace").asText();
        assertTrue(trace.contains("IllegalStateException: outer\n\tat chatlambda.log.JsonLinesTest"), trace);
        assertTrue(trace.contains("Caused by:"), trace);
    }

    @Test
    void aLineBelongsToTheInvocationThatIsBeingAnswered() {
        JsonLines.setRequestId("r1");
        assertEquals("r1", line(new ExtLogRecord(Level.INFO, "x", "X")).path("requestId").asText());
    }

    @ParameterizedTest
    @CsvSource({ "FATAL, ERROR", "ERROR, ERROR", "SEVERE, ERROR", "WARN, WARN", "WARNING, WARN", "INFO, INFO", "CONFIG, DEBUG",
            "DEBUG, DEBUG", "TRACE, DEBUG" })
    void levelsAreLambdas(String level, String told) {
        assertEquals(told, line(new ExtLogRecord(Level.parse(level), "x", "X")).path("level").asText());
    }
}
