//! The objects of `hostpath-storage` (canonical/microk8s-core-addons `addons/hostpath-storage/storage.yaml`), in its order.

use serde_json::{Value, json};

pub(super) fn manifest() -> Vec<Value> {
    let name = "microk8s-hostpath";
    let labels = json!({"k8s-app": "hostpath-provisioner"});
    let container = json!({"name": "hostpath-provisioner", "image": "cdkbot/hostpath-provisioner:1.5.0", "env": [
        {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "PV_DIR", "value": "/var/snap/microk8s/common/default-storage"},
        {"name": "BUSYBOX_IMAGE", "value": "busybox:1.28.4"}],
        "volumeMounts": [{"name": "pv-volume", "mountPath": "/var/snap/microk8s/common/default-storage"}]});
    let volume = json!({"name": "pv-volume", "hostPath": {"path": "/var/snap/microk8s/common/default-storage"}});
    let subject = json!([{"kind": "ServiceAccount", "name": name, "namespace": "kube-system"}]);
    vec![
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "hostpath-provisioner", "namespace": "kube-system", "labels": labels},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
                "spec": {"serviceAccountName": name, "containers": [container], "volumes": [volume]}}}}),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "microk8s.io/hostpath",
            "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer"}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "kube-system"}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": [
            {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["list", "get", "watch", "update"]},
            {"apiGroups": [""], "resources": ["persistentvolumes"], "verbs": ["list", "get", "update", "watch", "create", "delete"]}]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}, "subjects": subject}),
    ]
}
