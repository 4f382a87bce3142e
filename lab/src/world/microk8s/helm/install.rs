//! `helm install`, and what it shares with `upgrade`: definitions, ownership, waiting.

use serde_json::{Value, json};

use super::super::super::cluster::Cluster;
use super::super::super::process::{Call, Next, after};
use super::super::super::{Millis, World};
use super::arguments::Arguments;
use super::record::{self, Record};
use super::{Then, end, given_values, rendered, show, source};
use crate::kubernetes::{Chart, Release};

/// A release that is being made or changed.
pub(super) struct Work {
    pub(super) record: Record,
    pub(super) arguments: Arguments,
    /// What helm puts before an error of this command.
    pub(super) prefix: &'static str,
    /// What helm says before the release once it has succeeded.
    pub(super) before: String,
    pub(super) then: Then,
}

impl Work {
    pub(super) fn fail(self, world: &mut World, call: &mut Call, why: &str) -> Next {
        end(world, call, Err(format!("Error: {}{why}", self.prefix)), self.then)
    }
}

/// `helm install NAME CHART`
pub(super) fn command(world: &mut World, call: &mut Call, arguments: Arguments, then: Then) -> Next {
    let words = arguments.words.clone();
    let [_, name, chart] = words.as_slice() else {
        let why = "Error: INSTALLATION FAILED: must either provide a name or specify --generate-name";
        return end(world, call, Err(why.to_owned()), then);
    };
    begin(world, call, arguments, (name, chart), "INSTALLATION FAILED: ", then)
}

/// Installs a release, on its own or for `upgrade --install`.
pub(super) fn begin(
    world: &mut World,
    call: &mut Call,
    mut arguments: Arguments,
    (name, word): (&str, &str),
    prefix: &'static str,
    then: Then,
) -> Next {
    if arguments.has("atomic") {
        arguments.imply("wait");
    }
    match prepare(world, call, &arguments, name, word) {
        Err(why) => end(world, call, Err(format!("Error: {prefix}{why}")), then),
        Ok(record) => {
            let dry = arguments.has("dry-run");
            let work = Work { record, arguments, prefix, before: String::new(), then };
            if dry {
                show::release(call, &work.record);
                call.print(format!("MANIFEST:\n{}", work.record.manifest_text()));
                return (work.then)(world, call, 0);
            }
            define(world, call, work, write)
        }
    }
}

fn prepare(
    world: &mut World,
    call: &mut Call,
    arguments: &Arguments,
    name: &str,
    word: &str,
) -> Result<Record, String> {
    let chart = source::locate(world, call, word, arguments)?;
    let config = given_values(world, call, arguments)?;
    let values = rendered(world, chart, &config);
    let namespace = arguments.namespace().to_owned();
    let time = world.wall_clock();
    let cluster = record::cluster(world, call)?;
    let old = record::history(cluster, &namespace, name);
    if old.last().is_some_and(|last| last.status != "uninstalled" && !arguments.has("replace")) {
        return Err("cannot re-use a name that is still in use".to_owned());
    }
    let release = Release { name, namespace: &namespace };
    Ok(Record {
        revision: old.last().map_or(1, |last| last.revision + 1),
        status: "pending-install".to_owned(),
        manifest: chart.render(release, &values),
        notes: chart.notes(release),
        name: name.to_owned(),
        namespace,
        chart,
        config,
        first: time,
        last: time,
        description: "Initial install underway".to_owned(),
    })
}

/// Creates the definitions of the chart's that are missing and waits until their kinds are served.
fn define(
    world: &mut World,
    call: &mut Call,
    work: Work,
    next: impl FnOnce(&mut World, &mut Call, Work) -> Next + Send + 'static,
) -> Next {
    let now = world.now;
    let values = super::computed(work.record.chart, &work.record.config);
    let wanted = work.record.chart.definitions(&values);
    let cluster = match record::cluster(world, call) {
        Ok(cluster) => cluster,
        Err(why) => return work.fail(world, call, &why),
    };
    let mut made = false;
    if !work.arguments.has("skip-crds") {
        for definition in wanted {
            if cluster.kubernetes.released(now, &definition).is_none() {
                made = true;
                if let Err(why) = cluster.kubernetes.release_create(now, &definition) {
                    return work.fail(world, call, &format!("failed to install CRD: {why}"));
                }
            }
        }
    }
    let took = world.around(if made { 2_500 } else { 300 });
    after(took, move |world, call| next(world, call, work))
}

/// Records the release as under way; then come the objects.
fn write(world: &mut World, call: &mut Call, work: Work) -> Next {
    let now = world.now;
    let recorded = record::cluster(world, call).and_then(|cluster| {
        cluster
            .kubernetes
            .release_builds(&work.record.manifest)
            .map_err(|why| format!("unable to build kubernetes objects from release manifest: {why}"))?;
        for object in &work.record.manifest {
            owned(cluster, now, object, &work.record)
                .map_err(|why| format!("Unable to continue with install: {why}"))?;
        }
        if work.arguments.has("create-namespace") {
            let name = &work.record.namespace;
            let namespace =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"name": name}}});
            if cluster.kubernetes.released(now, &namespace).is_none() {
                cluster.kubernetes.release_create(now, &namespace)?;
            }
        }
        record::save(cluster, now, &work.record)
    });
    if let Err(why) = recorded {
        return work.fail(world, call, &why);
    }
    let took = world.around(2_000);
    after(took, move |world, call| {
        let now = world.now;
        let created = record::cluster(world, call).and_then(|cluster| {
            work.record.manifest.iter().try_for_each(|object| {
                if cluster.kubernetes.released(now, object).is_some() {
                    return cluster.kubernetes.release_update(now, &Value::Null, object);
                }
                cluster.kubernetes.release_create(now, object)
            })
        });
        match created {
            Ok(()) => wait(world, call, work, now, "Install complete"),
            Err(why) => failed(world, call, work, &why),
        }
    })
}

