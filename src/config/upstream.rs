//! `[upstreams.NAME]`: what its values mean.

pub(crate) mod fields;

use super::parse::ValueError;
use super::reader::Reading;
use super::schema_types::shown;
use super::suggest::known_or_nearest;
use super::{money, parse, raw, transport_security, url};
use crate::codec::keys::{KeyError, Written};
use crate::codec::price::Price;
use crate::codec::provider::{self, Codec, Settings};
use crate::net::client::tls::Trust;
use crate::net::client::{Target, Timeouts};
use crate::net::header_template::{HeaderTemplate, PlaceholderValues};
use crate::proxy::bot::{AiUpstream, Upstream};
use crate::secret::Secret;
use http::header::{ACCEPT, HeaderName, HeaderValue, USER_AGENT};
use serde_json::Value;
use std::time::Duration;
use zeroize::Zeroizing;

/// What Botgate calls itself to upstreams and receivers.
pub(crate) const AGENT: &str = concat!("botgate/", env!("CARGO_PKG_VERSION"));
/// Sockets to one upstream unless its table says otherwise.
const DEFAULT_MAX_CONNECTIONS: usize = 1024;
/// How often a call is repeated unless the table says otherwise.
const DEFAULT_RETRIES: u32 = 1;

/// An upstream that could be read, and what only those need who forward to it.
pub(crate) struct Backend {
    pub(crate) upstream: Upstream,
    /// What goes into `Host`.
    pub(crate) authority: HeaderValue,
    /// The URL's path without a slash at its end.
    pub(crate) prefix: String,
    fields: Vec<HeaderTemplate>,
}

/// Reads the table at `path`; nothing when its URL is missing or wrong, which is noted.
pub(crate) fn upstream(
    reading: &mut Reading<'_>,
    name: &str,
    written: &raw::Upstream,
) -> Option<Backend> {
    let path = format!("upstreams.{name}");
    let url_path = format!("{path}.url");
    if written.url.as_deref().is_some_and(url::may_hold_secret) {
        reading.blot(&url_path);
    }
    let kind = provider::kinds().find(|kind| Some(*kind) == written.kind.as_deref());
    let codec = kind.and_then(provider::find);
    if let Some(kind) = kind {
        suits(reading, &path, written, kind, codec);
    }
    let settings = codec.map(|codec| settings(reading, &path, written, codec)).unwrap_or_default();
    let fields = fields::fields(reading, &path, written, codec, &settings);
    let timeouts = timeouts(reading, &path, written.timeout.as_ref());
    let key = key(reading, &path, written.key.as_deref());
    let price = written.price.as_ref().and_then(|price| self::price(reading, &path, price));
    let ca = transport_security::ca(reading, &path, written.ca.as_deref());
    let backend = reading
        .value(&url_path, written.url.as_deref(), |text| url::backend(text, codec.is_some()))?;
    transport_security::check(reading, &path, written.allow_http, written.ca.is_some(), &backend);
    kind?;
    let tls = backend.tls.then_some(Trust { ca });
    let authority = HeaderValue::from_str(&backend.authority).ok()?;
    let max_connections = written.max_connections.map(|count| count as usize);
    let ai = codec.map(|codec| {
        let head = |stream| {
            let endpoint = backend.endpoint(codec, &settings, stream);
            head(codec, &settings, &endpoint, &backend.authority, key.as_ref(), &fields)
        };
        AiUpstream {
            codec,
            head: head(false),
            streaming_head: head(true),
            key: key.clone(),
            fields: fields.clone(),
            settings: settings.clone(),
            system: written.system.clone(),
            price,
            retries: written.retries.unwrap_or(DEFAULT_RETRIES),
        }
    });
    Some(Backend {
        upstream: Upstream {
            name: name.into(),
            target: Target {
                host: backend.host,
                port: backend.port,
                tls: None,
                address_policy: None,
                max_connections: max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS),
                timeouts,
            },
            tls,
            ai,
        },
        authority,
        prefix: backend.prefix,
        fields,
    })
}

/// The head of an AI's requests, as far as it is the same for all of them.
fn head(
    codec: &dyn Codec,
    settings: &Settings,
    endpoint: &str,
    authority: &str,
    key: Option<&Secret>,
    fields: &[HeaderTemplate],
) -> Secret {
    let mut head = Zeroizing::new(format!(
        "POST {endpoint} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json",
    ));
    if let Some(key) = key {
        let (name, before) = codec.auth(settings);
        head.push_str(&format!("\r\n{name}: {before}{}", String::from_utf8_lossy(key.expose())));
    }
    let usual = [(ACCEPT, "application/json, text/event-stream"), (USER_AGENT, AGENT)];
    let usual = usual.map(|(name, value)| (name, value.to_owned()));
    for (name, value) in usual.into_iter().chain(codec.headers(settings)) {
        if !fields.iter().any(|field| field.name == name) {
            head.push_str(&format!("\r\n{name}: {value}"));
        }
    }
    Secret::new(&head)
}

