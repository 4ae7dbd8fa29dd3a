//! Health: every name over gRPC, and the probes and metrics over HTTP.

use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    harness::Local,
    harness::{Server, Setup, channel, grant},
    wire::*,
};

const NAMES: [&str; 4] = ["", "hotplate.v1.CacheService", "liveness", "readiness"];

fn check(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[tokio::test]
async fn every_name_a_probe_may_use_is_serving() {
    let server = Server::start();
    let mut health = HealthClient::new(channel(server.grpc).await);
    for name in NAMES {
        let answer = health.check(check(name)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{name}");
    }
    assert_eq!(health.check(check("unknown")).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn probes_need_no_token() {
    let mut token = String::new();
    let server = Local::with(|settings| {
        token = grant(&mut settings.access, hotplate_daemon::access::Role::Reader, &["*"]);
    })
    .await;
    let mut health = HealthClient::new(channel(server.grpc).await);
    for name in NAMES {
        assert_eq!(health.check(check(name)).await.unwrap().into_inner().status(), ServingStatus::Serving);
    }
    assert_eq!(http(&format!("http://{}/readyz", server.http)).await.0, 200);
    let refused = failure(server.client().await.get(get("k")).await);
    assert_eq!(refused.code, Code::Unauthenticated);
}

#[tokio::test]
async fn a_health_watch_hears_of_the_shutdown() {
    let server = Setup::default().config("shutdown.drain_delay = \"60s\"\nshutdown.deadline = \"90s\"").spawn();
    let mut health = HealthClient::new(channel(server.grpc).await);
    let mut stream = health.watch(check("readiness")).await.unwrap().into_inner();
    let mut live = health.watch(check("liveness")).await.unwrap().into_inner();
    let first = within("the first state", stream.message()).await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    server.terminate();
    let second = within("the change", stream.message()).await.unwrap().unwrap();
    assert_eq!(second.status(), ServingStatus::NotServing);
    assert_eq!(live.message().await.unwrap().unwrap().status(), ServingStatus::Serving, "the process still lives");
    let ready = http(&format!("http://{}/readyz", server.http)).await;
    assert_eq!(ready.0, 503, "{}", ready.1);
    assert_eq!(http(&format!("http://{}/livez", server.http)).await.0, 200);
}

/// Status and body of a GET.
pub(crate) async fn http(url: &str) -> (u16, String) {
    let response = within("an HTTP answer", reqwest::get(url)).await.expect("the port answers");
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn http_probes_and_metrics_answer() {
    let server = Server::start();
    for path in ["livez", "readyz", "healthz"] {
        let (status, body) = http(&format!("http://{}/{path}", server.http)).await;
        assert_eq!(status, 200, "{path}: {body}");
    }
    assert_eq!(http(&format!("http://{}/elsewhere", server.http)).await.0, 404);
}

#[tokio::test]
async fn metrics_count_what_happened_and_name_no_key() {
    let server = Server::start();
    let mut client = server.client().await;
    client.store(put("canary-key-4711", "canary-value-4711")).await;
    client.value("canary-key-4711").await.unwrap();
    client.value("canary-absent-4711").await.unwrap_err();
    let (status, text) = http(&format!("http://{}/metrics", server.http)).await;
    assert_eq!(status, 200);
    assert!(!text.contains("4711"), "a key or value is in the metrics");
    assert!(text.contains("# TYPE hotplate_"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("hotplate_") && line.contains("hit")), "{text}");
    assert!(text.trim_end().ends_with("# EOF"), "the text is whole");
}
