//! Volumes are where they should be: the record of the last proof still vouches for what is there.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Context, Failure, RustStep};
use crate::engine::event::Event;
use crate::facts::record::{Record, fingerprint};
use crate::facts::storage::StorageClass;
use crate::facts::{ClusterFacts, Facts};
use crate::inventory::model::Inventory;
use crate::inventory::storage::{Engine, classes};
use crate::kube::records;
use crate::plan::{Place, Verdict};
use crate::storage::{self, ClassProof, Means, Proof, Trouble, Wanted};

/// The record `storage` vouches for these classes on these nodes.
pub struct StorageProven;

/// The record's name.
const RECORD: &str = "storage";

/// What the record vouches for: the nodes with their versions, the directories of kubelet and driver, the engine, and
/// the classes with everything that decides where their bytes lie.
fn vouches_for(inventory: &Inventory, facts: &Facts, cluster: &ClusterFacts) -> String {
    let wanted = &inventory.storage;
    let mut parts = vec![wanted.engine.name().to_owned(), wanted.replicas.to_string()];
    for node in cluster.nodes.values() {
        parts.extend([node.uid.clone(), node.version.clone()]);
    }
    // All nodes have the same directory, so that one that does not answer for a while changes nothing.
    let roots: BTreeSet<&String> =
        facts.answering(inventory).filter_map(|(_, seen)| seen.kubelet_root.as_ref()).collect();
    parts.extend(roots.into_iter().cloned());
    let seen = &cluster.storage;
    parts.extend(seen.jiva_node.iter().map(|driver| driver.kubelet_directory.clone()));
    for name in [classes::rwo_class(wanted), classes::rwx_class(wanted)].into_iter().flatten() {
        parts.push(name.to_owned());
        let class = seen.classes.get(name);
        let backend = class.and_then(|class| class.openebs.backend.as_ref());
        parts.extend(class.into_iter().flat_map(class_parts));
        parts.extend(backend.and_then(|backend| seen.classes.get(backend)).into_iter().flat_map(class_parts));
    }
    parts.extend(seen.jiva_policies.iter().map(|(name, factor)| format!("{name}={factor}")));
    fingerprint(parts.iter().map(String::as_str))
}

fn class_parts(class: &StorageClass) -> Vec<String> {
    let parameters = class.parameters.iter().chain(&class.openebs.permissions);
    let settings = [&class.openebs.backend, &class.openebs.exports, &class.openebs.base_path];
    let mut parts = vec![class.provisioner.clone(), class.reclaim_policy.clone(), class.binding_mode.clone()];
    parts.extend(parameters.map(|(key, value)| format!("{key}={value}")));
    parts.extend(settings.into_iter().flatten().cloned());
    parts
}

/// The record of the last proof, when it still vouches for what is there and is not too old.
pub fn valid_record<'a>(inventory: &Inventory, facts: &'a Facts) -> Option<&'a Record> {
    let record = facts.cluster.as_ref()?.records.get(RECORD)?;
    why_not(inventory, facts, record).is_none().then_some(record)
}

/// Why a record does not vouch for what is there.
fn why_not(inventory: &Inventory, facts: &Facts, record: &Record) -> Option<String> {
    let cluster = facts.cluster.as_ref()?;
    if record.fingerprint != vouches_for(inventory, facts, cluster) {
        return Some("the storage or the nodes have changed since it was proven".to_owned());
    }
    let every = inventory.storage.prove_every?;
    let age = facts.observed_at.duration_since(record.at);
    let old = jiff::SignedDuration::try_from(every).is_ok_and(|every| age > every);
    old.then(|| format!("it was last proven at {}, and is to be every {} days", record.at, every.as_secs() / 86_400))
}

#[async_trait]
impl RustStep for StorageProven {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if inventory.storage.engine == Engine::None {
            return Verdict::Holds;
        }
        let Some(cluster) = &facts.cluster else { return Verdict::unknown("members-joined") };
        match cluster.records.get(RECORD) {
            None => Verdict::differs("not proven yet"),
            Some(record) => why_not(inventory, facts, record).map_or(Verdict::Holds, Verdict::differs),
        }
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let proof = prove(context, &Wanted::of(&context.inventory.storage)).await?;
        match refuted(&proof) {
            Some(reason) => Err(Failure::NotVerified { reason }),
            None => record(context, &proof).await,
        }
    }

    async fn abandoned(&self, context: &Context) {
        abandon(context).await;
    }
}

