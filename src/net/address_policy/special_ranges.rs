//! What is special about an address: every range of IANA's special-purpose registries, and the IPv4 address that one may carry.
//!
//! Ranges that are registered for a protocol are refused even where they are reachable: no receiver of messages lives there.
//! What IPv6 has outside its one global block is refused as a whole, so that ranges which are registered later are, too.
//! 6to4 and Teredo are not looked into: the registry vouches for neither, and both lead to IPv4 by ways that nobody keeps.

use ipnet::{Ipv4Net, Ipv6Net};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not for the public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SpecialRange {
    /// What the range is for.
    name: &'static str,
    /// The document that says so.
    source: &'static str,
    /// The IPv4 address inside an IPv6 one, where that is the special one.
    carried: Option<Ipv4Addr>,
}

/// A range, what it is for, and the document that says so.
type Range<Net> = (Net, &'static str, &'static str);

const fn v4(address: [u8; 4], length: u8) -> Ipv4Net {
    let [a, b, c, d] = address;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

/// By the first three groups of its address: no range here needs more.
const fn v6(a: u16, b: u16, c: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length)
}

/// The first that holds an address gives it its name.
#[rustfmt::skip]
const IPV4: [Range<Ipv4Net>; 20] = [
    (v4([0, 0, 0, 0], 8), "this network", "RFC 791"),
    (v4([10, 0, 0, 0], 8), "private use", "RFC 1918"),
    (v4([100, 64, 0, 0], 10), "shared address space of carriers", "RFC 6598"),
    (v4([127, 0, 0, 0], 8), "loopback", "RFC 1122"),
    (v4([169, 254, 169, 254], 32), "link-local, the metadata of clouds", "RFC 3927"),
    (v4([169, 254, 0, 0], 16), "link-local", "RFC 3927"),
    (v4([172, 16, 0, 0], 12), "private use", "RFC 1918"),
    (v4([192, 0, 0, 0], 24), "protocol assignments", "RFC 6890"),
    (v4([192, 0, 2, 0], 24), "documentation", "RFC 5737"),
    (v4([192, 31, 196, 0], 24), "AS112", "RFC 7535"),
    (v4([192, 52, 193, 0], 24), "AMT", "RFC 7450"),
    (v4([192, 88, 99, 0], 24), "6to4 relays", "RFC 7526"),
    (v4([192, 168, 0, 0], 16), "private use", "RFC 1918"),
    (v4([192, 175, 48, 0], 24), "AS112", "RFC 7534"),
    (v4([198, 18, 0, 0], 15), "benchmarking", "RFC 2544"),
    (v4([198, 51, 100, 0], 24), "documentation", "RFC 5737"),
    (v4([203, 0, 113, 0], 24), "documentation", "RFC 5737"),
    (v4([224, 0, 0, 0], 4), "multicast", "RFC 5771"),
    (v4([255, 255, 255, 255], 32), "broadcast", "RFC 919"),
    (v4([240, 0, 0, 0], 4), "reserved", "RFC 1112"),
];

/// The same for IPv6. [`GLOBAL`] decides about the rest.
#[rustfmt::skip]
const IPV6: [Range<Ipv6Net>; 21] = [
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback", "RFC 4291"),
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), "the unspecified address", "RFC 4291"),
    (v6(0, 0, 0, 96), "IPv4-compatible, given up", "RFC 4291"),
    (v6(0x64, 0xff9b, 1, 48), "local NAT64", "RFC 8215"),
    (v6(0x100, 0, 0, 64), "discard-only", "RFC 6666"),
    (Ipv6Net::new_assert(Ipv6Addr::new(0x100, 0, 0, 1, 0, 0, 0, 0), 64), "dummy prefix", "RFC 9780"),
    (v6(0x2001, 0, 0, 32), "Teredo", "RFC 4380"),
    (v6(0x2001, 2, 0, 48), "benchmarking", "RFC 5180"),
    (v6(0x2001, 0x10, 0, 28), "ORCHID", "RFC 4843"),
    (v6(0x2001, 0x20, 0, 28), "ORCHID", "RFC 7343"),
    (v6(0x2001, 0x30, 0, 28), "remote identification of drones", "RFC 9374"),
    (v6(0x2001, 0, 0, 23), "protocol assignments", "RFC 2928"),
    (v6(0x2001, 0xdb8, 0, 32), "documentation", "RFC 3849"),
    (v6(0x2002, 0, 0, 16), "6to4", "RFC 7526"),
    (v6(0x2620, 0x4f, 0x8000, 48), "AS112", "RFC 7534"),
    (v6(0x3fff, 0, 0, 20), "documentation", "RFC 9637"),
    (v6(0x5f00, 0, 0, 16), "segment routing", "RFC 9602"),
    (v6(0xfc00, 0, 0, 7), "unique local", "RFC 4193"),
    (v6(0xfe80, 0, 0, 10), "link-local", "RFC 4291"),
    (v6(0xfec0, 0, 0, 10), "site-local, given up", "RFC 3879"),
    (v6(0xff00, 0, 0, 8), "multicast", "RFC 4291"),
];

/// All that IANA gives out of IPv6.
const GLOBAL: Ipv6Net = v6(0x2000, 0, 0, 3);

/// NAT64's public prefix: a translator passes what is sent there on to the IPv4 address in the last 32 bits (RFC 6052).
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

/// What is special about an address; `None`: it is public.
pub(super) fn special_range(address: IpAddr) -> Option<SpecialRange> {
    match address.to_canonical() {
        IpAddr::V4(address) => in_ipv4(address),
        IpAddr::V6(address) => in_ipv6(address),
    }
}

fn in_ipv4(address: Ipv4Addr) -> Option<SpecialRange> {
    let found = IPV4.iter().find(|(range, ..)| range.contains(&address));
    found.map(|(_, name, source)| SpecialRange::new(name, source))
}

fn in_ipv6(address: Ipv6Addr) -> Option<SpecialRange> {
    let inside = carried(address).and_then(|carried| {
        let special = in_ipv4(carried)?;
        Some(SpecialRange { carried: Some(carried), ..special })
    });
    if inside.is_some() || NAT64.contains(&address) {
        return inside;
    }
    let found = IPV6.iter().find(|(range, ..)| range.contains(&address));
    match found {
        Some((_, name, source)) => Some(SpecialRange::new(name, source)),
        None if GLOBAL.contains(&address) => None,
        None => Some(SpecialRange::new("reserved", "RFC 4291")),
    }
}

/// The IPv4 address that a packet to this one ends at: behind NAT64, or in ISATAP's interface identifier (RFC 5214), which may
/// stand behind any prefix.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    /// The bit that says whether an identifier is meant to be unique in the world.
    const UNIVERSAL: u16 = 0x0200;
    let [.., first, second, high, low] = address.segments();
    let isatap = first & !UNIVERSAL == 0 && second == 0x5efe;
    let bits = u32::from(high) << 16 | u32::from(low);
    (isatap || NAT64.contains(&address)).then(|| Ipv4Addr::from_bits(bits))
}

impl SpecialRange {
    fn new(name: &'static str, source: &'static str) -> Self {
        Self { name, source, carried: None }
    }
}

impl fmt::Display for SpecialRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(carried) = self.carried {
            write!(f, "it carries {carried}, ")?;
        }
        write!(f, "{} ({})", self.name, self.source)
    }
}
