package chatlambda.image;

import com.oracle.svm.core.annotate.Substitute;
import com.oracle.svm.core.annotate.TargetClass;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.graalvm.nativeimage.RuntimeOptions;
import org.graalvm.nativeimage.c.function.CFunction;
import org.graalvm.nativeimage.c.type.CCharPointer;
import org.graalvm.nativeimage.c.type.CCharPointerPointer;
import org.graalvm.nativeimage.c.type.CTypeConversion;

/** A native image takes the size of its young generation from its arguments, and nowhere else once it runs. */
@TargetClass(className = "chatlambda.Heap")
final class ProcessHeap {

    private ProcessHeap() {
    }

    @Substitute
    private static void execute(int young) {
        if (RuntimeOptions.<Long>get("MaxNewSize") != Exec.COMPILED_IN) {
            return; // this is that process, or one that was given a size by hand
        }
        var all = new ArrayList<String>();
        try { // not what is left of them for main: options of the image's own run are to stay too
            all.addAll(List.of(Files.readString(Path.of("/proc/self/cmdline")).split("\0")));
        } catch (IOException e) {
            return; // it goes on as it is
        }
        all.add(1, "-Xmn" + young + "m");
        try (var path = CTypeConversion.toCString("/proc/self/exe"); var list = CTypeConversion.toCStrings(all.toArray(new String[0]))) {
            Exec.execv(path.get(), list.get()); // returns only where it fails: it goes on as it is then
        }
    }

    /** <a href="https://man7.org/linux/man-pages/man3/exec.3.html">exec(3)</a>. */
    private static final class Exec {

        /** {@code -R:MaxNewSize=8m} in application.properties. */
        static final long COMPILED_IN = 8 * 1024 * 1024;

        private Exec() {
        }

        @CFunction("execv")
        static native int execv(CCharPointer path, CCharPointerPointer arguments);
    }
}
