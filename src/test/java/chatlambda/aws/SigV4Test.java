package chatlambda.aws;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SigV4Test {

    /**
     * Those of AWS's published test vectors that sign the path {@code /} without a query: {@code get-vanilla}, {@code post-vanilla},
     * {@code post-header-key-sort}, {@code post-x-www-form-urlencoded}.
     */
    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            GET  | -            | -                                 | -           | 5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31
            POST | -            | -                                 | -           | 5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b
            POST | my-header1   | value1                            | -           | c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c
            POST | content-type | application/x-www-form-urlencoded | Param1=value1 | ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a
            """)
    void theSignatureIsTheOneThatAwsPublished(String method, String header, String value, String body, String signature) {
        var headers = new TreeMap<String, String>();
        headers.put("host", "example.amazonaws.com");
        headers.put("x-amz-date", SigV4.date(Instant.parse("2015-08-30T12:36:00Z")));
        if (header != null) {
            headers.put(header, value);
        }
        assertEquals("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="
                + String.join(";", headers.keySet()) + ", Signature=" + signature,
                SigV4.authorization("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service", method, headers,
                        body == null ? new byte[0] : body.getBytes(StandardCharsets.UTF_8)));
    }
}
