//! What the cluster has told of an object lately. Kubernetes keeps events for an hour, `MicroK8s` for five minutes.

use k8s_openapi::api::core::v1::Event;
use kube::Client;
use kube::core::ObjectList;

use crate::kube::request;

/// How many are shown.
const MOST: usize = 8;

/// The newest events about an object, the newest first: `reason: message`, each text once. What cannot be read is not
/// there: events only explain.
pub async fn events(client: &Client, kind: &str, namespace: &str, name: &str) -> Vec<String> {
    let selector = format!("involvedObject.kind%3D{kind}%2CinvolvedObject.name%3D{name}");
    let path = format!("/api/v1/namespaces/{namespace}/events?fieldSelector={selector}");
    let list: Option<ObjectList<Event>> = request::get(client, &path).await.ok().flatten();
    of(list.map(|list| list.items).unwrap_or_default(), kind, name)
}

fn of(mut events: Vec<Event>, kind: &str, name: &str) -> Vec<String> {
    events.retain(|event| {
        event.involved_object.kind.as_deref() == Some(kind) && event.involved_object.name.as_deref() == Some(name)
    });
    events.sort_by_key(|event| std::cmp::Reverse(at(event)));
    let mut lines: Vec<String> = Vec::new();
    for event in events {
        let reason = event.reason.unwrap_or_default();
        let message = event.message.unwrap_or_default();
        let line = format!("{reason}: {}", message.trim());
        if !lines.contains(&line) && lines.len() < MOST {
            lines.push(line);
        }
    }
    lines
}

/// When it was seen last.
fn at(event: &Event) -> Option<String> {
    let series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
    let micro = series.or(event.event_time.as_ref()).map(|time| time.0.to_string());
    let last = event.last_timestamp.as_ref().map(|time| time.0.to_string());
    last.max(micro)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_come_first_and_none_twice() {
        let event = |kind: &str, reason: &str, last: &str| -> Event {
            serde_json::from_value(json!({
                "metadata": {}, "involvedObject": { "kind": kind, "name": "flux-system" },
                "reason": reason, "message": "said\n", "lastTimestamp": last,
            }))
            .unwrap()
        };
        let events = vec![
            event("Kustomization", "Old", "2026-01-01T00:00:00Z"),
            event("Kustomization", "New", "2026-01-01T00:00:09Z"),
            event("GitRepository", "Other", "2026-01-01T00:00:10Z"),
            event("Kustomization", "Old", "2025-12-31T00:00:00Z"),
        ];
        assert_eq!(of(events, "Kustomization", "flux-system"), ["New: said", "Old: said"]);
    }
}
