//! Who else takes part: an AI that takes its time, and a receiver that fails, is slow, hangs up or breaks off now and then.

use super::observations::Seen;
use super::random;
use crate::cli::demo::backend;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// The AI answers within so many milliseconds.
const THINKS_MS: u64 = 50;
/// A slow receiver answers within so many.
const SLOW_MS: u64 = 300;
/// How much of a delivery is read, in bytes.
const MAX_BODY: usize = 1024 * 1024;
/// The header field that tells which life a delivery comes from.
pub(super) const LIFE: &str = "X-Life";
/// One message of so many is refused for good.
const GONE: u32 = 50;

/// Serves as the AI until it is dropped.
pub(super) async fn think(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let thinking = service_fn(|request| async {
            sleep(Duration::from_millis(random(THINKS_MS))).await;
            Ok::<_, Infallible>(backend::respond(request).await)
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), thinking));
    }
}

/// Serves as the receiver until it is dropped.
pub(super) async fn receive(listener: TcpListener, seen: Arc<Seen>) {
    while let Ok((stream, _)) = listener.accept().await {
        let seen = Arc::clone(&seen);
        let taking = service_fn(move |request| take(request, Arc::clone(&seen)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), taking));
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Takes a delivery, or does what receivers do. An error closes the connection without a word.
async fn take(request: Request<Incoming>, seen: Arc<Seen>) -> io::Result<Response<Body>> {
    let life = life(&request);
    let body = Limited::new(request.into_body(), MAX_BODY).collect().await;
    let body = body.map_err(io::Error::other)?.to_bytes();
    let (Some(life), Some(number)) = (life, number(&body)) else {
        return Ok(answer(StatusCode::BAD_REQUEST));
    };
    if number % GONE == 0 {
        return Ok(answer(StatusCode::GONE));
    }
    match random(100) {
        0..4 => return Ok(answer(StatusCode::SERVICE_UNAVAILABLE)),
        4..6 => return Err(io::ErrorKind::ConnectionAborted.into()),
        6..8 => return Ok(broken()),
        8..12 => sleep(Duration::from_millis(random(SLOW_MS))).await,
        _ => {}
    }
    seen.took(number, life);
    Ok(answer(StatusCode::OK))
}

/// Which life a delivery comes from.
fn life(request: &Request<Incoming>) -> Option<usize> {
    request.headers().get(LIFE)?.to_str().ok()?.parse().ok()
}

/// The number of the message that a body speaks of, be it a question or its answer.
pub(super) fn number(body: &[u8]) -> Option<u32> {
    let body: Value = serde_json::from_slice(body).ok()?;
    u32::try_from(body["metadata"]["n"].as_u64()?).ok()
}

fn answer(status: StatusCode) -> Response<Body> {
    let body = Full::default().map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response
}

/// A failure that ends in the middle of its body.
fn broken() -> Response<Body> {
    let begin = stream::iter([Ok(Frame::data(Bytes::from_static(b"{")))]);
    let end = stream::once(async {
        sleep(Duration::from_millis(1)).await;
        Err(io::ErrorKind::ConnectionAborted.into())
    });
    let mut response = Response::new(StreamBody::new(begin.chain(end)).boxed_unsync());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
