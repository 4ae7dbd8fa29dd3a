//! The leases of the double: one holder per key, nobody waits. Enough to see what the client does with one.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use hotplate::v1;
use parking_lot::Mutex;

/// Who holds what, and what was given back.
pub(crate) struct Leases {
    /// Tokens by key. A key with an empty token is held by another process.
    pub(crate) held: Mutex<HashMap<String, String>>,
    pub(crate) duration: Mutex<Duration>,
    pub(crate) released: Mutex<Vec<v1::ReleaseLeaseRequest>>,
    /// Keys whose next hit comes with a lease.
    pub(crate) renew_ahead: Mutex<HashSet<String>>,
    granted: Mutex<u128>,
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            // Extended by nobody who does not mean to.
            duration: Mutex::new(Duration::from_secs(600)),
            released: Mutex::default(),
            renew_ahead: Mutex::default(),
            granted: Mutex::default(),
        }
    }
}

impl Leases {
    /// The lease, when the request wants one and nobody has it; one without token, when it does not want any.
    pub(crate) fn ask(&self, request: &v1::GetRequest) -> Result<v1::Lease, v1::Pending> {
        if !matches!(request.miss_policy(), v1::MissPolicy::Lease | v1::MissPolicy::LeaseOrWait) {
            return Ok(v1::Lease::default());
        }
        let mut held = self.held.lock();
        if held.contains_key(&request.key) {
            return Err(v1::Pending { retry_after: Some(wire(Duration::from_millis(10))) });
        }
        *self.granted.lock() += 1;
        let token = format!("{:032x}", *self.granted.lock());
        held.insert(request.key.clone(), token.clone());
        drop(held);
        Ok(self.lease(token))
    }

    pub(crate) fn lease(&self, token: String) -> v1::Lease {
        v1::Lease { token, duration: Some(wire(*self.duration.lock())) }
    }

    pub(crate) fn holds(&self, key: &str, token: &str) -> bool {
        self.held.lock().get(key).is_some_and(|held| held == token)
    }

    /// Takes the lease away from who has it; `false` when that is not who says so.
    pub(crate) fn uses(&self, key: &str, token: &str) -> bool {
        let uses = token.is_empty() || self.holds(key, token);
        if uses {
            self.held.lock().remove(key);
        }
        uses
    }
}

pub(crate) fn outcome(held: bool) -> i32 {
    if held { v1::LeaseOutcome::Held.into() } else { v1::LeaseOutcome::Lost.into() }
}

fn wire(duration: Duration) -> prost_types::Duration {
    prost_types::Duration { seconds: duration.as_secs().cast_signed(), nanos: duration.subsec_nanos().cast_signed() }
}
