//! `helm upgrade` (helm.sh/helm `pkg/action/upgrade.go`).

use serde_json::{Value, json};

use super::super::super::cluster::Cluster;
use super::super::super::process::{Call, Next, after};
use super::super::super::{Millis, World};
use super::arguments::Arguments;
use super::install::{self, Work, failed, objects, owned, wait};
use super::record::{self, Record};
use super::{Then, end, given_values, show, source};
use crate::kubernetes::Release;

/// `helm upgrade [--install] NAME CHART`
pub(super) fn command(world: &mut World, call: &mut Call, mut arguments: Arguments, then: Then) -> Next {
    let words = arguments.words.clone();
    let [_, name, chart] = words.as_slice() else {
        let why = "Error: \"helm upgrade\" requires 2 arguments\n\nUsage:  helm upgrade [RELEASE] [CHART] [flags]";
        return end(world, call, Err(why.to_owned()), then);
    };
    if arguments.has("atomic") {
        arguments.imply("wait");
    }
    let namespace = arguments.namespace().to_owned();
    let history = record::cluster(world, call).map(|cluster| record::history(cluster, &namespace, name));
    let history = match history {
        Ok(history) => history,
        Err(why) => return end(world, call, Err(format!("Error: UPGRADE FAILED: {why}")), then),
    };
    if arguments.has("install") && history.last().is_none_or(|last| last.status == "uninstalled") {
        call.say(format!("Release \"{name}\" does not exist. Installing it now."));
        return install::begin(world, call, arguments, (name, chart), "", then);
    }
    let chart = match source::locate(world, call, chart, &arguments) {
        Ok(chart) => chart,
        Err(why) => return end(world, call, Err(format!("Error: {why}")), then),
    };
    let given = match given_values(world, call, &arguments) {
        Ok(given) => given,
        Err(why) => return end(world, call, Err(format!("Error: {why}")), then),
    };
    let current = match current(&history, name) {
        Ok(current) => current,
        Err(why) => return end(world, call, Err(format!("Error: UPGRADE FAILED: {why}")), then),
    };
    let config = reused(&arguments, &current.config, given);
    let manifest = objects(world, chart, &current, &config);
    let record = Record {
        revision: history.last().map_or(1, |last| last.revision) + 1,
        status: "pending-upgrade".to_owned(),
        notes: chart.notes(Release { name, namespace: &namespace }),
        chart,
        config,
        manifest,
        last: world.wall_clock(),
        description: "Preparing upgrade".to_owned(),
        ..current.clone()
    };
    let before = format!("Release \"{name}\" has been upgraded. Happy Helming!\n");
    let work = Work { record, arguments, prefix: "UPGRADE FAILED: ", before, then };
    if work.arguments.has("dry-run") {
        show::release(call, &work.record);
        call.print(format!("MANIFEST:\n{}", work.record.manifest_text()));
        return (work.then)(world, call, 0);
    }
    start(world, call, work, current)
}

/// The revision to go on from: the deployed one, or a failed one when none ever was.
fn current(history: &[Record], name: &str) -> Result<Record, String> {
    let none = || format!("\"{name}\" has no deployed releases");
    let last = history.last().ok_or_else(none)?;
    if last.status.starts_with("pending-") {
        return Err("another operation (install/upgrade/rollback) is in progress".to_owned());
    }
    let deployed = history.iter().rev().find(|record| record.status == "deployed");
    let usable = ["failed", "superseded"].contains(&last.status.as_str());
    deployed.or(usable.then_some(last)).cloned().ok_or_else(none)
}

/// What becomes of the values of the revision before: kept when none are given or when asked for.
fn reused(arguments: &Arguments, before: &Value, given: Value) -> Value {
    let none = given.as_object().is_some_and(serde_json::Map::is_empty);
    if arguments.has("reset-values") {
        return given;
    }
    if arguments.has("reuse-values") || arguments.has("reset-then-reuse-values") {
        let mut values = if before.is_object() { before.clone() } else { json!({}) };
        super::over(&mut values, &given);
        return values;
    }
    if none && before.is_object() { before.clone() } else { given }
}

fn start(world: &mut World, call: &mut Call, work: Work, current: Record) -> Next {
    let now = world.now;
    let recorded = record::cluster(world, call).and_then(|cluster| {
        cluster
            .kubernetes
            .release_builds(&work.record.manifest)
            .map_err(|why| format!("unable to build kubernetes objects from new release manifest: {why}"))?;
        for object in &work.record.manifest {
            if !current.manifest.iter().any(|old| same(old, object)) {
                owned(cluster, now, object, &work.record)
                    .map_err(|why| format!("Unable to continue with update: {why}"))?;
            }
        }
        record::save(cluster, now, &work.record)
    });
    if let Err(why) = recorded {
        return work.fail(world, call, &why);
    }
    let took = world.around(2_500);
    after(took, move |world, call| change(world, call, work, &current))
}

fn same(one: &Value, other: &Value) -> bool {
    one["kind"] == other["kind"]
        && one["metadata"]["name"] == other["metadata"]["name"]
        && one["metadata"]["namespace"] == other["metadata"]["namespace"]
}

fn change(world: &mut World, call: &mut Call, work: Work, current: &Record) -> Next {
    let now = world.now;
    let changed =
        record::cluster(world, call).and_then(|cluster| apply(cluster, now, &current.manifest, &work.record.manifest));
    if let Err(why) = changed {
        return failed(world, call, work, &why);
    }
    if let Ok(cluster) = record::cluster(world, call) {
        let superseded = Record { status: "superseded".to_owned(), ..current.clone() };
        if let Err(why) = record::save(cluster, now, &superseded) {
            return work.fail(world, call, &why);
        }
    }
    wait(world, call, work, now, "Upgrade complete")
}

/// Brings the objects from what one manifest says to what the other says.
fn apply(cluster: &mut Cluster, now: Millis, old: &[Value], new: &[Value]) -> Result<(), String> {
    for object in new {
        let last = old.iter().find(|last| same(last, object)).unwrap_or(&Value::Null);
        cluster.kubernetes.release_update(now, last, object).map_err(|why| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!("cannot patch \"{}\" with kind {}: {why}", text(&object["metadata"]["name"]), text(&object["kind"]))
        })?;
    }
    for gone in old.iter().filter(|last| !new.iter().any(|object| same(last, object))) {
        cluster.kubernetes.release_delete(now, gone);
    }
    Ok(())
}

/// Goes back to the last revision that was good, as a new one.
pub(super) fn roll_back(cluster: &mut Cluster, now: Millis, record: &Record) {
    let history = record::history(cluster, &record.namespace, &record.name);
    let good = history.iter().rev().find(|old| old.status == "superseded" || old.status == "deployed");
    let Some(good) = good.cloned() else { return };
    let applied = apply(cluster, now, &record.manifest, &good.manifest);
    let back = Record {
        revision: record.revision + 1,
        status: if applied.is_ok() { "deployed" } else { "failed" }.to_owned(),
        description: format!("Rollback to {}", good.revision),
        last: record.last,
        ..good
    };
    // The rollback itself says nothing: the upgrade's own failure is what is reported.
    let _ = record::save(cluster, now, &back);
}
