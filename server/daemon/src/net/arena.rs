//! Which arena of the allocator a worker takes memory from. What it is for is not known here.

/// Workers that have one in common. What an upload takes is what a value that went gave back, over whichever connection it came:
/// apart, each worker takes new memory from the system while that of another lies idle. More of them would wait for each other.
const WORKERS: usize = 8;

/// Has the calling thread, the worker of this number, share an arena with others. Without jemalloc there is none.
#[cfg(unix)]
pub(super) fn share(worker: usize) {
    use tikv_jemalloc_ctl::{Access, AsName};

    let arena = u32::try_from(worker / WORKERS).unwrap_or_default();
    if let Err(error) = b"thread.arena\0".name().write(arena) {
        tracing::debug!(%error, "a worker takes memory from an arena of its own");
    }
}

/// The same where the server has another allocator.
#[cfg(not(unix))]
pub(super) fn share(_worker: usize) {}

#[cfg(all(test, unix))]
mod tests {
    use std::thread;

    use tikv_jemalloc_ctl::{Access, AsName};

    use super::*;

    #[test]
    fn the_first_workers_share_one_and_the_next_another() {
        let arena = |worker| {
            let at = thread::spawn(move || {
                share(worker);
                let arena: u32 = b"thread.arena\0".name().read().unwrap();
                arena
            });
            at.join().unwrap()
        };
        assert_eq!([0, 1, WORKERS - 1].map(arena), [0; 3]);
        assert_eq!(arena(WORKERS), 1);
    }
}
