package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.HashMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HeapTest {

    @ParameterizedTest
    @CsvSource({ "1, 2048, 8", "absent, 2048, 8", "2, 2048, 32", "64, 2048, 32", "1600, 32768, 512", "2, 128, 8", "2, absent, 8",
            "many, 2048, 8", "2, much, 8", "0, 2048, 8" })
    void theYoungGenerationFollowsTheMemoryWhereThereAreMany(String workers, String memory, int young) {
        var environment = new HashMap<String, String>();
        environment.put("AWS_LAMBDA_MAX_CONCURRENCY", workers);
        environment.put("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory);
        environment.values().removeIf("absent"::equals);
        assertEquals(young, Heap.young(environment));
    }
}
