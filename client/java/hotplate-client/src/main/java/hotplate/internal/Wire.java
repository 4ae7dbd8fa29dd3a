package hotplate.internal;

import com.google.protobuf.Duration;
import hotplate.HotplateException;
import hotplate.Lookup;
import hotplate.MissReason;
import hotplate.ReadOptions;
import hotplate.Tier;
import hotplate.Ttl;
import hotplate.WriteOptions;
import hotplate.Written;
import hotplate.v1.Entry;
import hotplate.v1.EntryMetadata;
import hotplate.v1.Expiration;
import hotplate.v1.GetOutcome;
import hotplate.v1.GetRequest;
import hotplate.v1.GetResponse;
import hotplate.v1.Precondition;
import hotplate.v1.PutRequest;
import hotplate.v1.PutResponse;
import hotplate.v1.ReadValueHeader;
import hotplate.v1.RefreshAhead;
import hotplate.v1.StalePolicy;

/** How the API's words become the contract's, and back. */
public final class Wire {
    /** 10,000 years, as the contract has it. */
    private static final long SECONDS_MAX = 315_576_000_000L;

    private Wire() {}

    /** A duration as the contract carries it. */
    public static Duration duration(String field, java.time.Duration duration) {
        if (duration.isNegative() || duration.getSeconds() > SECONDS_MAX) {
            throw HotplateException.invalid(field, "the duration does not fit: it is negative, or longer than 10,000 years");
        }
        return Duration.newBuilder().setSeconds(duration.getSeconds()).setNanos(duration.getNano()).build();
    }

    /** A duration of an answer; one that is negative is zero, and one that is longer than 10,000 years is as long as that. */
    public static java.time.Duration duration(Duration wire) {
        if (wire.getSeconds() < 0 || wire.getNanos() < 0) {
            return java.time.Duration.ZERO;
        }
        return java.time.Duration.ofSeconds(Math.min(wire.getSeconds(), SECONDS_MAX), wire.getNanos());
    }

    static GetRequest.Builder read(String namespace, String key, ReadOptions options) {
        GetRequest.Builder request = GetRequest.newBuilder()
                .setNamespace(namespace)
                .setKey(key)
                .setPeek(options.peek())
                .setSlowestTier(tier(options.slowestTier()));
        if (options.acceptStale()) {
            request.setStalePolicy(StalePolicy.STALE_POLICY_WHILE_REVALIDATE);
        }
        if (options.maxAge() != null) {
            request.setMaxAge(duration("max_age", options.maxAge()));
        }
        return request;
    }

    /** Everything but key and payload. */
    static PutRequest.Builder write(WriteOptions options) {
        options.labels().forEach((name, value) -> {
            Texts.valid("labels", name);
            Texts.valid("labels", value);
        });
        PutRequest.Builder request = PutRequest.newBuilder()
                .setKind(Texts.valid("kind", options.kind()))
                .addAllTags(Texts.valid("tags", options.tags()))
                .addAllDependsOn(Texts.valid("depends_on", options.dependsOn()))
                .putAllLabels(options.labels());
        Expiration expiration = expiration(options);
        if (expiration != null) {
            request.setExpiration(expiration);
        }
        if (options.cost() != null) {
            request.setComputeCost(duration("compute_cost", options.cost()));
        }
        if (options.etag() != null) {
            request.setPrecondition(Precondition.newBuilder().setEtag(Texts.valid("precondition", options.etag())));
        } else if (options.present() != null) {
            Precondition.Builder condition = Precondition.newBuilder();
            request.setPrecondition(options.present() ? condition.setPresent(true) : condition.setAbsent(true));
        }
        return request;
    }

    static Expiration expiration(WriteOptions options) {
        Expiration.Builder expiration = Expiration.newBuilder();
        if (options.ttl() != null) {
            lifetime(expiration, options.ttl());
        }
        if (options.staleFor() != null) {
            expiration.setStaleFor(duration("stale_for", options.staleFor()));
        }
        if (options.idle() != null) {
            expiration.setIdleTtl(duration("idle_ttl", options.idle()));
        }
        if (options.jitter() != null) {
            expiration.setJitter(options.jitter());
        }
        if (options.refreshAhead() != null) {
            expiration.setRefreshAhead(RefreshAhead.newBuilder().setFraction(options.refreshAhead()));
        } else if (options.xfetchBeta() != null) {
            expiration.setRefreshAhead(RefreshAhead.newBuilder().setXfetchBeta(options.xfetchBeta()));
        }
        Expiration built = expiration.build();
        return built.equals(Expiration.getDefaultInstance()) ? null : built;
    }

