package chatlambda.image;

import com.oracle.svm.core.annotate.Alias;
import com.oracle.svm.core.annotate.Substitute;
import com.oracle.svm.core.annotate.TargetClass;
import io.quarkus.runtime.ValueRegistryConfigSource;
import io.quarkus.runtime.configuration.AbstractConfigBuilder;
import io.quarkus.runtime.configuration.ConfigDiagnostic;
import io.quarkus.runtime.configuration.ConfigurationException;
import io.quarkus.runtime.configuration.NameIterator;
import io.quarkus.runtime.configuration.PropertiesUtil;
import io.quarkus.runtime.configuration.QuarkusConfigFactory;
import io.quarkus.tls.runtime.config.TlsConfig;
import io.quarkus.value.registry.ValueRegistry;
import io.smallrye.config.ConfigValue;
import io.smallrye.config.EnvConfigSource;
import io.smallrye.config.SmallRyeConfig;
import io.smallrye.config.SmallRyeConfigBuilder;
import io.smallrye.config.SysPropConfigSource;
import java.io.File;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.eclipse.microprofile.config.ConfigProvider;
import org.eclipse.microprofile.config.spi.ConfigSource;
import org.graalvm.nativeimage.ImageInfo;

/**
 * The run-time configuration as it is without any run-time override of Quarkus' settings: made while the image is built, and kept in it,
 * so that a start need not read the settings of every extension. Those were 40 % of the start. Our own, {@code chat.*}, are not kept:
 * they are looked up by name while the function starts, in system properties and in the environment, then in application.properties.
 *
 * <p>With an override, in the environment, in a system property or in a file, a start reads everything, as Quarkus does. Certificate files
 * to trust are the exception: they alone are read.
 */
final class PreparedConfig {

    static final String GENERATED = "io.quarkus.runtime.generated.RunTimeConfig";

    /** Part of the name, in lower case, of whatever can change Quarkus' settings, or where and how settings are found. */
    private static final List<String> OVERRIDING = List.of("quarkus", "smallrye", "mp_", "mp.", "microprofile", "config_ordinal",
            "config.ordinal");

    /** The one override that a start with the prepared configuration takes: certificate files, by commas. */
    private static final String CERTIFICATES = "quarkus.tls.trust-store.pem.certs";
    private static final String CERTIFICATES_VARIABLE = "QUARKUS_TLS_TRUST_STORE_PEM_CERTS";

    private static final int MIN_JAVA = 25;

    static final SmallRyeConfig PREPARED = prepare(Map.of());

    /** Where the prepared configuration keeps its settings of TLS, under their prefix; and those for certificate files, without one. */
    private static final Map<String, Object> TLS = mapped(PREPARED);
    private static final TlsConfig TRUSTING = trusting();

    private PreparedConfig() {
    }

    /** Whether there is no run-time override, but for certificate files in a variable. */
    static boolean applies() {
        String files = System.getenv().getOrDefault(CERTIFICATES_VARIABLE, "");
        boolean trusts = !files.contains("$") && !files.replace(',', ' ').isBlank(); // no expression, nor nothing, which is a mistake
        return !matchesAny(System.getenv().keySet(), trusts ? CERTIFICATES_VARIABLE : null)
                && !matchesAny(System.getProperties().stringPropertyNames(), null)
                && !new File(".env").exists() && !new File("config/application.properties").exists();
    }

    /** @param but the one that does not count, or null */
    private static boolean matchesAny(Set<String> names, String but) {
        for (String name : names) {
            if (name.equals(but)) {
                continue;
            }
            String lower = name.toLowerCase(Locale.ROOT);
            for (String part : OVERRIDING) {
                if (lower.contains(part)) {
                    return true;
                }
            }
        }
        return false;
    }

    /** Takes the certificate files from their variable, if there are any. */
    static void readCertificates() {
        if (System.getenv().containsKey(CERTIFICATES_VARIABLE)) {
            files(TRUSTING).addAll(PREPARED.getValues(CERTIFICATES, Path.class));
            TLS.replaceAll((prefix, none) -> TRUSTING);
        }
    }

    private static List<Path> files(TlsConfig tls) {
        return tls.defaultCertificateConfig().orElseThrow().trustStore().orElseThrow().pem().orElseThrow().certs().orElseThrow();
    }

