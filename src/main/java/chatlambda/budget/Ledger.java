package chatlambda.budget;

import chatlambda.budget.BudgetTable.Result;
import chatlambda.budget.BudgetTable.Update;
import chatlambda.budget.Prices.Price;
import chatlambda.budget.Reservation.Share;
import chatlambda.chat.ChatError;
import chatlambda.chat.Metering;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jboss.logging.Logger;

/**
 * Holds callers to their budgets, across all instances: before a request what it may take is added to each of its budgets, if that has
 * room for it; afterwards the difference to what it has taken. So a budget is exceeded by no more than what answers take beyond their
 * reservations. A reservation whose end nobody has seen, since the process was killed, stays until its window ends. Any thread may call.
 */
public final class Ledger {

    private static final Logger LOG = Logger.getLogger(Ledger.class);

    private static final String CANNOT_ASK = "the budgets cannot be looked at now: ask again in 5 seconds";
    private static final String RETRY_SECONDS = "5";

    /** What happens while the table cannot be asked: {@code chat.budget-on-failure}. */
    public enum OnFailure {
        /** No request is answered that a budget is for. */
        REFUSE,
        /** They all are, and the log tells what was not counted. */
        ALLOW
    }

    /** How long reserving may take, and settling. */
    private static final Duration LIMIT = Duration.ofSeconds(1);
    /** What is left of that, at least, once the invocation's time is over. */
    private static final Duration LATE = Duration.ofMillis(200);
    /** How many models may be told of that have no price. */
    private static final int MAX_MODELS = 100;

    /** Models that have no price, and have been told of. */
    private final Set<String> unpriced = ConcurrentHashMap.newKeySet();
    private final BudgetTable table;
    private final OnFailure onFailure;
    private final InstantSource clock;

    public Ledger(BudgetTable table, OnFailure onFailure, InstantSource clock) {
        this.table = table;
        this.onFailure = onFailure;
        this.clock = clock;
    }

    /**
     * Reserves what a request may take, within 1 s. All of its budgets are asked at once; a request that may take more than a whole budget
     * is refused without that.
     *
     * @param budgets the caller's
     * @param price of the model that is asked; null: not known, and no dollars are reserved
     * @param left of the invocation's time
     * @return to be settled in any case, also where it refuses the request
     */
    public Reservation reserve(List<Budget> budgets, Metering request, Price price, Duration left) {
        Instant now = clock.instant();
        var shares = new ArrayList<Share>();
        for (Budget budget : budgets) {
            BigDecimal amount = amount(budget.unit(), request, price);
            boolean fits = amount.compareTo(budget.limit()) <= 0;
            shares.add(new Share(budget, budget.period().at(now), amount, fits ? null : new Result(Result.Kind.REFUSED, null, null)));
        }
        if (shares.stream().anyMatch(share -> share.result() != null)) {
            shares.removeIf(share -> share.result() == null);
            return new Reservation(shares, refusal(shares, now));
        }
        List<Result> results = table.update(shares.stream().map(share -> new Update(share.item(), share.window().expires(), share.amount(),
                share.budget().limit().subtract(share.amount()))).toList(), limit(left));
        for (int i = 0; i < results.size(); i++) {
            Share asked = shares.get(i);
            shares.set(i, new Share(asked.budget(), asked.window(), asked.amount(), results.get(i)));
        }
        if (shares.stream().anyMatch(Share::isRefused)) {
            return new Reservation(shares, refusal(shares, now));
        }
        boolean isAsked = shares.stream().allMatch(Share::isReserved);
        return new Reservation(shares, isAsked || onFailure == OnFailure.ALLOW ? null : unavailable(shares));
    }

    private static BigDecimal amount(Unit unit, Metering request, Price price) {
        return switch (unit) {
            case REQUESTS -> BigDecimal.ONE;
            case TOKENS -> BigDecimal.valueOf(request.promptTokens()).add(BigDecimal.valueOf(request.completionTokens()));
            case USD -> price == null ? BigDecimal.ZERO : price.of(request.promptTokens(), request.completionTokens());
        };
    }

    /** Of those that refuse, the one whose window ends last. */
    private static ChatError refusal(List<Share> shares, Instant now) {
        Share last = shares.stream().filter(Share::isRefused).max(Comparator.comparing(share -> share.window().end())).orElseThrow();
        long seconds = Math.max(1, Duration.between(now, last.window().end()).plusNanos(999_999_999).toSeconds());
        boolean isTooLarge = last.amount().compareTo(last.budget().limit()) > 0;
        return ChatError.budgetExceeded(last.budget().period() == Period.MINUTE, !isTooLarge, message(last, isTooLarge), seconds);
    }

