//! Users' groups, kept in `/etc/group`.

use std::fmt::Write as _;

use super::World;
use super::machine::Machine;
use super::process::{Call, Next};

fn groups(machine: &Machine) -> String {
    machine.text("/etc/group").unwrap_or_default()
}

/// Whether `user` is listed as a member of `group`.
pub(super) fn in_group(machine: &Machine, user: &str, group: &str) -> bool {
    let text = groups(machine);
    let line = text.lines().find(|line| line.split(':').next() == Some(group));
    line.and_then(|line| line.split(':').nth(3)).is_some_and(|members| members.split(',').any(|member| member == user))
}

/// Adds a system group, unless it is there.
pub(super) fn add_group(machine: &mut Machine, group: &str, id: u32) {
    let mut text = groups(machine);
    if !text.lines().any(|line| line.split(':').next() == Some(group)) {
        let _ = writeln!(text, "{group}:x:{id}:");
        machine.files.write("/etc/group", text.as_bytes(), 0o644);
    }
}

fn add_member(machine: &mut Machine, user: &str, group: &str) -> bool {
    if in_group(machine, user, group) {
        return true;
    }
    let mut found = false;
    let text: Vec<String> = groups(machine)
        .lines()
        .map(|line| {
            if line.split(':').next() != Some(group) {
                return line.to_owned();
            }
            found = true;
            let comma = if line.ends_with(':') { "" } else { "," };
            format!("{line}{comma}{user}")
        })
        .collect();
    if found {
        machine.files.write("/etc/group", format!("{}\n", text.join("\n")).as_bytes(), 0o644);
    }
    found
}

/// `usermod -a -G GROUP USER`, `groupadd GROUP`, `gpasswd -a USER GROUP`, `adduser USER GROUP`.
pub(super) fn main(world: &mut World, call: &mut Call, program: &str) -> Next {
    let args: Vec<String> = call.args();
    let words: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with('-')).collect();
    let machine = world.machine_mut(&call.machine);
    let (user, group) = match (program, words.as_slice()) {
        ("groupadd", [.., group]) => {
            add_group(machine, group, 1100);
            return Next::Exit(0);
        }
        ("usermod", [groups, user]) => (*user, *groups),
        ("adduser" | "gpasswd", [user, group]) => (*user, *group),
        _ => return call.fail(2, format!("Usage: {program} [options] LOGIN")),
    };
    for group in group.split(',') {
        if !add_member(machine, user, group) {
            return call.fail(6, format!("{program}: group '{group}' does not exist"));
        }
    }
    Next::Exit(0)
}
