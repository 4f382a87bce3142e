//! All that was seen of one class: readings only, no conclusions.

use std::collections::BTreeMap;

use super::chain::{Chain, Replica};
use super::evidence::{FilesLook, MountLook};
use super::jiva::JivaVolume;
use super::pod::PodLook;
use super::proof::{Access, Keeper};

/// What is wanted of a class, and what was seen of it so far.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The class.
    pub class: String,
    /// How the claim was made.
    pub access: Access,
    /// Replicas wanted.
    pub replicas: u32,
    /// The class an NFS share must lie on.
    pub backend: Option<String>,
    /// The image of the pods.
    pub image: String,
    /// The user the pods run as.
    pub user: u32,
    /// Blocks written.
    pub blocks: u32,
    /// Bytes written.
    pub size: u64,
    /// The SHA-256 of what is written.
    pub hash: String,
    /// Whether the class exists.
    pub class_there: bool,
    /// What is said of the claim, while it has no volume.
    pub claim_events: Option<Vec<String>>,
    /// The class found behind the share, when it is not the wanted kind.
    pub other_backend: Option<String>,
    /// The directory of the Jiva CSI driver's `DaemonSet`.
    pub driver_directory: Option<String>,
    /// The directory kubelet was started with on each node.
    pub kubelet_roots: BTreeMap<String, String>,
    /// What is behind the claim.
    pub chain: Option<Chain>,
    /// The Jiva volume as it was last read.
    pub volume: Option<JivaVolume>,
    /// The pod that wrote.
    pub writer: Option<PodLook>,
    /// What was said of the NFS server's pod.
    pub server_events: Vec<String>,
    /// The node the NFS server's pod runs on.
    pub server_node: Option<String>,
    /// The mounts looked at.
    pub mounts: Vec<MountSeen>,
    /// The replicas' files looked at.
    pub files: Vec<FilesSeen>,
    /// The node another pod was put on to read, and that pod.
    pub reader: Option<(String, PodLook)>,
    /// Whether there was another node to read from.
    pub other_node: bool,
    /// What came of losing a replica.
    pub drill: Option<DrillSeen>,
}

/// Whose mount was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The pod's that wrote.
    Pod,
    /// The NFS server's.
    Server,
}

/// A mount on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSeen {
    /// Whose.
    pub whose: Whose,
    /// The node.
    pub node: String,
    /// What was seen, or why nothing was.
    pub look: Result<MountLook, String>,
}

/// A replica's files on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesSeen {
    /// The replica.
    pub replica: Replica,
    /// The node's name.
    pub node: String,
    /// Bytes of disk taken before anything was written.
    pub before: Option<u64>,
    /// What was seen afterwards, or why nothing was.
    pub after: Result<FilesLook, String>,
}

/// What came of losing a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillSeen {
    /// The node that lost its replica.
    pub node: String,
    /// The replica's pod.
    pub pod: String,
    /// The node that read meanwhile, and what its pod said.
    pub reader: (String, PodLook),
    /// What the volume said meanwhile.
    pub meanwhile: Option<JivaVolume>,
    /// What the volume said in the end.
    pub after: Option<JivaVolume>,
}

impl Seen {
    /// What keeps the bytes, as far as it is known.
    pub fn keeper(&self) -> Option<Keeper> {
        self.chain.as_ref().map(|chain| chain.keeper)
    }

    /// The node the writing pod ran on.
    pub fn writer_node(&self) -> Option<&str> {
        self.writer.as_ref()?.node.as_deref()
    }

    /// The nodes in whose replica files all blocks were found.
    pub fn whole_on(&self) -> Vec<String> {
        let mut nodes: Vec<String> = vec![];
        for files in &self.files {
            let whole = files.after.as_ref().is_ok_and(|look| look.blocks == self.blocks);
            if whole && !nodes.contains(&files.node) {
                nodes.push(files.node.clone());
            }
        }
        nodes
    }
}

/// Seen, as it is when a proof of a healthy Jiva volume on three nodes has ended: the tests change one thing each.
#[cfg(test)]
pub mod fixtures {
    use super::*;
    use crate::storage::chain::{Server, Share};
    use crate::storage::evidence::Mount;

    /// The hash that is right.
    pub const HASH: &str = "0f67d5967aee8dc65827579922641b86ceea4c316b2a6af9aa2f9ab91e315dfa";
    const ROOT: &str = "/var/snap/microk8s/common/var/lib/kubelet";

    fn pod(node: &str) -> PodLook {
        PodLook {
            name: format!("pod-{node}"),
            uid: format!("uid-{node}"),
            node: Some(node.into()),
            phase: "Running".into(),
            log: format!("hash {HASH}\n"),
            ..PodLook::default()
        }
    }

