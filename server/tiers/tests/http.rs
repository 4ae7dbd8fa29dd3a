//! An HTTP origin against a real server on loopback: one test for each rule.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, Response, header},
    routing::get,
};
use hotplate_engine::origin::{Loaded, Origin, OriginAnswer, OriginError, OriginRequest};
use hotplate_tiers::origin::{HttpOrigin, HttpOriginConfig};

type Seen = Arc<Mutex<Vec<(String, HeaderMap)>>>;

/// A server that answers by path, and what it was asked.
struct Server {
    address: SocketAddr,
    seen: Seen,
}

impl Server {
    async fn start() -> Self {
        let seen = Seen::default();
        let noted = seen.clone();
        let app = Router::new().fallback(get(move |request: Request| async move {
            let asked = (request.uri().to_string(), request.headers().clone());
            noted.lock().unwrap().push(asked.clone());
            answer(asked).await
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test server that ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, seen }
    }

    fn config(&self, path: &str) -> HttpOriginConfig {
        HttpOriginConfig {
            name: "test".to_owned(),
            url_template: format!("http://{}{path}", self.address),
            headers: BTreeMap::new(),
            timeout: Duration::from_secs(30),
            bytes_max: 1024,
            allow_private_addresses: true,
        }
    }

    async fn load(&self, path: &str) -> Result<OriginAnswer, OriginError> {
        load(self.config(path), request("k")).await
    }

    fn paths(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(path, _)| path.clone()).collect()
    }
}

async fn answer((uri, headers): (String, HeaderMap)) -> Response<Body> {
    let plain = |status: u16| Response::builder().status(status);
    let redirect = |to: &str| plain(302).header(header::LOCATION, to).body(Body::empty()).unwrap();
    match uri.as_str() {
        "/value" => plain(200)
            .header(header::CONTENT_TYPE, "text/plain")
            .header(header::CONTENT_ENCODING, "gzip")
            .header(header::CACHE_CONTROL, "max-age=60")
            .header(header::AGE, "20")
            .header(header::ETAG, "\"v1\"")
            .body(Body::from("hello"))
            .unwrap(),
        "/etag" => match headers.get(header::IF_NONE_MATCH) {
            Some(etag) if etag == "\"v1\"" => {
                plain(304).header(header::CACHE_CONTROL, "max-age=7").body(Body::empty()).unwrap()
            }
            _ => plain(200).body(Body::from("new")).unwrap(),
        },
        "/304" => plain(304).body(Body::empty()).unwrap(),
        "/exact" => plain(200).body(Body::from(vec![7; 1024])).unwrap(),
        "/large" => plain(200).body(Body::from(vec![7; 1025])).unwrap(),
        "/endless" => {
            let chunks = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![7; 100]));
            plain(200).body(Body::from_stream(chunks)).unwrap()
        }
        "/slow" => std::future::pending().await,
        "/here" => redirect("/value"),
        "/loop" => redirect("/loop"),
        "/away" => redirect("http://127.0.0.1:1/value"),
        "/other-host" => redirect("http://localhost/value"),
        "/other-scheme" => redirect("https://127.0.0.1/value"),
        "/metadata" => redirect("http://169.254.169.254/latest/meta-data"),
        "/nowhere" => plain(302).body(Body::empty()).unwrap(),
        path => match path.strip_prefix("/status/").and_then(|status| status.parse().ok()) {
            Some(status) => plain(status).body(Body::empty()).unwrap(),
            None => plain(200).body(Body::from(uri.clone())).unwrap(),
        },
    }
}

fn request(key: &str) -> OriginRequest {
    OriginRequest { namespace: Arc::from("models"), key: Arc::from(key), parameters: BTreeMap::new(), validator: None }
}

async fn load(config: HttpOriginConfig, request: OriginRequest) -> Result<OriginAnswer, OriginError> {
    HttpOrigin::new(config).unwrap().load(request).await
}

