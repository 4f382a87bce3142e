//! Rows of pods.

use serde_json::Value;

use super::{name, or_none};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::value::{at, list, number, text};

impl Kubernetes {
    pub(super) fn pod_cells(&self, pod: &Value) -> Vec<Value> {
        let statuses = list(pod, "/status/containerStatuses");
        let ready = statuses.iter().filter(|status| status["ready"] == true).count();
        let restarts: i64 = statuses.iter().map(|status| number(status, "/restartCount")).sum();
        let last =
            statuses.iter().map(|status| text(status, "/lastState/terminated/finishedAt")).max().unwrap_or_default();
        let restarts = if restarts > 0 && !last.is_empty() {
            format!("{restarts} ({} ago)", self.clock.age(self.now, last))
        } else {
            restarts.to_string()
        };
        vec![
            name(pod),
            format!("{ready}/{}", list(pod, "/spec/containers").len()).into(),
            status(pod).into(),
            restarts.into(),
            self.age(pod),
            or_none(text(pod, "/status/podIP")),
            or_none(text(pod, "/spec/nodeName")),
            or_none(text(pod, "/status/nominatedNodeName")),
            "<none>".into(),
        ]
    }
}

/// The phase, or what a container says that is more telling.
fn status(pod: &Value) -> String {
    let mut init;
    let mut status = match text(pod, "/status/reason") {
        "" => text(pod, "/status/phase"),
        reason => reason,
    };
    for container in list(pod, "/status/containerStatuses") {
        for state in ["/state/waiting/reason", "/state/terminated/reason"] {
            let reason = text(container, state);
            if !reason.is_empty() {
                status = reason;
            }
        }
    }
    for container in list(pod, "/status/initContainerStatuses") {
        let reason = text(container, "/state/waiting/reason");
        if !["", "PodInitializing"].contains(&reason) {
            init = format!("Init:{reason}");
            status = &init;
        }
    }
    if at(pod, "/metadata/deletionTimestamp").is_string() {
        status = if text(pod, "/status/reason") == "NodeLost" { "Unknown" } else { "Terminating" };
    }
    status.to_owned()
}
