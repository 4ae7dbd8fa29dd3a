package hotplate.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.ByteString;
import hotplate.Codec;
import hotplate.Lookup;
import hotplate.NearFollow;
import hotplate.NearOptions;
import hotplate.NearStats;
import hotplate.internal.near.Kept;
import hotplate.internal.near.NearCore;
import hotplate.internal.near.NearSet;
import hotplate.internal.near.Stamp;
import hotplate.internal.near.TooLate;
import hotplate.v1.DiscontinuityReason;
import hotplate.v1.Entry;
import hotplate.v1.EntryMetadata;
import hotplate.v1.EventType;
import hotplate.v1.GetOutcome;
import hotplate.v1.GetResponse;
import hotplate.v1.LogPosition;
import hotplate.v1.Position;
import hotplate.v1.UpdateWatchRequest;
import hotplate.v1.WatchCreated;
import hotplate.v1.WatchDiscontinuity;
import hotplate.v1.WatchEvent;
import hotplate.v1.WatchEvents;
import hotplate.v1.WatchProgress;
import hotplate.v1.WatchResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** One case of {@code near.json}: steps on a near cache that begins empty, on a clock that only {@code pass} moves. */
public final class NearCase {
    private static final int LOG = 3;
    private static final int SETS = 64;
    private static final Codec<String> JSON = Codec.json(String.class);

    private final NearCore core;
    private final JsonNode steps;
    private final Map<String, NearCore.Asked> asked = new HashMap<>();
    private final Map<String, List<NearSet>> writes = new HashMap<>();
    private NearCore.Suspects suspects;
    private long now = Duration.ofSeconds(1_000).toNanos();

    private NearCase(JsonNode settings, JsonNode one) {
        NearFollow follow = one.has("prefixes")
                ? new NearFollow.Prefixes(texts(one.get("prefixes")))
                : one.path("follow_keys").asBoolean() ? new NearFollow.KeptKeys() : new NearFollow.Namespace();
        NearOptions options = NearOptions.DEFAULT
                .progressMax(Duration.ofMillis(settings.get("progress_max_ms").asLong()))
                .ttlMax(Duration.ofMillis(settings.get("ttl_max_ms").asLong()))
                .keepDependents(one.path("keep_dependents").asBoolean())
                .follow(follow);
        core = new NearCore(options, settings.get("fences_max").asInt());
        steps = one.get("steps");
    }

    /** What came of each step. */
    public static ObjectNode run(JsonNode settings, JsonNode one) {
        NearCase running = new NearCase(settings, one);
        ObjectNode answer = Answers.object();
        ArrayNode all = answer.putArray("steps");
        running.steps.forEach(step -> all.add(running.step(step)));
        return answer;
    }

    private ObjectNode step(JsonNode step) {
        switch (step.get("step").asText()) {
            case "pass" -> now += step.path("ms").asLong() * 1_000_000;
            case "ask" -> asked.put(text(step, "as"), core.ask(now));
            case "lost" -> core.lost();
            case "answer" -> {
                return answer(step);
            }
            case "read" -> {
                return read(step);
            }
            case "opened", "event", "progress", "discontinuity" -> {
                return message(step);
            }
            case "revalidated" -> revalidated(step);
            case "followed" -> {
                return followed(step);
            }
            case "write_begins" -> {
                List<NearSet> sets = new ArrayList<>();
                step.path("sets").forEach(set -> sets.add(set(set)));
                core.wrote(sets);
                writes.put(text(step, "as"), sets);
            }
            case "write_answered" -> core.wrote(writes.get(text(step, "to")));
            case "write_unknown" -> {
                return reopened(core.mayHaveWritten(writes.get(text(step, "to"))));
            }
            default -> throw new Fault("an unknown step: " + step.get("step"));
        }
        return Answers.object();
    }

    private static ObjectNode reopened(boolean reopen) {
        return reopen ? Answers.object().put("reopen", true) : Answers.object();
    }

    private ObjectNode answer(JsonNode step) {
        com.google.protobuf.Duration fresh = millis(step, "fresh_ms");
        EntryMetadata metadata = EntryMetadata.newBuilder()
                .setFreshFor(fresh)
                .setUsableFor(fresh)
                .setAge(millis(step, "age_ms"))
                .setContentType("application/json")
                .setKind(text(step, "kind"))
                .addAllTags(texts(step.path("tags")))
                .addAllDependsOn(texts(step.path("made_from")))
                .build();
        GetResponse response = GetResponse.newBuilder()
                .setOutcome(GetOutcome.GET_OUTCOME_HIT)
                .setEntry(Entry.newBuilder()
                        .setValue(ByteString.copyFrom(JSON.encode(text(step, "value"))))
                        .setMetadata(metadata))
                .setAsOf(asOf(step))
                .build();
        NearStats before = core.stats(now);
        core.offer(asked.get(text(step, "to")), text(step, "key"), response);
        NearStats after = core.stats(now);
        return after.admitted() > before.admitted()
                ? Answers.object().put("kept", true)
                : Answers.object().put("why", why(before.refused(), after.refused()));
    }

