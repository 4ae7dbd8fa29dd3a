package hotplate.junit;

import static org.junit.jupiter.api.Assertions.assertSame;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** Classes within a test class have its server, with its arguments. */
@HotplateServer(arguments = {"--leases-duration", "1s"})
class NestedTest {
    private LocalServer outer;

    @BeforeEach
    void remember(LocalServer server) {
        outer = server;
    }

    @Nested
    class Within {
        @Test
        void theServerIsTheSame(LocalServer server) {
            assertSame(outer, server);
        }
    }
}
