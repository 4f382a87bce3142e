//! What the `MicroK8s` scripts ask the API server, and change there.

use serde_json::Value;

use crate::kubernetes::{Fault, Request};

use super::World;
use super::cluster::ClusterId;
use super::faults::FaultKind;

/// What `kubectl get all,ingress,ingressclass -A` and the list of cluster roles show: collection and row prefix.
const ROWS: [(&str, &str); 10] = [
    ("/api/v1/pods", "pod"),
    ("/api/v1/services", "service"),
    ("/apis/apps/v1/daemonsets", "daemonset.apps"),
    ("/apis/apps/v1/deployments", "deployment.apps"),
    ("/apis/apps/v1/replicasets", "replicaset.apps"),
    ("/apis/apps/v1/statefulsets", "statefulset.apps"),
    ("/apis/batch/v1/jobs", "job.batch"),
    ("/apis/networking.k8s.io/v1/ingresses", "ingress.networking.k8s.io"),
    ("/apis/networking.k8s.io/v1/ingressclasses", "ingressclass.networking.k8s.io"),
    ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "clusterrole.rbac.authorization.k8s.io"),
];

fn request(method: &str, path: &str, body: Vec<u8>) -> Request {
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: String::new(),
        content_type: Some("application/json".to_owned()),
        accept: Some("application/json".to_owned()),
        user_agent: Some("kubectl/v1.36.2".to_owned()),
        body,
    }
}

impl World {
    fn api_get(&mut self, machine: &str, path: &str) -> Option<Value> {
        if !self.api_up(machine) {
            return None;
        }
        let id = self.machine(machine).microk8s.as_ref()?.cluster?;
        let now = self.now;
        let response = self.clusters.get_mut(&id)?.kubernetes.request(now, &request("GET", path, Vec::new()));
        (response.status == 200).then(|| serde_json::from_slice(&response.body).ok()).flatten()
    }

    /// Creates an object whether or not an API server runs: a world is being arranged.
    pub(super) fn post_to(&mut self, id: ClusterId, path: &str, object: &Value) -> u16 {
        let now = self.now;
        let request = request("POST", path, object.to_string().into_bytes());
        self.clusters.get_mut(&id).map_or(0, |cluster| cluster.kubernetes.request(now, &request).status)
    }

    /// Creates a namespace through the API server on `machine`, unless it is there.
    pub(super) fn make_namespace(&mut self, machine: &str, name: &str) {
        let now = self.now;
        let body = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        if let Some(cluster) = self.serving_cluster(machine) {
            cluster.kubernetes.request(now, &request("POST", "/api/v1/namespaces", body.to_string().into_bytes()));
        }
    }

    /// Deletes one object through the API server on `machine`.
    pub(super) fn delete_object(&mut self, machine: &str, path: &str) {
        let now = self.now;
        if let Some(cluster) = self.serving_cluster(machine) {
            cluster.kubernetes.request(now, &request("DELETE", path, Vec::new()));
        }
    }

    /// The nodes with their internal addresses.
    pub(super) fn api_nodes(&mut self, machine: &str) -> Vec<(String, String)> {
        let list = self.api_get(machine, "/api/v1/nodes").unwrap_or_default();
        items(&list)
            .map(|node| {
                let addresses = node["status"]["addresses"].as_array().map_or(&[][..], Vec::as_slice);
                let internal = addresses.iter().find(|address| address["type"] == "InternalIP");
                let address = internal.and_then(|address| address["address"].as_str()).unwrap_or_default();
                (name(node), address.to_owned())
            })
            .collect()
    }

    /// Deletes a Node object, without draining anything.
    pub(super) fn delete_api_node(&mut self, machine: &str, node: &str) {
        let now = self.now;
        if let Some(cluster) = self.serving_cluster(machine) {
            cluster.kubernetes.delete_node(now, node);
        }
    }

    /// Whether `MicroK8s` calls the cluster ready: its API answers and any one node is Ready.
    pub(super) fn cluster_ready(&mut self, machine: &str) -> bool {
        let list = self.api_get(machine, "/api/v1/nodes").unwrap_or_default();
        items(&list).any(is_ready)
    }

    /// Whether the machine's own node is Ready in its cluster.
    pub(super) fn node_ready(&mut self, machine: &str) -> bool {
        let list = self.api_get(machine, "/api/v1/nodes").unwrap_or_default();
        let own = self.machine(machine).hostname.clone();
        items(&list).any(|node| name(node) == own && is_ready(node))
    }

