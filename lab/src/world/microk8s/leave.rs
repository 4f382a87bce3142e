//! `microk8s leave` (canonical/microk8s scripts/wrappers/leave.py).

use super::super::process::{Call, Next, after};
use super::super::roles::Role;
use super::super::{DATA, World};
use super::lifecycle::Pace;

/// `microk8s leave`, on the departing node.
pub(super) fn leave(world: &mut World, call: &mut Call) -> Next {
    if let Some(end) = super::lacks_sudo(world, call, "microk8s-leave.wrapper") {
        return end;
    }
    if !super::locked(world, call, "no-cert-reissue") {
        let text = "This MicroK8s deployment is not acting as a node in a cluster.";
        return after(300, move |_, call| call.quit(1, text));
    }
    if super::locked(world, call, "clustered.lock") {
        return after(800, |_, call| {
            call.say("Configuring services.");
            reset(call)
        });
    }
    after(1_200, |world, call| {
        let Some(cluster) = world.members_seen_from(&call.machine) else {
            return after(40_000, |_, call| call.fail(1, "Error: no available dqlite leader server found"));
        };
        let id = cluster.id;
        let own = world.machine(&call.machine).microk8s.as_ref().and_then(|snap| snap.member);
        let Some(member) = own.and_then(|own| cluster.member(own)).cloned() else {
            return reset(call);
        };
        if member.role == Role::Voter && cluster.voters() == 1 && cluster.members.len() > 1 {
            call.say(
                "This node currently holds the only copy of the Kubernetes database so it cannot leave the cluster.",
            );
            call.say("To remove this node you can either first remove all other nodes with 'microk8s remove-node' or");
            return call.quit(3, "form a highly available cluster by adding at least three nodes.");
        }
        if cluster.members.len() > 1 {
            world.hand_over(id, member.id);
            world.remove_member(id, member.id);
        }
        reset(call)
    })
}

impl World {
    /// A departing leader hands its office to another voter first.
    fn hand_over(&mut self, id: super::super::cluster::ClusterId, from: u64) {
        let Some(cluster) = self.clusters.get(&id) else {
            return;
        };
        if cluster.leader != Some(from) {
            return;
        }
        let heir = cluster.members.iter().find(|member| {
            member.id != from
                && member.role == Role::Voter
                && member.machine.as_ref().is_some_and(|machine| self.dqlite_up(machine))
        });
        let heir = heir.map(|member| member.id);
        if let Some(cluster) = self.clusters.get_mut(&id) {
            cluster.leader = heir;
        }
    }
}

fn reset(call: &mut Call) -> Next {
    call.say("Generating new cluster certificates.");
    // Out of the cluster already, the node's services go on for a while: its kubelet still reports.
    after(14_000, |world, call| {
        world.stop_services(&call.machine);
        after(6_000, |world, call| {
            let name = call.machine.clone();
            let machine = world.machine_mut(&name);
            for lock in ["clustered.lock", "no-cert-reissue", "no-k8s-dqlite", "join-in-progress"] {
                machine.set_lock(lock, false);
            }
            machine.set_lock("no-apiserver-proxy", true);
            let kubelet = machine.text(&format!("{DATA}/args/kubelet")).unwrap_or_default();
            let kubelet = kubelet.replace(
                "node.kubernetes.io/microk8s-worker=microk8s-worker",
                "node.kubernetes.io/microk8s-controlplane=microk8s-controlplane",
            );
            machine.files.write(&format!("{DATA}/args/kubelet"), kubelet.as_bytes(), 0o660);
            world.new_datastore(&name);
            world.start_services(&name, Pace { dqlite: 4_000, kubelite: 10_000, kubelet: 15_000 });
            call.print("Waiting for node to start. ");
            after(12_000, wait)
        })
    })
}

fn wait(world: &mut World, call: &mut Call) -> Next {
    let machine = call.machine.clone();
    if world.node_ready(&machine) {
        return call.quit(0, " ");
    }
    call.print(". ");
    after(10_000, wait)
}
