//! The claims for media and assets, the account, the disruption budgets.

use serde_json::{Value, json};

use super::templates::Templates;
use crate::kubernetes::addons::truth;
use crate::kubernetes::value::{at, set};

pub(super) fn objects(templates: &Templates<'_>) -> Vec<Value> {
    let mut objects: Vec<Value> = ["assets", "system"].iter().filter_map(|which| claim(templates, which)).collect();
    if templates.on("/serviceAccount/create") {
        let mut account = templates.object("v1", "ServiceAccount", &templates.account());
        set(&mut account, "/metadata/annotations", templates.first(&["/serviceAccount/annotations"]));
        objects.push(account);
    }
    objects.extend(["web", "streaming"].iter().filter_map(|part| budget(templates, part)));
    objects
}

/// `templates/pvc-assets.yaml`, `templates/pvc-system.yaml`. The annotation that is to keep a claim says nothing to helm of an
/// object that is no hook: the claim goes with the release.
fn claim(templates: &Templates<'_>, which: &str) -> Option<Value> {
    let values = templates.at(&format!("/mastodon/persistence/{which}"));
    if !templates.has_claims() || truth(values, "/existingClaim") {
        return None;
    }
    let mut object = templates.object("v1", "PersistentVolumeClaim", &templates.name(which));
    if truth(values, "/keepAfterDelete") {
        set(&mut object, "/metadata/annotations", json!({"helm.sh/hook-delete-policy": "keep"}));
    }
    object["spec"] = json!({"accessModes": [at(values, "/accessMode")], "resources": at(values, "/resources"),
        "storageClassName": at(values, "/storageClassName")});
    Some(object)
}

/// `templates/pdb-web.yaml`, `templates/pdb-streaming.yaml`
fn budget(templates: &Templates<'_>, part: &str) -> Option<Value> {
    let values = templates.at(&format!("/mastodon/{part}/pdb"));
    if !truth(values, "/enable") {
        return None;
    }
    let mut labels = json!({"app.kubernetes.io/component": part});
    if part == "web" {
        set(&mut labels, "/app.kubernetes.io~1part-of", "rails");
    }
    let mut object = templates.object("policy/v1", "PodDisruptionBudget", &templates.name(part));
    object["spec"] = json!({"minAvailable": at(values, "/minAvailable"), "maxUnavailable": at(values, "/maxUnavailable"),
        "selector": {"matchLabels": templates.selector(&labels)}});
    Some(object)
}
