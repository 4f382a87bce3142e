//! What helm shows: releases, their values, charts.

use serde_json::{Value, json};

use super::super::super::World;
use super::super::super::process::Call;
use super::arguments::Arguments;
use super::record::{self, Record};
use super::{computed, given_values, source};
use crate::kubernetes::{Release, to_yaml};

/// A table as helm prints one: columns padded to their widest cell, a tab between them.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("\t"))
    };
    rows.iter().map(line).collect()
}

/// The head of a release and its notes.
pub(super) fn release(call: &mut Call, record: &Record) {
    let time = record.last.strftime("%a %b %e %H:%M:%S %Y");
    call.print(format!(
        "NAME: {}\nLAST DEPLOYED: {time}\nNAMESPACE: {}\nSTATUS: {}\nREVISION: {}\nTEST SUITE: None\n",
        record.name, record.namespace, record.status, record.revision
    ));
    if !record.notes.is_empty() {
        call.print(format!("NOTES:\n{}\n", record.notes.trim_end()));
    }
}

/// What `install` and `upgrade` print at their end.
pub(super) fn result(call: &mut Call, record: &Record, arguments: &Arguments, before: &str) {
    match arguments.flag("output") {
        Some("json") => call.say(record.shown().to_string()),
        Some("yaml") => call.print(to_yaml(&record.shown())),
        _ => {
            call.print(before);
            release(call, record);
        }
    }
}

fn refuse(call: &mut Call, why: &str) -> i32 {
    call.complain(format!("Error: {why}"));
    1
}

/// `helm list [-A]`: the last revision of each release.
pub(super) fn list(world: &mut World, call: &mut Call, arguments: &Arguments) -> i32 {
    let namespace = (!arguments.has("all-namespaces")).then(|| arguments.namespace());
    let records = match record::cluster(world, call) {
        Ok(cluster) => record::all(cluster, namespace),
        Err(why) => return refuse(call, &why),
    };
    let wanted = |record: &&Record| match (arguments.has("failed"), arguments.has("deployed")) {
        _ if arguments.has("all") => true,
        (true, false) => record.status == "failed",
        (false, true) => record.status == "deployed",
        _ => ["deployed", "failed"].contains(&record.status.as_str()),
    };
    let newest = |record: &&Record| {
        let later = |other: &Record| {
            (&other.namespace, &other.name) == (&record.namespace, &record.name) && other.revision > record.revision
        };
        !records.iter().any(later)
    };
    let shown: Vec<&Record> = records.iter().filter(newest).filter(wanted).collect();
    if arguments.has("short") {
        for record in shown {
            call.say(&record.name);
        }
        return 0;
    }
    let updated = |record: &Record| record.last.strftime("%Y-%m-%d %H:%M:%S.%f +0000 UTC").to_string();
    if let Some(form) = arguments.form() {
        let entry = |record: &&Record| {
            json!({"name": record.name, "namespace": record.namespace, "revision": record.revision.to_string(), "updated": updated(record),
                "status": record.status, "chart": record.chart_name(), "app_version": record.chart.app_version})
        };
        return print_as(call, form, &shown.iter().map(entry).collect());
    }
    let head = ["NAME", "NAMESPACE", "REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(shown.iter().map(|record| {
        vec![
            record.name.clone(),
            record.namespace.clone(),
            record.revision.to_string(),
            updated(record),
            record.status.clone(),
            record.chart_name(),
            record.chart.app_version.to_owned(),
        ]
    }));
    call.print(columns(&rows));
    0
}

fn print_as(call: &mut Call, form: &str, value: &Value) -> i32 {
    if form == "yaml" {
        call.print(to_yaml(value));
    } else {
        call.say(value.to_string());
    }
    0
}

/// The revision a command asks for, the last one by default.
fn asked(world: &mut World, call: &Call, arguments: &Arguments, name: &str) -> Result<Record, String> {
    let namespace = arguments.namespace();
    let history = record::history(record::cluster(world, call)?, namespace, name);
    let revision: Option<u64> = arguments.flag("revision").and_then(|text| text.parse().ok());
    let found = match revision {
        Some(wanted) => history.into_iter().find(|record| record.revision == wanted),
        None => history.into_iter().next_back(),
    };
    found.ok_or_else(|| "release: not found".to_owned())
}

/// `helm status NAME`
pub(super) fn status(world: &mut World, call: &mut Call, arguments: &Arguments) -> i32 {
    let Some(name) = arguments.words.get(1) else {
        return refuse(call, "\"helm status\" requires 1 argument\n\nUsage:  helm status RELEASE_NAME [flags]");
    };
    match asked(world, call, arguments, name) {
        Err(why) => refuse(call, &why),
        Ok(record) => {
            if let Some(form) = arguments.form() {
                return print_as(call, form, &record.shown());
            }
            release(call, &record);
            0
        }
    }
}

