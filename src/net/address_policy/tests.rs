//! The guard against the registries themselves, at every edge and at random, in each form in which an address can come.

use super::{AddressPolicy, special_range};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The two special-purpose registries of IANA and the multicast ranges, as of July 2026. Absent are the two rows that only
/// carry an IPv4 address, mapped and NAT64.
fn registry() -> Vec<IpNet> {
    let text = include_str!("../../../tests/fixtures/guard/special_purpose.csv");
    let blocks = text.lines().map(|line| line.split(',').next().unwrap());
    let all: Vec<IpNet> = blocks.map(|block| block.parse().unwrap()).collect();
    assert_eq!(all.len(), 52);
    all
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn v4(&mut self) -> Ipv4Addr {
        Ipv4Addr::from_bits((self.next() >> 32) as u32)
    }

    fn v6(&mut self) -> Ipv6Addr {
        Ipv6Addr::from_bits(u128::from(self.next()) << 64 | u128::from(self.next()))
    }

    /// Some address of a network.
    fn within(&mut self, network: IpNet) -> IpAddr {
        match network {
            IpNet::V4(network) => {
                let (net, host) = (network.network().to_bits(), network.hostmask().to_bits());
                Ipv4Addr::from_bits(net | self.v4().to_bits() & host).into()
            }
            IpNet::V6(network) => {
                let (net, host) = (network.network().to_bits(), network.hostmask().to_bits());
                Ipv6Addr::from_bits(net | self.v6().to_bits() & host).into()
            }
        }
    }
}

