//! Proofs as they are shown: one that passed, one that failed.

use homeprov::storage::proof::{NodeVersion, SCHEMA};
use homeprov::storage::{Access, Cause, Claim, ClassProof, Evidence, Keeper, Proof};

use super::at;

const KUBELET: &str = "/var/snap/microk8s/common/var/lib/kubelet";

/// Replicated volumes, and shares on them.
pub fn proof() -> Proof {
    let found = |number: u8| {
        let (node, path) =
            (format!("nuc{number}"), format!("/var/snap/microk8s/common/var/openebs/local/pvc-r{number}"));
        let text =
            "1024 of 1024 blocks found in volume-head-000.img, volume-snap-5f3a.img; 64 MiB more of the disk taken";
        Evidence::on(3, &node, &path, text, true)
    };
    let path = format!("{KUBELET}/pods/4c1f/volumes/kubernetes.io~csi/pvc-1/mount");
    let text = "the pod's mount is /dev/sdb (ext4), the volume's iSCSI device, not the root disk";
    let mut evidence = vec![Evidence::on(1, "nuc1", &path, text, true)];
    let text = "the volume says phase Ready, status RW, replicas RW, RW, RW; 3 wanted";
    evidence.push(Evidence::object(2, "jivavolumes/pvc-1", text, true));
    evidence.extend((1..=3).map(found));
    let read = "reads 64 MiB with SHA-256 0f67d5967aee…".to_owned();
    evidence.push(Evidence { number: 4, node: Some("nuc2".into()), path: None, text: read, holds: true });
    Proof {
        schema: SCHEMA,
        at: at(0),
        size: 64 << 20,
        holds: true,
        nodes: (1..=3).map(|number| NodeVersion { name: format!("nuc{number}"), version: "v1.35.1".into() }).collect(),
        classes: vec![ClassProof {
            class: "homeprov-jiva-retain".into(),
            keeper: Keeper::Jiva,
            access: Access::ReadWriteOnce,
            pv: Some("pvc-1".into()),
            replicas: 3,
            claim: Claim::Replicated,
            evidence,
            not_tried: vec![],
            cause: None,
        }],
        left_behind: vec![],
    }
}

/// A share whose bytes stay in its server's own space, and a class homeprov does not know.
pub fn failed_proof() -> Proof {
    let mut proof = proof();
    proof.holds = false;
    let share = &mut proof.classes[0];
    share.class = "openebs-rwx".into();
    share.access = Access::ReadWriteMany;
    let path = format!("{KUBELET}/pods/4c1f/volumes/kubernetes.io~csi/pvc-1/mount");
    let text = "the NFS server's mount is missing: an ordinary directory of the root disk is in its place";
    share.evidence = vec![
        Evidence::on(1, "nuc3", &path, text, false),
        Evidence::on(
            3,
            "nuc3",
            &format!("{path}/canary"),
            "the bytes lie in the pod's own space on the root disk",
            false,
        ),
    ];
    share.cause = Some(Cause::WrongKubeletDirectory {
        node: "nuc3".into(),
        driver: "/var/lib/kubelet/".into(),
        kubelet: KUBELET.into(),
    });
    proof.classes.push(ClassProof {
        class: "longhorn".into(),
        keeper: Keeper::Other,
        access: Access::ReadWriteOnce,
        pv: Some("pvc-2".into()),
        replicas: 1,
        claim: Claim::ReadFromTwoNodes,
        evidence: vec![Evidence::on(1, "nuc1", &path, "the pod's mount is /dev/sdc (ext4), not the root disk", true)],
        not_tried: vec!["(3) not tried: homeprov does not know where this class keeps its bytes".into()],
        cause: None,
    });
    proof.left_behind.push("namespace/homeprov-proof".into());
    proof
}
