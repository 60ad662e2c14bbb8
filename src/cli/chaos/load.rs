//! The load: messages at a steady rate over several connections, whatever becomes of the one who is to take them.

use super::observations::Seen;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Who is written to, and what proves it.
pub(super) const BOT: &str = "chaos";
/// The bot's key, for the minutes that it lives.
pub(super) const KEY: &str = "chaos";
/// Over so many connections.
const CONNECTIONS: u32 = 8;
/// No answer takes longer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A 202 is no longer, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Where Botgate listens now, if it does; closed: there is no more to be sent.
pub(super) type Address = watch::Receiver<Option<SocketAddr>>;

/// Sends so many messages a second from now on, until the address is closed.
pub(super) fn start(rate: u32, address: &Address, seen: &Arc<Seen>) -> JoinSet<()> {
    let pause = Duration::from_secs(1) * CONNECTIONS / rate.max(1);
    let senders = (0..CONNECTIONS).map(|_| sender(pause, address.clone(), Arc::clone(seen)));
    senders.collect()
}

async fn sender(pause: Duration, mut address: Address, seen: Arc<Seen>) {
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
                Some(at) => connect(at).await,
                None => None,
            };
        }
        if let Some(open) = &mut connection
            && !send(open, seen.next(), &seen).await
        {
            connection = None;
        }
    }
}

type Connection = SendRequest<Full<Bytes>>;

async fn connect(at: SocketAddr) -> Option<Connection> {
    let stream = TcpStream::connect(at).await.ok()?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    Some(sender)
}

/// Sends a message and remembers what came of it; whether the connection is good for another.
async fn send(connection: &mut Connection, number: u32, seen: &Seen) -> bool {
    match timeout(REQUEST_TIMEOUT, exchange(connection, number)).await {
        Ok(Some((StatusCode::ACCEPTED, id))) => {
            seen.promised(number, id);
            true
        }
        Ok(Some(_)) => {
            seen.refused.fetch_add(1, Relaxed);
            true
        }
        Ok(None) | Err(_) => {
            seen.unanswered.fetch_add(1, Relaxed);
            false
        }
    }
}

/// The answer's status and the id that it tells; nothing where there is no answer. A status counts though its body breaks off.
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
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect();
    let body = body.await.map(|body| body.to_bytes()).unwrap_or_default();
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    let id = told["messageId"].as_str().unwrap_or_default().to_owned();
    Some((status, id))
}
