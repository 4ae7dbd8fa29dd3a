package hotplate.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import hotplate.HotplateException;
import hotplate.Invalidated;
import hotplate.ItemResult;
import hotplate.Lookup;
import hotplate.NearStats;
import hotplate.Tier;
import hotplate.WatchItem;
import hotplate.Written;
import hotplate.v1.Entry;
import hotplate.v1.EntryMetadata;
import hotplate.v1.ItemError;
import hotplate.v1.Selector;
import hotplate.v1.WatchEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/** What the client answered, as the protocol writes it. */
final class Answers {
    private Answers() {}

    static ObjectNode object() {
        return JsonNodeFactory.instance.objectNode();
    }

    static ObjectNode error(HotplateException failure) {
        ObjectNode error = object()
                .put("kind", failure.kind().name())
                .put("reason", failure.reason().orElse(null))
                .put("field", failure.field().orElse(null))
                .put("message", failure.text());
        error.put("retry_after_ms", failure.retryAfter().map(Duration::toMillis).orElse(null));
        failure.details().forEach(error.putObject("details")::put);
        return error;
    }

    private static JsonNode error(ItemError item) {
        if (item.equals(ItemError.getDefaultInstance())) {
            return JsonNodeFactory.instance.nullNode();
        }
        hotplate.ErrorKind kind = hotplate.ErrorKind.ofCode(item.getCode());
        return error(new HotplateException(
                kind,
                item.getMessage(),
                item.getReason().isEmpty() ? null : item.getReason(),
                item.getField().isEmpty() ? null : item.getField(),
                item.hasRetryAfter()
                        ? Duration.ofSeconds(item.getRetryAfter().getSeconds(), item.getRetryAfter().getNanos())
                        : null,
                item.getDetailsMap(),
                null));
    }

    static ObjectNode found(Lookup<?> lookup) {
        ObjectNode found = object();
        Lookup.Hit<?> hit = lookup instanceof Lookup.Hit<?> some ? some : null;
        Lookup.Negative<?> negative = lookup instanceof Lookup.Negative<?> some ? some : null;
        Lookup.Miss<?> miss = lookup instanceof Lookup.Miss<?> some ? some : null;
        found.put("outcome", hit != null ? "hit" : negative != null ? "negative" : "miss");
        found.set("value", hit == null || hit.value() instanceof Long ? JsonNodeFactory.instance.nullNode() : Values.shown(hit.value()));
        found.put("stale", hit == null ? null : hit.stale());
        found.put("near", hit == null ? null : hit.near());
        found.put("tier", hit == null || hit.tier() == Tier.UNKNOWN ? null : lower(hit.tier()));
        found.put("age_ms", hit == null ? null : hit.age().toMillis());
        Duration fresh = hit != null ? hit.freshFor() : negative != null ? negative.freshFor() : null;
        found.put("fresh_for_ms", fresh == null ? null : fresh.toMillis());
        found.put("usable_for_ms", hit == null ? null : hit.usableFor().toMillis());
        found.put("etag", hit == null ? null : hit.etag());
        found.put("miss_reason", miss == null ? null : lower(miss.reason()));
        found.put("reason", negative == null ? null : negative.reason());
        return found.put("message", negative == null ? null : negative.message());
    }

    static ObjectNode written(Written written) {
        ObjectNode answer = object();
        if (written instanceof Written.Stored stored) {
            return answer.put("outcome", "stored").put("etag", stored.etag()).putNull("reason");
        } else if (written instanceof Written.Refreshed refreshed) {
            return answer.put("outcome", "refreshed").put("etag", refreshed.etag()).putNull("reason");
        } else if (written instanceof Written.PreconditionFailed failed) {
            return answer.put("outcome", "precondition_failed").put("etag", failed.etag()).putNull("reason");
        } else if (written instanceof Written.NotAdmitted refused) {
            return answer.put("outcome", "not_admitted").putNull("etag").put("reason", refused.reason());
        }
        String why = lower(((Written.Dropped) written).reason());
        return answer.put("outcome", "dropped").putNull("etag").put("reason", why);
    }

    static ObjectNode invalidated(Invalidated invalidated) {
        if (invalidated instanceof Invalidated.Done done) {
            return object().put("outcome", "done").put("matched", done.matched());
        }
        boolean queued = invalidated instanceof Invalidated.Queued;
        return object().put("outcome", queued ? "queued" : "disabled").putNull("matched");
    }

    static <T> ObjectNode results(List<ItemResult<T>> results, Function<T, ObjectNode> one) {
        ObjectNode answer = object();
        ArrayNode all = answer.putArray("results");
        for (ItemResult<T> result : results) {
            if (result.failure() == null) {
                all.add(one.apply(result.result()));
            } else {
                all.addObject().set("error", error(result.failure()));
            }
        }
        return answer;
    }

