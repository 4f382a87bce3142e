//! Which cluster the machines are of. Two of them are never made into one inventory.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::seen;
use crate::error::{ExitCode, Failure};
use crate::facts::identity::short;
use crate::facts::{IdentityRecord, NodeFacts, Observation};

/// The cluster that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Its certificate authority.
    pub ca: String,
    /// The machines that can tell of it, in order of address.
    pub tellers: Vec<Ipv4Addr>,
    /// The members of its data store; 127.0.0.1 alone where no other has ever joined.
    pub members: BTreeSet<Ipv4Addr>,
    /// What homeprov recorded of it, if it did.
    pub record: Option<IdentityRecord>,
}

/// The one cluster of these machines.
pub(super) fn found(machines: &BTreeMap<Ipv4Addr, Observation>) -> Result<Found, Failure> {
    let answering: Vec<(Ipv4Addr, &NodeFacts)> =
        machines.iter().filter_map(|(address, look)| Some((*address, seen(look)?))).collect();
    if answering.is_empty() {
        let reasons: Vec<String> = machines.iter().filter_map(|(address, look)| unreached(*address, look)).collect();
        return Err(Failure::new(ExitCode::Unreachable, reasons.join("\n")));
    }
    let installed: Vec<_> = answering.iter().filter(|(_, seen)| seen.installed).copied().collect();
    if installed.is_empty() {
        let text = "there is no MicroK8s on any of these machines: nothing is to be adopted";
        return Err(Failure::new(ExitCode::Refused, text).help("`homeprov init` writes an inventory for bare machines"));
    }
    let (ca, members) = one(&installed)?;
    let up = |(_, seen): &&(Ipv4Addr, &NodeFacts)| seen.control_plane_up();
    let tellers: Vec<Ipv4Addr> = installed.iter().filter(up).map(|(address, _)| *address).collect();
    if tellers.is_empty() {
        let text = "none of these machines is a control plane whose API server and data store answer: they alone can tell of the cluster";
        let help =
            "name a control plane, too; `microk8s status` and `microk8s start` there bring back one that is stopped";
        return Err(Failure::new(ExitCode::Unreachable, text).help(help));
    }
    let record = installed.iter().find_map(|(_, seen)| seen.identity.clone().filter(|record| record.ca == ca));
    Ok(Found { ca, tellers, members, record })
}

/// Machines that were found through the cluster are of it, or were not reached.
pub(super) fn same(found: &Found, others: &BTreeMap<Ipv4Addr, Observation>) -> Result<(), Failure> {
    let strange = others.iter().filter_map(|(address, look)| Some((*address, seen(look)?)));
    let mut strange = strange.filter(|(_, seen)| seen.ca.as_ref().is_some_and(|ca| *ca != found.ca));
    match strange.next() {
        None => Ok(()),
        Some((address, seen)) => Err(refused(format!(
            "the cluster {} has a node at {address}, and the machine there, {}, belongs to another one, {}",
            short(&found.ca),
            seen.host_name,
            short(seen.ca.as_deref().unwrap_or_default()),
        ))),
    }
}

fn unreached(address: Ipv4Addr, look: &Observation) -> Option<String> {
    match look {
        Observation::Unreachable { reason, .. } => Some(format!("{address}: {reason}")),
        Observation::Seen(_) => None,
    }
}

/// The certificate authority and the members that all of them agree upon.
fn one(installed: &[(Ipv4Addr, &NodeFacts)]) -> Result<(String, BTreeSet<Ipv4Addr>), Failure> {
    let mut clusters: BTreeMap<&str, Vec<(Ipv4Addr, &NodeFacts)>> = BTreeMap::new();
    for (address, seen) in installed {
        let Some(ca) = &seen.ca else {
            let text = format!(
                "{address} ({}) shows no certificate authority: which cluster it belongs to cannot be told",
                seen.host_name
            );
            return Err(refused(text));
        };
        clusters.entry(ca).or_default().push((*address, seen));
    }
    let mut groups = clusters.into_iter();
    let (Some((ca, machines)), None) = (groups.next(), groups.next()) else { return Err(several(installed)) };
    let lists: BTreeSet<BTreeSet<Ipv4Addr>> = machines.iter().filter_map(|(_, seen)| told(seen)).collect();
    let strangers = |one: &BTreeSet<Ipv4Addr>, other: &BTreeSet<Ipv4Addr>| one.is_disjoint(other) || loopback(one);
    for one in &lists {
        if let Some(other) = lists.iter().find(|other| *other != one && strangers(one, other)) {
            return Err(refused(format!(
                "these machines have the same certificate authority ({}), and two data stores that do not know each other: one lists {}, the \
                 other {}. One of them has left the other, or was cloned from it",
                short(ca),
                list(one),
                list(other),
            )));
        }
    }
    Ok((ca.to_owned(), lists.into_iter().flatten().collect()))
}

/// The members of a control plane's data store.
fn told(seen: &NodeFacts) -> Option<BTreeSet<Ipv4Addr>> {
    let members = seen.told_or_stored();
    (!seen.worker && !members.is_empty()).then(|| members.iter().map(|member| member.address).collect())
}

fn loopback(members: &BTreeSet<Ipv4Addr>) -> bool {
    members.iter().all(Ipv4Addr::is_loopback)
}

fn list(addresses: &BTreeSet<Ipv4Addr>) -> String {
    addresses.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(", ")
}

/// The refusal that names every cluster, and the names they share.
fn several(installed: &[(Ipv4Addr, &NodeFacts)]) -> Failure {
    let mut clusters: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (address, seen) in installed {
        let ca = seen.ca.as_deref().unwrap_or_default();
        clusters.entry(ca).or_default().push(format!("{address} ({})", seen.host_name));
        names.entry(&seen.host_name).or_default().insert(ca);
    }
    let told: Vec<String> =
        clusters.iter().map(|(ca, machines)| format!("  {}: {}", short(ca), machines.join(", "))).collect();
    let shared: Vec<&str> = names.iter().filter(|(_, clusters)| clusters.len() > 1).map(|(name, _)| *name).collect();
    let shared = if shared.is_empty() {
        String::new()
    } else {
        format!(
            "\nBoth have a node called {}: joined to one another, one would take the other's place",
            shared.join(", ")
        )
    };
    refused(format!(
        "these machines are of {} clusters, by their certificate authorities:\n{}{shared}",
        clusters.len(),
        told.join("\n")
    ))
}

fn refused(text: String) -> Failure {
    Failure::new(ExitCode::Refused, text)
        .help("name the machines of one cluster; each cluster has an inventory of its own")
}
