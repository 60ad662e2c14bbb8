//! Requests that are well framed and requests that are not, each checked in one piece and in pieces of every size.

use super::{Checked, FramingError, MAX_FIELDS, MAX_HEAD, RequestFraming};

/// The verdict over bytes that come in pieces of `size`: how many passed in all, and the fault.
fn cut(bytes: &[u8], size: usize) -> (Checked, u64) {
    let mut gate = RequestFraming::default();
    let (mut held, mut total) = (Vec::new(), 0);
    for piece in bytes.chunks(size) {
        held.extend_from_slice(piece);
        let passed = gate.check(&held);
        total += passed.bytes;
        held.drain(..passed.bytes);
        if passed.error.is_some() {
            assert_eq!(
                gate.check(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                Checked { bytes: 0, error: passed.error },
                "nothing passes after a fault"
            );
            return (Checked { bytes: total, error: passed.error }, gate.messages());
        }
    }
    let fault = None;
    (Checked { bytes: total, error: fault }, gate.messages())
}

/// Asserts one verdict: what passes, the fault, and how many messages were whole.
fn verdict(bytes: &[u8], passed: usize, fault: Option<FramingError>, ends: u64) {
    let wanted = (Checked { bytes: passed, error: fault }, ends);
    let sizes = (1..=bytes.len().min(200)).chain([bytes.len()]);
    for size in sizes {
        assert_eq!(
            cut(bytes, size),
            wanted,
            "{} in pieces of {size}",
            bytes[..bytes.len().min(200)].escape_ascii()
        );
    }
}

/// A request line that is fine, the fields given, and the empty line.
fn head(fields: &str) -> String {
    format!("POST /a HTTP/1.1\r\n{fields}\r\n")
}

#[test]
fn whole_messages_pass_to_their_last_byte() {
    let bodies = [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        "M-SEARCH /a%20b?c=%zz&d=[]`^|{}\\ HTTP/1.1\r\nhOST:\t[::1]:80 \r\nX:\r\nY: \u{e9}\t\u{fc}\r\n\r\n".to_owned(),
        "GET http://X:80/a HTTP/1.1\r\nHost: x:80\r\n\r\n".to_owned(),
        "GET https://x?q HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        head("Host: x\r\nContent-Length: 0\r\n"),
        head("Host: x\r\nContent-Length: 3\r\n") + "abc",
        head("Host: x\r\nContent-Length: 003\r\n") + "\r\n\0",
        head("Host: x\r\nTransfer-Encoding: Chunked\r\n") + "0\r\n\r\n",
        head("Host: x\r\nTransfer-Encoding: chunked\r\n") + "3;e=1;f=\"\t \"\r\nabc\r\nA\r\n0123456789\r\n00\r\nT: v\r\nU:\r\n\r\n",
    ];
    for message in &bodies {
        let twice = message.repeat(2);
        verdict(twice.as_bytes(), twice.len(), None, 2);
    }
    let all = bodies.concat();
    verdict(all.as_bytes(), all.len(), None, bodies.len() as u64);
}

#[test]
fn an_incomplete_head_waits() {
    for start in ["\r", "\r\n", "G", "GET / HTTP/1.1\r", "GET / HTTP/1.1\r\nHost: x\r\n\r"] {
        verdict(start.as_bytes(), 0, None, 0);
    }
}

#[test]
fn a_doubtful_head_is_a_fault() {
    use FramingError::*;
    let lines = [
        ("GET / HTTP/1.1\n", ControlCharacter),
        ("\n", ControlCharacter),
        ("GET /\0 HTTP/1.1\r\n", ControlCharacter),
        ("GET / HTTP/1.1\rX", ControlCharacter),
        ("GET / HTTP/1.1\r\r\n", ControlCharacter),
        ("GET /\x7f", ControlCharacter),
        ("\r\n\r\n", RequestLine),
        ("GET\r\n", RequestLine),
        ("GET /\r\n", RequestLine),
        ("GET  HTTP/1.1\r\n", RequestLine),
        ("GET  / HTTP/1.1\r\n", RequestLine),
        ("GET / HTTP/1.1 \r\n", RequestLine),
        (" GET / HTTP/1.1\r\n", RequestLine),
        ("G(T / HTTP/1.1\r\n", RequestLine),
        ("GET /#f HTTP/1.1\r\n", RequestLine),
        ("GET /\u{e9} HTTP/1.1\r\n", RequestLine),
        ("GET /\" HTTP/1.1\r\n", RequestLine),
        ("GET /?< HTTP/1.1\r\n", RequestLine),
        ("GET /a> HTTP/1.1\r\n", RequestLine),
        ("GET /`?` HTTP/1.1\r\n", RequestLine),
        ("GET / http/1.1\r\n", RequestLine),
        ("PRI * HTTP/2.0\r\n", Version),
        ("GET / HTTP/1.2\r\n", Version),
        ("GET / HTTP/1.11\r\n", Version),
        ("CONNECT x:1 HTTP/1.1\r\n", Method),
        ("TRACE / HTTP/1.1\r\n", Method),
        ("OPTIONS * HTTP/1.1\r\n", Method),
        ("GET x HTTP/1.1\r\n", Method),
        ("GET ftp://x/ HTTP/1.1\r\n", Method),
        ("GET http:///a HTTP/1.1\r\n", Host),
        ("GET http://u@x/a HTTP/1.1\r\n", Host),
    ];
    for (line, fault) in lines {
        verdict(line.as_bytes(), 0, Some(fault), 0);
    }
    let fields = [
        ("Host: x\n", ControlCharacter),
        ("Host: \0\r\n", ControlCharacter),
        (" Host: x\r\n", ObsoleteFold),
        ("Host: x\r\n\tfolded\0\r\n", ObsoleteFold),
        ("Host: x\r\n folded\n", ObsoleteFold),
        ("Host\r\n", FieldName),
        (": x\r\n", FieldName),
        ("Host : x\r\n", FieldName),
        ("H\u{e9}: x\r\n", FieldName),
        ("X: y\r\n", Host),
        ("Host: x\r\nHost: x\r\n", Host),
        ("Host:\r\n", Host),
        ("Host: a b\r\n", Host),
        ("Host: x/\r\n", Host),
        ("Host: u@x\r\n", Host),
        ("Host: x:\u{663}\r\n", Host),
        ("Host: x:123456\r\n", Host),
        ("Host: [::1\r\n", Host),
        ("Host: [::1]x\r\n", Host),
        ("Host: x\r\nContent-Length:\r\n", ContentLength),
        ("Host: x\r\nContent-Length: +1\r\n", ContentLength),
        ("Host: x\r\nContent-Length: 1, 1\r\n", ContentLength),
        ("Host: x\r\nContent-Length: 0x1\r\n", ContentLength),
        ("Host: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n", ContentLength),
        ("Host: x\r\nContent-Length: 1234567890123456789\r\n", ContentLength),
        ("Host: x\r\nTransfer-Encoding: gzip, chunked\r\n", TransferEncoding),
        ("Host: x\r\nTransfer-Encoding: identity\r\n", TransferEncoding),
        ("Host: x\r\nTransfer-Encoding: chunked,\r\n", TransferEncoding),
        ("Host: x\r\nTransfer-Encoding: \x0bchunked\r\n", ControlCharacter),
        (
            "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            TransferEncoding,
        ),
        ("Host: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", Ambiguous),
    ];
    for (fields, fault) in fields {
        verdict(head(fields).as_bytes(), 0, Some(fault), 0);
    }
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    verdict(old.as_bytes(), 0, Some(TransferEncoding), 0);
    let other = "GET http://x/ HTTP/1.1\r\nHost: y\r\n\r\n";
    verdict(other.as_bytes(), 0, Some(Host), 0);
}

#[test]
fn a_doubtful_chunk_is_a_fault_where_it_begins() {
    let start = head("Host: x\r\nTransfer-Encoding: chunked\r\n");
    let long = "0".repeat(15);
    let endless = format!("0\r\nT: {}", "v".repeat(9000));
    let talkative = format!("1;{}", "e".repeat(5000));
    // What is fine of each body, then what is not.
    for (fine, wrong) in [
        ("", "\r\n"),
        ("", "g\r\n"),
        ("", "-1\r\n"),
        ("", " 1\r\n"),
        ("", ";e\r\n"),
        ("1", " \r\n"),
        ("1", "\n"),
        ("0", "x1\r\n"),
        (long.as_str(), "0"),
        ("1\r", "\r"),
        ("1;e", "\n"),
        ("1;", "\0"),
        ("1\r\na", "b"),
        ("1\r\na", "\n"),
        ("1\r\na\r", "0"),
        ("0\r\n", "\n"),
        ("0\r\n", " T: v\r\n"),
        ("0\r\n\r", "x"),
        ("0\r\nT", "\r\n"),
        ("0\r\nT", " : v\r\n"),
        ("0\r\nT: v", "\n"),
        ("0\r\nT: v\r\n", "\tfolded\r\n"),
        ("0\r\nContent-Length", ": 1\r\n\r\n"),
        ("0\r\nhost", ": x\r\n\r\n"),
        ("0\r\nTRANSFER-ENCODING", ": chunked\r\n\r\n"),
        (&endless[..3 + 8 * 1024 + 1], "v"),
        (&talkative[..2 + 4 * 1024], "e"),
    ] {
        let bytes = format!("{start}{fine}{wrong}");
        let passed = start.len() + fine.len();
        verdict(bytes.as_bytes(), passed, Some(FramingError::Chunk), 0);
    }
}

#[test]
fn the_bounds_of_a_head_hold_to_the_byte() {
    let line = "GET / HTTP/1.1\r\nHost: x\r\n";
    let end = |fields: usize| format!("{line}{}\r\n", "A: b\r\n".repeat(fields - 1));
    let most = end(MAX_FIELDS);
    verdict(most.as_bytes(), most.len(), None, 1);
    verdict(end(MAX_FIELDS + 1).as_bytes(), 0, Some(FramingError::HeadTooLarge), 0);

    // The last line feed of the longest head stands at MAX_HEAD.
    let padded = |length: usize| {
        let rest = length - line.len() - "A: \r\n\r\n".len();
        format!("{line}A: {}\r\n\r\n", "v".repeat(rest))
    };
    let longest = padded(MAX_HEAD + 1);
    for size in [1000, longest.len() - 1, longest.len()] {
        let passed = Checked { bytes: longest.len(), error: None };
        assert_eq!(cut(longest.as_bytes(), size), (passed, 1));
    }
    // What comes first is what counts: too long, or a wrong byte before that.
    let wrong_at = |at: usize| {
        let mut bytes = padded(MAX_HEAD + 100).into_bytes();
        bytes[at] = 0;
        bytes
    };
    let too_large = padded(MAX_HEAD + 2).into_bytes();
    for (bytes, fault) in [
        (too_large, FramingError::HeadTooLarge),
        (wrong_at(MAX_HEAD), FramingError::HeadTooLarge),
        (wrong_at(MAX_HEAD - 1), FramingError::ControlCharacter),
    ] {
        for size in [1000, MAX_HEAD, MAX_HEAD + 1, bytes.len()] {
            let passed = Checked { bytes: 0, error: Some(fault) };
            assert_eq!(cut(&bytes, size), (passed, 0), "in pieces of {size}");
        }
    }
}

#[test]
fn what_is_known_of_a_head_is_not_read_again() {
    let (known, rest) = ("GET / HTTP/1.1\r\nHost: x\r\nA: bcd", "e\r\n\r\n");
    let mut gate = RequestFraming::default();
    let wait = Checked { bytes: 0, error: None };
    assert_eq!(gate.check(known.as_bytes()), wait);
    // Only the name of the line that is not whole is still of interest.
    let blotted = format!("{}A: \0\0\0{rest}", "\0".repeat(known.len() - 6));
    let whole = Checked { bytes: blotted.len(), error: None };
    assert_eq!(gate.check(blotted.as_bytes()), whole);
}
