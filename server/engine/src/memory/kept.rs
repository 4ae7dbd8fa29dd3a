//! Entries between this process's time line and the wall clock, which is what slower tiers know.

use std::time::Duration;

use super::{content::Content, record::Lifetime};
use crate::{
    clock::{Clock, Moment},
    entry::Deadlines,
    tier::Kept,
};

/// An entry as slower tiers keep it.
#[must_use]
pub fn kept(clock: &Clock, content: &Content, (lifetime, stored): (Lifetime, Moment)) -> Kept {
    let Lifetime { deadlines, idle_ttl, refresh_ahead, marked } = lifetime;
    Kept {
        payload: content.payload.clone(),
        description: content.description.clone(),
        digest: content.digest,
        cost: content.cost,
        cost_measured: content.cost_measured,
        stored: clock.wall(stored),
        fresh_until: clock.wall(deadlines.fresh_until),
        usable_until: clock.wall(deadlines.usable_until),
        idle_ttl,
        refresh_ahead,
        marked,
    }
}

/// An entry of a slower tier with what is left of its life, and when it was stored; `None`: it is over.
///
/// A clock that was set back between two processes gives nothing a longer life than it was stored with. When it was read
/// last a slower tier does not know: there its idle TTL runs from when it was stored.
#[must_use]
pub fn restored(clock: &Clock, kept: Kept) -> Option<(Content, Lifetime, Moment)> {
    let now = clock.now();
    let wall = clock.wall(now);
    let ahead = kept.stored.saturating_sub(wall);
    let stored = clock.moment(kept.stored)?.min(now);
    let moment = |at: Duration| clock.moment(at.saturating_sub(ahead));
    let idle_end = kept.idle_ttl.map_or(Moment::NEVER, |idle| stored.after(idle));
    let deadlines = Deadlines {
        // What was fresh until before the beginning is stale since then.
        fresh_until: moment(kept.fresh_until).unwrap_or_default(),
        usable_until: moment(kept.usable_until)?,
    };
    if now >= deadlines.usable_until.max(deadlines.fresh_until) || now >= idle_end {
        return None;
    }
    let Kept { payload, description, digest, cost, cost_measured, idle_ttl, refresh_ahead, marked, .. } = kept;
    let content = Content { payload, description, digest, cost, cost_measured };
    Some((content, Lifetime { deadlines, idle_ttl, refresh_ahead, marked }, stored))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::entry::{Description, Payload};

    const HOUR: Duration = Duration::from_secs(3600);

    fn entry(clock: &Clock) -> (Content, Lifetime, Moment) {
        let content = Content::new(Payload::Value(Bytes::from_static(b"v")), Description::default());
        let now = clock.now();
        let deadlines = Deadlines { fresh_until: now.after(HOUR), usable_until: now.after(2 * HOUR) };
        (content, Lifetime { deadlines, idle_ttl: None, refresh_ahead: None, marked: false }, now)
    }

    fn ends(clock: &Clock, kept: Kept) -> Option<(Duration, Duration)> {
        let (_, lifetime, _) = restored(clock, kept)?;
        let now = clock.now();
        Some((lifetime.deadlines.fresh_until.since(now), lifetime.deadlines.usable_until.since(now)))
    }

    #[test]
    fn a_life_goes_on_where_it_was() {
        let clock = Clock::manual();
        let (content, lifetime, stored) = entry(&clock);
        let kept = kept(&clock, &content, (lifetime, stored));
        clock.advance(HOUR / 2);
        assert_eq!(ends(&clock, kept.clone()), Some((HOUR / 2, HOUR * 3 / 2)));
        clock.advance(HOUR);
        assert_eq!(ends(&clock, kept.clone()), Some((Duration::ZERO, HOUR / 2)));
        clock.advance(HOUR / 2);
        assert_eq!(ends(&clock, kept), None);
    }

    #[test]
    fn a_clock_set_back_makes_no_life_longer() {
        let clock = Clock::manual();
        clock.advance(24 * HOUR);
        let (content, lifetime, stored) = entry(&clock);
        let kept = kept(&clock, &content, (lifetime, stored));
        let earlier = Clock::manual();
        assert_eq!(ends(&earlier, kept), Some((HOUR, 2 * HOUR)));
    }

    #[test]
    fn what_was_not_read_for_its_idle_time_is_over() {
        let clock = Clock::manual();
        let (content, lifetime, stored) = entry(&clock);
        let idle = Lifetime { idle_ttl: Some(HOUR / 4), ..lifetime };
        let kept = kept(&clock, &content, (idle, stored));
        assert!(restored(&clock, kept.clone()).is_some());
        clock.advance(HOUR / 4);
        assert!(restored(&clock, kept).is_none());
    }

    #[test]
    fn a_real_clock_tells_moments_before_it_was_made() {
        let clock = Clock::system();
        let now = clock.now();
        let before = clock.moment(clock.wall(now).saturating_sub(24 * HOUR));
        assert_eq!(before.map(|at| now.since(at)), Some(24 * HOUR));
        assert_eq!(clock.moment(Duration::ZERO), None);
    }
}