/// Notes every key that this kind has no use for, and those that it lacks.
fn suits(
    reading: &mut Reading<'_>,
    path: &str,
    written: &raw::Upstream,
    kind: &str,
    codec: Option<&dyn Codec>,
) {
    let Some(codec) = codec else {
        let meant = [
            ("key", written.key.is_some()),
            ("system", written.system.is_some()),
            ("price", written.price.is_some()),
            ("retries", written.retries.is_some()),
        ];
        let meant = meant.into_iter().filter(|(_, meant)| *meant).map(|(key, _)| key);
        for key in meant.chain(written.own.keys().map(String::as_str)) {
            reading.error(
                &format!("{path}.{key}"),
                format!(
                    "`{}.{key}` has no meaning where bytes are handed on as they are",
                    shown(path)
                ),
                match key {
                    "key" => {
                        "write it as a header: headers = { Authorization = \"Bearer ${env:KEY}\" }"
                    }
                    _ => "leave it out, or name another kind",
                },
            );
        }
        return;
    };
    let own = codec.keys().map(raw::properties).unwrap_or_default();
    for key in written.own.keys().filter(|key| !own.contains_key(*key)) {
        reading.error(
            &format!("{path}.{key}"),
            format!("`{}.{key}`: an upstream of kind {kind} has no such key", shown(path)),
            "leave it out",
        );
    }
}

/// What the keys say that only some kinds have.
fn settings(
    reading: &mut Reading<'_>,
    path: &str,
    written: &raw::Upstream,
    codec: &dyn Codec,
) -> Settings {
    let errors = match codec.settings(&written.own) {
        Ok(settings) => return settings,
        Err(errors) => errors,
    };
    for error in errors {
        own_key_error(reading, path, &written.own, error);
    }
    Settings::default()
}

/// Notes what is wrong with a key that a dialect or a provider brings.
fn own_key_error(reading: &mut Reading<'_>, path: &str, written: &Written, error: KeyError) {
    match error {
        // What is there and of a wrong type is noted already.
        KeyError::Missing { key, .. } if reading.has(&format!("{path}.{key}")) => {}
        KeyError::Missing { key, example } => reading.error_at_key(
            path,
            format!("`{}` has no `{key}`", shown(path)),
            format!("add the line: {key} = \"{example}\", or the name of another one"),
        ),
        KeyError::Empty { key, example } => reading.error(
            &format!("{path}.{key}"),
            format!("`{}.{key}` is empty", shown(path)),
            format!("write the {key}'s name: {key} = \"{example}\""),
        ),
        KeyError::Unknown { key, known } => {
            let value = written.get(key).and_then(Value::as_str).unwrap_or_default();
            let fix = known_or_nearest(value, known, |known| format!("{known:?}"));
            let path = format!("{path}.{key}");
            let message = format!("`{}`: a {key} that is not known here", shown(&path));
            reading.error(&path, message, fix);
        }
    }
}

fn key(reading: &mut Reading<'_>, path: &str, written: Option<&str>) -> Option<Secret> {
    let path = format!("{path}.key");
    reading.value(&path, written, |text| {
        let text = text.trim();
        if text.is_empty() {
            return Err(ValueError::new("it is empty", "set it, or leave the key out"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ValueError::new(
                "no header can carry it",
                "use printable ASCII without blanks",
            ));
        }
        Ok(Secret::new(text))
    })
}

fn price(reading: &mut Reading<'_>, path: &str, written: &raw::Price) -> Option<Price> {
    let mut one = |key: &str, cents: Option<f64>| {
        let path = format!("{path}.price.{key}");
        let cents = cents?;
        reading.value(&path, Some(""), |_| money::price(cents))
    };
    let (input, output) = (one("input", written.input), one("output", written.output));
    Some(Price { input: input?, output: output? })
}

impl Backend {
    /// The headers of a raw bot's requests. A bot's id holds nothing that a header could not.
    pub(crate) fn headers_for(&self, bot: &str) -> Vec<(HeaderName, HeaderValue)> {
        let names = PlaceholderValues { bot, user: None, conversation: None, channel: None };
        let filled_in = self.fields.iter().filter_map(|field| {
            let mut text = Vec::new();
            field.value.write(&names, &mut text).ok()?;
            let mut value = HeaderValue::from_bytes(&text).ok()?;
            value.set_sensitive(true);
            Some((field.name.clone(), value))
        });
        filled_in.collect()
    }
}

fn timeouts(reading: &mut Reading<'_>, path: &str, written: Option<&raw::Timeout>) -> Timeouts {
    let mut deadline = |key: &str, written: Option<&str>, default: u64| {
        let read = reading.value(&format!("{path}.timeout{key}"), written, parse::duration);
        read.unwrap_or(Duration::from_secs(default))
    };
    let none = raw::Deadlines::default();
    let (total, each) = match written {
        None => (deadline("", None, 30), &none),
        Some(raw::Timeout::Total(total)) => (deadline("", Some(total), 30), &none),
        Some(raw::Timeout::Each(each)) => (deadline(".total", each.total.as_deref(), 30), each),
    };
    Timeouts {
        connect: deadline(".connect", each.connect.as_deref(), 2).min(total),
        first_byte: deadline(".first_byte", each.first_byte.as_deref(), 30).min(total),
        idle: deadline(".idle", each.idle.as_deref(), 30).min(total),
        total,
    }
}
