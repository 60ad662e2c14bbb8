//! The load: messages at a steady rate over several connections, whether or not an instance is there to accept them.

use super::observations::Observations;
use crate::cli::request::connect;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

pub(super) const BOT: &str = "chaos";
pub(super) const KEY: &str = "chaos";
const CONNECTIONS: u32 = 8;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest response, in bytes.
const MAX_RESPONSE: usize = 64 * 1024;

/// Where the current instance listens, if it does. Closed once no more messages are to be sent.
pub(super) type Address = watch::Receiver<Option<SocketAddr>>;

/// Sends `rate` messages a second until the address is closed.
pub(super) fn start(rate: u32, address: &Address, observations: &Arc<Observations>) -> JoinSet<()> {
    let pause = Duration::from_secs(1) * CONNECTIONS / rate.max(1);
    let senders =
        (0..CONNECTIONS).map(|_| sender(pause, address.clone(), Arc::clone(observations)));
    senders.collect()
}

async fn sender(pause: Duration, mut address: Address, observations: Arc<Observations>) {
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = None;
    loop {
        ticks.tick().await;
        let Ok(at) = address.wait_for(Option::is_some).await.map(|at| *at) else {
            return;
        };
        if address.has_changed().is_err() {
            return;
        }
        if connection.is_none() {
            connection = match at {
                Some(at) => connect(at).await.ok(),
                None => None,
            };
        }
        if let Some(open) = &mut connection
            && !send(open, observations.next(), &observations).await
        {
            connection = None;
        }
    }
}

type Connection = SendRequest<Full<Bytes>>;

/// Sends a message and records the outcome; true where the connection can be used again.
async fn send(connection: &mut Connection, number: u32, observations: &Observations) -> bool {
    match timeout(REQUEST_TIMEOUT, exchange(connection, number)).await {
        Ok(Some((StatusCode::ACCEPTED, id))) => {
            observations.accept(number, id);
            true
        }
        Ok(Some(_)) => {
            observations.refused.fetch_add(1, Relaxed);
            true
        }
        Ok(None) | Err(_) => {
            observations.unanswered.fetch_add(1, Relaxed);
            false
        }
    }
}

/// The response's status and message id; `None` where there is no response. A status counts even if its body breaks off.
async fn exchange(connection: &mut Connection, number: u32) -> Option<(StatusCode, String)> {
    let body = json!({
        "connectionId": BOT,
        "message": format!("message {number}"),
        "metadata": {"n": number},
    });
    let request = Request::post("/api/webhooks/incoming")
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
        .body(Full::from(body.to_string()))
        .ok()?;
    connection.ready().await.ok()?;
    let response = connection.send_request(request).await.ok()?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_RESPONSE).collect();
    let body = body.await.map(|body| body.to_bytes()).unwrap_or_default();
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    let id = answer["messageId"].as_str().unwrap_or_default().to_owned();
    Some((status, id))
}
