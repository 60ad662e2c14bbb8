//! Heads and bodies that are decoded alike however they are cut, and the bounds that hold at every cut.

use super::{MAX_FIELDS, MAX_HEAD, PartialHead};
use crate::net::client::framing::BodyPart;
use bytes::Bytes;
use http::HeaderMap;

/// What a response is, cut into pieces of `size`: its head, its data, and whether the connection may be used again; or the fault.
fn decode(bytes: &[u8], size: usize) -> Result<(String, Vec<u8>, bool), &'static str> {
    let mut pieces = bytes.chunks(size);
    let (mut early, mut spare) = (PartialHead::default(), HeaderMap::new());
    let mut head = loop {
        let piece = pieces.next().ok_or("cut in the head")?;
        if let Some(head) = early.read(piece, false, &mut spare)? {
            break head;
        }
    };
    let mut data = Vec::new();
    loop {
        match head.framing.decode(&mut head.rest)? {
            BodyPart::Data(piece) => data.extend_from_slice(&piece),
            BodyPart::End => break,
            BodyPart::NeedMore => match pieces.next() {
                Some(piece) => head.rest = Bytes::copy_from_slice(piece),
                None if head.framing.ends_with_connection() => break,
                None => return Err("cut in the body"),
            },
        }
    }
    Ok((format!("{:?}", head.response), data, head.reusable))
}

/// The one verdict over all cuts.
#[track_caller]
fn same(bytes: &[u8]) -> Result<(String, Vec<u8>, bool), &'static str> {
    let whole = decode(bytes, usize::MAX);
    for size in [1, 2, 3, 5, 1000, 4096, MAX_HEAD - 1, MAX_HEAD, MAX_HEAD + 1] {
        assert_eq!(decode(bytes, size), whole, "in pieces of {size}");
    }
    whole
}

/// A response whose head, with all before it, has `length` bytes; `before` stands in front of it.
fn padded(before: &str, length: usize) -> Vec<u8> {
    let (start, end) = ("HTTP/1.1 200 OK\r\nx: ", "\r\ncontent-length: 2\r\n\r\n");
    let pad = length - before.len() - start.len() - end.len();
    format!("{before}{start}{}{end}ok", "p".repeat(pad)).into_bytes()
}

#[test]
fn a_head_may_have_64_kib_with_what_stands_before_it_however_it_is_cut() {
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(100);
    for before in ["", interim.as_str()] {
        assert!(same(&padded(before, MAX_HEAD)).is_ok());
        assert_eq!(same(&padded(before, MAX_HEAD + 1)), Err("its head is too large"));
        assert_eq!(same(&padded(before, 3 * MAX_HEAD)), Err("its head is too large"));
    }
}

#[test]
fn interim_responses_without_end_are_refused() {
    let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_HEAD);
    assert_eq!(decode(endless.as_bytes(), 1400), Err("its head is too large"));
    let mut early = PartialHead::default();
    let fed = endless.as_bytes().chunks(1400).take_while(|piece| {
        let read = early.read(piece, false, &mut HeaderMap::new());
        assert!(early.0.len() <= MAX_HEAD + 1400);
        read.is_ok()
    });
    assert!(fed.count() <= MAX_HEAD / 1400 + 1);
}

#[test]
fn a_hundred_fields_pass_and_one_more_does_not() {
    let with = |count| {
        let fields = "a: b\r\n".repeat(count - 1);
        format!("HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\nok").into_bytes()
    };
    assert!(same(&with(MAX_FIELDS)).is_ok());
    assert_eq!(same(&with(MAX_FIELDS + 1)), Err("it has too many header fields"));
}

#[test]
fn a_close_stands_whatever_follows() {
    for (version, fields, reusable) in [
        ("1.1", "", true),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: Keep-Alive, x\r\n", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: close\r\nConnection: keep-alive\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: x, Close\r\n", false),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let response = format!("HTTP/{version} 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok");
        assert_eq!(same(response.as_bytes()).unwrap().2, reusable, "{fields}");
    }
}

#[test]
fn a_body_that_is_cut_is_no_body() {
    for (response, whole) in [
        ("Content-Length: 5\r\n\r\nhello", true),
        ("Content-Length: 5\r\n\r\nhell", false),
        ("Content-Length: 0\r\n\r\n", true),
        ("\r\nto the close", true),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
        ("Transfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n", true),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", false),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello", false),
        ("Transfer-Encoding: chunked\r\n\r\n", false),
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{response}");
        assert_eq!(same(bytes.as_bytes()).is_ok(), whole, "{response}");
    }
}
