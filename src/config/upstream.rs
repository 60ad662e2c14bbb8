//! `[upstreams.NAME]`: what its values mean.

use super::reading::Reading;
use super::{Upstream, UpstreamTimeouts, shape, url, values};
use http::header::{self, HeaderName, HeaderValue};
use std::time::Duration;

/// Sockets to one upstream unless its table says otherwise.
const SOCKETS: usize = 1024;

/// Headers that belong to one connection or frame a message: they are ours to write.
const OURS: [HeaderName; 10] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// An upstream and the headers that it wants, as written.
pub(crate) struct Read {
    pub(crate) upstream: Upstream,
    headers: Vec<(HeaderName, String)>,
}

/// Reads the table at `path`; nothing when its URL is missing or wrong, which is noted.
pub(crate) fn upstream(
    reading: &mut Reading<'_>,
    name: &str,
    written: &shape::Upstream,
) -> Option<Read> {
    let path = format!("upstreams.{name}");
    let url_path = format!("{path}.url");
    if written.url.as_deref().is_some_and(url::has_user) {
        reading.blot(&url_path);
    }
    let headers = headers(reading, &path, written);
    let timeouts = timeouts(reading, &path, written.timeout.as_ref());
    let backend = reading.value(&url_path, written.url.as_deref(), url::backend)?;
    // The one kind there is; a second one is told apart here.
    let shape::Kind::Passthrough = written.kind.as_ref()?;
    Some(Read {
        upstream: Upstream {
            name: name.to_owned(),
            kind: "passthrough",
            tls: false,
            ca: None,
            endpoint: String::new(),
            key: None,
            model: None,
            max_tokens: 4096,
            system: None,
            version: None,
            price: None,
            retries: 1,
            fields: Vec::new(),
            authority: backend.authority,
            host: backend.host,
            port: backend.port,
            prefix: backend.prefix,
            timeouts,
            max_connections: written
                .max_connections
                .map_or(SOCKETS, |count| count as usize),
        },
        headers,
    })
}

fn headers(
    reading: &mut Reading<'_>,
    path: &str,
    written: &shape::Upstream,
) -> Vec<(HeaderName, String)> {
    let mut headers: Vec<(HeaderName, String)> = Vec::new();
    for (name, value) in written.headers.iter().flatten() {
        let path = format!("{path}.headers.{name}");
        let Some(name) = reading.value(&path, Some(name), values::header_name) else {
            continue;
        };
        if OURS.contains(&name) {
            let message = format!("the header `{name}` belongs to the connection");
            reading.error(
                &path,
                message,
                "leave it out: it is written for every request anew",
            );
        } else if headers.iter().any(|(other, _)| *other == name) {
            reading.error(
                &path,
                format!("the header `{name}` is there twice"),
                "leave one of them out",
            );
        } else if ["{user}", "{conversation}", "{channel}"]
            .iter()
            .any(|unknown| value.contains(unknown))
        {
            reading.error(
                &path,
                "a placeholder that leads nowhere",
                "the only one known here is {bot}",
            );
        } else if HeaderValue::from_str(value).is_err() {
            let fix = "write visible ASCII characters on one line";
            reading.error(
                &path,
                format!("the value of the header `{name}` would break a request"),
                fix,
            );
        } else {
            headers.push((name, value.clone()));
        }
    }
    headers
}

impl Read {
    /// The headers of a bot's requests. A bot's id holds nothing that a header could not.
    pub(crate) fn headers_for(&self, bot: &str) -> Vec<(HeaderName, HeaderValue)> {
        let filled_in = self.headers.iter().filter_map(|(name, value)| {
            let mut value = HeaderValue::try_from(value.replace("{bot}", bot)).ok()?;
            value.set_sensitive(true);
            Some((name.clone(), value))
        });
        filled_in.collect()
    }
}

fn timeouts(
    reading: &mut Reading<'_>,
    path: &str,
    written: Option<&shape::Timeout>,
) -> UpstreamTimeouts {
    let mut deadline = |key: &str, written: Option<&str>, default: u64| {
        let read = reading.value(&format!("{path}.timeout{key}"), written, values::duration);
        read.unwrap_or(Duration::from_secs(default))
    };
    let none = shape::Deadlines::default();
    let (total, each) = match written {
        None => (deadline("", None, 30), &none),
        Some(shape::Timeout::Total(total)) => (deadline("", Some(total), 30), &none),
        Some(shape::Timeout::Each(each)) => (deadline(".total", each.total.as_deref(), 30), each),
    };
    UpstreamTimeouts {
        connect: deadline(".connect", each.connect.as_deref(), 2).min(total),
        first_byte: deadline(".first_byte", each.first_byte.as_deref(), 30).min(total),
        idle: deadline(".idle", each.idle.as_deref(), 30).min(total),
        total,
    }
}
