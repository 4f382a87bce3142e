//! A cluster that follows its repository, as it should be.

use std::path::Path;

use crate::facts::flux::{AccessSecret, FluxFacts, Resource};
use crate::facts::{ClusterFacts, Facts, KubernetesNode, RepositoryFacts};
use crate::gitops::access::Access;
use crate::gitops::repository::Files;
use crate::gitops::wanted::{changes, paths, wanted};
use crate::inventory::model::Inventory;

/// The branch's newest commit.
pub const HEAD: &str = "4f2d6c0e0000000000000000000000000000aaaa";
const COMPONENTS: &str = "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  labels:\n    app.kubernetes.io/version: v2.9.4\n  name: flux-system\n";

/// One node and a repository.
pub fn inventory() -> Inventory {
    let text = "[cluster]\nname = \"home\"\n[[nodes]]\nname = \"nuc1\"\naddress = \"192.168.1.11\"\n\
                [flux]\nrepository = \"ssh://git@git.example.org/home\"\n";
    crate::inventory::parse(Path::new("home.toml"), text.to_owned()).expect("it is valid").inventory
}

fn flux() -> FluxFacts {
    let key = || "flux-system/flux-system".to_owned();
    let ready = Resource {
        generation: 1,
        observed: 1,
        ready: Some(true),
        revision: Some(format!("main@sha1:{HEAD}")),
        ..Resource::default()
    };
    let source =
        Resource { url: Some("ssh://git@git.example.org/home".into()), branch: Some("main".into()), ..ready.clone() };
    let kustomization = Resource { path: Some("./clusters/home".into()), ..ready };
    FluxFacts {
        version: Some("2.9.4".into()),
        deployments: ["source-controller", "kustomize-controller", "helm-controller", "notification-controller"]
            .map(|name| (name.to_owned(), true))
            .into(),
        established: true,
        secret: Some(AccessSecret { fingerprint: "key".into(), key: true }),
        sources: [(key(), source)].into(),
        kustomizations: [(key(), kustomization)].into(),
        ..FluxFacts::default()
    }
}

/// Everything as it should be: what is wanted is in the repository, and applied.
pub fn facts() -> Facts {
    let inventory = inventory();
    let node = KubernetesNode { ready: true, version: "v1.35.0".into(), ..KubernetesNode::default() };
    let cluster = ClusterFacts {
        via: "nuc1".into(),
        nodes: [("nuc1".to_owned(), node)].into(),
        flux: Some(flux()),
        ..ClusterFacts::default()
    };
    let mut facts = Facts { cluster: Some(cluster), ..Facts::default() };
    let all = changes(&inventory, &wanted(&inventory, &facts), &Files::default(), COMPONENTS, false);
    let files: Files = all.into_iter().filter_map(|change| Some((change.path, change.text?))).collect();
    assert_eq!(files.keys().cloned().collect::<Vec<_>>(), paths(&inventory));
    facts.repository = Some(RepositoryFacts {
        head: Some(HEAD.into()),
        files,
        components: Some(COMPONENTS.into()),
        access: Some(Access {
            public: Some("ssh-ed25519 AAAA flux of home".into()),
            reads: Ok(()),
            may_write: false,
            secret: Some("key".into()),
        }),
        ..RepositoryFacts::default()
    });
    facts
}

/// The same with something else in the repository.
pub fn with_repository(change: impl FnOnce(&mut RepositoryFacts)) -> Facts {
    let mut facts = facts();
    change(facts.repository.as_mut().expect("it was read"));
    facts
}

/// The same with something else of Flux.
pub fn with_flux(change: impl FnOnce(&mut FluxFacts)) -> Facts {
    let mut facts = facts();
    change(facts.cluster.as_mut().and_then(|cluster| cluster.flux.as_mut()).expect("it was read"));
    facts
}
