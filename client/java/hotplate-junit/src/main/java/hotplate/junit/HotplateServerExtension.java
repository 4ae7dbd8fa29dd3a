package hotplate.junit;

import hotplate.Hotplate;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.platform.commons.support.AnnotationSupport;

/** What {@link HotplateServer} does. Servers and clients live in JUnit's stores, which close them at their end, with any JUnit 5. */
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

    /** What a store closes. Newer versions of JUnit close anything that can be closed; older ones only this. */
    @SuppressWarnings("deprecation")
    private record Kept<T extends AutoCloseable>(T resource) implements ExtensionContext.Store.CloseableResource {
        @Override
        public void close() throws Exception {
            resource.close();
        }
    }

    private static LocalServer server(ExtensionContext context) {
        List<String> arguments = arguments(context.getRequiredTestClass());
        Kept<?> server = context.getRoot()
                .getStore(SPACE)
                .getOrComputeIfAbsent(
                        arguments, some -> new Kept<>(LocalServer.start(some.toArray(String[]::new))), Kept.class);
        return (LocalServer) server.resource();
    }

    /** Those of the class, or of the one around it. */
    private static List<String> arguments(Class<?> test) {
        for (Class<?> type = test; type != null; type = type.getEnclosingClass()) {
            Optional<HotplateServer> wanted = AnnotationSupport.findAnnotation(type, HotplateServer.class);
            if (wanted.isPresent()) {
                return Arrays.asList(wanted.get().arguments());
            }
        }
        return List.of();
    }

    private static Hotplate client(ExtensionContext context, LocalServer server) {
        ExtensionContext ofClass = context;
        while (ofClass.getParent().isPresent() && ofClass.getTestMethod().isPresent()) {
            ofClass = ofClass.getParent().get();
        }
        Kept<?> client = ofClass.getStore(SPACE)
                .getOrComputeIfAbsent(
                        Hotplate.class,
                        type -> new Kept<>(Hotplate.builder()
                                .url(server.url("test-" + CLASSES.incrementAndGet()))
                                .build()),
                        Kept.class);
        return (Hotplate) client.resource();
    }
}
