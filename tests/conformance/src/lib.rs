//! What every client must do, as scenarios that are carried out against real servers and real faults, in every language.
//! Drivers do what they are told; everything is judged here.
//!
//! `scenario` is how scenarios are written, `suite` runs them, `stage` is what they are played on, `driver` the language.

mod clock;
pub mod driver;
pub mod expect;
mod fill;
pub mod load;
mod origin;
mod player;
pub mod report;
pub mod scenario;
mod scope;
pub mod scripted;
pub mod sdk;
mod server;
mod stage;
mod step;
pub mod suite;
mod vectors;
mod words;
pub mod wrong;
