package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.Deployed.FunctionProcess;
import chatlambda.local.LocalLambda;
import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.StubChat;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StartIT {

    @Test
    void aWrongSettingStopsTheStartAndLambdaIsToldWhy() throws InterruptedException {
        try (var lambda = LocalLambda.start(0, InvokeMode.BUFFERED, Duration.ofSeconds(30));
                var process = FunctionProcess.start(Map.of("AWS_LAMBDA_RUNTIME_API", lambda.runtimeApi(), "CHAT_TIMEOUT", "soon"))) {
            String error = lambda.initError(Duration.ofSeconds(30));
            assertTrue(error.startsWith("Runtime.InvalidConfiguration: chat.api-key (environment variable CHAT_API_KEY) is missing"), error);
            assertTrue(error.contains("CHAT_TIMEOUT) is \"soon\", not a time"), error);
            assertEquals(1, process.exitCode());
            assertEquals(1, process.output().lines().count(), process.output());
        }
    }

    /** The binary keeps Quarkus' settings as they were when it was built; what the environment says of them counts all the same. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            QUARKUS_LOG_CONSOLE_FORMAT | said: %m%n | said: chat.url
            _PROD_QUARKUS_LOG_CONSOLE_FORMAT | said: %m%n | said: chat.url
            QUARKUS_LOG_LEVEL | LOUD | Unknown level "LOUD"
            _PROD_CHAT_URL | ftp://profile | is "ftp://profile", not an http or https address
            """)
    void whatTheEnvironmentSaysOfQuarkusCounts(String name, String value, String said) throws InterruptedException {
        try (var process = FunctionProcess.start(Map.of("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1", "CHAT_URL", "nowhere",
                "AWS_LAMBDA_LOG_FORMAT", "Text", name, value))) {
            assertEquals(1, process.exitCode());
            assertTrue(process.output().contains(said), process.output());
        }
    }

    @Test
    void withoutLambdaItSaysInOneLineWhatItIs() throws InterruptedException {
        try (var process = FunctionProcess.start(Map.of())) {
            assertEquals(2, process.exitCode());
            assertEquals(1, process.output().lines().count(), process.output());
            assertTrue(process.output().contains("./mvnw quarkus:dev"), process.output());
        }
    }

    @Test
    void whenLambdaGoesAwayItEndsWithOneLine() throws InterruptedException {
        try (var stub = StubChat.start(Duration.ZERO)) {
            var function = Deployed.against(stub.url(), Map.of());
            try (var process = function.process) {
                assertFalse(function.invoke(Events.file("direct")).functionError());
                function.lambda.awaitPoll();
                function.lambda.close();
                assertEquals(1, process.exitCode());
                assertEquals(1, process.messages().size(), process.output());
            }
        }
    }

    @Test
    void withKeysAskedForAndNoneSetTheLogSaysWhyNobodyGetsIn() throws InterruptedException {
        try (var stub = StubChat.start(Duration.ZERO); var function = Deployed.against(stub.url(), Map.of("CHAT_AUTH", "keys"))) {
            assertFalse(function.invoke(Events.file("direct")).functionError(), "another Lambda is let in by IAM");
            assertEquals(401, function.reply(Events.file("http-api")).getInt("statusCode"));
            assertEquals(1, function.process.messages().size(), function.process.output());
            assertTrue(function.process.messages().get(0).contains("nobody may call over HTTP: chat.client-keys (CHAT_CLIENT_KEYS) is empty"));
        }
    }

    @Test
    void anUpstreamWithoutTlsIsWarnedOf() throws InterruptedException {
        try (var function = Deployed.against(URI.create("http://192.0.2.1"), Map.of("CHAT_PRIME_TIMEOUT", "0s"))) {
            function.lambda.awaitPoll();
            assertEquals(1, function.process.messages().size(), function.process.output());
            assertTrue(function.process.messages().get(0).contains("answers go unencrypted to 192.0.2.1: use https in chat.url (CHAT_URL)"));
        }
    }

    @Test
    @EnabledIf("chatlambda.Deployed#isNative")
    void theZipHoldsTheBinaryAsBootstrapAndItsLicences() throws IOException {
        try (var zip = new ZipFile(Path.of(Deployed.FUNCTION).resolveSibling("function.zip").toFile())) {
            assertEquals("bootstrap LICENSE NOTICE", zip.stream().map(Object::toString).reduce((a, b) -> a + " " + b).orElseThrow());
        }
    }

    @Test
    @EnabledIf("chatlambda.Deployed#isNative")
    void nothingOfDevModeIsInTheBinary() throws IOException {
        String binary = Files.readString(Path.of(Deployed.FUNCTION), StandardCharsets.ISO_8859_1);
        assertTrue(binary.contains("chatlambda.runtime.InvocationLoop"), "class names can be found");
        assertFalse(binary.contains("chatlambda.local") || binary.contains("chatlambda/local"));
    }
}
