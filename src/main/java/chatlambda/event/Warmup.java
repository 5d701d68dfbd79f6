package chatlambda.event;

import java.util.Map;

/** A schedule's or a plugin's event, which only keeps an instance warm: it is answered with an empty object, and asks for nothing. */
public record Warmup() implements Event {

    private static final byte[] NONE = {};

    @Override
    public byte[] body() {
        return NONE;
    }

    @Override
    public String door() {
        return "warmup";
    }

    @Override
    public String contentType(boolean streamed, String answers) {
        return "application/json";
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
