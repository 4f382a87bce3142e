//! `microk8s remove-node` (canonical/microk8s `scripts/wrappers/remove_node.py`).

use std::net::IpAddr;

use super::super::World;
use super::super::process::{Call, Next, after};

/// `microk8s remove-node NAME|IP [--force]`
pub(super) fn remove_node(world: &mut World, call: &mut Call, args: Vec<String>) -> Next {
    if world.machine(&call.machine).is_worker() {
        return call.quit(
            1,
            "This MicroK8s deployment is acting as a node in a cluster. Please use the microk8s remove-node on the master.",
        );
    }
    let force = args.iter().any(|arg| arg == "--force");
    let Some(node) = args.into_iter().find(|arg| !arg.starts_with('-')) else {
        return after(400, |_, call| call.quit(1, "Please provide the node you want to remove."));
    };
    let took = world.around(1_340);
    after(took, move |world, call| remove(world, call, &node, force))
}

fn remove(world: &mut World, call: &mut Call, node: &str, force: bool) -> Next {
    let machine = call.machine.clone();
    let by_address = node.parse::<IpAddr>().is_ok();
    let found = world.api_nodes(&machine).into_iter().find(
        |(name, address)| {
            if by_address { address == node } else { name == node }
        },
    );
    let Some((name, address)) = found else {
        call.say(format!("Node {node} does not exist in Kubernetes."));
        if force && by_address {
            call.say(format!("Attempting to remove {node} from dqlite."));
            if let Some((id, member)) = member_at(world, &machine, node) {
                call.say("Removing node entry found in dqlite.");
                world.remove_member(id, member);
            }
        }
        return Next::Exit(1);
    };
    if let Some((id, member)) = member_at(world, &machine, &address) {
        if !force {
            call.say(format!(
                "Removal failed. Node {node} is registered with dqlite. Please, run first 'microk8s leave' on the departing \
                 node. \nIf the node is not available anymore and will never attempt to join the cluster in the future use the \
                 '--force' flag \nto unregister the node while removing it."
            ));
            return Next::Exit(1);
        }
        world.remove_member(id, member);
    }
    world.delete_api_node(&machine, &name);
    Next::Exit(0)
}

/// The dqlite member at `address`, unless it is the asking machine's own.
fn member_at(world: &World, machine: &str, address: &str) -> Option<(super::super::cluster::ClusterId, u64)> {
    let cluster = world.members_seen_from(machine)?;
    let own = world.machine(machine).microk8s.as_ref().and_then(|snap| snap.member);
    let member = cluster.members.iter().find(|member| member.address.starts_with(&format!("{address}:")))?;
    (Some(member.id) != own).then_some((cluster.id, member.id))
}
