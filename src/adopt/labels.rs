//! The labels of a Node that a person put there.

use std::collections::BTreeMap;

/// The domains of Kubernetes, MicroK8s and its addons: what these write they keep themselves.
const KEEPERS: [&str; 5] = ["kubernetes.io", "k8s.io", "microk8s.io", "openebs.io", "metallb.io"];
/// Where Kubernetes leaves it to people, on machines of their own, to say what a node is for and where it stands
/// (<https://kubernetes.io/docs/reference/labels-annotations-taints/>).
const LEFT: [&str; 2] = ["node-role.kubernetes.io", "node-restriction.kubernetes.io"];
/// The same with its whole key.
const PLACES: [&str; 2] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

/// The labels that are somebody's own, as the inventory can carry them.
pub(super) fn own(labels: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).filter(|(key, _)| is_own(key)).collect()
}

fn is_own(key: &str) -> bool {
    let Some((domain, _)) = key.split_once('/') else { return true };
    if LEFT.contains(&domain) || PLACES.contains(&key) {
        return true;
    }
    // A driver of volumes has kubelet write where its node is (`topology.DRIVER/…`, csi-spec `accessible_topology`).
    let kept = |keeper| domain == keeper || domain.strip_suffix(keeper).is_some_and(|rest| rest.ends_with('.'));
    !domain.starts_with("topology.") && !KEEPERS.into_iter().any(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_typed_is_left_out() {
        let keys = [
            "beta.kubernetes.io/arch",
            "kubernetes.io/hostname",
            "node.kubernetes.io/microk8s-controlplane",
            "microk8s.io/cluster",
            "topology.jiva.openebs.io/nodeName",
            "topology.hostpath.csi/node",
            "openebs.io/nodeid",
        ];
        assert!(keys.into_iter().all(|key| !is_own(key)));
    }

    #[test]
    fn what_somebody_typed_is_kept() {
        let keys = [
            "disk",
            "example.org/rack",
            "mykubernetes.io/kind",
            "node-role.kubernetes.io/worker",
            "topology.kubernetes.io/zone",
        ];
        assert!(keys.into_iter().all(is_own));
    }
}
