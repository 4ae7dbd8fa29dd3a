//! Who is calling and what they may do. The answer to a refusal is made from [`Denied`]; nothing here knows gRPC.
//!
//! A caller shows a token; its id finds the grant, a constant-time comparison of SHA-256 sums proves it. Without
//! configured tokens everyone may do everything, which is only allowed on loopback (see `config::check`).

mod grant;
mod permission;
pub mod token;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hotplate_engine::clock::Clock;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use grant::{Grant, ROLES, Role, check_pattern};
pub use permission::{Need, Permissions};

pub use hotplate_proto::v1::Permission;

use crate::config::TokenSettings;

/// Longest `authorization` value that is looked at, in bytes.
const AUTHORIZATION_BYTES_MAX: usize = 256;

/// Tells who is calling and what each RPC needs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Access {
    tokens: Arc<BTreeMap<String, Vec<Token>>>,
    permissions: Arc<Permissions>,
    clock: Clock,
    anyone: Caller,
}

/// Who called last over a connection, by what was shown: the same is not proved again with each call.
#[derive(Default)]
pub struct Known(Mutex<Option<(Box<[u8]>, Caller)>>);

#[derive(Clone, Debug)]
struct Token {
    sha256: [u8; 32],
    grant: Grant,
    expires: Option<Duration>,
}

/// Who is calling, after authentication.
#[derive(Clone, Debug)]
pub struct Caller {
    is_anyone: bool,
    id: Arc<str>,
    grants: Arc<[Grant]>,
    expires: Option<Duration>,
}

/// Why a call was refused. Its message names no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Why.
    pub reason: DenyReason,
    /// A sentence for people that says what to do.
    pub message: String,
}

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DenyReason {
    /// The call shows no token. UNAUTHENTICATED.
    TokenMissing,
    /// The token is malformed, unknown or wrong. UNAUTHENTICATED.
    TokenInvalid,
    /// The token was valid once. UNAUTHENTICATED.
    TokenExpired,
    /// The caller is known but may not do this there. PERMISSION_DENIED.
    PermissionDenied,
}

impl DenyReason {
    /// As sent over the wire: the `reason` of google.rpc.ErrorInfo.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TokenMissing => "TOKEN_MISSING",
            Self::TokenInvalid => "TOKEN_INVALID",
            Self::TokenExpired => "TOKEN_EXPIRED",
            Self::PermissionDenied => "PERMISSION_DENIED",
        }
    }

    /// Whether the caller is unknown (UNAUTHENTICATED) rather than not allowed (PERMISSION_DENIED).
    #[must_use]
    pub fn is_authentication(self) -> bool {
        self != Self::PermissionDenied
    }
}

impl Access {
    /// Access by these tokens; without any, for everyone.
    #[must_use]
    pub fn new(tokens: &[TokenSettings], clock: Clock) -> Self {
        let mut by_id: BTreeMap<String, Vec<Token>> = BTreeMap::new();
        for token in tokens {
            let grant = Grant::new(token.role, &token.namespaces);
            let kept = Token { sha256: token.sha256, grant, expires: token.expires };
            by_id.entry(token.id.clone()).or_default().push(kept);
        }
        Self {
            tokens: Arc::new(by_id),
            permissions: Arc::new(Permissions::of_contract()),
            clock,
            anyone: Caller::anyone(),
        }
    }

