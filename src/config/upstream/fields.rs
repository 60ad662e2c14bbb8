//! `headers` of an upstream: names that are its own to set, values with places for ids.

use crate::codec::provider::{Codec, Settings};
use crate::config::reader::Reading;
use crate::config::schema_types::shown;
use crate::config::{parse, raw};
use crate::net::header_template::{HeaderTemplate, Placeholder, ValueTemplate};
use http::header::{self, HeaderName};

/// Headers that belong to one connection, frame a message or name a request: they are ours to write.
pub(crate) const OURS: [HeaderName; 11] = [
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
    HeaderName::from_static("x-request-id"),
];

/// Reads the table `headers` of the upstream at `path`.
pub(super) fn fields(
    reading: &mut Reading<'_>,
    path: &str,
    written: &raw::Upstream,
    codec: Option<&dyn Codec>,
    settings: &Settings,
) -> Vec<HeaderTemplate> {
    let mut fields: Vec<HeaderTemplate> = Vec::new();
    for (name, value) in written.headers.iter().flatten() {
        let path = format!("{path}.headers.{name}");
        let Some(name) = reading.value(&path, Some(name), parse::header_name) else {
            continue;
        };
        let by_codec = codec.is_some_and(|codec| {
            let own = codec.headers(settings);
            name == header::CONTENT_TYPE || own.iter().any(|(own, _)| *own == name)
        });
        let by_key =
            written.key.is_some() && codec.is_some_and(|codec| codec.auth(settings).0 == name);
        let value = ValueTemplate::parse(value);
        let (message, fix) = if OURS.contains(&name) {
            (
                format!("the header `{name}` is Botgate's own to write"),
                "leave it out: it is written for every request anew",
            )
        } else if by_codec {
            (
                format!("the header `{name}` is the kind's own to write"),
                "leave it out: it is written for every request",
            )
        } else if by_key {
            (format!("the header `{name}` carries the `key`"), "leave one of them out")
        } else if fields.iter().any(|field| field.name == name) {
            (format!("the header `{name}` is there twice"), "leave one of them out")
        } else {
            match value {
                None => (
                    format!("the value of the header `{name}` would break a request"),
                    "write visible ASCII characters on one line",
                ),
                Some(value)
                    if codec.is_none()
                        && value.placeholders().any(|place| place != Placeholder::Bot) =>
                {
                    (
                        format!(
                            "`{}`: a placeholder that leads nowhere, since the messages are not read",
                            shown(&path)
                        ),
                        "the only one known here is {bot}",
                    )
                }
                Some(value) => {
                    fields.push(HeaderTemplate { name, value });
                    continue;
                }
            }
        };
        reading.error(&path, message, fix);
    }
    fields
}
