//! The faults in effect, and where they bite.

mod moments;
mod power;

use std::collections::BTreeSet;

use moments::Window;
use power::Target;

use super::cluster::ClusterId;
use super::faults::{Fault, FaultKind};
use super::machine::Machine;
use super::{Millis, World};
use crate::kubernetes;

/// What a fault means to a cluster, where it is one's.
fn of_cluster(kind: FaultKind) -> Option<kubernetes::Fault> {
    Some(match kind {
        FaultKind::ReplicaWo => kubernetes::Fault::ReplicaStaysWriteOnly,
        FaultKind::ReplicaLost => kubernetes::Fault::ReplicaLost,
        FaultKind::ReadOnlyVolume => kubernetes::Fault::ReadOnlyVolume,
        FaultKind::StaleMountOwner => kubernetes::Fault::StaleMountOwner,
        FaultKind::OrphanedContainer => kubernetes::Fault::OrphanedContainer,
        FaultKind::SlowVolume => kubernetes::Fault::SlowVolume,
        FaultKind::FluxReconcileFails => kubernetes::Fault::FluxReconcileFails,
        FaultKind::HelmInstallFailsOnce => kubernetes::Fault::HelmInstallFailsOnce,
        FaultKind::HelmInstallBreaksOff => kubernetes::Fault::HelmInstallBreaksOff,
        FaultKind::ImagePull => kubernetes::Fault::ImagePull,
        FaultKind::DbSlowStart => kubernetes::Fault::DbSlowStart,
        FaultKind::MissingSecretKey => kubernetes::Fault::MissingSecretKey,
        FaultKind::NoIngressAddress => kubernetes::Fault::NoIngressAddress,
        FaultKind::TruncatedStream => kubernetes::Fault::TruncatedStream,
        _ => return None,
    })
}

/// The faults of a world.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    /// Machines with snapd 2.57.6.
    old_snapd: Vec<String>,
    store: Window,
    apt: Window,
    /// Joins to refuse after their token was consumed.
    refused_joins: u32,
    /// Joins whose member comes late.
    late_joins: u32,
    /// How long new members stay spares.
    slow_votes: Option<Millis>,
    /// How long the first join's restart takes.
    restart: Option<Millis>,
    /// How long `MetalLB`'s webhook refuses once the addon was applied.
    pub(super) webhook: Option<Millis>,
    /// Whether that time is running.
    pub(super) webhook_ends: bool,
    pub(super) sticky_speaker: bool,
    pub(super) not_announced: bool,
    /// A voter to switch off once there are three.
    dead_voter: Option<Target>,
    /// A machine to cut off in mid-join.
    half_joined: Option<Target>,
    /// A machine to switch off once it has a volume mounted.
    terminating_stuck: Option<Target>,
    /// Machines on which iscsid is off until somebody enables it.
    iscsid_off: Vec<String>,
    /// Machines whose package lists do not know nfs-common yet.
    no_nfs_client: Vec<String>,
    /// Those that are there for good and say all by their name.
    lasting: BTreeSet<FaultKind>,
    /// What every cluster does wrong.
    pub(super) of_clusters: Vec<kubernetes::Fault>,
    /// When the Git server can be reached again.
    pub(super) git_back: Millis,
    /// The initiator name all machines share.
    cloned_initiator: Option<String>,
}

/// The last one without `snap refresh --hold` (canonical/snapd release notes of 2.58).
const OLD_SNAPD: &str = "2.57.6";

impl Faults {
    pub(super) fn old_snapd(&self, machine: &str) -> bool {
        self.old_snapd.iter().any(|name| name == machine)
    }

    /// Whether a fault that lasts is there.
    pub(super) fn has(&self, kind: FaultKind) -> bool {
        self.lasting.contains(&kind)
    }

    /// A fault that was to happen once has happened.
    pub(super) fn take(&mut self, kind: FaultKind) -> bool {
        self.lasting.remove(&kind)
    }

    fn iscsid_off(&self, machine: &str) -> bool {
        self.iscsid_off.iter().any(|name| name == machine)
    }

    /// Whether the machine's package lists lack a package until they are updated.
    pub(super) fn unlisted(&self, machine: &str, package: &str) -> bool {
        package == "nfs-common" && self.no_nfs_client.iter().any(|name| name == machine)
    }

