//! What a pool may be made of.

use crate::diagnostic::Problem;
use crate::document::At;
use crate::document::Report;
use crate::inventory::file::File;
use crate::inventory::model::PoolRange;
use crate::inventory::pool::PoolFault;

/// The ranges that can be read, each with its text. The others are reported by [`valid`].
pub(super) fn ranges(file: &File) -> Vec<(&At<String>, PoolRange)> {
    let pool = file.pool().iter();
    pool.filter_map(|text| Some((text, text.value.parse().ok()?))).collect()
}

/// A pool holds at least one range.
pub(super) fn not_empty(file: &File, report: &mut Report) {
    let Some(metallb) = file.metallb.given() else {
        return;
    };
    if metallb.pool.given().is_some_and(Vec::is_empty) {
        report.push(
            Problem::error("the pool is empty").at(metallb.header.clone(), "no range in it").help(
                "name a range, such as pool = \"192.168.1.240-192.168.1.250\"; without a pool leave out [metallb]",
            ),
        );
    }
}

/// Every range can be read.
pub(super) fn valid(file: &File, report: &mut Report) {
    for text in file.pool() {
        if let Err(fault) = text.value.parse::<PoolRange>() {
            report.push(explain(text, fault));
        }
    }
}

fn explain(text: &At<String>, fault: PoolFault) -> Problem {
    let forms = "such as \"192.168.1.240-192.168.1.250\" or \"192.168.1.240/28\"";
    let problem = Problem::error(fault.to_string());
    let whole = text.span.clone();
    match fault {
        PoolFault::Empty => problem.at(whole, "empty").help(forms),
        PoolFault::Several(parts) => {
            let list = parts.iter().map(|part| format!("{part:?}")).collect::<Vec<_>>().join(", ");
            problem.at(text.find(","), "separates nothing here").help(format!("write a list: pool = [{list}]"))
        }
        PoolFault::Blanks(full) => problem.at(whole, "no blanks in a range").help(format!("write \"{full}\"")),
        PoolFault::Short(full) => problem
            .at(whole, "the last address is not whole")
            .why("MetalLB wants both addresses whole")
            .help(format!("write \"{full}\"")),
        PoolFault::Reversed(turned) => problem
            .at(whole, "the last address is the lower one")
            .why("the addon of MicroK8s takes it, MetalLB refuses it, and enabling would never end")
            .help(format!("write \"{turned}\"")),
        PoolFault::Single(address) => {
            problem.at(whole, "one address").help(format!("for a pool of this address alone write \"{address}/32\""))
        }
        PoolFault::HostBits(network) => problem
            .at(whole, format!("the network is {network}"))
            .why(format!("it is not clear whether the pool starts here or at {}", network.network()))
            .help(format!(
                "write \"{network}\" for {} to {}, or the range you mean as first-last",
                network.network(),
                network.broadcast()
            )),
        PoolFault::Prefix(length) => problem.at(text.find(&format!("/{length}")), "from /0 to /32").help(forms),
        PoolFault::V6 => problem
            .at(whole, "IPv6")
            .why("the nodes are known by IPv4 addresses, and MicroK8s runs an IPv4 cluster")
            .help("use IPv4 addresses of the home network"),
        PoolFault::Address(part) => problem.at(text.find(&part), "not an address").help(forms),
    }
}
