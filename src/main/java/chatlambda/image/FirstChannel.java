package chatlambda.image;

import chatlambda.upstream.EarlyConnection;
import com.oracle.svm.core.annotate.Substitute;
import com.oracle.svm.core.annotate.TargetClass;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFactory;

/** Vert.x takes no channel that somebody else has opened, so it is given ours where it makes its own. */
@TargetClass(className = "io.vertx.core.impl.transports.JDKTransport")
final class FirstChannel {

    private FirstChannel() {
    }

    @Substitute
    public ChannelFactory<? extends Channel> channelFactory(boolean domainSocket) {
        if (domainSocket) {
            throw new IllegalArgumentException("there are no domain sockets here");
        }
        return EarlyConnection::channel;
    }
}
