//! helm-controller, with Mastodon's chart.

use serde_json::{Value, json};

use super::bench::Site;
use crate::kubernetes::Fault;

/// The repository of the chart, at a commit.
pub(super) fn chart_source(commit: &str) -> Value {
    json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": "mastodon", "namespace": "flux-system"},
        "spec": {"interval": "1h", "ref": {"commit": commit}, "url": "https://github.com/mastodon/chart"}})
}

/// The release, with more in its spec.
fn release(more: &Value) -> Value {
    let mut object = json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
        "metadata": {"name": "mastodon", "namespace": "mastodon"},
        "spec": {"interval": "15m", "timeout": "5m", "releaseName": "mastodon",
            "chart": {"spec": {"chart": "./", "sourceRef": {"kind": "GitRepository", "name": "mastodon", "namespace": "flux-system"}}},
            "install": {"disableWait": true}, "upgrade": {"disableWait": true},
            "valuesFrom": [{"kind": "ConfigMap", "name": "values"}]}});
    crate::kubernetes::merge_values(&mut object["spec"], more);
    object
}

/// The values without which the chart's templates fail; no job runs, and nothing outside is asked.
const VALUES: &str = "mastodon:
  local_domain: lab.example
  secrets:
    existingSecret: mastodon-secrets
  persistence:
    assets: {existingClaim: mastodon-assets}
    system: {existingClaim: mastodon-system}
  hooks:
    dbPrepare: {enabled: false}
    dbMigrate: {enabled: false}
    deploySearch: {enabled: false}
  createAdmin: {enabled: false}
elasticsearch: {enabled: false}
postgresql:
  enabled: false
  postgresqlHostname: db.example
  auth: {existingSecret: mastodon-postgresql}
redis:
  enabled: false
  hostname: redis.example
  auth: {existingSecret: mastodon-redis}
";

fn values(content: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "values", "namespace": "mastodon"}, "data": {"values.yaml": content}})
}

fn site(faults: &[Fault], content: &str, more: &Value) -> Site {
    let mut site = Site::new(faults);
    site.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mastodon"}}));
    site.apply(&chart_source("3c8d76d0351f491f4a06cf76f1664d7b74fee375"));
    site.apply(&values(content));
    site.apply(&release(more));
    site.pass(30_000);
    site
}

fn ready(site: &Site) -> [String; 3] {
    site.condition("helmreleases", "mastodon", "mastodon", "Ready")
}

fn status(site: &Site) -> Value {
    site.object("helmreleases", "mastodon", "mastodon")["status"].clone()
}

fn retry() -> Value {
    let strategy = json!({"name": "RetryOnFailure", "retryInterval": "2m"});
    json!({"install": {"strategy": strategy}, "upgrade": {"strategy": strategy}})
}

#[test]
fn a_release_is_installed_and_upgraded_when_its_values_change() {
    let mut site = site(&[], VALUES, &json!({}));
    let done = "Helm install succeeded for release mastodon/mastodon.v1 with chart mastodon@6.9.3";
    assert_eq!(ready(&site), ["True", "InstallSucceeded", done]);
    assert_eq!(site.condition("helmreleases", "mastodon", "mastodon", "Released"), ["True", "InstallSucceeded", done]);
    assert_eq!(status(&site)["helmChart"], "flux-system/mastodon-mastodon");
    assert_eq!(status(&site)["observedGeneration"], 1);
    let history = &status(&site)["history"][0];
    assert_eq!(
        (&history["version"], &history["status"], &history["chartVersion"]),
        (&json!(1), &json!("deployed"), &json!("6.9.3"))
    );
    assert_eq!(site.object("secrets", "mastodon", "sh.helm.release.v1.mastodon.v1")["type"], "helm.sh/release.v1");
    assert!(!site.object("deployments", "mastodon", "mastodon-web").is_null());
    // References are read again at the interval, not before.
    site.apply(&values(&VALUES.replace("lab.example", "other.example")));
    site.pass(60_000);
    assert_eq!(status(&site)["history"][0]["version"], 1);
    site.pass(900_000);
    assert_eq!(ready(&site)[2], "Helm upgrade succeeded for release mastodon/mastodon.v2 with chart mastodon@6.9.3");
    assert_eq!(
        site.object("secrets", "mastodon", "sh.helm.release.v1.mastodon.v1")["metadata"]["labels"]["status"],
        "superseded"
    );
}

