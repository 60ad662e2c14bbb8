//! What a configuration resolves to: the values that the rest of the program is built from.

use crate::limit::Rule;
use crate::secret::Secret;
use crate::signature::{IdSource, Verifier};
use http::{HeaderName, HeaderValue};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A whole configuration, resolved: defaults filled in, references followed, secrets read, names turned into indices.
#[derive(Debug)]
pub struct Settings {
    /// The public side.
    pub server: Server,
    /// The operator's side; absent: none is opened.
    pub admin: Option<Admin>,
    /// In the order of the file.
    pub upstreams: Vec<Upstream>,
    /// In the order of the file; ids are unique, and so are paths.
    pub bots: Vec<Bot>,
}

/// `[server]`.
#[derive(Clone, Debug)]
pub struct Server {
    /// Plain HTTP listeners, at least one. Default `127.0.0.1:8080`.
    pub http: Vec<SocketAddr>,
    /// Worker threads; `None`: one per core that the container may use.
    pub workers: Option<usize>,
    /// The longest request body, in bytes. Default 1 MiB.
    pub max_body: u64,
    /// All request bodies held at once, in bytes; never less than `max_body`. Default 256 MiB.
    pub buffer: u64,
    /// Open caller connections; `None`: what the limit on open files allows.
    pub max_connections: Option<usize>,
    /// The caller's deadlines.
    pub timeouts: Timeouts,
    /// How long a stop waits for what is in flight. Default 30 s.
    pub drain: Duration,
    /// Where a line per request goes. Default standard error.
    pub access_log: AccessLog,
    /// Peers whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// How the world sees this server, without a slash at its end.
    pub public_url: Option<String>,
}

/// How long a caller may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the first byte of a head to its last. Default 10 s.
    pub header: Duration,
    /// From the end of the head to the end of the body. Default 30 s.
    pub body: Duration,
    /// Between two requests on one connection. Default 75 s.
    pub idle: Duration,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// Standard error.
    Stderr,
    /// This file, appended to.
    File(PathBuf),
    /// Nowhere.
    Off,
}

/// `[admin]`.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The address of the whole of it.
    pub listen: SocketAddr,
    /// The bearer token; always there when `listen` is not a loopback address.
    pub token: Option<Secret>,
    /// The address of `/healthz` and `/readyz` alone.
    pub probes: Option<SocketAddr>,
}

/// `[upstreams.NAME]`, a backend.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name in the file.
    pub name: String,
    /// What goes into `Host`: host and, where the URL has one, port.
    pub authority: String,
    /// A host name or an address, an IPv6 one without its brackets.
    pub host: String,
    /// The port; 80 unless the URL has one.
    pub port: u16,
    /// The URL's path without a slash at its end; goes before the request's own. Often empty.
    pub prefix: String,
    /// How long it may take.
    pub timeouts: UpstreamTimeouts,
    /// Sockets to it, over all workers. Default 1,024.
    pub max_connections: usize,
}

/// The four deadlines of an exchange with an upstream; none of the first three is longer than `total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// Until the socket is connected. Default 2 s.
    pub connect: Duration,
    /// From the request's last byte to the answer's first. Default 30 s.
    pub first_byte: Duration,
    /// Between two pieces of the answer. Default 30 s.
    pub idle: Duration,
    /// All of it. Default 30 s.
    pub total: Duration,
}

/// `[bots.ID]`.
#[derive(Clone, Debug)]
pub struct Bot {
    /// The table's key, `[A-Za-z0-9_-]{1,128}`.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// A name out of the dialects' table.
    pub dialect: &'static str,
    /// Which requests are this bot's.
    pub path: PathPattern,
    /// An index into [`Settings::upstreams`].
    pub upstream: usize,
    /// What this bot's requests carry to its upstream besides the caller's headers: the upstream's `headers`, `{bot}`
    /// already filled in, each value marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Who may speak for it.
    pub verifier: Arc<Verifier>,
    /// Its own rules, else the server's; every one must admit.
    pub limits: Vec<Rule>,
    /// Whether and how a repeated delivery is known.
    pub duplicates: Option<Duplicates>,
    /// What is taken off the path before it goes upstream; begins with a slash, does not end in one.
    pub strip: Option<String>,
}

/// A bot's path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPattern {
    /// The path; for a prefix what stands before `/*`, which is empty for `/*` alone.
    pub text: String,
    /// True for `text/*`: everything that begins with `text/`.
    pub prefix: bool,
}

impl PathPattern {
    /// A path that it matches.
    pub fn sample(&self) -> String {
        if self.prefix {
            format!("{}/hello", self.text)
        } else {
            self.text.clone()
        }
    }
}

/// How a delivery that came before is known.
#[derive(Clone, Debug)]
pub struct Duplicates {
    /// Where the delivery's id stands.
    pub by: IdSource,
    /// Whether the signature covers the id; where not, the body's hash stands beside it in the ledger's key.
    pub signed: bool,
    /// How long an id is remembered: at least twice the scheme's tolerance. Default 10 min.
    pub window: Duration,
}