fn found(answer: Result<OriginAnswer, OriginError>) -> Loaded {
    match answer {
        Ok(OriginAnswer::Found(loaded)) => loaded,
        other => panic!("not found: {other:?}"),
    }
}

#[tokio::test]
async fn a_value_comes_with_what_its_headers_say() {
    let loaded = found(Server::start().await.load("/value").await);
    assert_eq!(&loaded.value[..], b"hello");
    assert_eq!((&*loaded.content_type, &*loaded.encoding), ("text/plain", "gzip"));
    assert_eq!(loaded.ttl, Some(Duration::from_secs(40)));
    assert_eq!(loaded.validator.as_deref(), Some("\"v1\""));
}

#[tokio::test]
async fn key_namespace_and_parameters_are_encoded_into_the_url() {
    let server = Server::start().await;
    let mut request = request("a/../b?c#d");
    request.parameters.insert("v".to_owned(), "1&2".to_owned());
    let loaded = found(load(server.config("/x/{namespace}/{key}?v={v}"), request).await);
    assert_eq!(&loaded.value[..], b"/x/models/a%2F..%2Fb%3Fc%23d?v=1%262");
}

#[tokio::test]
async fn bad_parameters_are_refused_before_anything_is_sent() {
    let server = Server::start().await;
    let error = server.load("/{missing}").await.unwrap_err();
    assert_eq!((error.reason, error.retryable), ("BAD_PARAMETERS", false));
    let error = load(server.config("/x/{key}"), request("..")).await.unwrap_err();
    assert_eq!(error.reason, "BAD_PARAMETERS");
    assert!(server.paths().is_empty());
}

#[tokio::test]
async fn the_origin_is_asked_whether_what_is_stored_is_current() {
    let server = Server::start().await;
    let ask = |validator: &str| OriginRequest { validator: Some(Arc::from(validator)), ..request("k") };
    let current = load(server.config("/etag"), ask("\"v1\"")).await;
    assert!(matches!(current, Ok(OriginAnswer::NotModified { ttl: Some(ttl) }) if ttl == Duration::from_secs(7)));
    assert_eq!(&found(load(server.config("/etag"), ask("\"v0\"")).await).value[..], b"new");
    assert_eq!(server.load("/304").await.unwrap_err().reason, "ORIGIN_STATUS", "nobody asked");
}

#[tokio::test]
async fn what_is_not_there_is_absent() {
    let server = Server::start().await;
    for status in [404, 410] {
        assert!(matches!(server.load(&format!("/status/{status}")).await, Ok(OriginAnswer::Absent)), "{status}");
    }
}

#[tokio::test]
async fn overload_and_failures_may_be_retried_and_refusals_may_not() {
    let server = Server::start().await;
    for (status, retryable) in [(429, true), (500, true), (503, true), (408, true), (400, false), (403, false)] {
        let error = server.load(&format!("/status/{status}")).await.unwrap_err();
        assert_eq!((error.reason, error.retryable), ("ORIGIN_STATUS", retryable), "{status}");
    }
}

#[tokio::test]
async fn an_origin_that_does_not_answer_is_given_up() {
    let server = Server::start().await;
    let config = HttpOriginConfig { timeout: Duration::from_millis(50), ..server.config("/slow") };
    let error = load(config, request("k")).await.unwrap_err();
    assert_eq!((error.reason, error.retryable), ("ORIGIN_TIMEOUT", true));
}

#[tokio::test]
async fn the_size_is_bounded_whatever_length_is_announced() {
    let server = Server::start().await;
    assert_eq!(found(server.load("/exact").await).value.len(), 1024);
    for path in ["/large", "/endless"] {
        let error = server.load(path).await.unwrap_err();
        assert_eq!((error.reason, error.retryable), ("ORIGIN_TOO_LARGE", false), "{path}");
    }
}

