//! What the router gives away is none of the pool's.

use super::pool_syntax;
use crate::diagnostic::Problem;
use crate::document::At;
use crate::document::Report;
use crate::inventory::file::File;
use crate::inventory::model::PoolRange;

fn given(file: &File) -> Option<&At<String>> {
    file.metallb.given()?.dhcp_range.given()
}

/// It can be read.
pub(super) fn valid(file: &File, report: &mut Report) {
    let Some(text) = given(file) else { return };
    if let Err(fault) = text.value.parse::<PoolRange>() {
        report.push(
            Problem::error(format!("what the router gives away cannot be read: {fault}"))
                .at(text.span.clone(), "as the router's own pages show it")
                .help("write its first and last address, such as dhcp_range = \"192.168.1.100-192.168.1.199\""),
        );
    }
}

/// It has no address in common with the pool.
pub(super) fn apart(file: &File, report: &mut Report) {
    let Some((text, dhcp)) = given(file).and_then(|text| Some((text, text.value.parse::<PoolRange>().ok()?))) else {
        return;
    };
    for (pool, range) in pool_syntax::ranges(file).iter().filter(|(_, range)| range.overlaps(&dhcp)) {
        let (first, last) = (range.first.max(dhcp.first), range.last.min(dhcp.last));
        let both = if first == last { first.to_string() } else { format!("{first} to {last}") };
        report.push(
            Problem::error(format!("the pool {range} and the router's DHCP range {dhcp} both hold {both}"))
                .at(pool.span.clone(), "MetalLB gives these to services")
                .at(text.span.clone(), "and the router gives these to devices")
                .why("sooner or later a device and a service have one address, and are reached by turns")
                .help("shorten one of the two: the pool here, or the DHCP range in the router"),
        );
    }
}
