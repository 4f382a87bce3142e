//! A cluster with `OpenEBS`, as far as the controllers of volumes look at it.

use serde_json::{Value, json};

use crate::kubernetes::tests::bench::Bench;
use crate::kubernetes::{ContainerRun, Fault, HostMount};

pub(super) const ROOT: &str = "/var/snap/microk8s/common/var/lib/kubelet";
pub(super) const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";
pub(super) const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";
pub(super) const PODS: &str = "/api/v1/namespaces/default/pods";
pub(super) const JIVA: &str = "openebs-jiva-csi-default";
pub(super) const RWX: &str = "openebs-rwx";

fn workload(kind: &str, name: &str, spec: &Value) -> Value {
    let labels = json!({"name": name});
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "openebs"},
        "spec": {"selector": {"matchLabels": labels}, "serviceName": name, "template": {"metadata": {"labels": labels}, "spec": spec}}})
}

fn definition(plural: &str, kind: &str, short: &str) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("{plural}.openebs.io")},
        "spec": {"group": "openebs.io", "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "shortNames": [short]},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})
}

/// `OpenEBS` with the driver's daemon at a kubelet directory, and the classes.
fn openebs(kubelet: &str, replicas: u32) -> Vec<Value> {
    let program = |image: &str| json!({"containers": [{"name": "main", "image": format!("openebs/{image}:3.3.0")}]});
    let daemon = json!({"hostNetwork": true, "containers": [{"name": "jiva-csi-plugin", "image": "openebs/jiva-csi:3.3.0",
            "volumeMounts": [{"name": "pods-mount-dir", "mountPath": kubelet, "mountPropagation": "Bidirectional"}]}],
        "volumes": [{"name": "pods-mount-dir", "hostPath": {"path": kubelet}}]});
    let class = |name: &str, more: Value| {
        let mut class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}});
        class.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        class
    };
    let config = |text: &str| json!({"name": "x", "annotations": {"cas.openebs.io/config": text}});
    let named = |name: &str, text: &str| {
        let mut meta = config(text);
        meta["name"] = name.into();
        meta
    };
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "openebs"}}),
        workload("Deployment", "openebs-jiva-operator", &program("jiva-operator")),
        workload("Deployment", "openebs-localpv-provisioner", &program("provisioner-localpv")),
        workload("Deployment", "openebs-nfs-provisioner", &program("provisioner-nfs")),
        workload("StatefulSet", "openebs-jiva-csi-controller", &program("jiva-csi")),
        workload("DaemonSet", "openebs-jiva-csi-node", &daemon),
        json!({"apiVersion": "openebs.io/v1", "kind": "JivaVolumePolicy", "metadata": {"name": "openebs-jiva-default-policy", "namespace": "openebs"},
            "spec": {"replicaSC": "openebs-hostpath", "target": {"replicationFactor": replicas}}}),
        class(
            JIVA,
            json!({"provisioner": "jiva.csi.openebs.io", "reclaimPolicy": "Delete", "allowVolumeExpansion": true,
            "parameters": {"cas-type": "jiva", "policy": "openebs-jiva-default-policy"}}),
        ),
        class(
            "openebs-hostpath",
            json!({"provisioner": "openebs.io/local", "volumeBindingMode": "WaitForFirstConsumer",
            "metadata": named("openebs-hostpath", "- name: StorageType\n  value: \"hostpath\"\n- name: BasePath\n  value: \"/var/snap/microk8s/common/var/openebs/local\"\n")}),
        ),
        class(
            RWX,
            json!({"provisioner": "openebs.io/nfsrwx", "metadata": named(RWX,
            "- name: NFSServerType\n  value: \"kernel\"\n- name: BackendStorageClass\n  value: \"openebs-jiva-csi-default\"\n- name: LeaseTime\n  value: 30\n- name: FilePermissions\n  data:\n    UID: \"991\"\n    GID: \"991\"\n    mode: \"0775\"\n")}),
        ),
    ]
}

