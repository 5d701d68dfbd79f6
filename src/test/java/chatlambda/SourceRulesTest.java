package chatlambda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.ConditionalExpressionTree;
import com.sun.source.tree.LambdaExpressionTree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.TreeScanner;
import com.sun.source.util.Trees;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;

/**
 * What a line of source must not be, read by the JDK's own compiler. The {@code *IT} are left out: they stayed as they were while the
 * code was laid out anew, to show that it does the same.
 */
class SourceRulesTest {

    private static final int MAX_COLUMNS = 140;

    private static List<Path> sources() throws IOException {
        var sources = new ArrayList<Path>();
        for (String root : new String[] { "src/main/java", "src/test/java", "src/test/clients/java", "src/build/java", "bench",
                "recipes" }) {
            try (Stream<Path> files = Files.walk(Path.of(root))) {
                sources.addAll(files.filter(file -> file.toString().matches(".*(?<!IT)\\.java")).sorted().toList());
            }
        }
        assertTrue(sources.size() > 100, sources::toString);
        return sources;
    }

    /** Data in a text block may be as long as it is: a line of it cannot be broken. */
    @Test
    void noLineIsTooLong() throws IOException {
        var found = new ArrayList<String>();
        for (Path source : sources()) {
            boolean inTextBlock = false;
            int number = 0;
            for (String line : Files.readAllLines(source)) {
                number++;
                if (!inTextBlock && line.length() > MAX_COLUMNS) {
                    found.add(source + ":" + number + " has " + line.length() + " columns");
                }
                inTextBlock ^= line.split("\"\"\"", -1).length % 2 == 0;
            }
        }
        assertEquals(List.of(), found);
    }

    @Test
    void noConditionalExpressionStandsInsideAnother() throws IOException {
        var compiler = ToolProvider.getSystemJavaCompiler();
        try (var files = compiler.getStandardFileManager(null, null, null)) {
            var task = (JavacTask) compiler.getTask(null, files, null, null, null, files.getJavaFileObjectsFromPaths(sources()));
            var found = new ArrayList<String>();
            for (CompilationUnitTree unit : task.parse()) {
                unit.accept(new Nested(unit, Trees.instance(task).getSourcePositions(), found), false);
            }
            assertEquals(List.of(), found);
        }
    }

    /** Its parameter tells whether a conditional expression is open; a lambda's body and a class's begin anew. */
    private static final class Nested extends TreeScanner<Void, Boolean> {

        private final CompilationUnitTree unit;
        private final SourcePositions positions;
        private final List<String> found;

        Nested(CompilationUnitTree unit, SourcePositions positions, List<String> found) {
            this.unit = unit;
            this.positions = positions;
            this.found = found;
        }

        @Override
        public Void visitConditionalExpression(ConditionalExpressionTree tree, Boolean inside) {
            if (inside) {
                long line = unit.getLineMap().getLineNumber(positions.getStartPosition(unit, tree));
                found.add(Path.of("").toUri().relativize(unit.getSourceFile().toUri()) + ":" + line);
            }
            return super.visitConditionalExpression(tree, true);
        }

        @Override
        public Void visitLambdaExpression(LambdaExpressionTree tree, Boolean inside) {
            return super.visitLambdaExpression(tree, false);
        }

        @Override
        public Void visitClass(ClassTree tree, Boolean inside) {
            return super.visitClass(tree, false);
        }
    }
}
