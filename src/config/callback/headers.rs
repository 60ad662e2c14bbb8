//! `headers` of a callback: what goes along beside what is ours to write.

use super::super::upstream::fields::OURS;
use crate::config::parse;
use crate::config::reader::Reading;
use crate::secret::Secret;
use std::collections::BTreeMap;

/// What every request says of itself.
const WRITTEN: [&str; 6] = [
    "content-type",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-webhook-timestamp",
    "x-webhook-signature",
];

/// Reads the table `headers` below `at`: names as they are written, since some receivers mind their case.
pub(super) fn headers(
    reading: &mut Reading<'_>,
    at: &str,
    written: Option<&BTreeMap<String, String>>,
) -> Vec<(String, Secret)> {
    let mut headers: Vec<(String, Secret)> = Vec::new();
    for (name, value) in written.into_iter().flatten() {
        let path = format!("{at}.headers.{name}");
        let Some(known) = reading.value(&path, Some(name), parse::header_name) else {
            continue;
        };
        let (message, fix) = if OURS.contains(&known) {
            (
                format!("the header `{known}` belongs to the connection"),
                "leave it out: it is written for every request anew",
            )
        } else if WRITTEN.contains(&known.as_str()) {
            (
                format!("the header `{known}` is ours to write"),
                "leave it out: it is written for every request",
            )
        } else if headers.iter().any(|(other, _)| known == **other) {
            (format!("the header `{known}` is there twice"), "leave one of them out")
        } else if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            (
                format!("the value of the header `{known}` would break a request"),
                "write visible ASCII characters on one line",
            )
        } else {
            headers.push((name.clone(), Secret::new(value)));
            continue;
        };
        reading.error(&path, message, fix);
    }
    headers
}
