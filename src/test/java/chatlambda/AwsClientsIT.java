package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.local.StubChat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.io.TempDir;

/** The Invoke API, as AWS's own clients use it, where they are installed. */
class AwsClientsIT {

    private static StubChat stub;
    private static Deployed function;

    @TempDir
    Path files;

    @BeforeAll
    static void start() {
        stub = StubChat.start(Duration.ZERO);
        function = Deployed.against(stub.url(), Map.of());
    }

    @AfterAll
    static void stop() {
        function.close();
        stub.close();
    }

    static boolean hasCli() throws IOException, InterruptedException {
        return works("aws", "--version");
    }

    static boolean hasBoto3() throws IOException, InterruptedException {
        return works("python3", "-c", "import boto3");
    }

    private static boolean works(String... command) throws IOException, InterruptedException {
        try {
            return new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start()
                    .waitFor() == 0;
        } catch (IOException e) {
            return false; // not installed
        }
    }

    @Test
    @EnabledIf("hasCli")
    void theCliInvokesTheFunction() throws IOException, InterruptedException {
        assertTrue(cli("direct").contains("\"StatusCode\": 200"));
        assertTrue(Files.readString(files.resolve("answer.json")).contains("You said: Grüß Gott from another Lambda"));
    }

    @Test
    @EnabledIf("hasCli")
    void theCliSeesAFunctionError() throws IOException, InterruptedException {
        assertTrue(cli("not-chat-schedule").contains("\"FunctionError\": \"Unhandled\""));
        assertTrue(Files.readString(files.resolve("answer.json")).contains("Chat.UnsupportedEvent"));
    }

    private String cli(String event) throws IOException, InterruptedException {
        return run("aws", "lambda", "invoke", "--endpoint-url", function.lambda.url().toString(), "--function-name", "chat",
                "--payload", "fileb://events/" + event + ".json",
                files.resolve("answer.json").toString());
    }

    @Test
    @EnabledIf("hasBoto3")
    void boto3InvokesTheFunction() throws IOException, InterruptedException {
        String said = run("python3", "-c", """
                import boto3, json, sys
                client = boto3.client("lambda", endpoint_url=sys.argv[1])
                answer = client.invoke(FunctionName="chat", Payload=json.dumps({"messages": [{"role": "user", "content": "Hi"}]}))
                assert "FunctionError" not in answer
                print(json.load(answer["Payload"])["choices"][0]["message"]["content"])
                refused = client.invoke(FunctionName="chat", Payload=json.dumps({"model": "stub/429", "messages": [{"role": "user"}]}))
                error = json.load(refused["Payload"])
                print(refused["FunctionError"], error["errorType"], json.loads(error["errorMessage"])["error"]["type"])
                """, function.lambda.url().toString());
        assertEquals("You said: Hi\nUnhandled Chat.UpstreamError rate_limit_error\n", said);
    }

    private String run(String... command) throws IOException, InterruptedException {
        Path said = files.resolve("said.txt");
        var builder = new ProcessBuilder(List.of(command)).redirectErrorStream(true).redirectOutput(said.toFile());
        builder.environment().putAll(Map.of("AWS_ACCESS_KEY_ID", "x", "AWS_SECRET_ACCESS_KEY", "x", "AWS_DEFAULT_REGION", "eu-central-1",
                "AWS_EC2_METADATA_DISABLED", "true"));
        int exit = builder.start().waitFor();
        assertEquals(0, exit, () -> Events.read(said));
        return Files.readString(said);
    }
}
