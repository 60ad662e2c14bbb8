//! A record as a line, written by hand: a JSON object, or words for people.
//!
//! Whatever a caller sent stays inside its field: every byte but printable ASCII, and quote, backslash and space, is written as
//! `\xNN`, so a line is one line and a terminal obeys nobody.

use super::{Format, Record, TruncatedText};
use std::io::Write;
use std::net::IpAddr;

/// Appends lines; keeps the second it last wrote as text.
#[derive(Debug)]
pub struct Formatter {
    format: Format,
    second: u64,
    stamp: Vec<u8>,
}

impl Formatter {
    /// A writer of lines in this format.
    pub fn new(format: Format) -> Self {
        Self { format, second: 0, stamp: stamp(0) }
    }

    /// Appends the line of `record`, with its line end.
    pub fn write(&mut self, record: &Record, out: &mut Vec<u8>) {
        let second = record.at_ms / 1_000;
        if second != self.second {
            self.second = second;
            self.stamp = stamp(second);
        }
        match self.format {
            Format::Json => self.json(record, out),
            Format::Human => self.human(record, out),
        }
        out.push(b'\n');
    }

    fn json(&self, record: &Record, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"timestamp\":\"");
        self.time(record, out);
        out.extend_from_slice(b"\",\"event\":\"request\"");
        let field = |name: &[u8], out: &mut Vec<u8>| {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name);
            out.extend_from_slice(b"\":");
        };
        let word = |name: &[u8], value: &[u8], cut: bool, out: &mut Vec<u8>| {
            if value.is_empty() {
                return;
            }
            field(name, out);
            out.push(b'"');
            escape(value, b"\\\\x", out);
            out.extend_from_slice(if cut { b"...\"" } else { b"\"" });
        };
        word(b"id", record.id.as_bytes(), record.id.is_truncated(), out);
        if let Some(address) = record.peer {
            field(b"peer", out);
            out.push(b'"');
            peer(address, out);
            out.push(b'"');
        }
        word(b"method", record.method.as_bytes(), record.method.is_truncated(), out);
        let (path, cut) = without_query(&record.path);
        word(b"path", path, cut, out);
        word(b"bot", record.bot.as_deref().unwrap_or_default().as_bytes(), false, out);
        field(b"status", out);
        number(record.status.into(), out);
        for (name, value) in words(record) {
            word(name, value.as_bytes(), false, out);
        }
        for (name, value) in numbers(record) {
            field(name, out);
            number(value, out);
        }
        out.push(b'}');
    }

    fn human(&self, record: &Record, out: &mut Vec<u8>) {
        self.time(record, out);
        out.push(b' ');
        number(record.status.into(), out);
        let method = (record.method.as_bytes(), record.method.is_truncated());
        for (text, cut) in [method, without_query(&record.path)] {
            out.push(b' ');
            escape(if text.is_empty() { b"-" } else { text }, b"\\x", out);
            out.extend_from_slice(if cut { b"..." } else { b"" });
        }
        let mut word = |name: &[u8], value: &[u8]| {
            if !value.is_empty() {
                out.push(b' ');
                out.extend_from_slice(name);
                out.push(b'=');
                escape(value, b"\\x", out);
            }
        };
        word(b"bot", record.bot.as_deref().unwrap_or_default().as_bytes());
        for (name, value) in words(record) {
            word(name, value.as_bytes());
        }
        word(b"id", record.id.as_bytes());
        if let Some(address) = record.peer {
            out.extend_from_slice(b" peer=");
            peer(address, out);
        }
        for (name, value) in numbers(record) {
            out.push(b' ');
            out.extend_from_slice(name);
            out.push(b'=');
            number(value, out);
        }
    }

    /// RFC 3339 in UTC, with milliseconds.
    fn time(&self, record: &Record, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.stamp);
        let ms = (record.at_ms % 1_000) as u16;
        let digit = |place: u16| b'0' + (ms / place % 10) as u8;
        out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1), b'Z']);
    }
}

fn words(record: &Record) -> [(&'static [u8], &'static str); 4] {
    [
        (b"reason", record.reason),
        (b"signature", record.signature_error),
        (b"upstream", record.upstream_error),
        (b"sent", record.sent),
    ]
}

