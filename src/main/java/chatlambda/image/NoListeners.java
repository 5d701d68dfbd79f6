package chatlambda.image;

import com.oracle.svm.core.annotate.Substitute;
import com.oracle.svm.core.annotate.TargetClass;
import java.util.Collection;
import java.util.List;

/** The REST client looks through the class path for listeners whenever one is built; the image has none of them. */
@TargetClass(className = "io.quarkus.rest.client.reactive.runtime.RestClientListeners")
final class NoListeners {

    private NoListeners() {
    }

    @Substitute
    static Collection<Object> get() {
        return List.of();
    }
}
