//! The chart `nfs-provisioner` (openebs/dynamic-nfs-provisioner `deploy/helm/charts`).

use serde_json::{Value, json};

use super::chart::{Chart, Component, Release, field, full_name, printed, truth, variable};

/// `values.yaml`
pub(super) fn defaults() -> Value {
    json!({
        "nfsProvisioner": {"name": "nfs-provisioner", "enabled": true, "enableLeaderElection": "true", "enableGarbageCollection": true},
        "nfsStorageClass": {"name": "openebs-kernel-nfs", "enabled": true, "reclaimPolicy": "Delete", "nfsServerType": "kernel",
            "isDefaultClass": false, "backendStorageClass": "", "mountOptions": [], "customServerConfig": "", "filePermissions": {},
            "nfsServerResources": {}},
        "nfsServer": {"useClusterIP": "true", "imagePullSecret": ""},
        "analytics": {"enabled": "true"},
    })
}

pub(super) fn render(chart: &Chart, release: Release<'_>, values: &Value) -> Vec<Value> {
    let name = full_name(release.name, "nfs-provisioner");
    let component = printed(values, "/nfsProvisioner/name");
    let part = Component::new(
        release,
        name.clone(),
        json!({"app": "nfs-provisioner", "component": component}),
        &json!({"chart": format!("nfs-provisioner-{}", chart.version), "openebs.io/version": chart.app_version,
            "openebs.io/component-name": format!("openebs-{component}"), "name": "openebs-nfs-provisioner"}),
    );
    let mut objects = part.account(&name).to_vec();
    if truth(values, "/nfsProvisioner/enabled") {
        objects.push(part.workload(
            "Deployment",
            &json!({"serviceAccountName": name, "containers": [container(chart, &name, values)]}),
        ));
    }
    if truth(values, "/nfsStorageClass/enabled") {
        objects.push(class(&values["nfsStorageClass"]));
    }
    objects
}

fn container(chart: &Chart, name: &str, values: &Value) -> Value {
    let mut env = vec![
        field("NODE_NAME", "spec.nodeName"),
        field("OPENEBS_NAMESPACE", "metadata.namespace"),
        field("OPENEBS_SERVICE_ACCOUNT", "spec.serviceAccountName"),
        variable("OPENEBS_IO_ENABLE_ANALYTICS", &printed(values, "/analytics/enabled")),
        variable("OPENEBS_IO_NFS_SERVER_USE_CLUSTERIP", &printed(values, "/nfsServer/useClusterIP")),
        variable("OPENEBS_IO_INSTALLER_TYPE", "nfs-helm"),
        variable("OPENEBS_IO_NFS_SERVER_IMG", &format!("openebs/nfs-server-alpine:{}", chart.app_version)),
        variable("LEADER_ELECTION_ENABLED", &printed(values, "/nfsProvisioner/enableLeaderElection")),
    ];
    for (path, variable_name) in [
        ("/nfsProvisioner/nfsServerNamespace", "OPENEBS_IO_NFS_SERVER_NS"),
        ("/nfsProvisioner/nfsServerNodeAffinity", "OPENEBS_IO_NFS_SERVER_NODE_AFFINITY"),
        ("/nfsProvisioner/enableGarbageCollection", "OPENEBS_IO_NFS_SERVER_GARBAGE_COLLECTION_ENABLED"),
        ("/nfsProvisioner/nfsBackendPvcTimeout", "OPENEBS_IO_NFS_SERVER_BACKEND_PVC_TIMEOUT"),
    ] {
        if truth(values, path) {
            env.push(variable(variable_name, &printed(values, path)));
        }
    }
    json!({"name": name, "image": format!("openebs/provisioner-nfs:{}", chart.app_version), "imagePullPolicy": "IfNotPresent", "env": env,
        "livenessProbe": {"exec": {"command": ["sh", "-c", "test `pgrep \"^provisioner-nfs.*\"` = 1"]}, "initialDelaySeconds": 30, "periodSeconds": 60}})
}

/// `templates/kernel-nfs-storageclass.yaml`: only permissions are quoted there.
fn class(values: &Value) -> Value {
    let mut config = format!("- name: NFSServerType\n  value: {}\n", printed(values, "/nfsServerType"));
    for (key, name) in [
        ("backendStorageClass", "BackendStorageClass"),
        ("customServerConfig", "CustomServerConfig"),
        ("leaseTime", "LeaseTime"),
        ("graceTime", "GraceTime"),
    ] {
        let path = format!("/{key}");
        if truth(values, &path) {
            config.extend(["- name: ", name, "\n  value: ", &printed(values, &path), "\n"]);
        }
    }
    if truth(values, "/filePermissions") {
        config += "- name: FilePermissions\n  data:\n";
        for key in ["UID", "GID", "mode"] {
            let path = format!("/filePermissions/{key}");
            if truth(values, &path) {
                config.extend(["    ", key, ": \"", &printed(values, &path), "\"\n"]);
            }
        }
    }
    let mut class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": printed(values, "/name"),
        "annotations": {"openebs.io/cas-type": "nfsrwx", "cas.openebs.io/config": config}},
        "provisioner": "openebs.io/nfsrwx", "reclaimPolicy": printed(values, "/reclaimPolicy")});
    if truth(values, "/isDefaultClass") {
        class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] = "true".into();
    }
    if truth(values, "/mountOptions") {
        class["mountOptions"] = values["mountOptions"].clone();
    }
    class
}

/// `templates/NOTES.txt`
pub(super) fn notes(release: Release<'_>) -> String {
    let (name, namespace) = (release.name, release.namespace);
    format!(
        "Thank you for installing nfs-provisioner 😀\n\nYour release is named {name} and it's installed to namespace: {namespace}.\n\nThe \
         OpenEBS NFSPV Provisioner has been installed check its status by running:\n$ kubectl get pods -n {namespace}\n\nFor more information, \
         visit our Slack at https://openebs.io/community or view\nthe documentation online at \
         https://github.com/openebs/dynamic-nfs-provisioner/.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::chart::{Chart, Release, merge_values};
    use super::*;

    #[test]
    fn the_class_says_in_its_annotation_what_the_values_ask_for() {
        let chart = Chart::known("nfs-provisioner", "0.11.0").unwrap();
        let mut values = chart.defaults();
        let over = json!({"nfsStorageClass": {"name": "openebs-rwx", "backendStorageClass": "openebs-jiva-csi-default", "leaseTime": 30,
            "customServerConfig": "/nfsshare *(rw,fsid=0,sync)", "filePermissions": {"UID": "991", "GID": "991", "mode": "0775"}}});
        merge_values(&mut values, &over);
        let release = Release { name: "nfs-provisioner", namespace: "openebs" };
        let objects = chart.render(release, &values);
        let class = objects.iter().find(|object| object["kind"] == "StorageClass").unwrap();
        assert_eq!(class["metadata"]["name"], "openebs-rwx");
        let wanted = "- name: NFSServerType\n  value: kernel\n- name: BackendStorageClass\n  value: openebs-jiva-csi-default\n- name: \
                      CustomServerConfig\n  value: /nfsshare *(rw,fsid=0,sync)\n- name: LeaseTime\n  value: 30\n- name: FilePermissions\n  \
                      data:\n    UID: \"991\"\n    GID: \"991\"\n    mode: \"0775\"\n";
        assert_eq!(class["metadata"]["annotations"]["cas.openebs.io/config"], wanted);
        assert!(
            objects
                .iter()
                .any(|object| object["kind"] == "Deployment" && object["metadata"]["name"] == "nfs-provisioner")
        );
    }
}
