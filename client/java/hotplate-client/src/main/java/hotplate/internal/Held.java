package hotplate.internal;

import hotplate.HotplateException;
import hotplate.WriteOptions;
import hotplate.internal.near.NearSet;
import hotplate.v1.Expiration;
import hotplate.v1.ExtendLeaseRequest;
import hotplate.v1.Lease;
import hotplate.v1.LeaseOutcome;
import hotplate.v1.Negative;
import hotplate.v1.PutOutcome;
import hotplate.v1.PutRequest;
import hotplate.v1.ReleaseLeaseRequest;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledFuture;

/**
 * A lease this process holds: kept while the computation runs, used up by one Put, or given back, whatever happens. Extended at each
 * third of its duration.
 */
final class Held implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger("hotplate");
    private static final int EXTEND_AFTER = 3;
    private static final Duration EXTEND_INTERVAL_MIN = Duration.ofMillis(10);
    private static final int MESSAGE_BYTES_MAX = 1024;
    /** The reason of a failure that was remembered by a computation. */
    static final String COMPUTE_FAILED = "COMPUTE_FAILED";

    private final RemoteHotplate client;
    private final String namespace;
    private final String key;
    private final String token;
    private ReleaseLeaseRequest.Builder release;
    private Duration duration;
    private ScheduledFuture<?> heartbeat;
    private boolean lost;
    private boolean over;

    /** Holds what a Get was answered with. */
    Held(RemoteHotplate client, String namespace, String key, Lease lease) {
        this.client = client;
        this.namespace = namespace;
        this.key = key;
        this.token = lease.getToken();
        this.duration = Wire.duration(lease.getDuration());
        this.release = ReleaseLeaseRequest.newBuilder().setNamespace(namespace).setKey(key).setToken(token);
        beat();
    }

    private synchronized void beat() {
        if (over) {
            return;
        }
        Duration wait = duration.dividedBy(EXTEND_AFTER);
        heartbeat = client.threads()
                .later(wait.compareTo(EXTEND_INTERVAL_MIN) < 0 ? EXTEND_INTERVAL_MIN : wait, this::extend);
    }

    private void extend() {
        ExtendLeaseRequest request =
                ExtendLeaseRequest.newBuilder().setNamespace(namespace).setKey(key).setToken(token).build();
        client.calls().extendLease(request).whenComplete((response, thrown) -> {
            HotplateException failure = thrown == null ? null : Async.failure(thrown);
            synchronized (this) {
                if (failure == null && response.getOutcome() != LeaseOutcome.LEASE_OUTCOME_HELD) {
                    lost = true;
                    return;
                }
                if (failure == null && response.getLease().hasDuration()) {
                    duration = Wire.duration(response.getLease().getDuration());
                }
            }
            // A server that does not answer may still hold it.
            if (failure == null || failure.kind().isOutage()) {
                beat();
            } else {
                LOG.log(System.Logger.Level.WARNING, "a lease cannot be extended: {0}", failure.kind());
            }
        });
    }

    /**
     * Stores a value under the lease. A lease that was lost stores nothing, which is no failure: someone else is about to store a newer
     * value.
     */
    CompletableFuture<Void> put(PutRequest request) {
        synchronized (this) {
            if (lost) {
                over = true;
                return Async.done(null);
            }
        }
        PutRequest leased = request.toBuilder().setLeaseToken(token).build();
        RemoteHotplate.OwnWrite write = client.ownWrite(namespace, List.of(NearSet.key(key)));
        return write.covering(Async.map(client.gate().write(() -> client.whole().put(leased)), attempt -> {
            write.settle(attempt);
            if (attempt.answer() != null && Wire.written(attempt.answer()).isStored()) {
                client.settings().metrics().stored(namespace);
            }
            synchronized (this) {
                // A condition that does not hold leaves the lease as it was.
                boolean used = attempt.answer() != null
                        && attempt.answer().getOutcome() != PutOutcome.PUT_OUTCOME_PRECONDITION_FAILED;
                over |= used;
                if (used && heartbeat != null) {
                    heartbeat.cancel(false);
                }
            }
            return null;
        }));
    }

    /** Gives the lease back without a value; nobody waits for that. */
    void giveBack(GiveBack how) {
        try {
            synchronized (this) {
                if (how instanceof GiveBack.HoldOff hold) {
                    release.setHoldOff(Wire.duration("hold_off", hold.pause()));
                } else if (how instanceof GiveBack.Failure failed) {
                    WriteOptions described = failed.described();
                    Expiration lifetime = Wire.expiration(WriteOptions.ttl(failed.lifetime()));
                    release.setExpiration(lifetime == null ? Expiration.getDefaultInstance() : lifetime)
                            .setKind(Texts.valid("kind", described.kind()))
                            .addAllTags(Texts.valid("tags", described.tags()))
                            .addAllDependsOn(Texts.valid("depends_on", described.dependsOn()))
                            .setFailure(Negative.newBuilder()
                                    .setReason(COMPUTE_FAILED)
                                    .setMessage(shortened(failed.failure().text())));
                }
            }
        } catch (HotplateException cannot) {
            LOG.log(System.Logger.Level.WARNING, "a lease is given back for the next: {0}", cannot.brief());
        }
        close();
    }

    /** Gives it back for the next who waits, unless it was used, given back or lost. */
    @Override
    public void close() {
        ReleaseLeaseRequest last;
        synchronized (this) {
            if (heartbeat != null) {
                heartbeat.cancel(false);
            }
            if (over || lost) {
                return;
            }
            over = true;
            last = release.build();
        }
        ReleaseLeaseRequest plain = last.toBuilder()
                .clearFailure()
                .clearExpiration()
                .clearHoldOff()
                .clearKind()
                .clearTags()
                .clearDependsOn()
                .build();
        CompletableFuture<?> word = Async.handle(client.calls().releaseLease(last), (response, failure) -> {
            if (failure == null || failure.kind().isOutage() || last.equals(plain)) {
                return failure == null ? Async.done(response) : Async.failed(failure);
            }
            LOG.log(System.Logger.Level.WARNING, "a failure could not be remembered, and is not: {0}", failure.kind());
            return client.calls().releaseLease(plain);
        });
        client.lastWord(word.whenComplete((response, failure) -> {
            if (failure != null) {
                LOG.log(System.Logger.Level.WARNING, "a lease could not be given back: it lapses");
            }
        }));
    }

    /** The beginning of a text, at most 1,024 bytes and whole characters. */
    static String shortened(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        if (bytes.length <= MESSAGE_BYTES_MAX) {
            return text;
        }
        int end = MESSAGE_BYTES_MAX;
        while ((bytes[end] & 0xC0) == 0x80) {
            end--;
        }
        return new String(bytes, 0, end, StandardCharsets.UTF_8);
    }
}
