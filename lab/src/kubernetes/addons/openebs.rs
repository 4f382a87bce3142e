//! The umbrella chart `openebs` (openebs/charts `charts/openebs`, versions 3.3 to 3.10).

use serde_json::{Value, json};

use super::chart::{Chart, Component, Release, field, full_name, host_path, mounted, printed, truth, variable};
use super::{cstor, jiva, nfs_provisioner};

/// The values the objects depend on (`values.yaml`).
pub(super) fn defaults(chart: &Chart) -> Value {
    json!({
        "release": {"version": chart.app_version},
        "image": {"pullPolicy": "IfNotPresent", "repository": ""},
        "varDirectoryPath": {"baseDir": "/var/openebs"},
        "analytics": {"enabled": true},
        "localprovisioner": {"enabled": true, "basePath": "/var/openebs/local", "image": "openebs/provisioner-localpv",
            "imageTag": chart.app_version, "enableHostpathClass": true, "enableDeviceClass": true,
            "hostpathClass": {"enabled": true, "isDefaultClass": false}, "deviceClass": {"enabled": true, "fsType": "ext4", "isDefaultClass": false}},
        "ndm": {"enabled": true, "image": "openebs/node-disk-manager", "imageTag": "2.0.0",
            "sparse": {"path": "/var/openebs/sparse", "size": "10737418240", "count": "0"}},
        "ndmOperator": {"enabled": true, "image": "openebs/node-disk-operator", "imageTag": "2.0.0"},
        "helper": {"image": "openebs/linux-utils", "imageTag": "3.3.0"},
        "legacy": {"enabled": false},
        "cstor": cstor::defaults(),
        "jiva": jiva::defaults(),
        "nfs-provisioner": {"enabled": false},
        "mayastor": {"enabled": false},
    })
}

/// Everything the chart and its subcharts install.
pub(super) fn render(chart: &Chart, release: Release<'_>, values: &Value) -> Vec<Value> {
    let mut objects = Vec::new();
    let base = part(chart, release, "", "");
    objects.extend(base.account("openebs-maya-operator"));
    if truth(values, "/ndm/enabled") {
        objects.extend(disk_manager(chart, release, values));
    }
    if truth(values, "/localprovisioner/enabled") {
        objects.push(local_provisioner(chart, release, values));
        objects.extend(classes(values));
    }
    if truth(values, "/jiva/enabled") {
        objects.extend(jiva::render(chart, release, &values["jiva"]));
    }
    if truth(values, "/cstor/enabled") {
        objects.extend(cstor::render(chart, release, &values["cstor"]));
    }
    if truth(values, "/nfs-provisioner/enabled") {
        let sub = Chart { name: "nfs-provisioner", version: "0.11.0", app_version: "0.11.0" };
        let mut own = nfs_provisioner::defaults();
        super::chart::merge_values(&mut own, &values["nfs-provisioner"]);
        objects.extend(nfs_provisioner::render(&sub, release, &own));
    }
    objects
}

fn part<'a>(chart: &Chart, release: Release<'a>, component: &str, label: &str) -> Component<'a> {
    let full = full_name(release.name, "openebs");
    let name = if component.is_empty() { full } else { format!("{full}-{component}") };
    Component::new(
        release,
        name,
        json!({"app": "openebs", "component": component}),
        &json!({"chart": format!("openebs-{}", chart.version), "name": label, "openebs.io/component-name": label,
            "openebs.io/version": chart.app_version}),
    )
}

fn disk_manager(chart: &Chart, release: Release<'_>, values: &Value) -> Vec<Value> {
    let daemon = part(chart, release, "ndm", "openebs-ndm");
    let config = format!("{}-config", daemon.name);
    let base = printed(values, "/varDirectoryPath/baseDir");
    let sparse = printed(values, "/ndm/sparse/path");
    let container = json!({"name": "openebs-ndm", "image": image(values, "/ndm"), "args": ["-v=4"], "imagePullPolicy": "IfNotPresent",
        "securityContext": {"privileged": true},
        "env": [field("NAMESPACE", "metadata.namespace"), field("NODE_NAME", "spec.nodeName"), variable("SPARSE_FILE_DIR", &sparse)],
        "livenessProbe": {"exec": {"command": ["pgrep", "ndm"]}, "initialDelaySeconds": 30, "periodSeconds": 60},
        "volumeMounts": [mounted("config", "/host/node-disk-manager.config"), mounted("udev", "/run/udev"), mounted("procmount", "/host/proc"),
            mounted("devmount", "/dev"), mounted("basepath", "/var/openebs/ndm"), mounted("sparsepath", &sparse)]});
    let pod = json!({"serviceAccountName": "openebs-maya-operator", "hostNetwork": true, "containers": [container], "volumes": [
        {"name": "config", "configMap": {"name": config}}, host_path("udev", "/run/udev", "Directory"),
        host_path("procmount", "/proc", "Directory"), host_path("devmount", "/dev", "Directory"),
        host_path("basepath", &format!("{base}/ndm"), "DirectoryOrCreate"), {"name": "sparsepath", "hostPath": {"path": sparse}}]});
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": config, "labels": daemon.labels},
            "data": {"node-disk-manager.config": "filterconfigs:\n- key: os-disk-exclude-filter\n  name: os disk exclude filter\n  state: true\n"}}),
        daemon.workload("DaemonSet", &pod),
    ];
    if truth(values, "/ndmOperator/enabled") {
        let operator = part(chart, release, "ndm-operator", "ndm-operator");
        let probe = |path: &str| json!({"httpGet": {"path": path, "port": 8585}, "initialDelaySeconds": 5, "periodSeconds": 10});
        let container = json!({"name": operator.name, "image": image(values, "/ndmOperator"), "imagePullPolicy": "IfNotPresent",
            "livenessProbe": probe("/healthz"), "readinessProbe": probe("/readyz"),
            "env": [field("WATCH_NAMESPACE", "metadata.namespace"), field("POD_NAME", "metadata.name")]});
        objects.push(operator.workload(
            "Deployment",
            &json!({"serviceAccountName": "openebs-maya-operator", "containers": [container]}),
        ));
    }
    objects
}

