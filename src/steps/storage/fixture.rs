//! A cluster of three nodes with Jiva, as it should be.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::facts::storage::{JivaNode, OpenebsConfig, StorageClass, Workload};
use crate::facts::{ClusterFacts, Facts, NodeFacts, Observation, Seen, StorageFacts};
use crate::inventory::model::Inventory;
use crate::inventory::storage::classes::{JIVA_RETAIN, JIVA_STOCK, OPENEBS_HOSTPATH, RWX};

/// So many nodes, nuc1 and on, and nothing said of storage.
pub fn inventory(nodes: u8) -> Inventory {
    let mut text = "[cluster]\nname = \"home\"\n".to_owned();
    for number in 1..=nodes {
        let _ = writeln!(text, "[[nodes]]\nname = \"nuc{number}\"\naddress = \"192.168.1.{}\"", 10 + number);
    }
    crate::inventory::parse(Path::new("home.toml"), text).expect("it is valid").inventory
}

fn class(provisioner: &str, reclaim_policy: &str) -> StorageClass {
    StorageClass {
        provisioner: provisioner.to_owned(),
        reclaim_policy: reclaim_policy.to_owned(),
        binding_mode: "Immediate".to_owned(),
        allow_expansion: true,
        ..StorageClass::default()
    }
}

fn storage() -> StorageFacts {
    let parameters: BTreeMap<String, String> = [("cas-type", "jiva"), ("policy", "openebs-jiva-default-policy")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    let jiva = |reclaim| StorageClass { parameters: parameters.clone(), ..class("jiva.csi.openebs.io", reclaim) };
    let shares = OpenebsConfig {
        backend: Some(JIVA_RETAIN.to_owned()),
        exports: Some("/nfsshare *(rw,fsid=0,sync,no_root_squash)".to_owned()),
        permissions: [("UID", "991"), ("GID", "991"), ("mode", "0775")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        ..OpenebsConfig::default()
    };
    let classes = [
        (JIVA_STOCK, jiva("Delete")),
        (JIVA_RETAIN, jiva("Retain")),
        (OPENEBS_HOSTPATH, class("openebs.io/local", "Delete")),
        (RWX, StorageClass { openebs: shares, ..class("openebs.io/nfsrwx", "Retain") }),
    ];
    let workload = |name: &str| Workload { namespace: "openebs".into(), name: name.into(), ready: true };
    StorageFacts {
        classes: classes.map(|(name, class)| (name.to_owned(), class)).into(),
        jiva_served: true,
        jiva_node: Some(JivaNode {
            namespace: "openebs".into(),
            name: "openebs-jiva-csi-node".into(),
            kubelet_directory: "/var/snap/microk8s/common/var/lib/kubelet/".into(),
            ready_on: ["nuc1", "nuc2", "nuc3"].map(str::to_owned).into(),
            rolled_out: true,
        }),
        workloads: [
            "openebs-jiva-operator",
            "openebs-jiva-csi-controller",
            "openebs-localpv-provisioner",
            "nfs-provisioner",
        ]
        .map(workload)
        .into(),
        jiva_policies: [("openebs-jiva-default-policy".to_owned(), 3)].into(),
        ..StorageFacts::default()
    }
}

/// What is seen of three nodes that are as they should be.
pub fn facts() -> Facts {
    let node = |number: u8| {
        let facts = NodeFacts {
            kubelet_root: Some("/var/snap/microk8s/common/var/lib/kubelet".to_owned()),
            initiator: Some(format!("iqn.1993-08.org.debian:01:{number}")),
            nfs_client: true,
            free_kib: [("/".to_owned(), 50 << 20)].into(),
            ..NodeFacts::default()
        };
        (format!("nuc{number}"), Observation::Seen(Box::new(Seen { facts, checks: BTreeMap::new() })))
    };
    Facts {
        nodes: (1..=3).map(node).collect(),
        cluster: Some(ClusterFacts { via: "nuc1".to_owned(), storage: storage(), ..ClusterFacts::default() }),
        ..Facts::default()
    }
}

/// The same with something else about its storage.
pub fn with(change: impl FnOnce(&mut StorageFacts)) -> Facts {
    let mut facts = facts();
    change(&mut facts.cluster.as_mut().expect("a cluster").storage);
    facts
}