#[tokio::test]
async fn redirects_stay_on_the_same_scheme_host_and_port() {
    let server = Server::start().await;
    assert_eq!(&found(server.load("/here").await).value[..], b"hello");
    for path in ["/away", "/other-host", "/other-scheme", "/metadata", "/nowhere"] {
        let error = server.load(path).await.unwrap_err();
        assert_eq!((error.reason, error.retryable), ("ORIGIN_REFUSED", false), "{path}");
    }
}

#[tokio::test]
async fn redirects_end_after_three() {
    let server = Server::start().await;
    assert_eq!(server.load("/loop").await.unwrap_err().reason, "ORIGIN_REFUSED");
    assert_eq!(server.paths().len(), 4);
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_by_number_and_by_name() {
    let server = Server::start().await;
    let port = server.address.port();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "0x7f.1", "2130706433"] {
        let config = HttpOriginConfig {
            url_template: format!("http://{host}:{port}/value"),
            allow_private_addresses: false,
            ..server.config("")
        };
        assert_eq!(load(config, request("k")).await.unwrap_err().reason, "ORIGIN_REFUSED", "{host}");
    }
    assert!(server.paths().is_empty());
}

#[tokio::test]
async fn instance_metadata_is_refused_even_where_private_addresses_are_allowed() {
    let server = Server::start().await;
    for host in ["169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "0.0.0.0"] {
        let config = HttpOriginConfig { url_template: format!("http://{host}/latest"), ..server.config("") };
        assert_eq!(load(config, request("k")).await.unwrap_err().reason, "ORIGIN_REFUSED", "{host}");
    }
}

#[tokio::test]
async fn a_name_that_is_allowed_is_resolved() {
    let server = Server::start().await;
    let url_template = format!("http://localhost:{}/value", server.address.port());
    assert_eq!(
        &found(load(HttpOriginConfig { url_template, ..server.config("") }, request("k")).await).value[..],
        b"hello"
    );
}

#[tokio::test]
async fn nobody_listening_is_worth_a_retry() {
    let server = Server::start().await;
    let config = HttpOriginConfig { url_template: "http://127.0.0.1:1/".to_owned(), ..server.config("") };
    let error = load(config, request("secret-key")).await.unwrap_err();
    assert_eq!((error.reason, error.retryable), ("ORIGIN_UNREACHABLE", true));
    assert!(!error.message.contains("secret-key"));
}

#[tokio::test]
async fn headers_are_sent_and_never_shown() {
    let server = Server::start().await;
    let headers = BTreeMap::from([("authorization".to_owned(), "Bearer canary".to_owned())]);
    let config = HttpOriginConfig { headers, ..server.config("/value") };
    assert!(!format!("{config:?}").contains("canary") && format!("{config:?}").contains("authorization"));
    let origin = HttpOrigin::new(config).unwrap();
    assert!(!format!("{origin:?}").contains("canary"));
    found(origin.load(request("k")).await);
    let (_, sent) = server.seen.lock().unwrap().pop().unwrap();
    assert_eq!(sent["authorization"], "Bearer canary");
    assert!(sent["user-agent"].to_str().unwrap().starts_with("hotplate/"));
}

#[test]
fn what_cannot_work_is_refused_when_it_is_made() {
    let good = HttpOriginConfig {
        name: "test".to_owned(),
        url_template: "http://h/{key}".to_owned(),
        headers: BTreeMap::new(),
        timeout: Duration::from_secs(1),
        bytes_max: 1,
        allow_private_addresses: false,
    };
    let header = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let bad = [
        HttpOriginConfig { url_template: "http://{key}/".to_owned(), ..good.clone() },
        HttpOriginConfig { timeout: Duration::ZERO, ..good.clone() },
        HttpOriginConfig { bytes_max: 0, ..good.clone() },
        HttpOriginConfig { headers: header("no name", "x"), ..good.clone() },
        HttpOriginConfig { headers: header("x", "canary\n"), ..good.clone() },
    ];
    assert!(HttpOrigin::new(good).is_ok());
    for config in bad {
        let error = HttpOrigin::new(config).unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
