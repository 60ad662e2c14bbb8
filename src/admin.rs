//! The operator's side: health, readiness and metrics, on a listener of its own.

use crate::metrics;
use crate::secret::Secret;
use crate::worker::Shared;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Operators connected at once; more wait in the backlog.
const CONNECTIONS: usize = 64;
/// For a request's head, and between two requests.
const HEAD: Duration = Duration::from_secs(10);
/// One connection's life: a scraper comes back.
const LIFE: Duration = Duration::from_secs(300);

/// What a listener of the admin side serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything, behind the token if there is one.
    All,
    /// Health and readiness alone, without a token.
    Probes,
}

/// What the admin side knows.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    ready: Arc<AtomicBool>,
    token: Option<Secret>,
}

impl Desk {
    /// `ready` turns false when the process drains.
    pub fn new(shared: Arc<Shared>, ready: Arc<AtomicBool>, token: Option<Secret>) -> Self {
        Self(Arc::new(Inner {
            shared,
            ready,
            token,
        }))
    }

    /// Serves until the task that runs it is dropped.
    pub async fn serve(self, listener: TcpListener, scope: Scope) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
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
                    std::future::ready(Ok::<_, Infallible>(desk.answer(&request, scope)))
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD)
                    .serve_connection(TokioIo::new(stream), service);
                let _ = tokio::time::timeout(LIFE, connection).await;
                drop(place);
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>, scope: Scope) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if scope == Scope::All && !self.authorized(request.headers()) {
            let mut response = text(
                StatusCode::UNAUTHORIZED,
                "the admin token is missing or wrong\n",
            );
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return response;
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
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

    fn metrics(&self) -> Response<Full<Bytes>> {
        let mut response = text(
            StatusCode::OK,
            self.0.shared.metrics.page(self.0.shared.readings()),
        );
        let content_type = HeaderValue::from_static(metrics::CONTENT_TYPE);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
        response
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
