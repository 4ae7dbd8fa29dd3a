//! ExplainKey through all tiers: what a Get would find in each at this moment. Only looks. How it is explained is decided in
//! `flow/explain`.

use super::lower::{ATTEMPTS_MAX, Landed, Survey, survey};
use crate::{
    clock::Moment,
    error::{Error, Kind, Reason, Result},
    flow::{
        beneath::Beneath,
        explain::{self, Below, ExplainAnswer, ExplainRequest},
        promote::Promoted,
    },
    key::Key,
    memory::Store,
    tier::TierName,
};

/// Explains one key.
///
/// # Errors
/// As [`explain::explain`].
pub(crate) async fn explain(store: &Store, request: &ExplainRequest, made: Moment) -> Result<ExplainAnswer> {
    if store.tiers.none() {
        return explain::explain(store, request, made);
    }
    let key = explain::checked(request)?;
    store.spaces.find(key.namespace())?;
    for _ in 0..ATTEMPTS_MAX {
        let below = below(store, &key, survey(store, &key).await);
        if let Some(answer) = explain::above(store, (&key, request), made, &below)? {
            return Ok(answer);
        }
    }
    let answer = explain::above(store, (&key, request), made, &Below::NOTHING)?;
    answer.ok_or_else(|| Error::new(Kind::Internal, Reason::Bug, "slower tiers were not asked"))
}

/// What a Get makes of what all of them said: the first that has the key decides.
fn below(store: &Store, key: &Key, Survey { said }: Survey) -> Below {
    let (mut lies_in, mut silent, mut first) = (Vec::new(), Vec::new(), None);
    for (tier, landed) in said {
        match landed {
            None => silent.push((tier, why(store, tier))),
            Some(Landed::Found(_, promoted)) => {
                if !matches!(promoted, Promoted::Ended) {
                    lies_in.push(tier);
                }
                first.get_or_insert(match promoted {
                    Promoted::Valid(unstored) => Beneath::Found(tier, unstored),
                    Promoted::Ended => Beneath::Nothing,
                    Promoted::Newer | Promoted::TooLate => Beneath::Unasked,
                });
            }
            Some(Landed::Nothing | Landed::Dropped(_) | Landed::Unavailable) => {}
        }
    }
    let unheard = if silent.is_empty() { Beneath::Nothing } else { Beneath::Unavailable };
    // What is not read because it may lack what others changed lies there all the same.
    let local = store.tiers.local.as_ref().filter(|local| local.holds(key)).map(|local| local.name());
    if let Some(local) = local.filter(|local| !lies_in.contains(local)) {
        lies_in.insert(0, local);
    }
    Below { said: first.unwrap_or(unheard), lies_in, silent }
}

/// Why a tier is not asked, if it says so.
fn why(store: &Store, tier: TierName) -> Option<String> {
    store.tiers.states().into_iter().find(|(name, _)| *name == tier).and_then(|(_, state)| state.why)
}
