//! The kinds an API server serves: the built-in ones, a row each, and those that `CustomResourceDefinition`s add.

use std::sync::Arc;

use serde_json::Value;

use super::value::{list, text};

/// One served kind in one version.
#[expect(clippy::struct_field_names, reason = "`kind` is the word objects use")]
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kind {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) plural: String,
    pub(super) singular: String,
    pub(super) short: Vec<String>,
    /// Names for several kinds at once; `all` is the one people use.
    pub(super) categories: Vec<String>,
    pub(super) namespaced: bool,
    pub(super) status: bool,
    pub(super) scale: bool,
    /// The definition's version entry; none for a built-in kind.
    pub(super) custom: Option<Arc<Value>>,
}

impl Kind {
    /// `apps/v1`, or `v1` for the core group.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// As `kubectl` names one in its output: `deployment.apps`, or `pod`.
    pub(super) fn qualified_singular(&self) -> String {
        super::status::qualified(&self.group, &self.singular)
    }

    /// The kinds of a `CustomResourceDefinition`, one for each served version.
    pub(super) fn defined_by(definition: &Value) -> Vec<Self> {
        let names = |path: &str| -> Vec<String> {
            list(definition, path).iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
        };
        let kind = text(definition, "/spec/names/kind").to_owned();
        let singular = match text(definition, "/spec/names/singular") {
            "" => kind.to_lowercase(),
            given => given.to_owned(),
        };
        list(definition, "/spec/versions")
            .iter()
            .filter(|version| version["served"] == true)
            .map(|version| Self {
                group: text(definition, "/spec/group").to_owned(),
                version: text(version, "/name").to_owned(),
                kind: kind.clone(),
                plural: text(definition, "/spec/names/plural").to_owned(),
                singular: singular.clone(),
                short: names("/spec/names/shortNames"),
                categories: names("/spec/names/categories"),
                namespaced: text(definition, "/spec/scope") == "Namespaced",
                status: version.pointer("/subresources/status").is_some(),
                scale: version.pointer("/subresources/scale").is_some(),
                custom: Some(Arc::new(version.clone())),
            })
            .collect()
    }
}

/// Group, version, kind, plural, singular, short names, and letters: `n`amespaced, `s`tatus, s`c`ale, in category `a`ll.
type Row =
    (&'static str, &'static str, &'static str, &'static str, &'static str, &'static [&'static str], &'static str);

/// To serve another kind, add its row.
const ROWS: &[Row] = &[
    ("", "v1", "ConfigMap", "configmaps", "configmap", &["cm"], "n"),
    ("", "v1", "Endpoints", "endpoints", "endpoints", &["ep"], "n"),
    ("", "v1", "Event", "events", "event", &["ev"], "n"),
    ("", "v1", "LimitRange", "limitranges", "limitrange", &["limits"], "n"),
    ("", "v1", "Namespace", "namespaces", "namespace", &["ns"], "s"),
    ("", "v1", "Node", "nodes", "node", &["no"], "s"),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim", &["pvc"], "ns"),
    ("", "v1", "PersistentVolume", "persistentvolumes", "persistentvolume", &["pv"], "s"),
    ("", "v1", "Pod", "pods", "pod", &["po"], "nsa"),
    ("", "v1", "PodTemplate", "podtemplates", "podtemplate", &[], "n"),
    ("", "v1", "ReplicationController", "replicationcontrollers", "replicationcontroller", &["rc"], "nsca"),
    ("", "v1", "ResourceQuota", "resourcequotas", "resourcequota", &["quota"], "ns"),
    ("", "v1", "Secret", "secrets", "secret", &[], "n"),
    ("", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount", &["sa"], "n"),
    ("", "v1", "Service", "services", "service", &["svc"], "nsa"),
    (
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        "mutatingwebhookconfiguration",
        &[],
        "",
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        "validatingwebhookconfiguration",
        &[],
        "",
    ),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "customresourcedefinition",
        &["crd", "crds"],
        "s",
    ),
    ("apiregistration.k8s.io", "v1", "APIService", "apiservices", "apiservice", &[], "s"),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", "controllerrevision", &[], "n"),
    ("apps", "v1", "DaemonSet", "daemonsets", "daemonset", &["ds"], "nsa"),
    ("apps", "v1", "Deployment", "deployments", "deployment", &["deploy"], "nsca"),
    ("apps", "v1", "ReplicaSet", "replicasets", "replicaset", &["rs"], "nsca"),
    ("apps", "v1", "StatefulSet", "statefulsets", "statefulset", &["sts"], "nsca"),
    (
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "horizontalpodautoscaler",
        &["hpa"],
        "nsa",
    ),
    ("batch", "v1", "CronJob", "cronjobs", "cronjob", &["cj"], "nsa"),
    ("batch", "v1", "Job", "jobs", "job", &[], "nsa"),
    (
        "certificates.k8s.io",
        "v1",
        "CertificateSigningRequest",
        "certificatesigningrequests",
        "certificatesigningrequest",
        &["csr"],
        "s",
    ),
    ("coordination.k8s.io", "v1", "Lease", "leases", "lease", &[], "n"),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice", &[], "n"),
    ("events.k8s.io", "v1", "Event", "events", "event", &["ev"], "n"),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", "ingress", &["ing"], "ns"),
    ("networking.k8s.io", "v1", "IngressClass", "ingressclasses", "ingressclass", &[], ""),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "networkpolicy", &["netpol"], "n"),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget", &["pdb"], "ns"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", "clusterrole", &[], ""),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding", &[], ""),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", "role", &[], "n"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "rolebinding", &[], "n"),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "priorityclass", &["pc"], ""),
    ("storage.k8s.io", "v1", "CSIDriver", "csidrivers", "csidriver", &[], ""),
    ("storage.k8s.io", "v1", "CSINode", "csinodes", "csinode", &[], ""),
    ("storage.k8s.io", "v1", "CSIStorageCapacity", "csistoragecapacities", "csistoragecapacity", &[], "n"),
    ("storage.k8s.io", "v1", "StorageClass", "storageclasses", "storageclass", &["sc"], ""),
    ("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", "volumeattachment", &[], "s"),
];