    /// Whether everyone may do everything, because no token is configured.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.tokens.is_empty()
    }

    /// `none` or `token`, for logs and Stats.
    #[must_use]
    pub fn method(&self) -> &'static str {
        if self.is_open() { "none" } else { "token" }
    }

    /// What the RPC at this path (`/package.Service/Method`) needs.
    #[must_use]
    pub fn need(&self, path: &str) -> Need {
        self.permissions.need(path)
    }

    /// Finds out who is calling from the `authorization: Bearer …` header.
    ///
    /// # Errors
    /// No, a bad or an expired token. An unknown id costs the same as a wrong secret: one hash.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Denied> {
        if self.is_open() {
            return Ok(self.anyone.clone());
        }
        let text = bearer(headers)?;
        let id = token::id_of(text).ok_or_else(invalid)?;
        let sum: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let candidates = self.tokens.get(id).map_or(&[][..], Vec::as_slice);
        let matching: Vec<&Token> = candidates.iter().filter(|known| bool::from(known.sha256.ct_eq(&sum))).collect();
        if matching.is_empty() {
            return Err(invalid());
        }
        let now = self.wall_now();
        let valid: Vec<&Token> =
            matching.into_iter().filter(|known| known.expires.is_none_or(|end| now < end)).collect();
        if valid.is_empty() {
            return Err(expired());
        }
        let expires = valid.iter().filter_map(|known| known.expires).min();
        let grants = valid.into_iter().map(|known| known.grant.clone()).collect();
        Ok(Caller { is_anyone: false, id: Arc::from(id), grants, expires })
    }

    /// The same over a connection on which callers were known before: who shows the same again is the same, until a token
    /// expires.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub fn recognize(&self, headers: &HeaderMap, known: &Known) -> Result<Caller, Denied> {
        let shown = headers.get(AUTHORIZATION).filter(|_| !self.is_open());
        let Some(shown) = shown.map(HeaderValue::as_bytes) else { return self.authenticate(headers) };
        if let Some((before, caller)) = &*known.0.lock()
            && bool::from(before.ct_eq(shown))
            && caller.expires.is_none_or(|end| self.wall_now() < end)
        {
            return Ok(caller.clone());
        }
        let caller = self.authenticate(headers)?;
        *known.0.lock() = Some((Box::from(shown), caller.clone()));
        Ok(caller)
    }

    /// Time until the caller's token expires; `None`: never. Streams end then.
    #[must_use]
    pub fn time_left(&self, caller: &Caller) -> Option<Duration> {
        caller.expires.map(|end| end.saturating_sub(self.wall_now()))
    }

    fn wall_now(&self) -> Duration {
        self.clock.wall(self.clock.now())
    }
}

impl Caller {
    /// The caller of an open server: may do everything.
    #[must_use]
    pub fn anyone() -> Self {
        Self { is_anyone: true, id: Arc::from("anyone"), grants: Arc::from([Grant::everything()]), expires: None }
    }

    /// The token's id, or `anyone`. Fit for logs.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The id of the caller's token; `None`: nobody needs one.
    #[must_use]
    pub(crate) fn token_id(&self) -> Option<&Arc<str>> {
        (!self.is_anyone).then_some(&self.id)
    }

    /// Whether the caller may do this in the namespace (empty means `default`).
    #[must_use]
    pub fn allows(&self, permission: Permission, namespace: &str) -> bool {
        let namespace = if namespace.is_empty() { hotplate_engine::key::DEFAULT_NAMESPACE } else { namespace };
        match permission {
            Permission::Unspecified => false,
            Permission::Authenticated => true,
            _ => self.grants.iter().any(|grant| grant.allows(permission, namespace)),
        }
    }

    /// Refuses what the caller may not do.
    ///
    /// # Errors
    /// No grant covers this permission in this namespace.
    pub fn check(&self, permission: Permission, namespace: &str) -> Result<(), Denied> {
        if self.allows(permission, namespace) {
            return Ok(());
        }
        Err(self.denied(permission, "in this namespace"))
    }

    /// Refuses what the caller may do in no namespace.
    ///
    /// # Errors
    /// No grant covers this permission.
    pub(crate) fn check_anywhere(&self, permission: Permission) -> Result<(), Denied> {
        let somewhere =
            permission == Permission::Authenticated || self.grants.iter().any(|grant| grant.has(permission));
        if somewhere { Ok(()) } else { Err(self.denied(permission, "in any namespace")) }
    }

    fn denied(&self, permission: Permission, place: &str) -> Denied {
        let needed = permission.as_str_name().trim_start_matches("PERMISSION_").to_lowercase();
        let message = format!("token `{}` has no grant for `{needed}` {place}", self.id);
        Denied { reason: DenyReason::PermissionDenied, message }
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Denied> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        let message = "this server needs a token: send `authorization: Bearer hp_…`".to_owned();
        return Err(Denied { reason: DenyReason::TokenMissing, message });
    };
    let text = value.to_str().map_err(|_not_ascii| invalid())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(invalid)?;
    if !scheme.eq_ignore_ascii_case("bearer") || text.len() > AUTHORIZATION_BYTES_MAX {
        return Err(invalid());
    }
    Ok(token.trim())
}

fn invalid() -> Denied {
    let message = "the token is malformed, unknown or wrong: check it or create one with `hotplate token create`";
    Denied { reason: DenyReason::TokenInvalid, message: message.to_owned() }
}

fn expired() -> Denied {
    let message = "the token has expired: create one with `hotplate token create`";
    Denied { reason: DenyReason::TokenExpired, message: message.to_owned() }
}

#[cfg(test)]
mod tests;
