//! Storage classes, and what `OpenEBS` writes into their annotations.

use std::collections::BTreeMap;

use k8s_openapi::api::storage::v1::StorageClass as Object;
use kube::Client;
use kube::core::ObjectList;
use serde::Deserialize;

use crate::facts::storage::{OpenebsConfig, StorageClass};
use crate::kube::request::get;

/// The annotation that holds a class's settings.
pub const CONFIG: &str = "cas.openebs.io/config";

pub(super) async fn read(client: &Client) -> kube::Result<BTreeMap<String, StorageClass>> {
    let list: Option<ObjectList<Object>> = get(client, "/apis/storage.k8s.io/v1/storageclasses").await?;
    let items = list.map(|list| list.items).unwrap_or_default().into_iter();
    Ok(items.filter_map(|item| Some((item.metadata.name.clone()?, describe(item)))).collect())
}

/// A class as its object says; what is left out is what the API server would fill in.
pub fn describe(object: Object) -> StorageClass {
    let annotations = object.metadata.annotations.unwrap_or_default();
    StorageClass {
        provisioner: object.provisioner,
        reclaim_policy: object.reclaim_policy.unwrap_or_else(|| "Delete".to_owned()),
        binding_mode: object.volume_binding_mode.unwrap_or_else(|| "Immediate".to_owned()),
        allow_expansion: object.allow_volume_expansion.unwrap_or_default(),
        parameters: object.parameters.unwrap_or_default(),
        openebs: annotations.get(CONFIG).map(|text| config(text)).unwrap_or_default(),
        annotations,
    }
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(default)]
    value: Option<Scalar>,
    #[serde(default)]
    data: BTreeMap<String, Scalar>,
}

/// People write numbers with and without quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(i64),
    Switch(bool),
}

impl From<Scalar> for String {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Text(text) => text,
            Scalar::Number(number) => number.to_string(),
            Scalar::Switch(switch) => switch.to_string(),
        }
    }
}

/// Reads the annotation: YAML, a list of names and values. What cannot be read has no entries.
fn config(text: &str) -> OpenebsConfig {
    let mut config = OpenebsConfig::default();
    for entry in serde_saphyr::from_str::<Vec<Entry>>(text).unwrap_or_default() {
        let value = entry.value.map(|value| String::from(value).trim().to_owned()).filter(|value| !value.is_empty());
        match entry.name.as_str() {
            "BackendStorageClass" => config.backend = value,
            "CustomServerConfig" => config.exports = value,
            "LeaseTime" => config.lease_time = value,
            "GraceTime" => config.grace_time = value,
            "BasePath" => config.base_path = value,
            "FilePermissions" => {
                config.permissions = entry.data.into_iter().map(|(key, value)| (key, value.into())).collect();
            }
            _ => {}
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_annotation_of_a_share_class() {
        let config = config(
            "- name: NFSServerType\n  value: kernel\n- name: BackendStorageClass\n  value: openebs-hostpath\n\
             - name: CustomServerConfig\n  value: /nfsshare *(rw,fsid=0,sync)\n- name: LeaseTime\n  value: 30\n\
             - name: FilePermissions\n  data:\n    UID: \"991\"\n    GID: 991\n    mode: \"0775\"\n\
             - name: NFSServerResourceRequests\n  value: |-\n    memory: 50Mi\n",
        );
        assert_eq!(config.backend.as_deref(), Some("openebs-hostpath"));
        assert_eq!(config.exports.as_deref(), Some("/nfsshare *(rw,fsid=0,sync)"));
        assert_eq!(config.lease_time.as_deref(), Some("30"));
        let permissions: Vec<(&str, &str)> =
            config.permissions.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(permissions, [("GID", "991"), ("UID", "991"), ("mode", "0775")]);
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        assert_eq!(config("not: a list"), OpenebsConfig::default());
        assert_eq!(config("- name: BackendStorageClass\n  value: \"\"\n"), OpenebsConfig::default());
    }
}
