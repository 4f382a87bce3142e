//! Traps of what makes volumes.

use super::{Sight, Sighting, Trap};
use crate::inventory::storage::Engine;
use crate::inventory::storage::classes::{JIVA_RETAIN, JIVA_STOCK, RWX};
use crate::steps::storage::rwx_class::wrong_backend;

pub(super) const TRAPS: &[Trap] = &[
    Trap {
        name: "wrong-kubelet-directory",
        symptom: "every object is healthy, and what a pod wrote is gone when it starts on another node",
        cause: "the CSI driver mounts volumes below another directory than the kubelet's, in its own container: bytes stay on one node",
        link: "https://github.com/openebs-archive/jiva/issues/367",
        look: kubelet_directory,
    },
    Trap {
        name: "shares-on-one-disk",
        symptom: "volumes of openebs-rwx are lost with one machine",
        cause: "the ready-made class keeps its shares on a class of local folders",
        link: "https://github.com/openebs-archive/dynamic-nfs-provisioner/blob/develop/deploy/kubectl/openebs-nfs-provisioner.yaml",
        look: backend,
    },
    Trap {
        name: "iscsid-off",
        symptom: "`enable community/openebs` ends with status 0, and nothing is installed; volumes are not mounted",
        cause: "the addon gives up without an error while iscsid is not enabled, and without it no node can mount a Jiva volume",
        link: "https://github.com/canonical/microk8s-community-addons/blob/main/addons/openebs/enable",
        look: iscsid,
    },
    Trap {
        name: "initiator-shared",
        symptom: "a volume is mounted on two nodes at once, or loses its connection whenever the other one connects",
        cause: "the disks were cloned with one iSCSI initiator name, and a target takes both for one machine",
        link: "https://www.rfc-editor.org/rfc/rfc7143#section-4.2.7",
        look: initiator,
    },
    Trap {
        name: "nfs-client-missing",
        symptom: "pods wait with \"FailedMount … bad option; you might need a /sbin/mount.<type> helper program\"",
        cause: "the node has no program to mount NFS shares with; the pod starts where there is one",
        link: "https://github.com/openebs-archive/dynamic-nfs-provisioner/blob/develop/docs/troubleshooting.md",
        look: nfs_client,
    },
    Trap {
        name: "release-not-deployed",
        symptom: "enabling OpenEBS again fails with \"cannot re-use a name that is still in use\"",
        cause: "a Helm release is there whose installation failed or was cut off",
        link: "https://helm.sh/docs/helm/helm_upgrade/",
        look: release,
    },
];

/// Whether the inventory wants volumes of Jiva.
fn jiva(sight: &Sight<'_>) -> bool {
    sight.inventory.storage.engine == Engine::Jiva
}

fn kubelet_directory(sight: &Sight<'_>) -> Vec<Sighting> {
    let Some(set) = sight.storage().and_then(|storage| storage.jiva_node.as_ref()) else { return Vec::new() };
    let told =
        sight.facts.answering(sight.inventory).filter_map(|(node, seen)| Some((node, seen.kubelet_root.as_ref()?)));
    let wrong = told.filter(|(_, root)| set.kubelet_directory != format!("{root}/"));
    wrong
        .map(|(node, root)| {
            Sighting::on(
                &node.name,
                format!("DaemonSet {}/{} has {}, the kubelet has {root}/", set.namespace, set.name, set.kubelet_directory),
                format!(
                    "copy what pods wrote to such volumes out of them first. {} sets jiva.csiNode.kubeletDir={root}/ while no volume is in \
                     use; then {}",
                    sight.homeprov(&["up"]),
                    sight.homeprov(&["verify", "storage"])
                ),
            )
        })
        .collect()
}

fn backend(sight: &Sight<'_>) -> Vec<Sighting> {
    let told = sight.storage().filter(|_| jiva(sight)).and_then(|storage| {
        if storage.classes.contains_key(JIVA_STOCK) {
            return wrong_backend(storage);
        }
        // Before there is a Jiva class, a class that is there already misleads all the same.
        let backend = storage.classes.get(RWX)?.openebs.backend.as_deref()?;
        (backend != JIVA_RETAIN).then(|| format!("backend class: {RWX} keeps its volumes on {backend}"))
    });
    told.map(|seen| {
        let remedy = format!(
            "use no volume of {RWX}, move what lies there away, `microk8s kubectl delete storageclass {RWX}`, then {} makes it anew",
            sight.homeprov(&["up"])
        );
        Sighting::of_cluster(seen, remedy)
    })
    .into_iter()
    .collect()
}

/// A machine without MicroK8s is being prepared: what it lacks is for a plan to say.
fn iscsid(sight: &Sight<'_>) -> Vec<Sighting> {
    let off = sight.installed().filter(|(_, seen)| jiva(sight) && seen.initiator.is_some());
    off.filter_map(|(node, _)| {
        let said = sight.failed_check(&node.name, "iscsid-running")?;
        Some(Sighting::on(&node.name, said, "there: `systemctl unmask iscsid; systemctl enable --now iscsid`"))
    })
    .collect()
}

fn initiator(sight: &Sight<'_>) -> Vec<Sighting> {
    let shared = sight.sharing(|seen| seen.initiator.as_deref().filter(|_| seen.installed)).into_iter();
    shared
        .map(|(name, nodes)| {
            let last = nodes.last().copied().unwrap_or_default();
            Sighting::of_cluster(
                format!("{} are all {name}", nodes.join(" and ")),
                format!(
                    "{} gives all but the first a name of their own. By hand, after `microk8s kubectl drain {last} --ignore-daemonsets`, on \
                     {last}: `echo InitiatorName=$(iscsi-iname) >/etc/iscsi/initiatorname.iscsi && systemctl restart iscsid`",
                    sight.homeprov(&["up"])
                ),
            )
        })
        .collect()
}

fn nfs_client(sight: &Sight<'_>) -> Vec<Sighting> {
    let shares = sight.storage().is_some_and(|storage| storage.classes.contains_key(RWX));
    let lack = sight.installed().filter(|(_, seen)| shares && sight.inventory.storage.rwx && !seen.nfs_client);
    lack.map(|(node, _)| {
        Sighting::on(
            &node.name,
            format!("there is a class {RWX}, and no program mount.nfs"),
            "there: `apt-get update && apt-get install nfs-common`",
        )
    })
    .collect()
}

fn release(sight: &Sight<'_>) -> Vec<Sighting> {
    let releases = sight.storage().into_iter().flat_map(|storage| &storage.releases);
    let stuck = releases.filter(|(_, release)| release.status == "failed" || release.pending());
    stuck
        .map(|((namespace, name), release)| {
            Sighting::of_cluster(
                format!("release {namespace}/{name}, revision {}, is {}", release.revision, release.status),
                format!(
                    "{} upgrades it in place. Never `helm uninstall` it while there are JivaVolumes: `microk8s kubectl get jivavolumes -A`",
                    sight.homeprov(&["up"])
                ),
            )
        })
        .collect()
}
