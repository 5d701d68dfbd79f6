package chatlambda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import chatlambda.budget.Budget;
import chatlambda.budget.Ledger;
import chatlambda.budget.Period;
import chatlambda.budget.Prices.Price;
import chatlambda.budget.Unit;
import io.smallrye.config.EnvConfigSource;
import io.smallrye.config.SmallRyeConfigBuilder;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code CHAT_BUDGETS}, {@code CHAT_BUDGET_TABLE}, {@code CHAT_BUDGET_ON_FAILURE} and {@code CHAT_PRICES}, and where texts may be. */
class BudgetSettingsTest {

    private static final String HASH = "0123456789abcdef".repeat(4);
    private static final String PARAMETER = "arn:aws:ssm:eu-central-1:123456789012:parameter/chat";
    private static final String SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:chat-AbCdEf";
    private static final String BUDGETS = "chat.budgets (environment variable CHAT_BUDGETS) ";
    private static final String BUDGET_REMEDY = "set it to client=AMOUNTunit/period items such as app=20usd/month,*=60requests/minute,"
            + " with one of usd, tokens, requests and one of minute, hour, day, month";
    private static final String PRICES = "chat.prices (environment variable CHAT_PRICES) ";
    private static final String PRICE_REMEDY = "set it to model=IN/OUT items, in US dollars per million prompt and completion tokens,"
            + " such as openai/gpt-5*=1.25/10,*=3/15";
    private static final String ARN_REMEDY = "set it to arn:aws:ssm:REGION:ACCOUNT:parameter/NAME";

    /** As they are read from the environment. */
    private static Settings settings(Map<String, String> variables) throws Settings.Invalid {
        var all = new HashMap<>(Map.of("CHAT_API_KEY", "k", "CHAT_CLIENT_KEYS", "app=" + HASH + ",ci=" + HASH, "CHAT_BUDGET_TABLE",
                "table"));
        all.putAll(variables);
        all.values().removeIf("absent"::equals);
        var config = new SmallRyeConfigBuilder().addDefaultInterceptors().withProfile("prod")
                .withSources(new EnvConfigSource(all, 300)).build();
        return Settings.of(name -> Main.text(config, name), all);
    }

    private static String refused(Map<String, String> variables) {
        return assertThrows(Settings.Invalid.class, () -> settings(variables)).getMessage();
    }

    private static Settings read(String budgets, String keys) throws Settings.Invalid {
        var given = Map.of("api-key", "k", "client-keys", keys, "budget-table", "table", "budgets", budgets);
        return Settings.of(given::get, Map.of());
    }

    private static Budget budget(String client, String limit, Unit unit, Period period) {
        return new Budget(client, new BigDecimal(limit), unit, period);
    }

    @Test
    void theContractsExampleIsReadInItsOrder() throws Settings.Invalid {
        assertEquals(List.of(budget("app", "20", Unit.USD, Period.MONTH), budget("app", "2", Unit.USD, Period.DAY),
                budget("ci", "100000", Unit.TOKENS, Period.DAY), budget("*", "60", Unit.REQUESTS, Period.MINUTE),
                budget("all", "500", Unit.USD, Period.MONTH)),
                settings(Map.of("CHAT_BUDGETS", "app=20usd/month,app=2usd/day,ci=100000tokens/day,*=60requests/minute,all=500usd/month"))
                        .budgets().all());
    }

    @Test
    void withoutBudgetsThereIsNoTableAndNothingElse() throws Settings.Invalid {
        for (String none : new String[] { "absent", "", "  " }) {
            Settings read = settings(Map.of("CHAT_BUDGETS", none, "CHAT_BUDGET_TABLE", "absent"));
            assertEquals(List.of(), read.budgets().all());
            assertNull(read.budgetTable());
            assertFalse(read.hasBudgets());
            assertEquals(Map.of(), read.stored().arns());
        }
    }

