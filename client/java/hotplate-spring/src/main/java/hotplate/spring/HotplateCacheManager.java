package hotplate.spring;

import hotplate.Codec;
import hotplate.ComputeOptions;
import hotplate.Hotplate;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import org.springframework.cache.Cache;
import org.springframework.cache.CacheManager;

/**
 * Caches by name, each a namespace of the server with a codec of its own. A name that was not declared is no cache: what a value is read as has to
 * be said. The client is its maker's to close.
 *
 * <pre>{@code
 * @Bean
 * CacheManager cacheManager(Hotplate hotplate) {
 *     return HotplateCacheManager.builder(hotplate)
 *             .cache("metrics", Codec.json(Metrics.class), ComputeOptions.ttl(Ttl.LONG))
 *             .build();
 * }
 * }</pre>
 */
public final class HotplateCacheManager implements CacheManager {
    private final Map<String, Cache> caches;

    private HotplateCacheManager(Map<String, Cache> caches) {
        this.caches = caches;
    }

    /** Declares no cache yet. */
    public static Builder builder(Hotplate hotplate) {
        return new Builder(hotplate);
    }

    @Override
    public Cache getCache(String name) {
        return caches.get(name);
    }

    @Override
    public Collection<String> getCacheNames() {
        return caches.keySet();
    }

    /** Which caches there are. */
    public static final class Builder {
        private final Hotplate hotplate;
        private final Map<String, Cache> caches = new LinkedHashMap<>();
        private Function<Object, String> keys = HotplateKeys::text;
        private boolean allowNullValues = true;

        private Builder(Hotplate hotplate) {
            this.hotplate = hotplate;
        }

        /** How keys of the caches declared after this become text; two that differ must not become the same. Default: {@link HotplateKeys#text}. */
        public Builder keys(Function<Object, String> text) {
            keys = text;
            return this;
        }

        /** Whether the caches declared after this keep null, which takes a codec that has one, such as JSON. Default: yes. */
        public Builder allowNullValues(boolean allow) {
            allowNullValues = allow;
            return this;
        }

        /** Declares a cache whose results live as long as the namespace says. */
        public Builder cache(String name, Codec<?> codec) {
            return cache(name, codec, ComputeOptions.DEFAULT);
        }

        /**
         * Declares a cache: the namespace of its name, what its values are, and how results are found, computed and stored. A method of
         * {@code @Cacheable(sync = true)} runs on the thread of the caller that began it ({@link ComputeOptions#callersThread}).
         */
        public Builder cache(String name, Codec<?> codec, ComputeOptions options) {
            caches.put(name, made(name, codec, options));
            return this;
        }

        private <V> Cache made(String name, Codec<V> codec, ComputeOptions options) {
            return new HotplateSpringCache<>(name, hotplate.cache(name, codec), options, keys, allowNullValues);
        }

        /** The manager of what was declared. */
        public HotplateCacheManager build() {
            return new HotplateCacheManager(new LinkedHashMap<>(caches));
        }
    }
}
