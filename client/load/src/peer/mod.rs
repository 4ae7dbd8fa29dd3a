//! Servers of others: what they speak, as little of it as a load needs.

pub(crate) mod etcd;
pub(crate) mod memcached;
pub(crate) mod redis;
pub(crate) mod socket;
pub(crate) mod text;
