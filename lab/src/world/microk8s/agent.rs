//! The cluster agent's side of a join (canonical/microk8s-cluster-agent pkg/api/v2/join.go).

use std::net::Ipv4Addr;

use super::super::World;
use super::super::cluster::ClusterId;
use super::super::{BACKEND, DATA, Millis};
use super::lifecycle::Pace;

/// Who asks to join, and how.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) joiner: String,
    pub(super) contacted: String,
    pub(super) dialled: Ipv4Addr,
    pub(super) token: String,
    pub(super) worker: bool,
}

/// What the agent grants.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) cluster: ClusterId,
    pub(super) voters: Vec<String>,
    /// The contacted node's data store restarts for this long; the answer comes afterwards.
    pub(super) restart: Option<Millis>,
}

/// A refusal: the text of the agent's `error` and its HTTP status.
pub(super) type Refusal = (String, u16);

impl World {
    /// Judges a join in the agent's order: the token is consumed before anything else is looked at.
    pub(super) fn agent_join(&mut self, request: &Request) -> Result<Grant, Refusal> {
        let contacted = &request.contacted;
        if !self.consume_token(contacted, &request.token) {
            return Err(("Invalid token".to_owned(), 500));
        }
        if !self.machine(contacted).locked("ha-cluster") {
            return Err(("Not possible to join. This is not an HA MicroK8s cluster".to_owned(), 501));
        }
        let address = self.machine(&request.joiner).spec.address;
        if address == request.dialled {
            let text = format!("The joining node has the same IP ({address}) as the node we contact");
            return Err((text, 503));
        }
        if self.fit_refuse_join() {
            let text =
                "Failed to retrieve dqlite cluster nodes: failed to query dqlite: exit status 1: database is locked";
            return Err((text.to_owned(), 500));
        }
        let Some(cluster) = self.members_seen_from(contacted) else {
            let text = "Failed to retrieve dqlite cluster nodes: failed to query dqlite: exit status 1";
            return Err((text.to_owned(), 500));
        };
        let id = cluster.id;
        // Both are done before the agent looks whether it is a worker that joins (`MaybeUpdateDqliteBindAddress`).
        let known = format!("{address}:19001");
        if cluster.members.iter().any(|member| member.address == known) {
            let text = format!(
                "Failed to retrieve dqlite cluster nodes: the joining node ({address}) is already known to dqlite"
            );
            return Err((text, 500));
        }
        let first = cluster.members.len() == 1 && cluster.members[0].address.starts_with("127.0.0.1:");
        let restart = first.then(|| self.readdress(contacted, request.dialled));
        self.machine_mut(contacted).set_lock("no-cert-reissue", true);
        let cluster = &self.clusters[&id];
        let rewritten = |address: &str| address.replace("127.0.0.1", &request.dialled.to_string());
        let voters = cluster.members.iter().filter(|member| member.role.number() == 0);
        let voters = voters.map(|member| rewritten(&member.address)).collect();
        Ok(Grant { cluster: id, voters, restart })
    }

    /// Takes a token off the list, unless it has a life of its own or is a persistent one.
    fn consume_token(&mut self, contacted: &str, token: &str) -> bool {
        let now = self.machine_clock(contacted).as_second();
        let persistent = self.machine(contacted).text(&format!("{DATA}/credentials/persistent-cluster-tokens.txt"));
        if persistent.is_some_and(|text| text.lines().any(|line| line.trim() == token)) {
            return true;
        }
        let text = self.machine(contacted).text(&super::tokens_path()).unwrap_or_default();
        let mut valid = false;
        let mut kept = String::new();
        for line in text.lines() {
            let (name, expiry) =
                line.split_once('|').map_or((line.trim(), None), |(name, at)| (name, at.parse::<i64>().ok()));
            let alive = expiry.is_none_or(|at| at > now);
            valid |= alive && name == token;
            if alive && (name != token || expiry.is_some()) {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        if kept != text {
            self.machine_mut(contacted).files.write(&super::tokens_path(), kept.as_bytes(), 0o660);
        }
        valid
    }

    /// Before the first join the contacted node's dqlite moves from 127.0.0.1 to the address that was dialled, which
    /// takes a restart; without it there is no API for some seconds.
    fn readdress(&mut self, contacted: &str, dialled: Ipv4Addr) -> Millis {
        let update = format!("Address: {dialled}:19001\n");
        self.machine_mut(contacted).files.write(&format!("{BACKEND}/update.yaml"), update.as_bytes(), 0o660);
        let down = self.fit_restart_time();
        self.stop_service(contacted, "k8s-dqlite");
        self.start_service(contacted, "k8s-dqlite", Pace { dqlite: down, ..Pace::RESTART });
        down
    }
}
