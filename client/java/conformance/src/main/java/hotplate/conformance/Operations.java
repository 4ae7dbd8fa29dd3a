package hotplate.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.ByteString;
import hotplate.Codec;
import hotplate.ComputeOptions;
import hotplate.DegradationCounts;
import hotplate.Hotplate;
import hotplate.HotplateBuilder;
import hotplate.HotplateCache;
import hotplate.HotplateException;
import hotplate.Lookup;
import hotplate.Preload;
import hotplate.PreloadOptions;
import hotplate.ReadStream;
import hotplate.Selector;
import hotplate.Watch;
import hotplate.WatchItem;
import hotplate.WatchOptions;
import hotplate.WriteOptions;
import hotplate.WriteStream;
import hotplate.v1.ExplainKeyResponse;
import hotplate.v1.Expiration;
import hotplate.v1.GetServerInfoResponse;
import hotplate.v1.KeyEvent;
import hotplate.v1.MissCount;
import hotplate.v1.PreloadItem;
import hotplate.v1.PreloadResponse;
import hotplate.v1.PreloadResult;
import hotplate.v1.StatsGroup;
import hotplate.v1.WatchContent;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;

/** What each operation of the protocol is in this client. */
final class Operations implements AutoCloseable {
    private final Map<String, Hotplate> clients = new ConcurrentHashMap<>();
    private final Map<String, Following> watches = new ConcurrentHashMap<>();
    private final Computations computations = new Computations();
    private final boolean blocking;

    /** A watch, and what it told that nobody has asked for yet. */
    private static final class Following {
        final Watch watch;
        /** What kept it from being opened; null where it was. */
        final HotplateException refused;
        final ArrayDeque<ObjectNode> ahead = new ArrayDeque<>();

        Following(Watch watch, HotplateException refused) {
            this.watch = watch;
            this.refused = refused;
        }
    }

    /** {@code blocking}: values are computed by loaders that hold a thread. */
    Operations(boolean blocking) {
        this.blocking = blocking;
    }

    /** Carries out a request; {@code onCancel} is told how it can be given up, when not by interrupting this thread. */
    ObjectNode run(String op, Fields f, Consumer<Runnable> onCancel) {
        ObjectNode answer = switch (op) {
            case "open" -> open(f);
            case "close" -> {
                // It stays under its name: what a closed client answers is asked as well.
                client(f).close();
                yield Answers.object();
            }
            case "state" -> state(client(f));
            case "get" -> get(f);
            case "get_many" -> {
                HotplateCache<Object> cache = cache(f);
                List<CharSequence> keys = f.list("keys").stream().map(Values::key).toList();
                f.end();
                yield Answers.results(cache.lookupAll(keys), Answers::found);
            }
            case "put" -> put(f);
            case "put_negative" -> {
                HotplateCache<Object> cache = cache(f);
                WriteOptions options = f.has("ttl") ? WriteOptions.ttl(f.ttl("ttl")) : WriteOptions.DEFAULT;
                CharSequence key = Values.key(f.get("key"));
                yield Answers.written(cache.putNegative(key, f.text("reason"), orEmpty(f.text("message")), options));
            }
            case "put_many" -> putMany(f);
            case "touch" -> {
                boolean touched = cache(f).touch(Values.key(f.get("key")), f.ttl("ttl"));
                yield Answers.object().put("touched", touched);
            }
            case "exists" -> Answers.object().put("exists", cache(f).exists(Values.key(f.get("key"))));
            case "ttl" -> {
                Optional<Duration> left = cache(f).ttl(Values.key(f.get("key")));
                yield Answers.object().put("ttl_ms", left.map(Duration::toMillis).orElse(null));
            }
            case "remove" -> Answers.invalidated(cache(f).remove(Values.key(f.get("key"))));
            case "invalidate" -> {
                HotplateCache<Object> cache = cache(f);
                HotplateCache<Object> told = f.has("reason") ? cache.because(f.text("reason")) : cache;
                yield Answers.invalidated(told.invalidate(selectors(f)));
            }
            case "mark_stale" -> Answers.invalidated(cache(f)
                    .markStale(selectors(f), f.has("spread_over_ms") ? f.millis("spread_over_ms") : null));
            case "get_or_compute" -> getOrCompute(f, onCancel);
            case "computations" -> computations.counts(f.text("name"));
            case "release" -> {
                computations.release(f.text("gate"));
                yield Answers.object();
            }
            case "preload" -> preload(f);
            case "watch_open" -> watchOpen(f);
            case "watch_next" -> watchNext(f);
            case "watch_close" -> {
                Following following = watches.remove(f.text("watch"));
                if (following.watch != null) {
                    following.watch.close();
                }
                f.get("client");
                yield Answers.object();
            }
            case "stats" -> stats(cache(f).stats().getTotal());
            case "explain" -> explain(cache(f).explain(Values.key(f.get("key"))));
            case "server_info" -> serverInfo(client(f).serverInfo());
            case "near_stats" -> cache(f).nearStats().map(Answers::near).orElseGet(() -> Answers.object().put("off", true));
            case "read_stream" -> readStream(f);
            case "write_stream" -> writeStream(f);
            default -> Vectors.run(op, f);
        };
        f.end();
        return answer;
    }

