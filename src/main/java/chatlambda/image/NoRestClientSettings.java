package chatlambda.image;

import com.oracle.svm.core.annotate.Substitute;
import com.oracle.svm.core.annotate.TargetClass;
import io.quarkus.restclient.config.AbstractRestClientConfigBuilder;
import io.quarkus.restclient.config.RestClientKeysProvider;
import io.smallrye.config.SmallRyeConfigBuilder;

/**
 * {@code quarkus.rest-client.chat.*}, some sixty settings under seven names each, is read at every start although a client made by a
 * builder, as {@link chatlambda.completion.Upstream} makes it, takes none of them.
 */
@TargetClass(AbstractRestClientConfigBuilder.class)
final class NoRestClientSettings {

    private NoRestClientSettings() {
    }

    @Substitute
    public SmallRyeConfigBuilder configBuilder(SmallRyeConfigBuilder builder) {
        RestClientKeysProvider.KEYS.clear(); // filled when the image was built
        return builder;
    }
}
