//! What watches and large invalidations cost a real server over gRPC on loopback. How it is called and printed is in
//! `benches/wire.rs`.

pub mod tags;
pub mod watchers;

use hotplate_daemon::{Running, config::Settings};
use hotplate_engine::clock::Clock;
use hotplate_proto::v1::{
    self, WatchRequest, WatchResponse, cache_service_client::CacheServiceClient, put_request::Payload,
};
use tokio::runtime::{Builder, Runtime};
use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};

type Client = CacheServiceClient<Channel>;

/// A server with plain settings on a free port, on threads of its own.
struct Server {
    running: Running,
    _runtime: Runtime,
}

impl Server {
    fn start() -> Result<Self, String> {
        let mut settings = Settings::default();
        settings.grpc.listen.set_port(0);
        settings.http.listen.set_port(0);
        let runtime = Builder::new_multi_thread().enable_all().build().map_err(said)?;
        let running = runtime.block_on(Box::pin(hotplate_daemon::start(settings, Clock::system()))).map_err(said)?;
        Ok(Self { running, _runtime: runtime })
    }

    async fn client(&self) -> Result<Client, String> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.running.grpc_addr())).map_err(said)?;
        endpoint.connect().await.map(CacheServiceClient::new).map_err(said)
    }
}

/// One thread for callers.
fn callers() -> Result<Runtime, String> {
    Builder::new_current_thread().enable_all().build().map_err(said)
}

async fn open(client: &Client, content: v1::WatchContent) -> Result<Streaming<WatchResponse>, String> {
    let request = WatchRequest { content: content.into(), ..WatchRequest::default() };
    let mut stream = client.clone().watch(request).await.map_err(said)?.into_inner();
    stream.message().await.map_err(said)?;
    Ok(stream)
}

fn put(key: String, value: &[u8]) -> v1::PutRequest {
    let value = bytes::Bytes::copy_from_slice(value);
    v1::PutRequest { key, payload: Some(Payload::Value(value)), ..v1::PutRequest::default() }
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The middle of what was measured.
fn median(measured: &[f64]) -> f64 {
    let mut sorted = measured.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "wall time is what is measured")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
