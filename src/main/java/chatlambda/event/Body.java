package chatlambda.event;

import chatlambda.json.JsonString;

import java.util.Base64;

/**
 * Where an event holds a request's body; decoded when asked for, so that a refused request costs nothing.
 *
 * @param event the whole event
 * @param quote position of the body's opening quote, or -1: absent or null
 * @param base64 the body is in base64: front doors do that to whatever they do not take for text
 */
record Body(byte[] event, int quote, boolean base64) {

    private static final byte[] NONE = {};

    byte[] decode() {
        if (quote < 0) {
            return NONE;
        }
        byte[] text = JsonString.decode(event, quote);
        return base64 ? Base64.getDecoder().decode(text) : text;
    }
}
