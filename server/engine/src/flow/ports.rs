//! The store as Watch and Preload see it: their ports, answered by the same look-ups and the same gate as every verb.

use std::{future::ready, sync::Arc, time::Duration};

use futures::future::BoxFuture;

use super::{
    admit::{self, Admission, Right, admit},
    bounds, cascade, failure,
    fill::{self, Admitted, Fill, Ticket},
    fleet,
    lifetime::Rules,
    list::{page, usable},
    put::Precondition,
    through::{kin, lower::bring},
};
use crate::{
    entry::{Description, EntryView, Negative, Payload},
    error::{Error, Kind, Reason, Result},
    key::Key,
    memory::{Store, content::Content},
    selector::Selector,
    tier::shared::FleetStamp,
    watch::Entries,
};

impl Entries for Store {
    fn view(&self, namespace: &Arc<str>, key: &Arc<str>) -> Option<EntryView> {
        fill::Store::view(self, &Key::trusted(namespace.clone(), key.clone()))
    }

    fn page(
        &self,
        namespace: &Arc<str>,
        selectors: &[Selector],
        after: Option<&str>,
        entries_max: usize,
    ) -> Vec<EntryView> {
        page(self, namespace, (selectors, after), entries_max)
    }
}

impl fill::Store for Store {
    fn ticket(&self, key: &Key) -> Ticket {
        let _shard = self.shard(key);
        Ticket { stamp: self.as_of(key).into(), place: self.tick() }
    }

    fn view(&self, key: &Key) -> Option<EntryView> {
        let space = self.spaces.find(key.namespace()).ok().flatten()?;
        let shard = self.shard(key);
        let slot = self.find(&shard, &space, key)?;
        usable(self, &shard, (&space, slot), self.clock.now())
    }

    fn bring<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, ()> {
        if self.tiers.none() { Box::pin(ready(())) } else { Box::pin(bring(self, key)) }
    }

    fn gather<'a>(&'a self, key: &'a Key, said: &'a mut Description) -> BoxFuture<'a, ()> {
        if self.tiers.none() { Box::pin(ready(())) } else { Box::pin(kin::gather(self, key, said)) }
    }

    fn place_in_fleet(&self, key: &Key) -> Option<FleetStamp> {
        let space = self.spaces.find(key.namespace()).ok().flatten()?;
        fleet::of(self, &space)?.stamp(key)
    }

    fn share<'a>(&'a self, key: &'a Key, since: FleetStamp) -> BoxFuture<'a, bool> {
        Box::pin(fleet::write::fetched(self, key, since))
    }

    fn ttl_max(&self, namespace: &str) -> Duration {
        let space = self.spaces.find(&Arc::from(namespace)).ok().flatten();
        space.map_or(Duration::MAX, |space| space.config.ttl_max)
    }

    fn admit(&self, fill: Fill) -> Result<Admitted> {
        let Fill { key, payload, mut description, cost_measured, expiration, ticket, pin_for } = fill;
        bounds::payload(&payload, self.config.value_bytes_max)?;
        bounds::description(&mut description)?;
        let space = &self.open(key.namespace())?;
        let negative = matches!(payload, Payload::Negative(_));
        let rules =
            Rules { namespace: &space.config, classes: &self.config.ttl_classes, kind: &description.kind, negative };
        let lifetime = rules.decide(&expiration, self.clock.now(), self.random())?;
        let _linking = description.depends_on.is_some().then(|| space.graph.linking());
        if let Some(said) = &description.depends_on {
            description.depends_on = Some(cascade::close(self, (space, &key), said)?);
        }
        let content = Content { cost_measured, ..Content::new(payload, description) };
        let precondition = &Precondition::Always;
        let (right, pin) = (Right::Fill(ticket), pin_for.map(|long| self.clock.now().after(long)));
        if pin.is_some() {
            // What was pinned and is dead holds no place that could be pinned again.
            self.sweep_all(Some(space));
        }
        match admit(
            self,
            &Admission { space, key: &key, content, lifetime, precondition, below: None, right, pin, reserved: None },
        ) {
            admit::Admitted::Stored(view, ..) => Ok(Admitted::Stored { pinned: view.facts.pinned }),
            admit::Admitted::Refreshed(view, ..) => Ok(Admitted::Refreshed { pinned: view.facts.pinned }),
            admit::Admitted::TooLate => Ok(Admitted::TooLate),
            admit::Admitted::NotAdmitted(why, ..) => Ok(Admitted::NotAdmitted(why)),
            admit::Admitted::PreconditionFailed(_) | admit::Admitted::Unknown | admit::Admitted::LeaseLost => {
                Err(Error::new(Kind::Internal, Reason::Bug, "a fill without condition and lease failed by one"))
            }
        }
    }

    fn failed(&self, key: &Key, negative: &Negative) {
        failure::keep_of_origin(self, key, negative);
    }
}
