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
        let old = !super::ingress::is_traefik(self.machine(machine));
        let of_release = |addon: &Addon| if old { addon.before_1_36() } else { *addon };
        ADDONS.iter().filter(|addon| there(addon.repository)).map(of_release).collect()
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
    let words: Vec<String> = args.iter().map(|arg| arg.replace("--format=", "--format ")).collect();
    let words: Vec<String> = words.iter().flat_map(|word| word.split(' ')).map(str::to_owned).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let took = world.around(850);
    match words.as_slice() {
        ["repo", "list", rest @ ..] => {
            let form = rest.windows(2).find(|pair| pair[0] == "--format").map_or("table", |pair| pair[1]).to_owned();
            if !["table", "json", "yaml"].contains(&form.as_str()) {
                return call.fail(2, format!("Usage: microk8s addons repo list [OPTIONS]\nTry 'microk8s addons repo list --help' for help.\n\nError: Invalid value for '--format': '{form}' is not one of 'table', 'json', 'yaml'."));
            }
            after(took, move |world, call| list(world, call, &form))
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
        ["repo", "update", rest @ ..] => {
            let name = rest.first().map(|name| (*name).to_owned()).unwrap_or_default();
            after(took, move |world, call| update(world, call, &name))
        }
        _ => call.fail(2, "Usage: microk8s addons [OPTIONS] COMMAND [ARGS]..."),
    }
}

fn update(world: &World, call: &mut Call, name: &str) -> Next {
    if call.exec.user != "root" {
        return call.quit(50, "Elevated permissions is needed for this operation. Please run this command with sudo.");
    }
    if !world.machine(&call.machine).files().exists(&format!("{COMMON}/addons/{name}/addons.yaml")) {
        return call.fail(1, format!("Error: repository '{name}' does not exist"));
    }
    call.say(format!("Updating repository {name}"));
    call.quit(0, "Already up to date.")
}

/// Where the clone of a repository came from, as git keeps it.
fn origin(world: &World, machine: &str, name: &str) -> String {
    let config = world.machine(machine).text(&format!("{COMMON}/addons/{name}/.git/config")).unwrap_or_default();
    let url = config.lines().find_map(|line| line.trim().strip_prefix("url = ").map(str::to_owned));
    url.unwrap_or_else(|| format!("/snap/microk8s/current/addons/{name}"))
}

fn list(world: &mut World, call: &mut Call, form: &str) -> Next {
    let mut repositories = world.machine(&call.machine).files().list(&format!("{COMMON}/addons"));
    repositories.sort();
    let rows: Vec<(String, usize, String)> = repositories
        .into_iter()
        .map(|name| {
            let count = ADDONS.iter().filter(|addon| addon.repository == name).count();
            let mark = if name == "core" { "cf14d3" } else { "d8be17" };
            let source = format!("{}@{mark}", origin(world, &call.machine, &name));
            (name, count, source)
        })
        .collect();
    if form != "table" {
        let entries = rows.iter().map(|(name, addons, source)| {
            let description = if name == "core" { "Core addons of the MicroK8s project" } else { "Community addons" };
            serde_json::json!({"name": name, "addons": addons, "source": source, "description": description})
        });
        let entries: serde_json::Value = entries.collect();
        if form == "yaml" {
            call.print(crate::kubernetes::to_yaml(&entries));
            return Next::Exit(0);
        }
        return call.quit(0, entries.to_string());
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
    if let Err(why) = clone(world, &call.machine, source) {
        call.complain(why);
        return call.fail(1, "Traceback (most recent call last):\nsubprocess.CalledProcessError: Command 'git clone' returned non-zero exit status 128.");
    }
    call.complain("done.");
    let known = source.starts_with("/snap/microk8s/current/addons/") || source.starts_with("https://");
    let files = &mut world.machine_mut(&call.machine).files;
    if !known && !files.exists(&format!("{source}/addons.yaml")) {
        call.complain(format!("Error: repository {name} does not contain an addons.yaml file"));
        return call.quit(1, format!("Removing {dir}"));
    }
    files.write(&format!("{dir}/addons.yaml"), COMMUNITY_YAML.as_bytes(), 0o644);
    let config = format!("[core]\n\tbare = false\n[remote \"origin\"]\n\turl = {source}\n");
    files.write(&format!("{dir}/.git/config"), config.as_bytes(), 0o644);
    Next::Exit(0)
}

/// Whether git gets at a repository; its words where not.
fn clone(world: &World, machine: &str, source: &str) -> Result<(), String> {
    let machine = world.machine(machine);
    if let Some(rest) = source.strip_prefix("https://") {
        let host = rest.split('/').next().unwrap_or_default();
        if !machine.connected {
            return Err(format!("fatal: unable to access '{source}/': Could not resolve host: {host}"));
        }
        if !rest.starts_with("github.com/canonical/microk8s-") {
            return Err(format!("remote: Not Found\nfatal: repository '{source}/' not found"));
        }
        return Ok(());
    }
    let bundled = ["core", "community"].iter().any(|name| source == format!("/snap/microk8s/current/addons/{name}"));
    if bundled || machine.files().exists(source) {
        return Ok(());
    }
    Err(format!("fatal: repository '{source}' does not exist"))
}

/// The hook of the addon `community`: the same clone, with `--force`.
pub(super) fn enable_community(world: &mut World, call: &mut Call) -> Next {
    if let failed @ Next::Exit(1..) = add(world, call, "community", "/snap/microk8s/current/addons/community", true) {
        return failed;
    }
    call.quit(0, "Community repository is now enabled")
}
