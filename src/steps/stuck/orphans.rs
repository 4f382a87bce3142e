//! Containers whose pods are gone, and which hold volumes: the kubelet has lost them, and unmounts nothing under them
//! (kubernetes/kubernetes#72346).

use std::collections::BTreeSet;

use super::proof::Proof;
use super::terminating::short;
use super::{Act, Finding, Kind};
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::ssh::{Program, Purpose};
use crate::steps::{Context, Failure};

/// For how long a process must have run: one that has just begun may be of a pod that was made after the list was read.
const OLD: u64 = 120;

pub(super) fn find(_: &Inventory, facts: &Facts) -> Vec<Finding> {
    let (Some(stuck), Some(cluster)) = (&facts.stuck, &facts.cluster) else { return Vec::new() };
    let known: BTreeSet<&str> = stuck.pods.iter().map(|pod| pod.uid.as_str()).collect();
    let mut found = Vec::new();
    for (node, holds) in &stuck.holds {
        let lost: BTreeSet<&str> =
            holds.processes.iter().map(|process| process.uid.as_str()).filter(|uid| !known.contains(uid)).collect();
        for uid in lost {
            let mounted: Vec<&str> = holds
                .mounts
                .iter()
                .filter(|mount| mount.path.split('/').any(|part| part == uid))
                .map(|mount| mount.path.as_str())
                .collect();
            let processes: Vec<_> = holds.processes.iter().filter(|process| process.uid == uid).collect();
            let age = processes.iter().map(|process| process.age).min().unwrap_or_default();
            let Some(first) = processes.first().filter(|_| !mounted.is_empty()) else { continue };
            let ready = cluster.nodes.get(node).is_some_and(|object| object.ready);
            let proof = match (ready, age >= OLD) {
                (false, _) => Proof::missing(
                    format!("{node} is not Ready: its kubelet may end it once it is back"),
                    format!("There: `snap restart microk8s.daemon-kubelite`, and run this again when {node} is Ready"),
                ),
                (true, false) => {
                    Proof::missing(format!("it has run for {age} s only"), "Run this again in two minutes")
                }
                (true, true) => Proof::given(format!(
                    "the cluster knows no pod {uid}, {node} is Ready and has not ended it, and it has run for {age} s"
                )),
            };
            found.push(Finding {
                kind: Kind::OrphanedContainer,
                subject: format!("{node} {uid}"),
                seen: format!(
                    "on {node} process {} of container {} belongs to a pod {uid} that is gone, and holds {}",
                    first.pid,
                    short(&first.container),
                    mounted.join(", ")
                ),
                why: "a kubelet that was restarted at the wrong moment forgets a container, and its volume stays mounted",
                way_out: format!("homeprov ends the processes of that pod on {node}; its kubelet then unmounts what they held"),
                proof,
                act: Act::EndProcesses { node: node.clone(), uid: uid.to_owned() },
            });
        }
    }
    found
}

/// SIGTERM, and after half a minute SIGKILL, to every process in a cgroup of the pod.
pub(super) async fn end(context: &Context, node: &str, uid: &str) -> Result<(), Failure> {
    let underscored = uid.replace('-', "_");
    let script = format!(
        "all() {{ grep -lsE 'pod({uid}|{underscored})' /proc/[0-9]*/cgroup | cut -d/ -f3; }}\nfor signal in TERM KILL; do\n\tkill -s $signal \
         $(all) 2>/dev/null\n\tfor second in $(seq 30); do [ -n \"$(all)\" ] || exit 0; sleep 1; done\ndone\necho \"processes of pod {uid} do not end: \
         $(all | tr '\\n' ' ')\"\nexit 1\n"
    );
    let answer = context.run(node, Purpose::Apply, Program::Shell(script)).await?;
    if answer.succeeded() {
        return Ok(());
    }
    Err(Failure::Refused {
        reason: format!("{} (a process that waits for its disk cannot be ended: restart {node})", answer.stdout.trim()),
    })
}
