//! The proof of one class: claim, write, look, read elsewhere.

use std::collections::BTreeMap;

use super::canaries::{Canaries, GONE};
use super::canary::Canary;
use super::chain::{self, jiva_volume};
use super::class;
use super::diagnose;
use super::drill;
use super::gather;
use super::judge;
use super::means::{Means, ProofNode, Trouble};
use super::objects;
use super::pod::{self, PodLook};
use super::proof::{Access, Claim, ClassProof, Keeper};
use super::ready;
use super::seen::Seen;
use super::wanted::{Wanted, WantedClass};
use crate::facts::storage::StorageClass;

/// Proves one class. What it makes is removed by the caller.
pub async fn prove(means: &Means, wanted: &Wanted, want: &WantedClass) -> Result<ClassProof, Trouble> {
    let canary = Canary::new(ulid::Ulid::generate().to_string(), wanted.size);
    let hashed = tokio::task::spawn_blocking({
        let canary = canary.clone();
        move || canary.hash()
    });
    let Some(found) = class::read(means, &want.name).await? else {
        return Ok(conclude(wanted, &seen(wanted, want, &canary, false, 0)));
    };
    let user = class::owner(&found);
    let mut seen = seen(wanted, want, &canary, true, user);
    if class::shares(&found) && want.backend.is_some() {
        seen.other_backend = other_backend(means, &found).await?;
        if seen.other_backend.is_some() {
            return Ok(conclude(wanted, &seen));
        }
    }
    seen.driver_directory = class::driver_directory(means).await?;
    seen.kubelet_roots = means.nodes.iter().map(|node| (node.name.clone(), node.kubelet_root.clone())).collect();
    let canaries = Canaries::new(&canary, want.access, &wanted.image, user);
    let room = (canary.size() * 2 + (64 << 20)).max(1 << 30);
    let claim = objects::claim(&canaries.claim, &want.name, want.access, room);
    pod::make(means, &objects::claims(&canaries.claim), &claim).await?;
    if !class::waits_for_pod(&found) && !ready::provisioned(means, &canaries, &mut seen).await? {
        return Ok(conclude(wanted, &seen));
    }
    // Without the hash of what is sent nothing can be compared: it is part of what is seen from here on.
    seen.hash = hashed.await.map_err(|error| Trouble::InTheWay(error.to_string()))?;
    if write(means, &canaries, &mut seen).await? {
        gather::look(means, &canaries, &mut seen).await?;
        read(means, &canaries, &mut seen).await?;
        let reads = seen.reader.as_ref().is_some_and(|(_, pod)| pod.hash() == Some(&seen.hash));
        if wanted.drill && reads && seen.keeper() == Some(Keeper::Jiva) && wanted.replicas >= 3 && seen.other_node {
            pod::remove(means, &canaries.name("read"), GONE).await?;
            seen.drill = drill::drill(means, &canaries, &seen).await?;
        }
    }
    Ok(conclude(wanted, &seen))
}

fn seen(wanted: &Wanted, want: &WantedClass, canary: &Canary, class_there: bool, user: u32) -> Seen {
    Seen {
        class: want.name.clone(),
        access: want.access,
        replicas: wanted.replicas,
        backend: want.backend.clone(),
        image: wanted.image.clone(),
        user,
        blocks: canary.blocks,
        size: canary.size(),
        hash: String::new(),
        class_there,
        claim_events: None,
        other_backend: None,
        driver_directory: None,
        kubelet_roots: BTreeMap::new(),
        chain: None,
        volume: None,
        writer: None,
        server_events: vec![],
        server_node: None,
        mounts: vec![],
        files: vec![],
        reader: None,
        other_node: false,
        drill: None,
    }
}

fn conclude(wanted: &Wanted, seen: &Seen) -> ClassProof {
    let evidence = judge::evidence(seen);
    let cause = diagnose::cause(seen, &evidence);
    let keeper = seen.keeper().unwrap_or(Keeper::Other);
    let claim = match keeper {
        Keeper::Jiva if seen.replicas > 1 => Claim::Replicated,
        Keeper::Other if seen.other_node => Claim::ReadFromTwoNodes,
        _ => Claim::StoredNotReplicated,
    };
    ClassProof {
        class: seen.class.clone(),
        keeper,
        access: seen.access,
        pv: seen.chain.as_ref().map(|chain| chain.pv.clone()),
        replicas: if keeper == Keeper::Jiva { seen.replicas } else { 1 },
        claim,
        not_tried: judge::not_tried(seen, wanted.drill),
        evidence,
        cause,
    }
}