/// Whether an object may be made part of the release: it is not there, or says it is the release's.
pub(super) fn owned(cluster: &mut Cluster, now: Millis, object: &Value, record: &Record) -> Result<(), String> {
    let Some(live) = cluster.kubernetes.released(now, object) else { return Ok(()) };
    let mut wrong = Vec::new();
    let mut check = |what: &str, key: &str, found: &Value, wanted: &str| match found.as_str() {
        Some(text) if text == wanted => {}
        Some(text) => wrong.push(format!(
            "{what} validation error: key \"{key}\" must equal \"{wanted}\": current value is \"{text}\""
        )),
        None => wrong.push(format!("{what} validation error: missing key \"{key}\": must be set to \"{wanted}\"")),
    };
    let (labels, annotations) = (&live["metadata"]["labels"], &live["metadata"]["annotations"]);
    for (what, key, found, wanted) in [
        ("label", "app.kubernetes.io/managed-by", labels, "Helm"),
        ("annotation", "meta.helm.sh/release-name", annotations, record.name.as_str()),
        ("annotation", "meta.helm.sh/release-namespace", annotations, record.namespace.as_str()),
    ] {
        check(what, key, &found[key], wanted);
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Err(format!(
        "{} \"{}\" in namespace \"{}\" exists and cannot be imported into the current release: invalid ownership metadata; {}",
        text(&live["kind"]),
        text(&live["metadata"]["name"]),
        text(&live["metadata"]["namespace"]),
        wrong.join("; ")
    ))
}

/// Waits for the pods where asked to, then records success and prints the release.
pub(super) fn wait(world: &mut World, call: &mut Call, mut work: Work, since: Millis, done: &'static str) -> Next {
    let now = world.now;
    let cluster = match record::cluster(world, call) {
        Ok(cluster) => cluster,
        Err(why) => return work.fail(world, call, &why),
    };
    if work.arguments.has("wait") && !work.record.manifest.iter().all(|object| settled(cluster, now, object)) {
        if now < since + work.arguments.timeout() {
            return after(2_000, move |world, call| wait(world, call, work, since, done));
        }
        return failed(world, call, work, "context deadline exceeded");
    }
    "deployed".clone_into(&mut work.record.status);
    done.clone_into(&mut work.record.description);
    if let Err(why) = record::save(cluster, now, &work.record) {
        return work.fail(world, call, &why);
    }
    show::result(call, &work.record, &work.arguments, &work.before);
    (work.then)(world, call, 0)
}

/// Whether all pods of a workload are ready; other objects are as soon as they are there.
fn settled(cluster: &mut Cluster, now: Millis, object: &Value) -> bool {
    let Some(live) = cluster.kubernetes.released(now, object) else { return false };
    let count = |path: &str| live.pointer(path).and_then(Value::as_i64).unwrap_or_default();
    match object["kind"].as_str() {
        Some("Deployment") => count("/status/availableReplicas") >= count("/spec/replicas"),
        Some("StatefulSet") => count("/status/readyReplicas") >= count("/spec/replicas"),
        Some("DaemonSet") => {
            live.pointer("/status/desiredNumberScheduled").is_some()
                && count("/status/numberReady") >= count("/status/desiredNumberScheduled")
        }
        _ => true,
    }
}

/// Records the failure; with `--atomic` what was done is undone.
pub(super) fn failed(world: &mut World, call: &mut Call, mut work: Work, why: &str) -> Next {
    let now = world.now;
    "failed".clone_into(&mut work.record.status);
    work.record.description = format!("Release \"{}\" failed: {why}", work.record.name);
    let atomic = work.arguments.has("atomic");
    let Ok(cluster) = record::cluster(world, call) else { return work.fail(world, call, why) };
    // Helm reports why the release failed; whether that could be recorded as well only its log would say.
    let _ = record::save(cluster, now, &work.record);
    let first = work.record.revision == 1;
    if !atomic {
        return work.fail(world, call, why);
    }
    if first {
        for object in &work.record.manifest {
            cluster.kubernetes.release_delete(now, object);
        }
        record::forget(cluster, now, &work.record);
        let text =
            format!("release {} failed, and has been uninstalled due to atomic being set: {why}", work.record.name);
        return work.fail(world, call, &text);
    }
    super::upgrade::roll_back(cluster, now, &work.record);
    let text = format!("release {} failed, and has been rolled back due to atomic being set: {why}", work.record.name);
    work.fail(world, call, &text)
}

/// The chart's objects for a release.
pub(super) fn objects(world: &World, chart: Chart, record: &Record, config: &Value) -> Vec<Value> {
    let values = rendered(world, chart, config);
    chart.render(Release { name: &record.name, namespace: &record.namespace }, &values)
}
