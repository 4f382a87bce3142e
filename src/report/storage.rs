//! How storage stands, shown.

use super::clean::clean;
use super::paint::Paint;
use super::status::{entry, plain_table};
use super::words;
use crate::inventory::storage::Engine;
use crate::status::storage::{Access, ClassStatus, Margin, StorageStatus, VolumeStatus};

/// Classes and volumes, each in a table, and what is wrong with a volume behind a mark.
pub(super) fn text(status: &StorageStatus, paint: Paint, width: usize) -> String {
    let kept = match status.engine {
        Engine::Jiva if status.replicas > 1 => format!("each new volume on {} nodes", status.replicas),
        Engine::Jiva | Engine::Hostpath => "stored, not replicated".to_owned(),
        Engine::ExistingClass | Engine::None => "kept by classes that homeprov did not make".to_owned(),
    };
    let mut text = format!("\n{}  {}, {kept}\n\n", paint.bold("storage"), status.engine.name());
    if status.classes.is_empty() {
        text += "no storage class\n";
    } else {
        let header = ["CLASS", "VOLUMES BY", "RECLAIM", "USED FOR"];
        text += &plain_table(&header, status.classes.iter().map(class), width, Some(MADE_BY));
        text += "\n";
    }
    text += "\n";
    text += &proof(status, paint, width);
    if !status.volumes.is_empty() {
        text += "\n";
    }
    for volume in &status.volumes {
        let mark = match volume.margin {
            Margin::Spare => paint.good("✔"),
            Margin::Last | Margin::OneNode => paint.care("!"),
            Margin::ReadOnly => paint.bad("✘"),
            Margin::Unknown => paint.care("?"),
        };
        text += &entry(&mark, &format!("{}: {}\n{}", called(volume), volume.state, details(volume)), width);
    }
    text
}

fn proof(status: &StorageStatus, paint: Paint, width: usize) -> String {
    match &status.proof {
        Some(proof) => {
            let at = proof.at.strftime("%Y-%m-%d %H:%M UTC");
            entry(
                &paint.good("✔"),
                &format!("proven {at}; `homeprov verify storage` proves it again and shows how"),
                width,
            )
        }
        None => entry(&paint.care("?"), "not proven yet, or changed since it was", width),
    }
}

/// The column of who makes a class's volumes.
const MADE_BY: usize = 1;

fn class(class: &ClassStatus) -> Vec<String> {
    let used_for = match class.used_for {
        Some(Access::ReadWriteOnce) => "one node",
        Some(Access::ReadWriteMany) => "many nodes",
        None => "-",
    };
    let made_by = match &class.backend {
        Some(backend) => format!("{} on {backend}", class.provisioner),
        None => class.provisioner.clone(),
    };
    vec![clean(&class.name), clean(&made_by), clean(&class.reclaim_policy), used_for.to_owned()]
}

/// What people know a volume by: its claim.
fn called(volume: &VolumeStatus) -> &str {
    volume.claim.as_deref().unwrap_or(&volume.name)
}

/// Size, class, replicas, and who has it mounted.
fn details(volume: &VolumeStatus) -> String {
    let mut parts = vec![format!("{} of {}", volume.capacity, volume.class)];
    if volume.shared {
        parts.push("shared by an NFS server".to_owned());
    }
    if let Some(wanted) = volume.replicas_wanted {
        parts.push(format!("{} of {} RW{}", working(volume), words::count(wanted as usize, "replica"), others(volume)));
    }
    if !volume.nodes.is_empty() {
        parts.push(format!("on {}", words::list(&volume.nodes)));
    }
    parts.extend(volume.mounted_on.as_ref().map(|node| format!("mounted on {node}")));
    parts.join(", ")
}

fn working(volume: &VolumeStatus) -> usize {
    volume.replicas.iter().filter(|replica| replica.mode == "RW").count()
}

/// The connected replicas in other modes: one that is rebuilt takes writes only (`WO`).
fn others(volume: &VolumeStatus) -> String {
    let modes = volume.replicas.iter().map(|replica| replica.mode.as_str()).filter(|mode| *mode != "RW");
    let modes: Vec<&str> = modes.map(|mode| if mode.is_empty() { "connecting" } else { mode }).collect();
    if modes.is_empty() { String::new() } else { format!(" ({})", modes.join(", ")) }
}
