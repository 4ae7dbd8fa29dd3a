//! A real HTTP server that stands for a user's origin: it counts and keeps what it is asked, and answers as told.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, Response, StatusCode},
};
use futures::future::BoxFuture;
use hotplate_daemon::config::{OriginSettings, Settings};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{harness::namespace, wire::PATIENCE};

/// One request as the origin saw it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Path and query as sent, still percent-encoded.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    /// Requests for this target before this one.
    pub(crate) before: usize,
}

type Answer = Arc<dyn Fn(Asked) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

#[derive(Default)]
struct Book {
    asked: Vec<Asked>,
    now: usize,
    most_at_once: usize,
}

/// The server. Dropping it closes its port.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    book: Arc<Mutex<Book>>,
    _task: JoinSet<()>,
}

impl Origin {
    /// Starts one that answers by this function.
    pub(crate) async fn start<F, R>(answer: F) -> Self
    where
        F: Fn(Asked) -> R + Send + Sync + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let book = Arc::new(Mutex::new(Book::default()));
        let answer: Answer = Arc::new(move |asked| Box::pin(answer(asked)));
        let kept = Arc::clone(&book);
        let router = Router::new().fallback(move |request: Request| serve(request, Arc::clone(&kept), answer.clone()));
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, book, _task: task }
    }

    /// Starts one that answers every key with `value of <target>`.
    pub(crate) async fn plain() -> Self {
        Self::start(|asked| async move { ok(format!("value of {}", asked.target)) }).await
    }

    /// Starts one that answers only once the semaphore has a permit.
    pub(crate) async fn gated(gate: Arc<Semaphore>) -> Self {
        Self::start(move |asked| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                ok(asked.target)
            }
        })
        .await
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.book.lock().unwrap().asked.clone()
    }

    /// How often each target was asked for.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for asked in self.asked() {
            *counts.entry(asked.target).or_default() += 1;
        }
        counts
    }

    /// The most requests that were open at the same time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.book.lock().unwrap().most_at_once
    }

    /// Settings that point at it.
    pub(crate) fn settings(&self) -> OriginSettings {
        OriginSettings {
            url: format!("http://{}/items/{{key}}", self.address),
            headers: BTreeMap::new(),
            timeout: PATIENCE,
            bytes_max: 1 << 20,
            allow_private_addresses: true,
        }
    }

    /// Makes it the only origin of the default namespace.
    pub(crate) fn serves(&self, settings: &mut Settings) {
        serves(settings, "backend", self.settings());
    }
}

/// Configures an origin of the default namespace.
pub(crate) fn serves(settings: &mut Settings, name: &str, origin: OriginSettings) {
    namespace(settings, "default").origins.insert(name.to_owned(), origin);
}

async fn serve(request: Request, book: Arc<Mutex<Book>>, answer: Answer) -> Response<Body> {
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let asked = {
        let mut book = book.lock().unwrap();
        let before = book.asked.iter().filter(|asked| asked.target == target).count();
        let asked = Asked { target, headers: request.headers().clone(), before };
        book.asked.push(asked.clone());
        book.now += 1;
        book.most_at_once = book.most_at_once.max(book.now);
        asked
    };
    let _open = Open(book);
    answer(asked).await
}

/// Counts a request as open until it is answered or given up.
struct Open(Arc<Mutex<Book>>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().unwrap().now -= 1;
    }
}

/// 200 with this body.
pub(crate) fn ok(body: impl Into<Body>) -> Response<Body> {
    Response::new(body.into())
}

/// This status with no body.
pub(crate) fn status(code: u16) -> Response<Body> {
    with(code, &[], "")
}

/// This status, these headers, this body.
pub(crate) fn with(code: u16, headers: &[(&'static str, &str)], body: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_owned()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}
