//! Hostile bytes through the request framing check: never a panic, the same verdict however the bytes are cut, nothing accepted after
//! an error, and what passes is read by the parser behind it exactly as the check read it.
//!
//! Input: one byte that says how to cut, then the bytes of a connection.
#![no_main]

use botgate::net::request_framing::{FramingError, MAX_FIELDS, RequestFraming};
use http::{Method, Uri};
use libfuzzer_sys::fuzz_target;

/// How many bytes passed in all, the error, whole heads and whole messages.
type Verdict = (usize, Option<FramingError>, u64, u64);

/// Hands the bytes over in pieces; `cut` gives the next piece's length.
fn judge(bytes: &[u8], mut cut: impl FnMut() -> usize) -> Verdict {
    let mut framing = RequestFraming::default();
    let (mut total, mut end) = (0, 0);
    while end < bytes.len() {
        end = bytes.len().min(end + cut());
        let held = &bytes[total..end];
        let checked = framing.check(held);
        assert!(checked.bytes <= held.len());
        total += checked.bytes;
        if let Some(fault) = checked.error {
            let (heads, messages) = (framing.heads(), framing.messages());
            let after = framing.check(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_eq!((after.bytes, after.error), (0, Some(fault)));
            return (total, Some(fault), heads, messages);
        }
    }
    (total, None, framing.heads(), framing.messages())
}

/// Reads the head at the start of `bytes` as the server behind the check does: its length, and that of the body, `None` if chunked.
fn parse(bytes: &[u8]) -> (usize, Option<u64>) {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        other => panic!("passed, but not parsed: {other:?}"),
    };
    let method = request.method.expect("a method");
    Method::from_bytes(method.as_bytes()).expect("a method that can be served");
    let target = request.path.expect("a target");
    let uri = Uri::try_from(target).expect("a target that can be served");
    assert!(uri.path().starts_with('/'), "{target}");
    let values = |name: &str| -> Vec<&[u8]> {
        let found = request.headers.iter();
        found
            .filter(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
            .collect()
    };
    let hosts = values("host").len();
    assert!(hosts == 1 || (hosts == 0 && request.version == Some(0)));
    let body = match (&values("content-length")[..], &values("transfer-encoding")[..]) {
        ([], []) => Some(0),
        ([digits], []) => {
            let digits = std::str::from_utf8(digits).expect("digits");
            Some(digits.parse().expect("a length"))
        }
        ([], [coding]) => {
            assert!(coding.eq_ignore_ascii_case(b"chunked"));
            assert_eq!(request.version, Some(1));
            None
        }
        both => panic!("ambiguous: {both:?}"),
    };
    (length, body)
}

/// Follows the messages in what passed, as far as they are not chunked.
fn follow(mut passed: &[u8], mut heads: u64) {
    while heads > 0 {
        heads -= 1;
        let (length, body) = parse(passed);
        let Some(body) = body else { return };
        passed = &passed[length..];
        match usize::try_from(body).ok().and_then(|body| passed.get(body..)) {
            Some(rest) => passed = rest,
            None => {
                assert_eq!(heads, 0, "a head inside a body");
                return;
            }
        }
    }
    assert!(passed.is_empty(), "bytes that belong to no message");
}

fuzz_target!(|data: &[u8]| {
    let Some((&size, bytes)) = data.split_first() else {
        return;
    };
    let whole = judge(bytes, || bytes.len());
    assert_eq!(whole, judge(bytes, || 1));
    assert_eq!(whole, judge(bytes, || usize::from(size).max(2)));
    let mut random = u32::from(size);
    let uneven = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        1 + (random >> 27) as usize
    };
    assert_eq!(whole, judge(bytes, uneven));
    follow(&bytes[..whole.0], whole.2);
});
