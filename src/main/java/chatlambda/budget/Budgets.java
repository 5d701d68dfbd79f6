package chatlambda.budget;

import java.util.ArrayList;
import java.util.List;

/** All budgets, as {@code chat.budgets} has them: no two for the same client, unit and period. Any thread may ask. */
public record Budgets(List<Budget> all) {

    public static final Budgets NONE = new Budgets(List.of());

    public Budgets {
        all = List.copyOf(all);
    }

    /** Those of one client: its own, those that each client has, and those that it shares with all others. */
    public List<Budget> of(String client) {
        var its = new ArrayList<Budget>();
        for (Budget budget : all) {
            if (budget.client().equals(client) || budget.isShared()) {
                its.add(budget);
            } else if (budget.client().equals(Budget.EACH) && !hasOwn(client, budget)) {
                its.add(new Budget(client, budget.limit(), budget.unit(), budget.period()));
            }
        }
        return its;
    }

    private boolean hasOwn(String client, Budget other) {
        return all.stream().anyMatch(each -> each.client().equals(client) && each.isFor(other.unit(), other.period()));
    }

    /** How many budgets one caller has, at most. */
    public int most() {
        int most = 0;
        for (Budget budget : all) { // no stream, which the start would pay for without budgets too
            most = Math.max(most, of(budget.client()).size());
        }
        return most;
    }
}
