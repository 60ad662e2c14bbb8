//! One request head: where it ends, how its body is delimited, and every reason to refuse it.

use super::{Framing, FramingError};
use memchr::memchr_iter;
use std::ops::Range;

/// The largest head, request line included, in bytes (431 past it).
pub const MAX_HEAD: usize = 32 * 1024;
/// The most header fields (431 past it); hyper keeps this many on its stack.
pub const MAX_FIELDS: usize = 100;

/// A head as far as it has come: what its whole lines said, so that one that comes byte by byte is not read anew for each.
/// Places are counted from its first byte.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    /// Where the line begins that is not whole yet.
    line: usize,
    /// How far that line is known to be clean.
    checked: usize,
    request: Option<RequestLine>,
    fields: Fields,
}

/// The framing fields of a head, gathered line by line.
#[derive(Debug, Default)]
struct Fields {
    count: usize,
    length: Option<u64>,
    chunked: bool,
    host: Option<Range<usize>>,
}

impl HeadReader {
    /// The head at the start of `bytes`: its length and framing, or `None` while it is not whole. Then it wants the same bytes
    /// again, with more behind them.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<(usize, Framing)>, FramingError> {
        // One empty line before the request line is forgiven (RFC 9112 §2.2).
        if self.line == 0 && bytes.starts_with(b"\r\n") {
            (self.line, self.checked) = (2, 2);
        }
        // Not a byte further, however much is at hand: the verdict must not hang on how the stream was cut.
        let near = &bytes[..bytes.len().min(MAX_HEAD + 1)];
        let start = self.checked.min(near.len());
        for feed in memchr_iter(b'\n', &near[start..]).map(|at| start + at) {
            self.check_line(near, feed)?;
            let line = &near[self.line..feed];
            let line = line.strip_suffix(b"\r").ok_or(FramingError::ControlCharacter)?;
            (self.line, self.checked) = (feed + 1, feed + 1);
            match &self.request {
                None => self.request = Some(RequestLine::read(line, near)?),
                Some(request) if line.is_empty() => {
                    return Ok(Some((self.line, framing(request, &self.fields, near)?)));
                }
                Some(_) => self.fields.take(line, near)?,
            }
        }
        self.check_line(near, near.len().min(MAX_HEAD))?;
        if bytes.len() > MAX_HEAD {
            return Err(FramingError::HeadTooLarge);
        }
        Ok(None)
    }

    /// What is wrong with the line as far as it has come, to `end`, whatever still follows.
    fn check_line(&mut self, near: &[u8], end: usize) -> Result<(), FramingError> {
        let line = near.get(self.line..end).unwrap_or_default();
        // A carriage return at the end may still get its line feed.
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let (Some(_), Some(first)) = (&self.request, line.first()) {
            if self.fields.count == MAX_FIELDS {
                return Err(FramingError::HeadTooLarge);
            }
            if matches!(first, b' ' | b'\t') {
                return Err(FramingError::ObsoleteFold);
            }
        }
        let known = self.checked - self.line;
        reject_controls(line.get(known..).unwrap_or_default())?;
        self.checked = self.line + line.len().max(known);
        Ok(())
    }
}

fn framing(request: &RequestLine, fields: &Fields, near: &[u8]) -> Result<Framing, FramingError> {
    match (&fields.host, &request.authority) {
        (None, _) if !request.http10 => return Err(FramingError::Host),
        (Some(host), Some(authority))
            if !near[host.clone()].eq_ignore_ascii_case(&near[authority.clone()]) =>
        {
            return Err(FramingError::Host);
        }
        _ => {}
    }
    match (fields.length, fields.chunked) {
        (Some(_), true) => Err(FramingError::Ambiguous),
        (_, true) if request.http10 => Err(FramingError::TransferEncoding),
        (_, true) => Ok(Framing::Chunked),
        (Some(length), false) => Ok(Framing::Length(length)),
        (None, false) => Ok(Framing::None),
    }
}

/// Where `part` stands in the bytes that it is a slice of.
fn range_in(part: &[u8], near: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - near.as_ptr().addr();
    start..start + part.len()
}

/// No control character but the tab: a bare CR, NUL and their like end here.
fn reject_controls(line: &[u8]) -> Result<(), FramingError> {
    let dirty =
        line.iter().fold(false, |dirty, &b| dirty | ((b < 0x20) & (b != b'\t')) | (b == 0x7f));
    if dirty { Err(FramingError::ControlCharacter) } else { Ok(()) }
}

