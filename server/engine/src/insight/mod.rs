//! What the numbers mean: lost compute, what more or less memory would bring, top keys, the last hour, advice. Bounded
//! structures behind short locks that are told what happened; nothing here decides what is kept or answered.

pub mod advice;
pub mod cost;
pub mod ghosts;
mod miniature;
pub mod top;
pub mod trend;
pub mod what_if;
