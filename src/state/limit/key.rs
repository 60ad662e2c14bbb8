//! What a bucket is found by: the rule's identity, then the value that shares it, as bounded bytes in a reused buffer.

use super::{Key, Rule};
use http::HeaderMap;
use ring::digest::{SHA256, digest};
use std::net::IpAddr;

/// A longer value is replaced by its SHA-256, so that a caller cannot choose how much is stored.
pub const MAX_VALUE: usize = 128;
/// Buffers that one long value made larger than this are shrunk again.
const SCRATCH: usize = 4_096;
const PREFIX: usize = 16;

/// What tells a rule's buckets from every other rule's. An unchanged rule keeps its buckets over a reload, another rate or
/// burst starts new ones.
pub type Prefix = [u8; PREFIX];

/// How the rest of a key is to be read, so that no value can be made to look like another kind's.
#[derive(Clone, Copy)]
enum Kind {
    Plain = 0,
    Hashed = 1,
    Overflow = 2,
}

/// The identity of `rule`: the scope (the bot, or for [`Key::Dialect`] the dialect), the kind of key, rate and burst, hashed.
pub fn prefix(rule: &Rule, bot: &str, dialect: &str) -> Prefix {
    let (scope, parameter) = match &rule.key {
        Key::Bot | Key::Peer | Key::User => (bot, ""),
        Key::Dialect => (dialect, ""),
        Key::Header(name) => (bot, name.as_str()),
        Key::Json(pointer) => (bot, pointer.as_str()),
    };
    let mut identity = Vec::new();
    for part in [rule.key.word(), scope, parameter] {
        identity.extend_from_slice(&(part.len() as u64).to_le_bytes());
        identity.extend_from_slice(part.as_bytes());
    }
    for number in [u128::from(rule.rate.count), rule.rate.period.as_nanos(), u128::from(rule.burst)]
    {
        identity.extend_from_slice(&number.to_le_bytes());
    }
    let mut prefix = [0; PREFIX];
    prefix.copy_from_slice(&digest(&SHA256, &identity).as_ref()[..PREFIX]);
    prefix
}

/// Writes the key of the value that `value` appends into `key`, which is cleared first.
pub(super) fn compose(prefix: &Prefix, key: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) {
    start(prefix, Kind::Plain, key);
    value(key);
    if key.len() > PREFIX + 1 + MAX_VALUE {
        let hash = digest(&SHA256, &key[PREFIX + 1..]);
        start(prefix, Kind::Hashed, key);
        key.extend_from_slice(hash.as_ref());
        key.shrink_to(SCRATCH);
    }
}

/// Writes the key of the bucket that a rule's newcomers share when the map is full.
pub(super) fn overflow(prefix: &Prefix, key: &mut Vec<u8>) {
    start(prefix, Kind::Overflow, key);
}

fn start(prefix: &Prefix, kind: Kind, key: &mut Vec<u8>) {
    key.clear();
    key.extend_from_slice(prefix);
    key.push(kind as u8);
}

/// Appends the value that the head of a request gives for `key`: nothing for bot and dialect (one bucket for all), nor for a
/// header that is absent (those without share one). What `json:` and `user` mean is not in the head: nothing either.
pub fn head_value(key: &Key, peer: IpAddr, headers: &HeaderMap, out: &mut Vec<u8>) {
    match key {
        Key::Bot | Key::Dialect | Key::Json(_) | Key::User => {}
        Key::Peer => match peer.to_canonical() {
            IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
            IpAddr::V6(address) => out.extend_from_slice(&address.octets()[..8]),
        },
        Key::Header(name) => {
            for value in headers.get_all(name) {
                out.extend_from_slice(value.as_bytes());
                out.push(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::limit::Rate;
    use http::HeaderName;
    use std::collections::HashSet;
    use std::time::Duration;

    fn rule(count: u64, burst: u64, key: Key) -> Rule {
        Rule { rate: Rate { count, period: Duration::from_secs(60) }, burst, key }
    }

    #[test]
    fn a_rule_is_known_by_scope_key_rate_and_burst() {
        let rules = [
            (rule(60, 60, Key::Bot), "a", "raw"),
            (rule(60, 60, Key::Bot), "b", "raw"),
            (rule(61, 60, Key::Bot), "a", "raw"),
            (rule(60, 61, Key::Bot), "a", "raw"),
            (rule(60, 60, Key::Peer), "a", "raw"),
            (rule(60, 60, Key::Dialect), "a", "raw"),
            (rule(60, 60, Key::User), "a", "raw"),
            (rule(60, 60, Key::Header(HeaderName::from_static("x-a"))), "a", "raw"),
            (rule(60, 60, Key::Header(HeaderName::from_static("x-b"))), "a", "raw"),
            (rule(60, 60, Key::Json("/x-a".to_owned())), "a", "raw"),
        ];
        let prefixes: HashSet<Prefix> =
            rules.iter().map(|(rule, bot, dialect)| prefix(rule, bot, dialect)).collect();
        assert_eq!(prefixes.len(), rules.len());
        assert_eq!(
            prefix(&rules[0].0, "a", "raw"),
            prefix(&rules[0].0, "a", "other"),
            "a bot's bucket is its own"
        );
        assert_eq!(
            prefix(&rules[5].0, "a", "raw"),
            prefix(&rules[5].0, "b", "raw"),
            "a dialect's is shared"
        );
    }

    #[test]
    fn long_values_are_hashed_and_no_value_looks_like_another_kind() {
        let prefix = [7; PREFIX];
        let mut keys = HashSet::new();
        let mut key = Vec::new();
        for length in [0, 1, 32, MAX_VALUE, MAX_VALUE + 1, 1 << 20] {
            compose(&prefix, &mut key, |out| out.resize(out.len() + length, b'x'));
            assert!(key.len() <= PREFIX + 1 + MAX_VALUE);
            assert!(key.capacity() <= SCRATCH);
            keys.insert(key.clone());
            // The stored form of a hashed value, sent as a value of its own.
            let forged = key[PREFIX + 1..].to_vec();
            if length > MAX_VALUE {
                compose(&prefix, &mut key, |out| out.extend_from_slice(&forged));
                keys.insert(key.clone());
            }
        }
        overflow(&prefix, &mut key);
        keys.insert(key.clone());
        assert_eq!(keys.len(), 9);
    }

    #[test]
    fn peers_share_by_address_and_by_64_bits_of_ipv6() {
        let value = |peer: &str| {
            let mut out = Vec::new();
            head_value(&Key::Peer, peer.parse().unwrap(), &HeaderMap::new(), &mut out);
            out
        };
        assert_eq!(value("203.0.113.7"), value("::ffff:203.0.113.7"));
        assert_ne!(value("203.0.113.7"), value("203.0.113.8"));
        assert_eq!(value("2001:db8:1:2::1"), value("2001:db8:1:2:ffff::9"));
        assert_ne!(value("2001:db8:1:2::1"), value("2001:db8:1:3::1"));
    }

    #[test]
    fn all_values_of_a_header_count() {
        let name = HeaderName::from_static("x-tenant");
        let value = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&name, http::HeaderValue::from_static(value));
            }
            let mut out = Vec::new();
            head_value(
                &Key::Header(name.clone()),
                IpAddr::from([127, 0, 0, 1]),
                &headers,
                &mut out,
            );
            out
        };
        assert_eq!(value(&[]), b"");
        assert_ne!(value(&["a"]), value(&["a", "b"]));
        assert_ne!(value(&["ab"]), value(&["a", "b"]));
    }
}
