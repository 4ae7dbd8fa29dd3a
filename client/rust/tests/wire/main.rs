//! The client against a server that misbehaves on purpose: refuses, stalls, vanishes and comes back. What a healthy
//! server does is tested against the real one.

mod asking;
mod blob;
mod cached;
mod calls;
mod closing;
mod compute;
mod degradation;
mod double;
mod double_blob;
mod double_pipe;
mod lease;
mod lease_table;
mod near;
mod nested;
mod parts;
mod pipe;
mod pipe_many;
mod typed;
mod watch;
