package chatlambda.image;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** A substitution still compiles when the method that it replaces has changed, so a new version needs somebody who looks. */
class WrittenForTest {

    private static final String STATED = "src/main/java/chatlambda/image/package-info.java";

    @Test
    void substitutionsWereWrittenForThisQuarkus() throws IOException {
        assertEquals(in("pom.xml", "<quarkus.version>(.+)</quarkus.version>"), in(STATED, "Quarkus (\\d\\S*\\w)"), """
                quarkus.version in pom.xml is not the one that chatlambda.image was written for. Compare with Quarkus' new sources:
                - PreparedConfig: the method runtimeConfig that io.quarkus.deployment.configuration.RunTimeConfigurationGenerator
                  generates, the names of the classes that it generates, and the sources that SmallRyeConfigBuilder adds by default
                - PreparedConfig: the field `mappings` of SmallRyeConfig, and ConfigDiagnostic.deprecatedProperties
                - NoListeners: io.quarkus.rest.client.reactive.runtime.RestClientListeners
                - .ci/reproducible: what of Quarkus cannot be the same
                Run ./mvnw verify -Dnative, and bench/run check for the size of the image. Then state the new version in\s"""
                + STATED);
    }

    @Test
    void firstChannelWasWrittenForThisVertx() throws IOException {
        assertEquals(in("pom.xml", "<vertx.version>(.+)</vertx.version>"), in(STATED, "Vert\\.x (\\d\\S*\\w)"), """
                vertx.version in pom.xml is not the one that chatlambda.image was written for. Compare channelFactory of
                io.vertx.core.impl.transports.JDKTransport with FirstChannel, and run ./mvnw verify -Dnative.
                Then state the new version in\s""" + STATED);
    }

    private static String in(String file, String pattern) throws IOException {
        Matcher found = Pattern.compile(pattern).matcher(Files.readString(Path.of(file)));
        return found.find() ? found.group(1) : "none in " + file;
    }
}
