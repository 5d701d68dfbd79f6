import chatlambda.local.LocalLambda;
import chatlambda.local.LocalLambda.InvokeMode;
import chatlambda.local.StubChat;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/**
 * Records what a start of the binary touches, up to the first answer, for {@code chatlambda.image.ImageLayout}:
 * {@code Layout.java BINARY LISTING KEYS CA OUT}. Valgrind's tool lackey tells each address; the listing, which the image's build has
 * written, what is there.
 *
 * <p>Written are CRC-32 of names, in sections in the order in which they are to lie in the image: what a start with a plain upstream
 * touches, then what others touch beside. A later build finds most of them again, even of changed code.
 */
public final class Layout {

    private static final Duration PATIENCE = Duration.ofMinutes(5); // everything takes a hundred times as long
    /** Bytes: no two objects or methods share so many. */
    private static final int GRANULE = 8;
    /** Bytes of the heap, at whose beginning offsets leave room for a null pointer. */
    private static final long CHUNK = 512 * 1024;
    private static final String KEY_SHA_256 = "1b32c28cb38c05480eccc1bd60ff97029b57a05c96718b96dad7e9d84894f549";

    private final String binary;
    /** By address in the image as it was linked. */
    private final TreeMap<Long, String> methods = new TreeMap<>();
    /** By offset in the image's heap. */
    private final TreeMap<Long, Item> objects = new TreeMap<>();
    private final long text;
    private final Set<String> listed = new HashSet<>();
    /** Headings, and hashes of names below them. */
    private final List<String> lines = new ArrayList<>();

    private record Item(long size, String hash) {
    }

    public static void main(String[] args) throws Exception {
        var layout = new Layout(args[0], Path.of(args[1]));
        SSLContext identity = identity(Path.of(args[2]));
        try (var plain = StubChat.start(Duration.ZERO); var tls = StubChat.start(Duration.ZERO, identity)) {
            String secure = "https://localhost:" + tls.url().getPort();
            layout.record("http", Map.of("CHAT_URL", plain.url().toString()), false);
            layout.record("https and an authority that the JDK does not know", Map.of("CHAT_URL", secure), false);
            layout.record("https and a given authority", Map.of("CHAT_URL", secure, "QUARKUS_TLS_TRUST_STORE_PEM_CERTS", args[3]), false);
            layout.record("http and a stream", Map.of("CHAT_URL", plain.url().toString(), "CHAT_RESPONSE_MODE", "stream"), true);
        }
        Files.write(Path.of(args[4]), layout.lines);
        System.exit(0);
    }

    private Layout(String binary, Path listing) throws IOException {
        this.binary = binary;
        try (var lines = Files.lines(listing)) {
            lines.map(line -> line.split(" ", 5)).forEach(word -> {
                if (word[0].equals("method")) {
                    methods.put(Long.parseLong(word[1]), word[3]);
                } else {
                    objects.put(Long.parseLong(word[1]), new Item(Long.parseLong(word[2]), word[3]));
                }
            });
        }
        text = Long.parseLong(readelf("-sW", "__svm_code_section")[1], 16);
    }

    /** The words of the line that has that one. */
    private String[] readelf(String option, String word) throws IOException {
        var process = new ProcessBuilder("readelf", option, binary).start();
        try (var lines = process.inputReader()) {
            return lines.lines().map(line -> line.trim().split("[ \\[\\]]+")).filter(words -> List.of(words).contains(word)).findFirst()
                    .orElseThrow(() -> new IOException(binary + " has no " + word));
        }
    }

    /** One start and its first answer. */
    private void record(String title, Map<String, String> settings, boolean stream) throws Exception {
        var touched = new Touched();
        long heap;
        try (var lambda = LocalLambda.start(0, stream ? InvokeMode.RESPONSE_STREAM : InvokeMode.BUFFERED, PATIENCE)) {
            var builder = new ProcessBuilder("valgrind", "--tool=lackey", "--trace-mem=yes", "--log-fd=1", binary)
                    .redirectErrorStream(true);
            builder.environment().clear();
            builder.environment().putAll(Map.of("AWS_LAMBDA_RUNTIME_API", lambda.runtimeApi(), "CHAT_API_KEY", "k", "CHAT_CLIENT_KEYS",
                    "bench=" + KEY_SHA_256, "CHAT_PRIME_TIMEOUT", "120s", "PATH", System.getenv("PATH")));
            builder.environment().putAll(settings);
            Process process = builder.start();
            var reading = new Thread(() -> touched.read(process));
            reading.start();
            lambda.awaitPoll();
            lambda.invoke(event(stream));
            lambda.awaitPoll();
            heap = heap(process.pid());
            process.destroyForcibly().waitFor();
            reading.join();
        }
        var written = new TreeSet<String>();
        var run = new TreeSet<String>();
        var read = new TreeSet<String>();
        touched.data.forEach((granule, isWritten) -> {
            var object = objects.floorEntry(granule * GRANULE - heap);
            if (object != null && granule * GRANULE - heap < object.getKey() + object.getValue().size) {
                (isWritten ? written : read).add(object.getValue().hash);
            }
        });
        read.removeAll(written);
        touched.code.forEach(granule -> Optional.ofNullable(methods.floorEntry(granule * GRANULE - text))
                .ifPresent(method -> run.add(method.getValue())));
        list("objects that are written, with " + title, written);
        list("methods that run, with " + title, run);
        list("objects that are only read, with " + title, read);
    }

