//! Load for a hotplate server and for its peers, and what it measures. The library below `hotplate bench`; reads no command
//! line and prints nothing.

mod address;
mod answer;
mod clock;
mod content;
mod cpu;
mod crew;
mod dice;
mod failure;
mod herd;
mod lane;
mod link;
mod pace;
mod peer;
mod plan;
mod report;
mod run;
mod side;
mod size;
mod slo;
mod stub;
mod tally;
mod task;
mod trace;
mod work;

pub use answer::{Answer, Spread, Versus, answer_as_json};
pub use failure::{Failure, FailureKind};
pub use herd::{Herd, Stampede};
pub use peer::socket::Place;
pub use plan::{Check, Http2, Mode, Plan, Server, Shape, Trust, View, With};
pub use report::Report;
pub use run::{Progress, Step, own_prefix, run};
pub use side::{Peer, Target};
pub use size::{Sizes, parse_bytes};
pub use slo::Slo;
pub use tally::Generator;
pub use trace::Trace;