/// `helm history NAME`
pub(super) fn history(world: &mut World, call: &mut Call, arguments: &Arguments) -> i32 {
    let name = arguments.words.get(1).cloned().unwrap_or_default();
    let history = match record::cluster(world, call) {
        Ok(cluster) => record::history(cluster, arguments.namespace(), &name),
        Err(why) => return refuse(call, &why),
    };
    if history.is_empty() {
        return refuse(call, "release: not found");
    }
    if let Some(form) = arguments.form() {
        let entry = |record: &Record| {
            json!({"revision": record.revision, "updated": record.last.to_string(), "status": record.status, "chart": record.chart_name(),
                "app_version": record.chart.app_version, "description": record.description})
        };
        return print_as(call, form, &history.iter().map(entry).collect());
    }
    let head = ["REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION", "DESCRIPTION"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(history.iter().map(|record| {
        vec![
            record.revision.to_string(),
            record.last.strftime("%a %b %e %H:%M:%S %Y").to_string(),
            record.status.clone(),
            record.chart_name(),
            record.chart.app_version.to_owned(),
            record.description.clone(),
        ]
    }));
    call.print(columns(&rows));
    0
}

/// `helm get values|manifest|notes NAME`
pub(super) fn get(world: &mut World, call: &mut Call, arguments: &Arguments) -> i32 {
    let (what, name) = match arguments.words.as_slice() {
        [_, what, name] => (what.clone(), name.clone()),
        _ => return refuse(call, "\"helm get\" requires a subcommand and a release"),
    };
    let record = match asked(world, call, arguments, &name) {
        Ok(record) => record,
        Err(why) => return refuse(call, &why),
    };
    match what.as_str() {
        "values" => {
            let all = arguments.has("all");
            let values = if all { computed(record.chart, &record.config) } else { record.config.clone() };
            let none = values.as_object().is_some_and(serde_json::Map::is_empty);
            let values = if none { Value::Null } else { values };
            if let Some(form) = arguments.form() {
                return print_as(call, form, &values);
            }
            call.say(if all { "COMPUTED VALUES:" } else { "USER-SUPPLIED VALUES:" });
            if none {
                call.say("null");
            } else {
                call.print(to_yaml(&values));
            }
            0
        }
        "manifest" => {
            call.print(record.manifest_text());
            0
        }
        "notes" => {
            call.say(format!("NOTES:\n{}", record.notes.trim_end()));
            0
        }
        other => refuse(call, &format!("unknown command \"{other}\" for \"helm get\"")),
    }
}

/// `helm show chart|values CHART`
pub(super) fn chart(world: &mut World, call: &mut Call, arguments: &Arguments) -> i32 {
    let (what, word) = match arguments.words.as_slice() {
        [_, what, word] => (what.clone(), word.clone()),
        _ => return refuse(call, "\"helm show\" requires a subcommand and a chart"),
    };
    match source::locate(world, call, &word, arguments) {
        Err(why) => refuse(call, &why),
        Ok(chart) => {
            if what == "values" {
                call.print(to_yaml(&chart.defaults()));
            } else {
                call.print(to_yaml(
                    &json!({"apiVersion": "v2", "appVersion": chart.app_version, "description": chart.description(),
                    "name": chart.name, "type": "application", "version": chart.version}),
                ));
            }
            0
        }
    }
}

/// `helm template NAME CHART`
pub(super) fn template(world: &mut World, call: &mut Call, arguments: &Arguments) -> i32 {
    let (name, word) = match arguments.words.as_slice() {
        [_, name, word] => (name.clone(), word.clone()),
        [_, word] => ("release-name".to_owned(), word.clone()),
        _ => return refuse(call, "\"helm template\" requires at least 1 argument"),
    };
    let chart = source::locate(world, call, &word, arguments);
    let rendered = chart.and_then(|chart| {
        let config = given_values(world, call, arguments)?;
        let values = super::rendered(world, chart, &config);
        Ok(chart.render(Release { name: &name, namespace: arguments.namespace() }, &values))
    });
    match rendered {
        Err(why) => refuse(call, &why),
        Ok(objects) => {
            for object in objects {
                call.print(format!("---\n{}", to_yaml(&object)));
            }
            0
        }
    }
}

/// `helm pull CHART [-d FOLDER] [--untar --untardir FOLDER]`
pub(super) fn pull(world: &mut World, call: &mut Call, arguments: &Arguments) -> i32 {
    let word = arguments.words.get(1).cloned().unwrap_or_default();
    let (flag, unpack) = if arguments.has("untar") { ("untardir", true) } else { ("destination", false) };
    let Some(folder) = arguments.flag(flag).filter(|folder| folder.starts_with('/')) else {
        return refuse(call, "this homelab knows no working directories: say where to with -d /FOLDER");
    };
    match source::locate(world, call, &word, arguments) {
        Err(why) => refuse(call, &why),
        Ok(chart) => {
            let folder = folder.trim_end_matches('/');
            let (path, content) = if unpack {
                (format!("{folder}/{}/Chart.yaml", chart.name), source::description(chart).into_bytes())
            } else {
                (format!("{folder}/{}-{}.tgz", chart.name, chart.version), source::packed(chart))
            };
            world.machine_mut(&call.machine).files.write(&path, &content, 0o644);
            0
        }
    }
}
