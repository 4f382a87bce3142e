//! The thread that keeps the nodes' storage as the world has it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::{NodeHandle, Report, Storage};
use crate::runtime::BASE;
use crate::runtime::homelab::Homelab;

/// How often the world is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Starts to keep the nodes' storage as the world has it, until the lab ends. It has a thread of its own: copying may take
/// longer than a beat.
pub fn keep(lab: &Arc<Homelab>, speed: u64) -> Result<()> {
    let mut storage = Storage::new(&Path::new(BASE).join("storage"), PathBuf::from(BASE).join("stand-in"), speed)?;
    let lab = Arc::clone(lab);
    std::thread::Builder::new().name("storage".to_owned()).spawn(move || {
        let mut told = BTreeSet::new();
        loop {
            look(&lab, &mut storage);
            for failure in storage.take_failures() {
                if told.insert(failure.clone()) {
                    eprintln!("homeprov-lab: {failure}");
                }
            }
        }
    })?;
    Ok(())
}

fn look(lab: &Arc<Homelab>, storage: &mut Storage) {
    let views = {
        let mut world = lab.world();
        world.run_containers_outside();
        world.storage()
    };
    storage.settle(&views, &nodes(lab));
    storage.wait(LOOK, || nodes(lab));
    for report in storage.take_reports() {
        let mut world = lab.world();
        match report {
            Report::Wrote((id, uid, container), bytes) => world.container_wrote(id, &uid, &container, &bytes),
            Report::Ended((id, uid, container), status) => world.container_ended(id, &uid, &container, status),
        }
    }
}

/// The nodes under the names their Node objects have.
fn nodes(lab: &Homelab) -> Vec<NodeHandle> {
    // In this order everywhere: the nodes, then the world.
    let nodes = lab.nodes();
    let world = lab.world();
    let handle = |node: &crate::runtime::node::Node| NodeHandle {
        name: world.machine(&node.name).hostname.clone(),
        pid: node.pid,
        root: node.disk.root(),
    };
    nodes.iter().map(handle).collect()
}
