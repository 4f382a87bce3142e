//! A site on three nodes, as it should be.

use std::collections::BTreeMap;
use std::path::Path;

use crate::facts::flux::{FluxFacts, Resource};
use crate::facts::mastodon::{IngressController, IngressFacts, LoadBalancer, MastodonFacts, SiteWorkload};
use crate::facts::{ClusterFacts, Facts, NodeFacts, Observation, Seen};
use crate::inventory::model::Inventory;

/// The commit that was pushed.
pub const HEAD: &str = "4f2d8a0c";

/// Three nodes and a site.
pub fn inventory() -> Inventory {
    let text = r#"
[cluster]
name = "home"
channel = "1.35/stable"
[[nodes]]
name = "nuc1"
address = "192.168.1.11"
[[nodes]]
name = "nuc2"
address = "192.168.1.12"
[[nodes]]
name = "nuc3"
address = "192.168.1.13"
[metallb]
pool = "192.168.1.240-192.168.1.250"
[flux]
repository = "ssh://git@git.example.org/home.git"
[mastodon]
local_domain = "social.example.org"
[mastodon.admin]
username = "alice"
email = "alice@example.org"
"#;
    crate::inventory::parse(Path::new("home.toml"), text.to_owned()).expect("it is valid").inventory
}

fn site() -> MastodonFacts {
    let workload = |kind: &str, name: &str| SiteWorkload {
        kind: kind.into(),
        name: name.into(),
        wanted: 1,
        ready: 1,
        current: true,
    };
    let selector = BTreeMap::from([("name".to_owned(), "nginx-ingress-microk8s".to_owned())]);
    MastodonFacts {
        namespace: true,
        workloads: vec![
            workload("Deployment", "mastodon-web"),
            workload("Deployment", "mastodon-streaming"),
            workload("Deployment", "mastodon-sidekiq-all-queues"),
            workload("StatefulSet", "mastodon-postgresql"),
            workload("StatefulSet", "mastodon-redis-master"),
        ],
        serving: ["uid-web", "uid-streaming"].map(str::to_owned).into(),
        web_pod: Some("mastodon-web-5d9".into()),
        database: Some("uid-claim".into()),
        ingress: IngressFacts {
            classes: ["public".to_owned()].into(),
            controller: Some(IngressController {
                name: "nginx-ingress-microk8s-controller".into(),
                selector: selector.clone(),
                http: "http".into(),
                https: "https".into(),
                ready_on: ["nuc1", "nuc2", "nuc3"].map(str::to_owned).into(),
                ..IngressController::default()
            }),
            services: vec![LoadBalancer {
                name: "ingress".into(),
                selector,
                ports: [80, 443].into(),
                any_node: true,
                address: Some([192, 168, 1, 240].into()),
                ..LoadBalancer::default()
            }],
            ..IngressFacts::default()
        },
        ..MastodonFacts::default()
    }
}

/// An object of Flux that is Ready at the pushed commit.
fn ready() -> Resource {
    Resource {
        generation: 1,
        observed: 1,
        ready: Some(true),
        revision: Some(format!("main@sha1:{HEAD}")),
        attempted: Some(format!("main@sha1:{HEAD}")),
        ..Resource::default()
    }
}

/// What is seen of a site that is as it should be.
pub fn facts() -> Facts {
    let node = |number: u8| {
        let seen = Seen { facts: NodeFacts::default(), checks: BTreeMap::new() };
        (format!("nuc{number}"), Observation::Seen(Box::new(seen)))
    };
    let flux = FluxFacts {
        established: true,
        sources: [("flux-system/flux-system".to_owned(), ready())].into(),
        kustomizations: [("flux-system/mastodon".to_owned(), ready())].into(),
        helm_releases: [("mastodon/mastodon".to_owned(), ready())].into(),
        ..FluxFacts::default()
    };
    Facts {
        nodes: (1..=3).map(node).collect(),
        cluster: Some(ClusterFacts {
            via: "nuc1".to_owned(),
            flux: Some(flux),
            mastodon: Some(site()),
            ..ClusterFacts::default()
        }),
        ..Facts::default()
    }
}

/// The same with something else about the site.
pub fn with(change: impl FnOnce(&mut MastodonFacts)) -> Facts {
    let mut facts = facts();
    change(facts.cluster.as_mut().and_then(|cluster| cluster.mastodon.as_mut()).expect("a site"));
    facts
}
