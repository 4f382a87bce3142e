//! The subchart `jiva` (openebs/jiva-operator `deploy/helm/charts`).

use serde_json::{Value, json};

use super::chart::{Chart, Component, Release, field, full_name, host_path, mounted, printed, truth, variable};

/// The operator's version in a version of the umbrella chart.
pub(super) fn version(chart: &Chart) -> &'static str {
    match chart.version {
        "3.3.0" | "3.3.1" => "3.3.0",
        "3.10.0" => "3.6.0",
        _ => "3.4.0",
    }
}

/// `values.yaml`, without the images.
pub(super) fn defaults() -> Value {
    json!({
        "enabled": false,
        "analytics": {"enabled": true},
        "defaultPolicy": {"name": "openebs-jiva-default-policy", "enabled": true, "replicaSC": "openebs-hostpath", "replicas": 3},
        "storageClass": {"name": "openebs-jiva-csi-default", "enabled": true, "reclaimPolicy": "Delete", "isDefaultClass": false,
            "allowVolumeExpansion": true},
        "csiNode": {"kubeletDir": "/var/lib/kubelet/"},
        "csiDriver": {"create": true, "podInfoOnMount": true, "attachRequired": false},
        "jivaCSIPlugin": {"remount": "true"},
    })
}

pub(super) fn render(chart: &Chart, release: Release<'_>, values: &Value) -> Vec<Value> {
    let version = version(chart);
    let full = full_name(release.name, "jiva");
    let part = |suffix: &str, component: &str| {
        Component::new(
            release,
            format!("{full}-{suffix}"),
            json!({"name": component, "component": component}),
            &json!({"chart": format!("jiva-{version}"), "openebs.io/version": version, "openebs.io/component-name": component}),
        )
    };
    let operator = part("operator", "jiva-operator");
    let node = part("csi-node", "openebs-jiva-csi-node");
    let controller = part("csi-controller", "openebs-jiva-csi-controller");
    let mut objects = vec![
        priority(&format!("{}-jiva-csi-controller-critical", release.name), 900_000_000),
        priority(&format!("{}-jiva-csi-node-critical", release.name), 900_001_000),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "openebs-jiva-csi-iscsiadm", "labels": node.labels},
            "data": {"iscsiadm": ISCSIADM}}),
        operator.workload("Deployment", &operator_pod(&operator.name, version)),
        node.workload("DaemonSet", &node_pod(release, version, values)),
        controller.workload("StatefulSet", &controller_pod(release, version, values)),
    ];
    objects.extend(operator.account("openebs-jiva-operator"));
    objects.extend(node.account("openebs-jiva-csi-node-sa"));
    objects.extend(controller.account("openebs-jiva-csi-controller-sa"));
    if truth(values, "/csiDriver/create") {
        objects.push(json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "jiva.csi.openebs.io"},
            "spec": {"podInfoOnMount": truth(values, "/csiDriver/podInfoOnMount"), "attachRequired": truth(values, "/csiDriver/attachRequired")}}));
    }
    objects.extend(policy_and_class(values));
    objects
}

/// `templates/default-policy.yaml` and `templates/default-storageclass.yaml`
fn policy_and_class(values: &Value) -> Vec<Value> {
    let mut objects = Vec::new();
    let policy = printed(values, "/defaultPolicy/name");
    if truth(values, "/defaultPolicy/enabled") {
        objects.push(json!({"apiVersion": "openebs.io/v1alpha1", "kind": "JivaVolumePolicy", "metadata": {"name": policy},
            "spec": {"replicaSC": values["defaultPolicy"]["replicaSC"], "target": {"replicationFactor": values["defaultPolicy"]["replicas"]}}}));
    }
    if truth(values, "/storageClass/enabled") {
        let mut class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": printed(values, "/storageClass/name")}, "provisioner": "jiva.csi.openebs.io", "volumeBindingMode": "Immediate",
            "allowVolumeExpansion": truth(values, "/storageClass/allowVolumeExpansion"),
            "reclaimPolicy": printed(values, "/storageClass/reclaimPolicy"), "parameters": {"cas-type": "jiva", "policy": policy}});
        if truth(values, "/storageClass/isDefaultClass") {
            class["metadata"]["annotations"] = json!({"storageclass.kubernetes.io/is-default-class": "true"});
        }
        objects.push(class);
    }
    objects
}

