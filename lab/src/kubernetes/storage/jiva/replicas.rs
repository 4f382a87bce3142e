//! A volume's controller and replicas at work: who is connected, who has every byte, whether there is a quorum.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::view::ReplicaMode;
use super::{GROUP, PLURAL, objects};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::is_leaving;
use crate::kubernetes::options::Propagation;
use crate::kubernetes::selector::Labels;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::{Fault, Millis};
use crate::kubernetes::value::{number, text};

/// From a replica's start until it has registered with the controller, at least, and by how much that varies.
const CONNECTS: (Millis, Millis) = (5_000, 5_000);
/// How long a replica that missed something is rebuilt.
const REBUILDS: Millis = 20_000;
/// From the moment all replicas are complete until the fault takes one away.
const LOSES: Millis = 3_000;
/// How much longer a slow volume's replicas take to connect.
const SLOW: Millis = 90_000;

/// The volumes' replicas, by the volume's name.
pub(in crate::kubernetes::storage) type Volumes = BTreeMap<String, BTreeMap<u32, Replica>>;

/// One replica, as its volume's controller knows it.
#[derive(Debug, Clone, Default)]
pub(in crate::kubernetes::storage) struct Replica {
    /// Its pod's uid, boot and the uid of the controller it is connected to.
    connected: Option<Connection>,
    holds: Holds,
    /// Whether it is cut off.
    cut: bool,
    /// The volume its files are on.
    disk: String,
    /// Whether its files are gone until it connects anew.
    pub(in crate::kubernetes::storage) emptied: bool,
    mode: Mode,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Connection {
    pod: String,
    boot: String,
    controller: String,
    address: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Rebuilding,
    Complete,
}

/// What a replica's files hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Holds {
    /// Nothing was ever written there.
    #[default]
    Nothing,
    /// Every byte.
    Everything,
    /// What there was until it missed something.
    Past,
}

impl Replica {
    pub(in crate::kubernetes::storage) fn shown(&self) -> ReplicaMode {
        match (&self.connected, self.mode) {
            (None, _) => ReplicaMode::Down,
            (Some(_), Mode::Complete) => ReplicaMode::ReadWrite,
            (Some(_), Mode::Rebuilding) => ReplicaMode::WriteOnly,
        }
    }
}

/// What the controller of a volume answers.
pub(super) struct Target {
    /// `RW`, `RO`, or nothing when there is no answer.
    pub(super) status: &'static str,
    /// Address and mode of the connected replicas.
    pub(super) replicas: Vec<(String, &'static str)>,
}

impl Kubernetes {
    pub(super) fn run_replicas(&mut self) {
        let volumes = self.all_of(GROUP, PLURAL);
        self.storage.volumes.retain(|name, _| volumes.iter().any(|(key, _)| key.name == *name));
        for (key, volume) in volumes {
            let factor = u32::try_from(number(&volume, "/spec/policy/target/replicationFactor")).unwrap_or_default();
            let controller = self.controller_of_volume(&key);
            for ordinal in 0..factor {
                self.tend(&key, ordinal, factor, controller.as_deref());
            }
            self.lose_one(&key, factor);
        }
    }

    /// The uid of the running controller's pod.
    fn controller_of_volume(&self, volume: &Key) -> Option<String> {
        let wanted = |pod: &Value| {
            text(pod, "/metadata/labels/openebs.io~1component") == "jiva-controller"
                && text(pod, "/metadata/labels/openebs.io~1persistent-volume") == volume.name
        };
        let mut pods = self.store.list("", "pods", Some(&volume.namespace));
        pods.find(|(_, pod)| wanted(pod) && self.runs_now(pod)).map(|(_, pod)| text(pod, "/metadata/uid").to_owned())
    }

    /// Whether a pod's containers run and can be reached, whatever the API server knows.
    fn runs_now(&self, pod: &Value) -> bool {
        text(pod, "/status/phase") == "Running"
            && !is_leaving(pod)
            && self.kubelets.connected(text(pod, "/spec/nodeName"))
    }