#[test]
fn what_is_missing_is_said() {
    let mut site = Site::new(&[]);
    site.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mastodon"}}));
    site.apply(&release(&json!({})));
    site.pass(5_000);
    let [_, reason, message] = ready(&site);
    assert_eq!(reason, "SourceNotReady");
    assert!(message.starts_with("HelmChart 'flux-system/mastodon-mastodon' is not ready: "), "{message}");
    site.apply(&chart_source("3c8d76d0351f491f4a06cf76f1664d7b74fee375"));
    site.pass(90_000);
    let missing = "could not resolve ConfigMap chart values reference 'mastodon/values' with key 'values.yaml': configmaps \"values\" not found";
    assert_eq!(ready(&site), ["False", "ValuesError", missing]);
    site.apply(&values("mastodon: {local_domain: lab.example}\nelasticsearch: {enabled: false}\n"));
    site.pass(300_000);
    let [_, reason, message] = ready(&site);
    assert_eq!(reason, "InstallFailed");
    assert!(message.starts_with("Helm install failed for release mastodon/mastodon with chart mastodon@6.9.3: execution error at (mastodon/templates/secrets.yaml:"), "{message}");
    assert!(site.bench.cluster.revisions_of("mastodon", "mastodon").is_empty(), "nothing is in the storage");
}

#[test]
fn a_failed_installation_is_tried_again_as_an_upgrade() {
    let mut site = site(&[Fault::HelmInstallFailsOnce], VALUES, &retry());
    let [status_, reason, message] = ready(&site);
    assert_eq!((status_.as_str(), reason.as_str()), ("False", "InstallFailed"));
    assert!(message.contains("connection refused"), "{message}");
    assert_eq!(
        site.condition("helmreleases", "mastodon", "mastodon", "Reconciling"),
        ["True", "ProgressingWithRetry", "retrying after 2m0s"]
    );
    assert_eq!(status(&site)["observedGeneration"], 1, "a failure that is retried is observed");
    assert!(
        site.object("deployments", "mastodon", "mastodon-web").is_null()
            || site.object("services", "mastodon", "mastodon-web").is_object()
    );
    site.pass(125_000);
    assert_eq!(ready(&site)[1], "UpgradeSucceeded", "{:?}", ready(&site));
    assert_eq!(status(&site)["history"][0]["version"], 2);
    assert!(status(&site).get("installFailures").is_none());
}

#[test]
fn what_is_suspended_ends_what_it_is_at_and_begins_nothing() {
    let mut site = Site::new(&[]);
    site.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mastodon"}}));
    site.apply(&release(&json!({})));
    site.pass(5_000);
    let reconciling = |site: &Site| site.condition("helmreleases", "mastodon", "mastodon", "Reconciling")[1].clone();
    assert_eq!((ready(&site)[1].as_str(), reconciling(&site).as_str()), ("SourceNotReady", "Progressing"));
    let suspend = |site: &mut Site, suspended: bool| {
        let path = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/mastodon/helmreleases/mastodon";
        site.patch(path, "application/merge-patch+json", &json!({"spec": {"suspend": suspended}}));
    };
    // It waits for its chart, and says in the same words that it is at work: what tells is the generation.
    suspend(&mut site, true);
    site.pass(2_000);
    assert_eq!((status(&site)["observedGeneration"].as_i64(), reconciling(&site).as_str()), (Some(2), "Progressing"));
    site.apply(&chart_source("3c8d76d0351f491f4a06cf76f1664d7b74fee375"));
    site.apply(&values(VALUES));
    site.pass(60_000);
    assert_eq!(ready(&site)[1], "SourceNotReady", "it is left alone");
    suspend(&mut site, false);
    site.pass(300);
    assert_eq!(ready(&site)[1], "SourceNotReady", "it has only begun");
    suspend(&mut site, true);
    site.pass(60_000);
    assert_eq!((ready(&site)[1].as_str(), reconciling(&site).as_str()), ("InstallSucceeded", ""));
    assert_eq!(status(&site)["observedGeneration"], 4);
}

