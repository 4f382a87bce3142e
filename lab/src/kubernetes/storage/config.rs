//! The annotation `cas.openebs.io/config` of a class or claim: a list of names and values in YAML
//! (openebs/dynamic-nfs-provisioner `provisioner/config.go`).

use serde_json::Value;

use crate::kubernetes::kubectl::yaml::documents;
use crate::kubernetes::value::{at, text};

const ANNOTATION: &str = "/metadata/annotations/cas.openebs.io~1config";

fn entry(object: &Value, name: &str) -> Option<Value> {
    let document = documents(text(object, ANNOTATION)).ok()?.into_iter().next()?;
    document.as_array()?.iter().find(|entry| entry["name"] == name).cloned()
}

/// A value by its name; none when it is missing or empty.
pub(super) fn value(object: &Value, name: &str) -> Option<String> {
    plain(at(&entry(object, name)?, "/value"))
}

/// A value of those that carry several by key.
pub(super) fn datum(object: &Value, name: &str, key: &str) -> Option<String> {
    plain(&entry(object, name)?["data"][key])
}

fn plain(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{datum, value};

    #[test]
    fn the_annotation_is_a_list_of_names_and_values() {
        let text = "- name: NFSServerType\n  value: \"kernel\"\n- name: LeaseTime\n  value: 30\n- name: FilePermissions\n  data:\n    UID: \"991\"\n    mode: \"g+rws\"\n";
        let class = json!({"metadata": {"annotations": {"cas.openebs.io/config": text}}});
        assert_eq!(value(&class, "NFSServerType").as_deref(), Some("kernel"));
        assert_eq!(value(&class, "LeaseTime").as_deref(), Some("30"));
        assert_eq!(value(&class, "BackendStorageClass"), None);
        assert_eq!(datum(&class, "FilePermissions", "UID").as_deref(), Some("991"));
        assert_eq!(datum(&class, "FilePermissions", "GID"), None);
    }
}