    /// The rows the addon checks look through.
    pub(super) fn api_rows(&mut self, machine: &str) -> Vec<String> {
        let mut rows = Vec::new();
        for (path, prefix) in ROWS {
            let list = self.api_get(machine, path).unwrap_or_default();
            rows.extend(items(&list).map(|object| format!("{prefix}/{}", name(object))));
        }
        rows
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().map_or(&[][..], Vec::as_slice).iter()
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn is_ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

impl World {
    /// Applies the manifest of the addon `metallb`; the lines `kubectl apply` prints.
    pub(super) fn apply_metallb(&mut self, machine: &str) -> Option<String> {
        let now = self.now;
        self.serving_cluster(machine).map(|cluster| cluster.kubernetes.install_metallb(now))
    }

    /// Whether the Deployment `controller` is available.
    pub(super) fn metallb_controller_ready(&mut self, machine: &str) -> bool {
        self.serving_cluster(machine)
            .is_some_and(|cluster| cluster.kubernetes.available("metallb-system", "controller"))
    }

    /// Creates the pool and its advertisement through the webhook; what `kubectl` prints, or complains.
    pub(super) fn create_metallb_pool(&mut self, machine: &str, ranges: &str) -> Result<String, String> {
        let now = self.now;
        let created = match self.serving_cluster(machine) {
            Some(cluster) => cluster.kubernetes.create_pool(now, ranges),
            None => Err(self.unreachable_api(machine).to_owned()),
        };
        if created.is_ok() {
            self.fit_pool();
        }
        created
    }

    /// Applies the manifest of the addon `hostpath-storage`; the lines `kubectl apply` prints.
    pub(super) fn apply_hostpath(&mut self, machine: &str) -> Option<String> {
        let now = self.now;
        self.serving_cluster(machine).map(|cluster| cluster.kubernetes.install_hostpath_storage(now))
    }

    /// Sets the faults that live in a cluster's objects.
    pub(super) fn fit_cluster(&mut self, id: ClusterId) {
        let (not_announced, webhook) = (self.faults.not_announced, self.faults.webhook.is_some());
        let more = self.faults.of_clusters.clone();
        if let Some(cluster) = self.clusters.get_mut(&id) {
            cluster.kubernetes.set_fault(Fault::PoolNotAnnounced, not_announced);
            cluster.kubernetes.set_fault(Fault::MetallbEndlessLoop, webhook);
            for fault in more {
                cluster.kubernetes.set_fault(fault, true);
            }
            cluster.changed = true;
        }
        let first = self.order.first().and_then(|first| self.cluster_of(first)).is_some_and(|cluster| cluster.id == id);
        if first && std::mem::take(&mut self.faults.sticky_speaker) {
            // Some music box's pod: the addon's check looks for `pod/speaker` in every namespace.
            let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "speaker-kitchen", "namespace": "default", "labels": {"app": "music"}},
                "spec": {"containers": [{"name": "music", "image": "docker.io/library/busybox:1.36"}]}});
            self.post_to(id, "/api/v1/namespaces/default/pods", &pod);
        }
        if first && self.faults.take(FaultKind::HelmNameInUse) {
            let (now, time) = (self.now, self.wall_clock());
            if let Some(cluster) = self.clusters.get_mut(&id) {
                super::microk8s::leave_failed(cluster, now, time);
            }
        }
        if first && self.faults.take(FaultKind::RwxOnHostpath) {
            // openebs/dynamic-nfs-provisioner deploy/kubectl/openebs-nfs-provisioner.yaml
            let class = serde_json::json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "openebs-rwx",
                "annotations": {"openebs.io/cas-type": "nfsrwx", "cas.openebs.io/config":
                    "- name: NFSServerType\n  value: \"kernel\"\n- name: BackendStorageClass\n  value: \"openebs-hostpath\"\n"}},
                "provisioner": "openebs.io/nfsrwx", "reclaimPolicy": "Delete"});
            self.post_to(id, "/apis/storage.k8s.io/v1/storageclasses", &class);
        }
    }

    /// Whether `MetalLB` is installed somewhere.
    pub(super) fn has_metallb(&self) -> bool {
        let found = |cluster: &super::Cluster| {
            cluster.kubernetes.object("deployments", "metallb-system", "controller").is_some()
        };
        self.clusters.values().any(found)
    }

    /// The webhook that refused everything begins to answer a while after the addon was first applied.
    pub(super) fn fit_webhook(&mut self) {
        let Some(lasts) = self.faults.webhook else { return };
        if std::mem::replace(&mut self.faults.webhook_ends, true) {
            return;
        }
        self.later(lasts, |world| {
            world.faults.webhook = None;
            world.faults.webhook_ends = false;
            let ids: Vec<ClusterId> = world.clusters.keys().copied().collect();
            for id in ids {
                world.fit_cluster(id);
            }
        });
    }
}
