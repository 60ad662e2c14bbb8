//! A response head, read: strictly, into a map that holds nothing hop-by-hop, with the framing of the body that follows.
//!
//! Pure: bytes in, values out, and the verdict never hangs on how the bytes were cut.

#[cfg(test)]
mod heads;
#[cfg(test)]
mod tests;

use super::framing::Framing;
use crate::net::hop_by_hop::{connection_lists, is_hop_by_hop};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use httparse::{ParserConfig, Status};
use std::mem::MaybeUninit;

/// The largest response head, with the interim responses before it, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;
/// The most fields in it.
pub const MAX_FIELDS: usize = 100;

/// A whole response head.
#[derive(Debug)]
pub struct Head {
    /// Status and end-to-end fields.
    pub response: Response<()>,
    /// How the body is delimited.
    pub framing: Framing,
    /// The connection may serve another request after the body.
    pub reusable: bool,
    /// What came behind it.
    pub rest: Bytes,
}

/// What has come of a head that is not whole yet, at most [`MAX_HEAD`] bytes.
#[derive(Debug, Default)]
pub struct PartialHead(Vec<u8>);

impl PartialHead {
    /// Takes the bytes that came next; the head once it is whole. Interim responses are skipped. `bodiless`: it answers a HEAD.
    /// `spare` becomes the response's map.
    pub fn read(
        &mut self,
        fresh: &[u8],
        bodiless: bool,
        spare: &mut HeaderMap,
    ) -> Result<Option<Head>, &'static str> {
        if self.0.is_empty() {
            let found = read(fresh, bodiless, spare)?;
            if found.is_none() {
                self.0.extend_from_slice(fresh);
            }
            return Ok(found);
        }
        self.0.extend_from_slice(fresh);
        // Nothing but the end of a line completes a head: one that comes byte by byte is not read anew for each.
        if self.0.len() <= MAX_HEAD && memchr::memchr(b'\n', fresh).is_none() {
            return Ok(None);
        }
        let found = read(&self.0, bodiless, spare);
        if !matches!(found, Ok(None)) {
            self.0 = Vec::new();
        }
        found
    }
}

/// The head at the start of `bytes`; `None` while it is not whole.
fn read(bytes: &[u8], bodiless: bool, spare: &mut HeaderMap) -> Result<Option<Head>, &'static str> {
    let mut skipped = 0;
    loop {
        let rest = bytes.get(skipped..).unwrap_or_default();
        let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut []);
        let read = ParserConfig::default().parse_response_with_uninit_headers(
            &mut parsed,
            rest,
            &mut fields,
        );
        let length = match read {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) if bytes.len() <= MAX_HEAD => return Ok(None),
            Ok(Status::Partial) => return Err(TOO_LARGE),
            Err(httparse::Error::TooManyHeaders) => return Err("it has too many header fields"),
            Err(_) => return Err("its head is malformed"),
        };
        if skipped + length > MAX_HEAD {
            return Err(TOO_LARGE);
        }
        match parsed.code {
            Some(101) => return Err("it switches protocols unasked"),
            Some(100..=199) => skipped += length,
            _ => {
                // One copy of all that came, of which every value and the rest are slices.
                let shared = Bytes::copy_from_slice(rest);
                let body = shared.slice(length..);
                return build(&parsed, rest, shared, bodiless, std::mem::take(spare), body)
                    .map(Some);
            }
        }
    }
}

const TOO_LARGE: &str = "its head is too large";

fn build(
    parsed: &httparse::Response<'_, '_>,
    bytes: &[u8],
    shared: Bytes,
    bodiless: bool,
    mut headers: HeaderMap,
    rest: Bytes,
) -> Result<Head, &'static str> {
    let status =
        parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or("its status is none")?;
    let modern = parsed.version == Some(1);
    let mut found =
        FramingFields { chunked: false, length: None, keep_alive: modern, close: false };
    let mut named = false;
    headers.clear();
    for field in &*parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes())
            .map_err(|_| "a field name makes no sense")?;
        if is_hop_by_hop(name.as_str()) {
            named |= found.connection(&name, field.value, modern)?;
            continue;
        }
        if name == header::CONTENT_LENGTH {
            found.content_length(field.value)?;
        }
        let value = HeaderValue::from_maybe_shared(slice(&shared, bytes, field.value));
        headers.append(name, value.map_err(|_| "a field value makes no sense")?);
    }
    if named {
        drop_named(parsed, &mut headers);
    }
    let silent = bodiless || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let framing = match (silent, found.chunked, found.length) {
        (_, true, Some(_)) => return Err("it has both Content-Length and Transfer-Encoding"),
        (true, _, _) => Framing::Length(0),
        (false, true, None) => Framing::Chunked(Box::default()),
        (false, false, Some(length)) => Framing::Length(length),
        (false, false, None) => Framing::Close,
    };
    let reusable = found.keep_alive && !found.close && !matches!(framing, Framing::Close);
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(Head { response, framing, reusable, rest })
}

/// The part of `shared` at which `value` stands in `bytes`, which `shared` is a copy of.
fn slice(shared: &Bytes, bytes: &[u8], value: &[u8]) -> Bytes {
    let at = (value.as_ptr().addr()).wrapping_sub(bytes.as_ptr().addr());
    let end = at.saturating_add(value.len());
    if end <= shared.len() { shared.slice(at..end) } else { Bytes::copy_from_slice(value) }
}

struct FramingFields {
    chunked: bool,
    length: Option<u64>,
    keep_alive: bool,
    /// Whatever else is said: the last word on the connection.
    close: bool,
}

impl FramingFields {
    fn content_length(&mut self, value: &[u8]) -> Result<(), &'static str> {
        let digits = value.trim_ascii();
        let sane = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
        if self.length.is_some() || !sane {
            return Err("its Content-Length makes no sense");
        }
        self.length = Some(digits.iter().fold(0, |n, d| n * 10 + u64::from(d - b'0')));
        Ok(())
    }

    /// A hop-by-hop field; true where it is a `Connection` that names others.
    fn connection(
        &mut self,
        name: &HeaderName,
        value: &[u8],
        modern: bool,
    ) -> Result<bool, &'static str> {
        if name == header::TRANSFER_ENCODING {
            if self.chunked || !modern || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err("its Transfer-Encoding is not chunked");
            }
            self.chunked = true;
        }
        if name != header::CONNECTION {
            return Ok(false);
        }
        self.close |= connection_lists(value, "close");
        self.keep_alive |= connection_lists(value, "keep-alive");
        Ok(!matches!(value, b"close" | b"keep-alive" | b"Keep-Alive"))
    }
}

/// Takes out what `Connection` names: rare, so looked up only then.
fn drop_named(parsed: &httparse::Response<'_, '_>, headers: &mut HeaderMap) {
    let connections =
        parsed.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("connection"));
    for option in connections.flat_map(|field| field.value.split(|&b| b == b',')) {
        if let Ok(name) = HeaderName::from_bytes(option.trim_ascii())
            && name != header::CONTENT_LENGTH
        {
            headers.remove(name);
        }
    }
}
