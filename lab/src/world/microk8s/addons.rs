//! Addon repositories and what counts as an enabled addon (canonical/microk8s scripts/wrappers/addons.py and
//! common/utils.py).

use super::super::process::{Call, Next, after};
use super::super::{COMMON, World};
use super::addon_list::{ADDONS, Addon};

/// The head of the core repository's `addons.yaml`; the list itself is the program's.
pub(super) const CORE_YAML: &str =
    "microk8s-addons:\n  description: \"Core addons of the MicroK8s project\"\n  addons: []\n";
const COMMUNITY_YAML: &str = "microk8s-addons:\n  description: \"Community addons\"\n  addons: []\n";

impl World {
    /// The addons of the repositories on `machine`.
    pub(super) fn available_addons(&self, machine: &str) -> Vec<Addon> {
        let files = self.machine(machine).files();
        let there = |repository: &str| files.exists(&format!("{COMMON}/addons/{repository}/addons.yaml"));
        ADDONS.iter().filter(|addon| there(addon.repository)).copied().collect()
    }

    /// The enabled and the disabled addons, as `status` sorts them.
    pub(super) fn addons_by_state(&mut self, machine: &str) -> (Vec<Addon>, Vec<Addon>) {
        let rows = self.api_rows(machine);
        let addons = self.available_addons(machine);
        addons.into_iter().partition(|addon| self.addon_enabled(machine, addon, &rows))
    }

    /// A substring of a row, or a file: nothing else is looked at.
    pub(super) fn addon_enabled(&self, machine: &str, addon: &Addon, rows: &[String]) -> bool {
        if addon.check.starts_with('/') {
            self.machine(machine).files().exists(addon.check)
        } else {
            rows.iter().any(|row| row.contains(addon.check))
        }
    }
}

/// `microk8s addons repo list|add|remove|update`
pub(super) fn addons(world: &mut World, call: &mut Call, args: &[String]) -> Next {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let took = world.around(850);
    match words.as_slice() {
        ["repo", "list", ..] => {
            let json = words.windows(2).any(|pair| pair == ["--format", "json"]) || words.contains(&"--format=json");
            after(took, move |world, call| list(world, call, json))
        }
        ["repo", "add", name, source, rest @ ..] => {
            let (name, source) = ((*name).to_owned(), (*source).to_owned());
            let force = rest.contains(&"--force");
            after(took, move |world, call| add(world, call, &name, &source, force))
        }
        ["repo", "remove", name, ..] => {
            let name = (*name).to_owned();
            after(took, move |world, call| {
                let dir = format!("{COMMON}/addons/{name}");
                if !world.machine(&call.machine).files().exists(&dir) {
                    return call.fail(1, format!("Error: repository '{name}' does not exist"));
                }
                world.machine_mut(&call.machine).files.remove(&dir);
                call.quit(0, format!("Removing {dir}"))
            })
        }
        ["repo", "update", ..] => after(took, |_, call| {
            if call.exec.user == "root" {
                return Next::Exit(0);
            }
            call.quit(50, "Elevated permissions is needed for this operation. Please run this command with sudo.")
        }),
        _ => call.fail(2, "Usage: microk8s addons [OPTIONS] COMMAND [ARGS]..."),
    }
}

fn list(world: &mut World, call: &mut Call, json: bool) -> Next {
    let mut repositories = world.machine(&call.machine).files().list(&format!("{COMMON}/addons"));
    repositories.sort();
    let rows = repositories.iter().map(|name| {
        let count = ADDONS.iter().filter(|addon| addon.repository == name).count();
        let mark = if name == "core" { "cf14d3" } else { "d8be17" };
        (name.clone(), count, format!("/snap/microk8s/current/addons/{name}@{mark}"))
    });
    if json {
        let entries: Vec<_> = rows
            .map(|(name, addons, source)| {
                serde_json::json!({"name": name, "addons": addons, "source": source, "description": ""})
            })
            .collect();
        return call.quit(0, serde_json::Value::Array(entries).to_string());
    }
    call.say("REPO       ADDONS SOURCE");
    for (name, count, source) in rows {
        call.say(format!("{name:<10} {count:>6} {source}"));
    }
    Next::Exit(0)
}

fn add(world: &mut World, call: &mut Call, name: &str, source: &str, force: bool) -> Next {
    let dir = format!("{COMMON}/addons/{name}");
    if world.machine(&call.machine).files().exists(&dir) {
        if !force {
            call.complain(format!("Error: repository '{name}' already exists!"));
            return call.fail(1, "Use the --force flag to overwrite it");
        }
        call.say(format!("Removing {dir}"));
        world.machine_mut(&call.machine).files.remove(&dir);
    }
    call.complain(format!("Cloning into '{dir}'..."));
    let bundled = source.starts_with("/snap/microk8s/current/addons/");
    if !bundled && !source.starts_with("https://github.com/canonical/microk8s-") {
        call.complain(format!("fatal: repository '{source}' does not exist"));
        return call.fail(1, "Traceback (most recent call last):\nsubprocess.CalledProcessError: Command 'git clone' returned non-zero exit status 128.");
    }
    call.complain("done.");
    world.machine_mut(&call.machine).files.write(&format!("{dir}/addons.yaml"), COMMUNITY_YAML.as_bytes(), 0o644);
    Next::Exit(0)
}

/// The hook of the addon `community`: the same clone, with `--force`.
pub(super) fn enable_community(world: &mut World, call: &mut Call) -> Next {
    add(world, call, "community", "/snap/microk8s/current/addons/community", true);
    call.quit(0, "Community repository is now enabled")
}
