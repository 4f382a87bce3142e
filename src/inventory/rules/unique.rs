//! What no two nodes may share.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{address, host_key};
use crate::diagnostic::Problem;
use crate::document::Report;
use crate::inventory::file::{File, NodeTable};

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
    let names: Vec<String> = owners.iter().map(|(node, _)| name(node)).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

fn name(node: &NodeTable) -> String {
    node.name
        .given()
        .map_or_else(|| "a node without a name".to_owned(), |name| format!("`{}`", name.value.escape_debug()))
}

/// Labels every owner with its name; the last one, which repeats the others, gets the place.
fn label_all(mut problem: Problem, owners: &[(&NodeTable, Range<usize>)]) -> Problem {
    for (node, span) in owners.iter().rev() {
        problem = problem.at(span.clone(), name(node));
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
    let shared = shared(file, |node| {
        let ssh = node.ssh.given()?;
        let host = ssh.host.given()?;
        let usual = || file.ssh.given().and_then(|ssh| ssh.port.given());
        let port = ssh.port.given().or_else(usual);
        let port = port.map_or(22, |port| port.value);
        let jump = ssh.jump.given().map(|jump| jump.value.as_str());
        Some(((host.value.as_str(), port, jump), host.span.clone()))
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
