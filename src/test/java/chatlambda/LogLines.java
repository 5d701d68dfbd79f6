package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Set;

/** What holds for every line that the function logs, whatever was done to it. */
public final class LogLines {

    /** What every key begins with that is used in the tests, and nothing else. */
    static final String KEY_PREFIX = "sk-test-";

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final JsonSchema SCHEMA = JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012)
            .getSchema(LogLines.class.getResourceAsStream("/embedded-metric-format.schema.json"));
    private static final Set<String> LEVELS = Set.of("DEBUG", "INFO", "WARN", "ERROR");

    private LogLines() {
    }

    /** One JSON object for each line, with a time and a level, without a key, and metrics as CloudWatch takes them. */
    static void check(Path log) {
        try (var lines = Files.lines(log)) {
            lines.forEach(LogLines::check);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static JsonNode check(String line) {
        assertFalse(line.contains(KEY_PREFIX), () -> "a key in the log: " + line);
        JsonNode json;
        try {
            json = JSON.readTree(line);
        } catch (JsonProcessingException e) {
            throw new AssertionError("not JSON: " + line, e);
        }
        assertTrue(json.isObject(), line);
        Instant.parse(json.path("timestamp").asText());
        assertTrue(LEVELS.contains(json.path("level").asText()), line);
        if (json.has("_aws")) {
            checkMetrics(json, line);
        }
        return json;
    }

    private static void checkMetrics(JsonNode json, String line) {
        assertEquals(Set.of(), SCHEMA.validate(json), line);
        for (JsonNode directive : json.at("/_aws/CloudWatchMetrics")) {
            assertEquals("ChatLambda", directive.path("Namespace").asText());
            for (JsonNode dimensions : directive.path("Dimensions")) {
                for (JsonNode dimension : dimensions) {
                    JsonNode value = json.path(dimension.asText());
                    assertTrue(value.isTextual() && value.asText().matches("[\\x20-\\x7e]{1,1024}") && !value.asText().isBlank(), line);
                }
            }
            for (JsonNode metric : directive.path("Metrics")) {
                assertTrue(json.path(metric.path("Name").asText()).isNumber(), line);
            }
        }
    }
}
