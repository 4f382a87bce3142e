//! A node's address: IPv4, its own, and fixed.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::networks::{CLUSTER, SPECIAL};
use crate::diagnostic::Problem;
use crate::document::At;
use crate::document::Report;
use crate::inventory::file::File;

/// Every address is one that the other nodes can dial.
pub(super) fn usable(file: &File, report: &mut Report) {
    for address in file.nodes().iter().filter_map(|node| node.address.given()) {
        report.check(parse(address));
    }
}

/// The address.
pub(in crate::inventory) fn parse(text: &At<String>) -> Result<Ipv4Addr, Problem> {
    let Ok(address) = text.value.parse::<Ipv4Addr>() else {
        return Err(not_an_address(text));
    };
    let mut taken = SPECIAL.iter().chain(&CLUSTER);
    match taken.find(|taken| taken.network.contains(&address)) {
        None => Ok(address),
        Some(taken) => Err(Problem::error(format!("{address} cannot be a node's address"))
            .at(text.span.clone(), taken.kind)
            .why(taken.why)
            .help("use the address the machine has on the home network: `ip -4 address` shows it")),
    }
}

fn not_an_address(text: &At<String>) -> Problem {
    let value = text.value.trim();
    let shown = text.value.escape_debug();
    let problem =
        |label: &str| Problem::error(format!("`{shown}` is not an IPv4 address")).at(text.span.clone(), label);
    if value.is_empty() {
        return Problem::error("a node's address is empty")
            .at(text.span.clone(), "empty")
            .help("such as address = \"192.168.1.11\"");
    }
    let bare = value.trim_start_matches('[').split(']').next().unwrap_or(value);
    let bare_v6 = bare.split(['/', '%']).next().unwrap_or(bare);
    if bare_v6.parse::<Ipv6Addr>().is_ok() {
        return problem("this is IPv6")
            .why("`microk8s join` splits its argument at colons and cannot parse IPv6 (canonical/microk8s scripts/wrappers/join.py)")
            .help("use the machine's IPv4 address: `ip -4 address` shows it");
    }
    if value != text.value && value.parse::<Ipv4Addr>().is_ok() {
        return problem("blanks around it").help(format!("write address = \"{value}\""));
    }
    let v4 = |text: &str| text.parse::<Ipv4Addr>().ok();
    if let Some((address, length)) = value.split_once('/')
        && let Some(address) = v4(address)
    {
        return problem("with a prefix length")
            .why("a node has one address; the network is read off the machine")
            .help(format!("leave out /{length}: address = \"{address}\""));
    }
    if let Some((address, port)) = value.split_once(':')
        && let Some(address) = v4(address)
    {
        return problem("with a port").help(format!("write address = \"{address}\" and ssh = {{ port = {port} }}"));
    }
    let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if value.split('.').all(numeric) {
        return problem("four numbers from 0 to 255, without leading zeros").help("such as address = \"192.168.1.11\"");
    }
    problem("this is a name")
        .why("`microk8s join` takes IP addresses only (canonical/microk8s#4396), and the data store records each member by its fixed address")
        .help(format!(
            "`getent ahostsv4 {value}` shows the address; reserve it in the router. A name to log in with goes to ssh = {{ host = \"{value}\" }}"
        ))
}
