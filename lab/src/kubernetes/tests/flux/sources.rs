//! source-controller.

use serde_json::json;

use super::bench::{Site, source};

#[test]
fn a_repository_becomes_an_artifact() {
    let mut site = Site::new(&[]);
    site.secret();
    site.push(&[("clusters/lab/a.yaml", "a: 1\n")]);
    site.apply(&source());
    assert_eq!(site.object("gitrepositories", "flux-system", "flux-system")["status"]["observedGeneration"], -1);
    site.pass(5_000);
    let object = site.object("gitrepositories", "flux-system", "flux-system");
    assert_eq!(object["status"]["artifact"]["revision"], site.revision());
    assert_eq!(object["status"]["observedGeneration"], 1);
    let message = format!("stored artifact for revision '{}'", site.revision());
    for kind in ["Ready", "ArtifactInStorage"] {
        assert_eq!(
            site.condition("gitrepositories", "flux-system", "flux-system", kind),
            ["True", "Succeeded", &message]
        );
    }
    assert_eq!(site.condition("gitrepositories", "flux-system", "flux-system", "Reconciling")[0], "");
    assert_eq!(site.events("flux-system"), ["NewArtifact stored artifact for commit 'Commit 1'"]);
    // A new commit is found within the interval, or at once when asked for.
    site.push(&[("clusters/lab/a.yaml", "a: 2\n")]);
    site.annotate(
        "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories/flux-system",
        "reconcile.fluxcd.io/requestedAt",
        "now",
    );
    site.pass(3_000);
    let object = site.object("gitrepositories", "flux-system", "flux-system");
    assert_eq!(
        (&object["status"]["lastHandledReconcileAt"], &object["status"]["artifact"]["revision"]),
        (&json!("now"), &json!(site.revision()))
    );
}

#[test]
fn what_is_missing_is_said_and_mended_by_itself() {
    let mut site = Site::new(&[]);
    site.push(&[("clusters/lab/a.yaml", "a: 1\n")]);
    site.apply(&source());
    site.pass(5_000);
    let ready = |site: &Site| site.condition("gitrepositories", "flux-system", "flux-system", "Ready");
    let missing = "failed to get secret 'flux-system/flux-system': secrets \"flux-system\" not found";
    assert_eq!(ready(&site), ["False", "AuthenticationFailed", missing]);
    assert_eq!(site.object("gitrepositories", "flux-system", "flux-system")["status"]["observedGeneration"], -1);
    site.down = Some("unable to clone 'x': dial tcp 10.77.0.1:22: connect: connection refused".to_owned());
    site.secret();
    site.pass(60_000);
    let refused = "failed to checkout and determine revision: unable to clone 'x': dial tcp 10.77.0.1:22: connect: connection refused";
    assert_eq!(ready(&site), ["False", "GitOperationFailed", refused]);
    assert_eq!(site.condition("gitrepositories", "flux-system", "flux-system", "FetchFailed")[0], "True");
    assert_eq!(
        site.condition("gitrepositories", "flux-system", "flux-system", "Reconciling")[1],
        "ProgressingWithRetry"
    );
    site.down = None;
    site.pass(300_000);
    assert_eq!(ready(&site)[0], "True");
    assert_eq!(site.condition("gitrepositories", "flux-system", "flux-system", "FetchFailed")[0], "");
}

#[test]
fn nothing_happens_while_the_controller_is_away() {
    let mut site = Site::new(&[]);
    site.secret();
    site.push(&[("clusters/lab/a.yaml", "a: 1\n")]);
    let path = "/apis/apps/v1/namespaces/flux-system/deployments/source-controller";
    let scaled = |replicas: i64| json!({"spec": {"replicas": replicas}});
    site.bench.patch(path, "application/merge-patch+json", &scaled(0));
    site.pass(60_000);
    site.apply(&source());
    site.pass(60_000);
    assert_eq!(
        site.object("gitrepositories", "flux-system", "flux-system")["status"],
        json!({"observedGeneration": -1})
    );
    site.bench.patch(path, "application/merge-patch+json", &scaled(1));
    site.pass(60_000);
    assert_eq!(site.condition("gitrepositories", "flux-system", "flux-system", "Ready")[0], "True");
}

#[test]
fn mastodons_chart_is_packed_from_its_pinned_commit() {
    let mut site = Site::new(&[]);
    site.apply(&super::helm::chart_source("3c8d76d0351f491f4a06cf76f1664d7b74fee375"));
    site.apply(&json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmChart", "metadata": {"name": "m", "namespace": "flux-system"},
        "spec": {"chart": "./", "interval": "10m", "sourceRef": {"kind": "GitRepository", "name": "mastodon"}}}));
    site.pass(60_000);
    let revision = &site.object("gitrepositories", "flux-system", "mastodon")["status"]["artifact"]["revision"];
    assert_eq!(*revision, "sha1:3c8d76d0351f491f4a06cf76f1664d7b74fee375");
    let packaged = "packaged 'mastodon' chart with version '6.9.3'";
    assert_eq!(site.condition("helmcharts", "flux-system", "m", "Ready"), ["True", "ChartPackageSucceeded", packaged]);
    site.apply(&super::helm::chart_source(&"0".repeat(40)));
    site.pass(10_000);
    assert!(site.condition("gitrepositories", "flux-system", "mastodon", "Ready")[2].ends_with("object not found"));
}
