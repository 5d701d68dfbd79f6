package chatlambda;

import jakarta.json.Json;
import jakarta.json.JsonObject;
import jakarta.json.JsonValue;
import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Events: the project's fixtures, events recorded elsewhere where {@code EVENTS_DIR} names them, and made-up ones. */
public final class Events {

    private Events() {
    }

    public static String file(String name) {
        return read(Path.of("events", name + ".json"));
    }

    public static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The project's own fixtures, then the recorded ones. */
    public static List<Path> all() {
        String more = System.getenv("EVENTS_DIR");
        try (var own = Files.list(Path.of("events")); var recorded = more == null ? Stream.<Path>of() : Files.walk(Path.of(more), 2)) {
            return Stream.concat(own, recorded.filter(path -> !path.toString().contains("upstream")))
                    .filter(path -> path.toString().endsWith(".json")).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** An upstream's streams: the project's own, then the recorded ones. */
    public static List<Path> streams() {
        String more = System.getenv("EVENTS_DIR");
        try (var recorded = more == null ? Stream.<Path>of() : Files.list(Path.of(more, "upstream"))) {
            return Stream.concat(Stream.of(Path.of("src", "test", "resources", "upstream-stream.sse")),
                    recorded.filter(file -> file.toString().endsWith(".sse"))).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A Function URL's event. */
    public static String http(String method, String path, String contentType, String body) {
        var headers = Json.createObjectBuilder();
        if (contentType != null) {
            headers.add("content-type", contentType);
        }
        return Json.createObjectBuilder().add("version", "2.0").add("rawPath", path).add("headers", headers)
                .add("requestContext", Json.createObjectBuilder().add("domainName", "x.lambda-url.eu-central-1.on.aws")
                        .add("http", Json.createObjectBuilder().add("method", method).add("path", path)).add("stage", "$default"))
                .add("body", body).add("isBase64Encoded", false).build().toString();
    }

    public static String post(String body) {
        return http("POST", "/v1/chat/completions", "application/json", body);
    }

    /** The same event as a POST of {@code body} to the chat route, all else as it was. */
    public static String asChat(JsonObject event, String body) {
        var chat = Json.createObjectBuilder(event).add("body", body).add("isBase64Encoded", false);
        var context = event.getJsonObject("requestContext");
        if (context.containsKey("http")) {
            String stage = context.getString("stage", "$default");
            chat.add("rawPath", (stage.startsWith("$") ? "" : "/" + stage) + "/v1/chat/completions");
            chat.add("requestContext", Json.createObjectBuilder(context)
                    .add("http", Json.createObjectBuilder(context.getJsonObject("http")).add("method", "POST")));
        } else {
            chat.add("httpMethod", "POST").add("path", "/v1/chat/completions");
        }
        for (String field : List.of("headers", "multiValueHeaders")) {
            if (event.get(field) instanceof JsonObject headers) {
                var kept = Json.createObjectBuilder();
                headers.forEach((name, value) -> {
                    boolean probe = name.equalsIgnoreCase("user-agent") && value.toString().contains("ELB-HealthChecker");
                    if (!name.equalsIgnoreCase("content-type") && !probe) {
                        kept.add(name, value);
                    }
                });
                JsonValue type = Json.createValue("application/json");
                chat.add(field, kept.add("Content-Type", field.equals("headers") ? type : Json.createArrayBuilder().add(type).build()));
            }
        }
        return chat.build().toString();
    }

    public static JsonObject json(String text) {
        try (var reader = Json.createReader(new StringReader(text))) {
            return reader.readObject();
        }
    }
}
