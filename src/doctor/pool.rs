//! Traps of the pool of addresses.

use super::{Sight, Sighting, Trap};
use crate::facts::MetallbFacts;
use crate::inventory::model::Metallb;
use crate::kube::read::METALLB;
use crate::steps::pool_probed;

pub(super) const TRAPS: &[Trap] = &[
    Trap {
        name: "addon-look-alike",
        symptom: "`microk8s enable metallb` says \"already enabled\", and no Service ever gets an address",
        cause: "MicroK8s takes any pod whose name begins with `speaker` for MetalLB's",
        link: "https://github.com/canonical/microk8s-core-addons/issues/118",
        look: look_alike,
    },
    Trap {
        name: "pool-missing",
        symptom: "`microk8s enable metallb` never ends, every other `enable` waits for it, and no Service gets an address",
        cause: "MetalLB's webhook does not take the pool yet, or refuses the range, and the addon tries for ever",
        link: "https://github.com/canonical/microk8s-core-addons/blob/main/addons/metallb/enable",
        look: missing,
    },
    Trap {
        name: "pool-differs",
        symptom: "`microk8s enable metallb` with another range says \"already enabled\", and addresses come from the old one",
        cause: "an addon that is enabled is not changed by being enabled again",
        link: "https://github.com/canonical/microk8s-core-addons/issues/118",
        look: differs,
    },
    Trap {
        name: "speaker-missing",
        symptom: "addresses are lost when the node that announces them fails, although others are up",
        cause: "MetalLB's speaker does not run on every node",
        link: "https://metallb.io/troubleshooting/",
        look: speakers,
    },
    Trap {
        name: "pool-not-proven",
        symptom: "Services have addresses, nodes reach them, and nobody else in the house does",
        cause: "it was never seen that an address of the pool is announced; between nodes kube-proxy answers, announced or not",
        link: "https://metallb.io/troubleshooting/",
        look: not_proven,
    },
    Trap {
        name: "pool-address-taken",
        symptom: "a site is reached every other time, and some device in the house loses its network",
        cause: "two devices have one address: the pool lies in what the router gives away, or a device has a fixed address in it",
        link: "https://github.com/metallb/metallb/issues/306",
        look: taken,
    },
];

/// What is wanted and what is there of it.
fn both<'a>(sight: &Sight<'a>) -> Option<(&'a Metallb, &'a MetallbFacts)> {
    Some((sight.inventory.metallb.as_ref()?, sight.cluster()?.metallb.as_ref()?))
}

fn look_alike(sight: &Sight<'_>) -> Vec<Sighting> {
    let installed = sight.cluster().is_none_or(|cluster| cluster.metallb.is_some());
    if sight.inventory.metallb.is_none() || installed {
        return Vec::new();
    }
    let alike = sight.extra.pods.iter().filter(|pod| pod.name.starts_with("speaker") && pod.namespace != METALLB);
    alike
        .map(|pod| {
            let (namespace, name) = (&pod.namespace, &pod.name);
            Sighting::of_cluster(
                format!("there is the pod {namespace}/{name}, and nothing of MetalLB"),
                format!(
                    "delete what makes it, or `microk8s kubectl -n {namespace} delete pod {name}`; then {}",
                    sight.homeprov(&["up"])
                ),
            )
        })
        .collect()
}

fn wanted_ranges(wanted: &Metallb) -> Vec<&str> {
    wanted.pool.iter().map(|range| range.text.as_str()).collect()
}

fn missing(sight: &Sight<'_>) -> Vec<Sighting> {
    let empty = both(sight).filter(|(_, seen)| seen.pools.is_empty());
    empty
        .map(|(wanted, seen)| {
            let ready = if seen.controller_ready { "is ready" } else { "is not ready" };
            Sighting::of_cluster(
                format!(
                    "MetalLB is there, its controller {ready}, and it has no pool; the inventory wants {}",
                    wanted_ranges(wanted).join(", ")
                ),
                format!(
                    "{} makes the pool, and ends the addon's script when it tries in vain",
                    sight.homeprov(&["up"])
                ),
            )
        })
        .into_iter()
        .collect()
}

fn differs(sight: &Sight<'_>) -> Vec<Sighting> {
    let Some((wanted, seen)) = both(sight).filter(|(_, seen)| !seen.pools.is_empty()) else { return Vec::new() };
    let wanted = wanted_ranges(wanted);
    if seen.pools.values().any(|ranges| ranges.iter().map(String::as_str).eq(wanted.iter().copied())) {
        return Vec::new();
    }
    let pools: Vec<String> = seen.pools.iter().map(|(name, ranges)| format!("{name}: {}", ranges.join(", "))).collect();
    let remedy = format!("{} writes the pool itself", sight.homeprov(&["up"]));
    vec![Sighting::of_cluster(format!("{}; the inventory says {}", pools.join("; "), wanted.join(", ")), remedy)]
}

fn speakers(sight: &Sight<'_>) -> Vec<Sighting> {
    let Some((_, seen)) = both(sight).filter(|(_, seen)| !seen.pools.is_empty()) else { return Vec::new() };
    let ready =
        |name: &str| sight.cluster().is_some_and(|cluster| cluster.nodes.get(name).is_some_and(|node| node.ready));
    let lack = sight.inventory.nodes.iter().filter(|node| ready(&node.name) && !seen.speakers.contains(&node.name));
    lack.map(|node| {
        let remedy = format!("`microk8s kubectl -n {METALLB} get pods -o wide` and `describe` show why; a taint on the Node keeps it away");
        Sighting::on(&node.name, "the Node is Ready, and no speaker is ready on it", remedy)
    })
    .collect()
}

fn not_proven(sight: &Sight<'_>) -> Vec<Sighting> {
    let whole = both(sight).filter(|(_, seen)| !seen.pools.is_empty() && seen.controller_ready);
    if whole.is_none() || pool_probed::valid_record(sight.inventory, sight.facts).is_some() {
        return Vec::new();
    }
    let remedy = format!(
        "{} asks by ARP from the nodes. If nobody answers: TCP and UDP port 7946 must be open between the nodes, and the interface with \
         their addresses must be one that carries ARP (some Wi-Fi does not)",
        sight.homeprov(&["up"])
    );
    vec![Sighting::of_cluster(
        "MetalLB is whole, and no probe of this pool on these nodes has found an address announced",
        remedy,
    )]
}

fn taken(sight: &Sight<'_>) -> Vec<Sighting> {
    let away = sight.inventory.nodes.iter().any(|node| sight.facts.unreachable(&node.name).is_some());
    let announced = sight.cluster().is_some_and(|cluster| cluster.metallb.is_some());
    if away && announced {
        // A node that only ssh does not reach may announce it.
        return Vec::new();
    }
    let taken = sight.extra.taken.iter();
    taken
        .map(|(address, mac)| {
            Sighting::of_cluster(
                format!("{address} is answered for by {mac}, which is none of the nodes"),
                format!(
                    "take {address} out of `[metallb] pool` or give that device another address; keep the whole pool out of what the \
                     router's DHCP gives away"
                ),
            )
        })
        .collect()
}
