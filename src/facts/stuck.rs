//! What keeps volumes, pods and members stuck: what the machines hold, what the API says of pods, and who answers at all.
//!
//! Read only where somebody asks for it (`homeprov repair`, `homeprov drill`): it takes an exec more on each node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use sha2::{Digest as _, Sha256};

use super::identity::hex;

/// The script that looks at what a machine holds.
pub const LOOK: &str = include_str!("stuck.sh");

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StuckFacts {
    /// When it was looked at, by the API server's clock: that of the times in its objects.
    pub at: jiff::Timestamp,
    /// What the machines hold, by node name; a node that could not be looked at is not here.
    pub holds: BTreeMap<String, Holds>,
    /// Why a node that answers could not be looked at.
    pub not_looked: BTreeMap<String, String>,
    /// The pods of all namespaces.
    pub pods: Vec<StuckPod>,
    /// Who answers ARP, where that had to be asked.
    pub heard: Heard,
}

/// What one machine holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds {
    /// The mounts of CSI volumes in its own mount namespace.
    pub mounts: Vec<HeldMount>,
    /// Its iSCSI sessions, as `iscsiadm` prints them.
    pub sessions: Vec<String>,
    /// The processes of pods.
    pub processes: Vec<Process>,
    /// Whether a `microk8s join` is under way.
    pub joining: bool,
}

/// A mount of a CSI volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldMount {
    /// The mount point.
    pub path: String,
    /// The device.
    pub source: String,
    /// Whether the mount or its file system takes no writes.
    pub read_only: bool,
}

/// A process of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// The pod's uid.
    pub uid: String,
    /// The container's id.
    pub container: String,
    /// The process.
    pub pid: u32,
    /// For how many seconds it has run.
    pub age: u64,
}

/// A pod, as far as it may be stuck.
// Each switch is an observation of its own.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StuckPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The node it is on; none while it waits for one.
    pub node: Option<String>,
    /// The claims it has mounted, or wants to.
    pub claims: Vec<String>,
    /// The kind of its controller; absent for one that nobody makes anew.
    pub owner: Option<String>,
    /// When it was to have ended: its deletion and its grace.
    pub ends_at: Option<jiff::Timestamp>,
    /// Since when its container runs.
    pub runs_since: Option<jiff::Timestamp>,
    /// When it was made.
    pub made_at: Option<jiff::Timestamp>,
    /// Its address.
    pub address: Option<String>,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it has run to its end.
    pub ended: bool,
    /// The Jiva volume it is a part of.
    pub volume: Option<String>,
    /// `jiva-controller` or `jiva-replica`, where it is one.
    pub component: Option<String>,
}

impl StuckFacts {
    /// For how many seconds something has been so; 0 when the clock was set back meanwhile.
    pub fn seconds_since(&self, moment: jiff::Timestamp) -> u64 {
        u64::try_from(self.at.duration_since(moment).as_secs()).unwrap_or_default()
    }
}

impl StuckPod {
    /// `namespace/name`
    pub fn shown(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// Who answered ARP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// The addresses that were asked for.
    pub asked: BTreeSet<Ipv4Addr>,
    /// By each node that asked and heard another node that is known to be up: what it heard, with MAC addresses. Who hears not
    /// even that one proves nothing.
    pub by: BTreeMap<String, BTreeMap<Ipv4Addr, String>>,
}

impl Heard {
    /// The nodes that asked for an address and heard nobody; none when somebody answered or nobody could tell.
    pub fn silent(&self, address: Ipv4Addr) -> Option<Vec<&str>> {
        let answered = self.by.values().any(|heard| heard.contains_key(&address));
        let told = self.asked.contains(&address) && !self.by.is_empty() && !answered;
        told.then(|| self.by.keys().map(String::as_str).collect())
    }

    /// The MAC address that answers for an address.
    pub fn answers(&self, address: Ipv4Addr) -> Option<&str> {
        self.by.values().find_map(|heard| heard.get(&address)).map(String::as_str)
    }
}

impl Holds {
    /// Reads what the script printed; why it cannot be relied on, when it cannot.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut holds = Self::default();
        let (mut mounts, mut sessions, mut joins) = (false, false, false);
        for line in text.lines() {
            match line {
                "mounts=read" => mounts = true,
                "sessions=read" => sessions = true,
                "joins=read" => joins = true,
                "joining=yes" => holds.joining = true,
                _ => match line.split_once(':') {
                    Some(("mount", value)) => holds.mounts.extend(mount(value)),
                    Some(("session", value)) => holds.sessions.push(value.to_owned()),
                    Some(("process", value)) => holds.processes.extend(process(value)),
                    _ => {}
                },
            }
        }
        let unread = [
            (mounts, "its mounts could not be read (/proc/1/mountinfo)"),
            (sessions, "its iSCSI sessions could not be read (`iscsiadm -m session`)"),
            (joins, "its processes could not be read (/proc/1/cmdline)"),
        ];
        match unread.into_iter().find(|(read, _)| !read) {
            None => Ok(holds),
            Some((_, why)) => Err(why.to_owned()),
        }
    }