    private static String orEmpty(String text) {
        return text == null ? "" : text;
    }

    private ObjectNode open(Fields f) {
        HotplateBuilder builder = Hotplate.builder();
        f.with("url", url -> builder.url(url.asText()));
        f.texts("urls").forEach(builder::url);
        Options.settings(builder, f.object("settings"));
        String name = f.text("client");
        f.end();
        clients.put(name, builder.build());
        return Answers.object();
    }

    private Hotplate client(Fields f) {
        Hotplate client = clients.get(f.text("client"));
        if (client == null) {
            throw new Fault("no such client: " + f.text("client"));
        }
        return client;
    }

    private HotplateCache<Object> cache(Fields f) {
        Hotplate client = client(f);
        Codec<Object> codec = Values.codec(f.text("codec"));
        return f.has("namespace") ? client.cache(f.text("namespace"), codec) : client.cache(codec);
    }

    private static List<Selector> selectors(Fields f) {
        return f.list("selectors").stream().map(Options::selector).toList();
    }

    private static ObjectNode state(Hotplate client) {
        DegradationCounts counts = client.degradation();
        ObjectNode state = Answers.object()
                .put("available", client.available())
                .put("invalidations_waiting", client.invalidationsWaiting());
        state.putObject("degradation")
                .put("reads_without_cache", counts.readsWithoutCache())
                .put("writes_dropped", counts.writesDropped())
                .put("invalidations_queued", counts.invalidationsQueued())
                .put("invalidations_replayed", counts.invalidationsReplayed())
                .put("outages", counts.outages());
        return state;
    }

    private ObjectNode get(Fields f) {
        HotplateCache<Object> cache = cache(f);
        Fields options = f.object("options");
        HotplateCache<Object> asked = options.flag("without_near_cache") ? cache.withoutNearCache() : cache;
        return Answers.found(asked.lookup(Values.key(f.get("key")), Options.read(options)));
    }

    private ObjectNode put(Fields f) {
        HotplateCache<Object> cache = cache(f);
        Object value = Values.value(f.text("codec"), f.raw("value"));
        return Answers.written(cache.put(Values.key(f.get("key")), value, Options.write(f.object("options"))));
    }

    private ObjectNode putMany(Fields f) {
        HotplateCache<Object> cache = cache(f);
        Map<CharSequence, Object> items = new LinkedHashMap<>();
        for (JsonNode node : f.list("items")) {
            Fields item = new Fields(node);
            items.put(Values.key(item.get("key")), Values.value(f.text("codec"), item.raw("value")));
            item.end();
        }
        return Answers.results(cache.putAll(items, Options.write(f.object("options"))), Answers::written);
    }

    private ObjectNode getOrCompute(Fields f, Consumer<Runnable> onCancel) {
        HotplateCache<Object> cache = cache(f);
        Computations.One compute = computations.new One(f.object("compute"), f.text("codec"));
        ComputeOptions options = Options.compute(f.object("options"));
        CharSequence key = Values.key(f.get("key"));
        Object value = blocking
                ? cache.get(key, text -> compute.await(), options.callersThread(!compute.held()))
                : joined(cache.getAsync(key, text -> compute.run(), options), onCancel);
        ObjectNode answer = Answers.object();
        answer.set("value", Values.shown(value));
        return answer.put("computed", compute.ran);
    }

    private static Object joined(CompletableFuture<Object> future, Consumer<Runnable> onCancel) {
        onCancel.accept(() -> future.cancel(true));
        try {
            return future.join();
        } catch (CompletionException failed) {
            if (failed.getCause() instanceof HotplateException own) {
                throw own;
            }
            throw failed;
        }
    }

    private ObjectNode preload(Fields f) {
        HotplateCache<Object> cache = cache(f);
        List<PreloadItem> items = new ArrayList<>();
        for (JsonNode node : f.list("items")) {
            Fields item = new Fields(node);
            PreloadItem.Builder one = PreloadItem.newBuilder().setKey(Values.key(item.get("key")).toString());
            item.with("origin", origin -> one.setOrigin(origin.asText()));
            item.get("parameters").properties().forEach(pair -> one.putParameters(pair.getKey(), pair.getValue().asText()));
            item.with("ttl", ttl -> one.setExpiration(expiration(item)));
            item.end();
            items.add(one.build());
        }
        PreloadOptions options = f.flag("force") ? PreloadOptions.DEFAULT.forced() : PreloadOptions.DEFAULT;
        List<PreloadResult> results = new ArrayList<>();
        try (Preload job = cache.preload(items, options)) {
            PreloadResponse last = job.await(progress -> results.addAll(progress.getResultsList()));
            return Answers.preloaded(last, results);
        }
    }

