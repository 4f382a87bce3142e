//! What something that was cut off has left behind.

use super::proof::Proof;
use super::{Act, Finding, Kind};
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::ssh::{Program, Purpose};
use crate::steps::{Context, Failure};

/// Where MicroK8s keeps its markers.
const LOCKS: &str = "/var/snap/microk8s/current/var/lock";

pub(super) fn find(inventory: &Inventory, facts: &Facts) -> Vec<Finding> {
    let Some(cluster) = &facts.cluster else { return Vec::new() };
    let joins = facts.answering(inventory).filter(|(_, seen)| seen.locks.contains("join-in-progress")).map(|(node, seen)| {
        let name = &node.name;
        let holds = facts.stuck.as_ref().and_then(|stuck| stuck.holds.get(name));
        let member = facts.is_member(node) && !seen.alone();
        let proof = match holds {
            None => Proof::missing(format!("what runs on {name} is not known"), "Run this again"),
            Some(holds) if holds.joining => {
                Proof::missing(format!("`microk8s join` runs on {name}"), "Wait until it has ended, and run this again")
            }
            Some(_) if member && !cluster.ready_at(name, node.address) => Proof::missing(
                format!("{name} has joined by half: it is not Ready"),
                "Wait two minutes, as it often comes by itself; then `homeprov up --repair INVENTORY`",
            ),
            Some(_) if member => Proof::given(format!("no `microk8s join` runs on {name}, and it is a member that is Ready")),
            Some(_) => Proof::given(format!("no `microk8s join` runs on {name}, and it is in no cluster with others")),
        };
        Finding {
            kind: Kind::Leftover,
            subject: format!("{name} join-in-progress"),
            seen: format!("{LOCKS}/join-in-progress is on {name}"),
            why: "a join that was cut off leaves it, and with it MicroK8s does not follow a change of the machine's address",
            way_out: format!("homeprov removes the marker on {name}"),
            proof,
            act: Act::SettleJoin { node: name.clone(), member },
        }
    });
    let cordoned = cluster.nodes.iter().filter(|(_, object)| object.repairing).map(|(name, _)| Finding {
        kind: Kind::Leftover,
        subject: format!("{name} cordoned"),
        seen: format!("the Node {name} takes no pods"),
        why: "a repair that was cut off has cordoned it",
        way_out: format!("homeprov uncordons {name}"),
        proof: Proof::given("its annotation says that a repair did it, and no other run holds the lock"),
        act: Act::Uncordon { node: name.clone() },
    });
    joins.chain(cordoned).collect()
}

/// As `microk8s join` ends (canonical/microk8s `scripts/wrappers/join.py`).
pub(super) async fn settle(context: &Context, node: &str, member: bool) -> Result<(), Failure> {
    let mark = if member { "touch no-cert-reissue && " } else { "" };
    let script = format!("cd {LOCKS} && {mark}rm -f join-in-progress");
    let answer = context.run(node, Purpose::Apply, Program::Shell(script)).await?;
    if answer.succeeded() {
        Ok(())
    } else {
        Err(Failure::command("removing the marker", answer.status, &answer.stderr))
    }
}