#[test]
fn without_a_strategy_a_failed_installation_stays_failed() {
    let mut site = site(&[Fault::HelmInstallFailsOnce], VALUES, &json!({}));
    site.pass(600_000);
    assert_eq!(ready(&site)[1], "InstallFailed");
    let stalled = site.condition("helmreleases", "mastodon", "mastodon", "Stalled");
    assert_eq!(stalled, ["True", "RetriesExceeded", "Failed to install after 1 attempt(s)"]);
    // A forced attempt goes past that.
    let path = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/mastodon/helmreleases/mastodon";
    site.annotate(path, "reconcile.fluxcd.io/forceAt", "t1");
    site.annotate(path, "reconcile.fluxcd.io/requestedAt", "t1");
    site.pass(10_000);
    assert_eq!(ready(&site)[1], "UpgradeSucceeded", "{:?}", ready(&site));
    assert_eq!(status(&site)["lastHandledForceAt"], "t1");
    assert_eq!(site.condition("helmreleases", "mastodon", "mastodon", "Stalled")[0], "");
}

#[test]
fn with_retries_a_failed_installation_is_uninstalled_first() {
    let claims = VALUES.replace("assets: {existingClaim: mastodon-assets}", "assets: {keepAfterDelete: true}");
    let mut site = Site::new(&[Fault::HelmInstallFailsOnce]);
    site.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mastodon"}}));
    site.apply(&chart_source("3c8d76d0351f491f4a06cf76f1664d7b74fee375"));
    site.apply(&values(&claims));
    site.apply(&release(&json!({"install": {"remediation": {"retries": 3}}})));
    site.pass(60_000);
    assert!(
        site.events("mastodon")
            .iter()
            .any(|event| event
                .starts_with("UninstallSucceeded Helm uninstall remediation for release mastodon/mastodon.v1")),
        "{:?}",
        site.events("mastodon")
    );
    assert_eq!(ready(&site)[1], "InstallSucceeded", "{:?}", ready(&site));
    assert_eq!(status(&site)["history"][0]["version"], 1);
}

#[test]
fn deleting_the_object_uninstalls_the_release() {
    let mut site = site(&[], VALUES, &json!({}));
    site.delete("/apis/helm.toolkit.fluxcd.io/v2/namespaces/mastodon/helmreleases/mastodon");
    site.pass(60_000);
    assert!(site.object("helmreleases", "mastodon", "mastodon").is_null());
    assert!(site.object("deployments", "mastodon", "mastodon-web").is_null());
    assert!(site.object("helmcharts", "flux-system", "mastodon-mastodon").is_null());
    assert!(site.bench.cluster.revisions_of("mastodon", "mastodon").is_empty());
}

#[test]
fn a_hook_that_cannot_finish_fails_the_action_after_its_timeout() {
    let hooks = VALUES.replace("dbPrepare: {enabled: false}", "dbPrepare: {enabled: true}");
    let mut site = site(&[], &hooks, &retry());
    assert!(ready(&site)[2].starts_with("Running 'install' action with timeout of 5m0s"), "{:?}", ready(&site));
    site.pass(330_000);
    assert!(
        site.events("mastodon")
            .iter()
            .any(|event| event.starts_with("InstallFailed") && event.contains("Job/mastodon/mastodon-db-prepare")),
        "{:?}",
        site.events("mastodon")
    );
}
