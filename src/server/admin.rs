//! The admin server: health, readiness, metrics and the API, on its own listener.

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
use error::ApiError;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use response::{AdminResponse, text};
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore};

/// Connections at once; more wait in the backlog.
const MAX_CONNECTIONS: usize = 64;
/// For a request's head and between requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The same on the probe listener, which is open to anyone: an idle connection must not delay an orchestrator's probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// Connections are closed after this; a scraper reconnects.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(300);

/// What an admin listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything, with the token if there is one.
    All,
    /// Only health and readiness, without a token.
    Probes,
}

/// A bot as the API lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BotListing {
    /// A template's id ends in `*`.
    pub id: String,
    pub name: Option<String>,
    pub dialect: &'static str,
    /// Where its requests go; `{bot}` stands for the id, a `*` at the end for anything.
    pub path: String,
    /// Names, the fallbacks last.
    pub upstreams: Vec<String>,
    /// Its path behind the public URL.
    #[serde(skip)]
    pub webhook_url: String,
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// The receiver of its deferred answers: a name in [`Registry::receivers`].
    #[serde(skip)]
    pub callback: Option<String>,
}

/// The configuration in force, as the API shows it.
#[derive(Clone, Debug)]
pub struct Inventory {
    pub bots: Vec<BotListing>,
    pub registry: Arc<Registry>,
    /// The receivers' names of all subscribers, in the order of the file.
    pub subscribers: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct AdminServer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<SharedState>,
    ready: Arc<AtomicBool>,
    token: Option<Secret>,
    inventory: ArcSwap<Inventory>,
    /// Held while a bot is switched.
    switching: Mutex<()>,
}

impl AdminServer {
    /// `ready` turns false when the process drains.
    pub fn new(
        shared: Arc<SharedState>,
        ready: Arc<AtomicBool>,
        token: Option<Secret>,
        inventory: Inventory,
    ) -> Self {
        Self(Arc::new(Inner {
            shared,
            ready,
            token,
            inventory: ArcSwap::from_pointee(inventory),
            switching: Mutex::default(),
        }))
    }

    /// After a reload.
    pub fn replace_inventory(&self, inventory: Inventory) {
        self.0.inventory.store(Arc::new(inventory));
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
            let server = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let server = server.clone();
                    async move { Ok::<_, Infallible>(server.respond(&request, scope).await) }
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

    async fn respond(&self, request: &Request<Incoming>, scope: Scope) -> AdminResponse {
        let path = request.uri().path();
        let api = scope == Scope::All && path.starts_with("/api/");
        if scope == Scope::All && !self.authorized(request.headers()) {
            return ApiError::unauthorized().response();
        }
        if api && self.0.token.is_none() {
            return ApiError::forbidden().response();
        }
        if api {
            return api::respond(self, request).await;
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
            scheme.eq_ignore_ascii_case(b"Bearer ") && token.matches(given)
        })
    }

    fn inventory(&self) -> Arc<Inventory> {
        self.0.inventory.load_full()
    }

    fn state(&self) -> &State {
        &self.0.shared.state
    }

    fn metrics(&self) -> AdminResponse {
        let mut response =
            text(StatusCode::OK, self.0.shared.metrics.page(self.0.shared.readings()));
        let content_type = HeaderValue::from_static(metrics::CONTENT_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }
}
