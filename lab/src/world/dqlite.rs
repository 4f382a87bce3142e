//! k8s-dqlite: how it starts, the files it keeps, and the shell `dqlite` that asks it.

use rand::RngExt as _;

use super::cluster::{Cluster, ClusterId, Member};
use super::pki::{self, Authority};
use super::process::{Call, Next, after};
use super::roles::Role;
use super::{BACKEND, DATA, World};
use crate::kubernetes::Kubernetes;

/// The id every first member has (canonical/dqlite: its bootstrap id).
const BOOTSTRAP: u64 = 0x2dc1_7185_8c31_55be;

impl World {
    /// What k8s-dqlite does once its process runs: follow the one-shot files, then serve. Comes again until it can.
    pub(super) fn dqlite_starts(&mut self, name: &str, generation: u64) {
        let Some(machine) = self.machines.get(name) else {
            return;
        };
        let Some(snap) = machine.microk8s.as_ref() else {
            return;
        };
        if snap.generation("k8s-dqlite") != generation || !snap.active("k8s-dqlite") {
            return;
        }
        if machine.files.exists(&format!("{BACKEND}/init.yaml")) {
            if !self.join_dqlite(name) {
                self.later_on(name, 1_000, move |world, name| {
                    world.dqlite_starts(name, generation);
                });
                return;
            }
        } else if snap.member.is_none() {
            self.bootstrap(name);
        }
        self.follow_update(name);
        if let Some(snap) = self.machine_mut(name).microk8s.as_mut() {
            snap.dqlite_ready = true;
        }
        self.serve_dqlite(name);
    }

    fn serve_dqlite(&mut self, name: &str) {
        let Some(snap) = self.machines.get(name).and_then(|machine| machine.microk8s.as_ref()) else {
            return;
        };
        let (Some(id), Some(member)) = (snap.cluster, snap.member) else {
            return;
        };
        self.write_node_store(name);
        self.assume_role(id, member);
        self.write_own_info(name);
        self.touch_cluster(name);
    }

    /// A data store of its own, as on a fresh installation or after leaving.
    pub(super) fn bootstrap(&mut self, name: &str) {
        let id = ClusterId(self.next_cluster);
        self.next_cluster += 1;
        let when = self.wall_clock();
        let authority = Authority::new(self.rng.random(), when);
        let dqlite_pair = pki::self_signed(self.rng.random(), when, "k8s");
        let seed = self.rng.random();
        let version = self.machine(name).microk8s.as_ref().map_or_else(String::new, |snap| snap.version.clone());
        let member = Member {
            id: BOOTSTRAP,
            address: "127.0.0.1:19001".to_owned(),
            role: Role::Voter,
            domain: 1,
            machine: Some(name.to_owned()),
        };
        let cluster = Cluster {
            id,
            members: vec![member],
            leader: Some(BOOTSTRAP),
            kubernetes: Kubernetes::new(self.now, self.epoch, seed, &version),
            authority,
            dqlite_pair,
            slow_until: 0,
            next_roles: self.now + 30_000,
            next_kubernetes: None,
            changed: true,
        };
        self.clusters.insert(id, cluster);
        if let Some(snap) = self.machine_mut(name).microk8s.as_mut() {
            snap.cluster = Some(id);
            snap.member = Some(BOOTSTRAP);
        }
        self.forget_empty_clusters();
        self.fit_cluster(id);
    }

    /// Becomes a member as `init.yaml` says; false while nobody there answers.
    fn join_dqlite(&mut self, name: &str) -> bool {
        let path = format!("{BACKEND}/init.yaml");
        let text = self.machine(name).text(&path).unwrap_or_default();
        let Some(address) = text.lines().find_map(|line| line.strip_prefix("Address: ")).map(str::to_owned) else {
            return false;
        };
        let peers = text.lines().filter_map(|line| line.strip_prefix("- ")).map(str::trim);
        let Some(peer) = peers.into_iter().find_map(|peer| self.answering_at(name, peer)) else {
            return false;
        };
        let Some(id) = self.machine(&peer).microk8s.as_ref().and_then(|snap| snap.cluster) else {
            return false;
        };
        let known = self.clusters[&id].members.iter().find(|member| member.address == address).map(|member| member.id);
        let member = known.unwrap_or_else(|| self.rng.random());
        if known.is_none() {
            let joined = Member { id: member, address, role: Role::Spare, domain: 1, machine: Some(name.to_owned()) };
            self.fit_new_member(id);
            if let Some(cluster) = self.clusters.get_mut(&id) {
                cluster.members.push(joined);
            }
        }
        let machine = self.machine_mut(name);
        machine.files.remove(&path);
        if let Some(snap) = machine.microk8s.as_mut() {
            snap.cluster = Some(id);
            snap.member = Some(member);
        }
        self.forget_empty_clusters();
        self.read_failure_domain(name);
        true
    }

    /// The machine that serves dqlite with a majority at `address`, seen from `from`: it listens there, and both hold the
    /// same dqlite certificate, without which TLS ends the connection.
    fn answering_at(&self, from: &str, address: &str) -> Option<String> {
        let host = address.rsplit_once(':')?.0;
        let peer = self.order.iter().find(|name| self.machines[*name].spec.address.to_string() == host)?;
        let own = self.machines[peer].microk8s.as_ref()?.member;
        let listens = self.cluster_of(peer)?.member(own?)?.address == address;
        let certificate = |name: &str| self.machines.get(name)?.text(&format!("{BACKEND}/cluster.crt"));
        let trusted = certificate(from) == certificate(peer);
        (listens && trusted && self.reach(from, peer) && self.dqlite_up(peer) && self.quorum(peer))
            .then(|| peer.clone())
    }

