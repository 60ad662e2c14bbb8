//! Hostile responses, against hyper's own client: what ours takes for whole, hyper takes for the same, and no cut changes it.
//!
//! Input: `G` or `H` for the method, the lengths of the pieces (a byte each, used in turn), a line feed, and what the server says
//! before it closes. Ours refuses more, on purpose:
//! - heads: over 64 KiB with the interim responses before it, 101 unasked, Content-Length repeated, listed or of more than 18
//!   digits, Content-Length with Transfer-Encoding (whatever the method and status), any transfer coding but one `chunked`;
//! - chunks: white space behind a size, a bare line feed, sizes of more than 15 digits, extensions over 4 KiB, trailers over
//!   8 KiB or that frame or route.
#![no_main]

use botgate::net::client::framing::BodyPart;
use botgate::net::client::response::PartialHead;
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

/// A whole response: its status, its end-to-end fields by name, its body.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().build().expect("a runtime");
}

fuzz_target!(|data: &[u8]| {
    let Some(at) = data.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    let (line, said) = (&data[..at], &data[at + 1..]);
    let Some((method, sizes)) = line.split_first() else {
        return;
    };
    let method = if *method == b'H' { Method::HEAD } else { Method::GET };
    let pieces = cut(said, sizes);
    let whole = ours(&[said], &method);
    assert_eq!(ours(&pieces, &method), whole, "the verdict hangs on how the bytes were cut");
    if let Some((answer, _)) = whole {
        let theirs = RUNTIME.with(|runtime| runtime.block_on(theirs(&pieces, &method)));
        assert_eq!(theirs, Some(answer), "hyper does not take it for the same");
    }
});

fn cut<'a>(mut bytes: &'a [u8], sizes: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut sizes = sizes.iter().cycle();
    while !bytes.is_empty() {
        let size = sizes.next().map_or(usize::MAX, |&size| usize::from(size).max(1));
        let (piece, rest) = bytes.split_at(size.min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// What our client makes of it, and how many bytes it took; `None` where it refuses or misses something.
fn ours(pieces: &[&[u8]], method: &Method) -> Option<(Answer, usize)> {
    let mut left = pieces.iter().filter(|piece| !piece.is_empty());
    let (mut early, mut spare, mut taken) = (PartialHead::default(), HeaderMap::new(), 0);
    let mut head = loop {
        let piece = left.next()?;
        taken += piece.len();
        let read = early.read(piece, method == Method::HEAD, &mut spare);
        if let Some(head) = read.ok()? {
            break head;
        }
    };
    let mut body = Vec::new();
    loop {
        match head.framing.decode(&mut head.rest).ok()? {
            BodyPart::Data(piece) => {
                assert!(!piece.is_empty());
                body.extend_from_slice(&piece);
            }
            BodyPart::End => break,
            BodyPart::NeedMore => {
                assert!(head.rest.is_empty(), "hungry, though there is something left");
                match left.next() {
                    Some(piece) => {
                        taken += piece.len();
                        head.rest = Bytes::copy_from_slice(piece);
                    }
                    None if head.framing.ends_with_connection() => break,
                    None => return None,
                }
            }
        }
    }
    let (status, fields) = (head.response.status(), fields(head.response.headers()));
    let answer = Answer { status: status.as_u16(), fields, body };
    Some((answer, taken - head.rest.len()))
}

/// What hyper's client makes of it.
async fn theirs(pieces: &[&[u8]], method: &Method) -> Option<Answer> {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let (mut sender, connection) = http1::handshake(TokioIo::new(near)).await.ok()?;
    let request = Request::builder()
        .method(method)
        .uri("/")
        .header("host", "h")
        .body(Empty::<Bytes>::new())
        .ok()?;
    let server = async move {
        // It must not speak before it was asked.
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(far.read_u8().await.ok()?);
        }
        for piece in pieces {
            far.write_all(piece).await.ok()?;
            tokio::task::yield_now().await;
        }
        Some(())
    };
    let client = async move {
        let response = sender.send_request(request).await.ok()?;
        let (head, body) = response.into_parts();
        Some(Answer {
            status: head.status.as_u16(),
            fields: fields(&head.headers),
            body: body.collect().await.ok()?.to_bytes().to_vec(),
        })
    };
    tokio::join!(client, connection, server).0
}

/// The fields that concern both ends, by name; those of one name in their order (RFC 9110 §7.6.1).
fn fields(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let hop = [
        "connection",
        "close",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    ];
    let options: Vec<Vec<u8>> = headers
        .get_all("connection")
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(|option| option.trim_ascii().to_ascii_lowercase())
        .filter(|option| option != b"content-length")
        .collect();
    let kept = headers.iter().filter(|(name, _)| {
        let name = name.as_str();
        !hop.contains(&name) && !options.iter().any(|option| option == name.as_bytes())
    });
    let mut fields: Vec<_> =
        kept.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}