impl Bench {
    /// A cluster at rest with `OpenEBS` as it should be, and faults.
    pub(super) fn with_openebs(nodes: u8, replicas: u32, faults: &[Fault]) -> Self {
        Self::with_kubelet_dir(nodes, replicas, faults, &format!("{ROOT}/"))
    }

    pub(super) fn with_kubelet_dir(nodes: u8, replicas: u32, faults: &[Fault], kubelet: &str) -> Self {
        let mut bench = Self::settled(nodes);
        for fault in faults {
            bench.cluster.set_fault(*fault, true);
        }
        for (plural, kind, short) in
            [("jivavolumes", "JivaVolume", "jv"), ("jivavolumepolicies", "JivaVolumePolicy", "jvp")]
        {
            bench.apply(&definition(plural, kind, short));
        }
        bench.pass(1_000);
        for object in openebs(kubelet, replicas) {
            bench.apply(&object);
        }
        bench.pass(20_000);
        bench
    }

    pub(super) fn apply(&mut self, object: &Value) {
        let (_, err, status) = self.kubectl("apply -f -", &object.to_string());
        assert_eq!(status, 0, "{err}");
    }

    /// A claim in the namespace `default`; the name its volume will have.
    pub(super) fn claim(&mut self, name: &str, class: &str) -> String {
        let mode = if class == RWX { "ReadWriteMany" } else { "ReadWriteOnce" };
        let claim = self.post(
            CLAIMS,
            &json!({"metadata": {"name": name}, "spec": {"accessModes": [mode], "storageClassName": class,
            "resources": {"requests": {"storage": "1Gi"}}}}),
        );
        format!("pvc-{}", claim["metadata"]["uid"].as_str().expect("a uid"))
    }

    /// A job on a node that uses a claim.
    pub(super) fn job(&mut self, name: &str, claim: &str, node: &str) {
        self.post(JOBS, &json!({"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never",
            "nodeSelector": {"kubernetes.io/hostname": node}, "terminationGracePeriodSeconds": 5,
            "containers": [{"name": "main", "image": "busybox:1.37", "command": ["sh", "-c", "echo $(WHO) on $(NODE)"],
                "env": [{"name": "WHO", "value": name}, {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]}}}}));
    }

    pub(super) fn object_at(&mut self, target: &str) -> Option<Value> {
        (self.status(target) == 200).then(|| self.get(target))
    }

    pub(super) fn jiva(&mut self, volume: &str) -> Value {
        self.get(&format!("/apis/openebs.io/v1/namespaces/openebs/jivavolumes/{volume}"))
    }

    /// The messages of the events with a reason.
    pub(super) fn messages(&mut self, reason: &str) -> Vec<String> {
        let events = self.get("/api/v1/events");
        let events = events["items"].as_array().expect("a list");
        events
            .iter()
            .filter(|event| event["reason"] == reason)
            .map(|event| event["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The mounts, without those of the replicas' own disks.
    pub(super) fn mounts(&self) -> Vec<HostMount> {
        let view = self.cluster.storage_view();
        let of_replica = |mount: &HostMount| view.replicas.iter().any(|replica| replica.path == mount.source);
        view.mounts.iter().filter(|mount| !of_replica(mount)).cloned().collect()
    }

    /// Those of them below the pods' directories.
    pub(super) fn pod_mounts(&self) -> Vec<HostMount> {
        self.mounts().into_iter().filter(|mount| mount.path.starts_with(&format!("{ROOT}/pods/"))).collect()
    }

    /// The container of a job that runs.
    pub(super) fn run_of(&self, job: &str) -> Option<ContainerRun> {
        let runs = self.cluster.storage_view().containers;
        runs.into_iter().find(|run| run.pod.starts_with(&format!("{job}-")))
    }

    /// Ends the container of a job.
    pub(super) fn end(&mut self, job: &str, status: i32) {
        let run = self.run_of(job).expect("it runs");
        self.cluster.container_ended(self.now, &run.uid, &run.container, status);
    }
}
