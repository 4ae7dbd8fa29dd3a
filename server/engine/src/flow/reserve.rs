//! Room for a value before it is there: asked for by whoever receives it in pieces, made by evicting others as a Put would,
//! taken over by the Put that stores it. A large value makes much room: in steps, between which others have their turn. What
//! is announced is kept from others from the beginning, and taken when it comes: of two that do not fit together one waits
//! with empty hands.

use std::{sync::Arc, time::Duration};

use super::{
    bounds,
    fit::{cannot_fit, weigh},
};
use crate::{
    error::{Error, Kind, Reason, Result},
    key::Key,
    memory::{
        Store,
        budget::Room,
        reserved::{Claim, Reservation},
        space::Space,
    },
};

/// Bytes taken at once at most: what others write meanwhile finds room.
const STEP_BYTES: u64 = 1 << 20;
/// Entries evicted, or steps taken, before others have their turn.
const STEPS_PER_TURN: usize = 64;
/// Looks in a row for something to evict that find nothing, before there is nothing.
const VAIN_LOOKS_MAX: usize = 64;
/// When it may be tried again, where others hold what may be reserved.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What room is asked for.
#[derive(Clone, Copy, Debug)]
pub struct ReserveRequest<'a> {
    /// The namespace; empty means `default`.
    pub namespace: &'a str,
    /// The key.
    pub key: &'a str,
    /// Bytes, as far as they are known: more can be asked for with [`Reservation::grow`].
    pub bytes: u64,
    /// Bytes that it will take in all, if that is known: no other reservation gets them, and nothing goes for them yet.
    pub announced: u64,
    /// The kind of what is to be stored; empty for none.
    pub kind: &'a str,
    /// What computing it cost, if that is known.
    pub compute_cost: Option<Duration>,
}

/// Takes room, and makes it.
///
/// # Errors
/// Bad names; `VALUE_TOO_LARGE`; `NOT_ADMITTED`: it can never fit, is not worth what would have to go, or there is nothing
/// that may go.
pub async fn reserve(store: &Arc<Store>, request: &ReserveRequest<'_>) -> Result<Reservation> {
    let key = Key::new(request.namespace, request.key)?;
    bounds::length("kind", request.kind, crate::selector::KIND_BYTES_MAX)?;
    bounds::size(request.bytes, store.config.value_bytes_max)?;
    let space = store.open(key.namespace())?;
    let reservation = Reservation::new(store.clone(), space);
    let all = request.announced.max(request.bytes);
    if !reservation.promise(all) {
        return Err(crowded(store, all));
    }
    may_be(&reservation, all, (&key, request))?;
    reservation.grow(request.bytes).await?;
    Ok(reservation)
}

/// Whether it could be stored at all, and what is taken at once is worth it.
fn may_be(reservation: &Reservation, all: u64, (key, request): (&Key, &ReserveRequest<'_>)) -> Result<()> {
    let (store, space) = (reservation.store(), reservation.space());
    if let Some(why) = cannot_fit(store, (space, Some(reservation)), (all, 0)) {
        return Err(refused(why));
    }
    let known = (request.compute_cost, request.kind);
    match weigh(store, (space, key), known, (request.bytes, Room { entries: 0, bytes: request.bytes })) {
        Some(why) => Err(refused(why)),
        None => Ok(()),
    }
}

impl Reservation {
    /// Takes so many bytes more, and makes room for them. What was taken stays when this is dropped on its way.
    ///
    /// # Errors
    /// `NOT_ADMITTED`: it can never fit, there is nothing that may go, or others hold what may be reserved.
    pub async fn grow(&self, bytes: u64) -> Result<()> {
        let (store, space) = (self.store(), self.space());
        let all = self.bytes().saturating_add(bytes);
        // Before it is said that it never fits: what others hold they will give back.
        let Some(mut claim) = self.claim(bytes) else { return Err(crowded(store, all)) };
        if let Some(why) = cannot_fit(store, (space, Some(self)), (all, 0)) {
            return Err(refused(why));
        }
        let (mut turns, mut in_vain) = (0, 0);
        while claim.left() > 0 {
            let taken = claim.take(STEP_BYTES);
            in_vain = if taken || make_room(store, space, &claim) { 0 } else { in_vain + 1 };
            if in_vain > VAIN_LOOKS_MAX {
                let why =
                    "all of memory is pinned, or reserved for values on their way: retry, or raise memory.bytes_max";
                return Err(refused(why.to_owned()).retry_after(RETRY_AFTER));
            }
            turns += 1;
            if turns % STEPS_PER_TURN == 0 || in_vain > 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}

/// Evicts the next one; false: there was none, or others were quicker.
fn make_room(store: &Store, space: &Space, claim: &Claim<'_>) -> bool {
    let bytes = claim.left().min(STEP_BYTES);
    store.evict_one(space, Room { entries: 0, bytes }, |_, _| {})
}

fn crowded(store: &Store, bytes: u64) -> Error {
    let max = store.uploads.max();
    let why = format!("values on their way may hold {max} bytes together, and this one is to hold {bytes}");
    if bytes > max { refused(why) } else { refused(why + ": retry when others are done").retry_after(RETRY_AFTER) }
}

fn refused(why: String) -> Error {
    Error::new(Kind::ResourceExhausted, Reason::NotAdmitted, why)
}
