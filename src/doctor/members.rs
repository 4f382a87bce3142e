//! Traps of membership, the data store and the control planes.

use super::{Sight, Sighting, Trap};
use crate::facts::identity::short;
use crate::facts::{Identity, NodeFacts};
use crate::inventory::model::{Node, Role};
use crate::steps::highly_available::{self, ENOUGH};
use crate::steps::repair;

pub(super) const TRAPS: &[Trap] = &[
    Trap {
        name: "another-cluster",
        symptom: "a join is refused, or ends with the data store of one of two clusters gone",
        cause: "the machine is a member of a cluster that is not the inventory's, and every MicroK8s looks like a healthy cluster",
        link: "https://github.com/canonical/microk8s/blob/master/scripts/wrappers/join.py",
        look: another_cluster,
    },
    Trap {
        name: "member-not-whole",
        symptom: "a join is refused with \"already known to dqlite\", or the member that is listed never answers",
        cause: "the machine was installed anew, or has another role, while the cluster still lists what it was",
        link: "https://github.com/canonical/microk8s/issues/3694",
        look: not_whole,
    },
    Trap {
        name: "ghost-member",
        symptom: "the cluster loses its majority although all machines that are left are well",
        cause: "the data store still counts a machine that is gone",
        link: "https://github.com/canonical/microk8s/issues/2348",
        look: ghosts,
    },
    Trap {
        name: "joined-by-half",
        symptom: "`microk8s join` said \"Successfully joined the cluster.\", and the node is not there",
        cause: "join stops looking before the data store has taken the member, or it was cut off in the middle",
        link: "https://github.com/canonical/microk8s/issues/4713",
        look: by_half,
    },
    Trap {
        name: "control-plane-silent",
        symptom: "kubectl says \"connection refused\" now and then, or always, while the other nodes work",
        cause: "a service of the control plane there is stopped, restarts, or waits for a majority of the data store",
        link: "https://microk8s.io/docs/services-and-ports",
        look: silent,
    },
    Trap {
        name: "voter-silent",
        symptom: "`microk8s status` says \"high-availability: yes\", and the next machine that fails takes the cluster with it",
        cause: "status counts the roles in the data store and not the machines that answer",
        link: "https://github.com/canonical/microk8s/issues/4394",
        look: voter_silent,
    },
    Trap {
        name: "too-few-voters",
        symptom: "there are three control planes or more, and the loss of one stops the cluster",
        cause: "the data store has not given three of them a vote: a new member is a spare until it is promoted",
        link: "https://microk8s.io/docs/high-availability",
        look: too_few,
    },
    Trap {
        name: "members-disagree",
        symptom: "nodes show different states of the cluster, and changes made on one are not seen on another",
        cause: "members list different voters: one was split off, or lags behind after it was away",
        link: "https://microk8s.io/docs/restore-quorum",
        look: disagree,
    },
    Trap {
        name: "two-control-planes",
        symptom: "with two control planes, the loss of a certain one stops the whole cluster",
        cause: "of two members one votes, or both have to: two are less safe than one",
        link: "https://microk8s.io/docs/high-availability",
        look: two,
    },
    Trap {
        name: "node-not-ready",
        symptom: "pods of one node are moved away after five minutes, or stay Terminating",
        cause: "its kubelet no longer reports to the API server",
        link: "https://kubernetes.io/docs/concepts/architecture/nodes/",
        look: not_ready,
    },
];

/// The addresses of the others in its data store.
fn others(node: &Node, seen: &NodeFacts) -> String {
    let members = seen.told_or_stored().iter().map(|member| member.address);
    let others: Vec<String> =
        members.filter(|address| *address != node.address && !address.is_loopback()).map(|a| a.to_string()).collect();
    others.join(", ")
}

fn another_cluster(sight: &Sight<'_>) -> Vec<Sighting> {
    let (inventory, facts) = (sight.inventory, sight.facts);
    let ours = match facts.identity() {
        Identity::Known(ca) => Some(ca),
        Identity::None => None,
        Identity::Conflict(readings) => {
            let shown: Vec<String> = readings.iter().map(|(who, ca)| format!("{who}: {}", short(ca))).collect();
            let remedy = "where it is wrong: `rm /var/lib/homeprov/identity`; or take the machines of the other cluster out of the inventory";
            return vec![Sighting::of_cluster(format!("the records differ: {}", shown.join(", ")), remedy)];
        }
    };
    let strange = sight.installed().filter_map(|(node, seen)| {
        let own = seen.ca.as_deref().unwrap_or("unknown");
        let others = others(node, seen);
        // What our own members say of a machine that was one of them is another trap.
        let known = ours.as_deref().is_some_and(|ca| ca == own || repair::lists(inventory, facts, ca, node).is_some());
        let joined = seen.worker || !others.is_empty();
        (joined && !known && (ours.is_some() || seen.identity.is_none())).then(|| {
            let with = if others.is_empty() { "as a worker".to_owned() } else { format!("with {others}") };
            Sighting::on(
                &node.name,
                format!("it is in a cluster {with}, whose certificate authority is {}", short(own)),
                "if that cluster is not to be kept, there: `microk8s leave`; otherwise take the machine out of the inventory",
            )
        })
    });
    strange.collect()
}

