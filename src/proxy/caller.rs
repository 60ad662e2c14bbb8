//! Who is at the other end of a connection, and how it speaks to us.

use crate::net::timers::Timer;
use http::HeaderValue;
use http::uri::Scheme;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// The peer of a connection. The version of the protocol is in each request's head.
#[derive(Debug)]
pub struct Caller {
    /// The socket's address: a trusted proxy's where there is one.
    pub address: IpAddr,
    /// The same as text.
    pub address_text: HeaderValue,
    /// `https` where the connection is encrypted.
    pub scheme: Scheme,
    /// What its requests, one after the other, wait on.
    pub timer: Rc<Timer>,
}

impl Caller {
    pub fn new(peer: SocketAddr, scheme: Scheme, timer: Timer) -> Self {
        let address = peer.ip().to_canonical();
        let address_text = HeaderValue::try_from(address.to_string())
            .unwrap_or(HeaderValue::from_static("unknown"));
        Self { address, address_text, scheme, timer: Rc::new(timer) }
    }
}