fn priority(name: &str, value: u32) -> Value {
    json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value, "globalDefault": false,
        "description": "This priority class should be used for the OpenEBS Jiva CSI driver deployment only."})
}

fn operator_pod(name: &str, version: &str) -> Value {
    let tag = |repository: &str| format!("openebs/{repository}:{version}");
    json!({"serviceAccountName": "openebs-jiva-operator", "containers": [{"name": name, "image": tag("jiva-operator"),
        "imagePullPolicy": "IfNotPresent", "command": ["jiva-operator"], "env": [field("OPENEBS_NAMESPACE", "metadata.namespace"),
            field("POD_NAME", "metadata.name"), variable("OPERATOR_NAME", "jiva-operator"),
            field("OPENEBS_SERVICEACCOUNT_NAME", "spec.serviceAccountName"), variable("OPENEBS_IO_JIVA_CONTROLLER_IMAGE", &tag("jiva")),
            variable("OPENEBS_IO_JIVA_REPLICA_IMAGE", &tag("jiva")), variable("OPENEBS_IO_MAYA_EXPORTER_IMAGE", &tag("m-exporter"))]}]})
}

/// `templates/csi-node.yaml`: the directory is put before each path as it is, so a missing slash at its end shows here too.
fn node_pod(release: Release<'_>, version: &str, values: &Value) -> Value {
    let kubelet = printed(values, "/csiNode/kubeletDir");
    let mut pods = mounted("pods-mount-dir", &kubelet);
    pods["mountPropagation"] = "Bidirectional".into();
    let mut root = mounted("host-root", "/host");
    root["mountPropagation"] = "HostToContainer".into();
    let mut iscsiadm = mounted("chroot-iscsiadm", "/sbin/iscsiadm");
    iscsiadm["subPath"] = "iscsiadm".into();
    let registrar = json!({"name": "csi-node-driver-registrar", "image": sidecar(version, "csi-node-driver-registrar:v2.3.0"),
        "imagePullPolicy": "IfNotPresent", "args": ["--v=5", "--csi-address=$(ADDRESS)", "--kubelet-registration-path=$(DRIVER_REG_SOCK_PATH)"],
        "env": [variable("ADDRESS", "/plugin/csi.sock"),
            variable("DRIVER_REG_SOCK_PATH", &format!("{kubelet}plugins/jiva.csi.openebs.io/csi.sock")),
            field("KUBE_NODE_NAME", "spec.nodeName"), variable("NODE_DRIVER", "openebs-jiva-csi")],
        "volumeMounts": [mounted("plugin-dir", "/plugin"), mounted("registration-dir", "/registration")]});
    let plugin = json!({"name": "jiva-csi-plugin", "image": format!("openebs/jiva-csi:{version}"), "imagePullPolicy": "IfNotPresent",
        "securityContext": {"privileged": true, "allowPrivilegeEscalation": true},
        "args": ["--name=jiva.csi.openebs.io", "--nodeid=$(OPENEBS_NODE_ID)", "--endpoint=$(OPENEBS_CSI_ENDPOINT)", "--plugin=$(OPENEBS_NODE_DRIVER)",
            "--enableiscsidebug=true", "--retrycount=20", "--metricsBindAddress=:9505"],
        "env": [field("OPENEBS_NODE_ID", "spec.nodeName"), variable("OPENEBS_CSI_ENDPOINT", "unix:///plugin/csi.sock"),
            variable("OPENEBS_NODE_DRIVER", "node"), variable("OPENEBS_CSI_API_URL", "https://openebs.io"),
            field("OPENEBS_NAMESPACE", "metadata.namespace"), variable("REMOUNT", &printed(values, "/jivaCSIPlugin/remount"))],
        "volumeMounts": [mounted("plugin-dir", "/plugin"), mounted("device-dir", "/dev"), pods, root, iscsiadm]});
    let probe = json!({"name": "liveness-probe", "image": sidecar(version, "livenessprobe:v2.3.0"), "imagePullPolicy": "IfNotPresent",
        "args": ["--csi-address=/plugin/csi.sock"], "volumeMounts": [mounted("plugin-dir", "/plugin")]});
    json!({"priorityClassName": format!("{}-jiva-csi-node-critical", release.name), "serviceAccountName": "openebs-jiva-csi-node-sa",
        "hostNetwork": true, "containers": [registrar, plugin, probe], "volumes": [host_path("device-dir", "/dev", "Directory"),
            host_path("registration-dir", &format!("{kubelet}plugins_registry/"), "DirectoryOrCreate"),
            host_path("plugin-dir", &format!("{kubelet}plugins/jiva.csi.openebs.io/"), "DirectoryOrCreate"),
            host_path("pods-mount-dir", &kubelet, "Directory"),
            {"name": "chroot-iscsiadm", "configMap": {"name": "openebs-jiva-csi-iscsiadm", "defaultMode": 0o555}},
            host_path("host-root", "/", "Directory")]})
}

