//! What a configuration resolves to: the values that the rest of the program is built from.

use crate::proxy::bot::{Bot, CallerTimeouts, Subscriber, Upstream, is_id};
use crate::secret::Secret;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A whole configuration, resolved: defaults filled in, references followed, secrets read, names turned into indices.
#[derive(Debug)]
pub struct Settings {
    /// The public side.
    pub server: Server,
    /// The operator's side; absent: none is opened.
    pub admin: Option<Admin>,
    /// What is kept on disk.
    pub state: State,
    /// In the order of the file.
    pub upstreams: Vec<Upstream>,
    /// In the order of the file. Ids are unique, templates apart from bots; paths are, too, but where an id tells bots apart:
    /// one in the body, or a template's.
    pub bots: Vec<Bot>,
    /// Who is told of events, in the order of the file.
    pub subscribers: Vec<Subscriber>,
}

impl Settings {
    /// The bot with this id: one with a table of its own, else the template with the longest front of it. `dialect` leaves out
    /// the others.
    pub fn bot(&self, id: &str, dialect: Option<&str>) -> Option<&Bot> {
        let bots = || {
            let all = self.bots.iter();
            all.filter(move |bot| dialect.is_none_or(|name| bot.dialect.name == name))
        };
        let listed = bots().find(|bot| !bot.template && *bot.id == *id);
        listed.or_else(|| {
            let templates =
                bots().filter(|bot| bot.template && is_id(id) && id.starts_with(&*bot.id));
            templates.max_by_key(|bot| bot.id.len())
        })
    }
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
    pub timeouts: CallerTimeouts,
    /// How long a stop waits for what is in flight. Default 30 s.
    pub drain: Duration,
    /// Where a line per request goes. Default standard error.
    pub access_log: AccessLog,
    /// Peers whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How the world sees this server, without a slash at its end.
    pub public_url: Option<String>,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    Stderr,
    /// This file, appended to.
    File(PathBuf),
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

/// `[state]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The folder of the embedded database. Default `botgate-data` beside the configuration file.
    pub path: PathBuf,
}
