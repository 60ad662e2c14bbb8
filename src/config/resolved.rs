//! What a configuration resolves to: the values that the rest of the program is built from.

mod callback;

pub use callback::{Auth, Callback, Mode, Reply, Subscriber};

use crate::codec::price::{MicroCents, Period, Price};
use crate::codec::provider;
use crate::net::header_template::Field;
use crate::secret::Secret;
use crate::signature::{IdSource, PublicUrl, Verifier};
use crate::state::limit::Rule;
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
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
            all.filter(move |bot| dialect.is_none_or(|name| bot.dialect == name))
        };
        let listed = bots().find(|bot| !bot.template && bot.id == id);
        let is_id = matches!(id.len(), 1..=128)
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        listed.or_else(|| {
            let templates = bots().filter(|bot| bot.template && is_id && id.starts_with(&bot.id));
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
    pub timeouts: Timeouts,
    /// How long a stop waits for what is in flight. Default 30 s.
    pub drain: Duration,
    /// Where a line per request goes. Default standard error.
    pub access_log: AccessLog,
    /// Peers whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
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

/// `[state]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The folder of the embedded database. Default `botgate-data` beside the configuration file.
    pub path: PathBuf,
}

/// `[upstreams.NAME]`, a backend.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name in the file.
    pub name: String,
    /// What it speaks: [`provider::FORWARDING`], or the name of a codec.
    pub kind: &'static str,
    /// Whether TLS is spoken to it: its URL begins with `https`.
    pub tls: bool,
    /// Certificates that are trusted beside the platform's own: PEM text, looked at but not verified.
    pub ca: Option<String>,
    /// What goes into `Host`: host and, where the URL has one, port.
    pub authority: String,
    /// A host name or an address, an IPv6 one without its brackets.
    pub host: String,
    /// The port; 80, or 443 with TLS, unless the URL has one.
    pub port: u16,
    /// The URL's path without a slash at its end; goes before the request's own. Often empty.
    pub prefix: String,
    /// Where a codec's requests go: path and query. Empty without a codec.
    pub endpoint: String,
    /// The same where the answer is asked for as a stream.
    pub streaming_endpoint: String,
    /// What its requests are authorised with; absent: a field of `fields` may do it.
    pub key: Option<Secret>,
    /// What the keys say that only its kind has.
    pub settings: provider::Settings,
    /// The system text that it gets after the bot's own.
    pub system: Option<String>,
    /// What its tokens cost; `None`: nothing that is counted.
    pub price: Option<Price>,
    /// How often a call is repeated where that is safe: 0 to 5. Default 1.
    pub retries: u32,
    /// Header fields of its requests, filled in for each. A raw bot's are filled in already: [`Bot::headers`].
    pub fields: Vec<Field>,
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
    /// The table's key, `[A-Za-z0-9_-]{1,128}`; a template's without its `*`, and so perhaps empty.
    pub id: String,
    /// Whether it stands for every id that begins with `id` and has no table of its own. The longest such `id` counts.
    pub template: bool,
    /// What people call it.
    pub name: Option<String>,
    /// A name out of the dialects' table.
    pub dialect: &'static str,
    /// Which requests are this bot's.
    pub path: PathPattern,
    /// Indices into [`Settings::upstreams`], each once, with its weight: 0 to 1,000, not all 0. One, unless a list is written;
    /// none where the dialect can do without.
    pub upstreams: Vec<(usize, u32)>,
    /// Indices of those that are asked when the chosen one fails, in this order.
    pub fallback: Vec<usize>,
    /// What a raw bot's requests carry to its upstream besides the caller's headers: the upstream's `headers`, `{bot}`
    /// already filled in, each value marked as sensitive. Empty for every other dialect.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Who may speak for it.
    pub verifier: Arc<Verifier>,
    /// Its own rules, else its dialect's, else the server's; every one must admit.
    pub limits: Vec<Rule>,
    /// Whether and how a repeated delivery is known.
    pub duplicates: Option<Duplicates>,
    /// What is taken off the path before it goes upstream; begins with a slash, does not end in one.
    pub strip: Option<String>,
    /// The system text that its AI gets before any other.
    pub system: Option<String>,
    /// Whether answers are streamed.
    pub stream: bool,
    /// Whether forms are always answered in TwiML.
    pub twiml: bool,
    /// How its conversations are kept; `None`: they are not.
    pub conversation: Option<Conversation>,
    /// What it may spend.
    pub budget: Option<Budget>,
    /// How it answers.
    pub reply: Reply,
    /// Where its answers go that come later; always there where its mode needs it.
    pub callback: Option<Callback>,
    /// Which pages may call from a browser; `None`: none may.
    pub cors: Option<Cors>,
    /// Networks that may call; empty: all.
    pub allow_from: Vec<IpNet>,
    /// How the world sees it: its own word, else the server's.
    pub public_url: Option<PublicUrl>,
    /// What its owner should know, as `check` says it.
    pub warnings: Vec<String>,
}

/// How long conversations are remembered, and how much of them is sent along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// After its last message a conversation is forgotten. Default 24 h.
    pub ttl: Duration,
    /// How many past messages go along, at most 200. Default 20.
    pub window: u32,
}

/// What a bot may spend in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The cap.
    pub cap: MicroCents,
    /// How long until it begins anew.
    pub per: Period,
}

/// Pages that may call a bot from the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// All of them; then `origins` is empty.
    pub any: bool,
    /// These: `scheme://host[:port]` as browsers write it, in lower case, without the scheme's own port.
    pub origins: Vec<String>,
}

/// A bot's path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPattern {
    /// The path; for a prefix what stands before `/*`, which is empty for `/*` alone. A template's may have `{bot}` as one of
    /// its steps, in the place of the id.
    pub text: String,
    /// True for `text/*`: everything that begins with `text/`.
    pub prefix: bool,
}

impl PathPattern {
    /// A path that it matches, of the bot with this id.
    pub fn sample(&self, id: &str) -> String {
        if self.prefix { format!("{}/hello", self.text) } else { self.text.replace("{bot}", id) }
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
