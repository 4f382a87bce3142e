//! One `MicroK8s` cluster: its dqlite members, its authority, its Kubernetes objects.

use std::collections::BTreeMap;

use crate::kubernetes::{Kubernetes, NodeView};

use super::pki::{Authority, Pair};
use super::roles::{Role, Roles, Seen};
use super::{Millis, World};

/// Names a cluster of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u32);

/// A dqlite member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// dqlite's id.
    pub id: u64,
    /// `address:port` of its dqlite.
    pub address: String,
    /// Its role.
    pub role: Role,
    /// Its failure domain.
    pub domain: u64,
    /// The machine it is on; `None` for one outside of the lab, which never answers.
    pub machine: Option<String>,
}

/// One cluster.
pub struct Cluster {
    /// Its name in the world.
    pub id: ClusterId,
    /// Its dqlite members, in the order they joined.
    pub members: Vec<Member>,
    /// The member that leads.
    pub leader: Option<u64>,
    /// Its Kubernetes objects and controllers.
    pub kubernetes: Kubernetes,
    pub(super) authority: Authority,
    pub(super) dqlite_pair: Pair,
    /// No member is promoted before this moment.
    pub(super) slow_until: Millis,
    pub(super) next_roles: Millis,
    pub(super) next_kubernetes: Option<Millis>,
    /// Something the controllers look at has changed.
    pub(super) changed: bool,
}

/// How often the leader looks at the roles.
const ROLES_EVERY: Millis = 30_000;

impl Cluster {
    /// When something will happen in it by itself.
    pub(super) fn next_event(&self) -> Option<Millis> {
        let now = self.changed.then_some(0);
        [now, Some(self.next_roles), self.next_kubernetes].into_iter().flatten().min()
    }

    pub(super) fn member(&self, id: u64) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// How many members vote.
    pub fn voters(&self) -> usize {
        self.members.iter().filter(|member| member.role == Role::Voter).count()
    }
}

impl World {
    /// Whether packets go from one machine to another.
    pub(super) fn reach(&self, from: &str, to: &str) -> bool {
        let (Some(a), Some(b)) = (self.machines.get(from), self.machines.get(to)) else {
            return false;
        };
        a.powered && b.powered && (from == to || (a.connected && b.connected && !a.fenced && !b.fenced))
    }

    /// Whether the machine's dqlite answers.
    pub(super) fn dqlite_up(&self, machine: &str) -> bool {
        let Some(found) = self.machines.get(machine).filter(|machine| machine.powered) else {
            return false;
        };
        let Some(snap) = found.microk8s.as_ref().filter(|snap| snap.dqlite_ready) else {
            return false;
        };
        // A member that was removed behind its back serves no more, and neither does one whose address is another
        // machine's now: it cannot listen there.
        let member = snap.member.and_then(|id| self.cluster_of(machine)?.member(id));
        let host = member.and_then(|member| member.address.rsplit_once(':')?.0.parse::<std::net::Ipv4Addr>().ok());
        host.is_some_and(|host| host.is_loopback() || host == found.spec.address)
    }

    /// Whether the majority of the voters of `machine`'s cluster answers, seen from there.
    pub(super) fn quorum(&self, machine: &str) -> bool {
        let Some(cluster) = self.cluster_of(machine) else {
            return false;
        };
        let answering = cluster.members.iter().filter(|member| member.role == Role::Voter).filter(|member| {
            member.machine.as_ref().is_some_and(|peer| self.dqlite_up(peer) && self.reach(machine, peer))
        });
        answering.count() * 2 > cluster.voters()
    }

    /// Whether the API server on `machine` serves.
    pub fn api_up(&self, machine: &str) -> bool {
        let serving = self.machines.get(machine).is_some_and(|machine| {
            machine.powered
                && machine.microk8s.as_ref().is_some_and(|snap| snap.kubelite_ready && snap.member.is_some())
        });
        serving && !self.surroundings.api_is_away(self.now) && self.dqlite_up(machine) && self.quorum(machine)
    }

    /// A machine whose API server answers requests made on `machine`: itself, or for a worker one that it reaches.
    pub(super) fn api_for(&self, machine: &str) -> Option<String> {
        if self.machines.get(machine)?.is_worker() {
            let cluster = self.cluster_of(machine)?;
            let peers = cluster.members.iter().filter_map(|member| member.machine.clone());
            return peers.into_iter().find(|peer| self.reach(machine, peer) && self.api_up(peer));
        }
        self.api_up(machine).then(|| machine.to_owned())
    }

