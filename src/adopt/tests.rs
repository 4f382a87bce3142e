use std::path::Path;

use super::*;
use crate::facts::fixture::{address, cluster as facts_of, node};
use crate::facts::flux::Resource;
use crate::facts::storage::StorageClass;
use crate::facts::{Facts, MetallbFacts, StorageFacts};
use crate::inventory::model::Engine;

/// What is seen at the addresses of so many control planes.
fn machines(facts: &Facts) -> BTreeMap<Ipv4Addr, Observation> {
    (1..).zip(facts.nodes.values()).map(|(number, look)| (address(number), look.clone())).collect()
}

/// Three control planes that were joined by hand.
fn three() -> Facts {
    let mut facts = facts_of(3, &[]);
    for number in 1..=3 {
        let name = format!("nuc{number}");
        let seen = node(&mut facts, &name);
        seen.host_name = name;
        seen.addresses = vec![("eth0".to_owned(), address(number))];
        seen.snap = Some(crate::facts::Snap {
            version: "v1.34.1".into(),
            revision: "8321".into(),
            tracking: "1.34/stable".into(),
            notes: vec!["classic".into()],
        });
    }
    facts
}

fn read_of(facts: &Facts) -> Read {
    let machines = machines(facts);
    Read {
        asked: Asked { addresses: vec![address(2)], ..Asked::default() },
        found: cluster::found(&machines).expect("one cluster"),
        machines,
        cluster: facts.cluster.clone().expect("it was read"),
        flux: None,
        site: None,
        unread: Vec::new(),
    }
}

/// The inventory that is written, which is valid, and its text.
fn written(read: &Read) -> (Inventory, String) {
    let text = describe::text(read);
    let loaded = crate::inventory::parse(Path::new("home.toml"), text.clone());
    (loaded.unwrap_or_else(|invalid| panic!("{}\n{text}", invalid.render(false, 100))).inventory, text)
}

#[test]
fn nodes_are_those_of_the_cluster_with_the_named_ones_first() {
    let (inventory, text) = written(&read_of(&three()));
    let names: Vec<&str> = inventory.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["nuc2", "nuc1", "nuc3"]);
    assert_eq!((inventory.cluster.name.as_str(), inventory.cluster.channel.as_str()), ("home", "1.34/stable"));
    assert!(inventory.nodes.iter().all(|node| node.role == Role::ControlPlane));
    assert_eq!((inventory.metallb, inventory.flux, inventory.storage.engine), (None, None, Engine::None), "{text}");
}

