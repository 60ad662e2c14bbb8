//! What a request's head alone decides, whoever sent it: whether it is refused, and whose it is.

use crate::codec::dialect::{Dialect, Format};
use crate::proxy::reject::Reject;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use ipnet::IpNet;
use std::net::IpAddr;

/// What is refused by the head alone, whoever sent it.
pub fn check_head(head: &Parts) -> Result<(), Reject> {
    if let Some(expect) = head.headers.get(header::EXPECT)
        && !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(Reject::Expectation);
    }
    if has_dot_segments(head.uri.path()) { Err(Reject::DotSegments) } else { Ok(()) }
}

/// What a dialect that reads its messages says of the head: POST, and a body in a format that it knows, not encoded.
pub fn check_kind(dialect: &Dialect, head: &Parts) -> Result<(), Reject> {
    let Some(chat) = dialect.chat else {
        return Ok(());
    };
    if head.method != Method::POST {
        return Err(Reject::Method);
    }
    if head.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Reject::ContentType);
    }
    match format(&head.headers) {
        Some(Format::Json) => Ok(()),
        Some(Format::Form) if chat.takes_forms() => Ok(()),
        _ => Err(Reject::ContentType),
    }
}

/// The format that a body is said to have: `application/json`, `*/*+json` or nothing is JSON.
pub fn format(headers: &HeaderMap) -> Option<Format> {
    let mut fields = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(field) = fields.next() else {
        return Some(Format::Json);
    };
    if fields.next().is_some() {
        return None;
    }
    let field = field.as_bytes();
    let essence = field.split(|byte| *byte == b';').next().unwrap_or(field);
    let essence = essence.trim_ascii();
    let (kind, suffix) = essence.split_at(essence.len().saturating_sub(5));
    if essence.eq_ignore_ascii_case(b"application/json")
        || suffix.eq_ignore_ascii_case(b"+json") && kind.contains(&b'/')
    {
        Some(Format::Json)
    } else if essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        Some(Format::Form)
    } else {
        None
    }
}

/// Whether a caller would rather have XML than JSON (RFC 9110 §12.5.1): equal wishes are none.
pub fn prefers_xml(headers: &HeaderMap) -> bool {
    let wish = |kinds: &[&str]| {
        let mut best = (0, 0);
        for field in headers.get_all(header::ACCEPT) {
            let field = field.to_str().unwrap_or_default();
            for item in field.split(',') {
                let mut parameters = item.split(';').map(str::trim);
                let kind = parameters.next().unwrap_or_default();
                let Some(closeness) =
                    kinds.iter().position(|known| kind.eq_ignore_ascii_case(known))
                else {
                    continue;
                };
                let weight = parameters
                    .find_map(|parameter| parameter.strip_prefix("q=")?.parse::<f32>().ok());
                let weight = (weight.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0) as u32;
                // The closer description of a kind counts, whatever it says.
                best = best.max((closeness + 1, weight));
            }
        }
        best.1
    };
    let json = wish(&["*/*", "application/*", "application/json"]);
    let xml = wish(&["*/*", "application/*", "application/xml"]);
    let text = wish(&["*/*", "text/*", "text/xml"]);
    xml.max(text) > json
}

/// A segment `.` or `..`, plain or percent-encoded: two servers may resolve it differently, so nobody gets to.
pub fn has_dot_segments(path: &str) -> bool {
    // Nearly every path is cleared by its bytes alone.
    let bytes = path.as_bytes();
    if memchr::memchr2(b'.', b'%', bytes).is_none() {
        return false;
    }
    let mut rest = bytes;
    let mut dots = Some(0);
    loop {
        // A slash may be encoded too, and some servers take a backslash for one.
        let (end, tail) = match rest {
            [] => (true, rest),
            [b'/' | b'\\', tail @ ..]
            | [b'%', b'2', b'f' | b'F', tail @ ..]
            | [b'%', b'5', b'c' | b'C', tail @ ..] => (true, tail),
            [b'.', tail @ ..] | [b'%', b'2', b'e' | b'E', tail @ ..] => {
                dots = dots.map(|dots| dots + 1);
                (false, tail)
            }
            [_, tail @ ..] => {
                dots = None;
                (false, tail)
            }
        };
        if end && matches!(dots, Some(1 | 2)) {
            return true;
        }
        if rest.is_empty() {
            return false;
        }
        if end {
            dots = Some(0);
        }
        rest = tail;
    }
}

