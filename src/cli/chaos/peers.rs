//! The AI, which answers after a random delay, and the receiver, which at random fails, is slow, hangs up or breaks off.

use super::observations::Observations;
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

const MAX_AI_DELAY_MS: u64 = 50;
const MAX_RECEIVER_DELAY_MS: u64 = 300;
/// The largest delivery, in bytes.
const MAX_BODY: usize = 1024 * 1024;
/// The header field with the number of the instance that sends a delivery.
pub(super) const INSTANCE_HEADER: &str = "X-Instance";
/// One of this many messages is refused with a 410.
const GONE_EVERY: u32 = 50;

/// Serves as the AI until it is dropped.
pub(super) async fn serve_ai(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let thinking = service_fn(|request| async {
            sleep(Duration::from_millis(random(MAX_AI_DELAY_MS))).await;
            Ok::<_, Infallible>(backend::respond(request).await)
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), thinking));
    }
}

/// Serves as the receiver until it is dropped.
pub(super) async fn receive(listener: TcpListener, observations: Arc<Observations>) {
    while let Ok((stream, _)) = listener.accept().await {
        let observations = Arc::clone(&observations);
        let taking = service_fn(move |request| handle_delivery(request, Arc::clone(&observations)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), taking));
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Acknowledges a delivery or fails like a real receiver. An error closes the connection without a response.
async fn handle_delivery(
    request: Request<Incoming>,
    observations: Arc<Observations>,
) -> io::Result<Response<Body>> {
    let instance = instance(&request);
    let body = Limited::new(request.into_body(), MAX_BODY).collect().await;
    let body = body.map_err(io::Error::other)?.to_bytes();
    let (Some(instance), Some(number)) = (instance, number(&body)) else {
        return Ok(answer(StatusCode::BAD_REQUEST));
    };
    if number % GONE_EVERY == 0 {
        return Ok(answer(StatusCode::GONE));
    }
    match random(100) {
        0..4 => return Ok(answer(StatusCode::SERVICE_UNAVAILABLE)),
        4..6 => return Err(io::ErrorKind::ConnectionAborted.into()),
        6..8 => return Ok(broken()),
        8..12 => sleep(Duration::from_millis(random(MAX_RECEIVER_DELAY_MS))).await,
        _ => {}
    }
    observations.receive(number, instance);
    Ok(answer(StatusCode::OK))
}

fn instance(request: &Request<Incoming>) -> Option<usize> {
    request.headers().get(INSTANCE_HEADER)?.to_str().ok()?.parse().ok()
}

/// The number of the message in a body, be it the message itself or its answer.
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
