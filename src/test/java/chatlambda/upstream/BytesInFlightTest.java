package chatlambda.upstream;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class BytesInFlightTest {

    @Test
    void oneThatAloneHoldsAnyMayHoldAsManyAsItLikes() {
        var share = new BytesInFlight(10).begin();
        assertTrue(share.take(11));
        assertTrue(share.take(1_000));
    }

    @Test
    void manyTogetherMayHoldTheMost() {
        var bytes = new BytesInFlight(10);
        var first = bytes.begin();
        var second = bytes.begin();
        assertTrue(first.take(4));
        assertTrue(second.take(6), "that is the most");
        assertFalse(second.take(1));
        assertFalse(first.take(1));
        assertFalse(bytes.begin().take(1));
        assertTrue(bytes.begin().take(0));
        second.close();
        assertTrue(first.take(1_000), "alone again");
        assertFalse(bytes.begin().take(1));
        first.close();
        assertTrue(bytes.begin().take(11), "nobody holds any");
    }

    @Test
    void whatIsClosedTakesNothingMore() {
        var bytes = new BytesInFlight(10);
        var share = bytes.begin();
        assertTrue(share.take(5));
        share.close();
        share.close();
        assertFalse(share.take(5));
        assertTrue(bytes.begin().take(11), "nothing is left of it");
    }

    /** The event loop may take while the worker gives up: whichever is first, nothing is left, and no more than the most was held. */
    @Test
    void nothingIsLeftWhateverHappensAtOnce() throws Exception {
        var bytes = new BytesInFlight(100);
        var holding = new AtomicInteger();
        var most = new AtomicInteger();
        var barrier = new CyclicBarrier(4);
        var all = new ArrayList<CompletableFuture<Void>>();
        for (int i = 0; i < 4; i++) {
            all.add(CompletableFuture.runAsync(() -> rounds(bytes, barrier, holding, most), command -> new Thread(command).start()));
        }
        CompletableFuture.allOf(all.toArray(new CompletableFuture<?>[0])).join();
        assertTrue(most.get() <= 100, most + " bytes at once");
        assertTrue(bytes.begin().take(1_000), "nobody holds any");
    }

    private static void rounds(BytesInFlight bytes, CyclicBarrier barrier, AtomicInteger holding, AtomicInteger most) {
        try {
            barrier.await();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
        for (int i = 0; i < 20_000; i++) {
            var share = bytes.begin();
            boolean holds = share.take(40);
            if (holds) {
                most.accumulateAndGet(holding.addAndGet(40), Math::max);
                Thread.yield();
                holding.addAndGet(-40);
            }
            var closing = i % 50 == 0 ? CompletableFuture.runAsync(share::close) : null;
            share.take(1);
            share.close();
            if (closing != null) {
                closing.join();
            }
            assertFalse(share.take(1));
        }
    }
}
