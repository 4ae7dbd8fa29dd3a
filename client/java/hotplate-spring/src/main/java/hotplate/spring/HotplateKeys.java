package hotplate.spring;

import hotplate.Key;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.UUID;
import org.springframework.cache.interceptor.KeyGenerator;

/**
 * Keys of cached methods. As a {@link KeyGenerator} it makes {@code Class:method:hash} of the method and all its arguments, which have to have a
 * JSON form.
 */
public final class HotplateKeys implements KeyGenerator {
    /** Knows no state. */
    public HotplateKeys() {}

    /**
     * The text of a key that is one simple thing: text, a number, a boolean, a UUID, an enum, a {@link Key}.
     *
     * @throws IllegalArgumentException for anything else, such as the key Spring makes of several arguments, whose text is not one to one
     */
    public static String text(Object key) {
        if (key instanceof Key own) {
            return own.render();
        }
        boolean simple = key instanceof CharSequence
                || key instanceof Number
                || key instanceof Boolean
                || key instanceof Character
                || key instanceof UUID
                || key instanceof Enum<?>;
        if (simple) {
            return Key.of().id(key).render();
        }
        throw new IllegalArgumentException("a key of " + key.getClass().getName()
                + " has no text that is its alone: name the key with `key = …`, or use HotplateKeys as key generator");
    }

    @Override
    public Object generate(Object target, Method method, Object... params) {
        return Key.of(method.getDeclaringClass().getSimpleName(), method.getName()).params(Arrays.asList(params));
    }
}
