package chatlambda.budget;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class BudgetsTest {

    private static Budget budget(String client, String amount, Unit unit, Period period) {
        return new Budget(client, new BigDecimal(amount), unit, period);
    }

    private static Budget usd(String client, String amount, Period period) {
        return budget(client, amount, Unit.USD, period);
    }

    private static Budgets of(Budget... all) {
        return new Budgets(List.of(all));
    }

    @Test
    void aClientHasItsOwnBudgetsAndNobodyElses() {
        var budgets = of(usd("app", "20", Period.MONTH), usd("app", "2", Period.DAY), usd("ci", "1", Period.DAY));
        assertEquals(List.of(usd("app", "20", Period.MONTH), usd("app", "2", Period.DAY)), budgets.of("app"));
        assertEquals(List.of(usd("ci", "1", Period.DAY)), budgets.of("ci"));
        assertEquals(List.of(), budgets.of("other"));
        assertEquals(List.of(), budgets.of("APP"), "names are told apart by case");
        assertEquals(List.of(), Budgets.NONE.of("app"));
    }

    @Test
    void theStarsBudgetIsEachClientsByItsOwnName() {
        var each = of(usd("*", "5", Period.DAY));
        assertEquals(List.of(usd("app", "5", Period.DAY)), each.of("app"));
        assertEquals(List.of(usd("direct", "5", Period.DAY)), each.of("direct"));
    }

    @Test
    void theStarsBudgetGivesWayOnlyToOneOfTheSameUnitAndPeriod() {
        var budgets = of(usd("*", "5", Period.DAY), budget("*", "60", Unit.REQUESTS, Period.MINUTE), usd("app", "9", Period.DAY),
                usd("ci", "9", Period.MONTH), budget("bot", "9", Unit.TOKENS, Period.DAY));
        assertEquals(Set.of(usd("app", "9", Period.DAY), budget("app", "60", Unit.REQUESTS, Period.MINUTE)), Set.copyOf(budgets.of("app")));
        assertEquals(Set.of(usd("ci", "5", Period.DAY), usd("ci", "9", Period.MONTH), budget("ci", "60", Unit.REQUESTS, Period.MINUTE)),
                Set.copyOf(budgets.of("ci")), "another period");
        assertEquals(Set.of(usd("bot", "5", Period.DAY), budget("bot", "9", Unit.TOKENS, Period.DAY),
                budget("bot", "60", Unit.REQUESTS, Period.MINUTE)), Set.copyOf(budgets.of("bot")), "another unit");
    }

    @Test
    void aClientsOwnBudgetCountsAlsoWhereItIsLargerThanTheStars() {
        assertEquals(List.of(usd("app", "500", Period.DAY)), of(usd("*", "5", Period.DAY), usd("app", "500", Period.DAY)).of("app"));
        assertEquals(List.of(usd("app", "500", Period.DAY)), of(usd("app", "500", Period.DAY), usd("*", "5", Period.DAY)).of("app"));
    }

    @Test
    void theSharedBudgetIsEverybodysAndStaysOne() {
        var budgets = of(usd("all", "500", Period.MONTH), usd("app", "20", Period.MONTH), usd("*", "5", Period.MONTH));
        assertEquals(Set.of(usd("all", "500", Period.MONTH), usd("app", "20", Period.MONTH)), Set.copyOf(budgets.of("app")));
        assertEquals(Set.of(usd("all", "500", Period.MONTH), usd("ci", "5", Period.MONTH)), Set.copyOf(budgets.of("ci")));
    }

    @Test
    void oneCallerHasAtMostAsManyBudgetsAsConnectionsAreOpened() {
        assertEquals(0, Budgets.NONE.most());
        assertEquals(1, of(usd("app", "1", Period.DAY), usd("ci", "1", Period.DAY)).most());
        assertEquals(2, of(usd("app", "1", Period.DAY), usd("app", "1", Period.MONTH), usd("ci", "1", Period.DAY)).most());
        assertEquals(1, of(usd("*", "1", Period.DAY)).most());
        assertEquals(1, of(usd("all", "1", Period.DAY)).most());
        assertEquals(2, of(usd("*", "1", Period.DAY), usd("all", "1", Period.DAY)).most());
        assertEquals(2, of(usd("*", "1", Period.DAY), usd("all", "1", Period.DAY), usd("app", "2", Period.DAY)).most());
        assertEquals(3, of(usd("*", "1", Period.DAY), usd("all", "1", Period.DAY), usd("app", "2", Period.MONTH)).most());
    }

    @Test
    void aBudgetIsToldAsInTheSettings() {
        assertEquals("app=20.50usd/month", usd("app", "20.50", Period.MONTH).toString());
        assertEquals("*=60requests/minute", budget("*", "60", Unit.REQUESTS, Period.MINUTE).toString());
        assertEquals("100000tokens/day", budget("ci", "100000", Unit.TOKENS, Period.DAY).amount());
        assertEquals("0.000000001usd/hour", usd("app", "0.000000001", Period.HOUR).amount(), "without an exponent");
    }

    @Test
    void onlyTheSumIsShared() {
        assertTrue(usd("all", "1", Period.DAY).isShared());
        assertFalse(usd("*", "1", Period.DAY).isShared());
        assertFalse(usd("ALL", "1", Period.DAY).isShared());
    }

    /** Read off the contract: for each unit and period the client's own, else the star's, and besides the one of all. */
    @Property(tries = 500, seed = "7")
    void aClientHasForEachUnitAndPeriodItsOwnOrElseTheStarsAndTheSharedOne(@ForAll("all") List<Budget> all,
            @ForAll("clients") String client) {
        var budgets = new Budgets(all);
        var expected = new HashSet<Budget>();
        for (Unit unit : Unit.values()) {
            for (Period period : Period.values()) {
                var by = new HashMap<String, Budget>();
                all.stream().filter(each -> each.unit() == unit && each.period() == period).forEach(each -> by.put(each.client(), each));
                Budget own = by.getOrDefault(client, by.get("*"));
                if (own != null) {
                    expected.add(new Budget(client, own.limit(), unit, period));
                }
                if (by.containsKey("all")) {
                    expected.add(by.get("all"));
                }
            }
        }
        List<Budget> its = budgets.of(client);
        assertEquals(expected, Set.copyOf(its));
        assertEquals(expected.size(), its.size(), "none twice");
        assertTrue(its.size() <= budgets.most());
    }

    @Provide
    Arbitrary<String> clients() {
        return Arbitraries.of("app", "ci", "direct", "nobody");
    }

    @Provide
    Arbitrary<List<Budget>> all() {
        var each = Combinators.combine(Arbitraries.of("app", "ci", "direct", "*", "all"), Arbitraries.integers().between(1, 9),
                Arbitraries.of(Unit.values()), Arbitraries.of(Period.values()))
                .as((client, limit, unit, period) -> new Budget(client, BigDecimal.valueOf(limit), unit, period));
        return each.list().ofMaxSize(20).uniqueElements(budget -> List.of(budget.client(), budget.unit(), budget.period()))
                .map(ArrayList::new);
    }
}
