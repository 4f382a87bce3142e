//! The driver mounts volumes where the kubelet looks for them.
//!
//! The chart's default is `/var/lib/kubelet/`, and MicroK8s keeps its kubelet elsewhere. Then the driver mounts a volume in its
//! own container, reports success, and the pod gets an ordinary directory of the node: every object is healthy and not one byte
//! is replicated (<https://github.com/openebs-archive/jiva/issues/367>; openebs/jiva-operator
//! `deploy/helm/charts/templates/csi-node.yaml`).

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{helm, jiva, openebs_installed, seen};
use crate::facts::storage::JivaNode;
use crate::facts::{Facts, StorageFacts};
use crate::inventory::model::Inventory;
use crate::kube::storage::jiva::node;
use crate::plan::{Place, Verdict};
use crate::steps::{Context, Failure, RustStep};

/// The `DaemonSet`'s directory is the kubelet's root directory on every node.
pub struct KubeletDirectory;

/// The kubelets' root directories, each with the nodes it is on.
fn roots(inventory: &Inventory, facts: &Facts) -> BTreeMap<String, Vec<String>> {
    let mut roots: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (node, seen) in facts.answering(inventory) {
        if let Some(root) = &seen.kubelet_root {
            roots.entry(root.clone()).or_default().push(node.name.clone());
        }
    }
    roots
}

/// The name of the cause, as everywhere, and both directories.
fn wrong(set: &JivaNode, root: &str) -> String {
    format!(
        "wrong kubelet directory: DaemonSet {} has {}, the kubelets have {root}/. What pods write to volumes stays on their own node's disk",
        set.name, set.kubelet_directory
    )
}

#[async_trait]
impl RustStep for KubeletDirectory {
    fn check(&self, inventory: &Inventory, facts: &Facts, _: &Place) -> Verdict {
        if !jiva(inventory) {
            return Verdict::Holds;
        }
        let Some(seen) = seen(facts) else { return Verdict::unknown("members-joined") };
        let Some(set) = &seen.jiva_node else { return Verdict::unknown("openebs-installed") };
        let roots = roots(inventory, facts);
        let root = match roots.keys().collect::<Vec<_>>().as_slice() {
            [] => return Verdict::unknown("microk8s-ready"),
            [root] => (*root).clone(),
            _ => return Verdict::blocked(several(&roots)),
        };
        if set.kubelet_directory == format!("{root}/") {
            return if set.rolled_out {
                Verdict::Holds
            } else {
                Verdict::settling(format!("the pods of {} are being replaced", set.name))
            };
        }
        Verdict::differs(left_alone(seen, set, &root).unwrap_or_else(|| wrong(set, &root)))
    }

    async fn apply(&self, context: &Context) -> Result<(), Failure> {
        let seed = context.node()?.name.clone();
        let root = helm::kubelet_root(context.node_facts()?);
        if let Some(seen) = seen(&context.facts)
            && let Some(set) = &seen.jiva_node
            && let Some(reason) = left_alone(seen, set, &root)
        {
            return Err(Failure::NotVerified { reason });
        }
        let values = helm::openebs_values(&context.inventory.storage, &root);
        helm::upgrade(context, &seed, &openebs_installed::chart(&context.inventory), &values).await?;
        match node(&context.api().await?).await? {
            Some(set) if set.kubelet_directory != format!("{root}/") => Err(Failure::NotVerified {
                reason: format!("{}; `helm upgrade` with the right one did not change it", wrong(&set, &root)),
            }),
            _ => Ok(()),
        }
    }
}

/// Why nothing is changed: with the right directory, pods that run now would find empty volumes.
fn left_alone(seen: &StorageFacts, set: &JivaNode, root: &str) -> Option<String> {
    let volumes = in_use(seen);
    (!volumes.is_empty()).then(|| {
        format!(
            "{}. Volumes are in use, so homeprov leaves it as it is: {}. Copy their data out of the pods, stop what uses them, then run `up` again",
            wrong(set, root),
            volumes.join(", ")
        )
    })
}

fn several(roots: &BTreeMap<String, Vec<String>>) -> String {
    let shown: Vec<String> = roots.iter().map(|(root, nodes)| format!("{root} on {}", nodes.join(", "))).collect();
    format!(
        "the kubelets keep their files in different directories ({}), and the driver knows one for all: give every node the same --root-dir in /var/snap/microk8s/current/args/kubelet",
        shown.join("; ")
    )
}

/// The Jiva volumes in use, each with its claim.
fn in_use(seen: &StorageFacts) -> Vec<String> {
    let used = seen.jiva_volumes.iter().filter(|(_, volume)| volume.in_use());
    used.map(|(name, _)| match seen.user_claim_of(name) {
        Some(claim) => format!("{}/{}", claim.namespace, claim.name),
        None => name.clone(),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{facts, inventory, with};
    use super::*;
    use crate::facts::storage::JivaVolume;
    use crate::facts::{Observation, storage::Claim};

    fn check(facts: &Facts) -> Verdict {
        KubeletDirectory.check(&inventory(3), facts, &Place::Cluster)
    }

    fn wrong_directory(storage: &mut StorageFacts) {
        storage.jiva_node.as_mut().unwrap().kubelet_directory = "/var/lib/kubelet/".to_owned();
    }

    #[test]
    fn the_right_directory_holds() {
        assert_eq!(check(&facts()), Verdict::Holds);
    }

    #[test]
    fn the_charts_own_directory_differs_and_so_does_one_without_a_slash() {
        insta::assert_snapshot!(check(&with(wrong_directory)).text(), @"wrong kubelet directory: DaemonSet openebs-jiva-csi-node has /var/lib/kubelet/, the kubelets have /var/snap/microk8s/common/var/lib/kubelet/. What pods write to volumes stays on their own node's disk");
        let cut = with(|storage| {
            let set = storage.jiva_node.as_mut().unwrap();
            set.kubelet_directory = set.kubelet_directory.trim_end_matches('/').to_owned();
        });
        assert!(matches!(check(&cut), Verdict::Differs { .. }));
    }

    #[test]
    fn volumes_in_use_keep_it_from_being_mended() {
        let facts = with(|storage| {
            wrong_directory(storage);
            storage
                .jiva_volumes
                .insert("pvc-1".into(), JivaVolume { node: Some("nuc1".into()), ..JivaVolume::default() });
            let claim = Claim {
                namespace: "web".into(),
                name: "data".into(),
                volume: Some("pvc-1".into()),
                ..Claim::default()
            };
            storage.claims.push(claim);
        });
        let Verdict::Differs { why: reason } = check(&facts) else { panic!("it differs") };
        assert!(
            reason.contains("leaves it as it is: web/data") && reason.starts_with("wrong kubelet directory"),
            "{reason}"
        );
    }

    #[test]
    fn different_roots_are_shown() {
        let mut facts = facts();
        let Some(Observation::Seen(seen)) = facts.nodes.get_mut("nuc2") else { panic!("it was seen") };
        seen.facts.kubelet_root = Some("/var/lib/kubelet".into());
        let Verdict::Blocked { reason } = check(&facts) else { panic!("it is blocked") };
        assert!(reason.contains("/var/lib/kubelet on nuc2"), "{reason}");
    }
}
