package chatlambda.image;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import org.graalvm.nativeimage.ImageSingletons;
import org.graalvm.nativeimage.hosted.Feature;

/**
 * Puts side by side in the image what a start touches: the methods that it runs, the objects that it writes, and those that it only reads.
 * The builder sorts methods by name and objects by size. So a start that needs 1 MB of code and 0.5 MB of objects touched pages all over
 * 43 MB, and each first touch of a page is a fault, and on Lambda perhaps a read from storage.
 *
 * <p>What a start touches is listed in the resource {@code start-layout}, which {@code bench/run layout} records. A method or an object
 * that is not in it, since the code has changed, stays where the builder puts it, behind the listed ones: the start gets slower by its
 * page, and nothing else changes.
 *
 * <p>The builders of GraalVM Community Edition and of Mandrel have no option for this. So their own lists are put in order, by
 * reflection, between the choice of what is in the image and its placing. The names are those of version 25.0. A builder that has other
 * names lays the image out in its own order, and says so in its output.
 */
final class ImageLayout implements Feature {

    private static final String BUILDER = "com.oracle.svm.";
    private static final String RESOURCE = "start-layout";
    /** How far up the references to an object go into its name. */
    private static final int MAX_DEPTH = 12;
    /** Bytes of an object that has a page of its own wherever it lies. */
    private static final long PAGE = 4096;

    /** By name's hash: the section of the list that it is in. */
    private final Map<String, Integer> sections = sections();
    private final Map<Object, String> names = new IdentityHashMap<>();
    private final Map<String, Method> methods = new HashMap<>();
    private Object heap;

    /** What may find other classes than it expects. */
    private interface Step {
        void run() throws ReflectiveOperationException, IOException;
    }

    @Override
    public void beforeCompilation(BeforeCompilationAccess access) {
        attempt(() -> {
            Class<?> layouter = Class.forName(BUILDER + "hosted.code.CodeSectionLayouter");
            Object theirs = ImageSingletons.lookup(layouter);
            Object ours = Proxy.newProxyInstance(layouter.getClassLoader(), new Class<?>[] {layouter}, (proxy, method, arguments) -> {
                Object result = method.invoke(theirs, arguments);
                return result instanceof List<?> all ? listedFirst("methods", all, qualifiedNames(all)) : result;
            });
            Method get = Class.forName(BUILDER + "hosted.ImageSingletonsSupportImpl$HostedManagement").getMethod("get");
            @SuppressWarnings("unchecked")
            var singletons = (Map<Object, Object>) field(get.invoke(null), "configObjects").get(get.invoke(null));
            singletons.put(layouter, ours);
        });
    }

    /** Despite this method's name no object has its place yet. */
    @Override
    public void afterHeapLayout(AfterHeapLayoutAccess access) {
        attempt(() -> {
            heap = call(access, "getHeap");
            Object layouter = call(heap, "getLayouter");
            for (Object partition : (Object[]) call(layouter, "getPartitions")) {
                Field field = field(partition, "objects");
                var objects = (List<?>) field.get(partition);
                var numbers = new HashMap<String, Integer>();
                for (Object each : objects) {
                    String name = path(each, 0);
                    names.put(each, name + " #" + numbers.merge(name, 1, Integer::sum));
                }
                List<Object> ordered = listedFirst(call(partition, "getName") + " objects", objects, names);
                field.set(partition, new Partition(layouter, partition, ordered));
            }
        });
    }

    /** Says where everything is, for {@code bench/run layout}, which asks for it. */
    @Override
    public void beforeImageWrite(BeforeImageWriteAccess access) {
        String file = System.getProperty("chatlambda.layout.listing", "");
        if (!file.isEmpty()) {
            attempt(() -> list(file));
        }
    }

    private void list(String file) throws ReflectiveOperationException, IOException {
        try (var out = new PrintWriter(file, StandardCharsets.UTF_8)) {
            for (var each : names.entrySet()) {
                out.println("object " + call(each.getKey(), "getOffset") + " " + call(each.getKey(), "getSize") + " "
                        + hash(each.getValue()) + " " + each.getValue().replaceAll("\\p{Cntrl}", " "));
            }
            Object universe = field(heap, "hUniverse").get(heap);
            for (Object each : (Iterable<?>) call(universe, "getMethods")) {
                if (call(each, "isCodeAddressOffsetValid") == Boolean.TRUE) {
                    String name = String.valueOf(call(each, "getQualifiedName"));
                    out.println("method " + call(each, "getCodeAddressOffset") + " 0 " + hash(name) + " " + name);
                }
            }
        }
    }

    private List<Object> listedFirst(String what, List<?> all, Map<Object, String> named) {
        var section = new IdentityHashMap<Object, Integer>();
        all.forEach(each -> section.put(each, sections.getOrDefault(hash(named.get(each)), Integer.MAX_VALUE)));
        var ordered = new ArrayList<Object>(all);
        ordered.sort(Comparator.comparing(section::get)); // in a section the builder's order stays
        long listed = section.values().stream().filter(each -> each != Integer.MAX_VALUE).count();
        System.out.println("Laid out for the start: " + listed + " of " + all.size() + " " + what);
        return ordered;
    }

