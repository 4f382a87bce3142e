//! The whole state as one value, for comparisons.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::files::Files;
use super::machine::Machine;
use super::{Cluster, World};

/// The directories whose files belong to the state.
const ROOTS: [&str; 5] = ["/etc", "/var/snap", "/var/lib", "/root", "/home"];

impl World {
    /// Everything but the clock and running commands: machines with the digests of their files, clusters with their
    /// objects.
    pub fn describe(&self) -> Value {
        let machines: Vec<Value> = self.machines().map(machine).collect();
        let clusters: Vec<Value> = self.clusters.values().map(cluster).collect();
        json!({"machines": machines, "clusters": clusters})
    }
}

fn machine(machine: &Machine) -> Value {
    let mut files = serde_json::Map::new();
    for root in ROOTS {
        walk(machine.files.as_ref(), root, &mut files, 0);
    }
    let units: serde_json::Map<String, Value> =
        machine.units.iter().map(|(name, unit)| (name.clone(), json!([unit.file.word(), unit.active]))).collect();
    let snaps: serde_json::Map<String, Value> = machine
        .snapd
        .snaps
        .iter()
        .map(|(name, snap)| (name.clone(), json!([snap.tracking, snap.revision, machine.snapd.holds.get(name)])))
        .collect();
    let microk8s = machine.microk8s.as_ref().map(|snap| {
        let active: Vec<&str> = snap.services.keys().copied().filter(|service| snap.active(service)).collect();
        json!({"version": snap.version, "member": snap.member, "cluster": snap.cluster.map(|id| id.0), "services": active,
            "ready": [snap.dqlite_ready, snap.kubelite_ready, snap.kubelet_ready, snap.agent_ready]})
    });
    json!({
        "name": machine.name(),
        "powered": machine.powered,
        "connected": machine.connected,
        "boot": machine.boot_id,
        "machine-id": machine.machine_id,
        "hostname": machine.hostname,
        "packages": machine.packages,
        "modules": machine.modules,
        "sysctls": machine.sysctls,
        "units": units,
        "snaps": snaps,
        "snap-settings": machine.snapd.settings,
        "microk8s": microk8s,
        "files": files,
    })
}

fn walk(files: &dyn Files, path: &str, into: &mut serde_json::Map<String, Value>, depth: usize) {
    if let Some(bytes) = files.read(path) {
        let digest = Sha256::digest(bytes).iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        into.insert(path.to_owned(), Value::String(digest));
    } else if depth < 24 {
        for name in files.list(path) {
            walk(files, &format!("{path}/{name}"), into, depth + 1);
        }
    }
}

fn cluster(cluster: &Cluster) -> Value {
    let members: Vec<Value> = cluster
        .members
        .iter()
        .map(|member| json!([member.id, member.address, member.role, member.domain, member.machine]))
        .collect();
    json!({
        "id": cluster.id.0,
        "members": members,
        "leader": cluster.leader,
        "kubernetes": cluster.kubernetes.describe(),
    })
}
