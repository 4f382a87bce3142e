//! Installing the snap's state, starting and stopping its services.

use rand::RngExt as _;

use super::super::pki::{Authority, Subject};
use super::super::{BACKEND, COMMON, DATA, Millis, World};
use super::{MicroK8s, Service};

/// The snap's services, without `daemon-`, as `snap services` lists them.
pub(in super::super) const SERVICES: [&str; 8] = [
    "apiserver-kicker",
    "apiserver-proxy",
    "cluster-agent",
    "containerd",
    "etcd",
    "flanneld",
    "k8s-dqlite",
    "kubelite",
];

/// How long the services take from their start until they do their work, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Pace {
    /// Until k8s-dqlite serves or first tries to join.
    pub(in super::super) dqlite: Millis,
    /// Until the API server serves.
    pub(in super::super) kubelite: Millis,
    /// Until the kubelet has registered.
    pub(in super::super) kubelet: Millis,
}

impl Pace {
    /// The first start, with nothing cached.
    pub(in super::super) const FIRST: Self = Self { dqlite: 6_000, kubelite: 14_000, kubelet: 26_000 };
    /// A start at boot.
    pub(in super::super) const BOOT: Self = Self { dqlite: 5_000, kubelite: 8_000, kubelet: 12_000 };
    /// A restart on a running machine.
    pub(in super::super) const RESTART: Self = Self { dqlite: 3_000, kubelite: 6_000, kubelet: 9_000 };
}

impl World {
    /// What the install and configure hooks leave behind, then the first start.
    pub(in super::super) fn install_microk8s(&mut self, name: &str, version: &str, revision: &str) {
        let low_memory = self.machine(name).spec.memory_kib <= 524_288;
        let callback = self.hex(32);
        let machine = self.machine_mut(name);
        machine.microk8s = Some(MicroK8s {
            version: version.to_owned(),
            revision: revision.to_owned(),
            cluster: None,
            member: None,
            dqlite_ready: false,
            kubelite_ready: false,
            kubelet_ready: false,
            kubelet_since: 0,
            agent_ready: false,
            services: SERVICES.iter().map(|service| (*service, Service::default())).collect(),
        });
        let files = machine.files.as_mut();
        files.make_dir(&format!("/var/snap/microk8s/{revision}"), 0o755);
        files.symlink(revision, DATA);
        for lock in
            ["cni-loaded", "ha-cluster", "installed.lock", "lite.lock", "no-apiserver-proxy", "no-etcd", "no-flanneld"]
        {
            files.write(&format!("{DATA}/var/lock/{lock}"), b"", 0o664);
        }
        files.write(&format!("{DATA}/args/ha-conf"), b"failure-domain=1\n", 0o660);
        let kubelet = "--root-dir=${SNAP_COMMON}/var/lib/kubelet\n--fail-swap-on=false\n--cluster-dns=10.152.183.10\n\
                       --cluster-domain=cluster.local\n--node-labels=\"microk8s.io/cluster=true,\
                       node.kubernetes.io/microk8s-controlplane=microk8s-controlplane\"\n";
        files.write(&format!("{DATA}/args/kubelet"), kubelet.as_bytes(), 0o660);
        let apiserver = "--secure-port=16443\n--authorization-mode=AlwaysAllow\n--event-ttl=5m\n\
                         --service-cluster-ip-range=10.152.183.0/24\n";
        files.write(&format!("{DATA}/args/kube-apiserver"), apiserver.as_bytes(), 0o660);
        files.write(&format!("{DATA}/args/cluster-agent"), b"--bind=0.0.0.0:25000\n", 0o660);
        files.write(&format!("{DATA}/credentials/callback-token.txt"), format!("{callback}\n").as_bytes(), 0o660);
        files.write(&format!("{COMMON}/addons/core/addons.yaml"), super::addons::CORE_YAML.as_bytes(), 0o644);
        let sysctls =
            "fs.aio-max-nr=1048576\nfs.inotify.max_user_instances=1024\nfs.inotify.max_user_watches=1048576\n";
        files.write("/etc/sysctl.d/10-microk8s.conf", sysctls.as_bytes(), 0o644);
        if !files.exists("/var/lib/kubelet") {
            files.symlink(&format!("{COMMON}/var/lib/kubelet"), "/var/lib/kubelet");
        }
        super::super::accounts::add_group(machine, "microk8s", 995);
        super::super::host::apply_sysctl_files(machine);
        machine.modules.extend(["nf_conntrack".to_owned(), "br_netfilter".to_owned()]);
        machine.sysctls.insert("net.bridge.bridge-nf-call-iptables".to_owned(), "1".to_owned());
        machine.sysctls.insert("net.ipv4.ip_forward".to_owned(), "1".to_owned());
        self.fresh_datastore(name);
        if low_memory {
            self.machine_mut(name).set_lock("low-memory-guard.lock", true);
        }
        let jitter = self.rng.random_range(0..8_000);
        let pace = Pace { kubelet: Pace::FIRST.kubelet + jitter, ..Pace::FIRST };
        self.start_services(name, pace);
    }

