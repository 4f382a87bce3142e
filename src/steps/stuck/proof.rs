//! What counts as proof.
//!
//! That a node uses a volume no more is proven by looking at it: neither a mount nor an iSCSI session. Where it cannot be looked
//! at, it has to be off: nobody answers for its address on the network, asked by nodes that hear each other, and the cluster has
//! not heard of it for longer than a kernel waits for a lost iSCSI target (open-iscsi `etc/iscsid.conf`,
//! `node.session.timeo.replacement_timeout = 120`): what it had open fails from then on.

use std::time::Duration;

use serde::Serialize;

use crate::facts::Facts;
use crate::inventory::model::Inventory;

/// For how long a node must have been silent: longer than its kernel would go on writing.
const SILENT: Duration = Duration::from_secs(150);

/// Whether something is known to be safe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "proof", rename_all = "kebab-case")]
pub enum Proof {
    /// It is.
    Given {
        /// Why, in words that follow "since".
        because: String,
    },
    /// It is not known to be.
    Missing {
        /// Why not.
        because: String,
        /// What would prove it, or mend it otherwise: a sentence with the command.
        would_prove: String,
    },
}

impl Proof {
    pub(super) fn given(because: impl Into<String>) -> Self {
        Self::Given { because: because.into() }
    }

    pub(super) fn missing(because: impl Into<String>, would_prove: impl Into<String>) -> Self {
        Self::Missing { because: because.into(), would_prove: would_prove.into() }
    }
}

/// Whether a node has let go of a volume.
pub(super) fn released(inventory: &Inventory, facts: &Facts, node: &str, volume: &str) -> Proof {
    let stuck = facts.stuck.as_ref();
    let Some(holds) = stuck.and_then(|stuck| stuck.holds.get(node)) else {
        return match stuck.and_then(|stuck| stuck.not_looked.get(node)) {
            Some(why) => Proof::missing(
                format!("{node} answers, and what it holds is not known: {why}"),
                format!(
                    "On {node}, neither `findmnt | grep {volume}` nor `iscsiadm -m session | grep {volume}` may print anything"
                ),
            ),
            None => off(inventory, facts, node),
        };
    };
    let mounts: Vec<String> = holds.mounts_of(volume).map(|mount| mount.path.clone()).collect();
    let sessions: Vec<&str> = holds.sessions_of(volume).collect();
    if mounts.is_empty() && sessions.is_empty() {
        return Proof::given(format!("{node} has neither a mount nor an iSCSI session of it"));
    }
    let because = format!(
        "{node} holds it: {}",
        [mounts, sessions.iter().map(|s| (*s).to_owned()).collect()].concat().join("; ")
    );
    let target = sessions.iter().flat_map(|session| session.split_whitespace()).find(|word| word.starts_with("iqn."));
    let logout = target
        .map_or_else(String::new, |target| format!(", and `iscsiadm -m node -T {target} --logout` ends the session"));
    Proof::missing(
        because,
        format!(
            "It is proven once {node} has let go: what uses it there is ended, its mounts are unmounted{logout}; a restart of {node} does all of it"
        ),
    )
}

/// Whether a node is off.
pub(super) fn off(inventory: &Inventory, facts: &Facts, node: &str) -> Proof {
    let way = format!(
        "Switch {node} on, then it can be looked at; or switch it off for good: `homeprov remove INVENTORY {node} --dead`"
    );
    let Some(known) = inventory.node(node) else {
        return Proof::missing(
            format!("{node} is no node of the inventory, so it cannot be looked at"),
            format!("If its machine is gone for good: `homeprov remove INVENTORY {node} --dead`"),
        );
    };
    if facts.node(node).is_some() {
        return Proof::missing(format!("{node} answers: it is not off"), way);
    }
    let (Some(stuck), Some(cluster)) = (&facts.stuck, &facts.cluster) else {
        return Proof::missing("the cluster does not answer", way);
    };
    if let Some(mac) = stuck.heard.answers(known.address) {
        let because =
            format!("{node} is not reached over SSH, and {mac} answers for {} on the network: it is on", known.address);
        return Proof::missing(because, format!("Mend the way to it, or hold its power button. {way}"));
    }
    let Some(askers) = stuck.heard.silent(known.address) else {
        let because = format!(
            "whether {node} is off cannot be told: no two nodes that answer are on one network with it and have arping"
        );
        return Proof::missing(because, way);
    };
    let since = cluster.nodes.get(node).and_then(|object| object.not_ready_since);
    let silent = since.map(|since| stuck.seconds_since(since));
    let needed = SILENT.as_secs();
    match silent {
        Some(seconds) if seconds >= needed => Proof::given(format!(
            "{node} is off: nobody answers for {} (asked by ARP from {}), and the cluster has not heard of it for {seconds} s; if only its \
             cable is out, it must not be put back before {node} was restarted",
            known.address,
            askers.join(" and ")
        )),
        Some(seconds) => Proof::missing(
            format!("{node} has been silent for {seconds} s only"),
            format!("After {needed} s without a word it counts as off: run this again"),
        ),
        None => Proof::missing(format!("the cluster calls {node} Ready still"), way),
    }
}
