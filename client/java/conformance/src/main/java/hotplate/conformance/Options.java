package hotplate.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import hotplate.CacheMode;
import hotplate.ComputeOptions;
import hotplate.HotplateBuilder;
import hotplate.NearFollow;
import hotplate.NearOptions;
import hotplate.OnError;
import hotplate.Profile;
import hotplate.ReadOptions;
import hotplate.Selector;
import hotplate.Tier;
import hotplate.WriteOptions;
import java.util.Locale;

/** Options of requests as the client's own. */
final class Options {
    private Options() {}

    static void settings(HotplateBuilder builder, Fields set) {
        set.with("namespace", value -> builder.namespace(value.asText()));
        set.with("token", value -> builder.token(value.asText()));
        set.with("allow_insecure_token", value -> builder.allowInsecureToken(value.asBoolean()));
        set.with("timeout_ms", value -> builder.timeout(set.millis("timeout_ms")));
        set.with("profile", value -> builder.profile(Profile.named(value.asText())));
        set.with("on_error", value -> builder.onError(OnError.valueOf(value.asText().toUpperCase(Locale.ROOT))));
        set.with("disabled", value -> builder.disabled(value.asBoolean()));
        set.with("journal_max", value -> builder.journalMax(value.asInt()));
        set.with("computations_max", value -> builder.computationsMax(value.asInt()));
        set.with("client_id", value -> builder.clientId(value.asText()));
        // Small calls of this client never share a stream: there is nothing to turn on or off.
        set.get("pipelining");
        set.with("connections_max", value -> builder.connectionsMax(value.asInt()));
        set.with("near", value -> builder.nearCache(near(set.object("near"))));
        set.end();
    }

    private static NearOptions near(Fields set) {
        NearOptions near = NearOptions.DEFAULT;
        near = set.has("bytes_max") ? near.bytesMax(set.get("bytes_max").asLong()) : near;
        near = set.has("entries_max") ? near.entriesMax(set.get("entries_max").asInt()) : near;
        near = set.has("ttl_max_ms") ? near.ttlMax(set.millis("ttl_max_ms")) : near;
        near = set.has("progress_max_ms") ? near.progressMax(set.millis("progress_max_ms")) : near;
        near = near.keepDependents(set.flag("keep_dependents"));
        JsonNode follow = set.get("follow");
        if (follow.isObject()) {
            Fields prefixes = new Fields(follow);
            near = near.follow(new NearFollow.Prefixes(prefixes.texts("prefixes")));
            prefixes.end();
        } else if (follow.asText("").equals("kept_keys")) {
            near = near.follow(new NearFollow.KeptKeys());
        }
        set.end();
        return near;
    }

    static ReadOptions read(Fields set) {
        ReadOptions read = new ReadOptions(
                set.flag("accept_stale"),
                set.has("max_age_ms") ? set.millis("max_age_ms") : null,
                set.flag("peek"),
                set.has("slowest_tier") ? Tier.valueOf(set.text("slowest_tier").toUpperCase(Locale.ROOT)) : Tier.UNKNOWN);
        set.get("without_near_cache");
        set.end();
        return read;
    }

    static WriteOptions write(Fields set) {
        WriteOptions write = someWrite(set);
        set.end();
        return write;
    }

    private static WriteOptions someWrite(Fields set) {
        WriteOptions write = WriteOptions.DEFAULT;
        write = set.has("ttl") ? write.withTtl(set.ttl("ttl")) : write;
        write = set.has("stale_for_ms") ? write.staleFor(set.millis("stale_for_ms")) : write;
        write = set.has("idle_ms") ? write.idle(set.millis("idle_ms")) : write;
        write = set.has("jitter") ? write.jitter(set.get("jitter").asDouble()) : write;
        write = set.has("refresh_ahead") ? write.refreshAhead(set.get("refresh_ahead").asDouble()) : write;
        write = set.has("refresh_ahead_xfetch")
                ? write.refreshAheadXfetch(set.get("refresh_ahead_xfetch").asDouble())
                : write;
        write = set.has("kind") ? write.kind(set.text("kind")) : write;
        write = write.tags(set.texts("tags"));
        write = write.dependsOn(set.texts("depends_on").toArray(CharSequence[]::new));
        for (var label : set.get("labels").properties()) {
            write = write.label(label.getKey(), label.getValue().asText());
        }
        write = set.has("cost_ms") ? write.cost(set.millis("cost_ms")) : write;
        write = set.flag("if_absent") ? write.ifAbsent() : write;
        write = set.flag("if_present") ? write.ifPresent() : write;
        return set.has("if_etag") ? write.ifEtag(set.text("if_etag")) : write;
    }

    static ComputeOptions compute(Fields set) {
        ComputeOptions options = ComputeOptions.DEFAULT.write(someWrite(set));
        options = set.has("mode") ? options.mode(CacheMode.valueOf(set.text("mode").toUpperCase(Locale.ROOT))) : options;
        options = options.staleIfError(set.flag("stale_if_error"));
        options = options.staleWhileRevalidate(set.flag("stale_while_revalidate"));
        options = set.has("max_age_ms") ? options.maxAge(set.millis("max_age_ms")) : options;
        options = set.has("wait_ms") ? options.waitMax(set.millis("wait_ms")) : options;
        options = options.perProcess(set.flag("per_process"));
        options = set.has("remember_failure") ? options.rememberFailure(set.ttl("remember_failure")) : options;
        options = set.has("hold_off_ms") ? options.holdOff(set.millis("hold_off_ms")) : options;
        set.end();
        return options;
    }

    static Selector selector(JsonNode node) {
        Fields set = new Fields(node);
        Selector selector;
        if (set.has("key")) {
            selector = Selector.key(Values.key(set.get("key")));
        } else if (set.has("prefix")) {
            selector = Selector.prefix(set.text("prefix"));
        } else if (set.has("glob")) {
            selector = Selector.glob(set.text("glob"));
        } else if (set.has("tag")) {
            selector = Selector.tag(set.text("tag"));
        } else if (set.has("all_tags")) {
            selector = Selector.allTags(set.texts("all_tags").toArray(String[]::new));
        } else if (set.has("kind")) {
            selector = Selector.kind(set.text("kind"));
        } else if (set.has("dependents_of")) {
            selector = Selector.dependentsOf(set.text("dependents_of"));
        } else if (set.flag("everything")) {
            selector = Selector.everything();
        } else {
            throw new Fault("an unknown selector");
        }
        set.end();
        return selector;
    }
}