fn local_provisioner(chart: &Chart, release: Release<'_>, values: &Value) -> Value {
    let provisioner = part(chart, release, "localpv-provisioner", "openebs-localpv-provisioner");
    let helper = format!("{}:{}", printed(values, "/helper/image"), printed(values, "/helper/imageTag"));
    let container = json!({"name": "openebs-localpv-provisioner", "image": image(values, "/localprovisioner"), "imagePullPolicy": "IfNotPresent",
        "args": ["--bd-time-out=$(BDC_BD_BIND_RETRIES)"],
        "env": [variable("BDC_BD_BIND_RETRIES", "12"), variable("OPENEBS_NAMESPACE", release.namespace), field("NODE_NAME", "spec.nodeName"),
            variable("OPENEBS_IO_ENABLE_ANALYTICS", &printed(values, "/analytics/enabled")),
            variable("OPENEBS_IO_BASE_PATH", &printed(values, "/localprovisioner/basePath")),
            variable("OPENEBS_IO_HELPER_IMAGE", &helper), variable("OPENEBS_IO_INSTALLER_TYPE", "charts-helm")]});
    provisioner
        .workload("Deployment", &json!({"serviceAccountName": "openebs-maya-operator", "containers": [container]}))
}

fn image(values: &Value, path: &str) -> String {
    let repository = printed(values, "/image/repository");
    format!(
        "{repository}{}:{}",
        printed(values, &format!("{path}/image")),
        printed(values, &format!("{path}/imageTag"))
    )
}

/// `openebs-hostpath` and `openebs-device`.
fn classes(values: &Value) -> Vec<Value> {
    let own = printed(values, "/localprovisioner/hostpathClass/basePath");
    let base = if own.is_empty() { printed(values, "/localprovisioner/basePath") } else { own };
    let hostpath = format!("- name: StorageType\n  value: \"hostpath\"\n- name: BasePath\n  value: \"{base}\"\n");
    let system = printed(values, "/localprovisioner/deviceClass/fsType");
    let device = format!("- name: StorageType\n  value: \"device\"\n- name: FSType\n  value: \"{system}\"\n");
    let class = |name: &str, config: &str, default: bool| {
        let mut class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name,
            "annotations": {"openebs.io/cas-type": "local", "cas.openebs.io/config": config}},
            "provisioner": "openebs.io/local", "volumeBindingMode": "WaitForFirstConsumer", "reclaimPolicy": "Delete"});
        if default {
            class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] = "true".into();
        }
        class
    };
    let mut classes = Vec::new();
    for (key, old, name, config) in [
        ("hostpathClass", "enableHostpathClass", "openebs-hostpath", hostpath),
        ("deviceClass", "enableDeviceClass", "openebs-device", device),
    ] {
        let path = format!("/localprovisioner/{key}");
        if truth(values, &format!("{path}/enabled")) && truth(values, &format!("/localprovisioner/{old}")) {
            classes.push(class(name, &config, truth(values, &format!("{path}/isDefaultClass"))));
        }
    }
    classes
}

/// `templates/NOTES.txt`
pub(super) fn notes(release: Release<'_>) -> String {
    let (name, namespace) = (release.name, release.namespace);
    format!(
        "Successfully installed OpenEBS.\n\nCheck the status by running: kubectl get pods -n {namespace}\n\nThe default values will install \
         NDM and enable OpenEBS hostpath and device\nstorage engines along with their default StorageClasses. Use `kubectl get sc`\nto see \
         the list of installed OpenEBS StorageClasses.\n\nFor other engines, you will need to perform a few more additional steps to\nenable \
         the engine, configure the engines (e.g. creating pools) and create \nStorageClasses. \n\nFor example, cStor can be enabled using \
         commands like:\n\nhelm upgrade {name} openebs/openebs --set cstor.enabled=true --reuse-values --namespace {namespace}\n\nFor more \
         information, \n- view the online documentation at https://openebs.io/docs or\n- connect with an active community on Kubernetes slack \
         #openebs channel.\n"
    )
}
