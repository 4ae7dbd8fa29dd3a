//! Doing several things side by side, no more at a time than there are lanes. What they do is the callers'.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    thread,
};

/// Does the work of every item, `lanes` at a time, the first ones first; returns what came of each, in the order of the items.
///
/// # Panics
/// When the work does.
pub(crate) fn side_by_side<T: Send, R: Send>(lanes: usize, items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let waiting: Mutex<VecDeque<(usize, T)>> = Mutex::new(items.into_iter().enumerate().collect());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let lane = || {
        let mut done = Vec::new();
        while let Some((place, item)) = next() {
            done.push((place, work(item)));
        }
        done
    };
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes.max(1)).map(|_| scope.spawn(lane)).collect();
        lanes
            .into_iter()
            .flat_map(|lane| lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn two_go_on_at_once_and_answers_are_in_order() {
        let both = Barrier::new(2);
        let done = side_by_side(2, vec![1, 2, 3, 4], |item| {
            // Nobody passes alone.
            both.wait();
            item * 10
        });
        assert_eq!(done, [10, 20, 30, 40]);
        assert_eq!(side_by_side(0, vec!["a"], |item| item), ["a"]);
        assert!(side_by_side(2, Vec::<u8>::new(), |item| item).is_empty());
    }
}