    private void list(String heading, Set<String> hashes) {
        hashes.removeIf(hash -> !listed.add(hash));
        lines.add("# " + hashes.size() + " " + heading);
        lines.addAll(hashes);
        System.out.println("bench: " + hashes.size() + " more " + heading);
    }

    /** What a process has touched, by granule. */
    private static final class Touched {

        final Set<Long> code = new HashSet<>();
        /** Whether it was written. */
        final Map<Long, Boolean> data = new HashMap<>();

        /** @param process prints a line for each access: its kind, the address, a comma, the number of bytes */
        void read(Process process) {
            try (var lines = process.inputReader(StandardCharsets.ISO_8859_1)) {
                long last = -1;
                for (String line; (line = lines.readLine()) != null;) {
                    int comma = line.indexOf(',');
                    if (comma < 4 || line.charAt(2) != ' ') {
                        continue;
                    }
                    long address = 0;
                    for (int i = 3; i < comma && address >= 0; i++) {
                        int digit = Character.digit(line.charAt(i), 16);
                        address = digit < 0 ? -1 : address * 16 + digit;
                    }
                    if (address < 0) {
                        continue; // something else that was printed
                    }
                    long granule = address / GRANULE;
                    if (line.charAt(0) != 'I') {
                        data.merge(granule, line.charAt(1) != 'L', Boolean::logicalOr);
                    } else if (granule != last) {
                        code.add(granule);
                        last = granule;
                    }
                }
            } catch (IOException e) {
                return; // the process has been ended amid a line
            }
        }
    }

    /** From where the process counts offsets in the image's heap, which it has mapped apart from where the file was loaded. */
    private long heap(long pid) throws IOException {
        List<String> section = List.of(readelf("-SW", ".svm_heap"));
        int name = section.indexOf(".svm_heap"); // its type, address and offset in the file follow
        long address = Long.parseLong(section.get(name + 2), 16);
        long offset = Long.parseLong(section.get(name + 3), 16);
        for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/maps"))) {
            String[] words = line.split(" +");
            long from = Long.parseLong(words[0].split("-")[0], 16);
            if (words.length > 5 && words[5].equals(binary) && Long.parseLong(words[2], 16) == offset && from != address) {
                return from - objects.firstKey() / CHUNK * CHUNK; // the first one lies behind its chunk's header
            }
        }
        throw new IOException("no heap in /proc/" + pid + "/maps");
    }

    private static byte[] event(boolean stream) {
        String chat = "{\\\"model\\\":\\\"m\\\"," + (stream ? "\\\"stream\\\":true," : "")
                + "\\\"messages\\\":[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"Hello\\\"}]}";
        return ("{\"version\":\"2.0\",\"rawPath\":\"/v1/chat/completions\",\"headers\":{\"content-type\":\"application/json\","
                + "\"authorization\":\"Bearer bench\"},\"requestContext\":{\"domainName\":\"x.lambda-url.eu-central-1.on.aws\",\"http\":{"
                + "\"method\":\"POST\",\"path\":\"/v1/chat/completions\"},\"stage\":\"$default\"},\"body\":\"" + chat
                + "\",\"isBase64Encoded\":false}").getBytes(StandardCharsets.UTF_8);
    }

    private static SSLContext identity(Path keys) throws IOException, GeneralSecurityException {
        char[] password = "password".toCharArray();
        var managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        managers.init(KeyStore.getInstance(keys.toFile(), password), password);
        var context = SSLContext.getInstance("TLS");
        context.init(managers.getKeyManagers(), null, null);
        return context;
    }
}
