//! A relay before an AI that keeps what passes: each request goes on as it came, the answer streams back as it comes.

use crate::harness::{After, Backend, backend::Seen};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

pub(super) struct Relay(Backend);

impl Relay {
    /// In front of `http://ADDRESS`.
    pub(super) fn start(url: &str) -> Self {
        let target: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self(Backend::start(move |seen, connection| {
            let mut ai = TcpStream::connect(target).unwrap();
            // One exchange a connection: its end is the end of the answer.
            let head = seen.head.trim_end_matches("\r\n");
            ai.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())
                .unwrap();
            ai.write_all(&seen.body).unwrap();
            let mut piece = [0; 16 * 1024];
            loop {
                match ai.read(&mut piece) {
                    Ok(read) if read > 0 && connection.write(&piece[..read]) => {}
                    _ => return After::Close,
                }
            }
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