    /// The mounts of a volume: of pods, and the one they all come from, which is named by a digest of the volume
    /// (k8s.io/kubernetes `pkg/volume/csi/csi_util.go`).
    pub fn mounts_of<'a>(&'a self, volume: &'a str) -> impl Iterator<Item = &'a HeldMount> {
        let digest = hex(&Sha256::digest(volume.as_bytes()));
        self.mounts.iter().filter(move |mount| mount.path.split('/').any(|part| part == volume || part == digest))
    }

    /// The sessions with a volume's target.
    pub fn sessions_of<'a>(&'a self, volume: &'a str) -> impl Iterator<Item = &'a str> {
        let target = format!(":{volume}");
        let named = move |session: &&String| session.split_whitespace().any(|word| word.ends_with(&target));
        self.sessions.iter().filter(named).map(String::as_str)
    }
}

fn mount(line: &str) -> Option<HeldMount> {
    let mut words = line.split_whitespace();
    let (path, options, source) = (words.next()?, words.next()?, words.next()?);
    let has_ro = |options: &str| options.split(',').any(|option| option == "ro");
    let read_only = has_ro(options) || words.next().is_some_and(has_ro);
    Some(HeldMount { path: path.replace("\\040", " "), source: source.to_owned(), read_only })
}

fn process(line: &str) -> Option<Process> {
    let mut words = line.split_whitespace();
    let (uid, container) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(Process { uid, container, pid: words.next()?.parse().ok()?, age: words.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "/var/snap/microk8s/common/var/lib/kubelet";

    #[test]
    fn reads_what_a_machine_holds() {
        let digest = hex(&Sha256::digest(b"pvc-1"));
        let text = format!(
            "mount:{ROOT}/plugins/kubernetes.io/csi/jiva.csi.openebs.io/{digest}/globalmount rw,relatime /dev/sdb ro,stripe=4\n\
             mount:{ROOT}/pods/u/volumes/kubernetes.io~csi/pvc-1/mount rw,relatime /dev/sdb rw\n\
             mount:{ROOT}/pods/u/volumes/kubernetes.io~csi/pvc-11/mount rw /dev/sdc rw\nmounts=read\n\
             session:tcp: [1] 10.152.183.9:3260,1 iqn.2016-09.com.openebs.jiva:pvc-1 (non-flash)\nsessions=read\n\
             process:0d5c2f6a-1111-4222-8333-444455556666 c0ffee 4711 900\njoins=read\n"
        );
        let holds = Holds::parse(&text).unwrap();
        let read_only: Vec<bool> = holds.mounts_of("pvc-1").map(|mount| mount.read_only).collect();
        assert_eq!(read_only, [true, false]);
        assert_eq!((holds.sessions_of("pvc-1").count(), holds.sessions_of("pvc-11").count()), (1, 0));
        assert_eq!((holds.processes[0].pid, holds.processes[0].age, holds.joining), (4711, 900, false));
    }

    #[test]
    fn what_was_not_read_is_not_taken_for_nothing() {
        assert!(Holds::parse("sessions=read\n").unwrap_err().contains("mountinfo"));
        assert!(Holds::parse("mounts=read\n").unwrap_err().contains("iscsiadm"));
        assert!(Holds::parse("mounts=read\nsessions=read\n").unwrap_err().contains("cmdline"));
    }

    #[test]
    fn silence_counts_only_where_somebody_else_is_heard() {
        let (off, up) = (Ipv4Addr::new(10, 0, 0, 3), Ipv4Addr::new(10, 0, 0, 2));
        let mut heard = Heard { asked: [off].into(), ..Heard::default() };
        assert_eq!(heard.silent(off), None);
        heard.by.insert("nuc1".into(), [(up, "02:00".to_owned())].into());
        assert_eq!(heard.silent(off), Some(vec!["nuc1"]));
        heard.by.insert("nuc2".into(), [(off, "02:01".to_owned())].into());
        assert_eq!((heard.silent(off), heard.answers(off)), (None, Some("02:01")));
    }
}
