package hotplate.junit;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import hotplate.HotplateException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A server of its own on free ports of this machine, of the program that the environment variable {@code HOTPLATE_BIN} names. To be closed.
 */
public final class LocalServer implements AutoCloseable {
    private static final long START_SECONDS = 60;
    private static final long STOP_SECONDS = 20;
    private static final int LINES_KEPT = 50;
    private static final String ENTRIES_MAX = "--memory-entries-max";

    private final Process process;
    private final String address;
    private final ArrayDeque<String> log;
    /** For a JVM that ends before its servers do, such as one that its build gives up. */
    private final Thread end;

    private LocalServer(Process process, String address, ArrayDeque<String> log) {
        this.process = process;
        this.address = address;
        this.log = log;
        this.end = new Thread(process::destroy, "hotplate-server-" + process.pid() + "-end");
        Runtime.getRuntime().addShutdownHook(end);
    }

    private void forget() {
        try {
            Runtime.getRuntime().removeShutdownHook(end);
        } catch (IllegalStateException ending) {
            // Then it is run.
        }
    }

    /**
     * Starts one, with its testing profile, and waits until it serves, at most a minute.
     *
     * @param more arguments of {@code hotplate serve} besides the profile and the addresses
     * @throws HotplateException CONFIGURATION when there is no such program, or it ends before it serves; its last words are in the text
     */
    public static LocalServer start(String... more) {
        String program = System.getenv("HOTPLATE_BIN");
        if (program == null || program.isEmpty()) {
            throw HotplateException.configuration("HOTPLATE_BIN names no server program: set it to the path of `hotplate`");
        }
        List<String> command = new ArrayList<>(List.of(
                program, "serve", "--profile", "testing", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"));
        if (!Arrays.asList(more).contains(ENTRIES_MAX)) {
            // The testing profile keeps so few that a test of something else would see them go.
            command.addAll(List.of(ENTRIES_MAX, "100000"));
        }
        command.addAll(Arrays.asList(more));
        ProcessBuilder builder = new ProcessBuilder(command);
        // The server takes settings from there as well, and refuses those it does not know.
        builder.environment().keySet().removeIf(name -> name.startsWith("HOTPLATE_"));
        Process process;
        try {
            process = builder.start();
            process.getOutputStream().close();
        } catch (IOException cause) {
            throw HotplateException.configuration("the program that HOTPLATE_BIN names cannot be started: " + cause.getMessage());
        }
        ArrayDeque<String> log = new ArrayDeque<>();
        CompletableFuture<String> first = new CompletableFuture<>();
        read(process, process.errorReader(StandardCharsets.UTF_8), "stderr", log, null);
        read(process, new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8)), "stdout", log, first);
        try {
            JsonNode line = new ObjectMapper().readTree(first.get(START_SECONDS, TimeUnit.SECONDS));
            return new LocalServer(process, line.get("grpc").asText(), log);
        } catch (InterruptedException interrupted) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
            throw HotplateException.configuration("interrupted while the server was started");
        } catch (IOException | ExecutionException | TimeoutException | NullPointerException cause) {
            process.destroyForcibly();
            synchronized (log) {
                throw HotplateException.configuration("the server did not start: " + String.join("\n", log));
            }
        }
    }

    /** Reads what it says to its end, so that it never waits for a reader, and keeps the last of it. */
    private static void read(
            Process process, BufferedReader from, String what, ArrayDeque<String> log, CompletableFuture<String> first) {
        Thread reader = new Thread(
                () -> {
                    try (from) {
                        for (String line = from.readLine(); line != null; line = from.readLine()) {
                            if (first != null) {
                                first.complete(line);
                            }
                            synchronized (log) {
                                log.add(line);
                                if (log.size() > LINES_KEPT) {
                                    log.poll();
                                }
                            }
                        }
                    } catch (IOException | UncheckedIOException ended) {
                        // It ends when the process does.
                    } finally {
                        if (first != null) {
                            first.completeExceptionally(new IOException("it ended"));
                        }
                    }
                },
                "hotplate-server-" + process.pid() + "-" + what);
        reader.setDaemon(true);
        reader.start();
    }

    /** Its address, with this default namespace. */
    public String url(String namespace) {
        return "hotplate://" + address + "/" + namespace;
    }

    /** Its host and port. */
    public String address() {
        return address;
    }

    /** The last lines it wrote. */
    public List<String> log() {
        synchronized (log) {
            return List.copyOf(log);
        }
    }

    /** Ends it at once, as a machine that fails. */
    public void kill() {
        process.destroyForcibly();
        process.onExit().join();
        forget();
    }

    /** Has it end, and waits for that. */
    @Override
    public void close() {
        process.destroy();
        forget();
        try {
            process.onExit().get(STOP_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException interrupted) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException late) {
            process.destroyForcibly();
        }
    }
}
