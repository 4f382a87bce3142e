//! The looks at the nodes: mounts and replica files, one exec a node.

use std::collections::BTreeMap;

use super::canaries::Canaries;
use super::chain;
use super::evidence::{CANARY, IMAGES, files_look, files_program, mount_look, mount_program};
use super::means::{Means, Trouble, section};
use super::proof::Keeper;
use super::ready;
use super::seen::{FilesSeen, MountSeen, Seen, Whose};
use crate::ssh::{Answer, Section, TransportError};

/// How much room each replica takes before anything is written.
pub async fn before(means: &Means, seen: &mut Seen) {
    let Some(chain) = &seen.chain else { return };
    let mut sections: BTreeMap<String, Vec<Section>> = BTreeMap::new();
    for (number, replica) in chain.replicas.iter().enumerate() {
        let node = means.node_name(&replica.host);
        let program = files_program(&replica.path, IMAGES, None);
        sections.entry(node.clone()).or_default().push(section(files_id(number), program));
        let after = Err("nothing was written".to_owned());
        seen.files.push(FilesSeen { replica: replica.clone(), node, before: None, after });
    }
    for (_, answer) in means.look(sections.into_iter().collect()).await {
        let Ok(answer) = answer else { continue };
        for (number, files) in seen.files.iter_mut().enumerate() {
            let found = answer.sections.get(&files_id(number)).map(files_look);
            files.before = files.before.or(found.filter(|look| look.problem.is_none()).map(|look| look.allocated));
        }
    }
}

fn files_id(number: usize) -> String {
    format!("files-{number}")
}

/// Looks at the mounts only: nothing was written.
pub async fn mounts(means: &Means, canaries: &Canaries<'_>, seen: &mut Seen) {
    gather(means, canaries, seen).await;
    seen.files.clear();
}

/// Looks at mounts and replica files while the pod holds the volume.
pub async fn look(means: &Means, canaries: &Canaries<'_>, seen: &mut Seen) -> Result<(), Trouble> {
    if let Some(volume) = seen.volume.as_ref().map(|volume| volume.name.clone()) {
        seen.volume = ready::healthy(means, &volume, seen.replicas).await?;
    }
    // The server of a share may have been moved since, and a replica made anew.
    seen.chain = chain::follow(means, &canaries.claim).await?.or(seen.chain.take());
    means.say(format!("{}: looking for it on the nodes' disks", seen.class));
    gather(means, canaries, seen).await;
    Ok(())
}

/// One exec on each node: the pod's mount, the server's mount, the replicas' files.
async fn gather(means: &Means, canaries: &Canaries<'_>, seen: &mut Seen) {
    let Some(chain) = seen.chain.clone() else { return };
    let needle = canaries.canary.needle();
    let mut sections: BTreeMap<String, Vec<Section>> = BTreeMap::new();
    let mut mounts: Vec<(Whose, String)> = vec![];
    let link = chain.jiva.as_ref().and_then(|jiva| jiva.link.clone());
    // Bytes in a hostpath volume do lie on the root disk.
    let stray = (chain.keeper != Keeper::Hostpath).then_some(needle.as_str());
    let mut mount = |whose, host: &str, uid: &str, pv: &str, link: Option<&str>| {
        let Some(node) = means.node(host) else { return };
        let program = mount_program(&node.kubelet_root, uid, pv, link, stray);
        sections.entry(node.name.clone()).or_default().push(section(mount_id(whose), program));
        mounts.push((whose, node.name.clone()));
    };
    if let Some(writer) = seen.writer.as_ref().filter(|writer| !writer.uid.is_empty()) {
        let own = if chain.share.is_none() { link.as_deref() } else { None };
        mount(Whose::Pod, writer.node.as_deref().unwrap_or_default(), &writer.uid, &chain.pv, own);
    }
    if let Some((server, pv)) =
        chain.share.as_ref().and_then(|share| Some((share.server.as_ref()?, share.pv.as_ref()?)))
    {
        seen.server_node = Some(means.node_name(&server.node));
        mount(Whose::Server, &server.node, &server.uid, pv, link.as_deref());
    }
    let pattern = if chain.keeper == Keeper::Jiva { IMAGES } else { CANARY };
    let mut files: Vec<FilesSeen> = vec![];
    for (number, replica) in chain.replicas.iter().enumerate() {
        // A hostpath volume without an affinity lies where its pod ran.
        let host = if replica.host.is_empty() { seen.writer_node().unwrap_or_default() } else { &replica.host };
        let node = means.node_name(host);
        let before = seen.files.iter().find(|known| known.replica == *replica).and_then(|known| known.before);
        if means.node(host).is_some() {
            let program = files_program(&replica.path, pattern, Some(&needle));
            sections.entry(node.clone()).or_default().push(section(files_id(number), program));
        }
        files.push(FilesSeen {
            replica: replica.clone(),
            node,
            before,
            after: Err("the node does not answer".to_owned()),
        });
    }
    let answers: BTreeMap<String, Result<Answer, TransportError>> =
        means.look(sections.into_iter().collect()).await.into_iter().collect();
    let answer = |node: &str, id: &str| match answers.get(node) {
        Some(Ok(answer)) => answer.sections.get(id).ok_or_else(|| "the node gave no answer".to_owned()),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("the node does not answer".to_owned()),
    };
    for (number, files) in files.iter_mut().enumerate() {
        files.after = answer(&files.node, &files_id(number)).map(files_look);
    }
    seen.files = files;
    let read = |(whose, node): (Whose, String)| {
        let look = answer(&node, mount_id(whose)).and_then(|answer| {
            if answer.timed_out { Err("looking took too long".to_owned()) } else { Ok(mount_look(answer)) }
        });
        MountSeen { whose, node, look }
    };
    seen.mounts = mounts.into_iter().map(read).collect();
}

fn mount_id(whose: Whose) -> &'static str {
    match whose {
        Whose::Pod => "mount-pod",
        Whose::Server => "mount-server",
    }
}
