//! Fetching anew: what is selected is marked stale, as `mark` does, and one preload job fetches it from an origin. Whatever
//! can be refused is refused before anything is marked.

use std::{collections::BTreeMap, time::Duration};

use super::{
    cascade::Cascade,
    fill::{Checked, Source, Store as _},
    invalidate::{InvalidateAnswer, InvalidateRequest, check, nothing, space_of, validate},
    list::usable,
    mark::mark,
    preload::Jobs,
    repeat::{Answer, Repeats},
};
use crate::{
    entry::{Description, EntryView, Expiration},
    error::{Error, Reason, Result},
    key::{Key, namespace_name},
    memory::{Guard, Store, space::Space},
    selector::Selector,
};

/// Where to fetch from.
#[derive(Clone, Debug, Default)]
pub struct RefreshFrom {
    /// Which origin; empty: the only one.
    pub origin: String,
    /// Values for its template.
    pub parameters: BTreeMap<String, String>,
}

/// Marks entries stale and starts a job that fetches those which are selected and there. The job takes its tickets after
/// the marks: what it fetches is let in, what others computed before is not. Needs a tokio runtime.
///
/// # Errors
/// As [`super::mark::mark_stale`]; `NO_ORIGIN`, `TOO_MANY_JOBS`, `BATCH_TOO_LARGE`, `DRAINING`. Nothing is marked then.
pub fn refresh(
    store: &Store,
    (repeats, jobs): (&Repeats, &Jobs),
    request: &InvalidateRequest,
    (from, marked): (&RefreshFrom, &dyn Fn()),
) -> Result<InvalidateAnswer> {
    let started = store.clock.now();
    let namespace = namespace_name(&request.namespace)?;
    check(request)?;
    let space = space_of(store, &namespace)?;
    if let Some(Answer::Invalidate(answer)) = repeats.recall(&namespace, &request.request_id)
        && !request.validate_only
    {
        return Ok(answer);
    }
    let source = jobs.source(&namespace, &from.origin, &from.parameters).map_err(|error| {
        let field = format!("refresh.{}", error.field_name().unwrap_or("origin"));
        error.field(field)
    })?;
    let Some(space) = space else { return Ok(nothing()) };
    let selectors = &request.selectors;
    let cascade = if request.cascade { Cascade::plan(store, &space, selectors)? } else { Cascade::default() };
    let items = selected(store, &space, (selectors, jobs.items_max()), &source)?;
    let refreshing_count = items.len() as u64;
    if request.validate_only {
        return Ok(InvalidateAnswer { refreshing_count, ..validate(store, &space, selectors, &cascade) });
    }
    let job = if items.is_empty() { None } else { Some(jobs.reserve(&namespace, items)?) };
    let answer = mark(store, &space, (request, Duration::ZERO), cascade);
    marked();
    let answer =
        InvalidateAnswer { refreshing_count, refresh_job_id: job.as_ref().map(|job| job.id.clone()), ..answer };
    repeats.remember(&namespace, &request.request_id, Answer::Invalidate(answer.clone()));
    if let Some(job) = job {
        jobs.begin(job);
    }
    space.stats.on_latency("invalidate", store.clock.now().since(started));
    Ok(answer)
}

/// What is selected and may be served now, at most so many.
fn selected(
    store: &Store,
    space: &Space,
    (selectors, items_max): (&[Selector], usize),
    source: &Source,
) -> Result<Vec<Checked>> {
    let mut found = BTreeMap::new();
    let mut sets = Vec::new();
    for selector in selectors {
        let Selector::Key(text) = selector else {
            sets.push(selector.clone());
            continue;
        };
        let view = store.view(&Key::trusted(space.name.clone(), text.clone()));
        found.extend(view.map(|view| (view.key.clone(), item(space, view, source))));
    }
    // None at all would select everything.
    if !sets.is_empty() {
        let now = store.clock.now();
        let mut walk = store.walk(space, &sets);
        // One step finds little: that much more than allowed is all that is ever held.
        while found.len() <= items_max
            && walk.step(|shard: &mut Guard<'_>, slot| {
                let view = usable(store, shard, (space, slot), now);
                found.extend(view.map(|view| (view.key.clone(), item(space, view, source))));
            })
        {}
    }
    if found.len() > items_max {
        let rule = format!(
            "a REFRESH fetches at most {items_max} entries, these select more: refresh in parts, or mark them stale"
        );
        return Err(Error::invalid(Reason::BatchTooLarge, "selectors", rule));
    }
    Ok(found.into_values().collect())
}

fn item(space: &Space, view: EntryView, source: &Source) -> Checked {
    let said = &view.facts.description;
    let described = Description {
        kind: said.kind.clone(),
        tags: said.tags.clone(),
        depends_on: said.depends_on.clone(),
        ..Description::default()
    };
    Checked {
        key: Key::trusted(space.name.clone(), view.key),
        source: source.clone(),
        described,
        expiration: Expiration::default(),
        pin_for: None,
        tell_failure: true,
    }
}
