//! What explanations say to people, in one sentence each. Nothing is decided here.

use std::time::Duration;

use super::{Below, Effect, Happened, KeyEvent, Known, Seen};
use crate::{
    changes::Author,
    entry::{EntryView, Freshness, Negative},
    event::MissReason,
    flow::get::Lookup,
    selector::Selector,
    tier::TierName,
};

/// What a Get would say, and why.
pub(super) fn outcome((known, seen): (&Known, &Seen), cause: Option<&KeyEvent>, below: &Below) -> String {
    let place = place(seen.tier);
    match &seen.outcome {
        Lookup::Hit(view) | Lookup::Stale(view) | Lookup::NotModified(view) => {
            format!("A Get finds it{place}: {}.{}", lifetime(view), failed(view))
        }
        Lookup::Negative(_) if seen.entry.as_ref().is_some_and(|(_, freshness)| *freshness == Freshness::Stale) => {
            let (view, _) = seen.entry.as_ref().expect("it was just seen");
            format!("A Get finds the failure to renew it.{} {}", failed(view), still_usable(view))
        }
        Lookup::Negative(view) => format!("A Get finds a remembered absence or failure{place}: {}.", lifetime(view)),
        Lookup::Miss(MissReason::TierUnavailable) => format!("A Get misses: {}", unasked(known, below)),
        Lookup::Miss(reason) if seen.tier != TierName::Memory => {
            let over = if *reason == MissReason::Invalidated { "was marked stale" } else { "is past its TTL" };
            let usable = seen.entry.as_ref().map(|(view, _)| still_usable(view)).unwrap_or_default();
            format!("A Get misses: what lies{place} {over}. {usable}")
        }
        Lookup::Miss(reason) => format!("A Get misses: {}", missing(known, *reason, cause)),
    }
}

/// Where something lies; of memory nothing is said.
fn place(tier: TierName) -> &'static str {
    match tier {
        TierName::Memory => "",
        TierName::Disk => " on the disk",
        TierName::Shared => " where servers share (Redis)",
    }
}

/// Which tier would have to be asked, and why it cannot be.
fn unasked(known: &Known, below: &Below) -> String {
    if known.distrusted {
        let why = below.silent.iter().find(|(tier, _)| *tier == TierName::Shared).and_then(|(_, why)| why.as_deref());
        let why = why.unwrap_or("it has yet to be heard what they changed meanwhile");
        return format!("its namespace is strict, and this server may lack what others invalidated: {why}.");
    }
    let named = |(tier, why): &(TierName, Option<String>)| {
        let why = why.as_ref().map(|why| format!(": {}", why.trim_end_matches('.'))).unwrap_or_default();
        format!("the {} tier may have it, and cannot be asked at present{why}.", tier.word())
    };
    match below.silent.is_empty() {
        true => "a slower tier may have it, and could not be asked.".to_owned(),
        false => below.silent.iter().map(named).collect::<Vec<_>>().join(" And "),
    }
}

fn lifetime(view: &EntryView) -> String {
    let facts = &view.facts;
    let pinned = if facts.pinned { ", and pinned, so that it makes no room for others" } else { "" };
    format!("stored or confirmed {} ago, fresh for {} more{pinned}", span(facts.age), span(facts.fresh_for))
}

fn still_usable(view: &EntryView) -> String {
    let time = span(view.facts.usable_for);
    format!("It may be served as stale for {time} more, to who asks for that (stale_policy).")
}

/// The failure to compute it anew, if that was tried last.
fn failed(view: &EntryView) -> String {
    let Some(failure) = &view.facts.failure else { return String::new() };
    let Negative { reason, message } = &failure.negative;
    format!(" Computing it anew failed {} ago: {reason}: {message}.", span(failure.age))
}