    private static Expiration expiration(Fields item) {
        hotplate.Ttl ttl = item.ttl("ttl");
        Expiration.Builder expiration = Expiration.newBuilder();
        if (ttl.className() != null) {
            return expiration.setTtlClass(ttl.className()).build();
        }
        return expiration
                .setTtl(com.google.protobuf.Duration.newBuilder()
                        .setSeconds(ttl.duration().getSeconds())
                        .setNanos(ttl.duration().getNano()))
                .build();
    }

    private ObjectNode watchOpen(Fields f) {
        WatchOptions options = WatchOptions.of(selectors(f).toArray(Selector[]::new));
        options = f.flag("include_present") ? options.includingPresent() : options;
        options = f.flag("values") ? options.content(WatchContent.WATCH_CONTENT_VALUES) : options;
        options = f.has("resume")
                ? options.resume(ByteString.copyFrom(Base64.getDecoder().decode(f.text("resume"))))
                : options;
        options = f.flag("exclude_own") ? options.excludingOwn() : options;
        options = f.has("progress_interval_ms") ? options.progressInterval(f.millis("progress_interval_ms")) : options;
        String name = f.text("watch");
        HotplateCache<Object> cache = cache(f);
        try {
            watches.put(name, new Following(cache.watch(options), null));
        } catch (HotplateException refused) {
            watches.put(name, new Following(null, refused));
        }
        return Answers.object();
    }

    private ObjectNode watchNext(Fields f) {
        Following following = watches.get(f.text("watch"));
        f.get("client");
        if (following.refused != null) {
            throw following.refused;
        }
        int count = f.get("count").asInt(1);
        boolean progress = f.flag("progress");
        long ends = System.nanoTime() + f.get("within_ms").asLong(10_000) * 1_000_000;
        ObjectNode answer = Answers.object();
        ArrayNode items = answer.putArray("items");
        synchronized (following) {
            while (items.size() < count) {
                if (!following.ahead.isEmpty()) {
                    items.add(following.ahead.poll());
                    continue;
                }
                Optional<WatchItem> item =
                        following.watch.next(Duration.ofNanos(Math.max(0, ends - System.nanoTime())));
                if (item.isEmpty()) {
                    break;
                }
                if (progress || !(item.get() instanceof WatchItem.Progress)) {
                    following.ahead.addAll(Answers.items(item.get()));
                }
            }
            byte[] token = following.watch.resumeToken().toByteArray();
            return answer.put("resume_token", Base64.getEncoder().encodeToString(token));
        }
    }

    private static ObjectNode stats(StatsGroup total) {
        return Answers.object()
                .put("hits", total.getHits())
                .put("stale_hits", total.getStaleHits())
                .put("negative_hits", total.getNegativeHits())
                .put("misses", total.getMissesList().stream().mapToLong(MissCount::getCount).sum())
                .put("coalesced", total.getCoalesced())
                .put("puts", total.getPuts())
                .put("entry_count", total.getEntryCount());
    }

    private static ObjectNode explain(ExplainKeyResponse told) {
        ObjectNode answer = Answers.object().put("would", Answers.lower(told.getOutcome()).replace("get_outcome_", ""));
        ArrayNode events = answer.putArray("events");
        List<KeyEvent> newest = told.getEventsList();
        for (int at = newest.size() - 1; at >= 0; at--) {
            events.add(Answers.lower(newest.get(at).getType()).replace("key_event_type_", ""));
        }
        String reason = told.getCause().getReason();
        return answer.put("reason", reason.isEmpty() ? null : reason);
    }

    private static ObjectNode serverInfo(GetServerInfoResponse info) {
        ObjectNode answer = Answers.object().put("version", info.getVersion());
        info.getFeaturesList().forEach(answer.putArray("features")::add);
        return answer.put("unary_value_bytes_max", info.getLimits().getUnaryValueBytesMax());
    }

    private ObjectNode readStream(Fields f) {
        HotplateCache<Object> cache = cache(f);
        CharSequence key = Values.key(f.get("key"));
        boolean follow = f.flag("follow");
        try (ReadStream stream = follow ? cache.follow(key) : cache.readStream(key, Options.read(f.object("options")))) {
            f.get("options");
            ByteArrayOutputStream whole = new ByteArrayOutputStream();
            int pieces = 0;
            for (byte[] piece = stream.next(); piece != null; piece = stream.next()) {
                whole.writeBytes(piece);
                pieces++;
            }
            ObjectNode answer = Answers.found(stream.found());
            if (stream.found() instanceof Lookup.Hit) {
                answer.set("value", Values.shown(whole.toByteArray()));
            }
            return answer.put("pieces", pieces);
        }
    }

    private ObjectNode writeStream(Fields f) {
        HotplateCache<Object> cache = cache(f);
        CharSequence key = Values.key(f.get("key"));
        List<JsonNode> pieces = f.list("pieces");
        try (WriteStream stream = cache.writeStream(key, Options.write(f.object("options")))) {
            pieces.forEach(piece -> stream.send(Values.bytes(piece)));
            return Answers.written(stream.finish());
        }
    }

    @Override
    public void close() {
        clients.values().parallelStream().forEach(Hotplate::close);
    }
}
