//! Finding out who computes: looks a key up, takes its lease when nobody has it, or waits for who has. What is done with
//! the answer is decided in `compute`, what becomes of a lease in `lease`.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    ComputeOptions, Error, ErrorKind, Lookup, Namespace, Negative, ReadOptions, Result,
    blob::is_large,
    clock,
    codec::{Codec, Decode},
    flight::Course,
    gate::Attempt,
    lease::Held,
    lookup::lookup,
    retry, ttl, v1,
};

/// When to ask again, where the server does not say.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// What a caller has to do.
pub(crate) enum Claim<T> {
    /// Return this value; and when there is a lease, renew it.
    Found(T, Option<Box<Held>>),
    /// Return that it is known to be absent, or to fail.
    Negative(Negative),
    /// Compute.
    Compute(Right),
}

/// The right by which a computed value is stored.
pub(crate) enum Right {
    /// This lease.
    Lease(Box<Held>),
    /// None is needed: the cache was not asked for one, or holds what cannot be read and is to be replaced.
    Free,
    /// There is none: another process computes the same, the cache did not answer, or the caller may only read.
    None,
}

/// What one call came to: its answer, with the whole value, unless the cache was away; and a lease, if it gave one.
type Asked = (Option<Box<v1::GetResponse>>, Option<Box<Held>>);

/// How one call asks.
#[derive(Clone, Copy)]
enum Ask {
    /// For what is there.
    Look,
    /// For the lease as well.
    Lease,
    /// For the lease, or for the value as soon as it is there within this time.
    Wait(Duration),
}

impl<C: Codec> Namespace<C> {
    /// Asks until it is known what to do, within the time the caller wants to wait.
    ///
    /// # Errors
    /// What the server refused; with [`crate::OnError::Raise`] also what kept it from answering; that nobody waits any more.
    pub(crate) async fn claim<T>(&self, key: &str, options: &ComputeOptions, course: &Course) -> Result<Claim<T>>
    where
        C: Decode<T>,
    {
        let ends = clock::after(options.wait);
        let (mut may_write, mut asked_twice) = (true, false);
        loop {
            let began = clock::now();
            let ask = self.next_ask(options, may_write, ends.saturating_duration_since(began));
            let (request, time) = self.claim_request(key, options, ask)?;
            let fill = self.near_fill(&ReadOptions::new());
            let (response, held) = match self.ask(course, request, time).await {
                Ok((Some(response), held)) => (response, held),
                // What others invalidate until it is computed nobody can tell this process, unless it has the lease.
                Ok((None, held)) => return Ok(Claim::Compute(held.map_or(Right::None, Right::Lease))),
                // A lease takes the right to write. Who may only read still reads.
                Err(error) if error.kind == ErrorKind::PermissionDenied && !matches!(ask, Ask::Look) => {
                    may_write = false;
                    continue;
                }
                Err(error) => return Err(error),
            };
            // What was large and is gone was found so by a Get that asks for no lease.
            let none_came = held.is_none() && !matches!(ask, Ask::Look);
            let gone = none_came && response.outcome() == v1::GetOutcome::Miss;
            if gone && !std::mem::replace(&mut asked_twice, true) {
                continue;
            }
            if response.outcome() != v1::GetOutcome::Pending {
                fill.iter().for_each(|fill| fill.offer(key, &response));
                return self.claimed(response, held, may_write && !gone);
            }
            if !ask_again(&response, (ask, began), ends).await {
                tracing::debug!("another process computes for longer than this caller waits");
                return Ok(Claim::Compute(Right::None));
            }
        }
    }

