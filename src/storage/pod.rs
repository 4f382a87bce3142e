//! The proof's pods: made by a Job, followed until they have said what they were made for.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerState, Event, Pod};
use tokio::time::{Instant, sleep};

use super::means::{Means, Trouble};
use super::objects::{self, CONTAINER, NAMESPACE};
use crate::kube::request;

/// How often a pod is looked at.
const LOOK: Duration = Duration::from_millis(400);
/// How often what is said of a pod that does not run is read.
const LISTEN: Duration = Duration::from_secs(3);

/// What is known of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodLook {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The node it was put on, when it was.
    pub node: Option<String>,
    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    pub phase: String,
    /// Why its container waits: `ContainerCreating`, `ImagePullBackOff`, …
    pub waits: Option<String>,
    /// What was said of it, the latest last.
    pub events: Vec<String>,
    /// What it printed.
    pub log: String,
}

impl PodLook {
    /// The SHA-256 the pod said it wrote or read.
    pub fn hash(&self) -> Option<&str> {
        let said = self.log.lines().find_map(|line| line.strip_prefix("hash "))?.trim();
        (said.len() == 64 && said.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(said)
    }

    /// Takes in what is said of it now. What was said before stays: Kubernetes forgets events after a while, and what they
    /// tell of may last.
    fn hear(&mut self, said: Vec<String>) {
        self.events.retain(|event| !said.contains(event));
        self.events.extend(said);
    }

    /// Whether it said that it could not do its work.
    pub fn failed(&self) -> bool {
        self.log.lines().any(|line| line == "failed" || line == "absent")
    }

    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        self.phase == "Succeeded" || self.phase == "Failed"
    }

    /// Whether its container runs or ran.
    fn started(&self) -> bool {
        self.phase == "Running" || self.ended()
    }

    /// Where it stands, in a few words.
    fn stage(&self) -> String {
        match (&self.waits, self.phase.as_str()) {
            (Some(reason), _) => reason.clone(),
            (None, "Running") => "running".to_owned(),
            (None, "") => "no pod yet".to_owned(),
            (None, phase) => phase.to_lowercase(),
        }
    }
}

/// Follows a Job's pod until it has said its hash, has ended, `limit` has passed, or `vain` says that it gets nowhere.
pub async fn follow(
    means: &Means,
    job: &str,
    limit: Duration,
    mut vain: impl FnMut(&PodLook) -> bool + Send,
) -> Result<PodLook, Trouble> {
    let began = Instant::now();
    let (mut listened, mut stage) = (None::<Instant>, String::new());
    let mut look = PodLook::default();
    loop {
        see(means, job, &mut look).await?;
        if look.started() {
            look.log = log(means, &look.name).await?.unwrap_or_default();
        } else if listened.is_none_or(|at| at.elapsed() > LISTEN) && !look.uid.is_empty() {
            look.hear(events(means, NAMESPACE, &look.uid).await?);
            listened = Some(Instant::now());
        }
        if look.stage() != stage {
            stage = look.stage();
            means.say(format!("{job} on {}: {stage}", look.node.as_deref().unwrap_or("no node yet")));
        }
        let over = began.elapsed() > limit;
        if look.hash().is_some() || look.failed() || look.ended() || over || vain(&look) {
            if look.hash().is_none() && !look.uid.is_empty() {
                look.hear(events(means, NAMESPACE, &look.uid).await?);
            }
            return Ok(look);
        }
        sleep(LOOK).await;
    }
}

/// The Job's pod, as it is now.
async fn see(means: &Means, job: &str, look: &mut PodLook) -> Result<(), Trouble> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=job-name%3D{job}");
    let pods: Vec<Pod> = means.list(&path).await?;
    let Some(pod) = pods.into_iter().next() else { return Ok(()) };
    let status = pod.status.unwrap_or_default();
    look.name = pod.metadata.name.unwrap_or_default();
    look.uid = pod.metadata.uid.unwrap_or_default();
    look.node = pod.spec.and_then(|spec| spec.node_name);
    look.phase = status.phase.unwrap_or_default();
    let state = status.container_statuses.unwrap_or_default().into_iter().next().and_then(|container| container.state);
    let unscheduled = status
        .conditions
        .unwrap_or_default()
        .into_iter()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    look.waits = match state {
        Some(ContainerState { waiting: Some(waiting), .. }) => waiting.reason,
        _ => unscheduled.and_then(|condition| condition.reason),
    };
    Ok(())
}

/// What a pod's container printed; absent while kubelet does not give it.
async fn log(means: &Means, pod: &str) -> Result<Option<String>, Trouble> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}/log?container={CONTAINER}&limitBytes=65536");
    match request::text(&means.client, &path).await {
        Ok(text) => Ok(text),
        // A container that has just started has no log yet, and a kubelet that restarts gives none.
        Err(kube::Error::Api(status)) if status.code == 400 || status.code >= 500 => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What was said of an object, each message once, the latest last.
pub async fn events(means: &Means, namespace: &str, uid: &str) -> Result<Vec<String>, Trouble> {
    let path = format!("/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.uid%3D{uid}");
    let events: Vec<Event> = means.list(&path).await?;
    let mut said: Vec<_> = events
        .into_iter()
        .filter(|event| event.involved_object.uid.as_deref() == Some(uid))
        .map(|event| {
            let at = event.last_timestamp.map(|time| time.0).or(event.event_time.map(|time| time.0));
            let (reason, message) = (event.reason.unwrap_or_default(), event.message.unwrap_or_default());
            (at, format!("{reason}: {message}"))
        })
        .collect();
    said.sort();
    said.dedup_by(|one, other| one.1 == other.1);
    Ok(said.into_iter().map(|(_, text)| text).collect())
}

/// Deletes a Job with its pod and waits until the pod is gone, so that its volume is mounted no more. Says whether it is.
pub async fn remove(means: &Means, job: &str, limit: Duration) -> Result<bool, Trouble> {
    let path = format!("{}?propagationPolicy=Background", objects::jobs(job));
    request::delete(&means.client, &path).await?;
    let began = Instant::now();
    loop {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=job-name%3D{job}");
        let pods: Vec<Pod> = means.list(&path).await?;
        if pods.is_empty() {
            return Ok(true);
        }
        // An API server that garbage collects late leaves the pod to us.
        for pod in pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            request::delete(&means.client, &format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}")).await?;
        }
        if began.elapsed() > limit {
            return Ok(false);
        }
        sleep(LOOK).await;
    }
}

/// Makes an object of the proof.
pub async fn make(means: &Means, path: &str, object: &serde_json::Value) -> Result<(), Trouble> {
    request::apply(&means.client, path, object).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_not_forgotten() {
        let mut look = PodLook::default();
        look.hear(vec!["FailedMount: owned".into(), "Scheduled: on nuc2".into()]);
        look.hear(vec![]);
        look.hear(vec!["FailedMount: owned".into()]);
        assert_eq!(look.events, ["Scheduled: on nuc2", "FailedMount: owned"]);
    }

    #[test]
    fn a_hash_is_a_whole_line_of_its_own() {
        let look = |log: &str| PodLook { log: log.to_owned(), ..PodLook::default() };
        let hash = "0f67d5967aee8dc65827579922641b86ceea4c316b2a6af9aa2f9ab91e315dfa";
        assert_eq!(look(&format!("123+2654 records in\nhash {hash}\n")).hash(), Some(hash));
        assert_eq!(look("hash 0f67\n").hash(), None);
        assert_eq!(look("dd: canary: Read-only file system\n").hash(), None);
    }
}
