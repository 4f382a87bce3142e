//! Address ranges as `MetalLB`'s pools write them (metallb/metallb `internal/config`).

use std::net::{IpAddr, Ipv4Addr};

/// A run of addresses of one family, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    first: u128,
    last: u128,
    v4: bool,
}

impl Range {
    /// `a.b.c.d-e.f.g.h` or a CIDR; what is wrong with it otherwise.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('-') {
            None => cidr(text).ok_or_else(|| format!("invalid CIDR \"{text}\"")),
            Some((start, end)) => {
                let parse = |word: &str, part: &str| {
                    part.trim()
                        .parse::<IpAddr>()
                        .map_err(|_| format!("invalid IP range \"{text}\": invalid {word} IP \"{part}\""))
                };
                let (from, to) = (parse("start", start)?, parse("end", end)?);
                let range = Self { first: number(from), last: number(to), v4: from.is_ipv4() };
                if from.is_ipv4() != to.is_ipv4() {
                    return Err(format!("invalid IP range \"{text}\": start and end are of different families"));
                }
                if range.first > range.last {
                    return Err(format!(
                        "invalid IP range \"{text}\": start IP \"{from}\" is after the end IP \"{to}\""
                    ));
                }
                Ok(range)
            }
        }
    }

    pub(super) const fn overlaps(&self, other: &Self) -> bool {
        self.v4 == other.v4 && self.first <= other.last && other.first <= self.last
    }

    pub(super) fn contains(&self, address: Ipv4Addr) -> bool {
        let number = u128::from(u32::from(address));
        self.v4 && (self.first..=self.last).contains(&number)
    }

    /// The IPv4 addresses, from the first on.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> + use<> {
        let range = self.v4.then_some(self.first..=self.last);
        range.into_iter().flatten().filter_map(|number| u32::try_from(number).ok()).map(Ipv4Addr::from)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn cidr(text: &str) -> Option<Range> {
    let (address, length) = text.split_once('/')?;
    let (address, length): (IpAddr, u32) = (address.parse().ok()?, length.parse().ok()?);
    let width: u32 = if address.is_ipv4() { 32 } else { 128 };
    let free = width.checked_sub(length)?;
    let mask = if free >= 128 { u128::MAX } else { (1 << free) - 1 };
    let first = number(address) & !mask;
    Some(Range { first, last: first | mask, v4: address.is_ipv4() })
}