#[test]
fn labels_that_somebody_put_on_a_node_are_written() {
    let mut facts = three();
    let labels =
        [("kubernetes.io/arch", "arm64"), ("disk", "ssd"), ("example.org/rack", ""), ("microk8s.io/cluster", "true")];
    let object = facts.cluster.as_mut().unwrap().nodes.get_mut("nuc3").unwrap();
    object.labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let (inventory, text) = written(&read_of(&facts));
    let own = [("disk", "ssd"), ("example.org/rack", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(inventory.node("nuc3").expect("it is a Node").labels, own.into(), "{text}");
    assert!(inventory.node("nuc1").expect("it is a Node").labels.is_empty(), "{text}");
}

#[test]
fn what_is_odd_is_a_comment() {
    let mut facts = three();
    // A worker that was not reached, a node that calls itself otherwise, and a member that is no Node.
    let found = facts.cluster.as_mut().unwrap();
    let object = found.nodes["nuc3"].clone();
    let worker = crate::facts::KubernetesNode { addresses: vec![address(9).into()], ..object };
    found.nodes.insert("pi9".into(), worker);
    found.nodes.remove("nuc3");
    node(&mut facts, "nuc2").host_name = "kitchen".into();
    let mut read = read_of(&facts);
    read.machines
        .insert(address(9), Observation::Unreachable { reason: "no route to host\nmore".into(), passes: true });
    let (inventory, text) = written(&read);
    let worker = inventory.node("pi9").expect("it is a Node");
    assert_eq!((worker.role, worker.address), (Role::Worker, address(9)));
    for words in
        ["pi9 was not reached over SSH", "no route to host", "calls itself kitchen", "lists 192.168.1.3 as a member"]
    {
        assert!(text.replace("\n# ", " ").contains(words), "{words}:\n{text}");
    }
    assert!(inventory.cluster.allow_two_control_planes);
}

#[test]
fn pool_and_storage_are_what_is_there() {
    let mut facts = three();
    let found = facts.cluster.as_mut().unwrap();
    let pools = [("default-addresspool", "192.168.1.240-192.168.1.250"), ("guests", "192.168.9.1-192.168.9.9")];
    let pools = pools.map(|(name, range)| (name.to_owned(), vec![range.to_owned()]));
    found.metallb = Some(MetallbFacts { pools: pools.into(), ..MetallbFacts::default() });
    let class = |provisioner: &str| StorageClass {
        provisioner: provisioner.into(),
        reclaim_policy: "Delete".into(),
        ..StorageClass::default()
    };
    let jiva = [
        ("openebs-jiva-csi-default".to_owned(), class("jiva.csi.openebs.io")),
        ("openebs-hostpath".to_owned(), class("openebs.io/local")),
    ];
    let policies = [("openebs-jiva-default-policy".to_owned(), 2)].into();
    found.storage = StorageFacts { classes: jiva.into(), jiva_policies: policies, ..StorageFacts::default() };
    let (inventory, text) = written(&read_of(&facts));
    assert_eq!(inventory.metallb.unwrap().pool[0].text, "192.168.1.240-192.168.1.250");
    assert!(text.contains("IPAddressPool guests with 192.168.9.1-192.168.9.9"), "{text}");
    let storage = inventory.storage;
    assert_eq!((storage.engine, storage.replicas, storage.rwx), (Engine::Jiva, 2, false));
    assert!(text.contains("#   openebs-hostpath: openebs.io/local, reclaim Delete"), "{text}");

    let found = facts.cluster.as_mut().unwrap();
    found.storage.classes = [("longhorn".to_owned(), class("driver.longhorn.io"))].into();
    let storage = written(&read_of(&facts)).0.storage;
    assert_eq!((storage.engine, storage.class.as_deref()), (Engine::ExistingClass, Some("longhorn")));
    // A pool of another name would overlap the one homeprov keeps.
    let found = facts.cluster.as_mut().unwrap();
    found.metallb.as_mut().unwrap().pools.remove("default-addresspool");
    assert_eq!(written(&read_of(&facts)).0.metallb, None);
}

#[test]
fn flux_and_a_site_are_told() {
    let mut read = read_of(&three());
    let source = Resource {
        url: Some("ssh://git@git.example.org/home.git".into()),
        branch: Some("live".into()),
        secret: Some("flux-system".into()),
        ..Resource::default()
    };
    let applied = Resource { path: Some("./clusters/attic".into()), ..Resource::default() };
    let key = || "flux-system/flux-system".to_owned();
    read.flux = Some(FluxFacts {
        version: Some("2.9.3".into()),
        sources: [(key(), source)].into(),
        kustomizations: [(key(), applied)].into(),
        ..FluxFacts::default()
    });
    let variables =
        [("LOCAL_DOMAIN", "example.org"), ("SMTP_SERVER", "smtp.example.org"), ("DB_HOST", "mastodon-postgresql")];
    read.site = Some(FoundSite {
        namespace: "social".into(),
        deployment: "mastodon-web".into(),
        image: Some("ghcr.io/mastodon/mastodon:v4.6.3".into()),
        environment: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        release: Some("social/mastodon".into()),
        owner: None,
    });
    let (inventory, text) = written(&read);
    let flux = inventory.flux.expect("it follows a repository");
    assert_eq!((flux.branch.as_str(), flux.path.as_str(), flux.version.as_str()), ("live", "clusters/attic", "2.9.3"));
    assert_eq!(inventory.mastodon, None, "its Secrets are not homeprov's");
    for line in
        ["# [mastodon]", "# local_domain = \"example.org\"", "# image = \"v4.6.3\"", "# server = \"smtp.example.org\""]
    {
        assert!(text.lines().any(|own| own == line), "{line}:\n{text}");
    }
    assert!(!text.contains("[mastodon.postgresql]"), "it is in the cluster:\n{text}");
}

#[test]
fn machines_of_two_clusters_are_refused_and_both_are_named() {
    let mut facts = three();
    let other = node(&mut facts, "nuc3");
    other.ca = Some("b".repeat(64));
    other.host_name = "nuc1".into();
    let refused = cluster::found(&machines(&facts)).expect_err("two clusters");
    assert_eq!(refused.code, ExitCode::Refused);
    for words in ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "192.168.1.3 (nuc1)", "192.168.1.2 (nuc2)", "a node called nuc1"] {
        assert!(refused.message.contains(words), "{words}: {}", refused.message);
    }
}

#[test]
fn two_data_stores_under_one_authority_are_refused() {
    let mut facts = three();
    let left = node(&mut facts, "nuc3");
    let member = left.info.clone().unwrap();
    left.members = Some(vec![crate::facts::Member { address: Ipv4Addr::LOCALHOST, ..member }]);
    let refused = cluster::found(&machines(&facts)).expect_err("nuc3 has left");
    assert!(
        refused.message.contains("two data stores") && refused.message.contains("127.0.0.1"),
        "{}",
        refused.message
    );
}

#[test]
fn what_cannot_be_adopted_is_told() {
    assert_eq!(cluster::found(&machines(&facts_of(3, &[1, 2, 3]))).unwrap_err().code, ExitCode::Unreachable);
    let mut bare = facts_of(1, &[]);
    node(&mut bare, "nuc1").installed = false;
    let refused = cluster::found(&machines(&bare)).unwrap_err();
    assert!(refused.help.is_some_and(|help| help.contains("homeprov init")), "{}", refused.message);
    let mut worker = facts_of(1, &[]);
    node(&mut worker, "nuc1").worker = true;
    assert!(cluster::found(&machines(&worker)).unwrap_err().message.contains("control plane"));
}
