//! One side of a run: a server with what drives it. Which driver suits which server and mode is decided here.

use hotplate_proto::v1::{self, cache_service_client::CacheServiceClient};

use crate::{
    crew::Crew,
    failure::Failure,
    link::{Common, batch::Batch, blob::Blob, pipeline::Pipeline, sdk::Sdk, stubs::Stubs, unary::Unary},
    peer::{etcd::Etcd, memcached::Memcached, redis::Redis, socket::Place},
    plan::{Mode, Plan, Server, Shape, With},
    stub,
};

/// Which server.
#[derive(Clone, Debug)]
pub enum Peer {
    /// One of ours, or another that speaks its contract.
    Hotplate(Server),
    /// Redis, and the number of its database.
    Redis(Place, u32),
    /// memcached.
    Memcached(Place),
    /// etcd.
    Etcd(Place),
}

impl Peer {
    /// How many of what suits it, where the plan says so of the server.
    #[must_use]
    pub fn shape(&self, plan: &Plan) -> Shape {
        match self {
            Self::Hotplate(_) | Self::Etcd(_) => plan.shape,
            // A lane has a connection of its own, as these protocols answer in order.
            Self::Redis(..) | Self::Memcached(_) => {
                let one_a_call = matches!(plan.mode, Mode::Unary | Mode::Blob);
                let lanes = if one_a_call { plan.shape.in_flight } else { plan.shape.connections };
                Shape { in_flight: lanes, connections: lanes, ..plan.shape }
            }
        }
    }

    /// Whether what was written is taken away key by key.
    pub(crate) fn drops_each_key(&self) -> bool {
        matches!(self, Self::Redis(..) | Self::Memcached(_))
    }
}

/// Whom to ask, and how many connections at once.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which server.
    pub peer: Peer,
    /// Its process, when it runs on this machine and its processor time is wanted.
    pub pid: Option<u32>,
    /// How many of what.
    pub shape: Shape,
}

/// A server and the threads that drive it.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) target: Target,
    pub(crate) crew: Crew,
    /// What it is, with its version where it says so.
    pub(crate) name: String,
    common: Common,
}

impl Side {
    /// Connects.
    pub(crate) async fn open(target: Target, common: &Common) -> Result<Self, Failure> {
        let shape = target.shape;
        let crew = match &target.peer {
            Peer::Hotplate(server) => ours(server, shape, common).await?,
            Peer::Redis(place, database) => {
                let driver = Redis { common: common.clone(), place: place.clone(), database: *database };
                Crew::gather(&driver, shape).await?
            }
            Peer::Memcached(place) => {
                Crew::gather(&Memcached { common: common.clone(), place: place.clone() }, shape).await?
            }
            Peer::Etcd(place) => Crew::gather(&Etcd::new(common.clone(), place), shape).await?,
        };
        let name = name(&target.peer, common).await;
        Ok(Self { target, crew, name, common: common.clone() })
    }

    /// Takes away what was written, where that takes one call.
    pub(crate) async fn clean(&self) -> Result<(), Failure> {
        match &self.target.peer {
            Peer::Hotplate(server) => clean(server, &self.common.plan.prefix).await,
            Peer::Redis(..) | Peer::Memcached(_) => Ok(()),
            Peer::Etcd(place) => Etcd::new(self.common.clone(), place).clean().await,
        }
    }

    /// Ends the threads.
    pub(crate) fn end(self) {
        self.crew.end();
    }
}

async fn ours(server: &Server, shape: Shape, common: &Common) -> Result<Crew, Failure> {
    let (common, server) = (common.clone(), server.clone());
    match (common.plan.mode, common.plan.client) {
        (Mode::Batch, With::H2) => Crew::gather(&Batch { common, server }, shape).await,
        (Mode::Pipeline, With::H2) => Crew::gather(&Pipeline { common, server }, shape).await,
        (Mode::Unary, With::H2) => Crew::gather(&Unary { common, server }, shape).await,
        (Mode::Blob, _) => Crew::gather(&Blob { common, server }, shape).await,
        (Mode::Unary | Mode::Near, With::Sdk) => Crew::gather(&Sdk { common, server }, shape).await,
        (Mode::Unary | Mode::Batch, With::Tonic) => Crew::gather(&Stubs { common, server }, shape).await,
        (mode, client) => {
            Err(Failure::usage(format!("--mode {} does not go with --client {}", mode.name(), client.name())))
        }
    }
}

/// Invalidates every key with this prefix.
pub(crate) async fn clean(server: &Server, prefix: &str) -> Result<(), Failure> {
    let mut client = CacheServiceClient::new(stub::connect(server).await?);
    let selector = v1::Selector { selector: Some(v1::selector::Selector::Prefix(prefix.to_owned())) };
    let request =
        v1::InvalidateRequest { namespace: server.namespace.clone(), selectors: vec![selector], ..Default::default() };
    let request = stub::with_token(server, request)?;
    client.invalidate(request).await.map(drop).map_err(|status| stub::failure(&status))
}

async fn name(peer: &Peer, common: &Common) -> String {
    match peer {
        Peer::Hotplate(server) => version(server).await.unwrap_or_else(|_silent| "hotplate".to_owned()),
        Peer::Redis(place, database) => {
            let redis = Redis { common: common.clone(), place: place.clone(), database: *database };
            redis.version().await.unwrap_or_else(|_silent| "redis".to_owned())
        }
        Peer::Memcached(place) => {
            let memcached = Memcached { common: common.clone(), place: place.clone() };
            memcached.version().await.unwrap_or_else(|_silent| "memcached".to_owned())
        }
        Peer::Etcd(place) => {
            Etcd::new(common.clone(), place).version().await.unwrap_or_else(|_silent| "etcd".to_owned())
        }
    }
}

async fn version(server: &Server) -> Result<String, Failure> {
    let mut client = CacheServiceClient::new(stub::connect(server).await?);
    let request = stub::with_token(server, v1::GetServerInfoRequest::default())?;
    let info = client.get_server_info(request).await.map_err(|status| stub::failure(&status))?;
    Ok(format!("hotplate {}", info.into_inner().version))
}
