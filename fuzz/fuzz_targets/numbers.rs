//! Hostile values: what a configuration may write as a duration, a size, a rate, a key or a path, and what a caller may write into
//! its path and `X-Forwarded-For`. Each is judged a second time by a slower and simpler rule.
#![no_main]

use botgate::config::parse::{
    duration, duration_or_zero, json_pointer, limit_key, path, rate, size,
};
use botgate::proxy::head::{has_dot_segments, is_trusted, client_address};
use botgate::state::limit::{Key, Rule, RuleSet, Standing, retry_after};
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

static TRUSTED: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    let nets = ["10.0.0.0/8", "::1/128", "fc00::/7"];
    nets.map(|net| net.parse().expect("a network")).to_vec()
});

fn values(text: &str) {
    let hundred_days = Duration::from_secs(100 * 86_400);
    let any = duration_or_zero(text);
    assert!(any.as_ref().is_ok_and(|read| *read <= hundred_days) || any.is_err());
    assert_eq!(duration(text).is_ok(), any.is_ok_and(|read| !read.is_zero()));
    if let Ok(size) = size(text) {
        assert!((1..=1 << 40).contains(&size));
    }
    let _ = json_pointer(text);
    if path(text).is_ok() {
        assert!(text.starts_with('/') && !has_dot_segments(text));
        assert!(http::Uri::try_from(text).is_ok_and(|uri| uri.path() == text));
    }
    if let Ok(rate) = rate(text) {
        rules(text, Rule { rate, burst: rate.count, key: Key::Bot });
    }
    if let Ok(key) = limit_key(text) {
        let rate = rate("60/min").unwrap_or_else(|_| panic!("a rate"));
        rules(text, Rule { rate, burst: 1, key });
    }
}

/// A rule that can be written can be counted and announced.
fn rules(text: &str, rule: Rule) {
    let set = RuleSet::new(&[rule], "bot", "raw").expect("a rule that counts");
    assert!(set.policy().is_some());
    let number = text.bytes().fold(7_u64, |n, b| n.wrapping_mul(0x100_0000_01b3) ^ u64::from(b));
    let standing = Standing { rule: 0, remaining: number, wait_us: number >> (number % 64) };
    let seconds = standing.wait_us.div_ceil(1_000_000);
    let field = set.rate_limit(&standing).expect("a field");
    assert_eq!(field, format!("\"default\";r={number};t={seconds}").as_str());
    assert_eq!(retry_after(standing.wait_us), seconds.max(1).to_string().as_str());
}

/// The same by rewriting the whole path.
fn dots(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let text = text.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace('\\', "/");
    text.split('/').any(|segment| segment == "." || segment == "..")
}

fn forwarded(text: &str) {
    let headers = |text: &str| {
        let mut headers = HeaderMap::new();
        for line in text.split('\n') {
            if let Ok(value) = HeaderValue::from_str(line) {
                headers.append(HeaderName::from_static("x-forwarded-for"), value);
            }
        }
        headers
    };
    let (proxy, stranger) = ([10, 0, 0, 1].into(), [203, 0, 113, 7].into());
    let found = client_address(&TRUSTED, proxy, &headers(text));
    assert_eq!(client_address(&TRUSTED, stranger, &headers(text)), stranger, "a stranger is not believed");
    assert_eq!(client_address(&[], proxy, &headers(text)), proxy, "nobody is believed");
    // What a caller writes before what the proxies append changes nothing.
    let appended = format!("{text}, 198.51.100.9, 10.9.9.9");
    if HeaderValue::from_str(&appended).is_ok() {
        let last: IpAddr = [198, 51, 100, 9].into();
        assert_eq!(client_address(&TRUSTED, proxy, &headers(&appended)), last);
    }
    if !is_trusted(&TRUSTED, found) {
        assert_eq!(client_address(&TRUSTED, proxy, &headers(&format!("192.0.2.1\n{text}"))), found);
    }
    assert!(found == proxy || found.to_canonical() == found);
}

fuzz_target!(|text: &str| {
    values(text);
    assert_eq!(has_dot_segments(text), dots(text), "{text:?}");
    forwarded(text);
});
