//! The columns of each kind.

use crate::kubernetes::kinds::Kind;
use crate::kubernetes::value::{list, number, text};

/// One column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) priority: i64,
}

/// Group, plural, and the names of the columns: `+` before a name that `-o wide` adds, `#` before one of whole numbers.
const COLUMNS: &[(&str, &str, &str)] = &[
    (
        "",
        "nodes",
        "Name|Status|Roles|Age|Version|+Internal-IP|+External-IP|+OS-Image|+Kernel-Version|+Container-Runtime",
    ),
    ("", "namespaces", "Name|Status|Age"),
    ("", "pods", "Name|Ready|Status|Restarts|Age|+IP|+Node|+Nominated Node|+Readiness Gates"),
    ("", "services", "Name|Type|Cluster-IP|External-IP|Port(s)|Age|+Selector"),
    ("", "endpoints", "Name|Endpoints|Age"),
    ("", "configmaps", "Name|#Data|Age"),
    ("", "secrets", "Name|Type|#Data|Age"),
    ("", "serviceaccounts", "Name|#Secrets|Age"),
    ("", "events", "Last Seen|Type|Reason|Object|+Subobject|+Source|Message|+First Seen|#+Count|+Name"),
    ("events.k8s.io", "events", "Last Seen|Type|Reason|Object|+Subobject|+Source|Message|+First Seen|#+Count|+Name"),
    (
        "",
        "persistentvolumeclaims",
        "Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|+VolumeMode",
    ),
    (
        "",
        "persistentvolumes",
        "Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age|+VolumeMode",
    ),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "Name|#Webhooks|Age"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", "Name|#Webhooks|Age"),
    ("apiextensions.k8s.io", "customresourcedefinitions", "Name|Created At"),
    (
        "apps",
        "daemonsets",
        "Name|#Desired|#Current|#Ready|#Up-to-date|#Available|Node Selector|Age|+Containers|+Images|+Selector",
    ),
    ("apps", "deployments", "Name|Ready|#Up-to-date|#Available|Age|+Containers|+Images|+Selector"),
    ("apps", "replicasets", "Name|#Desired|#Current|#Ready|Age|+Containers|+Images|+Selector"),
    ("apps", "statefulsets", "Name|Ready|Age|+Containers|+Images"),
    ("batch", "cronjobs", "Name|Schedule|Timezone|Suspend|#Active|Last Schedule|Age|+Containers|+Images|+Selector"),
    ("batch", "jobs", "Name|Status|Completions|Duration|Age|+Containers|+Images|+Selector"),
    ("coordination.k8s.io", "leases", "Name|Holder|Age"),
    ("discovery.k8s.io", "endpointslices", "Name|AddressType|Ports|Endpoints|Age"),
    ("networking.k8s.io", "ingresses", "Name|Class|Hosts|Address|Ports|Age"),
    ("networking.k8s.io", "ingressclasses", "Name|Controller|Parameters|Age"),
    ("rbac.authorization.k8s.io", "roles", "Name|Created At"),
    ("rbac.authorization.k8s.io", "clusterroles", "Name|Created At"),
    ("rbac.authorization.k8s.io", "rolebindings", "Name|Role|Age|+Users|+Groups|+ServiceAccounts"),
    ("rbac.authorization.k8s.io", "clusterrolebindings", "Name|Role|Age|+Users|+Groups|+ServiceAccounts"),
    ("storage.k8s.io", "storageclasses", "Name|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age"),
];

/// The columns of a kind; name and age for one without a row above.
pub(super) fn columns(kind: &Kind) -> Vec<Column> {
    if let Some(version) = &kind.custom {
        let mut columns = vec![parse("Name")];
        let printed = list(version, "/additionalPrinterColumns");
        columns.extend(printed.iter().map(|column| Column {
            name: text(column, "/name").to_owned(),
            kind: text(column, "/type").to_owned(),
            priority: number(column, "/priority"),
        }));
        if printed.is_empty() {
            columns.push(parse("Age"));
        }
        return columns;
    }
    let row = COLUMNS.iter().find(|(group, plural, _)| *group == kind.group && *plural == kind.plural);
    row.map_or("Name|Age", |(_, _, names)| names).split('|').map(parse).collect()
}

fn parse(text: &str) -> Column {
    let name = text.trim_start_matches(['+', '#']);
    let marks = &text[..text.len() - name.len()];
    Column {
        name: name.to_owned(),
        kind: if marks.contains('#') { "integer" } else { "string" }.to_owned(),
        priority: i64::from(marks.contains('+')),
    }
}
