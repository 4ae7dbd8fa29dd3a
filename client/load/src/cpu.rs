//! How much processor time a process has used, from what Linux tells of it. On other systems nothing is known.

use std::{fs, time::Duration};

use rustix::{
    param::clock_ticks_per_second,
    time::{ClockId, clock_gettime},
};

/// Of a process on this machine, all its threads, in user and kernel mode. Exact where the kernel counts it for each thread
/// (a thread that ends meanwhile is then missing), else to a hundredth of a second.
pub(crate) fn used_by(pid: u32) -> Option<Duration> {
    threads_of(pid).or_else(|| ticks_of(pid))
}

/// The first number of `schedstat` is nanoseconds on a processor.
fn threads_of(pid: u32) -> Option<Duration> {
    let mut nanos = 0_u64;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        // One that has just ended has nothing to tell any more.
        let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) else { continue };
        nanos += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    (nanos > 0).then(|| Duration::from_nanos(nanos))
}

fn ticks_of(pid: u32) -> Option<Duration> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, clock_ticks_per_second())
}

/// Of this process.
pub(crate) fn used_here() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// What the calling thread did so far, as far as processors are concerned.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Thread {
    /// It ran.
    busy: Duration,
    /// It could have run, and something else did. Zero where the kernel does not tell.
    held_up: Duration,
}

impl Thread {
    /// Until now.
    pub(crate) fn now() -> Self {
        let told = fs::read_to_string("/proc/thread-self/schedstat").ok();
        let held_up = told.as_ref().and_then(|text| text.split_whitespace().nth(1)?.parse().ok());
        let busy = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
        Self { busy, held_up: Duration::from_nanos(held_up.unwrap_or(0)) }
    }

    /// Shares of this time since an earlier moment: running, and held up.
    pub(crate) fn shares(self, earlier: Self, time: Duration) -> (f64, f64) {
        let share = |long: Duration| (long.as_secs_f64() / time.as_secs_f64().max(1e-9)).min(1.0);
        (share(self.busy.saturating_sub(earlier.busy)), share(self.held_up.saturating_sub(earlier.held_up)))
    }
}

/// Fields 14 and 15 of proc_pid_stat(5), counted after the name, which may hold anything.
fn parse(stat: &str, ticks_per_second: u64) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, kernel): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let ticks = u128::from(user) + u128::from(kernel);
    let nanos = ticks * 1_000_000_000 / u128::from(ticks_per_second.max(1));
    Some(Duration::from_nanos(u64::try_from(nanos).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_only_counts_is_busy_or_held_up_and_one_that_sleeps_is_neither() {
        let shares = |work: fn()| {
            let (before, began) = (Thread::now(), crate::clock::now());
            work();
            Thread::now().shares(before, crate::clock::now() - began)
        };
        let counts = || {
            let began = crate::clock::now();
            while began.elapsed() < Duration::from_millis(100) {
                std::hint::spin_loop();
            }
        };
        // A machine that is itself held up by another tells of neither: then it counts again.
        let all = (0..100).map(|_| shares(counts)).find(|(busy, held_up)| *busy > 0.0 && busy + held_up > 0.8);
        assert!(all.is_some(), "{:?}", shares(counts));
        let (idle, _) = shares(|| std::thread::park_timeout(Duration::from_millis(100)));
        assert!(idle < 0.5, "{idle}");
    }

    #[test]
    fn the_fields_are_found_behind_any_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 5 0 0 0 150 75 0 0 20 0 1 0 99 1 1";
        assert_eq!(parse(stat, 100), Some(Duration::from_millis(2_250)));
        assert_eq!(parse("42 (a) S 1", 100), None);
        assert!(ticks_of(std::process::id()).is_some());
        // Other tests go on meanwhile, and ticks are coarse.
        let (before, coarse) = (used_here(), Duration::from_secs(1));
        let (threads, after) = (used_by(std::process::id()).expect("Linux tells"), used_here());
        assert!(before <= threads + coarse && threads <= after + coarse, "{before:?} {threads:?} {after:?}");
        assert!(!used_here().is_zero());
    }
}
