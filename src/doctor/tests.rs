//! The traps of the site and of the connection, from facts; the others are held against a whole homelab in
//! `tests/in_process/doctor.rs`.

use super::*;
use crate::facts::flux::Resource;
use crate::facts::mastodon::{MastodonFacts, SecretFacts, SiteWorkload, Trouble, TroubleKind};
use crate::facts::pods::Pod;
use crate::facts::{Facts, Observation, RepositoryFacts};
use crate::gitops::cause::Problem;
use crate::gitops::header::with_header;
use crate::inventory::model::Inventory;
use crate::steps::mastodon::fixture;

fn found(inventory: &Inventory, facts: &Facts, pods: Vec<Pod>) -> Vec<Finding> {
    let mut facts = facts.clone();
    for observation in facts.nodes.values_mut() {
        // The fixture has nothing of the machines themselves.
        if let Observation::Seen(seen) = observation {
            seen.facts.memory_kib = 4 << 20;
        }
    }
    let extra = Extra { pods, ..Extra::default() };
    examine(&Sight { inventory, facts: &facts, extra: &extra, path: "home.toml" })
}

/// The one thing that is found.
fn only(facts: &Facts, pods: Vec<Pod>) -> Finding {
    let mut found = found(&fixture::inventory(), facts, pods);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn with_site(change: impl FnOnce(&mut MastodonFacts)) -> Facts {
    fixture::with(change)
}

/// Something else about an object of Flux.
fn with_object(name: &str, change: impl FnOnce(&mut Resource)) -> Facts {
    let mut facts = fixture::facts();
    let flux = facts.cluster.as_mut().and_then(|cluster| cluster.flux.as_mut()).expect("Flux");
    let objects = flux.sources.iter_mut().chain(&mut flux.kustomizations).chain(&mut flux.helm_releases);
    change({ objects }.find(|(known, _)| *known == name).expect("it is there").1);
    facts
}

fn with_repository(change: impl FnOnce(&mut RepositoryFacts)) -> Facts {
    let mut facts = fixture::facts();
    let mut seen = RepositoryFacts { head: Some(fixture::HEAD.to_owned()), ..RepositoryFacts::default() };
    change(&mut seen);
    facts.repository = Some(seen);
    facts
}

fn troubled(kind: TroubleKind, message: &str) -> Vec<Pod> {
    let trouble = Trouble { pod: "web-0".into(), kind, message: message.into(), ..Trouble::default() };
    vec![Pod { namespace: "mastodon".into(), name: "web-0".into(), trouble: Some(trouble), ..Pod::default() }]
}

#[test]
fn a_site_that_is_well_has_no_findings() {
    assert_eq!(found(&fixture::inventory(), &fixture::facts(), Vec::new()), Vec::new());
    let written = with_header("# cluster: home\nkind: Namespace\n");
    let kept = with_repository(|seen| drop(seen.files.insert("clusters/home/a.yaml".into(), written)));
    assert_eq!(found(&fixture::inventory(), &kept, Vec::new()), Vec::new());
}

#[test]
fn git_down() {
    let facts = with_repository(|seen| {
        seen.problem = Some(Problem::lasting("git.example.org does not answer\nsee `ssh -T git@git.example.org`"));
    });
    let finding = only(&facts, Vec::new());
    assert_eq!(
        (finding.check, finding.evidence.as_str()),
        ("repository-unreadable", "git.example.org does not answer")
    );
    assert!(finding.remedy.contains("ssh -T"), "{}", finding.remedy);
}

#[test]
fn human_edit() {
    let edited = with_header("# cluster: home\nreplicas: 1\n").replace("replicas: 1", "replicas: 2");
    let facts = with_repository(|seen| drop(seen.files.insert("apps/mastodon/values.yaml".into(), edited)));
    let finding = only(&facts, Vec::new());
    assert_eq!(finding.check, "edited-by-hand");
    assert!(finding.remedy.contains("`homeprov up --overwrite home.toml`"), "{}", finding.remedy);
}

#[test]
fn flux_reconcile_fails() {
    let failed = |message: &str| {
        with_object("flux-system/mastodon", |object| {
            object.ready = Some(false);
            object.reason = "ReconciliationFailed".into();
            object.message = message.into();
        })
    };
    let finding = only(&failed("dry-run failed"), Vec::new());
    assert_eq!(finding.check, "reconciliation-fails");
    assert!(finding.remedy.contains("describe -n flux-system kustomization mastodon"), "{}", finding.remedy);
    assert_eq!(
        only(&failed("no matches for kind \"HelmRelease\" in version v2beta1"), Vec::new()).check,
        "api-version-gone"
    );
}

#[test]
fn helm_install_fails_once_and_breaks_off() {
    let failed = with_object("mastodon/mastodon", |object| {
        object.ready = Some(false);
        object.reason = "InstallFailed".into();
    });
    assert_eq!(only(&failed, Vec::new()).check, "release-fails");
    // It is being tried again, and remembers.
    let again = with_object("mastodon/mastodon", |object| {
        object.ready = None;
        object.history = vec!["failed".into()];
    });
    assert_eq!(only(&again, Vec::new()).check, "release-fails");
    let past = with_object("mastodon/mastodon", |object| object.history = vec!["deployed".into(), "failed".into()]);
    assert_eq!(found(&fixture::inventory(), &past, Vec::new()), Vec::new());
}

#[test]
fn what_is_suspended() {
    let finding = only(&with_object("mastodon/mastodon", |object| object.suspended = true), Vec::new());
    assert_eq!(finding.check, "suspended");
    assert!(
        finding.remedy.contains("kubectl patch -n mastodon helmrelease mastodon --type=merge"),
        "{}",
        finding.remedy
    );
}

#[test]
fn image_pull_and_other_troubles_of_pods() {
    for (kind, check) in [
        (TroubleKind::Image, "image-not-pulled"),
        (TroubleKind::Crash, "pod-crashes"),
        (TroubleKind::Memory, "pod-crashes"),
        (TroubleKind::Configuration, "pod-crashes"),
        (TroubleKind::Volume, "volume-not-mounted"),
        (TroubleKind::Unscheduled, "pod-unscheduled"),
    ] {
        let finding = only(&fixture::facts(), troubled(kind, "the kubelet's own words"));
        assert_eq!((finding.check, finding.evidence.as_str()), (check, "mastodon/web-0: the kubelet's own words"));
    }
}

#[test]
fn db_slow_start() {
    let facts = with_site(|site| {
        let database = |workload: &&mut SiteWorkload| workload.name == "mastodon-postgresql";
        site.workloads.iter_mut().find(database).expect("a database").ready = 0;
    });
    let finding = only(&facts, Vec::new());
    assert_eq!(finding.check, "database-not-ready");
    assert!(finding.evidence.ends_with("0 of 1 pods are ready"), "{}", finding.evidence);
}

#[test]
fn missing_secret_key() {
    let facts = with_site(|site| {
        site.secrets = SecretFacts {
            present: [("mastodon-secrets".to_owned(), ["SECRET_KEY_BASE".to_owned()].into())].into(),
            missing: vec!["mastodon-secrets/OTP_SECRET".into()],
            ..SecretFacts::default()
        };
    });
    let finding = only(&facts, Vec::new());
    assert_eq!(
        (finding.check, finding.evidence.as_str()),
        ("secret-key-missing", "mastodon/mastodon-secrets/OTP_SECRET is missing")
    );
}

#[test]
fn no_ingress_address() {
    let finding = only(&with_site(|site| site.ingress.services[0].address = None), Vec::new());
    assert_eq!(
        (finding.check, finding.evidence.as_str()),
        ("no-ingress-address", "Service ingress/ingress has no address")
    );
}

#[test]
fn smtp_closed() {
    let inventory = fixture::inventory();
    let mut facts = fixture::facts();
    let line = "mail: smtp.example.org:465 refuses connections";
    crate::steps::mastodon::outside_services::write_down(&inventory, &mut facts, line);
    let finding = only(&facts, Vec::new());
    assert_eq!(finding.check, "outside-service-silent");
    assert!(finding.evidence.starts_with(line), "{}", finding.evidence);
}

#[test]
fn host_key_changed() {
    let mut facts = fixture::facts();
    let reason =
        "the host key of 192.168.1.12 has changed: it offers SHA256:new, expected SHA256:old\nwhat to do".to_owned();
    facts.nodes.insert("nuc2".into(), Observation::Unreachable { reason, passes: false });
    let finding = only(&facts, Vec::new());
    assert_eq!((finding.check, finding.node.as_deref()), ("host-key-changed", Some("nuc2")));
    assert!(finding.remedy.contains("`ssh-keygen -R 192.168.1.12`"), "{}", finding.remedy);
}