    /// Asks once. A call that may be answered with a lease goes to its end, whoever waits for it; then the lease is held,
    /// before anything else is done with the answer.
    async fn ask(&self, course: &Course, mut request: v1::GetRequest, time: Duration) -> Result<Asked> {
        let (gate, flights) = (self.client.gate(), self.client.flights());
        let calls = self.client.calls().with_timeout(time).last_word();
        let leases = request.miss_policy() != v1::MissPolicy::Unspecified;
        if leases && !flights.begin_asking(course) {
            return Err(Error::deserted());
        }
        let mut answer = gate.read(Box::pin(calls.get_head(&mut request))).await;
        let lease = match &mut answer {
            Ok(Attempt::Answer(response)) => response.lease.take(),
            Ok(Attempt::Away(_)) | Err(_) => None,
        };
        let held = lease.map(|lease| Box::new(Held::new(self.client.clone(), &self.name, &request.key, lease)));
        if leases && !flights.answered(course) {
            return Err(Error::deserted());
        }
        let response = match answer? {
            Attempt::Answer(response) if is_large(&response) => {
                let whole = self.client.raw().with_large(request, response);
                match gate.read(Box::pin(whole)).await? {
                    Attempt::Answer(response) => Some(response),
                    Attempt::Away(_) => None,
                }
            }
            Attempt::Answer(response) => Some(response),
            Attempt::Away(_) => None,
        };
        Ok((response, held))
    }

    fn next_ask(&self, options: &ComputeOptions, may_write: bool, left: Duration) -> Ask {
        match options.per_process || !may_write {
            true => Ask::Look,
            false if left.is_zero() => Ask::Lease,
            // A longer wait is made of several calls, so that a server that froze is found out.
            false => Ask::Wait(left.min(self.client.raw().time())),
        }
    }

    /// The request, and the time it may take.
    fn claim_request(&self, key: &str, options: &ComputeOptions, ask: Ask) -> Result<(v1::GetRequest, Duration)> {
        let stale = match options.stale_while_revalidate {
            true => v1::StalePolicy::WhileRevalidate,
            false => v1::StalePolicy::Refuse,
        };
        let reading = ReadOptions { stale, max_age: options.max_age, ..ReadOptions::default() };
        let mut request = self.get_request(key.to_owned(), &reading)?;
        let mut time = self.client.raw().time();
        match ask {
            Ask::Look => {}
            Ask::Lease => request.set_miss_policy(v1::MissPolicy::Lease),
            Ask::Wait(longest) => {
                request.set_miss_policy(v1::MissPolicy::LeaseOrWait);
                request.wait_timeout = Some(ttl::wire_duration("wait", longest)?);
                time = time.saturating_add(longest);
            }
        }
        Ok((request, time))
    }

    /// What an answer means. `is_free`: what is computed may be stored without a lease.
    fn claimed<T>(&self, mut response: Box<v1::GetResponse>, held: Option<Box<Held>>, is_free: bool) -> Result<Claim<T>>
    where
        C: Decode<T>,
    {
        match lookup(&self.codec, &mut response) {
            Ok(Lookup::Hit(hit)) => return Ok(Claim::Found(hit.value, held)),
            Ok(Lookup::Negative(negative)) => return Ok(Claim::Negative(negative)),
            Ok(Lookup::Miss(_)) => {}
            Err(error) if error.kind == ErrorKind::Codec => {
                tracing::warn!(%error, "a stored value cannot be read and is computed anew");
            }
            Err(error) => return Err(error),
        }
        Ok(Claim::Compute(match held {
            Some(held) => Right::Lease(held),
            None if is_free => Right::Free,
            None => Right::None,
        }))
    }
}

/// Pauses before the next call; `false` when the time is over. Who waited on the server asks again at once, who was sent
/// away comes back when the server said.
async fn ask_again(response: &v1::GetResponse, (ask, began): (Ask, Instant), ends: Instant) -> bool {
    let now = clock::now();
    let Ask::Wait(asked) = ask else { return false };
    if now >= ends {
        return false;
    }
    if now.saturating_duration_since(began) < asked / 2 {
        let said = response.pending.as_ref().and_then(|pending| ttl::from_wire(pending.retry_after.as_ref()));
        tokio::time::sleep_until(ends.min(now + retry::jittered(said.unwrap_or(RETRY_AFTER)))).await;
    }
    true
}