    private static void lifetime(Expiration.Builder expiration, Ttl ttl) {
        if (ttl.className() != null) {
            expiration.setTtlClass(Texts.valid("ttl_class", ttl.className()));
        } else {
            expiration.setTtl(duration("ttl", ttl.duration()));
        }
    }

    static hotplate.v1.Tier tier(Tier tier) {
        return switch (tier) {
            case UNKNOWN -> hotplate.v1.Tier.TIER_UNSPECIFIED;
            case MEMORY -> hotplate.v1.Tier.TIER_MEMORY;
            case DISK -> hotplate.v1.Tier.TIER_DISK;
            case SHARED -> hotplate.v1.Tier.TIER_SHARED;
        };
    }

    /** A tier that the server named. */
    public static Tier tier(hotplate.v1.Tier tier) {
        return switch (tier) {
            case TIER_MEMORY -> Tier.MEMORY;
            case TIER_DISK -> Tier.DISK;
            case TIER_SHARED -> Tier.SHARED;
            default -> Tier.UNKNOWN;
        };
    }

    static MissReason reason(hotplate.v1.MissReason reason) {
        return switch (reason) {
            case MISS_REASON_NEVER_STORED -> MissReason.NEVER_STORED;
            case MISS_REASON_EXPIRED -> MissReason.EXPIRED;
            case MISS_REASON_EVICTED -> MissReason.EVICTED;
            case MISS_REASON_INVALIDATED -> MissReason.INVALIDATED;
            case MISS_REASON_NOT_ADMITTED -> MissReason.NOT_ADMITTED;
            case MISS_REASON_TOO_OLD -> MissReason.TOO_OLD;
            case MISS_REASON_TIER_UNAVAILABLE -> MissReason.TIER_UNAVAILABLE;
            default -> MissReason.OTHER;
        };
    }

    static Written written(PutResponse response) {
        String etag = response.hasMetadata() ? response.getMetadata().getEtag() : null;
        return switch (response.getOutcome()) {
            case PUT_OUTCOME_REFRESHED -> new Written.Refreshed(etag == null ? "" : etag);
            // Only a computation puts under a lease, and it reads that outcome by itself.
            case PUT_OUTCOME_PRECONDITION_FAILED, PUT_OUTCOME_LEASE_LOST -> new Written.PreconditionFailed(etag);
            case PUT_OUTCOME_NOT_ADMITTED -> new Written.NotAdmitted(response.getNotAdmittedReason());
            default -> new Written.Stored(etag == null ? "" : etag);
        };
    }

    /** Turns an answer into what the caller asked for. */
    static <V> Lookup<V> lookup(hotplate.Codec<V> codec, GetResponse response) {
        Entry entry = response.getEntry();
        EntryMetadata metadata = entry.getMetadata();
        if (response.hasEntry() && entry.hasNegative()) {
            return new Lookup.Negative<>(
                    entry.getNegative().getReason(),
                    entry.getNegative().getMessage(),
                    duration(metadata.getFreshFor()));
        }
        if (response.hasEntry() && entry.hasValue() && response.getOutcome() != GetOutcome.GET_OUTCOME_MISS) {
            V value = codec.decodeChecked(
                    metadata.getContentType(), metadata.getEncoding(), entry.getValue().toByteArray());
            return hit(value, metadata, response);
        }
        return new Lookup.Miss<>(reason(response.getMissReason()));
    }

    /** Turns the header of a stream into what is known of the value before its bytes: its size stands for it. */
    public static Lookup<Long> lookup(ReadValueHeader header) {
        GetResponse found = header.getFound();
        EntryMetadata metadata = found.getEntry().getMetadata();
        if (!header.getVersion().isEmpty()) {
            return hit(header.getSizeBytes(), metadata, found);
        }
        if (found.getEntry().hasNegative()) {
            hotplate.v1.Negative negative = found.getEntry().getNegative();
            return new Lookup.Negative<>(negative.getReason(), negative.getMessage(), duration(metadata.getFreshFor()));
        }
        return new Lookup.Miss<>(reason(found.getMissReason()));
    }

    /** Why the last renewal failed; null where it did not. */
    public static String refreshFailure(EntryMetadata metadata) {
        return metadata.hasRefreshFailure() ? metadata.getRefreshFailure().getReason() : null;
    }

    private static <V> Lookup.Hit<V> hit(V value, EntryMetadata metadata, GetResponse response) {
        return new Lookup.Hit<>(
                value,
                response.getOutcome() == GetOutcome.GET_OUTCOME_STALE,
                false,
                tier(response.getServedFrom()),
                duration(metadata.getAge()),
                duration(metadata.getFreshFor()),
                duration(metadata.getUsableFor()),
                metadata.getEtag(),
                refreshFailure(metadata));
    }
}
