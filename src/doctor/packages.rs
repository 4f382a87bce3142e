//! Traps of snapd, which changes MicroK8s when it likes.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Sight, Sighting, Trap};
use crate::facts::NodeFacts;
use crate::microk8s::snap_list::can_hold;

pub(super) const TRAPS: &[Trap] = &[
    Trap {
        name: "refreshes-not-held",
        symptom: "the whole cluster goes down at night, and some of it does not come back",
        cause: "snapd refreshes MicroK8s by itself, on all nodes in the same window",
        link: "https://github.com/canonical/microk8s/issues/1022",
        look: not_held,
    },
    Trap {
        name: "hold-runs-out",
        symptom: "the cluster goes down at night, three months after everything was set up",
        cause: "snapd before 2.58 cannot hold one snap, and holds all of them for 90 days at most",
        link: "https://snapcraft.io/docs/managing-updates",
        look: runs_out,
    },
    Trap {
        name: "snap-change-under-way",
        symptom: "commands on the snap end with \"has … change in progress\", and services stop in the middle of something",
        cause: "snapd is at work on MicroK8s; one change at a time is all it does",
        link: "https://snapcraft.io/docs/snapd-error-codes",
        look: under_way,
    },
    Trap {
        name: "minor-versions-differ",
        symptom: "a join is accepted, and the new member never becomes a part of the data store",
        cause: "nodes run different minor versions of MicroK8s, which join does not compare",
        link: "https://github.com/canonical/microk8s/issues/3694",
        look: versions,
    },
];

/// A hold that ends sooner is as good as none: nobody runs homeprov every day.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

fn held_until(seen: &NodeFacts) -> Option<Timestamp> {
    seen.refresh_hold.as_ref()?.parse().ok()
}

fn holds_one(seen: &NodeFacts) -> bool {
    seen.snapd.as_deref().is_some_and(can_hold)
}

fn not_held(sight: &Sight<'_>) -> Vec<Sighting> {
    let open = sight.installed().filter(|(_, seen)| {
        let held = seen.snap.as_ref().is_none_or(crate::facts::Snap::held);
        !held && held_until(seen).is_none_or(|until| until <= sight.facts.observed_at)
    });
    open.map(|(node, seen)| {
        let tracking = seen.snap.as_ref().map_or("", |snap| snap.tracking.as_str());
        let (how, can) = if holds_one(seen) {
            ("`snap refresh --hold=forever microk8s`", "")
        } else {
            ("`snap set system refresh.hold=…` with a moment in 90 days at most", ", which cannot hold one snap")
        };
        let snapd = seen.snapd.as_deref().unwrap_or("of an unknown version");
        Sighting::on(
            &node.name,
            format!("microk8s follows {tracking} and is not held; snapd is {snapd}{can}"),
            format!("there: {how}; or {} does it", sight.homeprov(&["up"])),
        )
    })
    .collect()
}

fn runs_out(sight: &Sight<'_>) -> Vec<Sighting> {
    let short = sight.installed().filter_map(|(node, seen)| {
        let until = held_until(seen).filter(|_| !seen.snap.as_ref().is_some_and(crate::facts::Snap::held))?;
        let left = until.duration_since(sight.facts.observed_at);
        (left.is_positive() && left < SOON).then(|| {
            let snapd = seen.snapd.as_deref().unwrap_or("of an unknown version");
            Sighting::on(
                &node.name,
                format!("refreshes are held until {until}, and snapd is {snapd}"),
                format!("{} holds them anew; a newer snapd holds one snap for ever", sight.homeprov(&["up"])),
            )
        })
    });
    short.collect()
}

fn under_way(sight: &Sight<'_>) -> Vec<Sighting> {
    let busy = sight.installed().filter_map(|(node, seen)| {
        let change = seen.snap_change.as_ref()?;
        let remedy = "wait for it: `snap watch --last=auto-refresh?` there, or `snap changes microk8s` shows it";
        Some(Sighting::on(&node.name, format!("snapd says: {change}"), remedy))
    });
    busy.collect()
}

fn versions(sight: &Sight<'_>) -> Vec<Sighting> {
    let mut minors: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (node, seen) in sight.installed() {
        if let Some(minor) = seen.snap.as_ref().and_then(crate::facts::Snap::minor) {
            minors.entry(minor).or_default().push(&node.name);
        }
    }
    if minors.len() < 2 {
        return Vec::new();
    }
    let shown: Vec<String> = minors.iter().map(|(minor, names)| format!("{minor} on {}", names.join(", "))).collect();
    let remedy = format!(
        "bring all of them to {0}, one minor version and one node at a time: `snap refresh microk8s --channel={0}`",
        sight.inventory.cluster.channel
    );
    vec![Sighting::of_cluster(shown.join("; "), remedy)]
}