    private Map<Object, String> qualifiedNames(List<?> all) throws ReflectiveOperationException {
        var named = new IdentityHashMap<Object, String>();
        for (Object each : all) {
            named.put(each, String.valueOf(call(each, "getQualifiedName")));
        }
        return named;
    }

    /**
     * A class and a string by what they are, all others by what refers to them, up to the method whose code does. Of several methods the
     * builder names the first in the order of the code: so names are the same in builds with the same list.
     */
    private String path(Object object, int depth) throws ReflectiveOperationException {
        Object itself = call(object, "getObject");
        if (itself instanceof String text) {
            return "\"" + text + "\"";
        }
        if (itself instanceof Class<?> type) {
            return type.getName();
        }
        if (itself != null && itself.getClass().getName().endsWith(".DynamicHub")) {
            return String.valueOf(call(itself, "getName"));
        }
        String type = ((Class<?>) call(object, "getObjectClass")).getName();
        Object reason = call(object, "getMainReason");
        if (reason != null && reason.getClass() == object.getClass()) {
            return depth == MAX_DEPTH ? type : type + " < " + path(reason, depth + 1);
        }
        return type + " < " + (reason instanceof String || reason instanceof Enum ? reason : String.valueOf(reason).replaceAll("@.*", ""));
    }

    /**
     * A partition's objects. When the builder begins to place them, the largest first, this has placed the listed ones, one behind the
     * other, and leaves it the rest.
     */
    private final class Partition extends AbstractList<Object> {

        private final Object layouter;
        private final Object partition;
        private final Method append;
        /** What gains from its neighbours. */
        private final List<Object> first = new ArrayList<>();
        private final List<Object> rest = new ArrayList<>();

        Partition(Object layouter, Object partition, List<?> objects) throws ReflectiveOperationException {
            this.layouter = layouter;
            this.partition = partition;
            this.append = method(partition.getClass(), "appendAllocatedObject", 2);
            for (Object each : objects) {
                boolean small = (Long) call(each, "getSize") <= PAGE;
                (small && sections.containsKey(hash(names.get(each))) ? first : rest).add(each);
            }
        }

        @Override
        public Iterator<Object> iterator() {
            try {
                placeFirst();
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException("this builder cannot be used with " + ImageLayout.class.getName(), e);
            }
            return rest.iterator();
        }

        private void placeFirst() throws ReflectiveOperationException {
            Object allocator = field(layouter, "allocator").get(layouter);
            Method allocate = method(allocator.getClass(), "allocateObjectInAlignedChunk", 2);
            Object writable = call(partition, "isWritable");
            for (Object each : first) {
                if ((Long) call(each, "getSize") > (Long) call(allocator, "getRemainingBytesInAlignedChunk")) {
                    call(allocator, "startNewAlignedChunk");
                }
                append.invoke(partition, each, allocate.invoke(allocator, each, writable));
            }
            first.clear();
        }

        @Override
        public void add(int index, Object object) {
            rest.add(index, object);
        }

        @Override
        public Object get(int index) {
            return rest.get(index);
        }

        @Override
        public int size() {
            return rest.size();
        }
    }

    private static String hash(String name) {
        var crc = new CRC32();
        crc.update(name.getBytes(StandardCharsets.UTF_8));
        return String.format("%08x", crc.getValue());
    }

    private static Map<String, Integer> sections() {
        var sections = new HashMap<String, Integer>();
        var resource = new InputStreamReader(ImageLayout.class.getResourceAsStream(RESOURCE), StandardCharsets.US_ASCII);
        try (var lines = new BufferedReader(resource)) {
            int section = 0;
            for (String line; (line = lines.readLine()) != null;) {
                if (line.startsWith("#")) {
                    section++;
                } else {
                    sections.put(line, section);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return sections;
    }

    private static void attempt(Step step) {
        try {
            step.run();
        } catch (ReflectiveOperationException | IOException | RuntimeException e) {
            System.out.println("Not laid out for the start: this builder is not that of GraalVM or Mandrel 25.0: " + e);
        }
    }

    private static Field field(Object of, String name) throws ReflectiveOperationException {
        Field field = of.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field;
    }

    private Object call(Object on, String name) throws ReflectiveOperationException {
        return method(on.getClass(), name, 0).invoke(on);
    }

    /** Wherever it is declared. */
    private Method method(Class<?> of, String name, int parameters) throws NoSuchMethodException {
        String key = of.getName() + "." + name;
        Method method = methods.get(key);
        for (Class<?> type = of; method == null; type = type.getSuperclass()) {
            if (type == null) {
                throw new NoSuchMethodException(key);
            }
            for (Method each : type.getDeclaredMethods()) {
                if (each.getName().equals(name) && each.getParameterCount() == parameters && !each.isBridge()) {
                    method = each;
                }
            }
        }
        method.setAccessible(true);
        methods.put(key, method);
        return method;
    }
}
