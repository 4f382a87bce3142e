//! kustomize-controller.

use serde_json::json;

use super::bench::{Site, kustomization};
use crate::kubernetes::Fault;

const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n";
const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: prices\n  namespace: shop\ndata:\n  tea: '2'\n";

fn ready(site: &Site) -> [String; 3] {
    site.condition("kustomizations", "flux-system", "flux-system", "Ready")
}

#[test]
fn a_folder_is_applied_and_what_leaves_it_is_pruned() {
    let kept = MAP
        .replace("prices", "kept")
        .replace("  namespace", "  annotations:\n    kustomize.toolkit.fluxcd.io/prune: disabled\n  namespace");
    let mut site = Site::synced(
        &[],
        &[
            ("clusters/lab/ns.yaml", NAMESPACE),
            ("clusters/lab/deep/map.yaml", MAP),
            ("clusters/lab/kept.yml", &kept),
            ("elsewhere.yaml", "broken: ["),
        ],
    );
    let first = site.revision();
    assert_eq!(ready(&site), ["True", "ReconciliationSucceeded", &format!("Applied revision: {first}")]);
    let status = site.object("kustomizations", "flux-system", "flux-system")["status"].clone();
    assert_eq!((&status["lastAppliedRevision"], &status["lastAttemptedRevision"]), (&json!(first), &json!(first)));
    assert_eq!(status["inventory"]["entries"][0], json!({"id": "_shop__Namespace", "v": "v1"}));
    let map = site.object("configmaps", "shop", "prices");
    assert_eq!(map["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"], "flux-system");
    assert_eq!(map["metadata"]["managedFields"][0]["manager"], "kustomize-controller");
    assert!(
        site.events("flux-system").iter().any(|event| event
            == "Progressing Namespace/shop created\nConfigMap/shop/kept created\nConfigMap/shop/prices created"),
        "{:?}",
        site.events("flux-system")
    );
    site.push(&[("clusters/lab/deep/map.yaml", ""), ("clusters/lab/kept.yml", "")]);
    site.pass(120_000);
    assert!(ready(&site)[2].ends_with(&site.revision()));
    assert!(site.object("configmaps", "shop", "prices").is_null());
    assert!(!site.object("configmaps", "shop", "kept").is_null(), "it says that it stays");
}

#[test]
fn what_a_person_changed_is_changed_back() {
    let mut site = Site::synced(&[], &[("clusters/lab/ns.yaml", NAMESPACE), ("clusters/lab/map.yaml", MAP)]);
    site.bench.patch(
        "/api/v1/namespaces/shop/configmaps/prices",
        "application/merge-patch+json",
        &json!({"data": {"tea": "9", "cake": "3"}}),
    );
    site.pass(700_000);
    assert_eq!(site.object("configmaps", "shop", "prices")["data"], json!({"tea": "2", "cake": "3"}));
}

#[test]
fn failures_have_the_texts_of_upstream() {
    let cases = [
        (
            "clusters/other/x.yaml",
            MAP,
            "ArtifactFailed",
            "kustomization path not found: stat /tmp/kustomization-1/clusters/lab: no such file or directory",
        ),
        (
            "clusters/lab/map.yaml",
            MAP,
            "ReconciliationFailed",
            "ConfigMap/shop/prices not found: namespaces \"shop\" not found",
        ),
        (
            "clusters/lab/hr.yaml",
            "apiVersion: helm.toolkit.fluxcd.io/v2beta1\nkind: HelmRelease\nmetadata:\n  name: m\n  namespace: default\n",
            "ReconciliationFailed",
            "HelmRelease/default/m dry-run failed: no matches for kind \"HelmRelease\" in version \"helm.toolkit.fluxcd.io/v2beta1\"",
        ),
        (
            "clusters/lab/ks.yaml",
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata:\n  name: m\n  namespace: default\nspec:\n  interval: 1m\n  prune: true\n  validation: client\n  sourceRef:\n    kind: GitRepository\n    name: x\n",
            "ReconciliationFailed",
            "Kustomization/default/m dry-run failed: failed to create typed patch object (default/m; kustomize.toolkit.fluxcd.io/v1, Kind=Kustomization): .spec.validation: field not declared in schema",
        ),
        (
            "clusters/lab/kustomization.yaml",
            "resources: [gone.yaml]\n",
            "BuildFailed",
            "kustomize build failed: accumulating resources: accumulation err='accumulating resources from 'gone.yaml': open /tmp/kustomization-1/clusters/lab/gone.yaml: no such file or directory'",
        ),
        (
            "clusters/lab/odd.yaml",
            "just: text\n",
            "BuildFailed",
            "failed to decode Kubernetes YAML from /tmp/kustomization-1/clusters/lab/odd.yaml: Object 'Kind' is missing",
        ),
    ];
    for (path, content, reason, message) in cases {
        let site = Site::synced(&[], &[(path, content)]);
        let [status, found, said] = ready(&site);
        assert_eq!((status.as_str(), found.as_str()), ("False", reason), "{said}");
        assert!(said.starts_with(message), "{said}");
        let object = site.object("kustomizations", "flux-system", "flux-system");
        assert_eq!(object["status"]["observedGeneration"], -1, "a failure is not observed");
        assert_eq!(
            site.condition("kustomizations", "flux-system", "flux-system", "Reconciling")[1],
            "ProgressingWithRetry"
        );
    }
}

