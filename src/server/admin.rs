//! The operator's side: health, readiness, metrics and the API, on a listener of its own.

mod analytics;
mod api;
mod bots;
mod deliveries;
mod error;
mod query;
mod reports;
mod response;

pub use deliveries::MAX_RETRIES_PER_CALL;

use crate::proxy::bot::Registry;
use crate::proxy::worker::{SharedState, State};
use crate::secret::Secret;
use crate::telemetry::metrics;
use arc_swap::ArcSwap;
use error::Fault;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use response::{Answer, text};
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore};

/// Operators connected at once; more wait in the backlog.
const MAX_CONNECTIONS: usize = 64;
/// For a request's head, and between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The same for probes, which anybody may send: who says nothing must not keep an orchestrator's waiting.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// One connection's life: a scraper comes back.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(300);

/// What a listener of the admin side serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything, behind the token if there is one.
    All,
    /// Health and readiness alone, without a token.
    Probes,
}

/// A bot as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BotListing {
    /// Its id; a template's ends in `*`.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// The format it is spoken to in.
    pub dialect: &'static str,
    /// Where its requests go; `{bot}` stands for the id, a `*` at the end for anything.
    pub path: String,
    /// Who answers, the fallbacks last.
    pub upstreams: Vec<String>,
    /// Its path as the world sees it.
    #[serde(skip)]
    pub webhook_url: String,
    /// What its owner should know.
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// Who gets its answers that come later: the name of one of [`Registry::receivers`].
    #[serde(skip)]
    pub callback: Option<String>,
}

/// What is in force, as operators see it.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// All bots.
    pub bots: Vec<BotListing>,
    /// What the line knows of them, and who is told of what happens to them.
    pub registry: Arc<Registry>,
    /// The names of all subscribers as receivers, in the order of the file.
    pub subscribers: Vec<String>,
}

/// What the admin side knows.
#[derive(Clone, Debug)]
pub struct AdminServer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<SharedState>,
    ready: Arc<AtomicBool>,
    token: Option<Secret>,
    house: ArcSwap<Inventory>,
    /// Bots are switched one at a time.
    turn: Mutex<()>,
}

impl AdminServer {
    /// `ready` turns false when the process drains.
    pub fn new(
        shared: Arc<SharedState>,
        ready: Arc<AtomicBool>,
        token: Option<Secret>,
        house: Inventory,
    ) -> Self {
        Self(Arc::new(Inner {
            shared,
            ready,
            token,
            house: ArcSwap::from_pointee(house),
            turn: Mutex::default(),
        }))
    }

    /// Lists this from now on.
    pub fn list(&self, house: Inventory) {
        self.0.house.store(Arc::new(house));
    }

    /// Serves until the task that runs it is dropped.
    pub async fn serve(self, listener: TcpListener, scope: Scope) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let desk = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let desk = desk.clone();
                    async move { Ok::<_, Infallible>(desk.answer(&request, scope).await) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(match scope {
                        Scope::All => HEADER_TIMEOUT,
                        Scope::Probes => PROBE_TIMEOUT,
                    })
                    .serve_connection(TokioIo::new(stream), service);
                let _ = tokio::time::timeout(MAX_CONNECTION_AGE, connection).await;
                drop(place);
            });
        }
    }

    async fn answer(&self, request: &Request<Incoming>, scope: Scope) -> Answer {
        let path = request.uri().path();
        let api = scope == Scope::All && path.starts_with("/api/");
        if scope == Scope::All && !self.authorized(request.headers()) {
            return Fault::unauthorized().answer();
        }
        if api && self.0.token.is_none() {
            return Fault::closed().answer();
        }
        if api {
            return api::api(self, request).await;
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match (path, scope) {
            ("/healthz", _) => text(StatusCode::OK, "ok\n"),
            ("/readyz", _) if self.0.ready.load(Relaxed) => text(StatusCode::OK, "ready\n"),
            ("/readyz", _) => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            ("/metrics", Scope::All) => self.metrics(),
            _ => text(StatusCode::NOT_FOUND, "not found\n"),
        }
    }

    fn authorized(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.0.token else {
            return true;
        };
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().split_at_checked(b"Bearer ".len()));
        given.is_some_and(|(scheme, given)| {
            // The scheme's name may be written either way (RFC 9110 §11.1).
            scheme.eq_ignore_ascii_case(b"Bearer ") && token.is(given)
        })
    }

    fn house(&self) -> Arc<Inventory> {
        self.0.house.load_full()
    }

    fn state(&self) -> &State {
        &self.0.shared.state
    }

    fn metrics(&self) -> Answer {
        let mut response =
            text(StatusCode::OK, self.0.shared.metrics.page(self.0.shared.readings()));
        let content_type = HeaderValue::from_static(metrics::CONTENT_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }
}
