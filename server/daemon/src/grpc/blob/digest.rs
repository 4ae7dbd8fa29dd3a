//! SHA-256 of an upload, worked out on other threads while it comes in. What it is compared with is not known here.

use std::{mem, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::task::Lasting;

/// Bytes that wait before a thread is asked to go over them: fewer are not worth it.
const BYTES_PER_TURN: usize = 4 << 20;

/// A sum that grows. What waits to be gone over is held by the upload as well.
pub(in crate::grpc) struct Digesting {
    state: Mutex<State>,
    idle: watch::Sender<()>,
}

struct State {
    /// None while a thread has it.
    sum: Option<Sha256>,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
}

impl Digesting {
    /// Of nothing.
    pub(in crate::grpc) fn new() -> Arc<Self> {
        let state = State { sum: Some(Sha256::new()), waiting: Vec::new(), waiting_bytes: 0 };
        Arc::new(Self { state: Mutex::new(state), idle: watch::Sender::new(()) })
    }

    /// Adds bytes.
    pub(in crate::grpc) fn add(self: &Arc<Self>, bytes: Bytes, tasks: &Lasting) {
        let mut state = self.state.lock();
        state.waiting_bytes += bytes.len();
        state.waiting.push(bytes);
        if state.waiting_bytes >= BYTES_PER_TURN {
            self.turn(&mut state, tasks);
        }
    }

    /// Hands what waits to a thread, unless one is at it.
    fn turn(self: &Arc<Self>, state: &mut State, tasks: &Lasting) {
        let Some(mut sum) = state.sum.take() else { return };
        let (waiting, own) = (mem::take(&mut state.waiting), Arc::clone(self));
        state.waiting_bytes = 0;
        tasks.spawn_blocking(move || {
            waiting.iter().for_each(|bytes| sum.update(bytes));
            own.state.lock().sum = Some(sum);
            own.idle.send_replace(());
        });
    }

    /// The sum, if nothing waits; else what waits is handed on.
    fn done(self: &Arc<Self>, tasks: &Lasting) -> Option<[u8; 32]> {
        let mut state = self.state.lock();
        let sum = state.sum.as_ref().filter(|_| state.waiting.is_empty());
        let sum = sum.map(|sum| sum.clone().finalize().into());
        if sum.is_none() {
            self.turn(&mut state, tasks);
        }
        sum
    }

    /// The sum of all that was added.
    pub(in crate::grpc) async fn sum(self: &Arc<Self>, tasks: &Lasting) -> [u8; 32] {
        let mut idle = self.idle.subscribe();
        loop {
            if let Some(sum) = self.done(tasks) {
                return sum;
            }
            // The sender is here: it does not end.
            let _ = idle.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sum_grows_on_other_threads_in_order() {
        let (digesting, tasks) = (Digesting::new(), Lasting::here());
        let mut whole = Sha256::new();
        for number in 0..40_u8 {
            let bytes = Bytes::from(vec![number; 300_000]);
            whole.update(&bytes);
            digesting.add(bytes, &tasks);
        }
        assert_eq!(digesting.sum(&tasks).await, <[u8; 32]>::from(whole.finalize()));
    }
}