    private static String message(Share share, boolean isTooLarge) {
        Budget budget = share.budget();
        String anew = ", which begins anew at " + share.window().endText();
        String its = budget.isShared() ? "the budget that all callers share" : "the budget " + budget;
        if (isTooLarge) {
            return "this request may take more than " + (budget.isShared() ? "" : "all of ") + its + anew
                    + ": send less, or ask for fewer tokens (max_tokens)";
        }
        BigDecimal used = share.result().used();
        String counts = budget.isShared() || used == null ? "" : ": " + plain(used) + " of " + plain(budget.limit()) + " "
                + budget.unit().label() + " are used, and this request may take " + plain(share.amount());
        return its + anew + ", has no room for this request" + counts;
    }

    private static ChatError unavailable(List<Share> shares) {
        for (Share share : shares) {
            if (!share.isReserved()) {
                LOG.errorf("a request was refused, since the budget %s could not be looked at (CHAT_BUDGET_ON_FAILURE is refuse): %s",
                        share.budget(), share.result().reason());
            }
        }
        return ChatError.budgetUnavailable(CANNOT_ASK).with("retry-after", RETRY_SECONDS);
    }

    private static Duration limit(Duration left) {
        Duration limit = left.compareTo(LIMIT) < 0 ? left : LIMIT;
        return limit.compareTo(LATE) < 0 ? LATE : limit;
    }

    /**
     * Settles a reservation, within 1 s; what that could not be done for is an error in the log, with its amounts.
     *
     * @param left of the invocation's time
     */
    public void settle(Reservation reservation, Spent spent, Duration left) {
        var changed = new ArrayList<Share>();
        var updates = new ArrayList<Update>();
        for (Share share : reservation.shares()) {
            BigDecimal real = spent.of(share.budget().unit());
            BigDecimal difference = real == null ? BigDecimal.ZERO : real.subtract(share.amount());
            if (share.isReserved() && difference.signum() != 0) {
                changed.add(share);
                updates.add(new Update(share.item(), share.window().expires(), difference, null));
            } else if (reservation.refusal() != null && share.result().kind() == Result.Kind.UNKNOWN) {
                LOG.errorf("%s %s may stay counted in %s, for a request that was refused: %s", plain(share.amount()),
                        share.budget().unit().label(), share.item(), share.result().reason());
            } else if (!share.isReserved() && reservation.refusal() == null && (real == null || real.signum() != 0)) {
                LOG.errorf("%s %s %s counted in %s (CHAT_BUDGET_ON_FAILURE is allow): %s", plain(real == null ? share.amount() : real),
                        share.budget().unit().label(), share.result().kind() == Result.Kind.UNKNOWN ? "may not be" : "are not",
                        share.item(), share.result().reason());
            }
        }
        if (updates.isEmpty()) {
            return;
        }
        List<Result> results = table.update(updates, limit(left));
        for (int i = 0; i < results.size(); i++) {
            Result result = results.get(i);
            if (result.kind() != Result.Kind.DONE) {
                LOG.errorf("%s %s %s added to %s, to settle a reservation of %s: %s", plain(updates.get(i).amount()),
                        changed.get(i).budget().unit().label(), result.kind() == Result.Kind.UNKNOWN ? "may not have been" : "were not",
                        changed.get(i).item(), plain(changed.get(i).amount()), result.reason());
            }
        }
    }

    /**
     * Tells the operator, once for each model, that what it answers is not counted in dollars.
     *
     * @param model without the upstream's key; null: not known
     */
    public void tellUnpriced(Reservation reservation, String model) {
        boolean isPriced = reservation.shares().stream().noneMatch(share -> share.budget().unit() == Unit.USD);
        if (!isPriced && model != null && unpriced.size() < MAX_MODELS && unpriced.add(model)) {
            LOG.warnf("what %s answers is not counted in dollars, since neither the upstream nor chat.prices (CHAT_PRICES) tells its price:"
                    + " add it there", model);
        }
    }

    /** Without an exponent, and without zeros at the end of its decimals. */
    static String plain(BigDecimal amount) {
        BigDecimal stripped = amount.stripTrailingZeros();
        return (stripped.scale() < 0 ? stripped.setScale(0) : stripped).toPlainString();
    }
}
