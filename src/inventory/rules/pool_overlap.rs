//! What a pool may not hold: addresses that somebody else has.

use super::{address, networks, pool_syntax};
use crate::diagnostic::Problem;
use crate::document::Report;
use crate::inventory::file::File;

/// No node's address.
pub(super) fn nodes(file: &File, report: &mut Report) {
    for (text, range) in pool_syntax::ranges(file) {
        for owner in file.nodes().iter().filter_map(|node| node.address.given()) {
            let Some(address) = address::parse(owner).ok().filter(|address| range.contains((*address).into())) else {
                continue;
            };
            report.push(
                Problem::error(format!("the pool holds {address}, the address of a node"))
                    .at(text.span.clone(), format!("{} to {}", range.first, range.last))
                    .at(owner.span.clone(), "the node")
                    .why("MetalLB would answer for the node's address, and the node could no longer be reached")
                    .help("choose a range outside the nodes' addresses and outside what the router hands out"),
            );
        }
    }
}

/// No part of the cluster's own networks and none of the networks that nobody can use.
pub(super) fn taken_networks(file: &File, report: &mut Report) {
    for (text, range) in pool_syntax::ranges(file) {
        if let Some(taken) = networks::taken(&range) {
            report.push(
                Problem::error(format!("the pool reaches into {}", taken.network))
                    .at(text.span.clone(), format!("{} to {}", range.first, range.last))
                    .why(taken.why)
                    .help("use free addresses of the home network"),
            );
        }
    }
}

/// No address twice.
pub(super) fn itself(file: &File, report: &mut Report) {
    let ranges = pool_syntax::ranges(file);
    for (index, (text, range)) in ranges.iter().enumerate() {
        for (earlier, other) in ranges.iter().take(index) {
            if range.overlaps(other) {
                let first = range.first.max(other.first);
                let last = range.last.min(other.last);
                let both = if first == last { first.to_string() } else { format!("{first} to {last}") };
                report.push(
                    Problem::error(format!("two ranges of the pool hold {both}"))
                        .at(text.span.clone(), "this range")
                        .at(earlier.span.clone(), "and this one")
                        .why("MetalLB refuses a pool that holds an address twice, and enabling it would never end")
                        .help("join the two into one range, or shorten one"),
                );
            }
        }
    }
}