/// Runs the proof and reports each piece of evidence.
pub async fn prove(context: &Context, wanted: &Wanted) -> Result<Proof, Failure> {
    let means = means(context).await?;
    let proof = Box::pin(storage::prove(&means, wanted)).await?;
    for line in proof.classes.iter().flat_map(lines) {
        context.say(line);
    }
    if !proof.left_behind.is_empty() {
        let message = format!("the proof left behind, for the next one to remove: {}", proof.left_behind.join(", "));
        let _ = context.events.send(Event::Warning { node: None, message });
    }
    Ok(proof)
}

/// Writes down what was proven.
pub async fn record(context: &Context, proof: &Proof) -> Result<(), Failure> {
    let Some(cluster) = &context.facts.cluster else { return Ok(()) };
    let nodes: Vec<String> = proof.nodes.iter().map(|node| format!("{} {}", node.name, node.version)).collect();
    let mut evidence = vec![format!("on {}", nodes.join(", "))];
    evidence.extend(proof.classes.iter().flat_map(proven_lines));
    let not_tried =
        proof.classes.iter().flat_map(|class| class.not_tried.iter().map(|line| format!("{}: {line}", class.class)));
    let record = Record {
        fingerprint: vouches_for(&context.inventory, &context.facts, cluster),
        at: proof.at,
        evidence,
        not_tried: not_tried.collect(),
    };
    Ok(records::write(&context.api().await?, RECORD, &record).await?)
}

/// Takes the record away: what it vouched for has been refuted.
pub async fn forget(context: &Context) -> Result<(), Failure> {
    Ok(records::remove(&context.api().await?, RECORD).await?)
}

/// Asks for the removal of what a proof that was cut short has made. The next one removes what is left.
pub async fn abandon(context: &Context) {
    if let Ok(means) = means(context).await
        && let Err(trouble) = storage::ask_to_clean(&means).await
    {
        let message = format!("what the proof made is removed at its next run: {trouble}");
        let _ = context.events.send(Event::Warning { node: None, message });
    }
}

/// Why the proof failed and what to do, for every class that is not proven; nothing when all are.
pub fn refuted(proof: &Proof) -> Option<String> {
    let failing = proof.classes.iter().filter_map(|class| {
        let cause = class.cause.as_ref()?;
        Some(format!("{} ({}): {}\nwhat to do: {}", class.class, class.access.name(), cause.text(), cause.remedy()))
    });
    let reasons: Vec<String> = failing.collect();
    match (proof.holds, reasons.is_empty()) {
        (true, _) => None,
        (false, true) => Some("nothing was proven".to_owned()),
        (false, false) => Some(reasons.join("\n")),
    }
}

/// The way to the cluster and its nodes, for the proof.
pub async fn means(context: &Context) -> Result<Means, Failure> {
    let client = context.api().await?;
    let answering = context.facts.answering(&context.inventory);
    let roots: Vec<(String, String)> =
        answering.filter_map(|(node, seen)| Some((node.name.clone(), seen.kubelet_root.clone()?))).collect();
    let (events, step, place) = (context.events.clone(), context.step.id.clone(), context.place.clone());
    let say = move |line| {
        let _ = events.send(Event::StepOutput { step: step.clone(), place: place.clone(), line });
    };
    Ok(Means::new(client, Arc::clone(&context.transport), &roots, Arc::new(say)).await?)
}

fn proven_lines(class: &ClassProof) -> Vec<String> {
    let headline =
        format!("{} ({}, {}): {}", class.class, class.access.name(), class.keeper.name(), class.conclusion());
    let evidence = class.evidence.iter().map(|evidence| format!("{}: {}", class.class, evidence.line()));
    std::iter::once(headline).chain(evidence).collect()
}