    fn jiva() -> JivaVolume {
        JivaVolume {
            name: "pvc-1".into(),
            namespace: "openebs".into(),
            phase: "Ready".into(),
            status: "RW".into(),
            connected: 3,
            modes: vec!["RW".into(); 3],
            owner: None,
            link: Some("/dev/disk/by-path/ip-10.152.183.50:3260-iscsi-iqn.2016-09.com.openebs.jiva:pvc-1-lun-0".into()),
        }
    }

    fn mount(whose: Whose, node: &str, pv: &str) -> MountSeen {
        MountSeen {
            whose,
            node: node.into(),
            look: Ok(MountLook {
                path: format!("{ROOT}/pods/uid-{node}/volumes/kubernetes.io~csi/{pv}/mount"),
                mount: Some(Mount {
                    source: "/dev/sdb".into(),
                    kind: "ext4".into(),
                    device: "8:16".into(),
                    read_only: false,
                }),
                root: Some("253:0".into()),
                device: Some("/dev/sdb".into()),
                stray: vec![],
            }),
        }
    }

    /// A claim of a Jiva class, written on nuc1 and read on nuc2.
    pub fn jiva_volume() -> Seen {
        let nodes = ["nuc1", "nuc2", "nuc3"];
        let replicas: Vec<Replica> = (0..3)
            .map(|number| Replica {
                name: format!("openebs-pvc-1-jiva-rep-{number}"),
                host: nodes[number].into(),
                path: format!("/var/snap/microk8s/common/var/openebs/local/pvc-r{number}"),
            })
            .collect();
        let files = replicas.iter().map(|replica| FilesSeen {
            replica: replica.clone(),
            node: replica.host.clone(),
            before: Some(2 << 20),
            after: Ok(FilesLook {
                allocated: 66 << 20,
                files: vec!["volume-head-000.img".into()],
                blocks: 1024,
                problem: None,
            }),
        });
        Seen {
            class: "homeprov-jiva-retain".into(),
            access: Access::ReadWriteOnce,
            replicas: 3,
            backend: None,
            image: "docker.io/library/busybox:1.37.0".into(),
            user: 0,
            blocks: 1024,
            size: 64 << 20,
            hash: HASH.into(),
            class_there: true,
            claim_events: None,
            other_backend: None,
            driver_directory: Some(format!("{ROOT}/")),
            kubelet_roots: nodes.iter().map(|node| ((*node).to_owned(), ROOT.to_owned())).collect(),
            files: files.collect(),
            chain: Some(Chain { pv: "pvc-1".into(), share: None, keeper: Keeper::Jiva, jiva: Some(jiva()), replicas }),
            volume: Some(jiva()),
            writer: Some(pod("nuc1")),
            server_events: vec![],
            server_node: None,
            mounts: vec![mount(Whose::Pod, "nuc1", "pvc-1")],
            reader: Some(("nuc2".into(), pod("nuc2"))),
            other_node: true,
            drill: None,
        }
    }

    /// The same through an NFS share whose server runs on nuc3.
    pub fn nfs_share() -> Seen {
        let mut seen = jiva_volume();
        seen.class = "openebs-rwx".into();
        seen.access = Access::ReadWriteMany;
        seen.backend = Some("homeprov-jiva-retain".into());
        seen.user = 991;
        seen.server_node = Some("nuc3".into());
        if let Some(chain) = &mut seen.chain {
            chain.pv = "pvc-x".into();
            chain.share = Some(Share {
                address: "10.152.183.77".into(),
                namespace: "openebs".into(),
                claim: "nfs-pvc-x".into(),
                class: "homeprov-jiva-retain".into(),
                pv: Some("pvc-1".into()),
                server: Some(Server { pod: "nfs-pvc-x-0".into(), uid: "uid-nuc3".into(), node: "nuc3".into() }),
            });
        }
        let mut share = mount(Whose::Pod, "nuc1", "pvc-x");
        if let Ok(look) = &mut share.look {
            look.path = format!("{ROOT}/pods/uid-nuc1/volumes/kubernetes.io~nfs/pvc-x");
            look.device = None;
            look.mount = Some(Mount {
                source: "10.152.183.77:/".into(),
                kind: "nfs4".into(),
                device: "0:61".into(),
                read_only: false,
            });
        }
        seen.mounts = vec![share, mount(Whose::Server, "nuc3", "pvc-1")];
        seen
    }

    /// A mount that was seen, to be changed.
    pub fn look(seen: &mut Seen, number: usize) -> &mut MountLook {
        seen.mounts[number].look.as_mut().expect("seen")
    }
}
