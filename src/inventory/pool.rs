//! Pool ranges as text: `192.168.1.240-192.168.1.250` or `192.168.1.240/28`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::Ipv4Net;

use super::model::PoolRange;

/// Why a text is not a range. MetalLB's addon checks with a pattern only and then retries for ever on what the
/// webhook refuses (canonical/microk8s-core-addons addons/metallb/enable), so nothing doubtful may reach it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolFault {
    /// Nothing there.
    #[error("the range is empty")]
    Empty,
    /// Several ranges in one text.
    #[error("one text holds several ranges")]
    Several(Vec<String>),
    /// It would be a range without its blanks.
    #[error("the range holds blanks")]
    Blanks(String),
    /// `192.168.1.240-250`; the full form is inside.
    #[error("the short form of a range is not understood")]
    Short(String),
    /// The last address comes before the first; the range the right way round is inside.
    #[error("the range is the wrong way round")]
    Reversed(String),
    /// One address and no range.
    #[error("this is one address and no range")]
    Single(Ipv4Addr),
    /// An address with a prefix length that is not the start of its network; the network is inside.
    #[error("the address is not the start of its network")]
    HostBits(Ipv4Net),
    /// The prefix length is not 0 to 32.
    #[error("`{0}` is not a prefix length")]
    Prefix(String),
    /// IPv6.
    #[error("this is an IPv6 range")]
    V6,
    /// One of its parts is not an address.
    #[error("`{0}` is not an IPv4 address")]
    Address(String),
}

impl FromStr for PoolRange {
    type Err = PoolFault;

    fn from_str(text: &str) -> Result<Self, PoolFault> {
        if text.trim().is_empty() {
            return Err(PoolFault::Empty);
        }
        if text.contains(',') {
            let parts = text.split(',').map(|part| part.trim().to_owned());
            return Err(PoolFault::Several(parts.collect()));
        }
        if text.contains(char::is_whitespace) {
            let joined: String = text.split_whitespace().collect();
            return Err(match joined.parse::<Self>() {
                Ok(range) => PoolFault::Blanks(range.text),
                Err(fault) => fault,
            });
        }
        let (first, last) = match (text.split_once('/'), text.split_once('-')) {
            (Some((address, length)), _) => network(address, length)?,
            (None, Some((first, last))) => bounds(first, last)?,
            (None, None) => return Err(PoolFault::Single(address(text)?)),
        };
        Ok(Self { text: text.to_owned(), first, last })
    }
}

impl fmt::Display for PoolRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PoolRange {
    /// Whether the two have an address in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Whether it has an address in common with a network.
    pub fn overlaps_network(&self, network: Ipv4Net) -> bool {
        self.first <= network.broadcast() && network.network() <= self.last
    }
}

fn address(text: &str) -> Result<Ipv4Addr, PoolFault> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Ok(address),
        Ok(IpAddr::V6(_)) => Err(PoolFault::V6),
        Err(_) => Err(PoolFault::Address(text.to_owned())),
    }
}

fn network(start: &str, length: &str) -> Result<(Ipv4Addr, Ipv4Addr), PoolFault> {
    let start = address(start)?;
    let fault = || PoolFault::Prefix(length.to_owned());
    // Rust's own parser takes `+8` and `008`, which nothing else does.
    if !length.bytes().all(|byte| byte.is_ascii_digit()) || length.len() > 2 {
        return Err(fault());
    }
    let network = length.parse().ok().and_then(|length| Ipv4Net::new(start, length).ok()).ok_or_else(fault)?;
    if network.network() != start {
        return Err(PoolFault::HostBits(network.trunc()));
    }
    Ok((start, network.broadcast()))
}

fn bounds(first: &str, last: &str) -> Result<(Ipv4Addr, Ipv4Addr), PoolFault> {
    // Only IPv6 has colons; `fd00::1-fd00::9` splits at the dash like any other.
    if first.parse::<Ipv6Addr>().is_ok() {
        return Err(PoolFault::V6);
    }
    let first = address(first)?;
    if let Ok(octet) = last.parse::<u8>() {
        let [a, b, c, _] = first.octets();
        return Err(PoolFault::Short(format!("{first}-{a}.{b}.{c}.{octet}")));
    }
    let last = address(last)?;
    if last < first {
        return Err(PoolFault::Reversed(format!("{last}-{first}")));
    }
    Ok((first, last))
}
