//! The probe's answer, read into [`NodeFacts`].

use std::collections::BTreeMap;
use std::fmt::Write as _;

use secrecy::SecretString;

use super::identity::{self, IdentityRecord};
use super::node::NodeFacts;
use crate::bounded::word;
use crate::microk8s::{members, snap_list};

/// Characters of a value that a node tells of itself; the longest there are have about a hundred.
const WORD_MAX: usize = 256;

/// Reads the answer of `probe.sh`. Lines that are not its own are passed over; a value that is not what it should
/// be leaves its field empty.
pub fn node_facts(answer: &str) -> NodeFacts {
    let (values, texts) = split(answer);
    let value = |key: &str| word(values.get(key).copied().unwrap_or_default(), WORD_MAX);
    let text = |key: &str| texts.get(key).map(String::as_str).unwrap_or_default();
    let mut facts = NodeFacts {
        os_id: value("os.id"),
        os_name: value("os.name"),
        architecture: value("architecture"),
        cpus: value("cpus").parse().unwrap_or_default(),
        memory_kib: value("memory_kib").parse().unwrap_or_default(),
        host_name: value("host_name"),
        machine_id: word(text("machine_id").trim(), WORD_MAX),
        boot_id: word(text("boot_id").trim(), WORD_MAX),
        login: value("login"),
        cloud_init: values.contains_key("cloud_init"),
        free_kib: text("disk").lines().filter_map(disk).collect(),
        free_inodes: text("inode").lines().filter(|line| !line.contains(" - ")).filter_map(disk).collect(),
        used_percent: text("disk").lines().filter_map(used_percent).collect(),
        snap_change: text("change").lines().find_map(unfinished),
        addresses: text("address").lines().filter_map(address).collect(),
        snapd: newest_snapd(text("snapd")),
        installed: values.contains_key("installed"),
        snap: snap_list::parse(text("snap")).into_iter().find(|(name, _)| name == "microk8s").map(|(_, snap)| snap),
        refresh_hold: Some(text("refresh_hold").trim().to_owned()).filter(|hold| !hold.is_empty()),
        locks: text("lock").lines().filter(|name| *name != "." && *name != "..").map(str::to_owned).collect(),
        members: texts.get("members").and_then(|json| members::parse_json(json)),
        stored_members: members::parse_yaml(text("stored")),
        info: members::parse_yaml_entry(text("info")),
        api_answers: values.contains_key("api"),
        agent_answers: values.contains_key("agent"),
        services: text("service").lines().filter_map(service).collect(),
        failure_domain_configured: text("ha_conf").lines().find_map(failure_domain),
        failure_domain: text("failure_domain").trim().parse().ok(),
        ca: identity::fingerprint(text("ca")),
        ca_replaced: values.contains_key("ca_replaced"),
        identity: IdentityRecord::parse(text("identity")),
        kubeconfig: texts.get("kubeconfig").map(|config| SecretString::from(config.clone())),
        kubelet_root: text("kubelet").lines().find_map(kubelet_root),
        initiator: text("initiator").lines().find_map(initiator),
        nfs_client: values.contains_key("nfs_client"),
        ..NodeFacts::default()
    };
    facts.worker = facts.locks.contains("clustered.lock");
    facts.answers = answer.lines().filter_map(|line| line.strip_prefix("answers=")?.parse().ok()).collect();
    facts
}

type Split<'a> = (BTreeMap<&'a str, &'a str>, BTreeMap<&'a str, String>);

fn split(answer: &str) -> Split<'_> {
    let mut values = BTreeMap::new();
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    for line in answer.lines() {
        let end = line.find(|c: char| !(c.is_ascii_lowercase() || c == '_' || c == '.')).unwrap_or(line.len());
        let (key, rest) = line.split_at(end);
        if let Some(value) = rest.strip_prefix('=') {
            values.insert(key, value);
        } else if let Some(line) = rest.strip_prefix(':') {
            let _ = writeln!(texts.entry(key).or_default(), "{line}");
        }
    }
    (values, texts)
}

