//! What there is of Mastodon, read side by side.

mod ingress;
pub mod secrets;
pub(super) mod trouble;
mod workloads;

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{Event, Namespace, PersistentVolumeClaim, Pod};
use k8s_openapi::api::networking::v1::Ingress;
use kube::Client;
use kube::core::ObjectList;

use super::read::pod_ready;
use super::request::{get, text};
use crate::facts::flux::pruned_by;
use crate::facts::mastodon::{HELPER, HELPER_LABEL, Helper, MastodonFacts, SiteWorkload, TroubleKind};
use crate::inventory::model::Mastodon;
use crate::mastodon::secrets::from_files;
use crate::mastodon::{NAMESPACE, REHEARSAL, RELEASE};

/// The claim of the bundled database (bitnami/charts `postgresql`: a `StatefulSet`'s claim `data` of its first pod).
const DATABASE: &str = "data-mastodon-postgresql-0";
/// How many lines of a container's log are read.
const LOG_LINES: usize = 8;
/// The label by which helm's charts name the release.
const INSTANCE: &str = "app.kubernetes.io/instance";

/// Reads the release's objects and the ingress controller. Events and logs are read only while something is wrong.
pub async fn read(client: &Client, wanted: &Mastodon) -> kube::Result<MastodonFacts> {
    let base = format!("/api/v1/namespaces/{NAMESPACE}");
    let (pod_path, claim_path) = (format!("{base}/pods"), format!("{base}/persistentvolumeclaims/{DATABASE}"));
    let ingress_path = format!("/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses");
    let rehearsal_path = format!("/api/v1/namespaces/{REHEARSAL}/pods");
    let cron_path = format!("/apis/batch/v1/namespaces/{NAMESPACE}/cronjobs/{RELEASE}-media-remove");
    let (namespace, (set, marks), workloads, jobs, pods, claim, ingresses, ingress, cron, rehearsal) = futures::try_join!(
        get::<Namespace>(client, &base),
        secrets::look(client),
        workloads::read(client),
        workloads::jobs(client),
        get::<ObjectList<Pod>>(client, &pod_path),
        get::<PersistentVolumeClaim>(client, &claim_path),
        get::<ObjectList<Ingress>>(client, &ingress_path),
        ingress::read(client),
        get::<CronJob>(client, &cron_path),
        get::<ObjectList<Pod>>(client, &rehearsal_path),
    )?;
    let pods = pods.map(|list| list.items).unwrap_or_default();
    let ingresses = ingresses.map(|list| list.items).unwrap_or_default();
    let mut facts = MastodonFacts {
        namespace_pruned_by: namespace.as_ref().and_then(|namespace| {
            let metadata = namespace.metadata.clone();
            pruned_by(&metadata.labels.unwrap_or_default(), &metadata.annotations.unwrap_or_default())
        }),
        namespace: namespace.is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_none()),
        secrets: secrets::describe(wanted, &set, marks, from_files(wanted)),
        workloads,
        jobs,
        serving: serving(&pods).filter_map(|pod| pod.metadata.uid.clone()).collect(),
        web_pod: serving(&pods).find(|pod| component(pod) == Some("web")).and_then(|pod| pod.metadata.name.clone()),
        pods: of_site(&pods).filter_map(|pod| pod.metadata.name.clone()).collect(),
        helper: pods.iter().find(|pod| pod.metadata.name.as_deref() == Some(HELPER)).map(helper),
        rehearsal: rehearsal.map(|list| list.items).unwrap_or_default().iter().filter_map(named).collect(),
        cron_suspended: cron.map(|cron| cron.spec.suspend.unwrap_or_default()),
        database: claim.and_then(|claim| claim.metadata.uid),
        hosts: ingresses.iter().flat_map(ingress::hosts).collect(),
        ingress,
        ..MastodonFacts::default()
    };
    facts.ingress.published = ingresses.iter().flat_map(ingress::published).collect();
    let whole = !facts.workloads.is_empty() && facts.workloads.iter().all(SiteWorkload::whole);
    if facts.namespace && (!whole || !facts.jobs.is_empty()) {
        let events = events(client, NAMESPACE).await?;
        facts.release_events = warnings(&events, "HelmRelease", None);
        facts.troubles = pods.iter().filter_map(|pod| trouble::of(pod, &events)).collect();
        for trouble in &mut facts.troubles {
            if trouble.kind == TroubleKind::Crash
                && let Some(container) = &trouble.container
            {
                trouble.log = log(client, &trouble.pod, container).await?;
            }
        }
    }
    Ok(facts)
}