    /// The machine's package lists were updated.
    pub(super) fn lists_updated(&mut self, machine: &str) {
        self.no_nfs_client.retain(|name| name != machine);
    }

    /// What is wrong with a machine's packages from their installation on.
    pub(super) fn spoil_packages(&self, machine: &mut Machine) {
        if let Some(name) = &self.cloned_initiator {
            super::iscsi::clone_name(machine, name);
        }
        if self.iscsid_off(machine.name()) {
            super::iscsi::switch_off(machine);
        }
        if self.old_snapd(machine.name()) && machine.packages.contains_key("snapd") {
            super::system::write_snapd_info(machine, OLD_SNAPD);
        }
    }
}

impl World {
    /// Puts a fault in place, now. Those that need a cluster wait for it: `dead-voter` until there have been three voters
    /// for 20 s (or acts at once if `machine` is given and is one), `half-joined` until a third member joins;
    /// `first-node-reinstalled` reinstalls at once and is meant for a world that has its cluster.
    pub fn inject(&mut self, fault: Fault) {
        let Fault { kind, machine, lasts } = fault;
        let last = self.order.last().cloned().unwrap_or_default();
        let chosen = machine.clone().filter(|name| self.machines.contains_key(name));
        let at_last = chosen.clone().unwrap_or(last);
        let everywhere = chosen.clone().map_or_else(|| self.order.clone(), |name| vec![name]);
        let faults = &mut self.faults;
        match kind {
            FaultKind::JoinFalseSuccess => faults.late_joins += 1,
            FaultKind::JoinConsumedToken => faults.refused_joins += 1,
            FaultKind::DqliteSlowVote => faults.slow_votes = Some(lasts.unwrap_or(110_000)),
            FaultKind::FirstJoinApiRestart => faults.restart = Some(lasts.unwrap_or(45_000)),
            FaultKind::MetallbEndlessLoop => {
                faults.webhook = Some(lasts.unwrap_or(120_000));
                if self.has_metallb() {
                    self.fit_webhook();
                }
            }
            FaultKind::MetallbStickyEnabled => faults.sticky_speaker = true,
            FaultKind::PoolNotAnnounced => faults.not_announced = true,
            FaultKind::OldSnapd => {
                faults.old_snapd.extend(everywhere.iter().cloned());
                for name in everywhere {
                    let machine = self.machine_mut(&name);
                    if machine.packages.contains_key("snapd") {
                        super::system::write_snapd_info(machine, OLD_SNAPD);
                    }
                }
            }
            FaultKind::SnapStoreDown => faults.store = Window::Armed(lasts.unwrap_or(90_000)),
            FaultKind::AptLocked => faults.apt = Window::Armed(lasts.unwrap_or(45_000)),
            FaultKind::SnapBusy => {
                for name in everywhere {
                    self.machine_mut(&name).snapd.busy = Some(lasts.unwrap_or(60_000));
                }
            }
            FaultKind::DuplicateMachineId => self.share_machine_id(&at_last),
            FaultKind::ClockSkew => {
                let machine = self.machine_mut(&at_last);
                machine.clock_offset = 300_000;
                machine.time_synced = false;
            }
            FaultKind::SmallMemory => self.machine_mut(&at_last).spec.memory_kib = 512 * 1024,
            FaultKind::ForeignCluster => {
                let second = self.order.get(1).or(self.order.first()).cloned().unwrap_or_default();
                self.prepare_foreign_cluster(&chosen.unwrap_or(second));
            }
            FaultKind::FirstNodeReinstalled => {
                let first = chosen.or_else(|| self.order.first().cloned()).unwrap_or_default();
                // At the beginning there is nothing to lose: a fault of the configuration waits to be asked for.
                if self.now > 0 {
                    self.reinstall(&first);
                }
            }
            FaultKind::DeadVoter => self.condemn_voter(chosen),
            FaultKind::TerminatingStuck => self.faults.terminating_stuck = Some(chosen.into()),
            FaultKind::HalfJoined => self.faults.half_joined = Some(chosen.into()),
            FaultKind::IscsidOff => {
                for name in everywhere {
                    super::iscsi::switch_off(self.machine_mut(&name));
                    self.faults.iscsid_off.push(name);
                }
            }
            FaultKind::NfsClientMissing => {
                super::nfs::remove(self.machine_mut(&at_last));
                self.faults.no_nfs_client.push(at_last);
            }
            FaultKind::ClonedInitiatorName => {
                let name = self.new_initiator_name(&at_last);
                for machine in self.order.clone() {
                    super::iscsi::clone_name(self.machine_mut(&machine), &name);
                }
                self.faults.cloned_initiator = Some(name);
            }
            FaultKind::DiskFull => self.fill_disk(&at_last, 300),
            FaultKind::DpkgInterrupted => everywhere.iter().for_each(|name| self.interrupt_dpkg(name)),
            FaultKind::DnsDown => self.mute_dns(&at_last, lasts.unwrap_or(240_000)),
            FaultKind::AutoRefresh => self.surroundings.eager_refresh = true,
            FaultKind::PoolTaken => self.take_address([10, 77, 0, 203].into(), "b8:27:eb:4d:00:cb"),
            FaultKind::PoolCollision => self.await_pool(kind),
            FaultKind::ApiFlaps => self.flap_api(lasts.unwrap_or(900_000), 20_000, 4_000),
            // The last three are for the servers beside the nodes, which are the runtime's: it asks for them.
            FaultKind::KubeletDir
            | FaultKind::ChartRepoDown
            | FaultKind::RwxOnHostpath
            | FaultKind::HelmNameInUse
            | FaultKind::GitPushRejected
            | FaultKind::HumanEdit
            | FaultKind::SmtpClosed => {
                faults.lasting.insert(kind);
            }
            FaultKind::GitDown => faults.git_back = self.now + lasts.unwrap_or(2_400_000),
            // The rest is the cluster's, or the runtime's business: login shells and host keys are real there.
            _ => {
                faults.of_clusters.extend(of_cluster(kind));
                if let Some(lasts) = lasts {
                    self.later(lasts, move |world| world.end_in_clusters(kind));
                }
            }
        }
        let ids: Vec<ClusterId> = self.clusters.keys().copied().collect();
        for id in ids {
            self.fit_cluster(id);
        }
    }

