//! What no two nodes may share.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::Range;

use super::{address, host_key};
use crate::diagnostic::Problem;
use crate::document::{At, Report};
use crate::inventory::file::{File, NodeTable};

/// The port of ssh when nobody names one.
const SSH_PORT: u32 = 22;

/// The nodes with something in common: the thing, and where each of them says so.
type Shared<'a, K> = Vec<(K, Vec<(&'a NodeTable, Range<usize>)>)>;

fn shared<'a, K: Ord>(file: &'a File, key: impl Fn(&'a NodeTable) -> Option<(K, Range<usize>)>) -> Shared<'a, K> {
    let mut owners: BTreeMap<K, Vec<_>> = BTreeMap::new();
    for node in file.nodes() {
        if let Some((key, span)) = key(node) {
            owners.entry(key).or_default().push((node, span));
        }
    }
    owners.into_iter().filter(|(_, owners)| owners.len() > 1).collect()
}

/// `` `a`, `b` and `c` ``
fn names(owners: &[(&NodeTable, Range<usize>)]) -> String {
    let names: Vec<String> = owners.iter().map(|(node, _)| node.called()).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// Labels every owner with its name; the last one, which repeats the others, gets the place.
fn label_all(mut problem: Problem, owners: &[(&NodeTable, Range<usize>)]) -> Problem {
    for (node, span) in owners.iter().rev() {
        problem = problem.at(span.clone(), node.called());
    }
    problem
}

/// Node names.
pub(super) fn node_names(file: &File, report: &mut Report) {
    let shared = shared(file, |node| {
        let name = node.name.given()?;
        Some((name.value.as_str(), name.span.clone()))
    });
    for (name, owners) in shared {
        let mut problem = Problem::error(format!("{} nodes are called `{}`", owners.len(), name.escape_debug()));
        for (index, (_, span)) in owners.iter().enumerate().rev() {
            let label = if index == 0 { "first here" } else { "again here" };
            problem = problem.at(span.clone(), label);
        }
        report.push(
            problem
                .why("the name is the host name and the name of the Node object; two machines would fight over one object")
                .help("give each machine a name of its own"),
        );
    }
}

/// Addresses in the cluster.
pub(super) fn addresses(file: &File, report: &mut Report) {
    let shared = shared(file, |node| {
        let text = node.address.given()?;
        Some((address::parse(text).ok()?, text.span.clone()))
    });
    for (address, owners) in shared {
        let problem = Problem::error(format!("{} share the address {address}", names(&owners)));
        report.push(
            label_all(problem, &owners)
                .why("each member of the data store is known by its address")
                .help("`ip -4 address` on each machine shows its own"),
        );
    }
}

/// Where ssh connects to: the same host, port and way mean the same machine.
pub(super) fn logins(file: &File, report: &mut Report) {
    let jump = |node: &NodeTable| {
        let own = node.ssh.given().and_then(|ssh| ssh.jump.given());
        own.or_else(|| file.ssh.given()?.jump.given()).map(|jump| jump.value.clone())
    };
    let shared = shared(file, |node| {
        let host = host(node)?;
        Some(((host.value.to_ascii_lowercase(), port(file, node), jump(node)), host.span.clone()))
    });
    for ((host, _, _), owners) in shared {
        let problem =
            Problem::error(format!("{} are reached at the same host `{}`", names(&owners), host.escape_debug()));
        report.push(
            label_all(problem, &owners)
                .why("one machine cannot be two nodes")
                .help("correct `host`, or give each its own `port`"),
        );
    }
}

/// Where ssh connects to for one node is not the address of another. Behind another port there may be another machine.
pub(super) fn hosts(file: &File, report: &mut Report) {
    for node in file.nodes() {
        let Some(host) = host(node) else { continue };
        let Ok(dialled) = host.value.parse::<Ipv4Addr>() else { continue };
        // Its own address: who else has it is reported there.
        if node.address.given().is_some_and(|own| address::parse(own) == Ok(dialled)) {
            continue;
        }
        let other = file.nodes().iter().find_map(|other| {
            let address = other.address.given().filter(|address| address::parse(address) == Ok(dialled))?;
            let others_port = match self::host(other) {
                None => port(file, other),
                Some(elsewhere) if elsewhere.value == host.value => return None,
                Some(_) => SSH_PORT,
            };
            (port(file, node) == others_port).then_some((other, address))
        });
        if let Some((other, address)) = other {
            let (node, other) = (node.called(), other.called());
            report.push(
                Problem::error(format!("{node} is reached at {dialled}, which is the address of {other}"))
                    .at(host.span.clone(), node)
                    .at(address.span.clone(), other)
                    .why("one machine cannot be two nodes")
                    .help("correct `host` or `address`; without `host` a node is reached at its own address"),
            );
        }
    }
}

fn host(node: &NodeTable) -> Option<&At<String>> {
    node.ssh.given()?.host.given()
}

fn port(file: &File, node: &NodeTable) -> u32 {
    let own = node.ssh.given().and_then(|ssh| ssh.port.given());
    own.or_else(|| file.ssh.given()?.port.given()).map_or(SSH_PORT, |port| port.value)
}

/// Pinned host keys.
pub(super) fn host_keys(file: &File, report: &mut Report) {
    let shared = shared(file, |node| {
        let text = node.host_key.given()?;
        Some((host_key::parse(text).ok()?, text.span.clone()))
    });
    for (_, owners) in shared {
        let problem = Problem::warning(format!("{} have the same host key", names(&owners)));
        report.push(
            label_all(problem, &owners)
                .why("machines installed from one copied disk share host keys, and often the machine-id, which MicroK8s needs to be different")
                .help("on all but one of them: sudo rm /etc/ssh/ssh_host_*_key* && sudo ssh-keygen -A, then restart ssh"),
        );
    }
}
