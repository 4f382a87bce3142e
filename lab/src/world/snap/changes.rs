//! `snap changes`, `tasks`, `watch`, `wait` and `abort`.

use super::super::World;
use super::super::process::{Call, Next, after};
use super::{Change, table};

/// `snap changes|tasks|watch|wait|abort …`
pub(super) fn main(world: &mut World, call: &mut Call, command: &str, args: &[String]) -> Next {
    match command {
        "changes" => changes(world, call),
        "wait" => wait(world, call, args),
        _ => {
            let Some(change) = find(world, call, args) else {
                let name = args.first().cloned().unwrap_or_default();
                if name.ends_with('?') {
                    return Next::Exit(0);
                }
                return call.fail(1, format!("error: cannot find change with id \"{name}\""));
            };
            match command {
                "watch" => {
                    let left = change.ends.saturating_sub(world.now);
                    after(left, move |_, call| {
                        if change.failed {
                            let text =
                                format!("error: cannot perform the following tasks:\n- {} (aborted)", change.summary);
                            return call.fail(1, text);
                        }
                        Next::Exit(0)
                    })
                }
                "tasks" => {
                    let row = row(world, &change);
                    table(call, &[header(), row]);
                    Next::Exit(0)
                }
                _ => call.fail(1, format!("error: cannot abort change {} with nothing pending", change.id)),
            }
        }
    }
}

fn find(world: &World, call: &Call, args: &[String]) -> Option<Change> {
    let changes = &world.machine(&call.machine).snapd.changes;
    let wanted = args.first()?;
    if let Some(kind) = wanted.strip_prefix("--last=") {
        let kind = kind.trim_end_matches('?');
        return changes.iter().rev().find(|change| change.kind.starts_with(kind)).cloned();
    }
    changes.iter().find(|change| change.id.to_string() == *wanted).cloned()
}

fn header() -> Vec<String> {
    ["ID", "Status", "Spawn", "Ready", "Summary"].map(str::to_owned).to_vec()
}

fn row(world: &World, change: &Change) -> Vec<String> {
    let ready = if world.now < change.ends { "-".to_owned() } else { clock(world, change.ends) };
    let status = match (world.now < change.ends, change.failed) {
        (true, _) => "Doing",
        (false, true) => "Error",
        (false, false) => "Done",
    };
    vec![change.id.to_string(), status.to_owned(), clock(world, change.spawned), ready, change.summary.clone()]
}

fn clock(world: &World, at: u64) -> String {
    world.time_at(at).strftime("today at %H:%M UTC").to_string()
}

fn changes(world: &World, call: &mut Call) -> Next {
    let changes = world.machine(&call.machine).snapd.changes.clone();
    if changes.is_empty() {
        return call.fail(1, "error: no changes found");
    }
    let rows: Vec<_> = std::iter::once(header()).chain(changes.iter().map(|change| row(world, change))).collect();
    table(call, &rows);
    call.say("");
    Next::Exit(0)
}

/// `snap wait system seed.loaded`
fn wait(world: &World, call: &mut Call, args: &[String]) -> Next {
    if args != ["system", "seed.loaded"] {
        return call.fail(64, "error: the required arguments `<snap>` and `<key>` were not provided");
    }
    let seeded = world.machine(&call.machine).snapd.seeded.unwrap_or(world.now);
    after(seeded.saturating_sub(world.now), |_, _| Next::Exit(0))
}
