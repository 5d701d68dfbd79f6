package chatlambda.event;

import java.util.Map;

/** A chat request as the whole event, from another Lambda or {@code aws lambda invoke}. The response is the answer's body alone. */
public record Direct(byte[] body) implements Event {

    private static final byte[] NONE = {};

    @Override
    public String door() {
        return "direct";
    }

    @Override
    public String contentType(boolean streamed, String answers) {
        return answers;
    }

    @Override
    public byte[] reply(int status, Map<String, String> headers, byte[] answer) {
        return answer;
    }

    @Override
    public byte[] prelude(int status, Map<String, String> headers) {
        return NONE;
    }
}
