//! What a configuration file says: text in, resolved [`Settings`] out, or every fault at once.

mod blot;
mod bot;
mod duplicates;
mod example;
mod expand;
mod limit;
pub mod report;
mod reading;
mod schema;
mod server;
mod shape;
mod structure;
mod syntax;
mod upstream;
mod url;
#[cfg(test)]
mod tests;
mod values;
mod verify;

use crate::limit::Rule;
use crate::secret::Secret;
use crate::signature::{IdSource, Verifier};
use http::{HeaderName, HeaderValue};
pub use report::Report;
pub use schema::schema;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

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

/// The longest configuration, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// Reads the configuration file at `path`, with the environment of this process.
///
/// # Errors
/// Everything that is wrong with it, or that it cannot be read and what to do then.
pub fn load(path: &Path) -> Result<(Settings, Report), Report> {
    let origin = path.display().to_string();
    let mut text = Zeroizing::new(String::new());
    let read = std::fs::File::open(path).and_then(|file| file.take(LONGEST as u64 + 1).read_to_string(&mut text));
    match read {
        Ok(_) => parse(&text, path, &|name| std::env::var(name).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Report::about_file(
            &origin,
            "there is no such configuration file".to_owned(),
            "`botgate init` writes one, `botgate run -c FILE` takes another one, `botgate demo` needs none".to_owned(),
        )),
        Err(error) => Err(Report::about_file(
            &origin,
            format!("cannot read the configuration: {error}"),
            "name a text file that this process may read: `botgate run -c FILE`".to_owned(),
        )),
    }
}

/// What `text` says. `origin` names the file in messages, and its folder is where relative paths start; `env` looks up a
/// variable of the environment. The report beside the settings holds warnings only.
///
/// # Errors
/// Everything that is wrong with it at once, warnings included.
pub fn parse(text: &str, origin: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<(Settings, Report), Report> {
    let name = origin.display().to_string();
    if text.len() > LONGEST {
        return Err(Report::about_file(&name, "the configuration is over 4 MiB".to_owned(), "split it over several servers".to_owned()));
    }
    let document = toml_span::parse(text).map_err(|error| syntax::report(&name, text, &error))?;
    let folder = origin.parent().unwrap_or(Path::new(""));
    let sources = expand::Sources::new(env, folder);
    let mut walk = structure::Walk::new(schema(), &sources);
    let json = walk.document(&document, schema());
    let mut reading = reading::Reading {
        folder,
        spots: walk.spots,
        notes: walk.notes,
        blots: walk.blots,
        faulty: walk.faulty,
    };
    let settings = match serde_json::from_value(json) {
        Ok(file) => settings(&mut reading, file),
        // The walk left in nothing that does not fit; the message is not shown because it may quote a value.
        Err(_) => {
            reading.error("", "the configuration does not have the shape that its schema asks for", "see `botgate schema`");
            None
        }
    };
    let failed = reading.notes.iter().any(|note| note.severity == report::Severity::Error);
    let report = Report::new(&name, text, &reading.blots, reading.notes);
    match settings {
        Some(settings) if !failed => Ok((settings, report)),
        _ => Err(report),
    }
}

fn settings(reading: &mut reading::Reading<'_>, file: shape::File) -> Option<Settings> {
    let written = file.server.unwrap_or_default();
    let server = server::server(reading, &written);
    let limits = written.limit.map(|limit| limit::rules(reading, "server.limit", &limit)).unwrap_or_default();
    let admin = file.admin.map(|admin| server::admin(reading, &admin));

    let mut upstreams: Vec<_> = file.upstreams.into_iter().flatten().collect();
    upstreams.sort_by_key(|(name, _)| reading.position(&format!("upstreams.{name}")));
    let names: Vec<_> = upstreams.iter().map(|(name, _)| name.clone()).collect();
    let upstreams: Vec<_> = upstreams.iter().filter_map(|(name, written)| upstream::upstream(reading, name, written)).collect();

    let mut bots: Vec<_> = file.bots.into_iter().flatten().collect();
    bots.sort_by_key(|(id, _)| reading.position(&format!("bots.{id}")));
    if bots.is_empty() && reading.is_sound("bots") {
        reading.warning("bots", "there is no bot here: every request gets 404", "add a table: [bots.bt_support]");
    }
    let around = bot::Around {
        names: &names,
        upstreams: &upstreams,
        limits: &limits,
        public_url: server.public_url.as_deref(),
    };
    let bots: Vec<_> = bots.into_iter().filter_map(|(id, written)| bot::bot(reading, &id, written, &around)).collect();
    bot::check_paths(reading, &bots);
    Some(Settings {
        server,
        admin: match admin {
            Some(None) => return None,
            Some(admin) => admin,
            None => None,
        },
        upstreams: upstreams.into_iter().map(|read| read.upstream).collect(),
        bots,
    })
}