    /// The machines of a cluster, control planes and workers, in the order of the configuration.
    pub(super) fn machines_of(&self, id: ClusterId) -> Vec<String> {
        let inside =
            |name: &&String| self.machines[*name].microk8s.as_ref().is_some_and(|snap| snap.cluster == Some(id));
        self.order.iter().filter(inside).cloned().collect()
    }

    /// Tells the controllers of `machine`'s cluster that something changed.
    pub(super) fn touch_cluster(&mut self, machine: &str) {
        let id = self.machines.get(machine).and_then(|machine| machine.microk8s.as_ref()?.cluster);
        if let Some(cluster) = id.and_then(|id| self.clusters.get_mut(&id)) {
            cluster.changed = true;
        }
    }

    pub(super) fn touch_all(&mut self) {
        for cluster in self.clusters.values_mut() {
            cluster.changed = true;
        }
    }

    /// Forgets clusters nobody belongs to.
    pub(super) fn forget_empty_clusters(&mut self) {
        let used: Vec<ClusterId> =
            self.machines.values().filter_map(|machine| machine.microk8s.as_ref()?.cluster).collect();
        self.clusters.retain(|id, _| used.contains(id));
    }

    /// Runs what is due in the clusters: the leader's look at the roles, the controllers.
    pub(super) fn tick_clusters(&mut self) {
        let now = self.now;
        let ids: Vec<ClusterId> = self.clusters.keys().copied().collect();
        for id in ids {
            let cluster = &self.clusters[&id];
            if cluster.next_roles <= now {
                self.adjust_roles(id, true);
                if let Some(cluster) = self.clusters.get_mut(&id) {
                    cluster.next_roles = now + ROLES_EVERY;
                }
                for machine in self.machines_of(id) {
                    self.write_node_store(&machine);
                }
            }
            let cluster = &self.clusters[&id];
            if cluster.changed || cluster.next_kubernetes.is_some_and(|at| at <= now) {
                self.tick_kubernetes(id);
            }
        }
    }

    fn tick_kubernetes(&mut self, id: ClusterId) {
        let now = self.now;
        let machines = self.machines_of(id);
        let serving = machines.iter().any(|machine| self.api_up(machine));
        let mut views: Vec<NodeView> = machines.iter().filter_map(|machine| self.node_view(machine)).collect();
        // A kubelet that is silent says nothing about the Node of another machine that has its host name now.
        let heard: Vec<String> = views.iter().filter(|view| view.reachable).map(|view| view.name.clone()).collect();
        views.retain(|view| view.reachable || !heard.contains(&view.name));
        let Some(cluster) = self.clusters.get_mut(&id) else {
            return;
        };
        cluster.changed = false;
        cluster.next_kubernetes = None;
        if serving {
            cluster.kubernetes.tick(now, &views);
            cluster.next_kubernetes = cluster.kubernetes.next_event().map(|at| at.max(now + 1));
            self.watch_for_mount(id);
        }
    }

    /// Whether the kubelet of `name` finds an API server: its own, or, while its data store is on its way out of the cluster
    /// and still runs, the others' data behind its own.
    fn kubelet_reports(&self, name: &str) -> bool {
        if self.api_for(name).is_some() {
            return true;
        }
        let Some(snap) = self.machines.get(name).and_then(|machine| machine.microk8s.as_ref()) else { return false };
        let peers = self.cluster_of(name).into_iter().flat_map(|cluster| &cluster.members);
        let mut machines = peers.filter_map(|member| member.machine.as_deref());
        snap.dqlite_ready && machines.any(|peer| peer != name && self.reach(name, peer) && self.api_up(peer))
    }