/// `/dev/vda1 102400 5120 97280 5% /` → (`/`, 97280)
fn disk(line: &str) -> Option<(String, u64)> {
    let mut words = line.split_whitespace().rev();
    let mount = words.next()?;
    let _used_percent = words.next()?;
    Some((mount.to_owned(), words.next()?.parse().ok()?))
}

/// `/dev/vda1 102400 5120 97280 5% /` → (`/`, 5)
fn used_percent(line: &str) -> Option<(String, u8)> {
    let mut words = line.split_whitespace().rev();
    let mount = words.next()?;
    Some((mount.to_owned(), words.next()?.strip_suffix('%')?.parse().ok()?))
}

/// `12   Doing   today at 10:00 UTC  -   Auto-refresh snap "microk8s"` → `Auto-refresh snap "microk8s"`; of a change that
/// is finished nothing (canonical/snapd `cmd/snap/cmd_changes.go`).
fn unfinished(line: &str) -> Option<String> {
    let mut columns = line.split("  ").map(str::trim).filter(|column| !column.is_empty());
    let (_id, status) = (columns.next()?.parse::<u64>().ok()?, columns.next()?);
    let summary = columns.last()?;
    ["Do", "Doing", "Wait", "Undo", "Undoing", "Abort"].contains(&status).then(|| summary.to_owned())
}

/// `2: eth0    inet 10.77.0.11/24 brd … scope global eth0 …` → (`eth0`, 10.77.0.11)
fn address(line: &str) -> Option<(String, std::net::Ipv4Addr)> {
    let mut words = line.split_whitespace().skip(1);
    let interface = words.next()?;
    let address = words.skip_while(|word| *word != "inet").nth(1)?;
    Some((interface.to_owned(), address.split('/').next()?.parse().ok()?))
}

/// `snap.microk8s.daemon-kubelite<TAB>active` → (`kubelite`, `active`)
fn service(line: &str) -> Option<(String, String)> {
    let (unit, state) = line.split_once('\t')?;
    Some((unit.strip_prefix("snap.microk8s.daemon-")?.to_owned(), state.to_owned()))
}

/// `--root-dir=${SNAP_COMMON}/var/lib/kubelet` → `/var/snap/microk8s/common/var/lib/kubelet`; the snap's own variables
/// are what its arguments files may hold (canonical/microk8s `microk8s-resources/default-args/kubelet`).
fn kubelet_root(line: &str) -> Option<String> {
    let value = line.trim().strip_prefix("--root-dir")?.trim_start_matches(['=', ' ']);
    let mut path = value.trim_matches(['"', '\'']).to_owned();
    for (variable, meaning) in
        [("SNAP_COMMON", "/var/snap/microk8s/common"), ("SNAP_DATA", "/var/snap/microk8s/current")]
    {
        path = path.replace(&format!("${{{variable}}}"), meaning).replace(&format!("${variable}"), meaning);
    }
    let path = path.trim_end_matches('/');
    path.starts_with('/').then(|| path.to_owned())
}

