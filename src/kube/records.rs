//! homeprov's records in the cluster, written and taken away.

use kube::Client;
use serde_json::json;

use super::error::is_absent;
use super::request;
use crate::facts::record::{PLACE, Record};

/// Writes one record; the others stay as they are.
pub async fn write(client: &Client, name: &str, record: &Record) -> kube::Result<()> {
    let text = serde_json::to_string(record).map_err(kube::Error::SerdeError)?;
    let (namespace, config_map) = PLACE;
    let path = format!("/api/v1/namespaces/{namespace}/configmaps/{config_map}");
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": config_map, "namespace": namespace },
        "data": { name: text },
    });
    // One field manager a record: applying one does not take the others away.
    let path = format!("{path}?fieldManager=homeprov-{name}&force=true");
    request::apply_at(client, &path, &object).await.map(drop)
}

/// Takes one record away; the others stay as they are. None there is as good as one taken away.
pub async fn remove(client: &Client, name: &str) -> kube::Result<()> {
    let (namespace, config_map) = PLACE;
    let path = format!("/api/v1/namespaces/{namespace}/configmaps/{config_map}");
    match request::merge(client, &path, &json!({ "data": { name: null } })).await {
        Err(error) if !is_absent(&error) => Err(error),
        _ => Ok(()),
    }
}