    private static TlsConfig trusting() {
        TlsConfig trusting = prepare(Map.of(CERTIFICATES, "placeholder")).getConfigMapping(TlsConfig.class);
        files(trusting).clear();
        return trusting;
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> mapped(SmallRyeConfig config) {
        try {
            var mappings = SmallRyeConfig.class.getDeclaredField("mappings");
            mappings.setAccessible(true);
            return ((Map<Class<?>, Map<String, Object>>) mappings.get(config)).get(TlsConfig.class);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    static boolean isInstalled() {
        return ConfigProvider.getConfig().unwrap(SmallRyeConfig.class) == PREPARED;
    }

    private static SmallRyeConfig prepare(Map<String, String> defaults) {
        if (!ImageInfo.inImageBuildtimeCode()) {
            throw new IllegalStateException("to be initialized while the image is built");
        }
        int java = Runtime.version().feature();
        if (java < MIN_JAVA) { // Quarkus takes older ones too; nobody has tried this with them
            throw new IllegalStateException("this needs a GraalVM or Mandrel for Java " + MIN_JAVA
                    + ", and the one that builds is for Java " + java + ": set GRAALVM_HOME to another");
        }
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        ClassLoader ours = PreparedConfig.class.getClassLoader();
        thread.setContextClassLoader(ours);
        try {
            Class.forName("io.quarkus.runner.ApplicationImpl", true, ours); // it reads what is fixed at build time
            SmallRyeConfigBuilder builder = new Builder().forClassLoader(ours).withDefaultValues(defaults);
            AbstractConfigBuilder.withCustomizer(builder, GENERATED);
            return builder.build();
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException(e);
        } finally {
            thread.setContextClassLoader(before);
        }
    }

    /** Reads system properties and the environment when the function runs: those in which the image is built are not the function's. */
    @SuppressWarnings("overrides") // SmallRye's own
    private static final class Builder extends SmallRyeConfigBuilder {
        @Override
        protected List<ConfigSource> getDefaultSources() {
            return List.of(new AtRunTime(SysPropConfigSource.NAME, 400, SysPropConfigSource::new),
                    new AtRunTime(EnvConfigSource.NAME, EnvConfigSource.ORDINAL,
                            () -> new EnvConfigSource(new HashMap<>(System.getenv()), EnvConfigSource.ORDINAL)));
        }
    }

    /** A source that is empty while the image is built, and opened at the first look-up when the function runs. */
    private static final class AtRunTime implements ConfigSource {

        private final String name;
        private final int ordinal;
        private final Supplier<ConfigSource> opened;
        private ConfigSource source;

        AtRunTime(String name, int ordinal, Supplier<ConfigSource> opened) {
            this.name = name;
            this.ordinal = ordinal;
            this.opened = opened;
        }

        private synchronized ConfigSource source() {
            if (source == null) {
                source = opened.get();
            }
            return source;
        }

        @Override
        public Set<String> getPropertyNames() {
            return ImageInfo.inImageBuildtimeCode() ? Set.of() : source().getPropertyNames();
        }

        @Override
        public String getValue(String property) {
            return ImageInfo.inImageBuildtimeCode() ? null : source().getValue(property);
        }

        @Override
        public String getName() {
            return name;
        }

        @Override
        public int getOrdinal() {
            return ordinal;
        }
    }
}

@TargetClass(ConfigDiagnostic.class)
final class DeprecatedSettings {

    private DeprecatedSettings() {
    }

    @Alias
    public static native void deprecated(String name, String advice);

    /** Without any run-time override none of the deprecated settings is set. */
    @Substitute
    public static void deprecatedProperties(Map<String, String> advice) {
        if (PreparedConfig.isInstalled()) {
            return;
        }
        SmallRyeConfig config = ConfigProvider.getConfig().unwrap(SmallRyeConfig.class);
        advice.forEach((name, instead) -> {
            ConfigValue value = config.getConfigValue(name);
            if (value.getValue() != null && !value.isDefault()) {
                deprecated(name, instead);
            }
        });
    }
}

@TargetClass(className = "io.quarkus.runtime.generated.Config")
final class RuntimeConfig {

    private RuntimeConfig() {
    }

    @Alias
    private static native boolean isMapped(NameIterator name);

    /** Takes the prepared configuration where it applies. The rest is the generated method's body, which this replaces. */
    @Substitute
    public static void runtimeConfig(ValueRegistry values) {
        if (PreparedConfig.applies()) {
            PreparedConfig.readCertificates();
            QuarkusConfigFactory.setConfig(PreparedConfig.PREPARED);
            return;
        }
        var builder = new SmallRyeConfigBuilder();
        AbstractConfigBuilder.withCustomizer(builder, ValueRegistryConfigSource.customizer(values));
        AbstractConfigBuilder.withCustomizer(builder, PreparedConfig.GENERATED);
        SmallRyeConfig config = builder.build();
        QuarkusConfigFactory.setConfig(config);
        Set<String> unknown = new HashSet<>();
        for (String name : config.getPropertyNames()) {
            var segments = new NameIterator(name);
            if (!isMapped(segments) && (PropertiesUtil.isPropertyQuarkusCompoundName(segments)
                    || PropertiesUtil.isPropertyInRoots(name, Set.of("quarkus")))) {
                unknown.add(name);
            }
        }
        ConfigDiagnostic.reportUnknownRuntime(unknown);
        if (ConfigDiagnostic.isError()) {
            String message = ConfigDiagnostic.getNiceErrorMessage();
            Set<String> keys = ConfigDiagnostic.getErrorKeys();
            ConfigDiagnostic.resetError();
            throw new ConfigurationException("One or more configuration errors have prevented the application from starting."
                    + " The errors are:\n" + message, keys);
        }
    }
}