    /// Lets one replica connect, be rebuilt, or drop out.
    fn tend(&mut self, volume: &Key, ordinal: u32, factor: u32, controller: Option<&str>) {
        let name = format!("{}-{ordinal}", objects::replicas_name(&volume.name));
        let pod = self.store.get(&Key::core("pods", &volume.namespace, &name)).cloned();
        let pod = pod.filter(|pod| self.runs_now(pod));
        let mut replica =
            self.storage.volumes.get(&volume.name).and_then(|known| known.get(&ordinal)).cloned().unwrap_or_default();
        let claim = Key::core("persistentvolumeclaims", &volume.namespace, &format!("openebs-{name}"));
        let disk = self.store.get(&claim).map(|claim| text(claim, "/spec/volumeName").to_owned()).unwrap_or_default();
        if !disk.is_empty() && replica.disk != disk {
            if !replica.disk.is_empty() {
                // It has nothing of what the others hold.
                replica.holds = Holds::Past;
            }
            replica.disk = disk;
        }
        let wanted = pod.as_ref().zip(controller).map(|(pod, controller)| Connection {
            pod: text(pod, "/metadata/uid").to_owned(),
            boot: self.kubelets.boot(text(pod, "/spec/nodeName")),
            controller: controller.to_owned(),
            address: format!("tcp://{}:9502", text(pod, "/status/podIP")),
        });
        if let Some(old) = replica.connected.take_if(|old| wanted.as_ref() != Some(old) || replica.cut) {
            self.reset(&old.pod, "connect");
            self.reset(&old.pod, "rebuild");
            // Without a controller nobody writes, and nothing is missed.
            let missed = controller == Some(old.controller.as_str()) && !replica.cut;
            if missed && replica.holds == Holds::Everything {
                replica.holds = Holds::Past;
            }
        }
        if let (Some(wanted), None, false) = (&wanted, &replica.connected, replica.cut)
            && self.due(&wanted.pod, "connect", self.connect_delay(&wanted.pod, &replica))
        {
            replica.connected = Some(wanted.clone());
            replica.mode = if replica.holds == Holds::Past { Mode::Rebuilding } else { Mode::Complete };
            replica.emptied = false;
        }
        let held = self.faults.contains(&Fault::ReplicaStaysWriteOnly) && ordinal + 1 == factor;
        if let Some(connection) = &replica.connected {
            if held && replica.holds == Holds::Nothing {
                replica.mode = Mode::Rebuilding;
            } else if replica.mode == Mode::Rebuilding && self.due(&connection.pod, "rebuild", REBUILDS) {
                replica.mode = Mode::Complete;
            }
            if replica.mode == Mode::Complete {
                replica.holds = Holds::Everything;
            }
        }
        self.storage.volumes.entry(volume.name.clone()).or_default().insert(ordinal, replica);
    }

    fn connect_delay(&self, pod: &str, replica: &Replica) -> Millis {
        let spread = Millis::from_str_radix(pod.get(..4).unwrap_or_default(), 16).unwrap_or_default();
        let slow = self.faults.contains(&Fault::SlowVolume) && replica.holds == Holds::Nothing;
        CONNECTS.0 + spread % CONNECTS.1 + if slow { SLOW } else { 0 }
    }

    /// The fault that takes one replica with its files, once.
    fn lose_one(&mut self, volume: &Key, factor: u32) {
        let all = self.storage.volumes.get(&volume.name).is_some_and(|replicas| {
            replicas.values().filter(|replica| replica.shown() == ReplicaMode::ReadWrite).count() as u64
                == u64::from(factor)
        });
        let armed = self.faults.contains(&Fault::ReplicaLost) && !self.storage.lost_one && factor > 1 && all;
        let name = format!("{}-1", objects::replicas_name(&volume.name));
        let pod = Key::core("pods", &volume.namespace, &name);
        let Some(uid) = self.store.get(&pod).map(|pod| text(pod, "/metadata/uid").to_owned()) else { return };
        if !armed || !self.due(&uid, "loss", LOSES) {
            return;
        }
        self.storage.lost_one = true;
        if let Some(replica) = self.storage.volumes.get_mut(&volume.name).and_then(|known| known.get_mut(&1)) {
            replica.connected = None;
            replica.holds = Holds::Past;
            replica.emptied = true;
        }
        self.discard(&pod, Propagation::Background, Some(0));
    }

