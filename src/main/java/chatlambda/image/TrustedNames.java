package chatlambda.image;

import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import org.graalvm.nativeimage.hosted.Feature;

/**
 * The first handshake sorts the built-in authorities by name, which needs each name in its canonical form: it is made here, while the
 * image is built, and kept in the authority's certificate.
 */
final class TrustedNames implements Feature {

    @Override
    public void duringSetup(DuringSetupAccess access) {
        try {
            var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            factory.init((KeyStore) null);
            for (X509Certificate authority : ((X509TrustManager) factory.getTrustManagers()[0]).getAcceptedIssuers()) {
                authority.getSubjectX500Principal().hashCode();
            }
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }
}
