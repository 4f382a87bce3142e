//! `OpenEBS`' dynamic-nfs-provisioner: an NFS server for each shared volume, on a volume of another class
//! (openebs-archive/dynamic-nfs-provisioner `provisioner/`).

use serde_json::{Value, json};

use super::config;
use super::provision::Provisioner;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::controllers::is_leaving;
use crate::kubernetes::options::Propagation;
use crate::kubernetes::store::Key;
use crate::kubernetes::types::Millis;
use crate::kubernetes::value::{list, text};

/// `OPENEBS_IO_NFS_SERVER_BACKEND_PVC_TIMEOUT`.
const BACKEND_WAIT: Millis = 60_000;
/// `GarbageCollectorInterval`.
const COLLECTS_EVERY: Millis = 300_000;
const IMAGE: &str = "openebs/nfs-server-alpine:0.11.0";
const CAS_TYPE: &str = "nfs-kernel";

impl Kubernetes {
    /// The namespace of the servers: `OPENEBS_IO_NFS_SERVER_NS` of the provisioner, or its own.
    fn server_namespace(&self) -> Option<String> {
        let key = self.provisioner_pod(Provisioner::Nfs)?;
        let own = key.namespace.clone();
        let pod = self.store.get(&key)?;
        let mut variables = list(pod, "/spec/containers").iter().flat_map(|container| list(container, "/env"));
        let set = variables.find(|variable| variable["name"] == "OPENEBS_IO_NFS_SERVER_NS");
        let set = set.map(|variable| text(variable, "/value").to_owned()).filter(|value| !value.is_empty());
        Some(set.unwrap_or(own))
    }

    /// `createNFSServer`: claim, server, and, when the claim is bound, the Service whose address the volume points at.
    pub(super) fn provision_nfs(&mut self, key: &Key, claim: &Value, class: &Value) {
        let Some(namespace) = self.server_namespace() else { return };
        let uid = text(claim, "/metadata/uid");
        let volume = format!("pvc-{uid}");
        let name = format!("nfs-{volume}");
        let kind = config::value(class, "NFSServerType").unwrap_or_else(|| "kernel".to_owned());
        if kind != "kernel" {
            let why = format!("PV with NFS Server of type({kind}) is not supported");
            self.provisioning_failed(Provisioner::Nfs, claim, &why);
            return;
        }
        let owner = [
            ("nfs.openebs.io/nfs-pvc-name", key.name.as_str()),
            ("nfs.openebs.io/nfs-pvc-uid", uid),
            ("nfs.openebs.io/nfs-pvc-namespace", &key.namespace),
        ];
        let mut labels = json!({"persistent-volume": volume, "openebs.io/cas-type": CAS_TYPE});
        let mut selector = json!({"openebs.io/nfs-server": name});
        for (label, value) in owner {
            labels[label] = value.into();
            selector[label] = value.into();
        }
        let setting = |name: &str| config::value(class, name).or_else(|| config::value(claim, name));
        let backend = Key::core("persistentvolumeclaims", &namespace, &name);
        self.make(
            "",
            "persistentvolumeclaims",
            json!({"metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": setting("BackendStorageClass"),
                "resources": {"requests": claim["spec"]["resources"]["requests"]}}}),
        );
        self.make("apps", "deployments", server(&name, &namespace, &selector, class, claim));
        let bound = self.store.get(&backend).is_some_and(|claim| text(claim, "/status/phase") == "Bound");
        if !bound {
            if self.due(uid, "backend", BACKEND_WAIT) {
                let why = format!("timed out waiting for PVC{{{namespace}/{name}}} to bound");
                self.provisioning_failed(Provisioner::Nfs, claim, &why);
                self.reset(uid, "backend");
                self.wake_at(self.now + BACKEND_WAIT);
            }
            return;
        }
        let port = |name: &str, port: u16| json!({"name": name, "port": port, "protocol": "TCP", "targetPort": port});
        let address = self.make_service(json!({"metadata": {"name": name, "namespace": namespace},
            "spec": {"type": "ClusterIP", "selector": {"openebs.io/nfs-server": name}, "ports": [port("nfs", 2049), port("rpcbind", 111)]}}));
        let spec = json!({"nfs": {"server": address, "path": "/"}});
        self.make_volume(Provisioner::Nfs, key, class, &json!({"openebs.io/cas-type": CAS_TYPE}), &spec);
    }

    /// `deleteNFSServer`: Service, server and the claim behind it.
    pub(super) fn delete_nfs(&mut self, volume: &Value) -> bool {
        if let Some(namespace) = self.server_namespace() {
            self.delete_server(&namespace, &format!("nfs-{}", text(volume, "/metadata/name")));
        }
        true
    }

    fn delete_server(&mut self, namespace: &str, name: &str) {
        let keys = [
            Key::core("services", namespace, name),
            Key::new("apps", "deployments", namespace, name),
            Key::core("persistentvolumeclaims", namespace, name),
        ];
        for key in keys {
            self.discard(&key, Propagation::Background, None);
        }
    }

    /// Every five minutes: servers whose claim and volume are both gone.
    pub(in crate::kubernetes) fn run_nfs(&mut self) {
        let Some(namespace) = self.server_namespace() else { return };
        for (key, backend) in self.all_of("", "persistentvolumeclaims") {
            let labels = &backend["metadata"]["labels"];
            if key.namespace != namespace || labels["openebs.io/cas-type"] != CAS_TYPE || is_leaving(&backend) {
                continue;
            }
            let label = |name: &str| labels[format!("nfs.openebs.io/nfs-pvc-{name}")].as_str().unwrap_or_default();
            let claim = Key::core("persistentvolumeclaims", label("namespace"), label("name"));
            let claimed = self.store.get(&claim).is_some_and(|claim| text(claim, "/metadata/uid") == label("uid"));
            let volume = Key::core("persistentvolumes", "", key.name.strip_prefix("nfs-").unwrap_or_default());
            if claimed || self.store.get(&volume).is_some() {
                continue;
            }
            let rest = COLLECTS_EVERY - self.now % COLLECTS_EVERY;
            if self.due(text(&backend, "/metadata/uid"), "collection", rest) {
                self.delete_server(&namespace, &key.name);
            }
        }
    }
}