    @ParameterizedTest
    @CsvSource({ "direct=1usd/day", "iam=1usd/day", "passthrough=1usd/day", "*=1usd/day", "all=1usd/day", "app=0.000000001usd/day",
            "app=999999999999.999999999usd/day", "app=1tokens/hour", "app=007requests/minute", "app=1.0usd/day", " app = 1usd/day " })
    void aBudgetMayBe(String text) throws Settings.Invalid {
        Budget read = settings(Map.of("CHAT_BUDGETS", text)).budgets().all().get(0);
        String expected = text.replace(" ", "").replace("=00", "=");
        assertEquals(expected, read.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = { "app", "app=", "app=1", "app=1usd", "app=usd/day", "app=1usd/", "app=/day", "app=1/day",
            "app=1usd/week", "app=1usd/days", "app=1USD/day", "app=1usd/Day", "app=1eur/day", "app=1request/day", "app=1token/day",
            "app=-1usd/day", "app=+1usd/day", "app=1.usd/day", "app=.5usd/day", "app=1.5.5usd/day", "app=1e3usd/day", "app=0x1usd/day",
            "app=1_000usd/day", "app=1 usd/day", "app=1usd /day", "app=1usd/ day", "app=1usd/day/day", "app=1usd/day=", "app==1usd/day",
            "app=$1usd/day", "app=1$/day", "app=1.5tokens/day", "app=1.0tokens/day", "app=1.0requests/day", "app=1234567890123usd/day",
            "app=1.1234567890usd/day", "app=\u0661usd/day", "app=1usd/day;ci=1usd/day", "app:1usd/day", "usd/day", "=1usd/day" })
    void whatIsNoBudgetIsRefused(String item) {
        String expected = BUDGETS + "has the item \"" + item + "\", which is no budget: " + BUDGET_REMEDY;
        assertEquals(expected, refused(Map.of("CHAT_BUDGETS", item)));
        assertEquals(expected, refused(Map.of("CHAT_BUDGETS", "ci=5requests/minute , " + item)), "also beside another");
    }

    @ParameterizedTest
    @ValueSource(strings = { ",", "app=1usd/day,", ",app=1usd/day", "app=1usd/day,,ci=1usd/day", " , " })
    void anEmptyItemIsRefused(String text) {
        assertEquals(BUDGETS + "has the item \"\", which is no budget: " + BUDGET_REMEDY, refused(Map.of("CHAT_BUDGETS", text)));
    }

    @ParameterizedTest
    @ValueSource(strings = { "App", "apps", "none", "**", "*a", "ALL", "Direct", "a b", "\u00e4" })
    void aClientThatNobodyKnowsIsRefused(String client) {
        assertEquals(BUDGETS + "names the client \"" + client + "\": name one whom CHAT_CLIENT_KEYS names, direct, iam, passthrough, * for"
                + " each client, or all for the sum", refused(Map.of("CHAT_BUDGETS", client + "=1usd/day")));
    }

    @ParameterizedTest
    @ValueSource(strings = { "0usd", "0.0usd", "0.000000000usd", "000000000000usd", "0tokens", "0requests" })
    void aBudgetOfNothingIsRefused(String amount) {
        assertEquals(BUDGETS + "has the item \"app=" + amount + "/day\", a budget of 0: set it to more, or take the client's key away",
                refused(Map.of("CHAT_BUDGETS", "app=" + amount + "/day")));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            app=1usd/day,app=2usd/day                                | app in usd for a day
            app=1usd/day,ci=1usd/day,app=1.0usd/day                  | app in usd for a day
            *=1requests/minute,*=2requests/minute                    | * in requests for a minute
            all=1tokens/month,app=1tokens/month,all=2tokens/month    | all in tokens for a month
            """)
    void twoBudgetsOfAClientForTheSameUnitAndPeriodAreRefused(String text, String which) {
        assertEquals(BUDGETS + "has two budgets of " + which + ": leave one of them", refused(Map.of("CHAT_BUDGETS", text)));
    }

    @Test
    void budgetsOfAnotherUnitOrPeriodOrClientAreNotTheSame() throws Settings.Invalid {
        String text = "app=1usd/day,app=1usd/hour,app=1tokens/day,ci=1usd/day,*=1usd/day,all=1usd/day";
        assertEquals(text, String.join(",", settings(Map.of("CHAT_BUDGETS", text)).budgets().all().stream().map(Budget::toString)
                .toList()));
    }

    @Test
    void allThatIsWrongIsToldAtOnce() {
        String message = refused(Map.of("CHAT_BUDGETS", "app=0usd/day,x,who=1usd/day,ci=1usd/day", "CHAT_PRICES", "m=1",
                "CHAT_BUDGET_TABLE", "absent",
                "CHAT_BUDGET_ON_FAILURE", "maybe"));
        assertEquals(6, message.split("; ").length, message);
    }

    @ParameterizedTest
    @ValueSource(strings = { "all", "direct", "iam", "passthrough", "none" })
    void noClientsKeyMayHaveANameThatMeansSomethingElse(String name) {
        assertEquals("chat.client-keys (environment variable CHAT_CLIENT_KEYS) has an item that does not begin with a client's name and ="
                + " (it is not shown; direct, iam, passthrough, none and all are no client's names): set it to name=hash, where the hash is"
                + " what this prints: printf %s \"$KEY\" | sha256sum", refused(Map.of("CHAT_CLIENT_KEYS", name + "=" + HASH)));
    }

    /** A budget as the settings have it. */
    record Item(String client, String amount, Unit unit, Period period, String before, String inside, String behind) {

        String text() {
            return before + client + inside + "=" + inside + amount + unit.name().toLowerCase(Locale.ROOT) + "/"
                    + period.name().toLowerCase(Locale.ROOT) + behind;
        }
    }

    @Property(tries = 300, seed = "7")
    void anyWellFormedTextIsReadAsItIsWritten(@ForAll("items") List<Item> items) throws Settings.Invalid {
        var keys = new HashSet<String>();
        items.stream().map(Item::client).filter(each -> !Set.of("direct", "iam", "passthrough", "*", "all").contains(each))
                .forEach(each -> keys.add(each + "=" + HASH));
        Settings read = read(String.join(",", items.stream().map(Item::text).toList()), String.join(",", keys));
        assertEquals(items.stream().map(each -> budget(each.client(), each.amount(), each.unit(), each.period())).toList(),
                read.budgets().all());
        assertEquals(!items.isEmpty(), read.hasBudgets());
    }

    @Provide
    Arbitrary<List<Item>> items() {
        var name = Arbitraries.strings().withChars("abcXYZ019._-").ofMinLength(1).ofMaxLength(64).filter(each -> !each.equals("all"));
        var client = Arbitraries.frequencyOf(Tuple.of(2, Arbitraries.of("direct", "iam", "passthrough", "*", "all")), Tuple.of(3, name));
        var whole = Arbitraries.longs().between(1, 999_999_999_999L).map(each -> Long.toString(each));
        var decimal = Combinators.combine(whole, Arbitraries.strings().numeric().ofMinLength(1).ofMaxLength(9)).as((a, b) -> a + "." + b);
        var space = Arbitraries.strings().withChars(" \t\n").ofMaxLength(2);
        return Combinators.combine(client, Arbitraries.oneOf(whole, decimal), Arbitraries.of(Unit.values()),
                Arbitraries.of(Period.values()),
                space, space, space)
                .as((who, amount, unit, period, before, inside, behind) -> new Item(who,
                        unit == Unit.USD ? amount : amount.replaceAll("\\..*", ""), unit, period, before, inside, behind))
                .list().ofMaxSize(6).uniqueElements(each -> List.of(each.client(), each.unit(), each.period()));
    }

    private static final Pattern ONE_BUDGET = Pattern.compile("[ \\t]*(app|ci|direct|iam|passthrough|\\*|all)[ \\t]*=[ \\t]*"
            + "(?!0*(?:\\.0*)?[a-z])(?:[0-9]{1,12}(?:\\.[0-9]{1,9})?(usd)|[0-9]{1,12}(tokens|requests))/(minute|hour|day|month)[ \\t]*");

    private static boolean isWellFormed(String text) {
        var seen = new HashSet<String>();
        for (String item : text.split(",", -1)) {
            var parts = ONE_BUDGET.matcher(item);
            if (!parts.matches() || !seen.add(parts.group(1) + " " + parts.group(2) + parts.group(3) + " " + parts.group(4))) {
                return false;
            }
        }
        return true;
    }

    /** One character more, less or another. */
    @Property(tries = 2_000, seed = "7")
    void aTextThatIsNotWellFormedIsRefusedByName(@ForAll("budgetTexts") String text, @ForAll("mutations") Mutation mutation) {
        String mutated = mutation.of(text);
        String keys = "app=" + HASH + ",ci=" + HASH;
        try {
            Settings read = read(mutated, keys);
            assertTrue(mutated.isBlank() || isWellFormed(mutated), () -> "accepted: " + mutated);
            assertEquals(mutated.isBlank() ? 0 : mutated.split(",").length, read.budgets().all().size());
        } catch (Settings.Invalid e) {
            assertFalse(isWellFormed(mutated), () -> "refused: " + mutated);
            for (String problem : e.getMessage().split("; ")) {
                assertTrue(problem.startsWith(BUDGETS) && problem.contains(": "), problem);
                boolean namesIt = List.of(mutated.split(",", -1)).stream()
                        .anyMatch(item -> problem.contains("the item \"" + item.strip() + "\"")
                        || problem.contains("the client \"" + item.substring(0, Math.max(0, item.indexOf('='))).strip() + "\"")
                        || problem.contains("two budgets of " + item.substring(0, Math.max(0, item.indexOf('='))).strip() + " in "));
                assertTrue(namesIt, problem);
            }
        }
    }

    @Provide
    Arbitrary<String> budgetTexts() {
        return Arbitraries.of("app=20usd/month", "app=2.5usd/day,ci=100000tokens/day", "*=60requests/minute", "all=1usd/hour,*=1usd/hour",
                "direct=10tokens/month", "app=0.1usd/day,app=0.1usd/hour");
    }

    /** @param with null: nothing comes in the place of what goes */
    record Mutation(double at, boolean removes, String with) {

        String of(String text) {
            int from = (int) (at * text.length());
            return text.substring(0, from) + (with == null ? "" : with) + text.substring(Math.min(text.length(), from + (removes ? 1 : 0)));
        }
    }

    @Provide
    Arbitrary<Mutation> mutations() {
        return Combinators.combine(Arbitraries.doubles().between(0, 1), Arbitraries.of(true, false),
                Arbitraries.of("0", "1", ".", ",", "=", "/", " ", "\t", "*", "-", "s", "u", "e", "\u00a0", "\u0663", "+").injectNull(0.2))
                .as(Mutation::new);
    }

    @Test
    void pricesAreReadInTheirOrderAsExactDecimals() throws Settings.Invalid {
        assertEquals(List.of(new Price("openai/gpt-5*", new BigDecimal("1.25"), new BigDecimal("10")),
                new Price("a=b", new BigDecimal("0"), new BigDecimal("0.000000001")),
                new Price("*", new BigDecimal("3"), new BigDecimal("15.50")), new Price("*", new BigDecimal("1"), new BigDecimal("2"))),
                settings(Map.of("CHAT_PRICES", "openai/gpt-5*=1.25/10, a=b=0/0.000000001 ,* = 3 / 15.50,*=1/2")).prices().all());
        assertEquals(List.of(), settings(Map.of()).prices().all());
        assertEquals(List.of(), settings(Map.of("CHAT_PRICES", " ")).prices().all());
    }

    @ParameterizedTest
    @ValueSource(strings = { "m", "m=", "m=1", "m=1/", "m=/1", "=1/2", "m=1/2/3", "m=-1/2", "m=1/-2", "m=+1/2", "m=1e3/2", "m=.5/2",
            "m=1./2", "m=1.0000000001/2", "m=1234567890/2", "m=1/2usd", "m=1 2/3", "a b=1/2", "a..b=1/2", "m=1/\u0662", "m:1/2", "1/2" })
    void whatIsNoPriceIsRefused(String item) {
        String expected = PRICES + "has the item \"" + item + "\", which is no price: " + PRICE_REMEDY;
        assertEquals(expected, refused(Map.of("CHAT_PRICES", item)));
        assertEquals(expected, refused(Map.of("CHAT_PRICES", "x=1/2 , " + item)));
    }

    @ParameterizedTest
    @ValueSource(strings = { ",", "m=1/2,", ",m=1/2" })
    void anEmptyPriceIsRefused(String text) {
        assertEquals(PRICES + "has the item \"\", which is no price: " + PRICE_REMEDY, refused(Map.of("CHAT_PRICES", text)));
    }

    @Property(tries = 300, seed = "7")
    void anyWellFormedPricesAreReadAsTheyAreWritten(@ForAll("prices") List<List<String>> prices) throws Settings.Invalid {
        var given = Map.of("api-key", "k", "prices", String.join(",", prices.stream()
                .map(each -> each.get(3) + each.get(0) + each.get(3) + "="
                + each.get(1) + "/" + each.get(2) + each.get(3)).toList()));
        assertEquals(prices.stream().map(each -> new Price(each.get(0), new BigDecimal(each.get(1)), new BigDecimal(each.get(2)))).toList(),
                Settings.of(given::get, Map.of()).prices().all());
    }

    @Provide
    Arbitrary<List<List<String>>> prices() {
        var model = Arbitraries.strings().withChars("abAB01*/:@=_-").ofMinLength(1).ofMaxLength(12);
        var amount = Combinators.combine(Arbitraries.longs().between(0, 999_999_999), Arbitraries.strings().numeric().ofMaxLength(9))
                .as((whole, decimals) -> whole + (decimals.isEmpty() ? "" : "." + decimals));
        return Combinators.combine(model, amount, amount, Arbitraries.of("", " ", "\t "))
                .as((m, in, out, space) -> List.of(m, in, out, space))
                .list().ofMaxSize(5);
    }

    @ParameterizedTest
    @ValueSource(strings = { "tab", "Chat.Budgets_2-b", " table\n" })
    void aTableHasADynamoDbTablesName(String name) throws Settings.Invalid {
        assertEquals(name.strip(), settings(Map.of("CHAT_BUDGETS", "app=1usd/day", "CHAT_BUDGET_TABLE", name)).budgetTable());
        assertEquals(255, settings(Map.of("CHAT_BUDGET_TABLE", "t".repeat(255))).budgetTable().length());
    }

    @ParameterizedTest
    @ValueSource(strings = { "ab", "a b c", "arn:aws:dynamodb:eu-central-1:123456789012:table/t", "a/b", "\u00e4\u00e4\u00e4", "LONG" })
    void whatIsNoTablesNameIsRefused(String name) {
        String text = name.replace("LONG", "t".repeat(256));
        assertEquals("chat.budget-table (environment variable CHAT_BUDGET_TABLE) is \"" + text
                + "\", not the name of a table: set it to the"
                + " name of a DynamoDB table in the function's region (see template.yaml)", refused(Map.of("CHAT_BUDGET_TABLE", text)));
    }

    @ParameterizedTest
    @ValueSource(strings = { "app=1usd/day", PARAMETER })
    void budgetsNeedATable(String budgets) {
        for (String table : new String[] { "absent", "", " " }) {
            assertEquals("chat.budget-table (environment variable CHAT_BUDGET_TABLE) is not set, while CHAT_BUDGETS is: set it to the name"
                    + " of a DynamoDB table in the function's region (see template.yaml)",
                    refused(Map.of("CHAT_BUDGETS", budgets, "CHAT_BUDGET_TABLE", table)));
        }
    }

    @ParameterizedTest
    @CsvSource({ "absent, REFUSE", "refuse, REFUSE", "allow, ALLOW", "ALLOW, ALLOW", "' allow ', ALLOW" })
    void onFailureRequestsAreRefusedOrAllowed(String given, Ledger.OnFailure expected) throws Settings.Invalid {
        assertEquals(expected, settings(Map.of("CHAT_BUDGET_ON_FAILURE", given)).budgetOnFailure());
    }

    @ParameterizedTest
    @ValueSource(strings = { "", "true", "deny", "refuse,allow" })
    void anythingElseOnFailureIsRefused(String given) {
        String is = given.isEmpty() ? "is empty" : "is \"" + given + "\", none of refuse, allow";
        assertEquals("chat.budget-on-failure (environment variable CHAT_BUDGET_ON_FAILURE) " + is + ": set it to refuse, or to allow",
                refused(Map.of("CHAT_BUDGET_ON_FAILURE", given)));
    }

    @Test
    void clientKeysBudgetsAndPricesMayBeParameters() throws Settings.Invalid {
        Settings read = settings(Map.of("CHAT_CLIENT_KEYS", PARAMETER + "/keys", "CHAT_BUDGETS", " " + PARAMETER + "/budgets\n",
                "CHAT_PRICES",
                PARAMETER + "/prices"));
        assertEquals(Map.of("client-keys", PARAMETER + "/keys", "budgets", PARAMETER + "/budgets", "prices", PARAMETER + "/prices"),
                read.stored().arns());
        assertEquals(List.of(), read.clientKeys());
        assertEquals(List.of(), read.budgets().all());
        assertEquals(List.of(), read.prices().all());
        assertTrue(read.hasBudgets(), "callers may have some");
        assertFalse(settings(Map.of("CHAT_PRICES", PARAMETER)).hasBudgets());
    }

    @ParameterizedTest
    @ValueSource(strings = { "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/a/b/c",
            "arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/a" })
    void aParameterMayBeInAnyOfAwssPartitions(String arn) throws Settings.Invalid {
        assertEquals(Map.of("budgets", arn), settings(Map.of("CHAT_BUDGETS", arn)).stored().arns());
    }

    @ParameterizedTest
    @CsvSource({ "client-keys", "budgets", "prices" })
    void anArnOfAnythingElseIsRefused(String name) {
        String variable = "CHAT_" + name.replace('-', '_').toUpperCase(Locale.ROOT);
        for (String arn : new String[] { SECRET, "arn:aws:ssm:eu-central-1:12345:parameter/x",
                "arn:aws:ssm:eu-central-1:123456789012:parameter/",
                "arn:aws:ssm:eu-central-1:123456789012:document/x", "arn:", "arn:aws:ssm::123456789012:parameter/x" }) {
            assertEquals("chat." + name + " (environment variable " + variable + ") is \"" + arn + "\", an ARN of no parameter: "
                    + ARN_REMEDY,
                    refused(Map.of(variable, arn)));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = { "CHAT_BUDGET_TABLE", "CHAT_BUDGET_ON_FAILURE", "CHAT_MODEL_ALIASES", "CHAT_MAX_TOKENS_CAP", "CHAT_ROUTES" })
    void noOtherSettingMayBeAParameter(String variable) {
        assertTrue(refused(Map.of(variable, PARAMETER)).contains("(environment variable " + variable + ") "));
    }

    @Test
    void anExpressionOfWhichAPartIsNotSetIsNoBudget() {
        assertEquals(BUDGETS + "is \"app=${LIMIT}usd/day\", an expression of which a part is not set: set that, or write what it stands"
                + " for",
                refused(Map.of("CHAT_BUDGETS", "app=${LIMIT}usd/day")));
    }

    @Test
    void whatTheParametersHoldIsReadLikeTheSettingsThemselves() throws Settings.Invalid {
        Settings first = settings(Map.of("CHAT_CLIENT_KEYS", PARAMETER, "CHAT_BUDGETS", PARAMETER, "CHAT_PRICES", "*=1/2", "CHAT_MODEL",
                "m"));
        Settings read = first.stored().with(Map.of("client-keys", "bot=" + HASH.toUpperCase(Locale.ROOT), "budgets", "bot=1usd/day\n"));
        assertEquals("bot", read.clientKeys().get(0).client());
        assertArrayEquals(HexFormat.of().parseHex(HASH), read.clientKeys().get(0).sha256());
        assertEquals(List.of(budget("bot", "1", Unit.USD, Period.DAY)), read.budgets().all());
        assertEquals("*", read.prices().all().get(0).models());
        assertEquals("m k table", read.models().standard() + " " + read.apiKey() + " " + read.budgetTable(), "the rest stays");
        assertSame(first.stored(), read.stored(), "and can be read once more");
        assertTrue(read.hasBudgets());
        assertEquals(List.of(), read.stored().with(Map.of("client-keys", "", "budgets", " ")).budgets().all());
    }

    @Test
    void aParameterWithoutSettingsThatCountIsToldByTheSettingsName() throws Settings.Invalid {
        var stored = settings(Map.of("CHAT_CLIENT_KEYS", PARAMETER, "CHAT_BUDGETS", PARAMETER)).stored();
        var wrong = new HashMap<>(Map.of("client-keys", "bot=" + HASH, "budgets", "bot=0usd/day"));
        assertEquals(BUDGETS + "has the item \"bot=0usd/day\", a budget of 0: set it to more, or take the client's key away",
                assertThrows(Settings.Invalid.class, () -> stored.with(wrong)).getMessage());
        wrong.put("budgets", PARAMETER);
        assertEquals(BUDGETS + "is \"" + PARAMETER + "\", which a parameter holds: store the setting's text there: " + ARN_REMEDY,
                assertThrows(Settings.Invalid.class, () -> stored.with(wrong)).getMessage());
        wrong.put("budgets", "bot=1usd/day");
        wrong.put("client-keys", "bot=sk-test-not-a-hash");
        String message = assertThrows(Settings.Invalid.class, () -> stored.with(wrong)).getMessage();
        assertTrue(message.startsWith("chat.client-keys (environment variable CHAT_CLIENT_KEYS) has for bot what is no SHA-256"), message);
        assertFalse(message.contains("sk-test"), message);
    }

    /** Keys come and go without a deployment, and limits may be there before them. */
    @Test
    void whereAParameterHoldsTheKeysOtherSettingsMayNameAnyClient() throws Settings.Invalid {
        var limits = new HashMap<>(Map.of("CHAT_CLIENT_KEYS", PARAMETER, "CHAT_BUDGETS", "new=1usd/day", "CHAT_ALLOWED_MODELS", "new=m",
                "CHAT_MAX_TOKENS_CAP", "new=7", "CHAT_MAX_REQUEST_BYTES", "new=9"));
        Settings first = settings(limits);
        for (Settings read : List.of(first, first.stored().with(Map.of("client-keys", "other=" + HASH)))) {
            assertEquals(List.of(budget("new", "1", Unit.USD, Period.DAY)), read.budgets().of("new"));
            assertEquals(List.of("m"), read.allowedModels().of("new"));
            assertEquals(7, read.maxTokensCap().of("new"));
            assertEquals(9, read.maxRequestBytes().of("new"));
        }
        limits.put("CHAT_CLIENT_KEYS", "app=" + HASH);
        var problems = new ArrayList<>(List.of(refused(limits).split("; ")));
        assertEquals(4, problems.size(), problems::toString);
        problems.forEach(problem -> assertTrue(problem.contains("names the client \"new\""), problem));
    }

    @Test
    void aNameThatNoClientCanHaveIsRefusedAlsoThen() {
        String message = refused(Map.of("CHAT_CLIENT_KEYS", PARAMETER, "CHAT_BUDGETS", "a b=1usd/day"));
        assertTrue(message.startsWith(BUDGETS + "names the client \"a b\": "), message);
    }
}
