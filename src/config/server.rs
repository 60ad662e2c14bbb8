//! `[server]`, `[admin]` and `[state]`: what their values mean.

use super::parse::{self, ValueError};
use super::reader::Reading;
use super::{AccessLog, Admin, Server, State, raw, url};
use crate::proxy::bot::CallerTimeouts;
use crate::secret::Secret;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Fills in what `[server]` leaves out.
pub(crate) fn server(reading: &mut Reading<'_>, written: &raw::Server) -> Server {
    let http = match &written.http {
        None => vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))],
        Some(addresses) => listeners(reading, addresses),
    };
    let max_body = reading
        .value("server.max_body", written.max_body.as_deref(), parse::size)
        .unwrap_or(1 << 20);
    let buffer = reading.value("server.buffer", written.buffer.as_deref(), parse::size);
    let buffer = buffer.unwrap_or_else(|| (256 << 20).max(max_body));
    if buffer < max_body {
        let fix = "write at least the size of `max_body`, and as much again for every body that may wait beside it";
        reading.error(
            "server.buffer",
            "`server.buffer` is smaller than one body of `max_body` bytes",
            fix,
        );
    }
    Server {
        http,
        workers: match &written.workers {
            None | Some(raw::Workers::Auto(_)) => None,
            Some(raw::Workers::Count(count)) => Some(usize::from(*count)),
        },
        max_body,
        buffer,
        max_connections: written.max_connections.map(|count| count as usize),
        timeouts: timeouts(reading, written.timeouts.as_ref().unwrap_or(&raw::Timeouts::default())),
        drain: reading
            .value("server.drain", written.drain.as_deref(), parse::duration_or_zero)
            .unwrap_or(Duration::from_secs(30)),
        access_log: match written.access_log.as_deref() {
            None | Some("stderr") => AccessLog::Stderr,
            Some("off") => AccessLog::Off,
            Some("") => {
                reading.error(
                    "server.access_log",
                    "`server.access_log` is empty",
                    "write \"stderr\", \"off\" or a file",
                );
                AccessLog::Off
            }
            Some(path) => AccessLog::File(reading.file(path)),
        },
        trusted_proxies: match &written.trusted_proxies {
            None => Vec::new(),
            Some(networks) => reading.values("server.trusted_proxies", networks, network),
        },
        public_url: url::public(reading, "server.public_url", written.public_url.as_deref())
            .map(|url| url.trim_end_matches('/').to_owned()),
    }
}

fn listeners(reading: &mut Reading<'_>, written: &[String]) -> Vec<SocketAddr> {
    let mut listeners = Vec::with_capacity(written.len());
    for (index, text) in written.iter().enumerate() {
        let path = format!("server.http[{index}]");
        let Some(listener) = reading.value(&path, Some(text), address) else {
            continue;
        };
        if listener.port() != 0 && listeners.contains(&listener) {
            reading.error(&path, "`server.http` names this address twice", "leave one of them out");
        }
        listeners.push(listener);
    }
    listeners
}

fn timeouts(reading: &mut Reading<'_>, written: &raw::Timeouts) -> CallerTimeouts {
    let mut deadline = |key: &str, written: &Option<String>, default: u64| {
        let path = format!("server.timeouts.{key}");
        let read = reading.value(&path, written.as_deref(), parse::duration);
        read.unwrap_or(Duration::from_secs(default))
    };
    CallerTimeouts {
        header: deadline("header", &written.header, 10),
        body: deadline("body", &written.body, 30),
        idle: deadline("idle", &written.idle, 75),
    }
}

/// `[admin]`; nothing when its address is missing or wrong, which is noted.
pub(crate) fn admin(reading: &mut Reading<'_>, written: &raw::Admin) -> Option<Admin> {
    let listen = reading.value("admin.listen", written.listen.as_deref(), address);
    let probes = reading.value("admin.probes", written.probes.as_deref(), address);
    let token = written.token.as_deref().map(Secret::new);
    if token.as_ref().is_some_and(Secret::is_empty) {
        reading.error(
            "admin.token",
            "`admin.token` is empty",
            "write a token, or leave the key out",
        );
    }
    let listen = listen?;
    if !listen.ip().to_canonical().is_loopback() && !reading.has("admin.token") {
        reading.error(
            "admin.listen",
            "`admin.listen` can be reached from other machines, so `admin` needs a token",
            "add the line: token = \"${env:BOTGATE_ADMIN_TOKEN}\"",
        );
    }
    Some(Admin { listen, token, probes })
}

/// `[state]`.
pub(crate) fn state(reading: &mut Reading<'_>, written: &raw::State) -> State {
    reading.value("state.store", written.store.as_deref(), |store| match store {
        "embedded" => Ok(()),
        _ => Err(ValueError::new(
            "no such store is there in this version",
            "write store = \"embedded\", or leave it out: a folder of this process alone",
        )),
    });
    if written.path.as_deref() == Some("") {
        reading.error("state.path", "`state.path` is empty", "write the path of a folder");
    }
    State { path: reading.file(written.path.as_deref().unwrap_or("botgate-data")) }
}

/// `127.0.0.1:8080`, `[::1]:8080`.
fn address(text: &str) -> Result<SocketAddr, ValueError> {
    text.parse().map_err(|_| {
        ValueError::new(
            "not an address to listen on",
            "write an IP address and a port: \"127.0.0.1:8080\", \"0.0.0.0:8080\" or \"[::]:8080\"",
        )
    })
}

/// `10.0.0.0/8`; an address alone is the network of that one.
pub(crate) fn network(text: &str) -> Result<IpNet, ValueError> {
    let alone = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| alone()).map_err(|_| {
        ValueError::new("not a network", "write it like \"10.0.0.0/8\" or \"192.0.2.7\"")
    })
}
