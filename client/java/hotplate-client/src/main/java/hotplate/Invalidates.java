package hotplate;

import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/**
 * A function after which cached results no longer hold: what these selectors select is dropped whenever it ran. Also when it failed, for what it
 * did before that is not known.
 *
 * @param <A> type of the argument
 * @param <R> type of what it returns
 */
public final class Invalidates<A, R> implements Function<A, R> {
    private final HotplateCache<?> cache;
    private final List<Selector> selectors;
    private final Function<? super A, ? extends R> function;

    private Invalidates(HotplateCache<?> cache, List<Selector> selectors, Function<? super A, ? extends R> function) {
        this.cache = cache;
        this.selectors = selectors;
        this.function = function;
    }

    /** Wraps a function; 1 to 128 selectors. */
    public static <A, R> Invalidates<A, R> of(
            HotplateCache<?> cache, Function<? super A, ? extends R> function, Selector... selectors) {
        return new Invalidates<>(cache, List.copyOf(Arrays.asList(selectors)), function);
    }

    /**
     * Runs the function, then drops what is selected. When this returns, no read of that server finds what was there before; when the cache is
     * away, the invalidation is remembered.
     *
     * @throws HotplateException why it could not be dropped, where the function did not fail itself; else that is beside its own failure, as a
     *     suppressed one
     */
    @Override
    public R apply(A argument) {
        R result;
        try {
            result = function.apply(argument);
        } catch (RuntimeException | Error own) {
            try {
                cache.invalidate(selectors);
            } catch (HotplateException undropped) {
                own.addSuppressed(undropped);
            }
            throw own;
        }
        cache.invalidate(selectors);
        return result;
    }
}
