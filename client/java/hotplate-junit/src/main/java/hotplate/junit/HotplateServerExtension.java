package hotplate.junit;

import hotplate.Hotplate;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/** What {@link HotplateServer} does. Servers and clients live in JUnit's stores, which close what can be closed (JUnit 5.13 or newer). */
public final class HotplateServerExtension implements ParameterResolver {
    private static final Namespace SPACE = Namespace.create(HotplateServerExtension.class);
    private static final AtomicInteger CLASSES = new AtomicInteger();

    /** Made by JUnit. */
    public HotplateServerExtension() {}

    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
        Class<?> type = parameter.getParameter().getType();
        return type == LocalServer.class || type == Hotplate.class;
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
        LocalServer server = server(context);
        return parameter.getParameter().getType() == LocalServer.class ? server : client(context, server);
    }

    private static LocalServer server(ExtensionContext context) {
        HotplateServer wanted = context.getRequiredTestClass().getAnnotation(HotplateServer.class);
        List<String> arguments = wanted == null ? List.of() : Arrays.asList(wanted.arguments());
        return context.getRoot()
                .getStore(SPACE)
                .getOrComputeIfAbsent(
                        arguments, some -> LocalServer.start(some.toArray(String[]::new)), LocalServer.class);
    }

    private static Hotplate client(ExtensionContext context, LocalServer server) {
        ExtensionContext ofClass = context;
        while (ofClass.getParent().isPresent() && ofClass.getTestMethod().isPresent()) {
            ofClass = ofClass.getParent().get();
        }
        return ofClass.getStore(SPACE)
                .getOrComputeIfAbsent(
                        Hotplate.class,
                        type -> Hotplate.builder()
                                .url(server.url("test-" + CLASSES.incrementAndGet()))
                                .build(),
                        Hotplate.class);
    }
}
