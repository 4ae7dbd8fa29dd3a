package hotplate.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import hotplate.ErrorKind;
import hotplate.HotplateException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** Reads requests, a line each, carries them out at the same time, and writes answers in the order in which they are ready. */
public final class Driver {
    private final PrintStream out;
    private final Operations operations;
    private final ConcurrentHashMap<Long, Giving> cancels = new ConcurrentHashMap<>();

    /** How one request is given up; it may be before anything of it was begun. */
    private static final class Giving {
        private Runnable how;
        private boolean given;

        void by(Runnable cancel) {
            boolean late;
            synchronized (this) {
                how = cancel;
                late = given;
            }
            if (late) {
                cancel.run();
            }
        }

        void give() {
            Runnable cancel;
            synchronized (this) {
                given = true;
                cancel = how;
            }
            if (cancel != null) {
                cancel.run();
            }
        }
    }

    private Driver(PrintStream out, boolean blocking) {
        this.out = out;
        this.operations = new Operations(blocking);
    }

    /** Serves until its input ends. With {@code --blocking}, values are computed by loaders that hold a thread. */
    public static void main(String[] arguments) throws IOException {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        new Driver(out, List.of(arguments).contains("--blocking")).serve(in);
        System.exit(0);
    }

    private void serve(BufferedReader in) throws IOException {
        ObjectNode hello = Answers.object();
        hello.putObject("hello").put("language", "java").put("version", "0.1.0").put("protocol", 1);
        write(hello);
        ExecutorService workers = Executors.newCachedThreadPool(task -> {
            Thread thread = new Thread(task, "driver");
            thread.setDaemon(true);
            return thread;
        });
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode request = Values.JSON.readTree(line);
            if (request.isObject()) {
                // Here, and not where it is carried out: what gives it up may be the next line.
                cancels.put(request.path("id").asLong(), new Giving());
                workers.execute(() -> carryOut(request));
            }
        }
        operations.close();
        workers.shutdownNow();
        try {
            workers.awaitTermination(1, TimeUnit.SECONDS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void carryOut(JsonNode request) {
        ObjectNode answer = Answers.object();
        answer.set("id", request.get("id"));
        try {
            Fields fields = new Fields(request);
            long id = fields.get("id").asLong();
            String op = fields.text("op");
            if (op.equals("cancel")) {
                Giving target = cancels.get(fields.get("target").asLong());
                fields.end();
                if (target != null) {
                    target.give();
                }
                answer.set("ok", Answers.object());
            } else {
                Thread thread = Thread.currentThread();
                // What waits in another way than on this thread says so.
                Giving giving = cancels.get(id);
                giving.by(thread::interrupt);
                try {
                    answer.set("ok", operations.run(op, fields, giving::by));
                } finally {
                    giving.by(() -> {});
                    Thread.interrupted();
                }
            }
        } catch (HotplateException failure) {
            answer.set("error", Answers.error(failure));
        } catch (java.util.concurrent.CancellationException given) {
            answer.set("error", Answers.error(new HotplateException(ErrorKind.CANCELLED, "given up")));
        } catch (Unsupported none) {
            answer.put("unsupported", none.getMessage());
        } catch (Throwable fault) {
            fault.printStackTrace();
            answer.put("fault", String.valueOf(fault));
        } finally {
            cancels.remove(request.path("id").asLong());
        }
        write(answer);
    }

    private void write(ObjectNode answer) {
        synchronized (out) {
            out.println(answer);
        }
    }
}