fn controller_pod(release: Release<'_>, version: &str, values: &Value) -> Value {
    let socket = "/var/lib/csi/sockets/pluginproxy/";
    let side = |name: &str, image: &str| {
        json!({"name": name, "image": sidecar(version, image), "imagePullPolicy": "IfNotPresent", "args": ["--v=5", "--csi-address=$(ADDRESS)"],
            "env": [variable("ADDRESS", &format!("{socket}csi.sock"))], "volumeMounts": [mounted("socket-dir", socket)]})
    };
    let plugin = json!({"name": "jiva-csi-plugin", "image": format!("openebs/jiva-csi:{version}"), "imagePullPolicy": "IfNotPresent",
        "env": [variable("OPENEBS_JIVA_CSI_CONTROLLER", "controller"), field("OPENEBS_NODEID", "spec.nodeName"),
            field("OPENEBS_NAMESPACE", "metadata.namespace"), variable("OPENEBS_IO_INSTALLER_TYPE", "jiva-helm"),
            variable("OPENEBS_IO_ENABLE_ANALYTICS", &printed(values, "/analytics/enabled"))],
        "args": ["--endpoint=$(OPENEBS_JIVA_CSI_ENDPOINT)", "--plugin=$(OPENEBS_JIVA_CSI_CONTROLLER)", "--name=jiva.csi.openebs.io",
            "--nodeid=$(OPENEBS_NODEID)"],
        "volumeMounts": [mounted("socket-dir", socket)]});
    json!({"priorityClassName": format!("{}-jiva-csi-controller-critical", release.name), "serviceAccountName": "openebs-jiva-csi-controller-sa",
        "containers": [side("csi-resizer", "csi-resizer:v1.2.0"), side("csi-provisioner", "csi-provisioner:v3.0.0"),
            side("csi-attacher", "csi-attacher:v3.1.0"), plugin, side("liveness-probe", "livenessprobe:v2.3.0")],
        "volumes": [{"name": "socket-dir", "emptyDir": {}}]})
}

/// The registry was frozen between the two versions.
fn sidecar(version: &str, image: &str) -> String {
    let registry = if version == "3.6.0" { "registry.k8s.io" } else { "k8s.gcr.io" };
    format!("{registry}/sig-storage/{image}")
}

/// `templates/csi-iscsiadm-config.yaml`
const ISCSIADM: &str = "#!/bin/sh\nif [ -x /host/sbin/iscsiadm ]; then\n  chroot /host /sbin/iscsiadm \"$@\"\nelif [ -x /host/usr/local/sbin/iscsiadm ]; then\n  \
                        chroot /host /usr/local/sbin/iscsiadm \"$@\"\nelse\n  chroot /host iscsiadm \"$@\"\nfi\n";
