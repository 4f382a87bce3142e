//! `snap list`.

use super::super::World;
use super::super::process::{Call, Next};
use super::{names, table, tick};

/// `snap list [NAME…]`
pub(super) fn list(world: &mut World, call: &mut Call, args: &[String]) -> Next {
    let wanted = names(args);
    let snapd = world.machine(&call.machine).snapd.clone();
    let mut rows = vec![["Name", "Version", "Rev", "Tracking", "Publisher", "Notes"].map(str::to_owned).to_vec()];
    for (name, snap) in &snapd.snaps {
        if !wanted.is_empty() && !wanted.contains(name) {
            continue;
        }
        let mut notes = snap.notes.clone();
        if snapd.holds.contains_key(name) {
            notes.push_str(",held");
        }
        rows.push(vec![
            name.clone(),
            snap.version.clone(),
            snap.revision.clone(),
            snap.tracking.clone(),
            format!("canonical{}", tick(call)),
            notes,
        ]);
    }
    if rows.len() == 1 {
        if wanted.is_empty() {
            return call.fail(0, "No snaps are installed yet. Try 'snap install hello-world'.");
        }
        return call.fail(1, "error: no matching snaps installed");
    }
    table(call, &rows);
    Next::Exit(0)
}
