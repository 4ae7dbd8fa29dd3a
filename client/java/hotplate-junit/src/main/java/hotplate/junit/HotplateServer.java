package hotplate.junit;

import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Gives the tests of a class a real server: parameters of type {@link LocalServer} and {@link hotplate.Hotplate} are filled in. The server is
 * started when first needed and shared by all classes with the same arguments; each class has a namespace of its own, which is the default one
 * of its client.
 *
 * <pre>{@code
 * @HotplateServer
 * class MetricsTest {
 *     @Test
 *     void computedOnce(Hotplate hotplate) { … }
 * }
 * }</pre>
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Inherited
@ExtendWith(HotplateServerExtension.class)
public @interface HotplateServer {
    /** Arguments of {@code hotplate serve} besides the profile and the addresses. */
    String[] arguments() default {};
}
