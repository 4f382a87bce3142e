//! Helm's records of a release, a Secret for each attempt (helm/helm `pkg/storage/driver/secrets.go`). Their labels tell
//! what became of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;

use super::request::{delete, list_metadata};

/// Whether a record is that of an attempt that has failed.
pub fn failed(record: &ObjectMeta) -> bool {
    record.labels.as_ref().and_then(|labels| labels.get("status")).is_some_and(|status| status == "failed")
}

/// Removes those records of a release that are chosen, and nothing else of it.
pub async fn forget(
    client: &Client,
    namespace: &str,
    release: &str,
    chosen: impl Fn(&ObjectMeta) -> bool,
) -> kube::Result<()> {
    let secrets = format!("/api/v1/namespaces/{namespace}/secrets");
    let records = list_metadata(client, &format!("{secrets}?labelSelector=owner%3Dhelm,name%3D{release}")).await?;
    for name in records.into_iter().filter(|record| chosen(record)).filter_map(|record| record.name) {
        delete(client, &format!("{secrets}/{name}")).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_failed_attempts_have_failed() {
        let record = |status: &str| -> ObjectMeta {
            serde_json::from_value(json!({ "name": "sh.helm.release.v1.mastodon.v1", "labels": { "status": status } }))
                .unwrap()
        };
        assert!(failed(&record("failed")));
        for status in ["deployed", "superseded", "pending-install", "pending-upgrade", "uninstalled"] {
            assert!(!failed(&record(status)), "{status}");
        }
        assert!(!failed(&ObjectMeta::default()));
    }
}
