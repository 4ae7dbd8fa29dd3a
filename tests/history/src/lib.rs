//! Histories recorded from a real server: clients in several processes work on it while connections are cut, clients are
//! killed and the server is stopped; every call is recorded, and named validators judge the record afterwards.
//!
//! `record` and `load` are what a history is, `worker` makes one, `driver` runs workers, server and faults, `validate`
//! judges, `mutate` breaks histories to see that the validators find it. What a server does inside is not known here.

pub mod clock;
pub mod driver;
pub mod fault;
pub mod load;
pub mod mutate;
pub mod proxy;
pub mod record;
pub mod report;
pub mod server;
pub mod truth;
pub mod universe;
pub mod validate;
pub mod value;
pub mod worker;
pub mod wrong;
