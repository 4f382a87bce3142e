//! Helm's records of the release, a Secret for each attempt (helm/helm `pkg/storage/driver/secrets.go`). Their labels tell
//! what became of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use serde::Deserialize;

use crate::kube::request::{delete, get_metadata};
use crate::mastodon::{NAMESPACE, RELEASE};

#[derive(Deserialize)]
struct List {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: ObjectMeta,
}

/// The name of a record, when its attempt has failed.
fn failed(metadata: ObjectMeta) -> Option<String> {
    let failed = metadata.labels?.get("status").is_some_and(|status| status == "failed");
    metadata.name.filter(|_| failed)
}

/// Removes the records of attempts that have failed, and nothing else of the release.
pub async fn remove_failed(client: &Client) -> kube::Result<()> {
    let secrets = format!("/api/v1/namespaces/{NAMESPACE}/secrets");
    let chosen = format!("{secrets}?labelSelector=owner%3Dhelm,name%3D{RELEASE}");
    let list: Option<List> = get_metadata(client, &chosen).await?;
    for name in list.into_iter().flat_map(|list| list.items).filter_map(|item| failed(item.metadata)) {
        delete(client, &format!("{secrets}/{name}")).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_failed_attempts_are_removed() {
        let record = |status: &str| -> ObjectMeta {
            serde_json::from_value(json!({ "name": "sh.helm.release.v1.mastodon.v1", "labels": { "status": status } }))
                .unwrap()
        };
        assert_eq!(failed(record("failed")).as_deref(), Some("sh.helm.release.v1.mastodon.v1"));
        for status in ["deployed", "superseded", "pending-install", "pending-upgrade", "uninstalled"] {
            assert_eq!(failed(record(status)), None, "{status}");
        }
    }
}
