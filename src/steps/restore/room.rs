//! The room of a rehearsal: a namespace with copies of what a restore works on, under the same names, so that whatever the
//! pods look up by a short name is the copy. Nothing in there can reach the site or the world.

use std::collections::BTreeSet;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Scene, begun, copies, helper, write};
use crate::facts::mastodon::{HELPER, HELPER_LABEL};
use crate::kube::mastodon::secrets as in_cluster;
use crate::kube::request::{apply, delete, get};
use crate::mastodon::secrets::MASTODON;
use crate::mastodon::{NAMESPACE, REHEARSAL, RELEASE};
use crate::plan::Verdict;
use crate::steps::{Context, Failure};
use crate::storage::belongings;

/// How long a namespace may take to go, and its volumes after it.
const GOING: Duration = Duration::from_secs(600);
/// How long a new namespace may take to have its `ServiceAccount`, without which no pod is taken.
const NEW: Duration = Duration::from_secs(60);
/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The `StatefulSets` that are copied (bitnami/charts `postgresql` and `redis`).
fn sets() -> [String; 2] {
    [format!("{RELEASE}-postgresql"), format!("{RELEASE}-redis-master")]
}

impl Scene<'_> {
    pub(super) fn room(&self) -> Verdict {
        let pods = sets().map(|set| format!("{set}-0")).into_iter().chain([HELPER.to_owned()]);
        for name in pods {
            match self.seen.rehearsal.get(&name) {
                Some(pod) if pod.id != self.restore.id => {
                    return Verdict::differs(format!("the pod {name} in {REHEARSAL} is an earlier rehearsal's"));
                }
                Some(pod) if pod.ended => return Verdict::differs(format!("the pod {name} in {REHEARSAL} has ended")),
                Some(pod) if !pod.ready => {
                    return Verdict::settling(format!("the pod {name} in {REHEARSAL} is not ready yet"));
                }
                Some(_) => {}
                None if name == HELPER || self.seen.rehearsal.is_empty() => {
                    return Verdict::differs(format!("there is no pod {name} in {REHEARSAL}"));
                }
                None => return Verdict::settling(format!("the pod {name} in {REHEARSAL} is not there yet")),
            }
        }
        Verdict::Holds
    }
}

/// Makes it, in place of an earlier rehearsal's.
pub(super) async fn make(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    let (client, id) = (context.api().await?, scene.restore.id.as_str());
    let there: Option<Value> = get(&client, &format!("/api/v1/namespaces/{REHEARSAL}")).await?;
    let label = |object: &Value| object["metadata"]["labels"][HELPER_LABEL].as_str().map(str::to_owned);
    let own =
        |there: &Value| label(there).is_some_and(|own| own == id) && there["metadata"]["deletionTimestamp"].is_null();
    if !there.as_ref().is_some_and(own) {
        clear(context).await?;
        // Somebody may have removed it: what was done in there is gone with it.
        let mut journal = scene.journal()?;
        journal.done.clear();
        write(context, &journal).await?;
    }
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": REHEARSAL, "labels": labels(id) } });
    apply(&client, &format!("/api/v1/namespaces/{REHEARSAL}"), &namespace).await?;
    put(&client, &walls(), id).await?;
    let keys = begun::with_keys(context, &scene, &in_cluster::read(&client).await?)?;
    for mut secret in list(&client, "/api/v1", "secrets").await? {
        if let Some(set) = keys.as_ref().filter(|_| secret["metadata"]["name"] == MASTODON) {
            secret["stringData"] =
                set.of(MASTODON).map(|(key, value)| (key.to_owned(), Value::from(value.expose_secret()))).collect();
        }
        if let Some(copy) = copies::secret(&secret) {
            put(&client, &copy, id).await?;
        }
    }
    for map in list(&client, "/api/v1", "configmaps").await? {
        if let Some(copy) = copies::config_map(&map) {
            put(&client, &copy, id).await?;
        }
    }
    let template = helper::template(&client).await?;
    for claim in list(&client, "/api/v1", "persistentvolumeclaims").await? {
        if copies::mounts(&template, &claim) {
            put(&client, &copies::claim(&claim), id).await?;
        }
    }
    let own = sets();
    let mut chosen = list(&client, "/apis/apps/v1", "statefulsets").await?;
    chosen.retain(|set| own.iter().any(|name| set["metadata"]["name"] == name.as_str()));
    if chosen.len() != own.len() {
        return Err(Failure::failed(format!("the StatefulSets {} are not both there", own.join(" and "))));
    }
    for service in list(&client, "/api/v1", "services").await? {
        if chosen.iter().any(|set| copies::selects(&service, set)) {
            put(&client, &copies::service(&service), id).await?;
        }
    }
    account(&client).await?;
    for set in &chosen {
        put(&client, &copies::stateful_set(set, id), id).await?;
    }
    if scene.seen.rehearsal.get(HELPER).is_some_and(|pod| pod.ended) {
        helper::remove(context).await?;
    }
    let pod = copies::alone(&helper::pod(&template, REHEARSAL, id)?, "/spec");
    apply(&client, &helper::path(REHEARSAL), &pod).await?;
    Ok(())
}

