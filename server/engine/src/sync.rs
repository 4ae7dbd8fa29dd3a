//! Locks and counters of the memory tier: the machine's own or, with the feature `shuttle`, ones whose interleavings a
//! test chooses. What they protect is not known here.

#[cfg(feature = "shuttle")]
pub mod chosen;

#[cfg(not(feature = "shuttle"))]
pub use std::sync::atomic::AtomicU64;
pub use std::sync::atomic::Ordering;

#[cfg(not(feature = "shuttle"))]
pub use parking_lot::{Mutex, MutexGuard, RwLock};

#[cfg(feature = "shuttle")]
pub use self::chosen::{AtomicU64, Mutex, MutexGuard, RwLock};