/// Everything served at this moment.
#[derive(Debug)]
pub(super) struct Kinds {
    kinds: Vec<Arc<Kind>>,
}

impl Kinds {
    pub(super) fn built_in() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let kinds = ROWS
            .iter()
            .map(|(group, version, kind, plural, singular, short, letters)| {
                Arc::new(Kind {
                    group: (*group).to_owned(),
                    version: (*version).to_owned(),
                    kind: (*kind).to_owned(),
                    plural: (*plural).to_owned(),
                    singular: (*singular).to_owned(),
                    short: owned(short),
                    categories: if letters.contains('a') { owned(&["all"]) } else { Vec::new() },
                    namespaced: letters.contains('n'),
                    status: letters.contains('s'),
                    scale: letters.contains('c'),
                    custom: None,
                })
            })
            .collect();
        Self { kinds }
    }

    /// Serves what the definitions say, and nothing of definitions that are gone.
    pub(super) fn define<'a>(&mut self, definitions: impl Iterator<Item = &'a Value>) {
        self.kinds.retain(|kind| kind.custom.is_none());
        self.kinds.extend(definitions.flat_map(Kind::defined_by).map(Arc::new));
    }

    pub(super) fn all(&self) -> &[Arc<Kind>] {
        &self.kinds
    }

    /// By the words of a path.
    pub(super) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
    }

    /// By the words of an object.
    pub(super) fn of(&self, api_version: &str, kind: &str) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|known| known.kind == kind && known.api_version() == api_version)
    }

    /// The first served version of a kind by group and plural.
    pub(super) fn preferred(&self, group: &str, plural: &str) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|kind| kind.group == group && kind.plural == plural)
    }

    /// By what people type: plural, singular, short name or kind, optionally with the group, and the version before it.
    pub(super) fn named(&self, word: &str) -> Option<&Arc<Kind>> {
        let (name, rest) = word.split_once('.').unwrap_or((word, ""));
        let name = name.to_lowercase();
        let matches = |kind: &&Arc<Kind>| {
            let known = kind.plural == name
                || kind.singular == name
                || kind.short.contains(&name)
                || kind.kind.to_lowercase() == name;
            let group = rest.is_empty() || kind.group == rest || format!("{}.{}", kind.version, kind.group) == rest;
            known && group
        };
        self.kinds.iter().find(matches)
    }

    /// The kinds of a category.
    pub(super) fn category(&self, name: &str) -> Vec<Arc<Kind>> {
        self.kinds.iter().filter(|kind| kind.categories.iter().any(|category| category == name)).cloned().collect()
    }

    /// The groups with their versions, in the order served; the core group is the empty one.
    pub(super) fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for kind in &self.kinds {
            match groups.iter_mut().find(|(group, _)| *group == kind.group) {
                None => groups.push((kind.group.clone(), vec![kind.version.clone()])),
                Some((_, versions)) if versions.contains(&kind.version) => {}
                Some((_, versions)) => versions.push(kind.version.clone()),
            }
        }
        groups
    }
}
