//! What a configuration file says: text in, resolved [`Settings`] out, or every fault at once.

mod bot;
mod callback;
mod chat;
mod cors;
mod duplicates;
mod interpolate;
mod limit;
mod money;
pub mod parse;
mod path;
mod raw;
mod reader;
mod redact;
mod reply;
pub mod report;
mod resolved;
mod schema;
mod schema_types;
mod scope;
mod sender_timeouts;
mod server;
mod subscriber;
mod suggest;
mod syntax;
#[cfg(test)]
mod tests;
mod transport_security;
mod upstream;
mod upstream_refs;
mod url;
mod validate;
mod verify;

pub use report::Report;
pub use resolved::{AccessLog, Admin, Server, Settings, State};
pub use schema::schema;
use scope::Scope;
use std::io::Read as _;
use std::path::Path;
use zeroize::Zeroizing;

/// The longest configuration, in bytes.
const MAX_CONFIGURATION: usize = 4 * 1024 * 1024;

/// Reads the configuration file at `path`, with the environment of this process.
///
/// # Errors
/// Everything that is wrong with it, or that it cannot be read and what to do then.
pub fn load(path: &Path) -> Result<(Settings, Report), Report> {
    let origin = path.display().to_string();
    let mut text = Zeroizing::new(String::new());
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(MAX_CONFIGURATION as u64 + 1).read_to_string(&mut text));
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
pub fn parse(
    text: &str,
    origin: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Settings, Report), Report> {
    let name = origin.display().to_string();
    if text.len() > MAX_CONFIGURATION {
        return Err(Report::about_file(
            &name,
            "the configuration is over 4 MiB".to_owned(),
            "split it over several servers".to_owned(),
        ));
    }
    let document = toml_span::parse(text).map_err(|error| syntax::report(&name, text, &error))?;
    let folder = origin.parent().unwrap_or(Path::new(""));
    let sources = interpolate::Sources::new(env, folder);
    let mut walk = validate::Walk::new(schema(), &sources);
    let json = walk.document(&document, schema());
    let mut reading = reader::Reading {
        folder,
        spots: walk.spots,
        notes: walk.notes,
        blots: walk.blots,
        faulty: walk.faulty,
        warned: Vec::new(),
    };
    let settings = match serde_json::from_value(json) {
        Ok(file) => settings(&mut reading, file),
        // The walk left in nothing that does not fit; the message is not shown because it may quote a value.
        Err(_) => {
            reading.error(
                "",
                "the configuration does not have the shape that its schema asks for",
                "see `botgate schema`",
            );
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

fn settings(reading: &mut reader::Reading<'_>, file: raw::File) -> Option<Settings> {
    let written = file.server.unwrap_or_default();
    let server = server::server(reading, &written);
    let limits = written
        .limit
        .map(|limit| limit::rules(reading, "server.limit", &limit))
        .unwrap_or_default();
    let admin = file.admin.map(|admin| server::admin(reading, &admin));

    let state = server::state(reading, &file.state.unwrap_or_default());

    let mut upstreams: Vec<_> = file.upstreams.into_iter().flatten().collect();
    upstreams.sort_by_key(|(name, _)| reading.position(&format!("upstreams.{name}")));
    let names: Vec<_> = upstreams.iter().map(|(name, _)| name.clone()).collect();
    let upstreams: Vec<_> = upstreams
        .iter()
        .map(|(name, written)| upstream::upstream(reading, name, written))
        .collect();

    let mut bots: Vec<_> = file.bots.into_iter().flatten().collect();
    bots.sort_by_key(|(id, _)| reading.position(&format!("bots.{id}")));
    if bots.is_empty() && reading.is_sound("bots") {
        reading.warning(
            "bots",
            "there is no bot here: every request gets 404",
            "add a table: [bots.bt_support]",
        );
    }
    let written = file.subscribers.unwrap_or_default();
    let around = Scope {
        names: &names,
        upstreams: &upstreams,
        limits: &limits,
        public_url: server.public_url.as_deref(),
        subscribed: !written.is_empty(),
    };
    let bots: Vec<_> = bots
        .into_iter()
        .filter_map(|(id, written)| bot::bot(reading, &id, written, &around))
        .collect();
    path::check_paths(reading, &bots);
    upstream_refs::unused(reading, &names, &bots);
    let subscribers = subscriber::subscribers(reading, &written, &bots);
    Some(Settings {
        server,
        admin: match admin {
            Some(None) => return None,
            Some(admin) => admin,
            None => None,
        },
        state,
        upstreams: upstreams.into_iter().flatten().map(|read| read.upstream).collect(),
        bots,
        subscribers,
    })
}
