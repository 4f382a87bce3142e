//! Rows of claims, volumes and storage classes.

use serde_json::Value;

use super::name;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::value::{at, text};

fn modes(value: &Value) -> Value {
    let short = |mode: &Value| match mode.as_str().unwrap_or_default() {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        _ => "RWOP",
    };
    let short: Vec<&str> = value.as_array().into_iter().flatten().map(short).collect();
    short.join(",").into()
}

fn unset(text: &str) -> Value {
    if text.is_empty() { "<unset>".into() } else { text.into() }
}

impl Kubernetes {
    pub(super) fn claim_cells(&self, object: &Value) -> Vec<Value> {
        let leaving = !text(object, "/metadata/deletionTimestamp").is_empty();
        let status = if leaving { "Terminating" } else { text(object, "/status/phase") };
        vec![
            name(object),
            status.into(),
            text(object, "/spec/volumeName").into(),
            text(object, "/status/capacity/storage").into(),
            modes(at(object, "/status/accessModes")),
            text(object, "/spec/storageClassName").into(),
            unset(text(object, "/spec/volumeAttributesClassName")),
            self.age(object),
            text(object, "/spec/volumeMode").into(),
        ]
    }

    pub(super) fn volume_cells(&self, object: &Value) -> Vec<Value> {
        let claim = match text(object, "/spec/claimRef/name") {
            "" => String::new(),
            claim => format!("{}/{claim}", text(object, "/spec/claimRef/namespace")),
        };
        vec![
            name(object),
            text(object, "/spec/capacity/storage").into(),
            modes(at(object, "/spec/accessModes")),
            text(object, "/spec/persistentVolumeReclaimPolicy").into(),
            text(object, "/status/phase").into(),
            claim.into(),
            text(object, "/spec/storageClassName").into(),
            unset(text(object, "/spec/volumeAttributesClassName")),
            text(object, "/status/reason").into(),
            self.age(object),
            text(object, "/spec/volumeMode").into(),
        ]
    }

    pub(super) fn storage_class_cells(&self, object: &Value) -> Vec<Value> {
        let default = text(object, "/metadata/annotations/storageclass.kubernetes.io~1is-default-class") == "true";
        let shown = format!("{}{}", text(object, "/metadata/name"), if default { " (default)" } else { "" });
        vec![
            shown.into(),
            at(object, "/provisioner").clone(),
            at(object, "/reclaimPolicy").clone(),
            at(object, "/volumeBindingMode").clone(),
            (at(object, "/allowVolumeExpansion") == true).into(),
            self.age(object),
        ]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::modes;

    #[test]
    fn access_modes_are_abbreviated() {
        assert_eq!(modes(&json!(["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"])), "RWO,RWX,ROX");
    }
}
