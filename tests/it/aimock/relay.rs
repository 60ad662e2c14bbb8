//! A relay before an AI that keeps what passes: each request goes on as it came, the answer streams back as it comes.

use crate::harness::{
    After, Backend, Caller,
    backend::{Connection, Seen},
};
use std::{net::SocketAddr, sync::Arc};

pub(super) struct Relay(Backend);

impl Relay {
    /// In front of `http://ADDRESS`.
    pub(super) fn start(url: &str) -> Self {
        let target: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self(Backend::start(move |seen, connection| {
            relay(target, seen, connection).unwrap_or(After::Close)
        }))
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.0.addr()
    }

    /// All requests so far.
    pub(super) fn seen(&self) -> Vec<Arc<Seen>> {
        self.0.seen()
    }
}

/// One exchange; nothing where the AI broke it off.
fn relay(target: SocketAddr, seen: &Seen, connection: &mut Connection<'_>) -> Option<After> {
    let mut ai = Caller::connect(target);
    ai.send(seen.head.as_bytes());
    ai.send(&seen.body);
    let reply = ai.head().ok()?;
    let mut head = format!("HTTP/1.1 {} As told\r\n", reply.status);
    for (name, value) in &reply.headers {
        // Whether a connection is kept is each side's own affair.
        if !name.eq_ignore_ascii_case("connection") {
            head += &format!("{name}: {value}\r\n");
        }
    }
    connection.write(format!("{head}\r\n").as_bytes());
    if let Some(length) = reply.header("content-length") {
        connection.write(&ai.take(length.parse().unwrap()).ok()?);
    } else {
        while let Some(chunk) = ai.chunk().ok()? {
            connection.chunk(&chunk);
        }
        connection.chunk(b"");
    }
    Some(After::Keep)
}
