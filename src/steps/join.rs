//! Nodes are joined: serially, by address, each with a fresh token of limited life.
//!
//! `microk8s join` prints "Successfully joined the cluster." and exits 0 even when the node never appeared
//! (canonical/microk8s `scripts/wrappers/join.py`, canonical/microk8s#4713), so only the cluster's own view and the
//! node's say that a node has joined.

use async_trait::async_trait;
use secrecy::ExposeSecret;

use super::guard::{self, Loss};
use super::{Context, Failure, RustStep};
use crate::facts::{Facts, Identity, MemberRole};
use crate::inventory::model::{Inventory, Node, Role};
use crate::microk8s::token;
use crate::plan::{Place, Verdict};
use crate::ssh::{Program, Purpose};

/// A node is a member: its Node is Ready at its address, the data store lists it, its own entry agrees.
pub struct Joined;

#[async_trait]
impl RustStep for Joined {
    fn check(&self, inventory: &Inventory, facts: &Facts, place: &Place) -> Verdict {
        let Place::Node(name) = place else { return Verdict::Holds };
        let (Some(node), Some(seen)) = (inventory.node(name), facts.node(name)) else { return Verdict::Holds };
        if facts.identity() == Identity::None {
            return Verdict::unknown("identity-recorded");
        }
        let Some(seed) = facts.seed(inventory) else {
            return no_seed(inventory, facts);
        };
        let Some(cluster) = &facts.cluster else {
            return Verdict::settling("the API does not answer, so it cannot be told");
        };
        if !facts.is_member(node) {
            return Verdict::differs("not a member yet");
        }
        let control_plane = node.role == Role::ControlPlane && !(seed.name == *name && seen.alone());
        let listed = |teller: &str| {
            facts.node(teller)?.members.as_ref().map(|all| all.iter().any(|member| member.address == node.address))
        };
        if control_plane && listed(&seed.name) == Some(false) {
            // It may be so for a moment while it joins.
            if let Some(readings) = facts.rival(inventory, node) {
                return Verdict::settling(readings);
            }
            return Verdict::differs(format!(
                "it carries the cluster's certificates, but the data store does not list {}",
                node.address
            ));
        }
        if control_plane && seen.info.as_ref().map(|info| info.address) != Some(node.address) {
            return Verdict::settling(format!("its own entry in the data store is not {} yet", node.address));
        }
        match cluster.nodes.get(name) {
            None => Verdict::settling("it has no Node object yet"),
            Some(object) if !object.ready => Verdict::settling(format!("its Node is not Ready: {}", object.message)),
            Some(_) if !cluster.ready_at(name, node.address) => {
                Verdict::settling(format!("its Node does not have the address {}", node.address))
            }
            Some(_) => Verdict::Holds,
        }
    }

    fn serial(&self) -> bool {
        true
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let node = context.node()?.clone();
        guard::refuse(context, &node.name, Loss::Restart, &format!("joining stops what runs on {}", node.name)).await?;
        let seed = context
            .facts
            .seed(&context.inventory)
            .ok_or_else(|| Failure::failed("no control plane of this cluster answers"))?;
        join(context, &seed.clone(), &node, node.role == Role::Worker).await
    }
}

/// No member answers: that passes while services start, and only with an unreachable one's return otherwise.
fn no_seed(inventory: &Inventory, facts: &Facts) -> Verdict {
    let away = inventory.control_planes().filter(|node| facts.unreachable(&node.name).is_some());
    let nodes: Vec<String> = away.map(|node| node.name.clone()).collect();
    let why = "no control plane of this cluster answers".to_owned();
    if nodes.is_empty() { Verdict::Settling { why } } else { Verdict::Waits { nodes, why } }
}

async fn join(context: &Context, seed: &Node, node: &Node, worker: bool) -> Result<(), Failure> {
    let fresh = token::fresh();
    let life = token::LIFE_SECONDS.to_string();
    let argv =
        ["/snap/bin/microk8s", "add-node", "--token", fresh.expose_secret(), "--token-ttl", &life, "--format", "json"];
    let announced = context.run(&seed.name, Purpose::Apply, Program::command(argv)).await?;
    let Some(connection) = token::connection(&announced.stdout, &fresh, seed.address) else {
        let said = format!("{}{}", announced.stdout, announced.stderr).replace(fresh.expose_secret(), "***");
        return Err(Failure::command(&format!("`microk8s add-node` on {}", seed.name), announced.status, &said));
    };
    let mut argv = vec!["/snap/bin/microk8s", "join", connection.expose_secret()];
    if worker {
        argv.push("--worker");
    }
    // The job is named after what it does, not after its token: a run that comes later finds it and attaches.
    let content = format!("join {} to {}", node.name, seed.name);
    let ended = context.job(&node.name, &content, Program::command(argv)).await;
    revoke(context, &seed.name, fresh.expose_secret()).await;
    let ended = ended?;
    if ended.status == 0 {
        return Ok(());
    }
    let output = ended.output.replace(connection.expose_secret(), "***");
    Err(Failure::command(&format!("`microk8s join` on {}", node.name), ended.status, &output))
}

/// Takes the token's line out of the seed's list: a token with a limited life is not consumed by its use
/// (canonical/microk8s-cluster-agent `pkg/snap/snap.go`). When this fails it runs out by itself.
async fn revoke(context: &Context, seed: &str, token: &str) {
    let file = "/var/snap/microk8s/current/credentials/cluster-tokens.txt";
    let script = format!("grep -v -F -f - {file} >{file}.homeprov; cat {file}.homeprov >{file}; rm -f {file}.homeprov");
    let program =
        Program::Command { argv: vec!["sh".into(), "-c".into(), script], input: Some(token.to_owned().into()) };
    if context.run(seed, Purpose::Apply, program).await.is_err() {
        context.say("the token could not be taken back; it runs out by itself within minutes");
    }
}

/// The voters among the members, as one node tells them.
pub fn voters(facts: &Facts, node: &str) -> Option<Vec<std::net::Ipv4Addr>> {
    let members = facts.node(node)?.members.as_ref()?;
    Some(members.iter().filter(|member| member.role == MemberRole::Voter).map(|member| member.address).collect())
}