#[derive(Debug)]
struct RequestLine {
    /// HTTP/1.0.
    http10: bool,
    /// The authority of a target in absolute form.
    authority: Option<Range<usize>>,
}

impl RequestLine {
    /// The request line, a slice of `near`.
    fn read(line: &[u8], near: &[u8]) -> Result<Self, FramingError> {
        let space = memchr::memchr(b' ', line).ok_or(FramingError::RequestLine)?;
        let last = memchr::memrchr(b' ', line)
            .filter(|&last| last > space + 1)
            .ok_or(FramingError::RequestLine)?;
        let (method, target, version) = (&line[..space], &line[space + 1..last], &line[last + 1..]);
        if method.is_empty() || !method.iter().all(|&b| is_token(b)) {
            return Err(FramingError::RequestLine);
        }
        let visible = target.iter().fold(true, |ok, &b| ok & TARGET[usize::from(b)]);
        if !visible || has_tick(target) {
            return Err(FramingError::RequestLine);
        }
        let old = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            other if other.starts_with(b"HTTP/") => return Err(FramingError::Version),
            _ => return Err(FramingError::RequestLine),
        };
        if method == b"CONNECT" || method == b"TRACE" {
            return Err(FramingError::Method);
        }
        let authority = if target[0] == b'/' {
            None
        } else {
            let rest = strip_scheme(target).ok_or(FramingError::Method)?;
            let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
            Some(&rest[..end])
                .filter(|authority| is_host(authority))
                .map(|authority| Some(range_in(authority, near)))
                .ok_or(FramingError::Host)?
        };
        Ok(Self { http10: old, authority })
    }
}

/// A backtick before the query. Browsers write it plain in a query and encoded in a path, and so does the parser behind this.
fn has_tick(target: &[u8]) -> bool {
    memchr::memchr2(b'`', b'?', target).is_some_and(|at| target[at] == b'`')
}

fn strip_scheme(target: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr(b':', target)?;
    let scheme = &target[..colon];
    let known = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    target[colon..].strip_prefix(b"://").filter(|_| known)
}

impl Fields {
    /// A field line, a slice of `near`.
    fn take(&mut self, line: &[u8], near: &[u8]) -> Result<(), FramingError> {
        self.count += 1;
        let colon = memchr::memchr(b':', line).ok_or(FramingError::FieldName)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.is_empty() || !name.iter().all(|&b| is_token(b)) {
            return Err(FramingError::FieldName);
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                let value = trim(value);
                if self.host.is_some() || !is_host(value) {
                    return Err(FramingError::Host);
                }
                self.host = Some(range_in(value, near));
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = number(trim(value))
                    .filter(|_| self.length.is_none())
                    .ok_or(FramingError::ContentLength)?;
                self.length = Some(length);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || !trim(value).eq_ignore_ascii_case(b"chunked") {
                    return Err(FramingError::TransferEncoding);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Optional white space of RFC 9110 §5.6.3: space and tab alone.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Digits alone, at most 18 of them: what every parser reads alike.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |n, d| n * 10 + u64::from(d - b'0')))
}

/// `uri-host [":" port]` of RFC 9110 §7.2: a name, an IPv4 address or a bracketed IPv6 address; no user, no path.
fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', rest @ ..] => match memchr::memchr(b']', rest) {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => return false,
        },
        _ => value.split_at(memchr::memchr(b':', value).unwrap_or(value.len())),
    };
    let bracketed = value.first() == Some(&b'[');
    let name = |&b: &u8| {
        b.is_ascii_alphanumeric()
            || if bracketed {
                matches!(b, b':' | b'.')
            } else {
                matches!(b, b'-' | b'.' | b'_' | b'~' | b'%')
            }
    };
    let port_is_fine = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    !host.is_empty() && host.iter().all(name) && port_is_fine
}

/// `tchar` of RFC 9110 §5.6.2.
pub(super) fn is_token(b: u8) -> bool {
    TOKEN[usize::from(b)]
}

/// What a target may hold: visible ASCII but the fragment's mark and what must be percent-encoded everywhere (RFC 3986 §2).
static TARGET: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0x21;
    while b < 0x7f {
        table[b] = !matches!(b as u8, b'#' | b'"' | b'<' | b'>');
        b += 1;
    }
    table
};

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        let c = b as u8;
        table[b] = c.is_ascii_alphanumeric()
            || matches!(
                c,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        b += 1;
    }
    table
};
