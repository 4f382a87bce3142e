//! The subchart `cstor` (openebs/cstor-operators `deploy/helm/charts`): what the addon installs beside Jiva and nobody uses.

use serde_json::{Value, json};

use super::chart::{
    Chart, Component, Release, engine_version, field, full_name, host_path, mounted, printed, variable,
};

pub(super) fn defaults() -> Value {
    json!({"enabled": false, "csiNode": {"kubeletDir": "/var/lib/kubelet/"}, "cleanup": {"image": {"tag": ""}}})
}

pub(super) fn render(chart: &Chart, release: Release<'_>, values: &Value) -> Vec<Value> {
    let version = engine_version(chart);
    let full = full_name(release.name, "cstor");
    let part = |suffix: &str, component: &str| {
        Component::new(
            release,
            format!("{full}-{suffix}"),
            json!({"name": component, "component": component}),
            &json!({"chart": format!("cstor-{version}"), "openebs.io/version": version, "openebs.io/component-name": component}),
        )
    };
    let pod = |account: &str, name: &str, image: &str| {
        json!({"serviceAccountName": account, "containers": [{"name": name, "image": format!("openebs/{image}:{version}"),
            "imagePullPolicy": "IfNotPresent", "env": [field("OPENEBS_NAMESPACE", "metadata.namespace"), field("POD_NAME", "metadata.name")]}]})
    };
    let account = "openebs-cstor-operator";
    let pools = part("cspc-operator", "cspc-operator");
    let volumes = part("cvc-operator", "cvc-operator");
    let admission = part("admission-server", "cstor-admission-webhook");
    let node = part("csi-node", "openebs-cstor-csi-node");
    let controller = part("csi-controller", "openebs-cstor-csi-controller");
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": format!("{full}-cvc-operator-svc"), "labels": volumes.labels},
        "spec": {"selector": volumes.selects, "ports": [{"name": "api", "port": 5757, "protocol": "TCP", "targetPort": 5757}]}});
    let mut objects = vec![
        pools.workload("Deployment", &pod(account, "openebs-cstor-cspc-operator", "cspc-operator")),
        volumes.workload("Deployment", &pod(account, "openebs-cstor-cvc-operator", "cvc-operator")),
        admission.workload("Deployment", &pod(account, "openebs-cstor-admission-webhook", "cstor-webhook")),
        service,
        node.workload("DaemonSet", &node_pod(version, values)),
        controller
            .workload("StatefulSet", &pod("openebs-cstor-csi-controller-sa", "cstor-csi-plugin", "cstor-csi-driver")),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "cstor.csi.openebs.io"},
            "spec": {"podInfoOnMount": true, "attachRequired": false}}),
    ];
    objects.extend(pools.account(account));
    objects.extend(node.account("openebs-cstor-csi-node-sa"));
    objects.extend(controller.account("openebs-cstor-csi-controller-sa"));
    objects
}

fn node_pod(version: &str, values: &Value) -> Value {
    let kubelet = printed(values, "/csiNode/kubeletDir");
    let mut pods = mounted("pods-mount-dir", &kubelet);
    pods["mountPropagation"] = "Bidirectional".into();
    let registrar = json!({"name": "csi-node-driver-registrar", "image": "k8s.gcr.io/sig-storage/csi-node-driver-registrar:v2.3.0",
        "env": [variable("DRIVER_REG_SOCK_PATH", &format!("{kubelet}plugins/cstor.csi.openebs.io/csi.sock"))],
        "volumeMounts": [mounted("plugin-dir", "/plugin"), mounted("registration-dir", "/registration")]});
    let plugin = json!({"name": "cstor-csi-plugin", "image": format!("openebs/cstor-csi-driver:{version}"), "securityContext": {"privileged": true},
        "env": [field("OPENEBS_NODE_ID", "spec.nodeName"), variable("OPENEBS_NODE_DRIVER", "node")],
        "volumeMounts": [mounted("plugin-dir", "/plugin"), mounted("device-dir", "/dev"), pods]});
    json!({"serviceAccountName": "openebs-cstor-csi-node-sa", "hostNetwork": true, "containers": [registrar, plugin], "volumes": [
        host_path("device-dir", "/dev", "Directory"), host_path("registration-dir", &format!("{kubelet}plugins_registry/"), "DirectoryOrCreate"),
        host_path("plugin-dir", &format!("{kubelet}plugins/cstor.csi.openebs.io/"), "DirectoryOrCreate"),
        host_path("pods-mount-dir", &kubelet, "Directory")]})
}
