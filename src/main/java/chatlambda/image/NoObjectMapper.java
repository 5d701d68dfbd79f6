package chatlambda.image;

import com.oracle.svm.core.annotate.Substitute;
import com.oracle.svm.core.annotate.TargetClass;

/**
 * Keeps Jackson's databind out of the native image: {@code quarkus-amazon-lambda-common} sets an {@code ObjectMapper} up at every start, for
 * a poll loop that is not ours.
 */
@TargetClass(className = "io.quarkus.amazon.lambda.runtime.AmazonLambdaMapperRecorder")
final class NoObjectMapper {

    private NoObjectMapper() {
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