/// True where what this address says of others is believed.
pub fn is_trusted(trusted: &[IpNet], address: IpAddr) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// Who really sends a request that came in over `socket`: behind trusted proxies the rightmost address of `X-Forwarded-For` that
/// is not one of theirs. Where the field ends, or stops making sense, the last address that a trusted proxy vouched for.
pub fn client_address(trusted: &[IpNet], socket: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut last = socket;
    if !is_trusted(trusted, socket) {
        return last;
    }
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        // Part by part: what the caller wrote must not spoil what the proxies appended to it.
        for part in value.as_bytes().rsplit(|&b| b == b',') {
            let text = str::from_utf8(part).unwrap_or_default();
            let Ok(address) = text.trim().parse::<IpAddr>() else {
                return last;
            };
            last = address.to_canonical();
            if !is_trusted(trusted, last) {
                return last;
            }
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, Request};

    #[test]
    fn dot_segments_are_found_in_every_spelling() {
        let found = [
            "/.",
            "/..",
            "/./a",
            "/a/../b",
            "/a/..",
            "/%2e",
            "/%2E%2e/a",
            "/.%2e",
            "/%2e.",
            "/a%2f..",
            "/a%2F.%2fb",
            "/..\\a",
            "/a\\..",
            "/a%5c..%5Cb",
            "..",
            "/a/%2e%2E%2f",
        ];
        for path in found {
            assert!(has_dot_segments(path), "{path}");
        }
        let fine = [
            "/",
            "",
            "/a",
            "/...",
            "/%2e%2e%2e",
            "/a.b",
            "/.a",
            "/a.",
            "/..a/b..",
            "/.well-known/x",
            "/%2",
            "/a/%2fb",
            "/%252e%252e/",
            "/a//b",
            "/%2e%",
            "/..;/a",
        ];
        for path in fine {
            assert!(!has_dot_segments(path), "{path}");
        }
    }

    #[test]
    fn the_peer_is_the_rightmost_that_no_proxy_owns() {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap());
        // The socket's address, the fields from the first to the last, and whom they lead to.
        let cases: [(&str, &[&[u8]], &str); 14] = [
            ("203.0.113.7", &[], "203.0.113.7"),
            ("203.0.113.7", &[b"192.0.2.1"], "203.0.113.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[b"192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &[b"192.0.2.1, 198.51.100.9"], "198.51.100.9"),
            ("10.0.0.1", &[b"192.0.2.1 ,\t10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", &[b"192.0.2.1", b"198.51.100.9", b"10.3.3.3,fd00::1"], "198.51.100.9"),
            ("10.0.0.1", &[b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &[b"192.0.2.1, nonsense, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[b""], "10.0.0.1"),
            ("10.0.0.1", &[b"192.0.2.1:4711"], "10.0.0.1"),
            ("10.0.0.1", &[b"\xe9, 198.51.100.9"], "198.51.100.9"),
            ("10.0.0.1", &[b"\xe9", b"198.51.100.9, 10.0.0.2"], "198.51.100.9"),
            ("fd00::2", &[b"::ffff:192.0.2.1"], "192.0.2.1"),
        ];
        for (socket, fields, wanted) in cases {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append("x-forwarded-for", HeaderValue::from_bytes(field).unwrap());
            }
            let found = client_address(&trusted, socket.parse().unwrap(), &headers);
            assert_eq!(found.to_string(), wanted, "{socket} {fields:?}");
        }
    }

    #[test]
    fn the_head_alone_may_be_reason_enough() {
        let check = |path: &str, expect: Option<&'static str>| {
            let mut request = Request::new(());
            *request.uri_mut() = path.parse().unwrap();
            if let Some(expect) = expect {
                let value = HeaderValue::from_static(expect);
                request.headers_mut().insert(header::EXPECT, value);
            }
            check_head(&request.into_parts().0).map_err(|reject| reject.describe().reason)
        };
        assert_eq!(check("/a?b=../c", None), Ok(()));
        assert_eq!(check("/a", Some("100-Continue")), Ok(()));
        assert_eq!(check("/a", Some("200-ok")), Err("expectation"));
        assert_eq!(check("/a/%2e%2E", None), Err("dot_segments"));
    }
}