fn lines(class: &ClassProof) -> Vec<String> {
    let not_tried = class.not_tried.iter().map(|line| format!("{}: {line}", class.class));
    proven_lines(class).into_iter().chain(not_tried).collect()
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unreachable(error) => Self::Unreachable(error),
            Trouble::Api(error) => Self::Api(error),
            Trouble::InTheWay(reason) => Self::failed(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::facts::KubernetesNode;
    use crate::facts::storage::JivaNode;

    fn facts() -> Facts {
        let mut cluster = ClusterFacts::default();
        for name in ["nuc1", "nuc2", "nuc3"] {
            let node =
                KubernetesNode { uid: format!("uid-{name}"), version: "v1.35.0".into(), ..KubernetesNode::default() };
            cluster.nodes.insert(name.into(), node);
        }
        cluster.storage.jiva_node = Some(JivaNode { kubelet_directory: "/k/".into(), ..JivaNode::default() });
        let class = StorageClass { provisioner: "jiva.csi.openebs.io".into(), ..StorageClass::default() };
        cluster.storage.classes.insert(classes::JIVA_RETAIN.into(), class);
        Facts { cluster: Some(cluster), observed_at: at(0), ..Facts::default() }
    }

    fn at(hours: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_767_261_600 + hours * 3600).unwrap()
    }

    fn inventory() -> Inventory {
        let text = "[cluster]\nname = \"home\"\nchannel = \"1.35/stable\"\n[storage]\nengine = \"jiva\"\nprove_every = \"1d\"\n\
                    [[nodes]]\nname = \"nuc1\"\naddress = \"10.0.0.1\"\n[[nodes]]\nname = \"nuc2\"\naddress = \"10.0.0.2\"\n\
                    [[nodes]]\nname = \"nuc3\"\naddress = \"10.0.0.3\"\n";
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        crate::inventory::load(file.path()).expect("a valid inventory").inventory
    }

    fn check(inventory: &Inventory, facts: &Facts) -> Verdict {
        StorageProven.check(inventory, facts, &Place::Cluster)
    }

    fn proven(inventory: &Inventory) -> Facts {
        let mut facts = facts();
        let cluster = facts.cluster.clone().unwrap();
        let fingerprint = vouches_for(inventory, &facts, &cluster);
        let record = Record { fingerprint, at: at(0), evidence: vec![], not_tried: vec![] };
        facts.cluster.as_mut().unwrap().records.insert(RECORD.into(), record);
        facts
    }

    #[test]
    fn it_holds_while_nothing_has_changed() {
        let inventory = inventory();
        assert_eq!(check(&inventory, &facts()), Verdict::differs("not proven yet"));
        let facts = proven(&inventory);
        assert_eq!(check(&inventory, &facts), Verdict::Holds);
        assert!(valid_record(&inventory, &facts).is_some());
    }

    #[test]
    fn it_is_proven_again_when_something_has_changed() {
        let inventory = inventory();
        let changes: [fn(&mut ClusterFacts); 5] = [
            |cluster| cluster.nodes.get_mut("nuc2").unwrap().uid = "another".into(),
            |cluster| cluster.nodes.get_mut("nuc2").unwrap().version = "v1.36.0".into(),
            |cluster| drop(cluster.nodes.remove("nuc3")),
            |cluster| cluster.storage.jiva_node.as_mut().unwrap().kubelet_directory = "/var/lib/kubelet/".into(),
            |cluster| {
                let class = cluster.storage.classes.get_mut(classes::JIVA_RETAIN).unwrap();
                class.parameters.insert("policy".into(), "other".into());
            },
        ];
        for change in changes {
            let mut facts = proven(&inventory);
            change(facts.cluster.as_mut().unwrap());
            assert!(matches!(check(&inventory, &facts), Verdict::Differs { .. }));
            assert!(valid_record(&inventory, &facts).is_none());
        }
    }

    #[test]
    fn it_is_proven_again_when_it_is_old() {
        let mut inventory = inventory();
        let mut facts = proven(&inventory);
        facts.observed_at = at(23);
        assert_eq!(check(&inventory, &facts), Verdict::Holds);
        facts.observed_at = at(25);
        assert!(matches!(check(&inventory, &facts), Verdict::Differs { .. }));
        inventory.storage.prove_every = None;
        assert_eq!(check(&inventory, &facts), Verdict::Holds);
        inventory.storage.prove_every = Some(Duration::from_secs(7 * 86_400));
        assert_eq!(check(&inventory, &facts), Verdict::Holds);
    }

    #[test]
    fn storage_that_is_left_alone_needs_no_proof() {
        let mut inventory = inventory();
        inventory.storage.engine = Engine::None;
        assert_eq!(check(&inventory, &Facts::default()), Verdict::Holds);
    }
}
