//! States that take a while to reach, made at once.

use super::cluster::Member;
use super::roles::Role;
use super::snap::Installed;
use super::{Notice, World};

impl World {
    /// Makes `name` the working half of somebody's two-node cluster, with a namespace of theirs; the other half, a machine
    /// `garage` at 10.77.0.99, is outside of this lab.
    pub fn prepare_foreign_cluster(&mut self, name: &str) {
        self.prepare_microk8s(name, "1.35/stable");
        let address = self.machine(name).spec.address;
        self.machine_mut(name).set_lock("no-cert-reissue", true);
        let Some(id) = self.machine(name).microk8s.as_ref().and_then(|snap| snap.cluster) else {
            return;
        };
        let ghost = Member {
            id: 0x1ab2_34cd_56ef_0099,
            address: "10.77.0.99:19001".to_owned(),
            role: Role::Spare,
            domain: 1,
            machine: None,
        };
        if let Some(cluster) = self.clusters.get_mut(&id) {
            for member in &mut cluster.members {
                member.address = format!("{address}:19001");
            }
            cluster.members.push(ghost);
        }
        self.write_stored_members(name);
        for (path, object) in [
            (
                "/api/v1/nodes",
                serde_json::json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "garage",
                    "labels": {"kubernetes.io/hostname": "garage"}}, "status": {"addresses":
                    [{"type": "InternalIP", "address": "10.77.0.99"}, {"type": "Hostname", "address": "garage"}]}}),
            ),
            (
                "/api/v1/namespaces",
                serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "photos"}}),
            ),
            (
                "/api/v1/namespaces/photos/configmaps",
                serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "albums",
                    "namespace": "photos"}, "data": {"year": "2025"}}),
            ),
        ] {
            self.post_to(id, path, &object);
        }
    }

    /// Installs `MicroK8s` from `channel` at once; its services then start as after any installation.
    pub fn prepare_microk8s(&mut self, name: &str, channel: &str) {
        let Some(offer) = self.store.iter().find(|offer| offer.name == channel).cloned() else {
            return;
        };
        let now = self.now;
        let machine = self.machine_mut(name);
        super::system::install(machine, "snapd");
        super::system::install(machine, "sudo");
        machine.snapd.seeded.get_or_insert(now);
        let installed = Installed {
            version: offer.version.clone(),
            revision: offer.revision.clone(),
            tracking: offer.name,
            notes: "classic".to_owned(),
            refreshed: now,
        };
        machine.snapd.snaps.insert("microk8s".to_owned(), installed);
        self.install_microk8s(name, &offer.version, &offer.revision);
        self.notices.push(Notice::ProgramsChanged(name.to_owned()));
    }

    /// Lets time pass until `MicroK8s` on `name` is ready, at most ten minutes.
    ///
    /// # Panics
    /// If it is not ready by then.
    pub fn until_ready(&mut self, name: &str) {
        let limit = self.now + 600_000;
        while !self.cluster_ready(name) {
            assert!(self.now < limit, "{name} is not ready after ten minutes");
            self.advance(self.now + 1_000);
        }
    }

    /// Brings the first `members` machines into one cluster the way an operator would, the following `workers` as workers,
    /// and waits until every member votes that should.
    ///
    /// # Panics
    /// If a command on the way fails.
    pub fn prepare_cluster(&mut self, members: usize, workers: usize) {
        let names: Vec<String> = self.order.iter().take(members + workers).cloned().collect();
        let wanted =
            self.store.iter().find(|channel| channel.name == "1.36/stable").map(|channel| channel.name.clone());
        for name in &names {
            self.prepare_microk8s(name, wanted.as_deref().unwrap_or("latest/stable"));
        }
        for name in &names {
            self.until_ready(name);
        }
        let seed = self.order[0].clone();
        for (at, name) in names.iter().enumerate().skip(1) {
            let token = self.run(&seed, &["microk8s", "add-node", "--format", "short"], b"").stdout;
            let url = token.lines().next().and_then(|line| line.rsplit(' ').next()).unwrap_or_default().to_owned();
            let mut argv = vec!["microk8s", "join", &url];
            if at >= members {
                argv.push("--worker");
            }
            let output = self.run(name, &argv, b"");
            assert_eq!(output.exit, 0, "join of {name}: {}{}", output.stdout, output.stderr);
            self.advance(self.now + 10_000);
        }
        self.advance(self.now + 30_000);
    }
}
