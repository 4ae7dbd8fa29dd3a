//! A lease this process holds: kept while the computation runs, used up by one Put, or given back, whatever happens.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    Calls, Client, Error, Result, Ttl, WriteOptions,
    gate::Attempt,
    near::{self, Set},
    ttl, v1,
};

/// A lease is extended each time this part of its duration is over: two calls may fail before it is lost.
const EXTEND_AFTER: u32 = 3;
/// Shortest time between two calls that extend a lease.
const EXTEND_INTERVAL_MIN: Duration = Duration::from_millis(10);
/// Bytes of a failure's text that are remembered: the server's bound.
const MESSAGE_BYTES_MAX: usize = 1024;
/// The reason of a failure that was remembered by `get_or_compute`.
pub(crate) const COMPUTE_FAILED: &str = "COMPUTE_FAILED";

/// How a lease is given back.
pub(crate) enum GiveBack<'a> {
    /// For the next who waits.
    Next,
    /// For nobody before this is over.
    HoldOff(Duration),
    /// Those who wait, and who comes within this time, get the failure.
    Failure(&'a Error, Ttl, &'a WriteOptions),
}

/// A lease that is held, and extended from now on. Dropped unused, it is given back for the next who waits: so it is when
/// a computation panics or is cancelled.
pub(crate) struct Held {
    client: Client,
    runtime: Handle,
    request: v1::ReleaseLeaseRequest,
    lost: CancellationToken,
    used: bool,
    /// Ends the heartbeat.
    _heartbeat: DropGuard,
}

impl Held {
    /// Holds what a Get was answered with. Must be called within the runtime.
    pub(crate) fn new(client: Client, namespace: &str, key: &str, lease: v1::Lease) -> Self {
        let (lost, ended) = (CancellationToken::new(), CancellationToken::new());
        let extend =
            v1::ExtendLeaseRequest { namespace: namespace.to_owned(), key: key.to_owned(), token: lease.token.clone() };
        let duration = ttl::from_wire(lease.duration.as_ref()).unwrap_or_default();
        let heartbeat = keep(client.calls(), extend, duration, lost.clone());
        let until = ended.clone();
        client.tasks().spawn(async move { until.run_until_cancelled(heartbeat).await.unwrap_or_default() });
        let request = v1::ReleaseLeaseRequest {
            namespace: namespace.to_owned(),
            key: key.to_owned(),
            token: lease.token,
            ..v1::ReleaseLeaseRequest::default()
        };
        Self { client, runtime: Handle::current(), request, lost, used: false, _heartbeat: ended.drop_guard() }
    }

    /// Stores a value under the lease. A lease that was lost stores nothing, which is no failure: someone else is about
    /// to store a newer value.
    ///
    /// # Errors
    /// What the server refused; the lease is then given back.
    pub(crate) async fn put(mut self, request: v1::PutRequest) -> Result<()> {
        if self.lost.is_cancelled() {
            self.used = true;
            tracing::debug!("a lease was lost: its value is not stored");
            return Ok(());
        }
        let request = v1::PutRequest { lease_token: self.request.token.clone(), ..request };
        let near = self.client.nears().of(&self.request.namespace);
        let write = near.map(|near| near.write(vec![Set::Key(request.key.as_str().into())], self.client.raw()));
        let put = self.client.gate().write(Box::pin(self.client.raw().put_whole(request))).await?;
        near::settle(write, &put);
        if let Attempt::Answer(response) = put {
            // A condition that does not hold leaves the lease as it was.
            self.used = response.outcome() != v1::PutOutcome::PreconditionFailed;
        }
        Ok(())
    }

    /// Gives the lease back without a value, in a task of its own: nobody waits for that.
    ///
    /// # Errors
    /// A lifetime that cannot be sent; the lease is then given back for the next.
    pub(crate) fn give_back(mut self, how: GiveBack<'_>) -> Result<()> {
        match how {
            GiveBack::Next => {}
            GiveBack::HoldOff(pause) => self.request.hold_off = Some(ttl::wire_duration("hold_off", pause)?),
            GiveBack::Failure(error, lifetime, described) => {
                self.request.expiration = WriteOptions::new().ttl(lifetime).expiration()?;
                described.describe_failure(&mut self.request);
                let message = shortened(&error.message).to_owned();
                self.request.failure = Some(v1::Negative { reason: COMPUTE_FAILED.to_owned(), message });
            }
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.used || self.lost.is_cancelled() {
            return;
        }
        let (calls, request) = (self.client.calls().last_word(), std::mem::take(&mut self.request));
        let word = async move {
            let plain = v1::ReleaseLeaseRequest { failure: None, expiration: None, hold_off: None, ..request.clone() };
            let mut given = calls.release_lease(request).await;
            if let Err(error) = &given
                && !error.kind.is_outage()
            {
                tracing::warn!(%error, "a failure could not be remembered, and is not");
                given = calls.release_lease(plain).await;
            }
            if let Err(error) = given {
                tracing::warn!(%error, "a lease could not be given back: it lapses");
            }
        };
        self.client.tasks().last_word(word, &self.runtime);
    }
}

/// Extends a lease until it is lost. A server that does not answer may still hold it.
async fn keep(calls: Calls, request: v1::ExtendLeaseRequest, mut duration: Duration, lost: CancellationToken) {
    loop {
        tokio::time::sleep((duration / EXTEND_AFTER).max(EXTEND_INTERVAL_MIN)).await;
        match calls.extend_lease(request.clone()).await {
            Ok(response) if response.outcome() == v1::LeaseOutcome::Held => {
                let lease = response.lease.unwrap_or_default();
                duration = ttl::from_wire(lease.duration.as_ref()).unwrap_or(duration);
            }
            Ok(_) => return lost.cancel(),
            Err(error) if error.kind.is_outage() => {}
            Err(error) => {
                tracing::warn!(%error, "a lease cannot be extended");
                return;
            }
        }
    }
}

/// The beginning of a text, at most [`MESSAGE_BYTES_MAX`] long and whole characters.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MESSAGE_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_shortened_between_characters() {
        assert_eq!(shortened("short"), "short");
        let long = format!("{}é", "x".repeat(MESSAGE_BYTES_MAX - 1));
        assert_eq!(shortened(&long).len(), MESSAGE_BYTES_MAX - 1);
    }
}