fn server(name: &str, namespace: &str, labels: &Value, class: &Value, claim: &Value) -> Value {
    let setting = |name: &str| config::value(class, name).or_else(|| config::value(claim, name));
    let permission = |key: &str| {
        config::datum(class, "FilePermissions", key).or_else(|| config::datum(claim, "FilePermissions", key))
    };
    let seconds = |name: &str| setting(name).unwrap_or_else(|| "90".to_owned());
    let env: Vec<Value> = [
        ("SHARED_DIRECTORY", "/nfsshare".to_owned()),
        ("CUSTOM_EXPORTS_CONFIG", setting("CustomServerConfig").unwrap_or_default()),
        ("NFS_LEASE_TIME", seconds("LeaseTime")),
        ("NFS_GRACE_TIME", seconds("GraceTime")),
        ("FILEPERMISSIONS_UID", permission("UID").unwrap_or_default()),
        ("FILEPERMISSIONS_GID", permission("GID").unwrap_or_default()),
        ("FILEPERMISSIONS_MODE", permission("mode").unwrap_or_default()),
    ]
    .into_iter()
    .map(|(name, value)| json!({"name": name, "value": value}))
    .collect();
    let container = json!({"name": "nfs-server", "image": IMAGE, "env": env, "securityContext": {"privileged": true},
        "ports": [{"name": "nfs", "containerPort": 2049, "protocol": "TCP"}, {"name": "rpcbind", "containerPort": 111, "protocol": "TCP"}],
        "volumeMounts": [{"name": "exports-dir", "mountPath": "/nfsshare"}]});
    json!({"metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"replicas": 1, "strategy": {"type": "Recreate"}, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container],
                "volumes": [{"name": "exports-dir", "persistentVolumeClaim": {"claimName": name}}]}}}})
}
