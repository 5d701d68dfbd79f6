package chatlambda.image;

import com.oracle.svm.core.annotate.Substitute;
import com.oracle.svm.core.annotate.TargetClass;
import io.quarkus.vertx.runtime.jackson.QuarkusJacksonFactory;
import io.vertx.core.json.jackson.JacksonCodec;
import io.vertx.core.spi.json.JsonCodec;

/**
 * Keeps Jackson's databind out of the native image. {@code quarkus-amazon-lambda-common} sets an {@code ObjectMapper} up at every start,
 * for a poll loop that is not ours, and Vert.x takes one where it can, for JSON that nobody here asks it for.
 */
final class NoObjectMapper {

    private NoObjectMapper() {
    }

    @TargetClass(className = "io.quarkus.amazon.lambda.runtime.AmazonLambdaMapperRecorder")
    static final class LambdaMapper {

        private LambdaMapper() {
        }

        @Substitute
        public void initObjectMapper() {
            // nothing of ours is mapped
        }

        @Substitute
        public void initContextReaders() {
            // nothing of ours is mapped
        }
    }

    @TargetClass(QuarkusJacksonFactory.class)
    static final class VertxCodec {

        private VertxCodec() {
        }

        @Substitute
        public JsonCodec codec() {
            return new JacksonCodec();
        }

        @Substitute
        public static void reset() {
            // there is no mapper to forget
        }
    }
}
