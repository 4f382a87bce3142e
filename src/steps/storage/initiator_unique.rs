//! No two nodes have the same iSCSI initiator name. Cloned disk images share one, and a target takes two initiators of one
//! name for the same machine.

use async_trait::async_trait;

use super::jiva;
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};
use crate::ssh::{Program, Purpose};
use crate::steps::{Context, Failure, RustStep};

/// A node has an initiator name, and no node before it in the inventory has the same.
pub struct InitiatorUnique;

/// The script's status when it has changed nothing because the node has iSCSI sessions.
const SESSIONS: i32 = 3;

/// A session would be cut by another name, and with it what is mounted. Only status 21 says that there is none (open-iscsi
/// `include/iscsi_err.h`).
const RENAME: &str = r#"
iscsiadm -m session >/dev/null 2>&1
case $? in
0) exit 3 ;;
21) ;;
*) iscsiadm -m session >&2; exit 4 ;;
esac
file=/etc/iscsi/initiatorname.iscsi
umask 077
name=$(iscsi-iname) && [ -n "$name" ] &&
	printf '## Written by homeprov: another machine had the same name.\nInitiatorName=%s\n' "$name" >$file.homeprov &&
	mv $file.homeprov $file &&
	systemctl restart iscsid
"#;

#[async_trait]
impl RustStep for InitiatorUnique {
    fn check(&self, inventory: &Inventory, facts: &Facts, place: &Place) -> Verdict {
        let Place::Node(name) = place else { return Verdict::Holds };
        if !jiva(inventory) {
            return Verdict::Holds;
        }
        let Some(own) = facts.node(name).and_then(|seen| seen.initiator.as_deref()) else {
            return Verdict::differs("it has no initiator name");
        };
        let mut before = facts.answering(inventory).take_while(|(node, _)| node.name != *name);
        match before.find(|(_, seen)| seen.initiator.as_deref() == Some(own)) {
            Some((other, _)) => Verdict::differs(format!("{} has the same: {own}", other.name)),
            None => Verdict::Holds,
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let node = context.node()?.name.clone();
        let answer = context.run(&node, Purpose::Apply, Program::Shell(RENAME.to_owned())).await?;
        match answer.status {
            0 => Ok(()),
            SESSIONS => Err(Failure::Refused {
                reason: format!(
                    "{node} shares its initiator name with another node and has iSCSI sessions, which a new name would cut: move its pods away first (`microk8s kubectl drain {node} --ignore-daemonsets`), then run `up` again"
                ),
            }),
            status => Err(Failure::command("giving it an initiator name", status, &answer.stderr)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory};
    use super::*;
    use crate::facts::Observation;

    #[test]
    fn all_but_the_first_of_clones_differ() {
        let mut facts = facts();
        for node in ["nuc1", "nuc3"] {
            let Some(Observation::Seen(seen)) = facts.nodes.get_mut(node) else { panic!("it was seen") };
            seen.facts.initiator = Some("iqn.x:01:clone".into());
        }
        let check = |facts: &Facts, node: &str| InitiatorUnique.check(&inventory(3), facts, &Place::Node(node.into()));
        assert_eq!(check(&facts, "nuc1"), Verdict::Holds);
        assert_eq!(check(&facts, "nuc2"), Verdict::Holds);
        assert_eq!(check(&facts, "nuc3"), Verdict::differs("nuc1 has the same: iqn.x:01:clone"));
        let Some(Observation::Seen(seen)) = facts.nodes.get_mut("nuc2") else { panic!("it was seen") };
        seen.facts.initiator = None;
        assert_eq!(check(&facts, "nuc2"), Verdict::differs("it has no initiator name"));
    }
}
