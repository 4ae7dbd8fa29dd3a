//! The client against a server that misbehaves on purpose: refuses, stalls, vanishes and comes back. What a healthy
//! server does is tested against the real one.

mod calls;
mod compute;
mod degradation;
mod double;
mod typed;
mod watch;