fn missing(known: &Known, reason: MissReason, cause: Option<&KeyEvent>) -> String {
    let ago = cause.map(|cause| format!(" {} ago", span(cause.age))).unwrap_or_default();
    let idle = known.removal.is_some_and(|removal| removal.idle);
    match (reason, &known.entry) {
        (MissReason::Expired, Some((view, Freshness::Stale))) => {
            format!("its TTL ran out{ago}. {}{}", still_usable(view), failed(view))
        }
        (MissReason::Invalidated, Some((view, Freshness::Stale))) if known.marked() => {
            format!("it was marked stale{ago}. {}{}", still_usable(view), failed(view))
        }
        (MissReason::Expired, _) if idle => format!("it was not read for its idle TTL, and ended{ago}."),
        (MissReason::Expired, _) => format!("its lifetime ran out{ago}."),
        (MissReason::Evicted, _) => format!("it made room for others{ago}: the memory, or its namespace's limit, was full."),
        (MissReason::Invalidated, _) if known.fence().is_some_and(|fence| fence.floor) => "so many sets were \
             invalidated after it was stored that the server no longer remembers which, and everything as old counts as \
             invalid."
            .to_owned(),
        (MissReason::Invalidated, _) => cause.map_or_else(
            || "an Invalidate dropped it.".to_owned(),
            |cause| format!("{}{ago}.", cause.sentence.trim_end_matches('.')),
        ),
        (MissReason::NotAdmitted, _) => {
            let why = cause.and_then(|cause| match &cause.what {
                Happened::NotAdmitted(why) => Some(why.to_string()),
                _ => None,
            });
            format!("the last Put was refused{ago}: {}.", why.unwrap_or_else(|| "it could not fit".to_owned()))
        }
        (MissReason::NeverStored | MissReason::TooOld | MissReason::TierUnavailable, _) => {
            "nothing is known of this key: it was never stored here since the server was started, or so long ago that it \
             is forgotten."
                .to_owned()
        }
    }
}

/// Something that happened.
pub(super) fn event(what: &Happened, author: &Author) -> String {
    let by = author.client_id.as_ref().map(|id| format!(" by {id}")).unwrap_or_default();
    let because = author.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let of = |kind: &str| if kind.is_empty() { String::new() } else { format!(" of kind {kind}") };
    let size = |negative: bool, bytes: u64| match negative {
        true => "a remembered absence or failure".to_owned(),
        false => format!("{bytes} bytes"),
    };
    match what {
        Happened::Stored { size_bytes, kind, negative, fetched } => {
            let by = if *fetched { " by the server, from an origin".to_owned() } else { by };
            format!("stored{by}: {}{}", size(*negative, *size_bytes), of(kind))
        }
        Happened::Refreshed { size_bytes, kind, negative } => {
            format!("renewed{by} with the same content: {}{}", size(*negative, *size_bytes), of(kind))
        }
        Happened::Touched => "its end was moved by a Touch".to_owned(),
        Happened::Expired(_) => "its lifetime ran out".to_owned(),
        Happened::Evicted(_) => "it made room for others".to_owned(),
        Happened::Invalidated(selector, effect) => {
            let named = named(selector.as_ref(), author);
            format!("invalidated {named}{by}{because}{}", of_effect(*effect))
        }
        Happened::NotAdmitted(why) => format!("a Put{by} was refused: {why}"),
        Happened::MarkedStale(selector, effect) => {
            let named = named(selector.as_ref(), author);
            format!("marked stale {named}{by}{because}{}", of_effect(*effect))
        }
        Happened::RefreshFailed(Negative { reason, message }) => {
            format!("computing it anew failed, and the value stayed: {reason}: {message}")
        }
    }
}

/// By what it was selected.
fn named(selector: Option<&Selector>, author: &Author) -> String {
    match selector {
        Some(Selector::Everything) => format!("with {}", name(&Selector::Everything)),
        Some(selector) => format!("by {}", name(selector)),
        None if author.follows => "by one of its dependencies".to_owned(),
        None => "by a selector that is forgotten".to_owned(),
    }
}

fn of_effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Dropped | Effect::Marked => "",
        Effect::NothingThere => " (nothing was stored)",
        Effect::Unknown => " (what was stored then is forgotten)",
    }
}

fn name(selector: &Selector) -> String {
    match selector {
        Selector::Key(_) => "its key".to_owned(),
        Selector::Prefix(prefix) => format!("the prefix {prefix}"),
        Selector::Glob(pattern) => format!("the glob {}", pattern.text()),
        Selector::Tag(tag) => format!("the tag {tag}"),
        Selector::AllTags(tags) => format!("the tags {}", tags.join(" and ")),
        Selector::Kind(kind) => format!("the kind {kind}"),
        Selector::DependentsOf(name) => format!("its dependency {name}"),
        Selector::MadeFrom(of) => format!("what it was made from, and {}", name(of)),
        Selector::Everything => "everything of its namespace".to_owned(),
    }
}

/// A duration in its largest unit.
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