#[test]
fn definitions_come_before_their_objects() {
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: pots.shop.example\nspec:\n  group: shop.example\n  scope: Namespaced\n  names: {kind: Pot, plural: pots, singular: pot, listKind: PotList}\n  versions:\n  - name: v1\n    served: true\n    storage: true\n    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}\n";
    let pot = "apiVersion: shop.example/v1\nkind: Pot\nmetadata:\n  name: red\n  namespace: shop\n";
    let site = Site::synced(&[], &[("clusters/lab/all.yaml", &[pot, NAMESPACE, definition].join("---\n"))]);
    assert_eq!(ready(&site)[0], "True", "{:?}", ready(&site));
    assert!(!site.object("pots", "shop", "red").is_null());
}

#[test]
fn health_is_waited_for_and_a_newer_revision_ends_the_wait() {
    let workload = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: web, image: 'docker.io/library/busybox:1.36'}]}\n";
    let mut site = Site::synced(&[], &[("clusters/lab/ns.yaml", NAMESPACE)]);
    let check = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": "shop"});
    site.apply(&kustomization(&json!({"healthChecks": [check], "timeout": "2m"})));
    site.pass(20_000);
    let [status, _, message] = site.condition("kustomizations", "flux-system", "flux-system", "Healthy");
    assert_eq!(
        (status.as_str(), message),
        ("Unknown", format!("Running health checks for revision {} with a timeout of 2m0s", site.revision()))
    );
    site.pass(130_000);
    let timeout = "health check failed after 2m0s: timeout waiting for: [Deployment/shop/web status: 'NotFound']";
    assert!(
        site.events("flux-system").contains(&format!("HealthCheckFailed {timeout}")),
        "{:?}",
        site.events("flux-system")
    );
    site.push(&[("clusters/lab/web.yaml", workload)]);
    site.pass(150_000);
    assert_eq!(ready(&site)[0], "True", "{:?}", ready(&site));
    assert_eq!(site.condition("kustomizations", "flux-system", "flux-system", "Healthy")[0], "True");
}

#[test]
fn the_fault_spoils_two_dry_runs_of_a_release() {
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: m\n  namespace: default\nspec:\n  interval: 1m\n  chart:\n    spec:\n      chart: ./\n      sourceRef: {kind: GitRepository, name: none}\n";
    let mut site = Site::synced(&[Fault::FluxReconcileFails], &[("clusters/lab/hr.yaml", release)]);
    assert_eq!(ready(&site)[1], "ReconciliationFailed");
    assert!(ready(&site)[2].contains("database is locked"), "{:?}", ready(&site));
    site.pass(180_000);
    assert_eq!(ready(&site)[0], "True", "{:?}", ready(&site));
}

#[test]
fn a_kustomization_that_goes_takes_along_what_it_applied() {
    let mut site = Site::synced(&[], &[("clusters/lab/ns.yaml", NAMESPACE), ("clusters/lab/map.yaml", MAP)]);
    site.delete("/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/flux-system");
    site.pass(60_000);
    assert!(site.object("kustomizations", "flux-system", "flux-system").is_null());
    assert!(site.object("configmaps", "shop", "prices").is_null());
    assert!(site.object("namespaces", "", "shop").is_null());
}
