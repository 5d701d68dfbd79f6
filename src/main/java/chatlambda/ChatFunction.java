package chatlambda;

import chatlambda.budget.Ledger;
import chatlambda.log.AccessLog;
import chatlambda.log.JsonLines;
import chatlambda.runtime.Invocation;
import chatlambda.runtime.InvocationLoop;
import chatlambda.runtime.Turn;
import chatlambda.upstream.BytesInFlight;
import chatlambda.upstream.Upstream;

/**
 * What all invocations of one worker share: one {@link ChatTurn} is made of it for each. All but the upstream is every worker's, and for
 * any thread.
 *
 * @param ledger null: nobody has a budget
 */
record ChatFunction(Settings settings, Rules rules, Ledger ledger, BytesInFlight inFlight, AccessLog log, Upstream upstream)
        implements InvocationLoop.Function {

    /** The same for another worker, with an upstream of its own. */
    ChatFunction with(Upstream its) {
        return new ChatFunction(settings, rules, ledger, inFlight, log, its);
    }

    @Override
    public Turn begin(Invocation invocation) {
        JsonLines.setRequestId(invocation.requestId());
        return new ChatTurn(this, invocation);
    }
}
