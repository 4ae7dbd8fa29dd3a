//! Stats: translates counters. What a caller may not see is left out before anything is added up.

use std::{collections::BTreeMap, sync::Arc};

use hotplate_engine::{
    flow::insight::InsightRequest,
    stats::{Group, GroupBy, Snapshot},
};
use hotplate_proto::v1;

use super::{
    convert,
    service::{Answer, Call, Parts},
    status::Failure,
};
use crate::access::Permission;

/// The name that means every namespace the caller may see.
const ALL: &str = "*";

/// Serves `Stats`.
pub(crate) fn stats(
    parts: &Parts,
    call: &Call,
    request: v1::StatsRequest,
) -> Result<Answer<v1::StatsResponse>, Failure> {
    let group_by = convert::group_by(&request)?;
    let (top_keys, minutes) = (convert::top_keys(&request)?, convert::minutes(&request)?);
    let snapshot = if request.namespace != ALL {
        call.allow(&request.namespace)?;
        let name = hotplate_engine::key::namespace_name(&request.namespace)?;
        parts.cache.stats(Some(&name), group_by)?
    } else if call.allow(ALL).is_ok() {
        parts.cache.stats(None, group_by)?
    } else {
        of_allowed(parts, call, group_by)?
    };
    let wanted = InsightRequest {
        namespaces: Vec::new(),
        readable: Vec::new(),
        top_keys,
        minutes,
        what_if: request.include_what_if,
        advice: request.include_recommendations,
        trend: request.include_trend,
    };
    let insight = parts.cache.insight(&within(parts, call, &request.namespace, wanted)?);
    let mut response = convert::stats_response(&snapshot, insight);
    if call.allow(ALL).is_ok() {
        response.tiers = parts.cache.tier_states().into_iter().map(convert::tier_stats).collect();
    }
    Ok(Answer::plain(response))
}

/// Limits what is concluded to the namespaces asked for in which the caller may see statistics, and what is told of keys to
/// those in which it may read as well: a key is part of what is stored.
fn within(parts: &Parts, call: &Call, namespace: &str, wanted: InsightRequest) -> Result<InsightRequest, Failure> {
    let namespaces = if namespace == ALL {
        parts.cache.namespaces().into_iter().filter(|name| call.allow(name).is_ok()).collect()
    } else {
        vec![hotplate_engine::key::namespace_name(namespace)?]
    };
    let may_read = |name: &&Arc<str>| call.allow_also(Permission::Read, name).is_ok();
    let readable = namespaces.iter().filter(may_read).cloned().collect();
    Ok(InsightRequest { namespaces, readable, ..wanted })
}

/// Adds up the namespaces the caller may see. Quantiles of several namespaces cannot be added: there are none.
fn of_allowed(parts: &Parts, call: &Call, group_by: GroupBy) -> Result<Snapshot, Failure> {
    let mut all = Snapshot { uptime: parts.cache.stats(None, GroupBy::Nothing)?.uptime, ..Snapshot::default() };
    let mut groups: BTreeMap<_, Group> = BTreeMap::new();
    for name in parts.cache.namespaces().into_iter().filter(|name| call.allow(name).is_ok()) {
        let one = parts.cache.stats(Some(&name), group_by)?;
        add(&mut all.total, &one.total);
        all.watch_count += one.watch_count;
        all.pinned_bytes += one.pinned_bytes;
        for group in one.groups {
            let sum = groups.entry(group.name.clone()).or_insert_with(|| named(&group));
            add(sum, &group);
        }
    }
    let config = parts.cache.config();
    (all.entries_max, all.bytes_max) = (config.entries_max, config.bytes_max);
    all.groups = groups.into_values().collect();
    all.groups.sort_by_key(|group| std::cmp::Reverse(group.reads()));
    let groups_max = config.stats_groups_max.max(config.namespaces_max);
    if all.groups.len() > groups_max {
        let rest = all.groups.split_off(groups_max);
        let mut other = Group { name: "_other".into(), ..Group::default() };
        rest.iter().for_each(|group| add(&mut other, group));
        all.groups.push(other);
    }
    Ok(all)
}

fn named(group: &Group) -> Group {
    Group { name: group.name.clone(), ..Group::default() }
}

fn add(sum: &mut Group, group: &Group) {
    sum.hits += group.hits;
    sum.stale_hits += group.stale_hits;
    sum.negative_hits += group.negative_hits;
    for (reason, count) in &group.misses {
        *sum.misses.entry(*reason).or_default() += count;
    }
    sum.puts += group.puts;
    sum.refreshes += group.refreshes;
    sum.not_admitted += group.not_admitted;
    for (reason, count) in &group.removals {
        *sum.removals.entry(*reason).or_default() += count;
    }
    sum.entry_count += group.entry_count;
    sum.charged_bytes += group.charged_bytes;
    sum.value_bytes += group.value_bytes;
    sum.key_bytes += group.key_bytes;
    sum.rounding_bytes += group.rounding_bytes;
    sum.compute_saved += group.compute_saved;
    sum.compute_lost += group.compute_lost;
    sum.compute_spent += group.compute_spent;
    sum.leases += &group.leases;
}
