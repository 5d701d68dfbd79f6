package chatlambda.image;

import com.oracle.svm.core.annotate.Alias;
import com.oracle.svm.core.annotate.Substitute;
import com.oracle.svm.core.annotate.TargetClass;
import java.util.function.Predicate;

/**
 * Replaces two methods of the key under which a native image looks up resources, service files among them. That key is a record, and
 * in GraalVM 25 a record's {@code equals} runs through interpreted method handles, which took a third of the start's CPU time.
 */
@TargetClass(className = "com.oracle.svm.core.jdk.Resources", innerClass = "ModuleInstanceResourceKey",
        onlyWith = ResourceKey.IsThere.class)
final class ResourceKey {

    @Alias
    private Module module;
    @Alias
    private String resource;

    private ResourceKey() {
    }

    @Substitute
    @Override
    public boolean equals(Object other) {
        return other instanceof ResourceKey key && key.module == module && key.resource.equals(resource);
    }

    /** The same value as the record's own: the map was filled with that at build time. */
    @Substitute
    @Override
    public int hashCode() {
        return 31 * (module == null ? 0 : module.hashCode()) + resource.hashCode();
    }

    /** Other releases of GraalVM have another class for the key; there nothing is replaced. */
    static final class IsThere implements Predicate<String> {
        @Override
        public boolean test(String className) {
            try {
                Class.forName(className, false, IsThere.class.getClassLoader());
                return true;
            } catch (ClassNotFoundException e) {
                return false;
            }
        }
    }
}
