//! The objects the proof makes, all in a namespace of their own.

use serde_json::{Value, json};

use super::canary::Canary;
use super::proof::Access;

/// The namespace of everything the proof makes.
pub const NAMESPACE: &str = "homeprov-proof";
/// The container's name in every pod.
pub const CONTAINER: &str = "canary";
/// After this a pod ends by itself, when nobody came to end it.
pub const HOLD_SECONDS: u32 = 600;
/// After this Kubernetes ends a Job that is stuck: pulling the image and mounting come on top of holding.
const DEADLINE_SECONDS: u32 = 1800;

/// What a Job does with the volume.
#[derive(Debug, Clone, Copy)]
pub enum Work<'a> {
    /// Writes the canary.
    Write(&'a Canary),
    /// Reads it.
    Read,
}

/// A pod of the proof: which, where, as whom.
#[derive(Debug, Clone)]
pub struct Worker<'a> {
    /// The Job's name.
    pub name: String,
    /// The claim's name.
    pub claim: &'a str,
    /// The value of the node's label `kubernetes.io/hostname`.
    pub host: &'a str,
    /// The image.
    pub image: &'a str,
    /// The user it runs as.
    pub user: u32,
}

/// The namespace. Pods of the proof need nothing beyond the `baseline` of the Pod Security Standards.
pub fn namespace() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {
            "name": NAMESPACE,
            "labels": { "app.kubernetes.io/managed-by": "homeprov", "pod-security.kubernetes.io/enforce": "baseline" },
        },
    })
}

/// A claim of `bytes`.
pub fn claim(name: &str, class: &str, access: Access, bytes: u64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": name, "namespace": NAMESPACE, "labels": labels() },
        "spec": {
            "accessModes": [access.name()],
            "storageClassName": class,
            "resources": { "requests": { "storage": bytes.to_string() } },
        },
    })
}

/// A Job that does its work and then holds the volume mounted.
pub fn job(worker: &Worker<'_>, work: Work<'_>) -> Value {
    let (script, mut env) = match work {
        Work::Write(canary) => (
            include_str!("write.sh"),
            vec![
                json!({ "name": "MARK", "value": canary.mark }),
                json!({ "name": "BLOCKS", "value": canary.blocks.to_string() }),
                json!({ "name": "CHUNK", "value": canary.chunk }),
            ],
        ),
        Work::Read => (include_str!("read.sh"), vec![]),
    };
    env.push(json!({ "name": "HOLD", "value": HOLD_SECONDS.to_string() }));
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": worker.name, "namespace": NAMESPACE, "labels": labels() },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "ttlSecondsAfterFinished": 3600,
            "template": {
                "metadata": { "labels": labels() },
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "terminationGracePeriodSeconds": 10,
                    "nodeSelector": { "kubernetes.io/hostname": worker.host },
                    "securityContext": { "runAsUser": worker.user, "runAsGroup": worker.user },
                    "containers": [{
                        "name": CONTAINER,
                        "image": worker.image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["sh", "-c", script],
                        "env": env,
                        "workingDir": "/volume",
                        "volumeMounts": [{ "name": "volume", "mountPath": "/volume" }],
                        "securityContext": { "allowPrivilegeEscalation": false },
                        "resources": {
                            "requests": { "cpu": "10m", "memory": "16Mi" },
                            "limits": { "memory": "128Mi" },
                        },
                    }],
                    "volumes": [{ "name": "volume", "persistentVolumeClaim": { "claimName": worker.claim } }],
                },
            },
        },
    })
}

fn labels() -> Value {
    json!({ "app.kubernetes.io/managed-by": "homeprov", "app.kubernetes.io/name": "homeprov-proof" })
}

/// The path of the claims in the API, or of one.
pub fn claims(name: &str) -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/{name}")
}

/// The path of the Jobs in the API, or of one.
pub fn jobs(name: &str) -> String {
    format!("/apis/batch/v1/namespaces/{NAMESPACE}/jobs/{name}")
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::batch::v1::Job;
    use k8s_openapi::api::core::v1::PersistentVolumeClaim;

    use super::*;

    #[test]
    fn they_are_objects_of_kubernetes() {
        let canary = Canary::new("01ARZ3NDEKTSV4RRFFQ69G5FAV".into(), 1 << 26);
        let worker = Worker { name: "w".into(), claim: "c", host: "nuc1", image: "busybox:1.37.0", user: 991 };
        let written: Job = serde_json::from_value(job(&worker, Work::Write(&canary))).unwrap();
        let pod = written.spec.unwrap().template.spec.unwrap();
        assert_eq!(pod.security_context.unwrap().run_as_user, Some(991));
        assert_eq!(pod.node_selector.unwrap()["kubernetes.io/hostname"], "nuc1");
        assert_eq!(pod.containers[0].env.as_ref().unwrap().len(), 4);
        let claim: PersistentVolumeClaim =
            serde_json::from_value(claim("c", "fast", Access::ReadWriteMany, 1 << 30)).unwrap();
        assert_eq!(claim.spec.unwrap().access_modes.unwrap(), ["ReadWriteMany"]);
    }
}