    /// Whether a fault of the servers beside the nodes is there: `git-push-rejected`, `human-edit`, `smtp-closed`.
    pub fn has_fault(&self, kind: FaultKind) -> bool {
        self.faults.has(kind)
    }

    /// The same for one that was to happen once; it has happened then.
    pub fn take_fault(&mut self, kind: FaultKind) -> bool {
        self.faults.take(kind)
    }

    /// Whether the Git server can be reached.
    pub fn git_up(&self) -> bool {
        self.now >= self.faults.git_back
    }

    fn share_machine_id(&mut self, name: &str) {
        let Some(first) = self.order.iter().find(|first| *first != name).cloned() else {
            return;
        };
        let id = self.machine(&first).machine_id.clone();
        let machine = self.machine_mut(name);
        machine.machine_id.clone_from(&id);
        machine.files.write("/etc/machine-id", format!("{id}\n").as_bytes(), 0o444);
    }

    /// A pool that is there already has the stranger in it at once.
    fn await_pool(&mut self, kind: FaultKind) {
        if self.has_metallb() {
            self.collide_in_pool();
        } else {
            self.faults.lasting.insert(kind);
        }
    }

    fn collide_in_pool(&mut self) {
        self.take_address([10, 77, 0, 205].into(), "b8:27:eb:4d:00:cc");
    }

    /// The pool was made: who is to take an address of it does so in a while.
    pub(super) fn fit_pool(&mut self) {
        if self.faults.take(FaultKind::PoolCollision) {
            self.later(120_000, Self::collide_in_pool);
        }
    }

    /// A fault of the clusters is over.
    fn end_in_clusters(&mut self, kind: FaultKind) {
        let Some(over) = of_cluster(kind) else { return };
        self.faults.of_clusters.retain(|fault| *fault != over);
        for cluster in self.clusters.values_mut() {
            cluster.kubernetes.set_fault(over, false);
            cluster.changed = true;
        }
    }
}
