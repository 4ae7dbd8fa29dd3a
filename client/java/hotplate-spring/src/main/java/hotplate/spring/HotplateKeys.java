package hotplate.spring;

import hotplate.Key;
import java.lang.reflect.Method;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.UUID;
import java.util.stream.Collectors;
import org.springframework.cache.interceptor.KeyGenerator;
import org.springframework.cache.interceptor.SimpleKey;
import org.springframework.util.ClassUtils;

/**
 * Keys of cached methods. As a {@link KeyGenerator} it makes {@code class:method(types):hash}: the class of the bean, by its full name, the
 * method with its parameter types, and a hash of all arguments, their classes included ({@link Key#arguments}).
 */
public final class HotplateKeys implements KeyGenerator {
    /** Knows no state. */
    public HotplateKeys() {}

    /**
     * The text of a key that is one simple thing, of which two that differ never have the same: text is itself; what is none has its sort before
     * it, such as {@code int:7}, {@code uuid:…}; a method without arguments has {@code none:()}; a {@link Key} is what it says.
     *
     * @throws IllegalArgumentException for anything else, such as the key Spring makes of several arguments, whose text is not one to one
     */
    public static String text(Object key) {
        if (key instanceof Key own) {
            return own.render();
        } else if (key instanceof CharSequence text) {
            return Key.of().id(text).render();
        } else if (key == SimpleKey.EMPTY) {
            return "none:()";
        } else if (key instanceof Enum<?> one) {
            return Key.of("enum", one.getDeclaringClass().getName()).id(one).render();
        }
        String sort = sort(key);
        if (sort == null) {
            String what = key == null ? "null" : key.getClass().getName();
            throw new IllegalArgumentException("a key of " + what
                    + " has no text that is its alone: name the key with `key = …`, or use HotplateKeys as key generator");
        }
        return Key.of(sort).id(key).render();
    }

    private static String sort(Object key) {
        if (key instanceof Byte || key instanceof Short || key instanceof Integer || key instanceof Long || key instanceof BigInteger) {
            return "int";
        } else if (key instanceof Number) {
            return "number";
        } else if (key instanceof Boolean) {
            return "boolean";
        } else if (key instanceof Character) {
            return "char";
        }
        return key instanceof UUID ? "uuid" : null;
    }

    @Override
    public Object generate(Object target, Method method, Object... params) {
        // A method that is inherited is another for each bean.
        String of = ClassUtils.getUserClass(target).getName();
        String types =
                Arrays.stream(method.getParameterTypes()).map(Class::getName).collect(Collectors.joining(",", "(", ")"));
        return Key.of(of, method.getName() + types).arguments(Arrays.asList(params));
    }
}