    private static String why(NearStats.Refusals before, NearStats.Refusals after) {
        if (after.notSynced() > before.notSynced()) {
            return "NOT_SYNCED";
        } else if (after.otherHistory() > before.otherHistory()) {
            return "OTHER_HISTORY";
        } else if (after.overtaken() > before.overtaken()) {
            return "OVERTAKEN";
        } else if (after.ownWrite() > before.ownWrite()) {
            return "OWN_WRITE";
        } else if (after.notFollowed() > before.notFollowed()) {
            return "NOT_FOLLOWED";
        } else if (after.dependent() > before.dependent()) {
            return "DEPENDENT";
        }
        return after.tooLarge() > before.tooLarge() ? "TOO_LARGE" : "";
    }

    private ObjectNode read(JsonNode step) {
        Duration maxAge = step.has("max_age_ms") ? Duration.ofMillis(step.get("max_age_ms").asLong()) : null;
        Kept kept = core.hit(text(step, "key"), maxAge, now);
        String value = kept != null && kept.tell(JSON, true, now) instanceof Lookup.Hit<String> hit ? hit.value() : null;
        return Answers.object().put("value", value);
    }

    private ObjectNode message(JsonNode step) {
        WatchResponse.Builder message = WatchResponse.newBuilder();
        switch (step.get("step").asText()) {
            case "opened" -> {
                core.opening();
                message.setCreated(WatchCreated.newBuilder().setPosition(place(step)).setWatchId("watch"));
            }
            case "progress" -> message.setProgress(WatchProgress.newBuilder().setPosition(place(step)));
            case "discontinuity" -> message.setDiscontinuity(WatchDiscontinuity.newBuilder()
                    .setPosition(place(step))
                    .setReason(
                            text(step, "reason").equals("NEW_EPOCH")
                                    ? DiscontinuityReason.DISCONTINUITY_REASON_NEW_EPOCH
                                    : DiscontinuityReason.DISCONTINUITY_REASON_HISTORY_TRIMMED));
            default -> message.setEvents(WatchEvents.newBuilder().addEvents(event(step)));
        }
        try {
            core.take(message.build(), step.path("continued").asBoolean(), now);
            return Answers.object();
        } catch (TooLate late) {
            return reopened(true);
        }
    }

    private static WatchEvent event(JsonNode step) {
        WatchEvent.Builder event = WatchEvent.newBuilder()
                .setType(EventType.EVENT_TYPE_PUT)
                .setKey(text(step, "key"))
                .setPosition(log(step.path("log").asInt(), epoch(step), step.path("number").asLong()));
        if (step.has("selector")) {
            event.setType(EventType.EVENT_TYPE_SET_INVALIDATED).setSelector(selector(step.get("selector")));
        }
        return event.build();
    }

    private void revalidated(JsonNode step) {
        if (suspects == null) {
            suspects = core.suspects(100, now);
        }
        NearCore.Confirmation confirmed = null;
        if (step.path("current").asBoolean()) {
            long fresh = step.path("fresh_ms").asLong() * 1_000_000;
            confirmed = new NearCore.Confirmation(Stamp.of(asOf(step)), fresh, fresh);
        }
        for (Kept kept : suspects.kept()) {
            if (NearCore.named(kept)[0].equals(text(step, "key"))) {
                core.confirm(suspects.asked(), kept, confirmed);
            }
        }
    }

    private ObjectNode followed(JsonNode step) {
        UpdateWatchRequest update = core.update(100);
        ObjectNode answer = Answers.object();
        ArrayNode add = answer.putArray("add");
        ArrayNode remove = answer.putArray("remove");
        if (update == null) {
            return answer;
        }
        update.getAddKeysList().stream().sorted().forEach(add::add);
        update.getRemoveKeysList().stream().sorted().forEach(remove::add);
        Position.Builder at = Position.newBuilder();
        for (int log : new int[] {LOG, SETS}) {
            at.addLogs(log(log, 7, step.path("at").path(String.valueOf(log)).asLong()));
        }
        core.updated(update, at.build());
        return answer;
    }

    private static Position place(JsonNode step) {
        Position.Builder place = Position.newBuilder();
        for (int log = 0; log <= SETS; log++) {
            place.addLogs(log(log, epoch(step), step.path("at").path(String.valueOf(log)).asLong()));
        }
        return place.build();
    }

    private static Position asOf(JsonNode step) {
        return Position.newBuilder()
                .addLogs(log(step.path("log").asInt(), epoch(step), step.path("number").asLong()))
                .addLogs(log(SETS, epoch(step), step.path("sets").asLong()))
                .build();
    }

    private static long epoch(JsonNode step) {
        return step.path("epoch").asLong();
    }

    private static LogPosition log(int log, long epoch, long number) {
        return LogPosition.newBuilder().setLog(log).setEpoch(epoch).setNumber(number).build();
    }

    private static NearSet set(JsonNode set) {
        return NearSet.of(selector(set));
    }

    /** One that names nothing is one that is not known. */
    private static hotplate.v1.Selector selector(JsonNode node) {
        return node.isEmpty()
                ? hotplate.v1.Selector.getDefaultInstance()
                : Options.selector(node).toWire();
    }

    private static String text(JsonNode step, String name) {
        return step.path(name).asText("");
    }

    private static List<String> texts(JsonNode list) {
        List<String> all = new ArrayList<>();
        list.forEach(text -> all.add(text.asText()));
        return all;
    }

    private static com.google.protobuf.Duration millis(JsonNode step, String name) {
        long millis = step.path(name).asLong();
        return com.google.protobuf.Duration.newBuilder()
                .setSeconds(millis / 1_000)
                .setNanos((int) (millis % 1_000) * 1_000_000)
                .build();
    }
}
