package chatlambda.budget;

import chatlambda.chat.ChatError;
import java.math.BigDecimal;
import java.util.List;

/**
 * What one request has reserved of its caller's budgets, to be settled once it is over, whatever came of it.
 *
 * @param shares one for each budget
 * @param refusal why the request may not be made; null: it may
 */
public record Reservation(List<Share> shares, ChatError refusal) {

    /**
     * Of one budget.
     *
     * @param amount that was to be reserved
     * @param result what became of that
     */
    record Share(Budget budget, Period.Window window, BigDecimal amount, BudgetTable.Result result) {

        boolean isReserved() {
            return result.kind() == BudgetTable.Result.Kind.DONE;
        }

        boolean isRefused() {
            return result.kind() == BudgetTable.Result.Kind.REFUSED;
        }

        /** The key of the table's item, for example {@code app#usd#month#2026-11}. */
        String item() {
            return item(budget, window);
        }

        static String item(Budget budget, Period.Window window) {
            return budget.client() + "#" + budget.unit().label() + "#" + budget.period().label() + "#" + window.name();
        }
    }

    /**
     * What the caller may know of its budgets, with this request's reservation, for example {@code 20usd/month;used=3.21}; empty: there is
     * nothing.
     */
    public String header() {
        var told = new StringBuilder();
        for (Share share : shares) {
            if (share.isReserved() && !share.budget().isShared()) {
                told.append(told.isEmpty() ? "" : ", ").append(share.budget().amount()).append(";used=")
                        .append(Ledger.plain(share.result().used()));
            }
        }
        return told.toString();
    }

    /** Whether the request was refused since a budget is used up. */
    public boolean isUsedUp() {
        return refusal != null && refusal.kind() == ChatError.Kind.BudgetExceeded;
    }
}
