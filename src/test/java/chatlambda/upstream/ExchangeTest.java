package chatlambda.upstream;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.Unpooled;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ExchangeTest {

    private static final int BOUND = 1_000;

    private final BytesInFlight bytes = new BytesInFlight(BOUND);
    private final BytesInFlight.Share other = bytes.begin();

    /** -1: the head tells no length. */
    @ParameterizedTest
    @ValueSource(longs = { -1, 0, 1, 599, 600, 601, BOUND, BOUND + 1, Long.MAX_VALUE })
    void aBodyComesTogetherFromItsPieces(long announced) {
        byte[] body = new byte[600];
        new Random(5).nextBytes(body);
        Exchange exchange = exchange(bytes.begin());
        exchange.announce(announced);
        for (int at = 0, piece = 0; at < body.length; at += piece) {
            piece = Math.min(body.length - at, piece + 7);
            arrive(exchange, body, at, piece);
        }
        assertArrayEquals(body, exchange.content());
    }

    @Test
    void anAnswerWithoutABodyHasNone() {
        Exchange exchange = exchange(bytes.begin());
        exchange.announce(5);
        assertArrayEquals(new byte[0], exchange.content());
    }

    @Test
    void whatIsAnnouncedIsHeldFromThenOnAndOnce() {
        Exchange exchange = exchange(bytes.begin());
        exchange.announce(600);
        assertTrue(other.take(400), "that is the most");
        assertFalse(other.take(1));
        arrive(exchange, new byte[600], 0, 600);
        exchange.body += 1;
        assertFalse(exchange.keeps(1), "one more than was announced");
        assertTrue(exchange.hadNoRoom());
    }

    @Test
    void whatThereIsNoRoomForIsRefusedAsItArrives() {
        other.take(500);
        Exchange exchange = exchange(bytes.begin());
        exchange.announce(600);
        arrive(exchange, new byte[500], 0, 500);
        exchange.body += 1;
        assertFalse(exchange.keeps(1));
    }

    private static Exchange exchange(BytesInFlight.Share held) {
        return new Exchange(null, "1", BOUND, held, Map.of(), false);
    }

    private static void arrive(Exchange exchange, byte[] body, int at, int length) {
        exchange.body += length;
        assertTrue(exchange.keeps(length));
        exchange.collect(Unpooled.wrappedBuffer(body, at, length));
    }
}