fn passes(guard: &AddressPolicy, address: impl Into<IpAddr>) -> bool {
    guard.check("host", [address.into()]).is_ok()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// An address behind 96 bits.
fn behind(prefix: &str, inner: Ipv4Addr) -> Ipv6Addr {
    let prefix: Ipv6Addr = prefix.parse().unwrap();
    Ipv6Addr::from_bits(prefix.to_bits() | u128::from(inner.to_bits()))
}

/// The address before and after a network, where there is one.
fn neighbours(network: IpNet) -> Vec<IpAddr> {
    match network {
        IpNet::V4(network) => {
            let before = network.network().to_bits().checked_sub(1);
            let after = network.broadcast().to_bits().checked_add(1);
            let both = before.into_iter().chain(after);
            both.map(|bits| Ipv4Addr::from_bits(bits).into()).collect()
        }
        IpNet::V6(network) => {
            let before = network.network().to_bits().checked_sub(1);
            let after = network.broadcast().to_bits().checked_add(1);
            let both = before.into_iter().chain(after);
            both.map(|bits| Ipv6Addr::from_bits(bits).into()).collect()
        }
    }
}

#[test]
fn what_the_registries_hold_is_refused_to_the_edge_and_nothing_besides() {
    let guard = AddressPolicy::default();
    let registry = registry();
    let unicast: IpNet = "2000::/3".parse().unwrap();
    let expected = |address: IpAddr| {
        let held = registry.iter().any(|network| network.contains(&address));
        !held && (address.is_ipv4() || unicast.contains(&address))
    };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for network in &registry {
        assert!(!passes(&guard, network.network()), "{network}");
        assert!(!passes(&guard, network.broadcast()), "{network}");
        for address in neighbours(*network) {
            assert_eq!(passes(&guard, address), expected(address), "{address}");
        }
        for _ in 0..200 {
            let address = random.within(*network);
            assert!(!passes(&guard, address), "{address}");
        }
    }
    let mut public = [0, 0];
    for _ in 0..20_000 {
        for address in [random.v4().into(), random.within(unicast), random.v6().into()] {
            assert_eq!(passes(&guard, address), expected(address), "{address}");
            public[usize::from(address.is_ipv6())] += u32::from(expected(address));
        }
    }
    assert!(public.iter().all(|count| *count > 15_000), "{public:?}");
}

#[test]
fn an_address_is_as_bad_as_the_one_it_carries() {
    let guard = AddressPolicy::default();
    let registry = registry();
    let of_ipv4: Vec<_> =
        registry.iter().filter(|network| matches!(network, IpNet::V4(_))).collect();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut seen = [0, 0];
    for turn in 0..20_000 {
        let inner = match random.within(*of_ipv4[turn % of_ipv4.len()]) {
            IpAddr::V4(bad) if turn % 2 == 0 => bad,
            _ => random.v4(),
        };
        let good = passes(&guard, inner);
        seen[usize::from(good)] += 1;
        for prefix in
            ["::ffff:0:0", "64:ff9b::", "2606:4700::5efe:0:0", "2606:4700:0:0:200:5efe:0:0"]
        {
            let address = behind(prefix, inner);
            assert_eq!(passes(&guard, address), good, "{address} carries {inner}");
        }
        let [a, b, c, d] = inner.octets().map(u16::from);
        let (high, low) = (a << 8 | b, c << 8 | d);
        for address in [
            // IPv4-compatible, translated, local NAT64, ISATAP on a link; then 6to4, and Teredo by server and by client.
            behind("::", inner),
            behind("::ffff:0:0:0", inner),
            behind("64:ff9b:1::", inner),
            behind("64:ff9b:1:ffff::", inner),
            behind("fe80::5efe:0:0", inner),
            Ipv6Addr::new(0x2002, high, low, 1, 2, 3, 4, 5),
            Ipv6Addr::new(0x2001, 0, high, low, 0, 0, 0x0808, 0x0808),
            Ipv6Addr::new(0x2001, 0, 0x0808, 0x0808, 0, 0xffff, !high, !low),
        ] {
            assert!(!passes(&guard, address), "{address} carries {inner}");
        }
    }
    assert!(seen.iter().all(|count| *count > 5000), "{seen:?}");
}

#[test]
fn one_bad_address_among_good_ones_refuses_them_all() {
    let guard = AddressPolicy::default();
    let good = ["192.0.66.1", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"].map(ip);
    assert!(guard.check("host", good).is_ok());
    assert!(guard.check("host", []).is_ok());
    for bad in ["10.1.2.3", "::1", "169.254.169.254", "::ffff:127.0.0.1"].map(ip) {
        for at in 0..=good.len() {
            let mut mixed = good.to_vec();
            mixed.insert(at, bad);
            assert!(guard.check("host", mixed).is_err(), "{bad} at {at}");
        }
    }
}

#[test]
fn what_is_listed_passes_in_every_form_of_the_same_address_and_nothing_else_does() {
    let table: [(&[&str], &[&str], &[&str]); 6] = [
        (
            &["10.0.0.0/8"],
            &["10.1.2.3", "::ffff:10.1.2.3", "8.8.8.8"],
            &["11::1", "172.16.0.1", "64:ff9b::a01:203", "2002:a01:203::1"],
        ),
        (&["::ffff:10.0.0.0/104"], &["10.1.2.3"], &["172.16.0.1"]),
        (&["64:ff9b::a01:203/128"], &["64:ff9b::a01:203"], &["10.1.2.3"]),
        (&["0.0.0.0/0"], &["127.0.0.1"], &["::1", "fd00::1"]),
        (&["::/0"], &["::1", "fd00::1"], &["127.0.0.1", "::ffff:127.0.0.1"]),
        (&["127.0.0.1/32", "::1/128"], &["127.0.0.1", "::1"], &["127.0.0.2"]),
    ];
    for (allow, good, bad) in table {
        let guard = AddressPolicy::new(allow.iter().map(|text| text.parse().unwrap()).collect());
        for text in good {
            assert!(passes(&guard, ip(text)), "{allow:?}: {text}");
        }
        for text in bad {
            assert!(!passes(&guard, ip(text)), "{allow:?}: {text}");
        }
    }
}

#[test]
fn a_refusal_names_host_address_range_and_the_very_line_that_lets_it_pass() {
    let table: [(&[&str], &str); 4] = [
        (
            &["8.8.8.8", "10.1.2.3"],
            r#""host" leads to 10.1.2.3, which is not public: private use (RFC 1918); if it is meant, add allow = ["10.1.2.3/32"]"#,
        ),
        (
            &["::1", "::ffff:127.0.0.1", "127.0.0.1"],
            r#""host" leads to ::1, which is not public: loopback (RFC 4291); if it is meant, add allow = ["::1/128", "127.0.0.1/32"]"#,
        ),
        (
            &["64:ff9b::169.254.169.254"],
            r#""host" leads to 64:ff9b::a9fe:a9fe, which is not public: it carries 169.254.169.254, link-local, the metadata of clouds (RFC 3927); if it is meant, add allow = ["64:ff9b::a9fe:a9fe/128"]"#,
        ),
        (
            &["4000::1"],
            r#""host" leads to 4000::1, which is not public: reserved (RFC 4291); if it is meant, add allow = ["4000::1/128"]"#,
        ),
    ];
    for (addresses, told) in table {
        let addresses: Vec<_> = addresses.iter().map(|text| ip(text)).collect();
        let refused = AddressPolicy::default().check("host", addresses.clone());
        let refused = refused.unwrap_err().to_string();
        assert_eq!(refused, told);
        let (_, line) = refused.split_once("allow = ").unwrap();
        let allow: Vec<String> = serde_json::from_str(line).unwrap();
        let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
        assert!(AddressPolicy::new(allow).check("host", addresses).is_ok());
    }
    let many = (0..99).map(|last| Ipv4Addr::new(10, 0, 0, last).into());
    let refused = AddressPolicy::default().check("a\nb", many).unwrap_err().to_string();
    assert!(refused.starts_with(r#""a\nb" leads to"#), "{refused}");
    assert_eq!(refused.matches("/32").count(), super::MAX_SUGGESTED);
    assert!(special_range(ip("8.8.8.8")).is_none());
}
