//! Traps of the machines themselves.

use super::{Sight, Sighting, Trap};
use crate::plan::Place;

pub(super) const TRAPS: &[Trap] = &[
    Trap {
        name: "machine-id-shared",
        symptom: "leases, journals and network identities of two machines get mixed up",
        cause: "the disks were cloned together with /etc/machine-id",
        link: "https://www.freedesktop.org/software/systemd/man/latest/machine-id.html",
        look: machine_id,
    },
    Trap {
        name: "address-changed",
        symptom: "a member is NotReady for good after its address has changed, and its data store does not start",
        cause: "MicroK8s binds a member's certificates and its data store to one address for life, and DHCP gave it another one",
        link: "https://github.com/canonical/microk8s/issues/1955",
        look: address,
    },
    Trap {
        name: "clock-off",
        symptom: "joins fail with errors about certificates that are not valid yet, and leases are lost",
        cause: "a clock that nothing keeps right, or that was set by hand",
        link: "https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/troubleshooting-kubeadm/",
        look: clock,
    },
    Trap {
        name: "too-little-memory",
        symptom: "a join as control plane is refused, or services are killed for their memory under load",
        cause: "the data store, the API server and the kubelet of a control plane take more than the machine has to spare",
        link: "https://github.com/canonical/microk8s/blob/master/snap/hooks/install",
        look: memory,
    },
    Trap {
        name: "disk-nearly-full",
        symptom: "pods are evicted, images are pulled again and again, replicas of volumes drop out",
        cause: "images, volumes and logs share one file system, and the kubelet evicts pods below 1 GiB or 5 % of inodes",
        link: "https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/",
        look: disk,
    },
    Trap {
        name: "packages-half-configured",
        symptom: "apt-get refuses every installation with \"dpkg was interrupted\"",
        cause: "a power cut or a kill in the middle of an installation left packages to be configured",
        link: "https://manpages.debian.org/stable/dpkg/dpkg.1.en.html",
        look: packages,
    },
    Trap {
        name: "host-key-changed",
        symptom: "ssh refuses the machine with \"REMOTE HOST IDENTIFICATION HAS CHANGED\"",
        cause: "the machine was installed anew, or another machine answers at its address",
        link: "https://man.openbsd.org/ssh.1#VERIFYING_HOST_KEYS",
        look: host_key,
    },
];

fn machine_id(sight: &Sight<'_>) -> Vec<Sighting> {
    let shared = sight.sharing(|seen| Some(&seen.machine_id)).into_iter();
    shared
        .map(|(id, names)| {
            Sighting::of_cluster(
                format!("{} have the machine id {id}", names.join(" and ")),
                format!(
                    "on {}: `rm /etc/machine-id && systemd-machine-id-setup`, then reboot it",
                    names.last().copied().unwrap_or_default()
                ),
            )
        })
        .collect()
}

fn address(sight: &Sight<'_>) -> Vec<Sighting> {
    let moved = sight.installed().filter_map(|(node, seen)| {
        let own: Vec<String> = seen
            .addresses
            .iter()
            .filter(|(interface, _)| interface != "lo")
            .map(|(interface, address)| format!("{address} on {interface}"))
            .collect();
        let bound = seen.info.as_ref().map(|info| info.address).filter(|bound| !bound.is_loopback() && !seen.worker);
        let lost = !own.is_empty() && !seen.addresses.iter().any(|(_, address)| *address == node.address);
        let other = bound.filter(|bound| *bound != node.address);
        (lost || other.is_some()).then(|| {
            let wanted = bound.unwrap_or(node.address);
            let store = bound.map_or_else(String::new, |bound| format!(", its data store is bound to {bound}"));
            Sighting::on(
                &node.name,
                format!("it has {}{store}; the inventory says {}", own.join(", "), node.address),
                format!(
                    "give it {wanted} for good (a fixed lease in the router), then there: `networkctl renew` or a reboot; and see that \
                     the inventory says {wanted}"
                ),
            )
        })
    });
    moved.collect()
}

fn clock(sight: &Sight<'_>) -> Vec<Sighting> {
    let off = sight.refusals("clocks-agree", &Place::Cluster).into_iter();
    off.map(|(seen, remedy)| Sighting::of_cluster(seen, remedy)).collect()
}

/// What the pre-flight says of each machine, as far as it tells of this.
fn fits(sight: &Sight<'_>, tells: impl Fn(&str) -> bool) -> Vec<Sighting> {
    let names = sight.inventory.nodes.iter().map(|node| &node.name);
    let told = names.flat_map(|name| {
        let refusals = sight.refusals("machine-fits", &Place::Node(name.clone())).into_iter();
        refusals.map(move |(seen, remedy)| (name, seen, remedy))
    });
    let told = told.filter(|(_, seen, _)| tells(seen));
    told.map(|(name, seen, remedy)| Sighting::on(name, seen, remedy)).collect()
}

fn memory(sight: &Sight<'_>) -> Vec<Sighting> {
    fits(sight, |seen| seen.contains("of memory"))
}

fn disk(sight: &Sight<'_>) -> Vec<Sighting> {
    fits(sight, |seen| seen.contains("free on"))
}

fn packages(sight: &Sight<'_>) -> Vec<Sighting> {
    let cut = sight.facts.answering(sight.inventory).filter_map(|(node, _)| {
        let said = sight.failed_check(&node.name, "dpkg-complete")?;
        let remedy = format!("there: `dpkg --configure -a`; or {} does it", sight.homeprov(&["up"]));
        Some(Sighting::on(&node.name, format!("{said}: files are left in /var/lib/dpkg/updates"), remedy))
    });
    cut.collect()
}

fn host_key(sight: &Sight<'_>) -> Vec<Sighting> {
    let changed = sight.inventory.nodes.iter().filter_map(|node| {
        let reason = sight.facts.unreachable(&node.name)?;
        let said = reason.lines().next().filter(|line| line.contains("host key") && line.contains("has changed"))?;
        let target = node.ssh.host.clone().unwrap_or_else(|| node.address.to_string());
        Some(Sighting::on(
            &node.name,
            said,
            format!(
                "compare the fingerprint at the machine itself (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`); if it is the new one: \
                 `ssh-keygen -R {target}` here, or another `host_key` in the inventory"
            ),
        ))
    });
    changed.collect()
}