fn labels(id: &str) -> Value {
    json!({ "app.kubernetes.io/managed-by": "homeprov", HELPER_LABEL: id })
}

/// The pods in there reach each other and the names of Services, and nothing else: nothing is sent to anybody, and nobody
/// takes it for the site.
fn walls() -> Value {
    let own = json!([{ "podSelector": {} }]);
    let names = json!([{ "protocol": "UDP", "port": 53 }, { "protocol": "TCP", "port": 53 }]);
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": { "name": "homeprov-rehearsal", "namespace": REHEARSAL },
        "spec": {
            "podSelector": {}, "policyTypes": ["Ingress", "Egress"],
            "ingress": [{ "from": own }], "egress": [{ "to": own }, { "ports": names }],
        },
    })
}

async fn list(client: &kube::Client, group: &str, plural: &str) -> Result<Vec<Value>, Failure> {
    let found: Option<Value> = get(client, &format!("{group}/namespaces/{NAMESPACE}/{plural}")).await?;
    Ok(found.and_then(|mut found| found["items"].as_array_mut().map(std::mem::take)).unwrap_or_default())
}

async fn put(client: &kube::Client, object: &Value, id: &str) -> Result<(), Failure> {
    let mut object = object.clone();
    for (key, value) in labels(id).as_object().into_iter().flatten() {
        object["metadata"]["labels"][key] = value.clone();
    }
    let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let group = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    let plural = match kind.as_str() {
        "NetworkPolicy" => "networkpolicies".to_owned(),
        kind => format!("{}s", kind.to_lowercase()),
    };
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    apply(client, &format!("{group}/namespaces/{REHEARSAL}/{plural}/{name}"), &object).await?;
    Ok(())
}

/// Waits for what every namespace gets from the cluster.
async fn account(client: &kube::Client) -> Result<(), Failure> {
    let deadline = Instant::now() + NEW;
    let path = format!("/api/v1/namespaces/{REHEARSAL}/serviceaccounts/default");
    while get::<Value>(client, &path).await?.is_none() {
        if Instant::now() > deadline {
            return Err(Failure::failed(format!(
                "the namespace {REHEARSAL} has no ServiceAccount after {} s",
                NEW.as_secs()
            )));
        }
        sleep(LOOK).await;
    }
    Ok(())
}

/// Lets the volumes go with the namespace from now on, also where somebody else removes it, and whatever their class keeps: those
/// of the claims and those behind the shares that were made for them.
pub(super) async fn let_go(context: &Context) -> Result<(), Failure> {
    let client = context.api().await?;
    let found = belongings::look(&client, REHEARSAL, &mut BTreeSet::new()).await?;
    Ok(belongings::let_go(&client, &found).await?)
}

/// Removes it with its volumes and waits until all of it is gone.
pub(super) async fn clear(context: &Context) -> Result<(), Failure> {
    let client = context.api().await?;
    // What is behind a volume is found by its name, and the volume may go first.
    let mut known = BTreeSet::new();
    let found = belongings::look(&client, REHEARSAL, &mut known).await?;
    belongings::let_go(&client, &found).await?;
    let path = format!("/api/v1/namespaces/{REHEARSAL}");
    delete(&client, &path).await?;
    let deadline = Instant::now() + GOING;
    while get::<Value>(&client, &path).await?.is_some() {
        if Instant::now() > deadline {
            return Err(Failure::failed(format!(
                "the namespace {REHEARSAL} does not go: see `microk8s kubectl get namespace {REHEARSAL} -o yaml`, under conditions"
            )));
        }
        sleep(LOOK).await;
    }
    let deadline = Instant::now() + GOING;
    loop {
        let left = belongings::look(&client, REHEARSAL, &mut known).await?;
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Failure::failed(format!(
                "volumes of {REHEARSAL} do not go, and they hold copies of the users' files: {}. `microk8s kubectl describe` tells why",
                left.names().join(", ")
            )));
        }
        // One that was bound in the last moment, too.
        belongings::let_go(&client, &left).await?;
        belongings::remove_shares(&client, &left).await?;
        sleep(LOOK).await;
    }
}
