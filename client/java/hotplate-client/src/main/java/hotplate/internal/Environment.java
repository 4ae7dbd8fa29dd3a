package hotplate.internal;

import hotplate.HotplateException;
import java.util.Optional;

/** The one place that reads the environment. Variables that are unset or empty say nothing. */
@FunctionalInterface
public interface Environment {
    /** That of the process. */
    Environment SYSTEM = name -> Optional.ofNullable(System.getenv(name)).filter(value -> !value.isEmpty());

    /** What a variable says. */
    Optional<String> get(String name);

    /**
     * Whether {@code HOTPLATE_DISABLE} asks for a life without cache.
     *
     * @throws HotplateException CONFIGURATION for what is neither yes nor no
     */
    default boolean disabled() {
        return get("HOTPLATE_DISABLE")
                .map(value -> switch (value) {
                    case "1", "true" -> true;
                    case "0", "false" -> false;
                    default -> throw HotplateException.configuration("HOTPLATE_DISABLE is `true`, `1`, `false` or `0`");
                })
                .orElse(false);
    }
}