/// `InitiatorName=iqn.1993-08.org.debian:01:9f2f8e7a4c11` (open-iscsi `etc/initiatorname.iscsi`)
fn initiator(line: &str) -> Option<String> {
    let name = line.trim().strip_prefix("InitiatorName=")?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn failure_domain(line: &str) -> Option<u32> {
    line.trim().strip_prefix("failure-domain=")?.trim().parse().ok()
}

/// The highest `VERSION=` of snapd's info files: a newer snapd snap takes over from the package.
fn newest_snapd(text: &str) -> Option<String> {
    let versions = text.lines().filter_map(|line| line.strip_prefix("VERSION="));
    versions.max_by_key(|version| snap_list::version_key(version)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::node::MemberRole;

    #[test]
    fn a_bare_machine_has_no_cluster() {
        let facts = node_facts("os.id=debian\nmemory_kib=8000000\ndisk:/dev/vda1 100 50 50 50% /\n");
        assert_eq!((facts.os_id.as_str(), facts.memory_kib, facts.installed), ("debian", 8_000_000, false));
        assert_eq!(facts.free_kib.get("/"), Some(&50));
        assert!(facts.members.is_none() && facts.snap.is_none() && !facts.control_plane_up());
    }

    #[test]
    fn a_silent_snapd_does_not_make_a_machine_bare() {
        let facts = node_facts("installed=yes\nlock:ha-cluster\n");
        assert!(facts.installed && facts.snap.is_none());
    }

    #[test]
    fn storage_is_seen_on_a_machine() {
        let facts = node_facts(
            "kubelet:--root-dir=${SNAP_COMMON}/var/lib/kubelet\ninitiator:## comment\ninitiator:InitiatorName=iqn.x:01:a\n\
             nfs_client=yes\ndisk:/dev/vda1 100 50 50 50% /\ndisk:/dev/sdb1 100 1 99 1% /var/snap/microk8s/common/var/openebs\n",
        );
        assert_eq!(facts.kubelet_root.as_deref(), Some("/var/snap/microk8s/common/var/lib/kubelet"));
        assert_eq!(facts.initiator.as_deref(), Some("iqn.x:01:a"));
        assert!(facts.nfs_client);
        assert_eq!(facts.free_kib_for("/var/snap/microk8s/common/var/openebs/local"), Some(99));
        assert_eq!(facts.free_kib_for("/var/snap/microk8s/common/var/openebsx"), Some(50));
        assert_eq!(kubelet_root("--root-dir relative"), None);
    }

    #[test]
    fn what_runs_short_or_changes_is_seen() {
        let facts = node_facts(
            "disk:Filesystem 1024-blocks Used Available Capacity Mounted on\ndisk:/dev/vda1 100 90 10 90% /\n\
             inode:Filesystem Inodes IUsed IFree IUse% Mounted on\ninode:/dev/vda1 6553600 6553000 600 100% /\n\
             inode:/dev/sdb1 0 0 0 - /var/snap\n\
             change:ID   Status  Spawn               Ready               Summary\n\
             change:1    Done    today at 09:00 UTC  today at 09:01 UTC  Install \"microk8s\" snap\n\
             change:2    Doing   today at 10:00 UTC  -                   Auto-refresh snap \"microk8s\"\n",
        );
        assert_eq!((facts.free_inodes.get("/"), facts.used_percent.get("/")), (Some(&600), Some(&90)));
        assert_eq!(facts.free_inodes.get("/var/snap"), None);
        assert_eq!(facts.snap_change.as_deref(), Some("Auto-refresh snap \"microk8s\""));
        assert_eq!(node_facts("change:1    Done    today  today  Install \"microk8s\" snap\n").snap_change, None);
    }

    #[test]
    fn a_member_shows_its_cluster() {
        let facts = node_facts(
            "installed=yes\nsnap:Name      Version  Rev  Tracking     Publisher   Notes\n\
             snap:microk8s  v1.36.2  8500 1.36/stable  canonical** classic,held\n\
             members:[{\"ID\": 3297041220608546238, \"Address\": \"10.77.0.11:19001\", \"Role\": 0}]\n\
             info:ID: 3297041220608546238\ninfo:Address: 10.77.0.11:19001\ninfo:Role: 0\n\
             answers=10.77.0.11\napi=127.0.0.1\nagent=127.0.0.1\nkubeconfig:apiVersion: v1\n\
             service:snap.microk8s.daemon-kubelite\tactive\nlock:ha-cluster\nha_conf:failure-domain=3\n\
             address:2: eth0    inet 10.77.0.11/24 brd 10.77.0.255 scope global eth0\\  valid_lft forever\n",
        );
        assert!(facts.healthy_member() && facts.alone() && facts.active("kubelite"));
        assert_eq!(facts.members.as_ref().unwrap()[0].role, MemberRole::Voter);
        assert_eq!(facts.failure_domain_configured, Some(3));
        assert_eq!(facts.interface_of("10.77.0.11".parse().unwrap()), Some("eth0"));
        assert!(facts.snap.unwrap().held());
    }
}
