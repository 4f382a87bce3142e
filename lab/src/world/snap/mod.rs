//! snapd and its client `snap` (canonical/snapd cmd/snap).

mod changes;
mod info;
mod install;
mod list;
mod refresh;
mod remove;
mod services;
mod settings;

use std::collections::BTreeMap;

use super::config::Os;
use super::process::{Call, Next, after};
use super::{Millis, World};

pub(super) use refresh::auto as auto_refresh;
pub(super) use services::service_of;

/// A change snapd works on or has finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number.
    pub id: u64,
    /// Its kind, `install-snap`.
    pub kind: &'static str,
    /// The snap it is about.
    pub snap: String,
    /// What `snap changes` says of it.
    pub summary: String,
    /// When it began.
    pub spawned: Millis,
    /// When it is or was finished.
    pub ends: Millis,
    /// Whether it comes to nothing: its power went, or it was somebody's vain attempt.
    pub failed: bool,
}

/// An installed snap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Version.
    pub version: String,
    /// Revision.
    pub revision: String,
    /// The channel it follows.
    pub tracking: String,
    /// Notes without `held`.
    pub notes: String,
    /// When it was installed or refreshed last.
    pub refreshed: Millis,
}

/// snapd and what it keeps.
#[derive(Debug, Clone, Default)]
pub struct Snapd {
    /// When seeding is finished; `None` while snapd is not installed.
    pub seeded: Option<Millis>,
    /// What it did and does.
    pub changes: Vec<Change>,
    /// Installed snaps.
    pub snaps: BTreeMap<String, Installed>,
    /// Snaps whose refreshes are held, and until when (`forever` or a time).
    pub holds: BTreeMap<String, String>,
    /// What `snap set system` has set.
    pub settings: BTreeMap<String, String>,
    /// Somebody else's change begins when the snap is next to be changed, and lasts this long.
    pub(super) busy: Option<Millis>,
    /// Until when it takes connections and answers nothing, as on a disk that cannot keep up.
    pub(super) silent_until: Millis,
}

impl Snapd {
    /// The unfinished change about a snap.
    pub(super) fn running(&self, snap: &str, now: Millis) -> Option<&Change> {
        self.changes.iter().find(|change| change.snap == snap && change.ends > now)
    }

    pub(super) fn next_id(&self) -> u64 {
        self.changes.last().map_or(1, |change| change.id + 1)
    }
}

/// How long it takes from snapd's first start until it is seeded.
pub(super) const SEEDING: Millis = 9_000;

/// `snap …`
pub(super) fn main(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let Some(command) = args.first().cloned() else {
        return call.quit(0, "The snap command lets you install, configure, refresh and remove snaps.");
    };
    let rest: Vec<String> = args[1..].to_vec();
    let reads = ["list", "info", "services", "changes", "tasks", "version", "get", "wait", "watch", "known", "find"];
    if call.exec.user != "root" && !reads.contains(&command.as_str()) {
        return after(200, |_, call| call.fail(1, "error: access denied (try with sudo)"));
    }
    let took = world.around(match command.as_str() {
        "list" => 200,
        "version" => 310,
        "services" | "info" => 390,
        _ => 150,
    });
    let silent = world.machine(&call.machine).snapd.silent_until.saturating_sub(world.now);
    after(took + silent, move |world, call| match command.as_str() {
        "install" => install::install(world, call, &rest),
        "refresh" => refresh::refresh(world, call, &rest),
        "remove" => remove::remove(world, call, &rest),
        "list" => list::list(world, call, &rest),
        "info" => info::info(world, call, &rest),
        "services" | "start" | "stop" | "restart" => services::main(world, call, &command, &rest),
        "changes" | "tasks" | "watch" | "wait" | "abort" => changes::main(world, call, &command, &rest),
        "set" | "get" | "unset" => settings::main(world, call, &command, &rest),
        "version" | "--version" => info::version(world, call),
        other => call.fail(64, format!("error: unknown command \"{other}\", see 'snap help'.")),
    })
}

/// snapd's version on `machine`.
pub(super) fn version(world: &World, machine: &str) -> String {
    if world.faults.old_snapd(machine) {
        return "2.57.6".to_owned();
    }
    match world.machine(machine).spec.os {
        Os::Debian12 => "2.57.6-1+deb12u1+b2".to_owned(),
        Os::Ubuntu2404 => "2.63.1+24.04".to_owned(),
    }
}

/// Whether `refresh --hold` exists there: since 2.58.
fn can_hold(world: &World, machine: &str) -> bool {
    !version(world, machine).starts_with("2.57.")
}

/// The value of `--NAME=VALUE` or `--NAME VALUE`.
fn option(args: &[String], name: &str) -> Option<String> {
    let prefix = format!("{name}=");
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if let Some(value) = arg.strip_prefix(&prefix) {
            return Some(value.to_owned());
        }
        if arg == name {
            return rest.next().cloned();
        }
    }
    None
}

/// The arguments that are neither flags nor the value of `--channel`.
fn names(args: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--channel" || arg == "--revision" {
            rest.next();
        } else if !arg.starts_with('-') {
            names.push(arg.clone());
        }
    }
    names
}

/// The channel asked for: `1.35` means its stable risk, `stable` the track `latest`.
fn channel(args: &[String]) -> Option<String> {
    for risk in ["stable", "candidate", "beta", "edge"] {
        if args.contains(&format!("--{risk}")) {
            return Some(format!("latest/{risk}"));
        }
    }
    let asked = option(args, "--channel")?;
    Some(match asked.as_str() {
        "stable" | "candidate" | "beta" | "edge" => format!("latest/{asked}"),
        text if !text.contains('/') => format!("{text}/stable"),
        _ => asked,
    })
}

/// The publisher's mark: a tick on a terminal, stars elsewhere.
fn tick(call: &Call) -> &'static str {
    if call.exec.tty { "✓" } else { "**" }
}

/// Columns padded to their widest cell and two blanks, the last one not.
fn table(call: &mut Call, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if at + 1 < row.len() {
                line.push_str(&" ".repeat(widths[at] + 2 - cell.chars().count()));
            }
        }
        call.say(line);
    }
}

/// The checks every change of a snap begins with: seeded, and no other change under way.
fn may_change(world: &mut World, call: &mut Call, snap: &str) -> Result<(), Next> {
    if let Some(lasts) = world.machine_mut(&call.machine).snapd.busy.take() {
        let machine = call.machine.clone();
        install::begin(world, &machine, "install-snap", "Install \"microk8s\" snap", lasts);
        if let Some(change) = world.machine_mut(&machine).snapd.changes.last_mut() {
            change.failed = true;
        }
    }
    let snapd = &world.machine(&call.machine).snapd;
    if snapd.seeded.is_none_or(|at| world.now < at) {
        let text = "error: too early for operation, device not yet seeded or device model not acknowledged";
        return Err(call.fail(10, text));
    }
    if let Some(change) = snapd.running(snap, world.now) {
        let text = format!("error: snap \"{snap}\" has \"{}\" change in progress", change.kind);
        return Err(call.fail(10, text));
    }
    Ok(())
}

/// Ends with what snapd says when the store does not answer.
fn store_down(world: &mut World, call: &mut Call) -> Option<Next> {
    (world.fit_store() || !world.resolves(&call.machine))
        .then(|| after(8_000, |_, call| call.fail(1, "error: unable to contact snap store")))
}
