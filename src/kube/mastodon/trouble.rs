//! What keeps a pod from running, as the kubelet and the scheduler tell it.

use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};

use super::warnings;
use crate::facts::mastodon::{Trouble, TroubleKind};

/// The reasons of a waiting container, and what each comes to (kubernetes/kubernetes `pkg/kubelet/images/types.go`,
/// `pkg/kubelet/kuberuntime/kuberuntime_container.go`).
const WAITING: [(&str, TroubleKind); 8] = [
    ("ErrImagePull", TroubleKind::Image),
    ("ImagePullBackOff", TroubleKind::Image),
    ("InvalidImageName", TroubleKind::Image),
    ("ErrImageNeverPull", TroubleKind::Image),
    ("CreateContainerConfigError", TroubleKind::Configuration),
    ("CreateContainerError", TroubleKind::Configuration),
    ("RunContainerError", TroubleKind::Configuration),
    ("CrashLoopBackOff", TroubleKind::Crash),
];

/// The trouble of a pod, if it has one.
pub(in crate::kube) fn of(pod: &Pod, events: &[Event]) -> Option<Trouble> {
    let name = pod.metadata.name.as_deref()?;
    let about = warnings(events, "Pod", Some(name));
    let status = pod.status.as_ref()?;
    let inits = status.init_container_statuses.iter().flatten();
    let mut containers = inits.chain(status.container_statuses.iter().flatten());
    let found = containers.find_map(waits).or_else(|| unscheduled(pod)).or_else(|| unmounted(&about));
    let (container, kind, message) = found?;
    Some(Trouble { pod: name.to_owned(), container, kind, message, events: about, log: Vec::new() })
}

type Found = (Option<String>, TroubleKind, String);

fn waits(container: &ContainerStatus) -> Option<Found> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    let (_, kind) = WAITING.iter().find(|(known, _)| *known == reason)?;
    let ended = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let killed = ended.and_then(|ended| ended.reason.as_deref()) == Some("OOMKilled");
    let (kind, message) = match (kind, ended) {
        (TroubleKind::Crash, _) if killed => {
            (TroubleKind::Memory, "it was killed: it used more memory than its limit".to_owned())
        }
        // The kubelet's own words hold the length of the pause, which changes all the time.
        (TroubleKind::Crash, Some(ended)) => (*kind, format!("it keeps ending with status {}", ended.exit_code)),
        (TroubleKind::Image, _) => (*kind, format!("the image {} cannot be pulled", container.image)),
        (kind, _) => (*kind, waiting.message.clone().unwrap_or_else(|| reason.to_owned())),
    };
    Some((Some(container.name.clone()), kind, message))
}

fn unscheduled(pod: &Pod) -> Option<Found> {
    let conditions = pod.status.as_ref()?.conditions.as_deref().unwrap_or_default();
    let scheduled = conditions.iter().find(|condition| condition.type_ == "PodScheduled")?;
    let refused = scheduled.status == "False" && scheduled.reason.as_deref() == Some("Unschedulable");
    refused.then(|| (None, TroubleKind::Unscheduled, scheduled.message.clone().unwrap_or_default()))
}

/// A pod whose volumes do not come has containers that merely wait: only its events tell.
fn unmounted(events: &[String]) -> Option<Found> {
    let told = events.iter().find(|line| line.starts_with("FailedMount") || line.starts_with("FailedAttachVolume"))?;
    let message = told.split_once(": ").map_or(told.as_str(), |(_, message)| message);
    Some((None, TroubleKind::Volume, message.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: &Value) -> Pod {
        serde_json::from_value(json!({ "metadata": { "name": "mastodon-redis-master-0" }, "status": status })).unwrap()
    }

    fn container(state: &Value, last: &Value) -> Value {
        json!({ "containerStatuses": [{
            "name": "redis", "image": "docker.io/bitnamilegacy/redis:8", "imageID": "", "ready": false,
            "restartCount": 3, "state": state, "lastState": last,
        }] })
    }

    fn event(reason: &str, message: &str) -> Event {
        serde_json::from_value(json!({
            "metadata": {}, "type": "Warning", "reason": reason, "message": message,
            "involvedObject": { "kind": "Pod", "name": "mastodon-redis-master-0" },
        }))
        .unwrap()
    }

    #[test]
    fn an_image_that_cannot_be_pulled_reads_the_same_at_each_look() {
        let told = |reason: &str| {
            let status = container(&json!({ "waiting": { "reason": reason, "message": "x" } }), &json!({}));
            of(&pod(&status), &[event("Failed", "Failed to pull image: not found")]).unwrap()
        };
        assert_eq!(told("ErrImagePull"), told("ImagePullBackOff"));
        let trouble = told("ErrImagePull");
        assert_eq!(trouble.kind, TroubleKind::Image);
        assert_eq!(trouble.events, ["Failed: Failed to pull image: not found"]);
    }

    #[test]
    fn a_container_that_keeps_ending_is_told_from_one_without_memory() {
        let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 40s restarting" } });
        let crash = of(&pod(&container(&waiting, &json!({ "terminated": { "exitCode": 1, "reason": "Error" } }))), &[]);
        assert_eq!(
            crash.map(|it| (it.kind, it.message)),
            Some((TroubleKind::Crash, "it keeps ending with status 1".into()))
        );
        let last = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } });
        assert_eq!(of(&pod(&container(&waiting, &last)), &[]).map(|it| it.kind), Some(TroubleKind::Memory));
    }

    #[test]
    fn pods_without_a_node_or_a_volume() {
        let message = "0/3 nodes are available: 3 Insufficient memory.";
        let status = json!({ "conditions": [
            { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message }
        ] });
        assert_eq!(of(&pod(&status), &[]).map(|it| it.message), Some(message.to_owned()));
        let starting = container(&json!({ "waiting": { "reason": "ContainerCreating" } }), &json!({}));
        assert_eq!(of(&pod(&starting), &[]), None);
        let mount = of(&pod(&starting), &[event("FailedMount", "MountVolume.SetUp failed: exit status 32")]).unwrap();
        assert_eq!(
            (mount.kind, mount.message.as_str()),
            (TroubleKind::Volume, "MountVolume.SetUp failed: exit status 32")
        );
    }
}