    /// The data store of a node that has left its cluster: empty and its own. A control plane keeps the authority of the
    /// cluster it was in (`reset_current_dqlite_installation` of canonical/microk8s `scripts/wrappers/leave.py`).
    pub(in super::super) fn new_datastore(&mut self, name: &str) {
        let worker = self.machine(name).files.exists(&format!("{DATA}/certs/ca.remote.crt"));
        let authority = self.cluster_of(name).filter(|_| !worker).map(|cluster| cluster.authority.clone());
        self.machine_mut(name).files.remove(&format!("{DATA}/certs/ca.remote.crt"));
        self.datastore(name, authority);
    }

    /// An empty single-node cluster's data store, authority and certificates.
    pub(in super::super) fn fresh_datastore(&mut self, name: &str) {
        self.datastore(name, None);
    }

    fn datastore(&mut self, name: &str, authority: Option<Authority>) {
        let machine = self.machine_mut(name);
        machine.files.remove(BACKEND);
        if let Some(snap) = machine.microk8s.as_mut() {
            snap.member = None;
            snap.cluster = None;
        }
        self.bootstrap(name);
        let id = self.machine(name).microk8s.as_ref().and_then(|snap| snap.cluster);
        if let (Some(authority), Some(cluster)) = (authority, id.and_then(|id| self.clusters.get_mut(&id))) {
            cluster.authority = authority;
        }
        self.write_certificates(name);
        let Some(cluster) = self.cluster_of(name) else {
            return;
        };
        let store = "- ID: 3297041220608546238\n  Address: 127.0.0.1:19001\n  Role: 0\n";
        let info = "ID: 3297041220608546238\nAddress: 127.0.0.1:19001\nRole: 0\n";
        let pair = cluster.dqlite_pair.clone();
        let files = self.machine_mut(name).files.as_mut();
        files.write(&format!("{BACKEND}/cluster.crt"), pair.certificate.as_bytes(), 0o660);
        files.write(&format!("{BACKEND}/cluster.key"), pair.key.as_bytes(), 0o660);
        files.write(&format!("{BACKEND}/cluster.yaml"), store.as_bytes(), 0o660);
        files.write(&format!("{BACKEND}/info.yaml"), info.as_bytes(), 0o660);
        files.write(&format!("{BACKEND}/metadata1"), b"", 0o660);
        files.write(&format!("{BACKEND}/dqlite-lock"), b"", 0o660);
    }

    /// The certificates of `name` from the authority of its cluster, and the credentials that go with them.
    pub(in super::super) fn write_certificates(&mut self, name: &str) {
        let (server_seed, client_seed, proxy_seed) = (self.rng.random(), self.rng.random(), self.rng.random());
        let address = self.machine(name).spec.address;
        let hostname = self.machine(name).hostname.clone();
        let Some(cluster) = self.cluster_of(name) else {
            return;
        };
        let authority = cluster.authority.clone();
        let addresses = [[127, 0, 0, 1].into(), [10, 152, 183, 1].into(), address];
        let names = [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster",
            "kubernetes.default.svc.cluster.local",
            "localhost",
        ];
        let server =
            Subject { common_name: "127.0.0.1", organization: Some("Canonical"), addresses: &addresses, names: &names };
        let admin = Subject::admin();
        let node = format!("system:node:{hostname}");
        let kubelet =
            Subject { common_name: &node, organization: Some("system:nodes"), addresses: &[address], names: &[] };
        let server = authority.issue(server_seed, &server);
        let client = authority.issue(client_seed, &admin);
        let kubelet = authority.issue(proxy_seed, &kubelet);
        let kubeconfig = super::config::kubeconfig(&authority.pair.certificate, &client, "127.0.0.1");
        let files = self.machine_mut(name).files.as_mut();
        for (file, text) in [
            ("ca.crt", &authority.pair.certificate),
            ("ca.key", &authority.pair.key),
            ("server.crt", &server.certificate),
            ("server.key", &server.key),
            ("client.crt", &client.certificate),
            ("client.key", &client.key),
            ("kubelet.crt", &kubelet.certificate),
            ("kubelet.key", &kubelet.key),
            ("serviceaccount.key", &authority.pair.key),
        ] {
            files.write(&format!("{DATA}/certs/{file}"), text.as_bytes(), 0o660);
        }
        files.write(&format!("{DATA}/credentials/client.config"), kubeconfig.as_bytes(), 0o660);
    }