fn not_whole(sight: &Sight<'_>) -> Vec<Sighting> {
    let found = repair::all(sight.inventory, sight.facts).into_iter().filter(|finding| finding.refuses);
    found
        .map(|finding| {
            let commands: Vec<String> = finding.commands.iter().map(ToString::to_string).collect();
            let (seen, way_out) = finding.reading.split_once(". ").unwrap_or((&finding.reading, ""));
            let remedy = match finding.obstacle(sight.inventory, sight.facts) {
                None => {
                    format!(
                        "{}; or {} does it, after asking",
                        commands.join(", then "),
                        sight.homeprov(&["up", "--repair"])
                    )
                }
                Some(_) => way_out.to_owned(),
            };
            Sighting::on(&finding.node, seen, remedy)
        })
        .collect()
}

fn ghosts(sight: &Sight<'_>) -> Vec<Sighting> {
    let told = repair::strangers(sight.inventory, sight.facts).into_iter();
    told.map(|text| {
        let (seen, remedy) = text.split_once(". ").unwrap_or((&text, ""));
        Sighting::of_cluster(seen, remedy)
    })
    .collect()
}

fn by_half(sight: &Sight<'_>) -> Vec<Sighting> {
    let (inventory, facts) = (sight.inventory, sight.facts);
    let seed = facts.seed(inventory);
    // A cluster that was made by hand has no recorded authority: the seed's is it.
    let authority = match facts.identity() {
        Identity::Known(ca) => Some(ca),
        Identity::None => seed.and_then(|seed| facts.node(&seed.name)?.ca.clone()),
        Identity::Conflict(_) => None,
    };
    let half = sight.installed().filter_map(|(node, seen)| {
        let carries = authority.is_some() && seen.ca == authority && seed.is_some_and(|seed| seed.name != node.name);
        let begun = seen.locks.contains("join-in-progress");
        let unlisted = carries && !seen.worker && facts.listed_by_seed(inventory, node) == Some(false);
        let unknown = carries && sight.cluster().is_some_and(|cluster| !cluster.nodes.contains_key(&node.name));
        let seen = [
            (begun, "the marker join-in-progress is in /var/snap/microk8s/current/var/lock"),
            (unlisted, "it has the cluster's certificates, and the data store does not list it"),
            (unknown, "it has the cluster's certificates, and the cluster has no Node of its name"),
        ];
        let seen: Vec<&str> = seen.into_iter().filter(|(is, _)| *is).map(|(_, text)| text).collect();
        (!seen.is_empty()).then(|| {
            let remedy = format!(
                "wait two minutes: it often comes by itself. Then {}; if that waits in vain, there: `microk8s leave`, and \
                 `microk8s remove-node {} --force` on another member",
                sight.homeprov(&["up"]),
                node.address
            );
            Sighting::on(&node.name, seen.join("; "), remedy)
        })
    });
    half.collect()
}

fn silent(sight: &Sight<'_>) -> Vec<Sighting> {
    let known = matches!(sight.facts.identity(), Identity::Known(_));
    let planes = sight.installed().filter(|(node, seen)| node.role == Role::ControlPlane && !seen.worker);
    let silent = planes.filter(|(node, seen)| {
        known && sight.facts.carries_authority(seen) && !{ sight.facts.removed(sight.inventory, node) }
    });
    silent
        .filter_map(|(node, seen)| {
            let stopped = seen.locks.contains("stopped.lock");
            let idle = ["kubelite", "k8s-dqlite", "containerd", "cluster-agent"].into_iter();
            let idle = idle.filter(|service| !seen.active(service)).map(|service| format!("{service} does not run"));
            let ports = [
                (!seen.api_answers, "the API server's port 16443 does not answer"),
                (!seen.agent_answers, "the cluster agent's port 25000 does not answer"),
                (seen.members.is_none(), "the data store does not tell its members"),
            ];
            let mut signs: Vec<String> = idle.collect();
            signs.extend(ports.into_iter().filter(|(is, _)| *is).map(|(_, text)| text.to_owned()));
            if signs.is_empty() {
                return None;
            }
            let remedy = if stopped {
                "it was stopped; there: `microk8s start`".to_owned()
            } else if let Some((nodes, because)) = sight.facts.data_store_waits_for(sight.inventory, node) {
                format!("{because} {}: switch them on", nodes.join(", "))
            } else {
                "after a restart it takes a minute; if it stays so, there: `journalctl -u snap.microk8s.daemon-k8s-dqlite -u snap.microk8s.daemon-kubelite -n 50`, and `microk8s start`"
                    .to_owned()
            };
            Some(Sighting::on(&node.name, signs.join("; "), remedy))
        })
        .collect()
}

