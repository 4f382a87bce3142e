//! `helm repo` and `helm search repo`: the repositories a user has added, in a file of theirs on one machine.

use serde_json::{Value, json};

use super::super::super::process::{Call, Next};
use super::super::super::{FaultKind, World};
use super::arguments::Arguments;
use super::show::columns;
use crate::kubernetes::{Chart, from_yaml, to_yaml};

/// The repositories there are, and the charts in them.
const SERVED: [(&str, &[&str]); 3] = [
    ("https://openebs.github.io/charts", &["openebs"]),
    ("https://openebs.github.io/dynamic-nfs-provisioner", &["nfs-provisioner"]),
    ("https://traefik.github.io/charts", &["traefik"]),
];

/// The home directory of who calls.
fn home(call: &Call) -> String {
    if call.exec.user == "root" { "/root".to_owned() } else { format!("/home/{}", call.exec.user) }
}

fn config(call: &Call) -> String {
    format!("{}/.config/helm/repositories.yaml", home(call))
}

fn index(call: &Call, name: &str) -> String {
    format!("{}/.cache/helm/repository/{name}-index.yaml", home(call))
}

/// Name and address of each repository.
pub(super) fn known(world: &World, call: &Call) -> Vec<(String, String)> {
    let text = world.machine(&call.machine).text(&config(call)).unwrap_or_default();
    let document = from_yaml(&text).ok().and_then(|documents| documents.into_iter().next()).unwrap_or_default();
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let entries = document["repositories"].as_array().cloned().unwrap_or_default();
    entries.iter().map(|entry| (text(entry, "name"), text(entry, "url"))).collect()
}

fn remember(world: &mut World, call: &Call, repositories: &[(String, String)]) {
    let entries: Vec<Value> = repositories.iter().map(|(name, url)| json!({"name": name, "url": url})).collect();
    let document = json!({"apiVersion": "", "generated": "0001-01-01T00:00:00Z", "repositories": entries});
    let path = config(call);
    world.machine_mut(&call.machine).files.write(&path, to_yaml(&document).as_bytes(), 0o644);
}

/// The charts in the repository at an address.
pub(super) fn charts_at(url: &str) -> &'static [&'static str] {
    SERVED.iter().find(|(served, _)| *served == url.trim_end_matches('/')).map_or(&[], |(_, charts)| *charts)
}

/// The error of a client on this machine that wants something from an address it cannot reach now; none when it can.
pub(in super::super) fn no_route(world: &World, call: &Call, url: &str) -> Option<String> {
    let why = unreachable(world, call, url)?;
    Some(why.split_once(": ").map_or(why.clone(), |(_, why)| why.to_owned()))
}

/// Why an address cannot be fetched from this machine now, in the words of Go's HTTP client.
pub(super) fn unreachable(world: &World, call: &Call, url: &str) -> Option<String> {
    let host = url.split("://").nth(1).unwrap_or_default().split('/').next().unwrap_or_default();
    let public = host == "github.com" || host.ends_with("github.io");
    let away = !world.machine(&call.machine).connected || (public && world.faults.has(FaultKind::ChartRepoDown));
    if away {
        let name = host.split(':').next().unwrap_or_default();
        return Some(format!("Get \"{url}\": dial tcp: lookup {name} on 127.0.0.53:53: no such host"));
    }
    None
}

/// Why the index of a repository cannot be fetched.
fn no_index(world: &World, call: &Call, url: &str) -> Option<String> {
    let file = format!("{}/index.yaml", url.trim_end_matches('/'));
    unreachable(world, call, &file)
        .or_else(|| charts_at(url).is_empty().then(|| format!("failed to fetch {file} : 404 Not Found")))
}

fn keep_index(world: &mut World, call: &Call, name: &str, url: &str) {
    let mut entries = json!({});
    for chart in charts_at(url) {
        let versions = Chart::versions(chart)
            .map(|chart| json!({"name": chart.name, "version": chart.version, "appVersion": chart.app_version}));
        entries[*chart] = versions.collect();
    }
    let document = json!({"apiVersion": "v1", "entries": entries});
    let path = index(call, name);
    world.machine_mut(&call.machine).files.write(&path, to_yaml(&document).as_bytes(), 0o644);
}

/// Whether the machine has a copy of the repository's index, or where it would be.
pub(super) fn cached(world: &World, call: &Call, name: &str) -> Result<(), String> {
    let path = index(call, name);
    if world.machine(&call.machine).files.exists(&path) { Ok(()) } else { Err(path) }
}