    fn follow_update(&mut self, name: &str) {
        let path = format!("{BACKEND}/update.yaml");
        let Some(text) = self.machine(name).text(&path) else {
            return;
        };
        let address = text.lines().find_map(|line| line.strip_prefix("Address: ")).map(|text| text.trim().to_owned());
        let snap = self.machine(name).microk8s.as_ref();
        let place = snap.and_then(|snap| Some((snap.cluster?, snap.member?)));
        if let (Some(address), Some((id, member))) = (address, place)
            && let Some(cluster) = self.clusters.get_mut(&id)
            && let Some(member) = cluster.members.iter_mut().find(|candidate| candidate.id == member)
        {
            member.address = address;
        }
        self.machine_mut(name).files.remove(&path);
    }

    /// kubelite's start copies `args/ha-conf` to the backend's `failure-domain`.
    pub(super) fn read_failure_domain(&mut self, name: &str) {
        let text = self.machine(name).text(&format!("{DATA}/args/ha-conf")).unwrap_or_default();
        let domain = text.lines().find_map(|line| line.trim().strip_prefix("failure-domain="));
        let domain = domain.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(1);
        let machine = self.machine_mut(name);
        machine.files.write(&format!("{BACKEND}/failure-domain"), format!("{domain}\n").as_bytes(), 0o664);
        let place = machine.microk8s.as_ref().and_then(|snap| Some((snap.cluster?, snap.member?)));
        if let Some((id, member)) = place
            && let Some(cluster) = self.clusters.get_mut(&id)
            && let Some(member) = cluster.members.iter_mut().find(|candidate| candidate.id == member)
        {
            member.domain = domain;
        }
    }

    /// `cluster.yaml`, the local copy of the member list: written at start and at the leader's every look.
    pub(super) fn write_node_store(&mut self, name: &str) {
        if self.dqlite_up(name) {
            self.write_stored_members(name);
        }
    }

    /// The same for a data store that does not run: what an earlier run of it left.
    pub(super) fn write_stored_members(&mut self, name: &str) {
        let Some(cluster) = self.cluster_of(name) else {
            return;
        };
        let entry = |member: &Member| {
            format!("- ID: {}\n  Address: {}\n  Role: {}\n", member.id, member.address, member.role.number())
        };
        let text: String = cluster.members.iter().map(entry).collect();
        let path = format!("{BACKEND}/cluster.yaml");
        let machine = self.machine_mut(name);
        if machine.text(&path).as_deref() != Some(&text) {
            machine.files.write(&path, text.as_bytes(), 0o660);
        }
    }

    /// `info.yaml`: the machine's own id, address and role.
    pub(super) fn write_own_info(&mut self, name: &str) {
        if !self.dqlite_up(name) {
            return;
        }
        let member = self.machine(name).microk8s.as_ref().and_then(|snap| snap.member);
        let Some(member) = member.and_then(|id| self.cluster_of(name)?.member(id)) else {
            return;
        };
        let text = format!("ID: {}\nAddress: {}\nRole: {}\n", member.id, member.address, member.role.number());
        self.machine_mut(name).files.write(&format!("{BACKEND}/info.yaml"), text.as_bytes(), 0o660);
    }

    /// The members as any client on `machine` gets them, which asks the nodes its `cluster.yaml` names for the leader.
    pub(super) fn members_seen_from(&self, machine: &str) -> Option<&Cluster> {
        let text = self.machines.get(machine)?.text(&format!("{BACKEND}/cluster.yaml"))?;
        let addresses = text.lines().filter_map(|line| line.trim().strip_prefix("Address: "));
        for address in addresses {
            let peer = if address.starts_with("127.0.0.1:") {
                (self.dqlite_up(machine) && self.quorum(machine)).then(|| machine.to_owned())
            } else {
                self.answering_at(machine, address)
            };
            if let Some(cluster) = peer.and_then(|peer| self.cluster_of(&peer)) {
                return Some(cluster);
            }
        }
        None
    }
}

/// `dqlite -s file://… -c … -k … [-f json] k8s .cluster|.leader` (canonical/go-dqlite cmd/dqlite).
pub(super) fn shell(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let query = args.last().cloned().unwrap_or_default();
    let json = args.windows(2).any(|pair| pair == ["-f", "json"] || pair == ["--format", "json"]);
    let took = world.around(110);
    after(took, move |world, call| {
        let Some(cluster) = world.members_seen_from(&call.machine) else {
            return after(3_000, |_, call| call.fail(1, "Error: no available dqlite leader server found"));
        };
        match query.as_str() {
            ".cluster" if json => {
                let entries: Vec<String> = cluster.members.iter().map(entry).collect();
                call.say(format!("[\n{}\n]", entries.join(",\n")));
            }
            ".cluster" => {
                for member in &cluster.members {
                    let role = match member.role {
                        Role::StandBy => "stand-by",
                        role => role.word(),
                    };
                    call.say(format!("{:x}|{}|{role}", member.id, member.address));
                }
            }
            ".leader" => {
                let leader = cluster.leader.and_then(|id| cluster.member(id));
                call.say(leader.map_or("", |member| member.address.as_str()));
            }
            other => return call.fail(1, format!("Error: unknown command: {other}")),
        }
        Next::Exit(0)
    })
}

fn entry(member: &Member) -> String {
    format!(
        "\t{{\n\t\t\"ID\": {},\n\t\t\"Address\": \"{}\",\n\t\t\"Role\": {}\n\t}}",
        member.id,
        member.address,
        member.role.number()
    )
}