fn numbers(record: &Record) -> [(&'static [u8], u64); 3] {
    [
        (b"bytes_in", record.bytes_in),
        (b"bytes_out", record.bytes_out),
        (b"duration_us", record.duration_ns / 1_000),
    ]
}

fn stamp(second: u64) -> Vec<u8> {
    let time =
        i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    let mut text = time.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string().into_bytes();
    text.pop_if(|last| *last == b'Z');
    text
}

/// The path alone, and whether it was cut off: where the query begins, the path was whole.
fn without_query<const N: usize>(path: &TruncatedText<N>) -> (&[u8], bool) {
    let bytes = path.as_bytes();
    match memchr::memchr(b'?', bytes) {
        Some(end) => (&bytes[..end], false),
        None => (bytes, path.is_truncated()),
    }
}

fn number(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn peer(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                number(octet.into(), out);
            }
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

/// Appends `text`; a byte that does not stand for itself is `mark` and two hexadecimal digits.
fn escape(text: &[u8], mark: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(place) = rest.iter().position(|byte| !plain(*byte)) {
        let (before, from) = rest.split_at(place);
        out.extend_from_slice(before);
        out.extend_from_slice(mark);
        let mut digits = [0; 2];
        let (byte, after) = from.split_at(1);
        if hex::encode_to_slice(byte, &mut digits).is_ok() {
            out.extend_from_slice(&digits);
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

fn plain(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && byte != b'"' && byte != b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: Format, record: &Record) -> String {
        let mut out = Vec::new();
        Formatter::new(format).write(record, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn samples() -> [Record; 3] {
        let full = Record {
            at_ms: 1_795_252_620_045,
            id: TruncatedText::new(b"00f1e2d3c4b5a697"),
            method: TruncatedText::new(b"POST"),
            path: TruncatedText::new(
                format!("/slack/events?token=hidden{}", "x".repeat(99)).as_bytes(),
            ),
            peer: Some(IpAddr::from([203, 0, 113, 7])),
            bot: Some("slack_helper".into()),
            status: 200,
            bytes_in: 256,
            bytes_out: 12,
            duration_ns: 1_234_567,
            ..Record::default()
        };
        let refused = Record {
            status: 401,
            reason: "signature",
            signature_error: "mismatch",
            peer: "2001:db8::1".parse().ok(),
            path: TruncatedText::new("/é \"quoted\"\\\n\u{1b}[31m".as_bytes()),
            ..full.clone()
        };
        let failed = Record {
            status: 504,
            reason: "upstream_timeout",
            upstream_error: "first_byte",
            sent: "sent",
            method: TruncatedText::new(b"PROPPATCHES"),
            path: TruncatedText::new(&[b'/'; 200]),
            peer: None,
            bot: None,
            id: TruncatedText::default(),
            ..full.clone()
        };
        [full, refused, failed]
    }

    #[test]
    fn lines_look_like_this() {
        let both = [Format::Json, Format::Human];
        let lines: String =
            both.iter().flat_map(|format| samples().map(|record| line(*format, &record))).collect();
        assert_eq!(lines, include_str!("../../../tests/fixtures/access_log.txt"));
    }

    #[test]
    fn no_byte_breaks_out_of_its_field() {
        for byte in 0..=255 {
            let record = Record {
                method: TruncatedText::new(&[byte]),
                path: TruncatedText::new(&[b'/', byte, b'"', byte]),
                id: TruncatedText::new(&[byte, byte]),
                bot: Some(char::from(byte).to_string().into()),
                ..Record::default()
            };
            let json = line(Format::Json, &record);
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(value["event"], "request");
            for text in [json, line(Format::Human, &record)] {
                let body = text.strip_suffix('\n').unwrap();
                assert!(body.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{byte}: {body:?}");
            }
        }
    }

    #[test]
    fn a_writer_keeps_up_with_the_clock() {
        let mut writer = Formatter::new(Format::Human);
        let mut out = Vec::new();
        for at_ms in [0, 999, 1_000, 951_782_399_999, 951_782_400_000, u64::MAX] {
            writer.write(&Record { at_ms, ..Record::default() }, &mut out);
        }
        let lines = String::from_utf8(out).unwrap();
        let stamps: Vec<&str> = lines.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(
            stamps,
            [
                "1970-01-01T00:00:00.000Z",
                "1970-01-01T00:00:00.999Z",
                "1970-01-01T00:00:01.000Z",
                "2000-02-28T23:59:59.999Z",
                "2000-02-29T00:00:00.000Z",
                "1970-01-01T00:00:00.615Z",
            ]
        );
    }
}