/// `helm repo add|update|list|remove`
pub(super) fn repo(world: &mut World, call: &mut Call, arguments: &Arguments) -> i32 {
    let words: Vec<&str> = arguments.words.iter().skip(1).map(String::as_str).collect();
    let next = match words.as_slice() {
        ["add", name, url] => add(world, call, name, url, arguments.has("force-update")),
        ["add", ..] => {
            call.fail(1, "Error: \"helm repo add\" requires 2 arguments\n\nUsage:  helm repo add [NAME] [URL] [flags]")
        }
        ["update" | "up", names @ ..] => update(world, call, names, arguments.has("fail-on-repo-update-fail")),
        ["list" | "ls"] => list(world, call, arguments),
        ["remove" | "rm", names @ ..] if !names.is_empty() => remove(world, call, names),
        _ => call.quit(0, "This command consists of multiple subcommands to interact with chart repositories."),
    };
    match next {
        Next::Exit(status) => status,
        Next::After(..) => 0,
    }
}

fn add(world: &mut World, call: &mut Call, name: &str, url: &str, force: bool) -> Next {
    let mut all = known(world, call);
    if let Some((_, old)) = all.iter().find(|(known, _)| known == name)
        && !force
    {
        if old == url {
            return call.quit(0, format!("\"{name}\" already exists with the same configuration, skipping"));
        }
        return call
            .fail(1, format!("Error: repository name ({name}) already exists, please specify a different name"));
    }
    if let Some(why) = no_index(world, call, url) {
        return call.fail(
            1,
            format!("Error: looks like \"{url}\" is not a valid chart repository or cannot be reached: {why}"),
        );
    }
    all.retain(|(known, _)| known != name);
    all.push((name.to_owned(), url.to_owned()));
    remember(world, call, &all);
    keep_index(world, call, name, url);
    call.quit(0, format!("\"{name}\" has been added to your repositories"))
}

fn update(world: &mut World, call: &mut Call, names: &[&str], strict: bool) -> Next {
    let all = known(world, call);
    if all.is_empty() {
        return call.fail(1, "Error: no repositories found. You must add one before updating");
    }
    if let Some(name) = names.iter().find(|name| !all.iter().any(|(known, _)| known == *name)) {
        return call.fail(1, format!("Error: no repositories found matching '{name}'.  Nothing will be updated"));
    }
    call.say("Hang tight while we grab the latest from your chart repositories...");
    let mut failed = Vec::new();
    for (name, url) in all.iter().filter(|(name, _)| names.is_empty() || names.contains(&name.as_str())) {
        match no_index(world, call, url) {
            None => {
                keep_index(world, call, name, url);
                call.say(format!("...Successfully got an update from the \"{name}\" chart repository"));
            }
            Some(why) => {
                call.say(format!("...Unable to get an update from the \"{name}\" chart repository ({url}):\n\t{why}"));
                failed.push(url.clone());
            }
        }
    }
    if strict && !failed.is_empty() {
        return call.fail(1, format!("Error: failed to update the following repositories: {failed:?}"));
    }
    call.quit(0, "Update Complete. ⎈Happy Helming!⎈")
}

fn list(world: &World, call: &mut Call, arguments: &Arguments) -> Next {
    let all = known(world, call);
    let entries: Vec<Value> = all.iter().map(|(name, url)| json!({"name": name, "url": url})).collect();
    match arguments.flag("output") {
        Some("json") => return call.quit(0, Value::from(entries).to_string()),
        Some("yaml") => {
            call.print(to_yaml(&Value::from(entries)));
            return Next::Exit(0);
        }
        _ if all.is_empty() => return call.fail(1, "Error: no repositories to show"),
        _ => {}
    }
    let mut rows = vec![vec!["NAME".to_owned(), "URL".to_owned()]];
    rows.extend(all.into_iter().map(|(name, url)| vec![name, url]));
    call.print(columns(&rows));
    Next::Exit(0)
}

fn remove(world: &mut World, call: &mut Call, names: &[&str]) -> Next {
    for name in names {
        let mut all = known(world, call);
        let before = all.len();
        all.retain(|(known, _)| known != name);
        if all.is_empty() && before == 0 {
            return call.fail(1, "Error: no repositories configured");
        }
        if all.len() == before {
            return call.fail(1, format!("Error: no repo named \"{name}\" found"));
        }
        remember(world, call, &all);
        let path = index(call, name);
        world.machine_mut(&call.machine).files.remove(&path);
        call.say(format!("\"{name}\" has been removed from your repositories"));
    }
    Next::Exit(0)
}

/// `helm search repo [WORD]`
pub(super) fn search(world: &World, call: &mut Call, arguments: &Arguments) -> i32 {
    let word = arguments.words.get(2).map_or("", String::as_str);
    let mut rows = vec![["NAME", "CHART VERSION", "APP VERSION", "DESCRIPTION"].map(str::to_owned).to_vec()];
    for (name, url) in known(world, call) {
        for chart in charts_at(&url).iter().filter_map(|chart| Chart::versions(chart).next()) {
            let full = format!("{name}/{}", chart.name);
            if full.contains(word) {
                rows.push([&full, chart.version, chart.app_version, chart.description()].map(str::to_owned).to_vec());
            }
        }
    }
    if rows.len() == 1 {
        call.say("No results found");
    } else {
        call.print(columns(&rows));
    }
    0
}
