package hotplate.internal;

import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.ItemResult;
import hotplate.Key;
import hotplate.Lookup;
import hotplate.ReadOptions;
import hotplate.internal.near.Kept;
import hotplate.v1.BatchGetRequest;
import hotplate.v1.BatchGetResponse;
import hotplate.v1.BatchGetResult;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;

/**
 * Looking many keys up: what this process keeps first, the rest in as few messages as the server takes, one after another. Each key has a
 * result of its own, whatever became of the others.
 */
final class GetMany<V> {
    private final RemoteCache<V> cache;
    private final RemoteHotplate client;
    private final ItemResult<Lookup<V>>[] results;
    private final ArrayDeque<Item> missing = new ArrayDeque<>();
    /** What an answer left out, or had no room for: looked up one by one. */
    private final ArrayDeque<Item> left = new ArrayDeque<>();

    private final CompletableFuture<List<ItemResult<Lookup<V>>>> done = new CompletableFuture<>();

    /** A key and where its result belongs. */
    private record Item(int at, String key) {}

    @SuppressWarnings({"unchecked", "rawtypes"})
    GetMany(RemoteCache<V> cache, Collection<? extends CharSequence> keys) {
        this.cache = cache;
        this.client = cache.client();
        this.results = new ItemResult[keys.size()];
        int at = 0;
        for (CharSequence key : keys) {
            int place = at++;
            try {
                String text = Key.textOf(key);
                Kept kept = cache.kept(text, ReadOptions.DEFAULT);
                if (kept == null) {
                    missing.add(new Item(place, text));
                } else {
                    results[place] = item(() -> cache.told(kept, false));
                }
            } catch (HotplateException unfit) {
                results[place] = ItemResult.failed(unfit);
            }
        }
    }

    private static <T> ItemResult<T> item(Supplier<T> result) {
        try {
            return ItemResult.of(result.get());
        } catch (HotplateException failure) {
            return ItemResult.failed(failure);
        }
    }

    /** Begins; giving the future up ends the message that is under way, and sends no more. */
    CompletableFuture<List<ItemResult<Lookup<V>>>> run() {
        step();
        return done;
    }

    private void step() {
        if (done.isDone()) {
            return;
        }
        if (client.gate().isClosed()) {
            done.completeExceptionally(Threads.closed());
            return;
        }
        try {
            if (missing.isEmpty() && left.isEmpty()) {
                done.complete(Arrays.asList(results));
                return;
            }
            CompletableFuture<?> asked = missing.isEmpty() ? alone(left.poll()) : together();
            done.whenComplete((all, given) -> asked.cancel(true));
            asked.whenComplete((none, failure) -> client.threads().work().execute(this::step));
        } catch (RuntimeException fault) {
            done.completeExceptionally(Async.failure(fault));
        }
    }

    private CompletableFuture<?> alone(Item item) {
        CompletableFuture<Attempt<hotplate.v1.GetResponse>> asked =
                Async.on(client.threads().work(), cache.ask(item.key, ReadOptions.DEFAULT));
        return Async.handle(asked, (attempt, failure) -> {
            results[item.at] = failure != null ? ItemResult.failed(failure) : item(() -> cache.found(attempt));
            return Async.done(null);
        });
    }

    private CompletableFuture<?> together() {
        List<Item> items = new ArrayList<>();
        BatchGetRequest.Builder request = BatchGetRequest.newBuilder().setNamespace(cache.name());
        while (!missing.isEmpty() && items.size() < client.calls().batchItems()) {
            Item item = missing.poll();
            items.add(item);
            request.addItems(Wire.read(cache.name(), item.key, ReadOptions.DEFAULT));
        }
        RemoteHotplate.Fill fill = cache.fill(ReadOptions.DEFAULT);
        CompletableFuture<Attempt<BatchGetResponse>> asked = Async.on(
                client.threads().work(), client.gate().read(() -> client.calls().batchGet(request.build())));
        return Async.handle(asked, (attempt, failure) -> {
            if (failure != null) {
                return Async.then(client.calls().takesFewer(items.size(), failure), fewer -> {
                    if (fewer) {
                        for (int at = items.size() - 1; at >= 0; at--) {
                            missing.addFirst(items.get(at));
                        }
                    } else {
                        items.forEach(item -> results[item.at] = ItemResult.failed(failure));
                    }
                    return Async.done(null);
                });
            }
            settle(items, attempt, fill);
            return Async.done(null);
        });
    }

    private void settle(List<Item> items, Attempt<BatchGetResponse> attempt, RemoteHotplate.Fill fill) {
        boolean whole = attempt.answer() != null && attempt.answer().getResultsCount() == items.size();
        for (int at = 0; at < items.size(); at++) {
            Item item = items.get(at);
            if (attempt.away() != null) {
                results[item.at] = item(() -> cache.found(new Attempt<>(null, attempt.away())));
            } else if (!whole) {
                results[item.at] = ItemResult.failed(new HotplateException(
                        ErrorKind.INTERNAL, "the server answered another number of items than it was asked for"));
            } else {
                settle(item, attempt.answer().getResults(at), fill);
            }
        }
    }

    private void settle(Item item, BatchGetResult result, RemoteHotplate.Fill fill) {
        if (result.hasError()) {
            results[item.at] = ItemResult.failed(Statuses.of(result.getError()));
        } else if (result.hasResponse() && !result.getResponse().getEntry().hasLarge()) {
            fill.offer(item.key, result.getResponse());
            results[item.at] = item(() -> cache.found(new Attempt<>(result.getResponse(), null)));
        } else {
            left.add(item);
        }
    }
}
