package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.dynamodb.model.AttributeDefinition;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.dynamodb.model.BillingMode;
import software.amazon.awssdk.services.dynamodb.model.KeySchemaElement;
import software.amazon.awssdk.services.dynamodb.model.KeyType;
import software.amazon.awssdk.services.dynamodb.model.ScalarAttributeType;

/**
 * A DynamoDB that nobody here wrote, the npm package {@code dynalite}, as a process of its own, with the tables of the budgets as the AWS
 * SDK for Java reads them.
 */
final class Dynalite implements AutoCloseable {

    static final String REGION = "eu-central-1";
    static final String ACCESS_KEY = "AKIDEXAMPLE";
    static final String SECRET_KEY = "aws/secret+key";

    private static final boolean CI = "true".equals(System.getenv("CI"));
    /** Where {@code npm install --prefix target/dynalite} has put it. */
    private static final Path PROGRAM = Path.of("target/dynalite/node_modules/dynalite/cli.js");
    private static final String LISTENS = "Dynalite listening at";
    private static final AtomicInteger TABLES = new AtomicInteger();

    private final Process process;
    private final URI url;
    private final DynamoDbClient client;

    private Dynalite(Process process, URI url) {
        this.process = process;
        this.url = url;
        this.client = DynamoDbClient.builder().endpointOverride(url).region(Region.of(REGION)).httpClient(UrlConnectionHttpClient.create())
                .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create(ACCESS_KEY, SECRET_KEY))).build();
    }

    /** Where it is not installed, the tests that call this are left out; on CI they fail. */
    static Dynalite start() {
        if (!Files.exists(PROGRAM) || !RecipesIT.works("node", "--version")) {
            if (CI && System.getenv("RECIPES_LEFT_OUT") == null) {
                fail("no npm package dynalite, which .ci/run or .github/tools installs");
            }
            System.out.println("Tests of budgets against dynalite are left out: no Node, or no " + PROGRAM);
            abort("no " + PROGRAM);
        }
        try {
            for (int attempt = 0; attempt < 5; attempt++) { // somebody else may take the port first
                int port = freePort();
                var process = new ProcessBuilder("node", PROGRAM.toString(), "--host", "127.0.0.1", "--port", Integer.toString(port),
                        "--createTableMs", "0").redirectErrorStream(true).start();
                var output = process.inputReader();
                if (listens(output)) {
                    drain(output);
                    return new Dynalite(process, URI.create("http://127.0.0.1:" + port));
                }
                process.destroyForcibly();
            }
            throw new AssertionError("dynalite does not start");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int freePort() throws IOException {
        try (var socket = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            return socket.getLocalPort();
        }
    }

    private static boolean listens(BufferedReader output) throws IOException {
        for (String line; (line = output.readLine()) != null;) {
            if (line.startsWith(LISTENS)) {
                return true;
            }
        }
        return false;
    }

    /** What it prints later is read, so that it never waits for a reader. */
    private static void drain(BufferedReader output) {
        var thread = new Thread(() -> output.lines().forEach(line -> {
        }), "dynalite");
        thread.setDaemon(true);
        thread.start();
    }

    /** A new, empty table. */
    Table table() {
        String name = "budgets-" + TABLES.incrementAndGet();
        client.createTable(request -> request.tableName(name).billingMode(BillingMode.PAY_PER_REQUEST)
                .keySchema(KeySchemaElement.builder().attributeName("pk").keyType(KeyType.HASH).build())
                .attributeDefinitions(AttributeDefinition.builder().attributeName("pk").attributeType(ScalarAttributeType.S).build()));
        client.waiter().waitUntilTableExists(request -> request.tableName(name));
        return new Table(name);
    }

    URI url() {
        return url;
    }

    @Override
    public void close() {
        client.close();
        process.destroyForcibly().onExit().join();
    }

    /**
     * What a function is told of the table's account and of its budgets.
     *
     * @param table the table's name
     * @param budgets as in {@code CHAT_BUDGETS}
     * @param more names and values of other settings
     */
    static Map<String, String> settings(URI endpoint, String table, String budgets, String... more) {
        var settings = new HashMap<>(Map.of("AWS_REGION", REGION, "AWS_ACCESS_KEY_ID", ACCESS_KEY, "AWS_SECRET_ACCESS_KEY", SECRET_KEY,
                "AWS_SESSION_TOKEN", "session-token", "AWS_ENDPOINT_URL_DYNAMODB", endpoint.toString(), "CHAT_BUDGET_TABLE", table,
                "CHAT_BUDGETS", budgets));
        for (int i = 0; i < more.length; i += 2) {
            settings.put(more[i], more[i + 1]);
        }
        return settings;
    }

    /** One table. */
    final class Table {

        private final String name;

        private Table(String name) {
            this.name = name;
        }

        String name() {
            return name;
        }

        /** As {@link Dynalite#settings} has it. Node closes connections that were idle for five seconds: none must be used just then. */
        Map<String, String> settings(String budgets, String... more) {
            Map<String, String> settings = Dynalite.settings(url, name, budgets, "CHAT_KEEP_ALIVE", "2s");
            settings.putAll(Dynalite.settings(url, name, budgets, more));
            return settings;
        }

        /** The items whose key begins so, of whichever windows: a test may run over a window's end. */
        List<Map<String, AttributeValue>> items(String beginning) {
            return client.scanPaginator(request -> request.tableName(name).consistentRead(true)
                    .filterExpression("begins_with(pk, :beginning)")
                    .expressionAttributeValues(Map.of(":beginning", AttributeValue.fromS(beginning)))).items().stream().toList();
        }

        /** Over all windows. */
        BigDecimal used(String client, String unit, String period) {
            return items(client + "#" + unit + "#" + period + "#").stream().map(item -> new BigDecimal(item.get("used").n()))
                    .reduce(BigDecimal.ZERO, BigDecimal::add);
        }

        /** Of a budget for a month. */
        void requireUsed(String amount, String client, String unit) {
            requireUsed(new BigDecimal(amount), client, unit);
        }

        void requireUsed(BigDecimal amount, String client, String unit) {
            BigDecimal used = used(client, unit, "month");
            assertEquals(0, amount.compareTo(used), () -> "not " + amount.toPlainString() + " but " + used.toPlainString() + " " + unit
                    + " of " + client);
        }

        /** That nothing was ever counted: there is no item. */
        void requireUntouched(String client) {
            assertFalse(items(client + "#").iterator().hasNext(), () -> items(client + "#").toString());
        }
    }
}