fn component(pod: &Pod) -> Option<&str> {
    pod.metadata.labels.as_ref()?.get("app.kubernetes.io/component").map(String::as_str)
}

/// The ready pods of the Deployments web and streaming (mastodon/chart `templates/deployment-web.yaml`,
/// `templates/deployment-streaming.yaml`). Pods of Jobs carry no component.
fn serving(pods: &[Pod]) -> impl Iterator<Item = &Pod> {
    pods.iter().filter(|pod| pod_ready(pod) && matches!(component(pod), Some("web" | "streaming")))
}

/// The pods of the Deployments that have not ended.
fn of_site(pods: &[Pod]) -> impl Iterator<Item = &Pod> {
    let ours = |name: &str| matches!(name, "web" | "streaming") || name.starts_with("sidekiq");
    pods.iter().filter(move |pod| component(pod).is_some_and(ours) && !ended(pod))
}

fn ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn helper(pod: &Pod) -> Helper {
    let id = pod.metadata.labels.as_ref().and_then(|labels| labels.get(HELPER_LABEL)).cloned();
    let ended = ended(pod) || pod.metadata.deletion_timestamp.is_some();
    Helper { id: id.unwrap_or_default(), ready: pod_ready(pod), ended }
}

fn named(pod: &Pod) -> Option<(String, Helper)> {
    Some((pod.metadata.name.clone()?, helper(pod)))
}

/// The events of a namespace, the newest first.
pub async fn events(client: &Client, namespace: &str) -> kube::Result<Vec<Event>> {
    let list: Option<ObjectList<Event>> = get(client, &format!("/api/v1/namespaces/{namespace}/events")).await?;
    let mut events = list.map(|list| list.items).unwrap_or_default();
    events.sort_by_key(|event| std::cmp::Reverse(when(event)));
    Ok(events)
}

/// When an event last came up; those of the newer API have only `eventTime`.
fn when(event: &Event) -> Option<String> {
    let last = event.last_timestamp.as_ref().and_then(|time| serde_json::to_value(time).ok());
    let once = event.event_time.as_ref().and_then(|time| serde_json::to_value(time).ok());
    last.or(once).and_then(|time| time.as_str().map(str::to_owned))
}

/// The newest three different warnings about an object, or about all objects of a kind.
pub(super) fn warnings(events: &[Event], kind: &str, name: Option<&str>) -> Vec<String> {
    let about = events.iter().filter(|event| {
        let object = &event.involved_object;
        event.type_.as_deref() == Some("Warning")
            && object.kind.as_deref() == Some(kind)
            && name.is_none_or(|name| object.name.as_deref() == Some(name))
    });
    let mut seen = BTreeSet::new();
    let lines = about.map(|event| {
        let (reason, message) = (event.reason.as_deref().unwrap_or_default(), event.message.as_deref());
        format!("{reason}: {}", message.unwrap_or_default().trim())
    });
    lines.filter(|line| seen.insert(line.clone())).take(3).collect()
}

/// The last lines of the container's run before this one, or of this one while there was none before.
async fn log(client: &Client, pod: &str, container: &str) -> kube::Result<Vec<String>> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}/log?container={container}&tailLines={LOG_LINES}");
    for path in [format!("{path}&previous=true"), path] {
        match text(client, &path).await {
            Ok(Some(text)) if !text.trim().is_empty() => {
                return Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect());
            }
            // There is no run before this one, or the container has not begun.
            Ok(_) | Err(kube::Error::Api(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Vec::new())
}
