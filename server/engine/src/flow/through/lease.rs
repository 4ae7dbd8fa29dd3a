//! Leases wherever they are held: kept and given back.

use std::sync::Arc;

use crate::{
    error::Result,
    flow::{
        fleet::lease::{ended, extended},
        lease::{self, Release},
        repeat::Repeats,
    },
    key::Key,
    lease::Grant,
    memory::Store,
};

/// Lets a lease last for one more duration; `None`: it is not held.
///
/// # Errors
/// Bad names.
pub async fn keep(store: &Arc<Store>, key: (&str, &str), token: u128) -> Result<Option<Grant>> {
    let grant = lease::extend(store, key, token)?;
    if let Some(grant) = grant {
        extended(store, &Key::new(key.0, key.1)?, grant).await;
    }
    Ok(grant)
}

/// Gives a lease back; how many who waited got the failure, `None`: it is not held.
///
/// # Errors
/// As [`lease::release`].
pub async fn give_back(
    store: &Arc<Store>,
    repeats: &Repeats,
    key: (&str, &str),
    (token, how): (u128, Release),
) -> Result<Option<u32>> {
    let released = lease::release(store, repeats, key, token, how);
    if let Ok(key) = Key::new(key.0, key.1) {
        ended(store, &key, token).await;
    }
    released
}
