package chatlambda;

import chatlambda.access.Access;
import chatlambda.log.AccessLog;
import chatlambda.log.JsonLines;
import chatlambda.runtime.Invocation;
import chatlambda.runtime.InvocationLoop;
import chatlambda.runtime.Turn;
import chatlambda.upstream.Upstream;

/** What all invocations share: one {@link ChatTurn} is made of it for each. */
record ChatFunction(Settings settings, Access access, Upstream upstream, AccessLog log) implements InvocationLoop.Function {

    @Override
    public Turn begin(Invocation invocation) {
        JsonLines.setRequestId(invocation.requestId());
        return new ChatTurn(settings, access, upstream, log, invocation);
    }
}