    /// Starts every service the lock files allow.
    pub(in super::super) fn start_services(&mut self, name: &str, pace: Pace) {
        let machine = self.machine(name);
        if machine.locked("stopped.lock") {
            return;
        }
        let worker = machine.is_worker();
        let guarded = machine.locked("low-memory-guard.lock");
        for service in SERVICES {
            let wanted = match service {
                "etcd" | "flanneld" => false,
                "apiserver-proxy" => worker,
                "k8s-dqlite" => !worker && !guarded,
                "apiserver-kicker" => !worker,
                "kubelite" => !guarded,
                _ => true,
            };
            if wanted {
                self.start_service(name, service, pace);
            }
        }
    }

    /// Starts one service; what it does comes `pace` later.
    pub(in super::super) fn start_service(&mut self, name: &str, service: &'static str, pace: Pace) {
        let Some(snap) = self.machine_mut(name).microk8s.as_mut() else {
            return;
        };
        let Some(entry) = snap.services.get_mut(service) else {
            return;
        };
        if entry.active {
            return;
        }
        entry.active = true;
        entry.generation += 1;
        let generation = entry.generation;
        match service {
            "k8s-dqlite" => self.later_on(name, pace.dqlite, move |world, name| {
                world.dqlite_starts(name, generation);
            }),
            "kubelite" => {
                self.later_on(name, pace.kubelite, move |world, name| {
                    world.kubelite_starts(name, generation);
                });
                self.later_on(name, pace.kubelet, move |world, name| {
                    world.kubelet_registers(name, generation);
                });
            }
            "cluster-agent" => self.later_on(name, 1_000, move |world, name| {
                if let Some(snap) = world.machine_mut(name).microk8s.as_mut() {
                    snap.agent_ready = snap.active("cluster-agent");
                }
            }),
            _ => {}
        }
    }

    /// Stops one service at once.
    pub(in super::super) fn stop_service(&mut self, name: &str, service: &str) {
        let Some(snap) = self.machine_mut(name).microk8s.as_mut() else {
            return;
        };
        if let Some(entry) = snap.services.get_mut(service) {
            entry.active = false;
        }
        match service {
            "k8s-dqlite" => snap.dqlite_ready = false,
            "kubelite" => (snap.kubelite_ready, snap.kubelet_ready) = (false, false),
            "cluster-agent" => snap.agent_ready = false,
            _ => {}
        }
        let cluster = snap.cluster;
        self.touch_cluster(name);
        if let Some(id) = cluster {
            self.elect(id);
        }
    }

    /// Stops every service.
    pub(in super::super) fn stop_services(&mut self, name: &str) {
        for service in SERVICES {
            self.stop_service(name, service);
        }
    }

    fn kubelite_starts(&mut self, name: &str, generation: u64) {
        if self.service_runs(name, "kubelite", generation) {
            self.read_failure_domain(name);
            if let Some(snap) = self.machine_mut(name).microk8s.as_mut() {
                snap.kubelite_ready = true;
            }
            self.touch_cluster(name);
        }
    }

    /// The kubelet reports as soon as it finds an API server.
    fn kubelet_registers(&mut self, name: &str, generation: u64) {
        if !self.service_runs(name, "kubelite", generation) {
            return;
        }
        if self.api_for(name).is_none() {
            self.later_on(name, 2_000, move |world, name| {
                world.kubelet_registers(name, generation);
            });
            return;
        }
        let now = self.now;
        let machine = self.machine_mut(name);
        // What the pod network needs is set by what runs it, at each start, and not kept in a file (projectcalico/calico
        // `felix/dataplane/linux/int_dataplane.go`).
        machine.sysctls.insert("net.ipv4.ip_forward".to_owned(), "1".to_owned());
        if let Some(snap) = machine.microk8s.as_mut() {
            snap.kubelet_ready = true;
            snap.kubelet_since = now;
        }
        self.touch_cluster(name);
    }

    fn service_runs(&self, name: &str, service: &str, generation: u64) -> bool {
        let snap = self.machines.get(name).and_then(|machine| machine.microk8s.as_ref());
        snap.is_some_and(|snap| snap.active(service) && snap.generation(service) == generation)
    }
}
