package chatlambda.image;

import chatlambda.ChatConfig;
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
import io.quarkus.value.registry.ValueRegistry;
import io.smallrye.config.ConfigMappings;
import io.smallrye.config.ConfigMappings.ConfigClass;
import io.smallrye.config.ConfigValidationException;
import io.smallrye.config.ConfigValue;
import io.smallrye.config.EnvConfigSource;
import io.smallrye.config.SmallRyeConfig;
import io.smallrye.config.SmallRyeConfigBuilder;
import io.smallrye.config.SysPropConfigSource;
import org.eclipse.microprofile.config.ConfigProvider;
import org.eclipse.microprofile.config.spi.ConfigSource;
import org.graalvm.nativeimage.ImageInfo;

import java.io.File;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Quarkus' run-time settings as they are when nobody says anything about them: read while the image is built, and kept in it, so that
 * a start reads our own settings only. To read those of every extension was 40 % of the start.
 *
 * <p>Where the environment, a system property or a file does say something, all is read as Quarkus would have.
 */
final class PreparedConfig {

    static final String GENERATED = "io.quarkus.runtime.generated.RunTimeConfig";

    /** What the names of all that can change Quarkus' settings, or where and how settings are found, have in common. */
    private static final List<String> TELLING = List.of("quarkus", "smallrye", "mp_", "mp.", "microprofile", "config_ordinal",
            "config.ordinal");

    private static final ConfigClass OURS = ConfigClass.configClass(ChatConfig.class, "chat");
    private static final SmallRyeConfig PREPARED = prepare();

    private PreparedConfig() {
    }

    /** Whether nothing is said that was not known when the image was built. */
    static boolean applies() {
        return !tell(System.getenv().keySet()) && !tell(System.getProperties().stringPropertyNames())
                && !new File(".env").exists() && !new File("config/application.properties").exists();
    }

    private static boolean tell(Set<String> names) {
        for (String name : names) {
            String lower = name.toLowerCase(Locale.ROOT);
            for (String telling : TELLING) {
                if (lower.contains(telling)) {
                    return true;
                }
            }
        }
        return false;
    }

    static boolean isInstalled() {
        return ConfigProvider.getConfig().unwrap(SmallRyeConfig.class) == PREPARED;
    }

    /** The prepared configuration with our own settings as they are now. */
    static SmallRyeConfig now() {
        try {
            ConfigMappings.registerConfigMappings(PREPARED, Set.of(OURS));
            return PREPARED;
        } catch (ConfigValidationException e) {
            throw new IllegalStateException(e); // cannot happen: each of them is optional text
        }
    }

    private static SmallRyeConfig prepare() {
        if (!ImageInfo.inImageBuildtimeCode()) {
            throw new IllegalStateException("to be initialized while the image is built");
        }
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        ClassLoader ours = PreparedConfig.class.getClassLoader();
        thread.setContextClassLoader(ours);
        try {
            Class.forName("io.quarkus.runner.ApplicationImpl", true, ours); // it reads what is fixed at build time
            SmallRyeConfigBuilder builder = new Builder().forClassLoader(ours);
            AbstractConfigBuilder.withCustomizer(builder, GENERATED);
            return builder.build();
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException(e);
        } finally {
            thread.setContextClassLoader(before);
        }
    }

    /** The environment in which the image is built is not the function's: it is not looked at before the function runs. */
    @SuppressWarnings("overrides") // SmallRye's own
    private static final class Builder extends SmallRyeConfigBuilder {
        @Override
        protected List<ConfigSource> getDefaultSources() {
            return List.of(new AtRunTime(SysPropConfigSource.NAME, 400, SysPropConfigSource::new),
                    new AtRunTime(EnvConfigSource.NAME, EnvConfigSource.ORDINAL,
                            () -> new EnvConfigSource(new HashMap<>(System.getenv()), EnvConfigSource.ORDINAL)));
        }
    }

    /** Empty while the image is built. */
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

    /** Nobody has set one of those if nobody has set anything. */
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

    /** Behind the first lines it does as the generated method did. */
    @Substitute
    public static void runtimeConfig(ValueRegistry values) {
        if (PreparedConfig.applies()) {
            QuarkusConfigFactory.setConfig(PreparedConfig.now());
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
            throw new ConfigurationException("One or more configuration errors have prevented the application from starting. The errors are:\n"
                    + message, keys);
        }
    }
}
