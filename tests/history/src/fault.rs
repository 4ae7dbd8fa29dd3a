//! Which faults a run meets, and when: follows from the seed alone. Breaks nothing itself.

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};

use crate::record::{FaultKind, Run};

/// A fault to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Milliseconds after the one before it is over.
    pub after_ms: u64,
    /// How long it lasts, in milliseconds.
    pub lasts_ms: u64,
    /// What.
    pub kind: FaultKind,
    /// Which process of clients it hits, when it is one.
    pub process: u32,
}

const KINDS: [FaultKind; 6] =
    [FaultKind::Kill, FaultKind::Pause, FaultKind::Cut, FaultKind::HalfOpen, FaultKind::Delay, FaultKind::Restart];

/// Quiet at the beginning, in milliseconds, so that there is something to break.
const QUIET_MS: u64 = 1_000;

/// The faults of a run, one after the other: each kind once in an order of the seed, then any, the usual ones more often.
#[must_use]
pub fn script(run: &Run) -> Vec<Planned> {
    let mut random = ChaCha8Rng::seed_from_u64(run.seed);
    let mut kinds = KINDS;
    kinds.shuffle(&mut random);
    let mut first = kinds.into_iter();
    let mut planned = Vec::new();
    let mut time = 0;
    loop {
        let after_ms = if planned.is_empty() { QUIET_MS } else { random.random_range(300..1_100) };
        let kind = first.next().unwrap_or_else(|| match random.random_range(0..20) {
            0 => FaultKind::Restart,
            1..7 => FaultKind::Kill,
            7..11 => FaultKind::Pause,
            11..15 => FaultKind::Cut,
            15..18 => FaultKind::HalfOpen,
            _ => FaultKind::Delay,
        });
        let lasts_ms = match kind {
            FaultKind::Pause => random.random_range(200..1_500),
            FaultKind::HalfOpen | FaultKind::Delay => random.random_range(300..1_200),
            FaultKind::Cut | FaultKind::Kill | FaultKind::Restart => 0,
        };
        let process = random.random_range(0..run.processes.max(1));
        time += after_ms + lasts_ms;
        if time > run.seconds * 1_000 {
            return planned;
        }
        planned.push(Planned { after_ms, lasts_ms, kind, process });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_breaks_the_same() {
        let run = Run { seed: 1, seconds: 15, processes: 3, ..Run::default() };
        let one = script(&run);
        assert_eq!(one, script(&run));
        assert_ne!(one, script(&Run { seed: 2, ..run.clone() }));
        for kind in KINDS {
            assert!(one.iter().any(|planned| planned.kind == kind), "{kind:?} in {one:?}");
        }
        assert!(script(&Run { seconds: 0, ..run }).is_empty());
    }
}