    /// The kubelet of `machine` as its cluster sees it; `None` until it has registered.
    fn node_view(&self, name: &str) -> Option<NodeView> {
        let machine = self.machines.get(name)?;
        let snap = machine.microk8s.as_ref()?;
        let reachable = snap.kubelet_ready && machine.powered && self.kubelet_reports(name);
        Some(NodeView {
            name: machine.hostname.clone(),
            address: machine.spec.address,
            worker: machine.is_worker(),
            reachable,
            // `microk8s stop` removes the containers, too (canonical/microk8s `microk8s-resources/wrappers/microk8s-stop.wrapper`).
            connected: machine.powered && machine.connected && !machine.fenced && !machine.locked("stopped.lock"),
            version: snap.version.clone(),
            os_image: machine.os_image().to_owned(),
            kernel: machine.spec.kernel.clone(),
            kubelet_started: snap.kubelet_since,
            machine_id: machine.machine_id.clone(),
            boot_id: machine.boot_id.clone(),
            labels: BTreeMap::new(),
            cpus: machine.spec.cpus,
            memory_kib: machine.spec.memory_kib,
            nfs_client: machine.packages.contains_key("nfs-common"),
            iscsi: machine.iscsid_answers(),
        })
    }

    fn seen(&self, id: ClusterId) -> Vec<Seen> {
        let Some(cluster) = self.clusters.get(&id) else {
            return Vec::new();
        };
        let leader = cluster.leader.and_then(|id| cluster.member(id)?.machine.clone());
        let online = |member: &Member| {
            member.machine.as_ref().is_some_and(|machine| {
                self.dqlite_up(machine) && leader.as_ref().is_none_or(|leader| self.reach(leader, machine))
            })
        };
        let seen =
            |member: &Member| Seen { id: member.id, role: member.role, online: online(member), domain: member.domain };
        cluster.members.iter().map(seen).collect()
    }

    /// Elects a leader if there is none that answers and has a majority.
    pub(super) fn elect(&mut self, id: ClusterId) {
        let Some(cluster) = self.clusters.get(&id) else {
            return;
        };
        let able = |member: &&Member| {
            member.role == Role::Voter
                && member.machine.as_ref().is_some_and(|machine| self.dqlite_up(machine) && self.quorum(machine))
        };
        let current = cluster.leader.and_then(|id| cluster.member(id)).filter(able).map(|member| member.id);
        let leader = current.or_else(|| cluster.members.iter().find(able).map(|member| member.id));
        if let Some(cluster) = self.clusters.get_mut(&id) {
            cluster.leader = leader;
        }
    }

    /// Lets the leader bring the roles in order; promotions wait while the data store is slow.
    pub(super) fn adjust_roles(&mut self, id: ClusterId, promote: bool) {
        self.elect(id);
        let Some(leader) = self.clusters.get(&id).and_then(|cluster| cluster.leader) else {
            return;
        };
        // Every change brings the roles nearer to the targets; the bound only guards against a mistake in that.
        for _ in 0..64 {
            let Some((member, role)) = Roles::default().adjust(&self.seen(id), leader) else {
                break;
            };
            let slow = self.clusters.get(&id).is_some_and(|cluster| self.now < cluster.slow_until);
            if role != Role::Spare && (slow || !promote) {
                break;
            }
            self.set_role(id, member, role);
        }
        self.elect(id);
    }

    /// What a member does for its own role when it starts: it takes one that is wanting, and helps a lone voter.
    pub(super) fn assume_role(&mut self, id: ClusterId, member: u64) {
        self.elect(id);
        if self.clusters.get(&id).is_none_or(|cluster| self.now < cluster.slow_until || cluster.leader.is_none()) {
            return;
        }
        let lone = self.clusters.get(&id).is_some_and(|cluster| cluster.voters() == 1);
        if let Some(role) = Roles::default().assume(&self.seen(id), member) {
            self.set_role(id, member, role);
            if lone && role == Role::Voter {
                // The rest of the promotion follows as soon as the first is committed, seconds later.
                self.later(2_000, move |world| world.adjust_roles(id, true));
            }
        }
    }

    fn set_role(&mut self, id: ClusterId, member: u64, role: Role) {
        let Some(cluster) = self.clusters.get_mut(&id) else {
            return;
        };
        let mut machine = None;
        if let Some(member) = cluster.members.iter_mut().find(|candidate| candidate.id == member) {
            member.role = role;
            machine.clone_from(&member.machine);
        }
        if let Some(machine) = machine {
            self.write_own_info(&machine);
        }
        self.watch_for_dead_voter(id);
    }

    /// Removes a member; its machine, if it still runs, goes on without a cluster.
    pub(super) fn remove_member(&mut self, id: ClusterId, member: u64) {
        if let Some(cluster) = self.clusters.get_mut(&id) {
            cluster.members.retain(|candidate| candidate.id != member);
        }
        self.adjust_roles(id, false);
    }
}
