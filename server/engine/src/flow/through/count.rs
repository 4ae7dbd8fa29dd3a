//! What an Invalidate selects beneath memory, as far as it can be counted there: named keys can be looked for, of sets slower
//! tiers only take note.

use std::{collections::BTreeSet, sync::Arc};

use futures::{StreamExt, stream};

use super::lower::{Landed, Survey, is_in_memory, survey};
use crate::{
    error::Result,
    flow::{
        fleet,
        invalidate::{InvalidateAnswer, InvalidateRequest, SAMPLE_KEYS_MAX, space_of},
        promote::Promoted,
    },
    key::{Key, namespace_name},
    memory::Store,
    selector::Selector,
    tier::TierName,
};

/// Keys that are looked for in slower tiers at once.
const LOOKS_MAX: usize = 32;

/// Adds to an answer what slower tiers have of named keys, when it was only asked for, and which tiers are not counted.
pub(super) async fn beneath(store: &Store, request: &InvalidateRequest, answer: &mut InvalidateAnswer) -> Result<()> {
    if store.tiers.none() {
        return Ok(());
    }
    let namespace = namespace_name(&request.namespace)?;
    let Some(space) = space_of(store, &namespace)? else { return Ok(()) };
    let local = store.local_of(&space).map(|local| local.name());
    let shared = fleet::of(store, &space).map(|_| TierName::Shared);
    if request.selectors.iter().any(|selector| !matches!(selector, Selector::Key(_))) {
        answer.uncounted = local.into_iter().chain(shared).collect();
    } else if !request.validate_only {
        // A named key that lay on the disk was counted when it was forgotten there.
        answer.uncounted = shared.into_iter().collect();
    }
    if request.validate_only {
        let silent = look(store, &namespace, request, answer).await;
        let more: Vec<_> = silent.into_iter().filter(|tier| !answer.uncounted.contains(tier)).collect();
        answer.uncounted.extend(more);
    }
    Ok(())
}

/// Counts named keys that lie in slower tiers alone, and shows them; the tiers that could not be asked.
async fn look(
    store: &Store,
    namespace: &Arc<str>,
    request: &InvalidateRequest,
    answer: &mut InvalidateAnswer,
) -> BTreeSet<TierName> {
    let named: BTreeSet<&Arc<str>> = request
        .selectors
        .iter()
        .filter_map(|selector| if let Selector::Key(text) = selector { Some(text) } else { None })
        .collect();
    let keys = named.into_iter().map(|text| Key::trusted(namespace.clone(), text.clone()));
    let keys: Vec<Key> = keys.filter(|key| !is_in_memory(store, key)).collect();
    let looks = keys.into_iter().map(|key| async move {
        let said = survey(store, &key).await;
        (key, said)
    });
    let mut found = stream::iter(looks).buffered(LOOKS_MAX);
    let (mut silent, mut shown) = (BTreeSet::new(), BTreeSet::from_iter(answer.sample_keys.drain(..)));
    while let Some((key, Survey { said })) = found.next().await {
        let lies = |landed: &Option<Landed>| {
            matches!(landed, Some(Landed::Found(_, Promoted::Valid(_) | Promoted::Newer | Promoted::TooLate)))
        };
        if said.iter().any(|(_, landed)| lies(landed)) {
            answer.matched_count += 1;
            shown.insert(key.text().clone());
        } else {
            silent.extend(said.iter().filter(|(_, landed)| landed.is_none()).map(|(tier, _)| *tier));
        }
    }
    answer.sample_keys = shown.into_iter().take(SAMPLE_KEYS_MAX).collect();
    silent
}
