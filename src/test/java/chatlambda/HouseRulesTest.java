package chatlambda;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackages;
import static com.tngtech.archunit.lang.conditions.ArchConditions.accessField;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import chatlambda.access.Access;
import chatlambda.upstream.EarlyConnection;
import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.security.MessageDigest;
import java.util.stream.Stream;
import org.eclipse.microprofile.config.inject.ConfigProperty;

/**
 * The house's few rules, read from the classes of {@code src/main/java}. An exception is named here, with its reason, or it is none.
 * {@code chatlambda.local}, which is in dev mode and in tests only, is Lambda and not the function: it may do what it likes.
 */
@AnalyzeClasses(packages = "chatlambda", importOptions = ImportOption.DoNotIncludeTests.class)
class HouseRulesTest {

    private static final DescribedPredicate<JavaClass> PRODUCTION =
            resideInAPackage("chatlambda..").and(DescribedPredicate.not(resideInAPackage("chatlambda.local.."))).as("are in production");

    /** The arrows between the packages: each knows itself and those named here, and of what is not ours anything. */
    @ArchTest
    static final ArchRule jsonKnowsNoneOfUs = packageKnows("json");

    @ArchTest
    static final ArchRule httpKnowsNoneOfUs = packageKnows("http");

    @ArchTest
    static final ArchRule eventKnowsJson = packageKnows("event", "json");

    @ArchTest
    static final ArchRule chatKnowsJson = packageKnows("chat", "json");

    @ArchTest
    static final ArchRule upstreamKnowsChatAndJson = packageKnows("upstream", "chat", "json");

    @ArchTest
    static final ArchRule accessKnowsChat = packageKnows("access", "chat");

    @ArchTest
    static final ArchRule logKnowsChatAndJson = packageKnows("log", "chat", "json");

    @ArchTest
    static final ArchRule runtimeKnowsHttpAndJson = packageKnows("runtime", "http", "json");

    @ArchTest
    static final ArchRule awsKnowsJson = packageKnows("aws", "json");

    @ArchTest
    static final ArchRule secretKnowsAwsChatAndJson = packageKnows("secret", "aws", "chat", "json");

    @ArchTest
    static final ArchRule budgetKnowsAwsChatHttpAndJson = packageKnows("budget", "aws", "chat", "http", "json");

    @ArchTest
    static final ArchRule nothingInProductionUsesLocal = noClasses().that(PRODUCTION)
            .should().dependOnClassesThat().resideInAPackage("chatlambda.local..");

    @ArchTest
    static final ArchRule nothingUsesImage = noClasses().that().resideOutsideOfPackage("chatlambda.image..")
            .should().dependOnClassesThat().resideInAPackage("chatlambda.image..")
            .because("what is only for the native image must not be missed on a JVM");

    /**
     * The rehearsal's stand-in for the upstream listens on loopback. The early connection is begun before there is a client. The budgets'
     * table is asked on the way to every answer, and whether a request to it went out decides whether money is counted: no HTTP client
     * tells that.
     */
    @ArchTest
    static final ArchRule onlyRuntimeAndBudgetOpenSockets = noClasses().that(PRODUCTION)
            .and().resideOutsideOfPackages("chatlambda.runtime..", "chatlambda.budget..")
            .and().doNotBelongToAnyOf(Rehearsal.class, EarlyConnection.class)
            .should().dependOnClassesThat(named("are sockets or the JDK's HTTP",
                    "java\\.net\\.(\\w*Socket|HttpURLConnection|URLConnection)|java\\.net\\.http\\..*|java\\.nio\\.channels\\..*Channel"
                            + "|javax\\.net\\..*Socket\\w*|com\\.sun\\.net\\.httpserver\\..*"))
            .orShould().accessTargetWhere(is("java\\.net\\.URL\\.(open.*|getContent)"));

    /**
     * What the two REST clients, to the upstream and to AWS, and Vert.x below them open is theirs; nobody else has a client. The image
     * gives Vert.x the upstream's early connection.
     */
    @ArchTest
    static final ArchRule onlyTheUpstreamAndAwsHaveClients = noClasses().that(PRODUCTION)
            .and().resideOutsideOfPackages("chatlambda.upstream..", "chatlambda.aws..", "chatlambda.image..")
            .should().dependOnClassesThat(resideInAnyPackage("io.vertx.core.http..", "io.vertx.core.net..", "io.netty..",
                    "io.quarkus.rest.client..", "org.eclipse.microprofile.rest.client..", "jakarta.ws.rs.client.."))
            .orShould().accessTargetWhere(is("io\\.vertx\\.core\\.Vertx\\.create.*"));

