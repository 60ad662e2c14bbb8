//! Whether an address may be dialled for a receiver that somebody else has named: only what is public, or what its owner listed.

mod special_ranges;
#[cfg(test)]
mod tests;

use ipnet::{IpNet, Ipv4Net};
use special_ranges::{SpecialRange, special_range};
use std::net::IpAddr;

/// So many addresses at most stand in the line that a refusal proposes.
const MAX_SUGGESTED: usize = 8;

/// Lets public addresses pass, and those of an allow list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    allow: Vec<IpNet>,
}

/// A host that leads to addresses of which one at least may not be dialled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host:?} leads to {address}, which is not public: {why}; if it is meant, add allow = {}", line(.suggested))]
pub struct AddressRefused {
    host: Box<str>,
    address: IpAddr,
    why: SpecialRange,
    /// Every address that has to be listed before the host passes, the first [`MAX_SUGGESTED`] of them.
    suggested: Vec<IpNet>,
}

impl AddressPolicy {
    /// A guard that lets these networks pass too. A network of IPv4-mapped addresses is the IPv4 network inside.
    pub fn new(allow: Vec<IpNet>) -> Self {
        let allow = allow.into_iter().map(canonical).collect();
        Self { allow }
    }

    /// Whether all `addresses` that `host` leads to may be dialled.
    ///
    /// # Errors
    /// If any may not, so that a bad one among good ones is never a matter of luck. No address at all is no error here.
    pub fn check(
        &self,
        host: &str,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<(), AddressRefused> {
        let mut refused: Option<AddressRefused> = None;
        for address in addresses {
            let address = address.to_canonical();
            let Some(why) = special_range(address) else {
                continue;
            };
            if self.allow.iter().any(|network| network.contains(&address)) {
                continue;
            }
            let refused = refused.get_or_insert_with(|| AddressRefused {
                host: host.into(),
                address,
                why,
                suggested: Vec::new(),
            });
            let own = IpNet::from(address);
            if refused.suggested.len() < MAX_SUGGESTED && !refused.suggested.contains(&own) {
                refused.suggested.push(own);
            }
        }
        refused.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
impl AddressRefused {
    /// What a guard says of a host on this machine.
    pub(crate) fn example() -> Self {
        let here = std::net::Ipv4Addr::LOCALHOST.into();
        AddressPolicy::default().check("secret detail", [here]).unwrap_err()
    }
}

fn canonical(network: IpNet) -> IpNet {
    /// The bits before the IPv4 address of `::ffff:0:0/96`.
    const MAPPED: u8 = 96;
    let mapped = match network {
        IpNet::V6(network) => network.addr().to_ipv4_mapped(),
        IpNet::V4(_) => None,
    };
    mapped
        .zip(network.prefix_len().checked_sub(MAPPED))
        .and_then(|(address, length)| Ipv4Net::new(address, length).ok())
        .map_or(network, IpNet::V4)
}

/// The value of `allow` as it is written in a configuration.
fn line(named: &[IpNet]) -> String {
    let quoted: Vec<_> = named.iter().map(|network| format!("\"{network}\"")).collect();
    format!("[{}]", quoted.join(", "))
}
