//! The inventory of what was read.

use super::text::Text;
use super::{Read, flux, nodes, site, storage};
use crate::facts::MetallbFacts;
use crate::facts::identity::short;
use crate::inventory::model::{PoolRange, Role};
use crate::steps::pool_exact::POOL;

/// What a cluster is called that nobody has named.
const NAME: &str = "home";

pub(super) fn text(read: &Read) -> String {
    let mut text = Text::default();
    text.comment(&format!(
        "Written by `homeprov adopt`, from the MicroK8s cluster {} as it was found; nothing on it was changed.",
        short(&read.found.ca)
    ));
    text.comment("`homeprov plan` shows what differs from what homeprov wants. `homeprov up` asks before it takes the cluster over.");
    for line in &read.unread {
        text.comment(line);
    }
    text.gap();
    let nodes = nodes::found(read);
    cluster(read, &nodes, &mut text);
    login(read, &mut text);
    nodes::write(read, &nodes, &mut text);
    pool(read.cluster.metallb.as_ref(), &mut text);
    storage::write(&read.cluster.storage, nodes.len(), &mut text);
    flux::write(read.flux.as_ref(), &mut text);
    site::write(read.site.as_ref(), &mut text);
    text.finish()
}

fn cluster(read: &Read, nodes: &[nodes::Found<'_>], text: &mut Text) {
    text.header("[cluster]");
    let record = read.found.record.as_ref().map(|record| record.cluster.as_str());
    text.comment(match record {
        Some(_) => "homeprov has recorded it under this name.",
        None => "Contexts, records and folders are called after it.",
    });
    text.key("name", record.or(read.asked.name.as_deref()).unwrap_or(NAME));
    let mut tracks: Vec<(&str, &str)> =
        nodes.iter().filter_map(|node| Some((node.machine?.snap.as_ref()?.tracking.as_str(), node.name))).collect();
    tracks.sort_unstable();
    let kinds = tracks.chunk_by(|one, other| one.0 == other.0);
    if kinds.count() > 1 {
        let told: Vec<String> = tracks.iter().map(|(track, name)| format!("{name} {track}")).collect();
        text.comment(&format!("The nodes do not follow the same channel: {}.", told.join(", ")));
    }
    match nodes.iter().find_map(|node| node.machine?.snap.as_ref()) {
        Some(snap) if snap.tracking.contains('/') => text.key("channel", snap.tracking.as_str()),
        Some(snap) => text.comment(&format!(
            "MicroK8s {} is there and follows no channel (revision {}): it was not installed from the store.",
            snap.version, snap.revision
        )),
        None => text.comment("Which channel MicroK8s follows could not be read: snapd gave no answer."),
    }
    if nodes.iter().filter(|node| node.role == Role::ControlPlane).count() == 2 {
        text.comment("Two control planes are less safe than one: only one of them votes, and its loss stops both.");
        text.key("allow_two_control_planes", true);
    }
    text.gap();
}

fn login(read: &Read, text: &mut Text) {
    let ssh = &read.asked.ssh;
    text.header("[ssh]");
    match &ssh.user {
        Some(user) => text.key("user", user.as_str()),
        None => text.instead("user = \"ubuntu\"   without this line ssh decides, as when you type `ssh ADDRESS`"),
    }
    if let Some(port) = ssh.port {
        text.key("port", i64::from(port));
    }
    for (key, path) in [("identity", &ssh.identity), ("config", &ssh.config)] {
        if let Some(path) = path {
            text.key(key, path.display().to_string());
        }
    }
    text.gap();
}

/// The pool homeprov keeps is the addon's.
fn pool(seen: Option<&MetallbFacts>, text: &mut Text) {
    let Some(seen) = seen.filter(|seen| !seen.pools.is_empty()) else {
        let why = if seen.is_some() { "MetalLB is there without a pool" } else { "MetalLB is not installed" };
        text.comment(&format!(
            "{why}. For addresses of services, in the nodes' network and out of what the router's DHCP gives away:"
        ));
        text.aside(|text| {
            text.header("[metallb]");
            text.key("pool", "192.168.1.240-192.168.1.250");
        });
        text.gap();
        return;
    };
    let others: Vec<&String> = seen.pools.keys().filter(|name| *name != POOL).collect();
    for name in &others {
        let ranges = seen.pools.get(*name).map(|ranges| ranges.join(", ")).unwrap_or_default();
        text.comment(&format!(
            "There is an IPAddressPool {name} with {ranges}: it stays, and homeprov does not look at it."
        ));
    }
    let (ranges, unread): (Vec<&String>, Vec<&String>) =
        seen.pools.get(POOL).into_iter().flatten().partition(|range| range.parse::<PoolRange>().is_ok());
    for range in unread {
        text.comment(&format!(
            "The pool has {range}, too, which homeprov cannot keep: it knows ranges of IPv4 addresses."
        ));
    }
    if ranges.is_empty() {
        text.comment(&format!(
            "homeprov keeps the IPAddressPool {POOL}. MetalLB refuses pools that overlap: rename yours, or delete it, before you write one here."
        ));
        text.gap();
        return;
    }
    text.comment("The addresses of services. Say what the router gives away, too (`dhcp_range`), and `homeprov verify pool` compares them.");
    text.header("[metallb]");
    match ranges.as_slice() {
        [only] => text.key("pool", only.as_str()),
        several => text.key("pool", several.iter().map(|range| range.as_str()).collect::<Vec<_>>()),
    }
    text.gap();
}
