package hotplate.internal;

import java.util.Optional;

/** The one place that reads the environment. Variables that are unset or empty say nothing. */
@FunctionalInterface
public interface Environment {
    /** That of the process. */
    Environment SYSTEM = name -> Optional.ofNullable(System.getenv(name)).filter(value -> !value.isEmpty());

    /** What a variable says. */
    Optional<String> get(String name);

    /** Whether {@code HOTPLATE_DISABLE} asks for a life without cache. */
    default boolean disabled() {
        return get("HOTPLATE_DISABLE").filter(value -> !value.equals("0") && !value.equals("false")).isPresent();
    }
}
