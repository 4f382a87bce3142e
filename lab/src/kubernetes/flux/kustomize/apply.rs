//! How kustomize-controller writes to the cluster: server-side apply in stages, each object first tried in a dry-run
//! (fluxcd/pkg `ssa/manager_apply.go`, `ssa/errors/dryrun.go`).

use serde_json::Value;

use super::Subject;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::kubectl::{collection, object_path};
use crate::kubernetes::types::{Fault, Request, Response};
use crate::kubernetes::value::{at, text};

const MANAGER: &str = "kustomize-controller";
/// The order of the kinds within a stage (fluxcd/pkg `ssa/sort.go`).
const ORDER: [&str; 23] = [
    "CustomResourceDefinition",
    "Namespace",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// How often the fault's dry-run fails before it goes through.
const SPOILT: u32 = 2;

/// What has become of an object: `created`, `configured`, `unchanged` or `skipped`.
pub(super) type Action = &'static str;

/// Puts objects into the order in which they are applied.
pub(super) fn sort(objects: &mut [Value]) {
    objects.sort_by_key(|object| {
        let kind = text(object, "/kind");
        let place = ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len());
        (place, Subject::of(object).to_string())
    });
}

/// Whether the rest has to wait for this object.
pub(super) fn comes_first(object: &Value) -> bool {
    ["CustomResourceDefinition", "Namespace", "ClusterRole"].contains(&text(object, "/kind"))
}

/// Whether an annotation or a label of kustomize-controller's has that value.
pub(super) fn says(object: &Value, name: &str, value: &str) -> bool {
    ["annotations", "labels"].iter().any(|place| {
        text(object, &format!("/metadata/{place}/kustomize.toolkit.fluxcd.io~1{name}")).eq_ignore_ascii_case(value)
    })
}

impl Kubernetes {
    /// Tries an object.
    ///
    /// # Errors
    /// What kustomize-controller says when the API server would not take it.
    pub(super) fn flux_dry_run(&mut self, object: &Value) -> Result<(), String> {
        let subject = Subject::of(object);
        let spoilt = self.faults.contains(&Fault::FluxReconcileFails)
            && self.flux.spoilt_dry_runs < SPOILT
            && text(object, "/kind") == "HelmRelease";
        if spoilt {
            self.flux.spoilt_dry_runs += 1;
            // What a client gets while another write holds the data store (canonical/k8s-dqlite).
            return Err(format!(
                "{subject} dry-run failed: rpc error: code = Unknown desc = exec (try: 500): database is locked"
            ));
        }
        let Some(response) = self.flux_sends(object, true) else {
            return Err(format!(
                "{subject} dry-run failed: no matches for kind \"{}\" in version \"{}\"",
                text(object, "/kind"),
                text(object, "/apiVersion")
            ));
        };
        if response.status < 300 {
            return Ok(());
        }
        let status = response.json();
        let (reason, message) = (text(&status, "/reason"), text(&status, "/message"));
        let conflict = at(&status, "/details/causes/0/reason") == "FieldManagerConflict";
        Err(match reason {
            "NotFound" if text(object, "/metadata/namespace").is_empty() => {
                format!("{subject} namespace not specified: {message}")
            }
            "NotFound" => format!("{subject} not found: {message}"),
            "" => format!("{subject} dry-run failed: {message}"),
            _ if conflict => format!("{subject} dry-run failed (FieldManagerConflict): {message}"),
            reason => format!("{subject} dry-run failed ({reason}): {message}"),
        })
    }

    /// Applies an object for good.
    ///
    /// # Errors
    /// What kustomize-controller says when the API server does not take it.
    pub(super) fn flux_apply(&mut self, object: &Value) -> Result<Action, String> {
        let before = self.flux_reads(object);
        if says(object, "ssa", "IfNotPresent") && before.is_some() {
            return Ok("skipped");
        }
        let subject = Subject::of(object);
        let failed = |why: &str| format!("{subject} apply failed, error: {why}");
        let response = self.flux_sends(object, false).ok_or_else(|| failed("no matches for its kind"))?;
        let after = response.json();
        if response.status >= 300 {
            return Err(failed(text(&after, "/message")));
        }
        let version = |object: &Value| text(object, "/metadata/resourceVersion").to_owned();
        Ok(match before {
            None => "created",
            Some(before) if version(&before) == version(&after) => "unchanged",
            Some(_) => "configured",
        })
    }

    /// The object as it is in the cluster.
    pub(super) fn flux_reads(&mut self, object: &Value) -> Option<Value> {
        let path = self.flux_path(object)?;
        let response = self.request(self.now, &Request::new("GET", &path));
        (response.status == 200).then(|| response.json())
    }

    fn flux_path(&self, object: &Value) -> Option<String> {
        let kind = self.kinds.of(text(object, "/apiVersion"), text(object, "/kind"))?;
        let namespace = if kind.namespaced { text(object, "/metadata/namespace") } else { "" };
        if kind.namespaced && namespace.is_empty() {
            // Such a request goes to a path that is none of an object.
            return Some(collection(kind, None));
        }
        Some(object_path(kind, namespace, text(object, "/metadata/name")))
    }

    /// None when the kind is not served.
    fn flux_sends(&mut self, object: &Value, dry_run: bool) -> Option<Response> {
        let path = self.flux_path(object)?;
        let dry_run = if dry_run { "&dryRun=All" } else { "" };
        let mut request = Request::new("PATCH", &format!("{path}?fieldManager={MANAGER}&force=true{dry_run}"))
            .with_body("application/apply-patch+yaml", object);
        request.user_agent = Some(format!("{MANAGER}/v0.0.0"));
        Some(self.request(self.now, &request))
    }
}
