package chatlambda.aws;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HexFormat;
import java.util.SortedMap;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Signs a request to AWS for the path {@code /} without a query, which is all that AWS JSON needs.
 *
 * @see <a href="https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html">Create a signed AWS API
 *      request</a>
 */
public final class SigV4 {

    private static final DateTimeFormatter DATE = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);
    private static final String ALGORITHM = "AWS4-HMAC-SHA256";

    private SigV4() {
    }

    /** {@code X-Amz-Date}, for example {@code 20150830T123600Z}. */
    public static String date(Instant now) {
        return DATE.format(now);
    }

    /**
     * The {@code Authorization} of a request.
     *
     * @param headers to be signed, by lower-case name, {@code host} and {@code x-amz-date} among them
     */
    public static String authorization(String keyId, String secretKey, String region, String service, String method,
            SortedMap<String, String> headers, byte[] body) {
        String date = headers.get("x-amz-date");
        String day = date.substring(0, 8);
        String scope = day + "/" + region + "/" + service + "/aws4_request";
        String signed = String.join(";", headers.keySet());
        var request = new StringBuilder(method).append("\n/\n\n");
        for (var header : headers.entrySet()) {
            request.append(header.getKey()).append(':').append(header.getValue().strip()).append('\n');
        }
        try {
            request.append('\n').append(signed).append('\n').append(sha256(body));
            String toSign = ALGORITHM + "\n" + date + "\n" + scope + "\n" + sha256(request.toString().getBytes(StandardCharsets.UTF_8));
            byte[] key = ("AWS4" + secretKey).getBytes(StandardCharsets.UTF_8);
            for (String part : new String[] { day, region, service, "aws4_request", toSign }) {
                Mac mac = Mac.getInstance("HmacSHA256");
                mac.init(new SecretKeySpec(key, "HmacSHA256"));
                key = mac.doFinal(part.getBytes(StandardCharsets.UTF_8));
            }
            return ALGORITHM + " Credential=" + keyId + "/" + scope + ", SignedHeaders=" + signed + ", Signature="
                    + HexFormat.of().formatHex(key);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e); // cannot happen: every Java has these algorithms
        }
    }

    private static String sha256(byte[] bytes) throws GeneralSecurityException {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    }
}
