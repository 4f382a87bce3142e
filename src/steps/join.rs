//! Nodes are joined: serially, by address, each with a fresh token of limited life.
//!
//! `microk8s join` prints "Successfully joined the cluster." and exits 0 even when the node never appeared
//! (canonical/microk8s `scripts/wrappers/join.py`, canonical/microk8s#4713), so only the cluster's own view and the
//! node's say that a node has joined.

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::guard::{self, Loss};
use super::{Context, Failure, RustStep};
use crate::facts::{Facts, Identity, MemberRole};
use crate::inventory::model::{Inventory, Node, Role};
use crate::microk8s::token::{self, Token};
use crate::plan::{Place, Verdict};
use crate::redact;
use crate::ssh::{Program, Purpose, SectionAnswer};

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
            // What a machine that is a cluster of its own holds would be lost: it is looked at first.
            let unread = !facts.lone_namespaces.contains_key(name) && !seen.cut_off();
            if seen.control_plane_up() && seen.alone() && unread {
                return Verdict::settling("its own API does not tell yet whether it holds objects of yours");
            }
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
    let life = token::LIFE_SECONDS.to_string();
    let argv = ["/snap/bin/microk8s", "add-node", "--token-ttl", &life, "--format", "json"];
    let announced = context.run(&seed.name, Purpose::Apply, Program::command(argv)).await?;
    let Some(fresh) = Token::read(&announced.stdout) else {
        return Err(no_token(&seed.name, &announced));
    };
    let connection = fresh.connection(seed.address);
    redact::learn(&fresh.secret);
    redact::learn(&connection);
    let mut argv = vec!["/snap/bin/microk8s", "join", connection.expose_secret()];
    if worker {
        argv.push("--worker");
    }
    // The job is named after what it does, not after its token: a run that comes later finds it and attaches.
    let content = format!("join {} to {}", node.name, seed.name);
    let ended = context.job(&node.name, &content, Program::command(argv)).await;
    revoke(context, &seed.name, &fresh.secret).await;
    let ended = ended?;
    if ended.status == 0 {
        return Ok(());
    }
    let output = ended.output.replace(connection.expose_secret(), "***");
    Err(Failure::command(&format!("`microk8s join` on {}", node.name), ended.status, &output))
}

/// `add-node` told no token. What it printed instead may hold one in another form: that is not told on.
fn no_token(seed: &str, announced: &SectionAnswer) -> Failure {
    let what = format!("`microk8s add-node` on {seed}");
    if announced.succeeded() && !announced.stdout.is_empty() {
        let reason = format!("{what} ended with status 0, and what it printed announces no token that can be read");
        let remedy = format!("see what `sudo microk8s add-node --token-ttl 60 --format json` prints on {seed}");
        return Failure::Failed { reason, output: vec![remedy] };
    }
    let told = if announced.stdout.contains("token") { "" } else { &announced.stdout };
    Failure::command(&what, announced.status, &format!("{told}{}", announced.stderr))
}

/// Takes the token's line out of the seed's list: a token with a limited life is not consumed by its use
/// (canonical/microk8s-cluster-agent `pkg/snap/snap.go`). When this fails it runs out by itself.
async fn revoke(context: &Context, seed: &str, token: &SecretString) {
    let file = "/var/snap/microk8s/current/credentials/cluster-tokens.txt";
    // The copy holds the other tokens, and is for nobody but root to read.
    let script = format!(
        "umask 077; grep -v -F -f - {file} >{file}.homeprov; cat {file}.homeprov >{file}; rm -f {file}.homeprov"
    );
    let program = Program::Command { argv: vec!["sh".into(), "-c".into(), script], input: Some(token.clone()) };
    if context.run(seed, Purpose::Apply, program).await.is_err() {
        context.say("the token could not be taken back; it runs out by itself within minutes");
    }
}

/// The voters among the members, as one node tells them.
pub fn voters(facts: &Facts, node: &str) -> Option<Vec<std::net::Ipv4Addr>> {
    let members = facts.node(node)?.members.as_ref()?;
    Some(members.iter().filter(|member| member.role == MemberRole::Voter).map(|member| member.address).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rubbish_in_place_of_a_token_is_an_error_that_tells_no_token() {
        let answer = |status, stdout: &str| SectionAnswer {
            status,
            stdout: stdout.into(),
            stderr: "a warning\n".into(),
            timed_out: false,
        };
        let told = |failure: Failure| match failure {
            Failure::Failed { reason, output } => format!("{reason} {}", output.join(" ")),
            other => panic!("{other}"),
        };
        for rubbish in
            ["{\"token\": \"900c60f5d7053709f815571b541f73cc\"}", "900c60f5d7053709f815571b541f73cc/40e2b9214b3a"]
        {
            let said = told(no_token("nuc1", &answer(0, rubbish)));
            assert!(said.contains("on nuc1") && said.contains("--token-ttl 60") && !said.contains("900c60"), "{said}");
        }
        let said = told(no_token("nuc1", &answer(1, "token 900c60f5d7053709f815571b541f73cc")));
        assert!(said.contains("status 1") && said.contains("a warning") && !said.contains("900c60"), "{said}");
        let said = told(no_token("nuc1", &answer(1, "Insufficient permissions to access MicroK8s.")));
        assert!(said.contains("Insufficient permissions"), "{said}");
    }
}