/// The class behind a share, when it does not replicate.
async fn other_backend(means: &Means, class: &StorageClass) -> Result<Option<String>, Trouble> {
    let Some(name) = &class.openebs.backend else { return Ok(Some("the provisioner's own default".to_owned())) };
    let backend = class::read(means, name).await?;
    let replicates = backend.is_some_and(|backend| class::keeper(&backend) == Keeper::Jiva);
    Ok((!replicates).then(|| name.clone()))
}

/// Writes on a node that has a replica, where there is one. Says whether it got through.
async fn write(means: &Means, canaries: &Canaries<'_>, seen: &mut Seen) -> Result<bool, Trouble> {
    let usable = || means.nodes.iter().filter(|node| node.usable);
    let has_replica = |node: &&ProofNode| seen.files.iter().any(|files| files.node == node.name);
    let Some(node) = usable().find(has_replica).or_else(|| usable().next()) else {
        let waits = Some("Unschedulable".to_owned());
        let events = vec!["no node is Ready and takes pods".to_owned()];
        seen.writer = Some(PodLook { waits, events, ..PodLook::default() });
        return Ok(false);
    };
    let size = judge::mebibytes(seen.size);
    means.say(format!("{}: writing {size} on {}", seen.class, node.name));
    let writer = canaries.write(means, node).await?;
    let wrote = writer.hash().is_some();
    seen.writer = Some(writer);
    if seen.chain.is_none() || !wrote {
        // A volume that waited for its pod is there by now.
        seen.chain = chain::follow(means, &canaries.claim).await?;
        if let Some(chain) = &seen.chain {
            chain::let_go(means, chain).await?;
        } else {
            seen.claim_events = Some(ready::claim_events(means, &canaries.claim).await?);
        }
    }
    if !wrote {
        explain(means, seen).await?;
        // Before a pod runs its volume need not be mounted yet, and after its end it is mounted no more.
        if seen.writer.as_ref().is_some_and(|pod| pod.phase == "Running") {
            gather::mounts(means, canaries, seen).await;
        }
    }
    Ok(wrote)
}

/// Reads what tells why a pod did not get through.
async fn explain(means: &Means, seen: &mut Seen) -> Result<(), Trouble> {
    if let Some(volume) = &seen.volume {
        seen.volume = jiva_volume(means, &volume.name.clone()).await?;
    }
    if let Some(share) = seen.chain.as_ref().and_then(|chain| chain.share.as_ref())
        && let Some(server) = &share.server
    {
        seen.server_node = Some(means.node_name(&server.node));
        seen.server_events = pod::events(means, &share.namespace, &server.uid).await?;
    }
    Ok(())
}

/// Ends the pod that wrote and reads from another node; from the same one where the volume can be used nowhere else.
async fn read(means: &Means, canaries: &Canaries<'_>, seen: &mut Seen) -> Result<(), Trouble> {
    let writer = seen.writer_node().unwrap_or_default().to_owned();
    pod::remove(means, &canaries.name("write"), GONE).await?;
    if let Some(volume) = seen.volume.as_ref().filter(|_| seen.access == Access::ReadWriteOnce) {
        ready::forgotten(means, &volume.name).await?;
    }
    let elsewhere = means.nodes.iter().find(|node| node.usable && node.name != writer);
    let elsewhere = elsewhere.filter(|_| seen.keeper() != Some(Keeper::Hostpath) || shared(seen));
    seen.other_node = elsewhere.is_some();
    let Some(node) = elsewhere.or_else(|| means.node(&writer)) else { return Ok(()) };
    means.say(format!("{}: reading it on {}", seen.class, node.name));
    let reader = canaries.read(means, "read", node).await?;
    let failed = reader.hash().is_none();
    seen.reader = Some((node.name.clone(), reader));
    if failed {
        explain(means, seen).await?;
    }
    Ok(())
}

fn shared(seen: &Seen) -> bool {
    seen.chain.as_ref().is_some_and(|chain| chain.share.is_some())
}
