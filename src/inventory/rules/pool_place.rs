//! Where a pool had better not be. These are warnings: homeprov does not know the network's real size.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{address, networks, pool_syntax};
use crate::diagnostic::Problem;
use crate::document::At;
use crate::document::Report;
use crate::inventory::file::File;
use crate::inventory::model::PoolRange;

/// What a home network most often is.
const USUAL_LENGTH: u8 = 24;

/// The ranges that are not refused anyway.
fn free_ranges(file: &File) -> Vec<(&At<String>, PoolRange)> {
    let mut ranges = pool_syntax::ranges(file);
    ranges.retain(|(_, range)| networks::taken(range).is_none());
    ranges
}

/// A range lies in the network of some node, as far as that can be told from the addresses.
pub(super) fn near_nodes(file: &File, report: &mut Report) {
    let networks: Vec<Ipv4Net> = file
        .nodes()
        .iter()
        .filter_map(|node| address::parse(node.address.given()?).ok())
        .map(|address| Ipv4Net::new_assert(address, USUAL_LENGTH).trunc())
        .collect();
    let Some(example) = networks.first() else {
        return;
    };
    for (text, range) in free_ranges(file) {
        let inside = |net: &Ipv4Net| net.contains(&range.first) && net.contains(&range.last);
        if !networks.iter().any(inside) {
            report.push(
                Problem::warning("the pool is not in the network of any node")
                    .at(text.span.clone(), format!("no node is in this /{USUAL_LENGTH}"))
                    .why("MetalLB announces addresses by ARP, which does not leave the nodes' own network")
                    .help(format!("if that network is {example}, choose a range in it; if it is larger, all is well")),
            );
        }
    }
}

/// A range holds no address that ends in .0 or .255.
pub(super) fn plain_addresses(file: &File, report: &mut Report) {
    for (text, range) in free_ranges(file) {
        let odd = odd_address(&range);
        if let Some(odd) = odd {
            let problem = Problem::warning(format!("the pool holds {odd}"))
                .at(text.span.clone(), format!("{} to {}", range.first, range.last))
                .why("in a /24 such an address means the network or all its machines, and some devices never talk to it: a service that gets it seems dead");
            report.push(match shortened(&range) {
                Some(shorter) => problem.help(format!("write \"{shorter}\"")),
                None => problem.help("leave out the addresses that end in .0 or .255"),
            });
        }
    }
}

/// The first address in the range whose last number is 0 or 255.
fn odd_address(range: &PoolRange) -> Option<Ipv4Addr> {
    let first = range.first.to_bits();
    let candidate = match first & 0xff {
        0 => first,
        _ => first | 0xff,
    };
    (candidate <= range.last.to_bits()).then(|| Ipv4Addr::from_bits(candidate))
}

/// The range without its first and last address where these are the odd ones, if that is enough.
fn shortened(range: &PoolRange) -> Option<String> {
    let octet = |address: Ipv4Addr| address.octets()[3];
    let first = range.first.to_bits() + u32::from(octet(range.first) == 0);
    let last = range.last.to_bits() - u32::from(octet(range.last) == 255);
    let shorter = PoolRange {
        text: format!("{}-{}", Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last)),
        first: Ipv4Addr::from_bits(first),
        last: Ipv4Addr::from_bits(last),
    };
    (first <= last && odd_address(&shorter).is_none()).then_some(shorter.text)
}