    /// The fault that takes a volume's quorum. The file systems on it stop at that moment.
    pub(super) fn lose_quorum(&mut self, volume: &str) {
        let Some(replicas) = self.storage.volumes.get_mut(volume) else { return };
        let spared = replicas.len() / 2;
        for replica in replicas.values_mut().skip(spared) {
            replica.cut = true;
        }
        let stages = self.storage.stages.iter_mut().filter(|((_, handle), _)| handle == volume);
        stages.for_each(|(_, stage)| stage.aborted = true);
        self.unseen.get_or_insert(self.now);
    }

    /// The end of that fault: what was cut off connects again.
    pub(in crate::kubernetes) fn restore_quorum(&mut self) {
        let replicas = self.storage.volumes.values_mut().flat_map(BTreeMap::values_mut);
        replicas.for_each(|replica| replica.cut = false);
    }

    /// What the controller of a volume answers.
    pub(super) fn target_status(&self, volume: &Key) -> Target {
        if self.controller_of_volume(volume).is_none() {
            return Target { status: "", replicas: Vec::new() };
        }
        let factor = self.store.get(&Key::new(GROUP, PLURAL, &volume.namespace, &volume.name));
        let factor = factor.map_or(0, |volume| number(volume, "/spec/policy/target/replicationFactor"));
        let known = self.storage.volumes.get(&volume.name);
        let replicas: Vec<(String, &'static str)> = known
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter_map(|replica| {
                let mode = if replica.mode == Mode::Complete { "RW" } else { "WO" };
                Some((replica.connected.as_ref()?.address.clone(), mode))
            })
            .collect();
        let complete = replicas.iter().filter(|(_, mode)| *mode == "RW").count();
        // openebs/jiva `controller/control.go`: a majority of all replicas has to be complete.
        let quorum = i64::try_from(complete).unwrap_or_default() > factor / 2;
        Target { status: if quorum { "RW" } else { "RO" }, replicas }
    }

    /// Whether a volume takes writes.
    pub(in crate::kubernetes::storage) fn writable(&self, volume: &str) -> bool {
        self.jiva_volume(volume).is_some_and(|(key, _)| self.target_status(&key).status == "RW")
    }

    /// Whether a volume's target answers behind its Service.
    pub(super) fn target_answers(&self, volume: &Key) -> bool {
        let service = Key::core("services", &volume.namespace, &objects::service_name(&volume.name));
        let Some(selector) = self.store.get(&service).map(|service| Labels::of(&service["spec"]["selector"])) else {
            return false;
        };
        let mut pods = self.store.list("", "pods", Some(&volume.namespace));
        pods.any(|(_, pod)| selector.accept(pod) && self.runs_now(pod))
    }

    /// The volumes' names with the claims of their replicas' disks: volume, ordinal and volume of the claim.
    pub(in crate::kubernetes::storage) fn replica_disks(&self) -> Vec<(String, u32, String)> {
        let claims = self.store.list("", "persistentvolumeclaims", None);
        let disk = |claim: &Value| {
            let labels = &claim["metadata"]["labels"];
            if labels["openebs.io/component"] != "jiva-replica" {
                return None;
            }
            let volume = labels["openebs.io/persistent-volume"].as_str()?;
            let ordinal = text(claim, "/metadata/name").rsplit('-').next()?.parse().ok()?;
            Some((volume.to_owned(), ordinal, text(claim, "/spec/volumeName").to_owned()))
        };
        let mut disks: Vec<_> = claims.filter_map(|(_, claim)| disk(claim)).filter(|disk| !disk.2.is_empty()).collect();
        disks.sort();
        disks
    }
}