    static ObjectNode preloaded(hotplate.v1.PreloadResponse last, List<hotplate.v1.PreloadResult> results) {
        ObjectNode answer = object()
                .put("job_id", last.getJobId())
                .put("done_count", last.getDoneCount())
                .put("total_count", last.getTotalCount());
        ArrayNode all = answer.putArray("results");
        for (hotplate.v1.PreloadResult result : results) {
            String state = lower(result.getState()).replace("preload_state_", "");
            ObjectNode one = all.addObject().put("key", result.getKey()).put("state", state);
            one.set("error", error(result.getError()));
        }
        return answer;
    }

    static ObjectNode near(NearStats stats) {
        ObjectNode answer = object()
                .put("hits", stats.hits())
                .put("misses", stats.misses())
                .put("admitted", stats.admitted())
                .put("invalidated", stats.invalidated())
                .put("evicted", stats.evicted())
                .put("distrusted", stats.distrusted())
                .put("revalidated", stats.revalidated())
                .put("losses", stats.losses())
                .put("entries", stats.entries())
                .put("bytes", stats.bytes())
                .put("followed", stats.followed())
                .put("serving", stats.serving());
        NearStats.Refusals refused = stats.refused();
        answer.putObject("refused")
                .put("not_synced", refused.notSynced())
                .put("other_history", refused.otherHistory())
                .put("overtaken", refused.overtaken())
                .put("own_write", refused.ownWrite())
                .put("not_followed", refused.notFollowed())
                .put("dependent", refused.dependent())
                .put("too_large", refused.tooLarge());
        return answer;
    }

    /** One for each entry and each event. */
    static List<ObjectNode> items(WatchItem item) {
        List<ObjectNode> all = new ArrayList<>();
        if (item instanceof WatchItem.Present present) {
            present.entries().forEach(entry -> all.add(item("present", entry.getKey(), null, entry, "")));
        } else if (item instanceof WatchItem.Events told) {
            told.events().forEach(event -> all.add(event(event)));
        } else if (item instanceof WatchItem.Discontinuity lost) {
            String reason = lost.reason().name().replace("DISCONTINUITY_REASON_", "");
            all.add(item("discontinuity", "", null, null, lower(reason)));
        } else if (item instanceof WatchItem.Lost lost) {
            all.add(item("lost", "", null, null, lost.failure().kind().name()));
        } else {
            all.add(item(lower(item.getClass().getSimpleName()), "", null, null, ""));
        }
        return all;
    }

    private static ObjectNode event(WatchEvent event) {
        String type = lower(event.getType()).replace("event_type_", "");
        return item(
                type,
                event.getKey(),
                event.hasSelector() ? event.getSelector() : null,
                event.hasEntry() ? event.getEntry() : null,
                event.getReason());
    }

    private static ObjectNode item(String type, String key, Selector selector, Entry entry, String reason) {
        ObjectNode item = object().put("type", type).put("key", key.isEmpty() ? null : key);
        item.set("selector", selector == null ? JsonNodeFactory.instance.nullNode() : selector(selector));
        item.set("value", value(entry));
        return item.put("reason", reason.isEmpty() ? null : reason);
    }

    private static JsonNode value(Entry entry) {
        if (entry == null || !entry.hasValue()) {
            return JsonNodeFactory.instance.nullNode();
        }
        EntryMetadata metadata = entry.getMetadata();
        byte[] bytes = entry.getValue().toByteArray();
        boolean json = metadata.getContentType().equals("application/json");
        return Values.shown(json ? hotplate.Codec.json().decode(bytes) : bytes);
    }

    private static ObjectNode selector(Selector selector) {
        ObjectNode shown = object();
        switch (selector.getSelectorCase()) {
            case KEY -> shown.put("key", selector.getKey());
            case PREFIX -> shown.put("prefix", selector.getPrefix());
            case GLOB -> shown.put("glob", selector.getGlob());
            case TAG -> shown.put("tag", selector.getTag());
            case ALL_TAGS -> selector.getAllTags().getTagsList().forEach(shown.putArray("all_tags")::add);
            case KIND -> shown.put("kind", selector.getKind());
            case DEPENDENTS_OF -> shown.put("dependents_of", selector.getDependentsOf());
            default -> shown.put("everything", true);
        }
        return shown;
    }

    static String lower(Object name) {
        return name.toString().toLowerCase(Locale.ROOT);
    }

    static String lower(Enum<?> name) {
        return name.name().toLowerCase(Locale.ROOT);
    }
}
