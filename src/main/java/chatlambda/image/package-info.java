/**
 * For the native image only: substitutions, and the layout. They replace or look into what others may change without notice, and were
 * written for Quarkus 3.34.1 and Vert.x 4.5.34. {@code WrittenForTest} compares that with the versions in {@code pom.xml}.
 */
package chatlambda.image;
