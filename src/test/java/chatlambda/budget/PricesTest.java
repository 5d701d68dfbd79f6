package chatlambda.budget;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import chatlambda.budget.Prices.Price;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PricesTest {

    private static Price price(String models, String prompt, String completion) {
        return new Price(models, new BigDecimal(prompt), new BigDecimal(completion));
    }

    private static final Price EXACT = price("openai/gpt-5", "1.25", "10");
    private static final Price FAMILY = price("openai/gpt-5*", "2", "20");
    private static final Price SMALL = price("openai/*-mini", "0.1", "0.4");
    private static final Price REST = price("*", "3", "15");
    private static final Prices ALL = new Prices(List.of(EXACT, FAMILY, SMALL, REST));

    @ParameterizedTest
    @CsvSource({ "openai/gpt-5, 0", "openai/gpt-5-pro, 1", "openai/gpt-5-mini, 1", "openai/gpt-4-mini, 2", "openai/-mini, 2",
            "openai/gpt-4-mini-2, 3", "OPENAI/gpt-5, 3", "anything, 3", "'', 3" })
    void theFirstWhoseGlobMatchesCounts(String model, int first) {
        assertEquals(ALL.all().get(first), ALL.of(model));
    }

    @Test
    void whereNoneMatchesThereIsNoPrice() {
        var some = new Prices(List.of(EXACT, FAMILY, SMALL));
        assertNull(some.of("meta/llama"));
        assertNull(some.of("gpt-5"));
        assertNull(some.of(null));
        assertNull(ALL.of(null), "also where any name matches");
        assertNull(Prices.NONE.of("openai/gpt-5"));
    }

    /** As binary floating point 0.1 and 0.2 make 0.30000000000000004. */
    @ParameterizedTest
    @CsvSource({ "0.1, 0.2, 1, 1, 0.0000003", "1.25, 10, 1000000, 1000000, 11.25", "1.25, 10, 1, 0, 0.00000125", "3, 15, 0, 7, 0.000105",
            "0, 0, 5, 5, 0", "0.000000001, 0, 1, 0, 0.000000000000001", "3, 15, 0, 0, 0",
            "999999999.999999999, 0, 1000000000000000, 0, 999999999999999999" })
    void aPriceIsExact(String in, String out, long prompt, long completion, String usd) {
        BigDecimal price = price("*", in, out).of(prompt, completion);
        assertEquals(0, new BigDecimal(usd).compareTo(price), price::toPlainString);
    }

    @Property(tries = 500, seed = "7")
    void aPriceIsThatOfWholeNumbersOfTheSmallestShares(@ForAll @LongRange(max = 999_999_999_999_999_999L) long in,
            @ForAll @LongRange(max = 999_999_999_999_999_999L) long out, @ForAll @LongRange(max = 1_000_000_000_000_000L) long prompt,
            @ForAll @LongRange(max = 1_000_000_000_000_000L) long completion) {
        var price = new Price("*", BigDecimal.valueOf(in, 9), BigDecimal.valueOf(out, 9));
        BigInteger shares = BigInteger.valueOf(in).multiply(BigInteger.valueOf(prompt))
                .add(BigInteger.valueOf(out).multiply(BigInteger.valueOf(completion)));
        assertEquals(0, new BigDecimal(shares, 15).compareTo(price.of(prompt, completion)));
    }
}
