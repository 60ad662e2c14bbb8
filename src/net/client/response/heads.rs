//! Response heads as backends write them, and as they never should.

use super::{Head, read};
use crate::net::client::framing::Framing;
use http::HeaderMap;

/// The whole head at the start of `text`, which is no answer to HEAD.
fn head(text: &str) -> Result<Head, &'static str> {
    read(text.as_bytes(), false, &mut HeaderMap::new()).map(|head| head.expect("a whole head"))
}

/// Its status, its framing in a word, whether the connection may be used again, and its fields.
fn shape(head: &Head) -> (u16, String, bool, String) {
    let framing = match &head.framing {
        Framing::Length(length) => length.to_string(),
        Framing::Chunked(_) => "chunked".to_owned(),
        Framing::Close => "close".to_owned(),
    };
    let fields = head.response.headers().iter();
    let fields: Vec<_> = fields
        .map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii()))
        .collect();
    (head.response.status().as_u16(), framing, head.reusable, fields.join("; "))
}

#[test]
fn a_head_tells_framing_and_reuse() {
    let cases = [
        ("1.1 200 OK\r\nContent-Length: 5\r\n", 200, "5", true, "content-length: 5"),
        ("1.1 200\r\ncontent-length:\t007 \r\n", 200, "7", true, "content-length: 007"),
        ("1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n", 200, "chunked", true, ""),
        ("1.1 200 OK\r\nX: \u{e9}\r\n", 200, "close", false, "x: \\xc3\\xa9"),
        ("1.0 200 OK\r\nContent-Length: 5\r\n", 200, "5", false, "content-length: 5"),
        (
            "1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n",
            200,
            "5",
            true,
            "content-length: 5",
        ),
        (
            "1.1 200 OK\r\nContent-Length: 5\r\nConnection: Close\r\n",
            200,
            "5",
            false,
            "content-length: 5",
        ),
        ("1.1 204 No Content\r\n", 204, "0", true, ""),
        ("1.1 304 Not Modified\r\nContent-Length: 9\r\n", 304, "0", true, "content-length: 9"),
        (
            "1.1 503 Busy\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n",
            503,
            "0",
            true,
            "set-cookie: a; set-cookie: b; content-length: 0",
        ),
    ];
    for (text, status, framing, reusable, fields) in cases {
        let text = format!("HTTP/{text}\r\nrest");
        let head = head(&text).unwrap();
        let wanted = (status, framing.to_owned(), reusable, fields.to_owned());
        assert_eq!(shape(&head), wanted, "{text}");
        assert_eq!(head.rest, "rest");
    }
}

#[test]
fn nothing_hop_by_hop_comes_down() {
    let head = head(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X-One\r\nX-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Authenticate: x\r\nUpgrade: h2c\r\nTE: x\r\nTrailer: x\r\nConnection: x-two, content-length\r\n\r\n",
    );
    let (.., fields) = shape(&head.unwrap());
    assert_eq!(fields, "content-length: 0; x-three: 3");
}

#[test]
fn an_answer_to_head_has_no_body_whatever_it_says() {
    for fields in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", ""] {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let head = read(text.as_bytes(), true, &mut HeaderMap::new());
        let (_, framing, reusable, _) = shape(&head.unwrap().unwrap());
        assert_eq!((framing.as_str(), reusable), ("0", true), "{fields}");
    }
}

#[test]
fn interim_responses_are_skipped_and_a_head_may_come_in_pieces() {
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 1\r\n\r\n";
    let mut spare = HeaderMap::new();
    for end in 0..text.len() {
        let head = read(&text.as_bytes()[..end], false, &mut spare);
        assert!(head.unwrap().is_none(), "whole after {end} bytes");
    }
    let head = head(text).unwrap();
    assert!(head.rest.is_empty());
    assert_eq!(shape(&head).3, "a: b; content-length: 1");
}

#[test]
fn a_doubtful_head_is_refused() {
    let cases = [
        "1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n",
        "1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
        "1.1 200 OK\r\nContent-Length: +1\r\n",
        "1.1 200 OK\r\nContent-Length: 1, 1\r\n",
        "1.1 200 OK\r\nContent-Length:\r\n",
        "1.1 200 OK\r\nContent-Length: 1234567890123456789\r\n",
        "1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n",
        "1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "1.0 200 OK\r\nTransfer-Encoding: chunked\r\n",
        "1.1 099 Low\r\n",
        "1.1 20 OK\r\n",
        "2.0 200 OK\r\n",
        "1.1 200 OK\r\nA : b\r\n",
        "1.1 200 OK\r\nA: b\r\n folded\r\n",
        "1.1 200 OK\r\nA\r\n",
        "1.1 200 OK\r\nA: \0\r\n",
    ];
    for text in cases {
        let text = format!("HTTP/{text}\r\n");
        assert!(head(&text).is_err(), "{text}");
    }
    let fields = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert!(head(&fields(100)).is_ok());
    assert!(head(&fields(101)).is_err());
}

#[test]
fn a_head_that_does_not_end_is_bounded() {
    let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "v".repeat(super::MAX_HEAD));
    assert!(read(endless.as_bytes(), false, &mut HeaderMap::new()).is_err());
}
