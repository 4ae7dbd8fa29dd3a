//! The Rust client library as applications use it: typed reads and writes of one namespace, with a near cache or without.

use std::rc::Rc;

use bytes::Bytes;
use hotplate::{Client, ErrorKind, Lookup, Namespace, NearOptions, OnError, Raw, Ttl, WriteOptions};

use crate::{
    content::Checker,
    failure::{Failure, FailureKind},
    link::{Common, Driver, Fault, Link, Share, wire::authority},
    plan::{Mode, Server, Trust},
    task::Tasks,
    work::{Act, Op, Outcome},
};

/// What is filled lives this long, should nobody take it away.
const TTL: std::time::Duration = std::time::Duration::from_secs(6 * 3600);
/// What the near cache may hold: all keys of a run, within reason.
const NEAR_BYTES_MAX: u64 = 4 << 30;
/// Texts of keys are kept up to this many; beyond, they are made for each call.
const KEYS_KEPT_MAX: u64 = 1 << 20;

/// Reads and writes with the client library: one client for each thread.
#[derive(Clone, Debug)]
pub(crate) struct Sdk {
    pub(crate) common: Common,
    pub(crate) server: Server,
}

/// One lane of it.
pub(crate) struct SdkLink {
    namespace: Namespace<Raw>,
    common: Common,
    checker: Checker,
    keys: Rc<Vec<String>>,
    write: WriteOptions,
}

impl Driver for Sdk {
    type Link = SdkLink;

    async fn open(&self, share: Share, _tasks: &Tasks) -> Result<Vec<SdkLink>, Failure> {
        let client = self.client()?;
        client.calls().get_server_info().await.map_err(failure)?;
        let plan = &self.common.plan;
        let kept = if plan.trace.is_none() && plan.keys <= KEYS_KEPT_MAX { plan.keys } else { 0 };
        let keys: Rc<Vec<String>> = Rc::new((0..kept).map(|key| self.common.key(key)).collect());
        let link = |_lane| SdkLink {
            namespace: client.default_namespace().codec(Raw),
            common: self.common.clone(),
            checker: self.common.checker(),
            keys: Rc::clone(&keys),
            write: WriteOptions::new().ttl(Ttl::from(TTL)),
        };
        Ok((0..share.lanes).map(link).collect())
    }
}

impl Sdk {
    fn client(&self) -> Result<Client, Failure> {
        let mut builder = Client::builder().endpoint(format!("http://{}", authority(&self.server)));
        match &self.server.tls {
            None => {}
            Some(Trust::System) => builder = builder.tls(),
            Some(Trust::Pem(pem)) => builder = builder.tls_ca(pem),
        }
        if let Some(token) = &self.server.token {
            // Whether it may go out was decided where it was given.
            builder = builder.token(token.as_str()).allow_insecure_token(true);
        }
        if !self.server.namespace.is_empty() {
            builder = builder.default_namespace(self.server.namespace.as_str());
        }
        if self.common.plan.mode == Mode::Near {
            let keys = usize::try_from(self.common.plan.keys).unwrap_or(usize::MAX);
            // Entries share the room, and no share is exact: twice as many fit all keys.
            let options = NearOptions::new().bytes_max(NEAR_BYTES_MAX).entries_max(keys.saturating_mul(2));
            builder = builder.near_cache(options);
        }
        builder.on_error(OnError::Raise).build().map_err(failure)
    }
}

impl Link for SdkLink {
    async fn call(&mut self, ops: &[Op], outcomes: &mut Vec<Outcome>) -> Result<(), Fault> {
        for op in ops {
            outcomes.push(self.one(op).await?);
        }
        Ok(())
    }
}

impl SdkLink {
    async fn one(&mut self, op: &Op) -> Result<Outcome, Fault> {
        let made;
        let key = match usize::try_from(op.key).ok().and_then(|key| self.keys.get(key)) {
            Some(key) => key,
            None => {
                made = self.common.key(op.key);
                &made
            }
        };
        match op.act {
            Act::Read => match self.namespace.get_shared::<Bytes>(key).await.map_err(fault)? {
                Lookup::Hit(hit) => {
                    let length = hit.value.len() as u64;
                    Ok(self.checker.wrong(op, &hit.value).map_or(Outcome::Hit(length), Outcome::Wrong))
                }
                Lookup::Miss(_) => Ok(Outcome::Miss),
                Lookup::Negative(_) => Ok(Outcome::Wrong("OTHER_OUTCOME")),
            },
            Act::Write => {
                let value = self.common.content.value(op.key, op.size);
                let written = self.namespace.put_with(key, &value, &self.write).await.map_err(fault)?;
                Ok(if written.is_stored() { Outcome::Written(op.size) } else { Outcome::Wrong("NOT_STORED") })
            }
            Act::Drop => Ok(Outcome::Dropped),
        }
    }
}

fn fault(error: hotplate::Error) -> Fault {
    Fault::said(error.kind.name())
}

fn failure(error: hotplate::Error) -> Failure {
    let kind = match error.kind {
        ErrorKind::Unavailable | ErrorKind::DeadlineExceeded => FailureKind::Unreachable,
        ErrorKind::Unauthenticated | ErrorKind::PermissionDenied => FailureKind::Auth,
        ErrorKind::Configuration => FailureKind::Usage,
        _ => FailureKind::Rejected,
    };
    Failure { kind, message: error.message }
}
