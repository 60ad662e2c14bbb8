//! What a request's head alone decides, whoever sent it: whether it is refused, and whose it is.

use crate::reject::Reject;
use http::request::Parts;
use http::{HeaderMap, header};
use ipnet::IpNet;
use std::net::IpAddr;

/// What is refused by the head alone, whoever sent it.
pub fn check_head(head: &Parts) -> Result<(), Reject> {
    if let Some(expect) = head.headers.get(header::EXPECT)
        && !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(Reject::Expectation);
    }
    if has_dot_segments(head.uri.path()) {
        Err(Reject::DotSegments)
    } else {
        Ok(())
    }
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
pub fn peer(trusted: &[IpNet], socket: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut last = socket;
    if !is_trusted(trusted, socket) {
        return last;
    }
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        for part in value.to_str().unwrap_or_default().rsplit(',') {
            let Ok(address) = part.trim().parse::<IpAddr>() else {
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
