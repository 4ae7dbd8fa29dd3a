//! What goes wrong around a server is done to one that runs, and what it answers is judged against everything that was
//! ever written. The programs are `main.rs`'s.

pub mod admin;
pub mod clock;
pub mod content;
pub mod crash;
pub mod load;
pub mod process;
pub mod replicas;
pub mod shared;
pub mod truth;
pub mod wire;
