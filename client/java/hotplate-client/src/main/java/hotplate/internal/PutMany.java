package hotplate.internal;

import hotplate.ErrorKind;
import hotplate.HotplateException;
import hotplate.ItemResult;
import hotplate.Key;
import hotplate.WriteOptions;
import hotplate.Written;
import hotplate.internal.near.NearSet;
import hotplate.v1.BatchPutRequest;
import hotplate.v1.BatchPutResponse;
import hotplate.v1.BatchPutResult;
import hotplate.v1.PutRequest;
import hotplate.v1.ServerLimits;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/**
 * Storing many values: in as few messages as their number and size allow, one after another; what is too large for one goes by itself. Each
 * value has a result of its own, whatever became of the others. Values are encoded when their message's turn comes.
 */
final class PutMany<V> {
    /** Bytes of encoded items in one message: below the 4 MiB that a server takes by default for all of it. */
    private static final long MESSAGE_BYTES_MAX = 3_670_016;
    /** Bytes that stand before an item in its message, at most. */
    private static final long FRAME_BYTES = 8;
    /** What a server says of a message that it did not read for its size: a fault of its items, and no outage. */
    private static final String TOO_LARGE = "MESSAGE_TOO_LARGE";
    /** Bytes of a value that every server takes within a message, unless it says otherwise. */
    private static final long SURE_BYTES = 1 << 20;

    private final RemoteCache<V> cache;
    private final RemoteHotplate client;
    private final WriteOptions options;
    private final Iterator<? extends Map.Entry<? extends CharSequence, ? extends V>> values;
    private final ItemResult<Written>[] results;
    private final CompletableFuture<List<ItemResult<Written>>> done = new CompletableFuture<>();
    private int next;
    /** Read and not sent yet: what did not fit into the message before, and what a server wants in smaller ones. */
    private List<Item> ahead = new ArrayList<>();

    /** A value and where its result belongs. */
    private record Item(int at, PutRequest request) {
        long bytes() {
            return request.getValue().size();
        }

        long encodedBytes() {
            return request.getSerializedSize() + FRAME_BYTES;
        }
    }

    /** What came of a message: an answer, or why the server did not read it. */
    private record Answered(BatchPutResponse response, HotplateException refusal) {}

    @SuppressWarnings({"unchecked", "rawtypes"})
    PutMany(RemoteCache<V> cache, Map<? extends CharSequence, ? extends V> values, WriteOptions options) {
        this.cache = cache;
        this.client = cache.client();
        this.options = options;
        this.values = values.entrySet().iterator();
        this.results = new ItemResult[values.size()];
    }

    /** Begins; giving the future up ends the message that is under way, and sends no more. */
    CompletableFuture<List<ItemResult<Written>>> run() {
        client.threads().work().execute(this::step);
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
            List<Item> message = gathered();
            if (message.isEmpty()) {
                done.complete(Arrays.asList(results));
                return;
            }
            CompletableFuture<?> sent = isLarge(message.get(0)) ? alone(message.get(0)) : together(message);
            done.whenComplete((all, given) -> sent.cancel(true));
            sent.whenComplete((none, failure) -> client.threads().work().execute(this::step));
        } catch (RuntimeException fault) {
            done.completeExceptionally(Async.failure(fault));
        }
    }

    /** The next message; a value that is too large for one is alone. */
    private List<Item> gathered() {
        List<Item> message = new ArrayList<>();
        long bytes = 0;
        for (Item item = read(); item != null; item = read()) {
            boolean fits = message.isEmpty()
                    || message.size() < client.calls().batchItems()
                            && bytes + item.encodedBytes() <= MESSAGE_BYTES_MAX
                            && !isLarge(item);
            if (!fits) {
                ahead.add(0, item);
                break;
            }
            message.add(item);
            bytes += item.encodedBytes();
            if (isLarge(item)) {
                break;
            }
        }
        return message;
    }

    /** The next value that can be sent at all; null at the end. */
    private Item read() {
        if (!ahead.isEmpty()) {
            return ahead.remove(0);
        }
        while (values.hasNext()) {
            Map.Entry<? extends CharSequence, ? extends V> one = values.next();
            int at = next++;
            try {
                return new Item(at, cache.putRequest(Key.textOf(one.getKey()), one.getValue(), options));
            } catch (HotplateException unfit) {
                results[at] = ItemResult.failed(unfit);
            }
        }
        return null;
    }

    private boolean isLarge(Item item) {
        ServerLimits known = client.calls().knownLimits();
        return item.bytes() > (known == null ? SURE_BYTES : known.getUnaryValueBytesMax());
    }

    private CompletableFuture<?> alone(Item item) {
        return Async.handle(cache.send(item.request), (written, failure) -> {
            results[item.at] = failure == null ? ItemResult.of(written) : ItemResult.failed(failure);
            return Async.done(null);
        });
    }

    private CompletableFuture<?> together(List<Item> items) {
        BatchPutRequest.Builder request = BatchPutRequest.newBuilder().setNamespace(cache.name());
        items.forEach(item -> request.addItems(item.request));
        List<NearSet> sets = items.stream().map(item -> NearSet.key(item.request.getKey())).toList();
        RemoteHotplate.OwnWrite write = client.ownWrite(cache.name(), sets);
        CompletableFuture<Attempt<Answered>> sent =
                write.covering(Async.map(client.gate().write(() -> answered(request.build())), attempt -> {
                    write.settle(attempt);
                    return attempt;
                }));
        sent.whenComplete((attempt, failure) ->
                items.forEach(item -> client.flights().outdate(cache.name(), item.request.getKey())));
        return Async.handle(sent, (attempt, failure) -> {
            if (failure != null) {
                return Async.then(client.calls().takesFewer(items.size(), failure), fewer -> {
                    if (fewer) {
                        ahead.addAll(0, items);
                    } else {
                        items.forEach(item -> results[item.at] = ItemResult.failed(failure));
                    }
                    return Async.done(null);
                });
            }
            settle(items, attempt);
            return Async.done(null);
        });
    }

    private CompletableFuture<Answered> answered(BatchPutRequest request) {
        return Async.handle(client.calls().batchPut(request), (response, failure) -> {
            if (failure == null) {
                return Async.done(new Answered(response, null));
            }
            return failure.isReason(TOO_LARGE) ? Async.done(new Answered(null, failure)) : Async.failed(failure);
        });
    }

    private void settle(List<Item> items, Attempt<Answered> attempt) {
        HotplateException refusal = attempt.answer() == null ? null : attempt.answer().refusal();
        BatchPutResponse response = attempt.answer() == null ? null : attempt.answer().response();
        boolean whole = response != null && response.getResultsCount() == items.size();
        for (int at = 0; at < items.size(); at++) {
            Item item = items.get(at);
            if (attempt.away() != null) {
                results[item.at] = ItemResult.of(new Written.Dropped(attempt.away()));
            } else if (refusal != null) {
                results[item.at] = ItemResult.failed(refusal);
            } else if (!whole) {
                results[item.at] = ItemResult.failed(new HotplateException(
                        ErrorKind.INTERNAL, "the server answered another number of items than it was sent"));
            } else {
                results[item.at] = told(response.getResults(at));
            }
        }
    }

    private ItemResult<Written> told(BatchPutResult result) {
        return result.hasError()
                ? ItemResult.failed(Statuses.of(result.getError()))
                : ItemResult.of(cache.written(Wire.written(result.getResponse()), null));
    }
}
