package chatlambda.upstream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import io.netty.channel.socket.nio.NioSocketChannel;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class EarlyConnectionTest {

    @AfterEach
    void drop() {
        EarlyConnection.drop();
    }

    @Test
    void oneChannelGoesOnWithItAndNoOther() throws IOException {
        try (var server = server()) {
            EarlyConnection.begin(url(server));
            try (var accepted = server.accept()) {
                assertEquals(NioSocketChannel.class, nextChannel(), "not before it is offered");
                EarlyConnection.offer(URI.create(url(server)));
                assertNotEquals(NioSocketChannel.class, nextChannel());
                EarlyConnection.awaitTaken();
                assertEquals(NioSocketChannel.class, nextChannel());
                assertEquals(-1, accepted.getInputStream().read(), "and nothing was sent");
            }
        }
    }

    @Test
    void oneToAnotherAddressIsClosed() throws IOException {
        try (var server = server()) {
            EarlyConnection.begin(url(server));
            try (var accepted = server.accept()) {
                EarlyConnection.offer(URI.create("https://127.0.0.1:1/v1"));
                assertEquals(-1, accepted.getInputStream().read());
                assertEquals(NioSocketChannel.class, nextChannel());
            }
        }
    }

    @Test
    void oneThatFailedIsNotOffered() {
        EarlyConnection.begin("https://no-such-host.invalid");
        EarlyConnection.offer(URI.create("https://no-such-host.invalid/v1"));
        assertEquals(NioSocketChannel.class, nextChannel());
    }

    @Test
    void whatNeedsNoTlsOrIsNoAddressIsNotConnected() throws IOException {
        try (var server = server()) {
            server.setSoTimeout(100);
            for (String url : new String[] { url(server).replace("https", "http"), "https:", "no url", "" }) {
                EarlyConnection.begin(url);
            }
            assertFalse(isAccepting(server));
        }
    }

    private static boolean isAccepting(ServerSocket server) throws IOException {
        try {
            server.accept().close();
            return true;
        } catch (java.net.SocketTimeoutException e) {
            return false;
        }
    }

    private static Class<?> nextChannel() {
        var channel = (NioSocketChannel) EarlyConnection.channel();
        channel.unsafe().closeForcibly();
        return channel.getClass();
    }

    private static ServerSocket server() throws IOException {
        return new ServerSocket(0, 10, InetAddress.getByName("127.0.0.1"));
    }

    private static String url(ServerSocket server) {
        return "https://127.0.0.1:" + server.getLocalPort() + "/v1";
    }
}