    /** Main is given it and passes its texts on; image is how Quarkus' own configuration comes to be in the binary. */
    @ArchTest
    static final ArchRule onlyMainKnowsTheConfiguration = noClasses().that(PRODUCTION).and().resideOutsideOfPackage("chatlambda.image..")
            .and().doNotBelongToAnyOf(Main.class)
            .should().dependOnClassesThat(resideInAnyPackage("org.eclipse.microprofile.config..", "io.smallrye.config.."))
            .orShould().beAnnotatedWith(ConfigProperty.class);

    @ArchTest
    static final ArchRule onlySettingsReadsSettings = noClasses().that(PRODUCTION)
            .and().doNotBelongToAnyOf(Settings.class, SettingsReader.class)
            .should().dependOnClassesThat(named("read settings", "chatlambda\\.SettingsReader"))
            .because("what was given is text; Settings are what is valid");

    /** Lambda's own variables: Main passes them on. The image's are looked through for Quarkus' settings. */
    @ArchTest
    static final ArchRule onlyMainReadsTheEnvironment = noClasses().that(PRODUCTION).and().resideOutsideOfPackage("chatlambda.image..")
            .and().doNotBelongToAnyOf(Main.class)
            .should().accessTargetWhere(is("java\\.lang\\."
                    + "(System\\.(getenv|getPropert.*)|Integer\\.getInteger|Long\\.getLong|Boolean\\.getBoolean)"));

    @ArchTest
    static final ArchRule onlyReadersOfJsonUseJackson = noClasses().that(PRODUCTION)
            .and().resideOutsideOfPackages("chatlambda.json..", "chatlambda.event..", "chatlambda.chat..",
                    "chatlambda.upstream..", "chatlambda.aws..", "chatlambda.budget..")
            .should().dependOnClassesThat(resideInAnyPackage("com.fasterxml.jackson.."));

    @ArchTest
    static final ArchRule nobodyBindsJson = noClasses().should().dependOnClassesThat(resideInAnyPackage(
            "com.fasterxml.jackson.databind..", "com.fasterxml.jackson.annotation.."))
            .because("payloads stay bytes; a model of them loses what it does not know");

    /**
     * Main says on standard error that this is no Lambda. Standard output is the access lines', through a stream of Main's; what image
     * prints goes into the output of the image's build.
     */
    @ArchTest
    static final ArchRule onlyMainPrints = noClasses().that(PRODUCTION).and().doNotBelongToAnyOf(Main.class)
            .and().resideOutsideOfPackage("chatlambda.image..")
            .should(accessField(System.class, "out")).orShould(accessField(System.class, "err"));

    @ArchTest
    static final ArchRule onlyLogUsesTheJdksLogging = noClasses().that(PRODUCTION).and().resideOutsideOfPackage("chatlambda.log..")
            .should().dependOnClassesThat(resideInAnyPackage("java.util.logging..", "org.jboss.logmanager.."));

    /** What does not depend on how much of a key is right, as other comparisons do; {@code bench/run timing} measures it. */
    @ArchTest
    static final ArchRule accessComparesHashesInConstantTime = classes().that().haveFullyQualifiedName(Access.class.getName())
            .should().callMethod(MessageDigest.class, "isEqual", byte[].class, byte[].class);

    @ArchTest
    static final ArchRule accessComparesNothingElse = noClasses().that().resideInAPackage("chatlambda.access..")
            .should().accessTargetWhere(is("java\\.(util\\.Arrays\\.(equals|mismatch|compare.*)"
                    + "|nio\\.ByteBuffer\\.(equals|mismatch|compareTo)"
                    + "|lang\\.String\\.(equals.*|compareTo.*|contentEquals|startsWith|endsWith))"));

    /** Main is given Vert.x by Quarkus, and hands it on through Startup. */
    @ArchTest
    static final ArchRule onlyTheUpstreamUsesVertx = noClasses().that(PRODUCTION).and().resideOutsideOfPackage("chatlambda.upstream..")
            .and().doNotBelongToAnyOf(Main.class, Startup.class)
            .should().dependOnClassesThat(resideInAnyPackage("io.vertx.."));

    /** What belongs to one invocation is in its turn; several turns may run at once. */
    @ArchTest
    static final ArchRule noStaticFieldChanges = fields().that().areDeclaredInClassesThat(PRODUCTION).and().areStatic().should().beFinal();

    private static ArchRule packageKnows(String name, String... others) {
        String itself = "chatlambda." + name + "..";
        var ours = Stream.concat(Stream.of(itself), Stream.of(others).map(other -> "chatlambda." + other + "..")).toArray(String[]::new);
        return noClasses().that().resideInAPackage(itself).should()
                .dependOnClassesThat(resideInAPackage("chatlambda..").and(resideOutsideOfPackages(ours)));
    }

    private static DescribedPredicate<JavaAccess<?>> is(String pattern) {
        return describe("it is " + pattern, access -> (access.getTargetOwner().getName() + "." + access.getName()).matches(pattern));
    }

    private static DescribedPredicate<JavaClass> named(String what, String pattern) {
        return describe(what, type -> type.getName().matches(pattern));
    }
}