fn voter_silent(sight: &Sight<'_>) -> Vec<Sighting> {
    // Who asks whom is known only of a cluster that is recorded.
    if !matches!(sight.facts.identity(), Identity::Known(_)) {
        return Vec::new();
    }
    let voters = highly_available::look(sight.inventory, sight.facts);
    let silent: Vec<String> = voters
        .listed
        .difference(&voters.answering)
        .map(|address| match sight.inventory.nodes.iter().find(|node| node.address == *address) {
            Some(node) => format!("{} ({address})", node.name),
            None => address.to_string(),
        })
        .collect();
    if silent.is_empty() {
        return Vec::new();
    }
    vec![Sighting::of_cluster(
        format!(
            "{} of {} voters answer on port 19001; silent: {}",
            voters.answering.len(),
            voters.listed.len(),
            silent.join(", ")
        ),
        "switch it on, or see what keeps its data store down: `journalctl -u snap.microk8s.daemon-k8s-dqlite -n 50` there. If it is gone \
         for good: `microk8s remove-node ADDRESS --force` on another member, and a new machine in its place",
    )]
}

fn too_few(sight: &Sight<'_>) -> Vec<Sighting> {
    let members = sight.facts.seed(sight.inventory).and_then(|seed| sight.facts.node(&seed.name)?.members.as_ref());
    let listed = members.map_or(0, Vec::len);
    let voters = highly_available::look(sight.inventory, sight.facts).listed.len();
    if listed < ENOUGH || voters >= ENOUGH {
        return Vec::new();
    }
    vec![Sighting::of_cluster(
        format!("the data store lists {listed} members, and {voters} of them vote"),
        "wait two minutes and look again. If it stays so, see that port 19001 is open between all members, and restart the data store \
         of a spare: `snap restart microk8s.daemon-k8s-dqlite` there",
    )]
}

fn disagree(sight: &Sight<'_>) -> Vec<Sighting> {
    if let Some([(one, ones), (two, twos)]) = sight.facts.divided(sight.inventory) {
        let list =
            |addresses: &[std::net::Ipv4Addr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return vec![Sighting::of_cluster(
            format!("{one} lists {}, {two} lists {}, and neither lists the other", list(&ones), list(&twos)),
            "see which one holds what you want to keep (`microk8s kubectl get namespaces` on both); on the other one: `snap remove --purge microk8s`",
        )];
    }
    let voters = highly_available::look(sight.inventory, sight.facts);
    let told: Vec<&String> = voters
        .disagreeing
        .iter()
        .filter(|name| sight.facts.node(name).is_some_and(|seen| seen.members.is_some()))
        .collect();
    told.into_iter()
        .map(|name| {
            Sighting::on(
                name,
                "it lists other voters than the seed",
                "wait a minute; if it stays so, there: `snap restart microk8s.daemon-k8s-dqlite`",
            )
        })
        .collect()
}

fn two(sight: &Sight<'_>) -> Vec<Sighting> {
    let planes: Vec<&str> = sight.inventory.control_planes().map(|node| node.name.as_str()).collect();
    let [one, other] = planes[..] else { return Vec::new() };
    if !matches!(sight.facts.identity(), Identity::Known(_)) {
        return Vec::new();
    }
    vec![Sighting::of_cluster(
        format!("{one} and {other} are all the control planes there are"),
        format!("add a third one, or make {other} a worker: `role = \"worker\"` in the inventory"),
    )]
}

fn not_ready(sight: &Sight<'_>) -> Vec<Sighting> {
    let nodes = sight.cluster().into_iter().flat_map(|cluster| &cluster.nodes);
    let idle = nodes.filter(|(name, node)| !node.ready && sight.inventory.node(name).is_some());
    idle.map(|(name, node)| {
        let message = if node.message.is_empty() { "it has never reported" } else { &node.message };
        let remedy =
            format!("`microk8s kubectl describe node {name}`; there: `systemctl status snap.microk8s.daemon-kubelite`");
        Sighting::on(name, format!("the Node is not Ready: {message}"), remedy)
    })
    .collect()
}
