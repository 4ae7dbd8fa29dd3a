//! Real Redis for tests: servers, a Sentinel set-up, a Cluster, on free ports of this machine; made to fail and ended by
//! their own process ids. Nothing is imitated here, and nothing of the cache is known.
//!
//! Needs `redis-server` and `redis-sentinel` (Debian packages of these names): `cargo x setup` installs them. All calls
//! block; they are for tests, benches and tools.

mod cluster;
mod port;
mod sentinel;
mod server;
mod tls;

pub use cluster::{Cluster, slot_of};
pub use port::Port;
pub use redis::Value;
pub use sentinel::Sentinel;
pub use server::{Options, Server};
pub use tls::Certificates;

/// What went wrong, for people.
pub type Result<T> = std::result::Result<T, String>;

/// How long is waited for something to come true.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
/// How often is looked.
const LOOK: std::time::Duration = std::time::Duration::from_millis(10);

/// Looks until it is so; fails after a minute, saying what did not come true.
///
/// # Errors
/// `what`, when that did not come true in time.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) -> Result<()> {
    for _look in 0..PATIENCE.as_millis() / LOOK.as_millis() {
        if is_so() {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    Err(format!("did not come true within {PATIENCE:?}: {what}"))
}
