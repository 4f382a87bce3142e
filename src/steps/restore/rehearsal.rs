//! The end of a rehearsal: the site's own program takes the data, and then everything is taken away again.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Scene, copies, helper, room, write};
use crate::facts::mastodon::HELPER_LABEL;
use crate::kube::request::{apply, get, text};
use crate::mastodon::REHEARSAL;
use crate::steps::{Context, Failure};

/// The name of the web pod.
const WEB: &str = "homeprov-rehearsal-web";
/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// A container that was started anew so often will not come up.
const RESTARTS: u64 = 3;

/// Starts a web pod on the restored data and waits until it is ready, by its own readiness probe. There is no Sidekiq: what it
/// sends cannot be taken back.
pub(super) async fn answer(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    helper::remove(context).await?;
    let client = context.api().await?;
    let template = helper::template(&client).await?;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": WEB, "namespace": REHEARSAL,
            "labels": { "app.kubernetes.io/managed-by": "homeprov", HELPER_LABEL: scene.restore.id },
        },
        "spec": template,
    });
    let path = format!("/api/v1/namespaces/{REHEARSAL}/pods/{WEB}");
    apply(&client, &path, &copies::alone(&pod, "/spec")).await?;
    let deadline = Instant::now() + context.step.limit;
    loop {
        let seen: Option<Value> = get(&client, &path).await?;
        let seen = seen.ok_or_else(|| Failure::failed(format!("the pod {WEB} in {REHEARSAL} is gone")))?;
        let statuses = seen["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
        if !statuses.is_empty() && statuses.iter().all(|status| status["ready"] == true) {
            context.say("a web pod is ready on the restored data");
            return Ok(());
        }
        let restarts = statuses.iter().filter_map(|status| status["restartCount"].as_u64()).max();
        if restarts >= Some(RESTARTS) || Instant::now() > deadline {
            let log = text(&client, &format!("{path}/log?tailLines=12")).await.ok().flatten().unwrap_or_default();
            let reason = format!(
                "web does not come up on the restored data: {}",
                why(&statuses).unwrap_or_else(|| format!("not ready after {} s", context.step.limit.as_secs()))
            );
            return Err(Failure::Failed { reason, output: log.lines().map(str::to_owned).collect() });
        }
        sleep(LOOK).await;
    }
}

/// What the cluster says of a container that does not run.
fn why(statuses: &[Value]) -> Option<String> {
    let waiting = |status: &Value| {
        let waiting = &status["state"]["waiting"];
        let reason = waiting["reason"].as_str()?;
        Some(format!("{reason}: {}", waiting["message"].as_str().unwrap_or_default()))
    };
    statuses.iter().find_map(waiting)
}

/// Removes the namespace with its volumes, and ends the journal.
pub(super) async fn end(context: &Context) -> Result<(), Failure> {
    let scene = Scene::at_hand(context)?;
    room::clear(context).await?;
    let manifest = &scene.restore.manifest;
    let files: u64 = manifest.archives().filter_map(|(part, _)| part.entries).sum();
    let rows: u64 = manifest.database.rows.values().sum();
    context
        .say(format!("{} can be put back: {rows} rows counted, {files} files, web was ready on them", manifest.name));
    let mut journal = scene.journal()?;
    journal.ended = true;
    write(context, &journal).await
}
