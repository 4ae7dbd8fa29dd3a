//! What the statistics mean for an operator: top keys, the last hour, the what-if curve, advice. Who may see which
//! namespace is decided by those who ask.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    clock::Moment,
    insight::{
        advice::{Advice, Evidence, advise},
        top::{TopBy, TopKey},
        trend::{Minute, Sums},
        what_if::{Point, curve},
    },
    memory::{Store, space::Space},
    stats::{Group, GroupBy, Surroundings},
};

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub struct InsightRequest {
    /// Of these namespaces, those that exist.
    pub namespaces: Vec<Arc<str>>,
    /// Those of them whose keys may be shown.
    pub readable: Vec<Arc<str>>,
    /// Top keys of each order at most.
    pub top_keys: usize,
    /// Whole minutes to look back at most.
    pub minutes: usize,
    /// Whether the curve is wanted.
    pub what_if: bool,
    /// Whether advice is wanted.
    pub advice: bool,
    /// Whether the minutes are wanted.
    pub trend: bool,
}

/// What there is.
#[derive(Clone, Debug, Default)]
pub struct InsightAnswer {
    /// By order, the largest first, each with its namespace.
    pub top_keys: Vec<(TopBy, Arc<str>, TopKey)>,
    /// The curve of the namespaces together; `None` as well where nothing is simulated.
    pub what_if: Option<WhatIfCurve>,
    /// What is advised, each with its namespace.
    pub advice: Vec<(Arc<str>, Advice)>,
    /// The closed minutes of the namespaces together, the oldest first.
    pub trend: Vec<Minute>,
    /// When this was concluded.
    pub now: Moment,
}

/// The curve of some namespaces together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WhatIfCurve {
    /// By amount of memory, the least first.
    pub points: Vec<Point>,
    /// Sampled Gets it is drawn from.
    pub sampled: u64,
    /// Share of the keys that are sampled.
    pub rate: f64,
    /// The time it looks back on.
    pub window: Duration,
}

/// Concludes.
#[must_use]
pub fn insight(store: &Store, request: &InsightRequest) -> InsightAnswer {
    let now = store.clock.now();
    let spaces: Vec<_> =
        store.spaces.all().into_iter().filter(|space| request.namespaces.contains(&space.name)).collect();
    let looks: Vec<_> = spaces.iter().map(|space| look(store, space, (request.minutes, now))).collect();
    InsightAnswer {
        top_keys: top_keys(&spaces, request),
        what_if: (request.what_if && store.config.insight_samples_max > 0).then(|| curve_of(store, &looks)),
        advice: if request.advice { advice(store, &spaces, &looks) } else { Vec::new() },
        trend: if request.trend { trend(&spaces, request.minutes) } else { Vec::new() },
        now,
    }
}

/// Closes the minutes of all namespaces that are over, and drops what has ended from simulations as often. Cheap between
/// minutes.
pub fn maintain(store: &Store) {
    let now = store.clock.now();
    let due: Vec<_> = store.spaces.all().into_iter().filter(|space| space.insight.trend.due(now)).collect();
    for space in &due {
        let (sums, group) = sums(store, space);
        space.insight.trend.advance(now, &sums, group.charged_bytes);
    }
    if !due.is_empty() {
        store.insight.what_if.sweep(now);
    }
}

/// What happened in a namespace in the time looked at.
struct Looked {
    sums: Sums,
    window: Duration,
}

fn look(store: &Store, space: &Space, (minutes, now): (usize, Moment)) -> Looked {
    let (counted, _) = sums(store, space);
    let (sums, window) = space.insight.trend.window(minutes, &counted, now);
    Looked { sums, window }
}

fn sums(store: &Store, space: &Space) -> (Sums, Group) {
    let group = snapshot(store, space, GroupBy::Nothing).total;
    (Sums::of(&group, store.insight.what_if.tally(space.shelf.number())), group)
}

fn snapshot(store: &Store, space: &Space, by: GroupBy) -> crate::stats::Snapshot {
    store.spaces.stats().snapshot(Some(&space.name), by, Surroundings::default())
}

fn top_keys(spaces: &[Arc<Space>], request: &InsightRequest) -> Vec<(TopBy, Arc<str>, TopKey)> {
    let readable: Vec<_> = spaces.iter().filter(|space| request.readable.contains(&space.name)).collect();
    let of_order = |by: TopBy| {
        let mut keys: Vec<_> = readable
            .iter()
            .flat_map(|space| {
                space.insight.top.list(by, request.top_keys).into_iter().map(|key| (by, space.name.clone(), key))
            })
            .collect();
        keys.sort_by_key(|(_, _, key)| std::cmp::Reverse(key.count));
        keys.truncate(request.top_keys);
        keys
    };
    TopBy::ALL.into_iter().flat_map(of_order).collect()
}

fn curve_of(store: &Store, looks: &[Looked]) -> WhatIfCurve {
    let sums = looks.iter().fold(Sums::default(), |all, look| all.plus(&look.sums));
    WhatIfCurve {
        points: curve(sums.measured(), &sums.tally),
        sampled: sums.tally.sampled,
        rate: store.insight.what_if.rate(),
        window: looks.iter().map(|look| look.window).max().unwrap_or_default(),
    }
}

fn advice(store: &Store, spaces: &[Arc<Space>], looks: &[Looked]) -> Vec<(Arc<str>, Advice)> {
    let of_space = |(space, look): (&Arc<Space>, &Looked)| {
        let points = curve(look.sums.measured(), &look.sums.tally);
        let (own, all) = (&space.shelf.budget, store.pool.budget());
        let fuller = |own: (u64, u64), all: (u64, u64)| {
            // The one of which the larger share is taken: a / b > c / d.
            let (mine, theirs) = (u128::from(own.0) * u128::from(all.1), u128::from(all.0) * u128::from(own.1));
            if mine > theirs { own } else { all }
        };
        let evidence = Evidence {
            sums: look.sums,
            window: look.window,
            curve: &points,
            bytes: fuller((own.used().bytes, own.max().bytes), (all.used().bytes, all.max().bytes)),
            entries: fuller((own.used().entries, own.max().entries), (all.used().entries, all.max().entries)),
            by_cost: &*space.config.policy == "cost_aware",
            prefixes: &snapshot(store, space, GroupBy::Prefix(1)).groups,
            kinds: &snapshot(store, space, GroupBy::Kind).groups,
        };
        advise(&evidence).into_iter().map(|advice| (space.name.clone(), advice)).collect::<Vec<_>>()
    };
    spaces.iter().zip(looks).flat_map(of_space).collect()
}

/// Adds up minutes that lie equally far back: namespaces begin theirs at different moments.
fn trend(spaces: &[Arc<Space>], minutes: usize) -> Vec<Minute> {
    let mut sums: BTreeMap<std::cmp::Reverse<usize>, Minute> = BTreeMap::new();
    for space in spaces {
        for (back, minute) in space.insight.trend.minutes(minutes).into_iter().rev().enumerate() {
            let sum =
                sums.entry(std::cmp::Reverse(back)).or_insert(Minute { began: minute.began, ..Minute::default() });
            sum.began = sum.began.min(minute.began);
            sum.sums = sum.sums.plus(&minute.sums);
            sum.used_bytes += minute.used_bytes;
        }
    }
    sums.into_values().collect()
}
