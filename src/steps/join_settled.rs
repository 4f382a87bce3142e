//! What a join leaves behind is in order, also after a machine was cut off in the middle of one.
//!
//! Such a machine finishes joining by itself at its next boot, but the marker `join-in-progress` stays and
//! `no-cert-reissue` is missing (canonical/microk8s `scripts/wrappers/join.py` sets it last), so that `leave` would
//! refuse and a changed address would break its certificates.

use async_trait::async_trait;

use super::{Context, Failure, RustStep};
use crate::facts::Facts;
use crate::inventory::model::Inventory;
use crate::plan::{Place, Verdict};
use crate::ssh::{Program, Purpose};

/// A member of a cluster with others has `no-cert-reissue` and no `join-in-progress`.
pub struct JoinSettled;

#[async_trait]
impl RustStep for JoinSettled {
    fn check(&self, inventory: &Inventory, facts: &Facts, place: &Place) -> Verdict {
        let Place::Node(name) = place else { return Verdict::Holds };
        let (Some(node), Some(seen)) = (inventory.node(name), facts.node(name)) else { return Verdict::Holds };
        if !facts.is_member(node) {
            return Verdict::unknown("members-joined");
        }
        if seen.alone() {
            return Verdict::Holds;
        }
        let mut wrong = Vec::new();
        if seen.locks.contains("join-in-progress") {
            wrong.push("the marker join-in-progress is left");
        }
        if !seen.locks.contains("no-cert-reissue") {
            wrong.push("the marker no-cert-reissue is missing");
        }
        if wrong.is_empty() { Verdict::Holds } else { Verdict::differs(wrong.join(", ")) }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let script = "cd /var/snap/microk8s/current/var/lock && touch no-cert-reissue && rm -f join-in-progress";
        let node = context.node()?.name.clone();
        let answer = context.run(&node, Purpose::Apply, Program::Shell(script.to_owned())).await?;
        if answer.succeeded() {
            Ok(())
        } else {
            Err(Failure::command("setting the markers", answer.status, &answer.stderr))
        }
    }
}
