//! Leases, between the wire and the engine.

use std::{sync::Arc, time::Duration};

use hotplate_engine::{
    entry::{Dependencies, Description, Negative},
    flow::lease::{Failed, HOLD_OFF_MAX, Release},
    lease::Grant,
    position::AsOf,
};
use hotplate_proto::v1;

use super::{
    request::UNKNOWN,
    values::{argument, expiration, positive, tags, wire_duration, wire_positions},
};
use crate::grpc::status::Failure;

/// Digits of a token.
const TOKEN_DIGITS: usize = 32;

/// What a Get wants when there is nothing fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissPolicy {
    /// To be told.
    Report,
    /// The lease.
    Lease,
    /// The lease, or to wait for so long; `None`: as long as it may.
    Wait(Option<Duration>),
}

/// What a Get wants when there is nothing fresh.
pub(crate) fn miss_policy(request: &v1::GetRequest) -> Result<MissPolicy, Failure> {
    let policy = v1::MissPolicy::try_from(request.miss_policy)
        .map_err(|_unknown| argument("miss_policy".to_owned(), UNKNOWN))?;
    let wait = positive("wait_timeout", request.wait_timeout, argument)?;
    match policy {
        v1::MissPolicy::LeaseOrWait => Ok(MissPolicy::Wait(wait)),
        _ if wait.is_some() => Err(argument("wait_timeout".to_owned(), "only LEASE_OR_WAIT waits")),
        v1::MissPolicy::Unspecified | v1::MissPolicy::Report => Ok(MissPolicy::Report),
        v1::MissPolicy::Lease => Ok(MissPolicy::Lease),
    }
}

/// The token of a lease; `None` when there is none.
pub(crate) fn lease_token(field: &str, token: &str) -> Result<Option<u128>, Failure> {
    if token.is_empty() {
        return Ok(None);
    }
    let digits = token.len() == TOKEN_DIGITS && token.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u128::from_str_radix(token, 16).ok().filter(|_| digits);
    number.map(Some).ok_or_else(|| argument(field.to_owned(), "a token of a lease is 32 hexadecimal digits"))
}

/// The token of a lease that must be there.
pub(crate) fn required_token(token: &str) -> Result<u128, Failure> {
    lease_token("token", token)?.ok_or_else(|| argument("token".to_owned(), "the call names a lease by its token"))
}

/// A lease as the wire has it.
pub(crate) fn wire_lease(grant: &Grant) -> v1::Lease {
    v1::Lease { token: format!("{:032x}", grant.token), duration: Some(wire_duration(grant.duration)) }
}

/// "Another computes it."
pub(crate) fn pending_response(retry_after: Duration, as_of: AsOf) -> v1::GetResponse {
    v1::GetResponse {
        outcome: v1::GetOutcome::Pending.into(),
        pending: Some(v1::Pending { retry_after: Some(wire_duration(retry_after)) }),
        as_of: wire_positions(&as_of.positions()),
        ..Default::default()
    }
}

/// How a lease is given back.
pub(crate) fn release(request: v1::ReleaseLeaseRequest) -> Result<Release, Failure> {
    let hold_off = positive("hold_off", request.hold_off, argument)?;
    let Some(v1::Negative { reason, message }) = request.failure else {
        let only_failures = [
            ("expiration", request.expiration.is_some()),
            ("kind", !request.kind.is_empty()),
            ("tags", !request.tags.is_empty()),
            ("depends_on", !request.depends_on.is_empty()),
        ];
        if let Some((field, _)) = only_failures.into_iter().find(|(_, given)| *given) {
            return Err(argument(field.to_owned(), "only a failure has it: set `failure` as well"));
        }
        return match hold_off {
            Some(long) if long > HOLD_OFF_MAX => Err(argument("hold_off".to_owned(), "a hold-off is at most 60 s")),
            Some(long) => Ok(Release::HoldOff(long)),
            None => Ok(Release::Next),
        };
    };
    if hold_off.is_some() {
        return Err(argument("hold_off".to_owned(), "a failure is remembered for its own lifetime"));
    }
    let description = Description {
        kind: Arc::from(request.kind),
        tags: tags(request.tags),
        depends_on: Dependencies::of(request.depends_on.into_iter().map(Arc::from)),
        ..Description::default()
    };
    let negative = Negative { reason: Arc::from(reason), message: Arc::from(message) };
    Ok(Release::Failure(Failed { negative, description, expiration: expiration(request.expiration)? }))
}

fn held(held: bool) -> i32 {
    if held { v1::LeaseOutcome::Held.into() } else { v1::LeaseOutcome::Lost.into() }
}

/// What became of an ExtendLease.
pub(crate) fn extend_response(lease: Option<Grant>) -> v1::ExtendLeaseResponse {
    v1::ExtendLeaseResponse { outcome: held(lease.is_some()), lease: lease.as_ref().map(wire_lease) }
}

/// What became of a ReleaseLease.
pub(crate) fn release_response(released: Option<u32>) -> v1::ReleaseLeaseResponse {
    v1::ReleaseLeaseResponse { outcome: held(released.is_some()), waiters_released: released.unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_was_written() {
        for token in [0, 7, u128::MAX] {
            let text = wire_lease(&Grant { token, duration: Duration::from_secs(1) }).token;
            assert_eq!(lease_token("token", &text).unwrap(), Some(token));
        }
        for bad in ["0", "+0000000000000000000000000000001", "g0000000000000000000000000000000", "é"] {
            assert_eq!(lease_token("lease_token", bad).unwrap_err().item().field, "lease_token", "{bad}");
        }
        assert_eq!(lease_token("token", "").unwrap(), None);
        assert!(required_token("").is_err());
    }

    #[test]
    fn a_lease_is_given_back_in_one_way() {
        let (failure, second) = (Some(v1::Negative::default()), Some(wire_duration(Duration::from_secs(1))));
        let none = v1::ReleaseLeaseRequest::default;
        let failed = || v1::ReleaseLeaseRequest { failure: failure.clone(), ..none() };
        let refused = [
            (v1::ReleaseLeaseRequest { hold_off: second, ..failed() }, "hold_off"),
            (v1::ReleaseLeaseRequest { expiration: Some(v1::Expiration::default()), ..none() }, "expiration"),
            (v1::ReleaseLeaseRequest { kind: "k".to_owned(), ..none() }, "kind"),
            (v1::ReleaseLeaseRequest { tags: vec!["t".to_owned()], hold_off: second, ..none() }, "tags"),
            (v1::ReleaseLeaseRequest { depends_on: vec!["d".to_owned()], ..none() }, "depends_on"),
            (v1::ReleaseLeaseRequest { hold_off: Some(wire_duration(Duration::from_secs(61))), ..none() }, "hold_off"),
        ];
        for (request, field) in refused {
            assert_eq!(release(request).unwrap_err().item().field, field);
        }
        assert!(matches!(release(failed()).unwrap(), Release::Failure(..)));
        let held_off = release(v1::ReleaseLeaseRequest { hold_off: second, ..none() }).unwrap();
        assert!(matches!(held_off, Release::HoldOff(_)));
        assert!(matches!(release(none()).unwrap(), Release::Next));
    }
}
